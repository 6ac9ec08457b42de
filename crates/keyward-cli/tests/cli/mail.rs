//! Where do mails go, and who is told?

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::json;

use crate::support::{Answer, EMAIL, Home, PASSWORD, PATIENCE, Server, until};

/// The files of the outbox, once there are so many.
fn outbox(home: &Home, count: usize) -> Vec<PathBuf> {
    let list = || -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(home.path("keyward-data/outbox")) else { return Vec::new() };
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect()
    };
    until(PATIENCE, "a mail", || list().len() == count);
    list()
}

/// The secret of the link in the only mail.
fn token(mail: &str) -> &str {
    let (_, rest) = mail.split_once("?token=").expect("a link");
    rest.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).next().expect("a token")
}

#[test]
fn who_is_invited_by_a_command_takes_it_up_at_the_server() {
    let home = Home::new().with("ACCOUNTS__SIGNUP", "closed");
    let mut server = Server::start(&home);
    let mailbox = server.line_with("  Mails").split_whitespace().last().expect("an address").to_owned();
    assert_eq!(mailbox, format!("http://{}/dev/mailbox", server.address()));
    // The port that the server got is told to the command, as a configuration would.
    let public_url = format!("http://{}", server.address());
    let home = home.with("SERVER__PUBLIC_URL", &public_url);
    let said = home.done(&["user", "create", EMAIL, "--invite"]);
    assert!(said.contains(EMAIL) && said.contains("invitation"), "{said}");
    let [file] = outbox(&home, 1).try_into().expect("one");
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o7777, 0o600);
    let mail = std::fs::read_to_string(&file).expect("a mail");
    assert!(mail.contains(&format!("\r\n{public_url}/reset?token=kwm_")), "{mail}");
    let page = server.get("/dev/mailbox");
    assert!(page.status == 200 && page.text.contains(token(&mail)), "{}", page.text);
    let body = json!({ "token": token(&mail), "new_password": PASSWORD });
    let answer = server.call("POST", "/api/auth/password/reset", None, Some(&body));
    assert_eq!(answer.status, 204, "{}", answer.text);
    assert_eq!(server.login(EMAIL)["email_verified"], true);
    server.signal("TERM");
    let (code, _, log) = server.end();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("keyward-data/outbox/"), "the log names the file: {log}");
    assert!(!log.contains("kwm_") && !log.contains(token(&mail)), "{log}");
}

#[test]
fn an_invitation_needs_no_password_and_takes_none() {
    let home = Home::new();
    let ran = home.run(&["user", "create", EMAIL, "--invite", "--password-stdin"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--invite") && ran.err.contains("--password-stdin"), "{ran:?}");
}

#[test]
fn the_mailbox_is_for_a_browser_on_this_machine() {
    let home = Home::new();
    let server = Server::start(&home);
    let ask = |head: &str| {
        let mut stream = server.connect().expect("it listens");
        let request = format!("GET /dev/mailbox HTTP/1.1\r\nConnection: close\r\n{head}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        Answer::read(&mut stream).status
    };
    assert_eq!(ask("Host: localhost"), 200);
    assert_eq!(ask("Host: evil.example"), 404);
    assert_eq!(ask("Host: localhost\r\nX-Forwarded-For: 127.0.0.1"), 404);
    server.stop();
    // Where people elsewhere are served there is none, and the log says that nobody gets mail.
    let home = Home::new()
        .with("SERVER__PUBLIC_URL", "https://auth.example.com")
        .with("KEYS__MASTER_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let server = Server::start(&home);
    let mut stream = server.connect().expect("it listens");
    stream
        .write_all(b"GET /dev/mailbox HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n\r\n")
        .expect("written");
    assert_eq!(Answer::read(&mut stream).status, 404);
    server.signal("TERM");
    let (_, printed, log) = server.end();
    assert!(!printed.contains("mailbox"), "{printed}");
    assert!(log.contains("email.smtp_url") && log.contains("outbox"), "{log}");
}

#[test]
fn a_server_for_mails_that_is_away_keeps_nobody_from_signing_up_or_stopping() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let home = Home::new().with("EMAIL__SMTP_URL", &format!("smtp://ada:Kanarienvogel@127.0.0.1:{port}"));
    let server = Server::start(&home);
    assert_eq!(server.get("/dev/mailbox").status, 404);
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(server.call("POST", "/api/auth/signup", None, Some(&body)).status, 201);
    let _connection = silent.accept().expect("it tries");
    server.signal("TERM");
    let (code, _, log) = server.end();
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("Kanarienvogel"), "{log}");
    let shown = home.done(&["config", "show"]);
    assert!(shown.contains("smtp://ada:***@127.0.0.1") && !shown.contains("Kanarienvogel"), "{shown}");
}
