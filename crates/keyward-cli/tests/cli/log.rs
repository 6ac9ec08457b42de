//! What if the log can't be written, and is every line of it whole?

use std::fs::OpenOptions;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{EMAIL, Home, PASSWORD, PATIENCE, Server, until};

const DROPS: &str = "keyward_log_lines_dropped_total";

fn watched() -> Home {
    Home::new().with("SERVER__METRICS_LISTEN", "127.0.0.1:0").with("SERVER__SHUTDOWN_GRACE", "1s")
}

#[test]
fn a_full_disk_neither_stops_it_nor_lets_anybody_in() {
    let home = watched();
    home.user(EMAIL);
    let full = OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let mut server = Server::of(home.command(&["serve"]).stderr(full).spawn().expect("it runs"));
    let session = server.login(EMAIL);
    assert_eq!(server.verdict(session["token"].as_str().expect("a token")), "200");
    assert_eq!(server.verdict("x"), "invalid_token");
    until(PATIENCE, "the count of what is lost", || server.sample(DROPS) >= 3.0);
    server.stop();
}

#[test]
fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    let home = watched().with("LOG__LEVEL", "trace");
    let mut child = home.command(&["serve"]).stderr(Stdio::piped()).spawn().expect("it runs");
    // A pipe that is open at its other end, and full after 64 KiB.
    let unread = child.stderr.take();
    let server = Server::of(child);
    for _ in 0..600 {
        assert_eq!(server.get("/healthz").status, 200);
    }
    server.stop();
    drop(unread);
}

#[test]
fn each_event_is_a_line_of_json_and_no_secret_is_in_any() {
    let home = watched().with("LOG__FORMAT", "json").with("LOG__LEVEL", "trace");
    home.user(EMAIL);
    let server = Server::start(&home);
    let session = server.login(EMAIL);
    let of = |field: &str| session[field].as_str().expect("a text").to_owned();
    let (token, refresh) = (of("token"), of("refresh_token"));
    assert_eq!(server.verdict(&token), "200");
    let renewed = server.refresh(&refresh).json();
    server.get(&format!("/api/auth/session?token={token}"));
    server.get(&format!("/{refresh}"));
    server.get("/%0d%0a%1b%5b31m/%E2%80%A8");
    let wrong = serde_json::json!({ "email": format!("{EMAIL}\r\n\u{1b}[31m"), "password": token });
    server.call("POST", "/api/auth/login", None, Some(&wrong));
    server.signal("TERM");
    let (code, printed, log) = server.end();
    assert_eq!(code, 0, "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let answered = lines.iter().filter(|line| line["message"] == "answered");
    assert_eq!(answered.count(), 7, "{log}");
    let setup = printed.split("/setup?token=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let renewed = renewed["refresh_token"].as_str().expect("a text");
    for secret in [PASSWORD, EMAIL, &token, &refresh, renewed, setup.expect("a link")] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
