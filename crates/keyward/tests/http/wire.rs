//! Bytes on a connection that no client library would send.

use crate::support::{ADA, App, PASSWORD, Served};

/// The statuses of the answers in what came back.
fn statuses(answer: &str) -> Vec<u16> {
    answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| answer[at + 9..at + 12].parse().expect("a status"))
        .collect()
}

async fn served() -> (App, Served) {
    let app = App::new().await;
    app.signup(ADA).await;
    let served = app.serve().await;
    (app, served)
}

fn login_body() -> String {
    format!("{{\"email\":\"{ADA}\",\"password\":\"{PASSWORD}\"}}")
}

fn login_with(headers: &str, body: &str) -> String {
    format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn an_ordinary_request_is_served() {
    let (app, server) = served().await;
    let body = login_body();
    let answer = server.exchange(login_with(&format!("Content-Length: {}\r\n", body.len()), &body)).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let answer = server.exchange(login_with("Transfer-Encoding: chunked\r\n", &chunked)).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    // The peer is the socket's.
    assert!(app.dump().contains("|127.0.0.1|"));
    server.stop().await;
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_nothing_is_smuggled() {
    let (app, server) = served().await;
    let before = app.dump();
    let body = login_body();
    let n = body.len();
    let chunked = format!("{n:x}\r\n{body}\r\n0\r\n\r\n");
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for (what, bytes) in [
        ("two lengths", login_with(&format!("Content-Length: {n}\r\nContent-Length: 5\r\n"), &body)),
        ("a list of lengths", login_with(&format!("Content-Length: {n}, 5\r\n"), &body)),
        ("a length with a sign", login_with(&format!("Content-Length: +{n}\r\n"), &body)),
        ("a length below zero", login_with("Content-Length: -1\r\n", &body)),
        ("a length in hex", login_with("Content-Length: 0x20\r\n", &body)),
        ("an unknown coding", login_with("Transfer-Encoding: xchunked\r\n", &chunked)),
        ("chunked twice", login_with("Transfer-Encoding: chunked, chunked, identity\r\n", &chunked)),
        ("a space before the colon", login_with(&format!("Content-Length : {n}\r\n"), &body)),
        ("a folded line", login_with(&format!("X-A: b\r\n c\r\nContent-Length: {n}\r\n"), &body)),
        ("a NUL in a header", login_with(&format!("X-A: b\0c\r\nContent-Length: {n}\r\n"), &body)),
        ("a bare CR in a header", login_with(&format!("X-A: b\rc\r\nContent-Length: {n}\r\n"), &body)),
        ("a line without a colon", login_with(&format!("X-A\r\nContent-Length: {n}\r\n"), &body)),
        ("an empty name", login_with(&format!(": b\r\nContent-Length: {n}\r\n"), &body)),
        ("a broken chunk", login_with("Transfer-Encoding: chunked\r\n", "zz\r\nx\r\n0\r\n\r\n")),
        (
            "a chunk of too many digits",
            login_with("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nx\r\n0\r\n\r\n"),
        ),
        ("no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\r\n\r\n".to_owned()),
        ("another version", "GET / HTTP/3.7\r\nHost: x\r\n\r\n".to_owned()),
        ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
    ] {
        let answer = server.exchange(format!("{bytes}{smuggled}")).await;
        let seen = statuses(&answer);
        assert!(seen.len() <= 1, "{what}: {answer}");
        assert!(seen.iter().all(|status| (400..500).contains(status) || *status == 505), "{what}: {answer}");
    }
    assert_eq!(app.dump(), before);
    server.stop().await;
}

/// RFC 9112 §6.3: the chunks count, the length is dropped, and the connection is closed, so that
/// whoever counted otherwise gains nothing.
#[tokio::test]
async fn chunks_beside_a_length_end_the_connection() {
    let (app, server) = served().await;
    let chunks = "0\r\n\r\n";
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 100",
    ] {
        let request = format!("POST /api/auth/activity HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n{chunks}");
        let answer = server.exchange(request.clone()).await;
        assert_eq!(statuses(&answer), [401], "{answer}");
        let smuggled = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        let answer = server.exchange(format!("{request}{smuggled}")).await;
        assert!(matches!(statuses(&answer).as_slice(), [] | [401]), "{answer}");
    }
    drop(app);
    server.stop().await;
}

#[tokio::test]
async fn a_line_end_without_its_cr_is_never_the_end_of_another_request() {
    let (_app, server) = served().await;
    // RFC 9112 §2.2 lets a recipient take a bare LF as a line end. It is one line end everywhere.
    let answer = server
        .exchange("GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\nGET /readyz HTTP/1.1\nHost: x\n\n")
        .await;
    assert!(matches!(statuses(&answer).as_slice(), [] | [200] | [400]), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn large_and_many_headers_are_refused_and_others_are_served() {
    let (app, server) = served().await;
    let before = app.dump();
    let many: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let large = format!("X-A: {}\r\n", "y".repeat(100_000));
    let cookie = format!("Cookie: keyward_access={}\r\n", "y".repeat(100_000));
    let token = format!("Authorization: Bearer {}\r\n", "y".repeat(1_000_000));
    for headers in [many, large, cookie, token] {
        let answer =
            server.exchange(format!("GET /api/auth/session HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
        assert!(matches!(statuses(&answer).as_slice(), [] | [431]), "{}", &answer[..answer.len().min(300)]);
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(100_000));
    let answer = server.exchange(long).await;
    assert!(matches!(statuses(&answer).as_slice(), [] | [414] | [431]), "{answer}");
    let answer = server.exchange("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(statuses(&answer), [200]);
    assert_eq!(app.dump(), before);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_would_never_end_is_cut_at_64_kib() {
    let (app, server) = served().await;
    let hashes = app.keyward.password_hashes();
    // A gigabyte in chunks is announced; the answer comes after the first 64 KiB of it.
    let mut body = String::new();
    for _ in 0..3 {
        body.push_str(&format!("8000\r\n{}\r\n", "x".repeat(0x8000)));
    }
    let answer = server.exchange(login_with("Transfer-Encoding: chunked\r\n", &body)).await;
    assert_eq!(statuses(&answer), [413], "{answer}");
    assert!(answer.contains("x-keyward-error: body_too_large"));
    let answer = server.exchange(login_with("Content-Length: 1000000000\r\n", "{")).await;
    assert_eq!(statuses(&answer), [413], "{answer}");
    assert_eq!(app.keyward.password_hashes(), hashes);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_it_only_for_what_is_read() {
    let (_app, server) = served().await;
    let answer =
        server.exchange(login_with("Content-Length: 1000000000\r\nExpect: 100-continue\r\n", "")).await;
    assert_eq!(statuses(&answer), [413], "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_app, server) = served().await;
    let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let bytes = format!(
        "{}{}{}",
        one("/healthz", ""),
        one("/nowhere", ""),
        one("/api/auth/session", "Connection: close\r\n")
    );
    assert_eq!(statuses(&server.exchange(bytes).await), [200, 404, 401]);
    server.stop().await;
}

#[tokio::test]
async fn header_names_are_not_ours_to_repeat() {
    let (_app, server) = served().await;
    let answer = server.exchange("GET /api/auth/session HTTP/1.1\r\nHost: evil\r\nX-Request-Id: a%0d%0aSet-Cookie: x=y\r\nOrigin: http://evil\r\nConnection: close\r\n\r\n").await;
    assert_eq!(statuses(&answer), [401]);
    assert!(
        !answer.to_ascii_lowercase().contains("evil") && !answer.to_ascii_lowercase().contains("set-cookie"),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_shutdown_takes_no_more_and_closes_what_is_idle() {
    let (_app, server) = served().await;
    let address = server.address;
    let idle = tokio::net::TcpStream::connect(address).await.expect("connects");
    let answer = server.exchange("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(statuses(&answer), [200]);
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    idle.readable().await.expect("closed");
    assert_eq!(idle.try_read(&mut [0; 1]).ok(), Some(0));
}
