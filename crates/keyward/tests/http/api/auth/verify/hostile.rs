//! What a client writes itself is never passed on, nor taken for another's word.

use keyward::core::id::SessionId;
use proptest::prelude::*;

use super::{NAMES, PROXY, VERIFY, app, ask, behind_a_proxy, passes, told, with_cookies};
use crate::support::{ADA, App, Ask, BOB, Browser, get, settings, text};

#[tokio::test]
async fn no_header_of_identity_that_came_in_goes_out() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    for name in NAMES {
        for alias in [name.to_owned(), name.replace('-', "_"), name.replace('-', ".")] {
            // No token holds that by chance.
            let spoof = ask("GET").header(&alias, "e!vil").header(&alias, "e!vil2").bearer(&tokens.access);
            let reply = app.send(spoof.header("connection", format!("close, {alias}, cookie"))).await;
            passes(&reply);
            assert!(!format!("{:?}", reply.headers).contains("e!vil"), "{alias}");
            let reply = app.send(ask("GET").header(&alias, &tokens.user)).await;
            reply.refused(401, "missing_token");
        }
    }
}

#[tokio::test]
async fn two_credentials_that_disagree_are_refused_by_401() {
    let app = app().await;
    let (ada, bob) = (Browser::signed_up(&app, ADA).await, Browser::signed_up(&app, BOB).await);
    let both = with_cookies(&app, &bob, with_cookies(&app, &ada, ask("GET")));
    app.send(both).await.refused(401, "ambiguous_credentials");
    let joined = format!(
        "{}; {}",
        ada.jar.line("/", app.now()).expect("cookies"),
        bob.jar.line("/", app.now()).expect("cookies")
    );
    app.send(ask("GET").header("cookie", joined)).await.refused(401, "ambiguous_credentials");
    let (a, b) = (app.login(ADA).await, app.login(BOB).await);
    let twice = ask("GET").bearer(&a.access).bearer(&b.access);
    app.send(twice).await.refused(401, "ambiguous_credentials");
    // One that no hint stands by is not there, and a header beside a cookie is ignored.
    let planted =
        with_cookies(&app, &ada, ask("GET")).header("cookie", format!("keyward_access={}", b.access));
    let reply = app.send(planted.bearer(&b.access)).await;
    passes(&reply);
    assert_eq!(told(&reply, "x-auth-email"), ADA);
}

#[tokio::test]
async fn a_preflight_is_told_as_any_other_request() {
    let origin = "https://other.example.com";
    let settings =
        keyward::Settings { allowed_origins: vec![origin.parse().expect("an origin")], ..behind_a_proxy() };
    let app = App::with(settings).await;
    let preflight = |origin: &str| {
        Ask::new(http::Method::OPTIONS, &format!("{VERIFY}/tasks"))
            .from(PROXY)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
    };
    let reply = app.send(preflight(origin)).await;
    reply.refused(401, "missing_token");
    assert_eq!(reply.one("access-control-allow-origin"), Some(origin));
    assert_eq!(reply.one("access-control-allow-methods"), None);
    let reply = app.send(preflight("https://evil.example")).await;
    reply.refused(401, "missing_token");
    assert_eq!(reply.one("access-control-allow-origin"), None);
}

#[tokio::test]
async fn nothing_but_200_302_401_403_and_503_is_ever_said() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let wild = "%".repeat(2_000);
    for uri in [
        VERIFY.to_owned(),
        format!("{VERIFY}?{wild}"),
        format!("{VERIFY}?role=%zz&role=%FF%FE&permission=%00"),
        format!("{VERIFY}?{}", "role=&".repeat(100)),
        format!("{VERIFY}/{wild}"),
        format!("{VERIFY}/%ff%fe/..;/x"),
        format!("{VERIFY}/\u{2f}{}", "a/".repeat(2_000)),
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "BREW"] {
            let method = http::Method::from_bytes(method.as_bytes()).expect("a method");
            for ask in [
                Ask::new(method.clone(), &uri),
                Ask::new(method.clone(), &uri).bearer(&tokens.access),
                Ask::new(method.clone(), &uri).header("content-length", "99999999999"),
                Ask::new(method.clone(), &uri)
                    .header("cookie", b"\xff\xfe=; keyward_access=; keyward_hint=v1"),
                Ask::new(method.clone(), &uri).header("x-forwarded-method", b"\xff").from(PROXY),
                Ask::new(method.clone(), &uri).header("x-forwarded-uri", b"/\xff\t").from(PROXY),
            ] {
                let reply = app.send(ask).await;
                assert!([200, 302, 401, 403, 503].contains(&reply.status), "{uri}: {}", reply.status);
            }
        }
    }
}

#[tokio::test]
async fn bytes_on_the_wire_are_answered_once_and_a_body_is_not_waited_for() {
    let app = App::with(settings()).await;
    let tokens = app.signup(ADA).await;
    let served = app.serve().await;
    let bearer = format!("Authorization: Bearer {}\r\n", tokens.access);
    // nginx, where its body is off and the length was left in.
    let head = format!("GET {VERIFY} HTTP/1.1\r\nHost: x\r\n{bearer}Content-Length: 5000\r\n\r\n");
    let answer = served.exchange(head).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-auth-phone-number: \r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    let head = format!("HEAD {VERIFY}/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = served.exchange(head).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.ends_with("\r\n\r\n"), "{answer}");
    served.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever address somebody signs up with and whatever else comes in: one line a header, of
    /// visible ASCII, and nobody else's.
    #[test]
    fn a_header_says_one_value_and_lets_nothing_in(
        local in "[ -~\r\n\u{e9}]{1,40}",
        line in prop::collection::vec(any::<u8>().prop_filter("a header", |b| *b >= 32 && *b != 127), 0..60),
        path in "/[!-~]{0,40}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let app = app().await;
            let email = format!("{local}@example.com");
            let body = serde_json::json!({"email": email, "password": crate::support::PASSWORD});
            let reply = app.send(crate::support::post("/api/auth/signup").json(body)).await;
            // Most are no address.
            let tokens = match reply.status {
                201 => crate::support::Tokens::of(&reply.json()),
                _ => app.signup(ADA).await,
            };
            let ask = get(&format!("{VERIFY}?redirect=1")).from(PROXY).header("x-forwarded-method", "GET");
            let ask = ask.header("x-auth-email", &line).header("x-forwarded-uri", &path).header("accept", "text/html");
            let away = app.send(ask.clone()).await;
            if let Some(location) = away.one("location") {
                assert!(location.starts_with("http://127.0.0.1:8080/api/auth/renew?next=/"), "{location}");
            }
            let reply = app.send(ask.bearer(&tokens.access)).await;
            passes(&reply);
            for name in NAMES {
                assert!(told(&reply, name).bytes().all(|b| b.is_ascii_graphic()), "{name}");
            }
            let session = app.session(&tokens.access).await.ok(200);
            assert_eq!(told(&reply, "x-auth-email"), text(&session, "email"));
            assert_eq!(told(&reply, "x-auth-session-id").parse::<SessionId>(), Ok(tokens.session.parse().expect("an id")));
        });
    }
}
