//! How does it stop?

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use keyward::core::id::SessionId;
use keyward::core::time::Timestamp;
use keyward::{Keyward, MasterKey, Settings};

use crate::support::{Answer, EMAIL, Home, PASSWORD, PATIENCE, Server, text, until};

/// A login of which the server has read the head, and waits for the body.
fn login_under_way(server: &Server) -> (TcpStream, String) {
    let mut stream = server.connect().expect("it listens");
    let body = serde_json::json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    write!(
        stream,
        "POST /api/auth/login HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.address(),
        body.len()
    )
    .expect("written");
    // Byte for byte, so that nothing of the answer is swallowed.
    let mut reader = BufReader::with_capacity(1, stream.try_clone().expect("the same socket"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("an answer");
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n", "the request is under way");
    reader.read_line(&mut line).expect("the end of the head");
    (stream, body)
}

fn takes_nobody(server: &Server) -> bool {
    server.connect().is_err()
}

#[test]
fn what_is_under_way_is_finished() {
    for signal in ["TERM", "INT"] {
        let home = Home::new();
        home.user(EMAIL);
        let server = Server::start(&home);
        let (mut stream, body) = login_under_way(&server);
        server.signal(signal);
        until(PATIENCE, "the end of listening", || takes_nobody(&server));
        stream.write_all(body.as_bytes()).expect("written");
        let answer = Answer::read(&mut stream);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let (code, _, log) = server.end();
        assert_eq!(code, 0, "{log}");
        assert_eq!(
            home.json(&["session", "list", EMAIL, "--json"])["sessions"][0]["id"],
            answer.json()["session_id"]
        );
    }
}

#[test]
fn it_waits_no_longer_than_the_grace() {
    let home = Home::new().with("SERVER__SHUTDOWN_GRACE", "50ms");
    let server = Server::start(&home);
    let _under_way = login_under_way(&server);
    server.signal("TERM");
    let (code, _, log) = server.end();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("some requests did not finish within the grace"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let home = Home::new().with("SERVER__SHUTDOWN_GRACE", "10m");
    let server = Server::start(&home);
    let _under_way = login_under_way(&server);
    server.signal("TERM");
    until(PATIENCE, "the end of listening", || takes_nobody(&server));
    server.signal("INT");
    let (code, _, log) = server.end();
    assert_eq!(code, 1, "{log}");
    assert!(log.lines().last().is_some_and(|line| line.starts_with("keyward: a second signal")), "{log}");
}

#[test]
fn what_is_noted_is_written_before_it_stops() {
    let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    let home = Home::new().with("KEYS__MASTER_KEY", key);
    home.user(EMAIL);
    let server = Server::start(&home);
    let session = server.login(EMAIL);
    let opened_at = last_active_at(&home, key, &text(&session["session_id"]));
    // The first activity is written within a second, what follows may wait for a minute.
    assert_eq!(server.verdict(&text(&session["token"])), "200");
    let mut noted = opened_at;
    until(PATIENCE, "the first note", || {
        noted = last_active_at(&home, key, &text(&session["session_id"]));
        noted > opened_at
    });
    assert_eq!(server.verdict(&text(&session["token"])), "200");
    server.stop();
    assert!(last_active_at(&home, key, &text(&session["session_id"])) > noted);
}

fn last_active_at(home: &Home, key: &str, session: &str) -> Timestamp {
    let open = async {
        let keyward = Keyward::builder(Settings::default())
            .sqlite(home.path("keyward-data/keyward.db"))
            .master_key(MasterKey::from_base64(key).expect("a key"))
            .beside()
            .open()
            .await
            .expect("it opens");
        keyward.sessions(SessionId::from_bytes([0; 16]), 10).await.expect("sessions")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sessions = runtime.block_on(open);
    let found = sessions.iter().find(|known| known.id.to_string() == session).expect("the session");
    found.progress.expect("its progress").last_active_at
}
