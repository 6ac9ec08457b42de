//! How mails leave: over real SMTP, again where it fails, and never lost.

use std::time::Duration;

use keyward::{Settings, Smtp};
use serde_json::{Value, json};

use crate::servers::port::free_port;
use crate::support::{ADA, App, DAY, HOUR, Mail, PASSWORD, SmtpServer, post, settings};

/// An installation for people elsewhere.
fn public() -> Settings {
    Settings {
        public_url: "https://auth.example.com".parse().expect("an origin"),
        mail_from: "Caf\u{e9} Example <no-reply@example.com>".parse().expect("a sender"),
        ..settings()
    }
}

async fn by(smtp: Smtp) -> App {
    App::with(Settings { smtp: Some(smtp), ..public() }).await
}

async fn invite(app: &App, email: &str) {
    let client = keyward::Client::operator();
    app.keyward.create_account(email, None, None, vec!["user".to_owned()], &client).await.expect("made");
}

/// A port where nobody answers, and a server that is to be there.
fn nobody() -> (u16, Smtp) {
    let server = SmtpServer::start_on("starttls", free_port());
    (server.port, server.smtp("127.0.0.1", false))
}

/// How often the only mail was tried, in how many seconds it is due, and what went wrong.
fn waiting(app: &App) -> (i64, Option<i64>, Option<String>) {
    let [(attempts, due_at, failure)] = app.outbox().try_into().expect("one mail waits");
    (attempts, due_at.map(|at: i64| at / 1_000_000 - app.now()), failure)
}

fn took(server: &SmtpServer, to: &str) -> (Value, Mail) {
    let said = server.says();
    assert_eq!((&said["sender"], &said["to"]), (&json!("no-reply@example.com"), &json!([to])), "{said}");
    let mail = Mail::of(said["data"].as_str().expect("a message"));
    (said, mail)
}

#[tokio::test]
async fn a_server_takes_mails_over_tls_from_who_signs_in() {
    for (mode, implicit_tls) in [("starttls", false), ("smtps", true)] {
        let server = SmtpServer::start(mode);
        let app = by(server.smtp("127.0.0.1", implicit_tls)).await;
        let ask = json!({"email": ADA, "password": PASSWORD});
        app.send(post("/api/auth/signup").json(ask)).await.ok(201);
        assert_eq!(app.count("outbox"), 1, "it waits");
        app.tick().await;
        let (said, mail) = took(&server, ADA);
        assert_eq!(
            (&said["login"], &said["tls"], &said["helo"]),
            (&json!("ada"), &json!(true), &json!("auth.example.com"))
        );
        assert_eq!(mail.subject, "Confirm your e-mail address");
        assert!(mail.message.contains("From: =?utf-8?"), "{}", mail.message);
        assert!(mail.link().starts_with("https://auth.example.com/verify-email?token=kwm_"));
        app.verify(&mail.token()).await.ok(204);
        assert_eq!(app.count("outbox"), 0, "what was sent is gone");
        app.tick().await;
        server.took_nothing_more();
        assert!(app.mail_files().is_empty(), "no file beside it");
    }
}

#[tokio::test]
async fn a_mail_goes_to_nobody_who_can_not_show_who_they_are() {
    // Neither name is this machine's, yet both lead to it.
    let server = SmtpServer::start("starttls");
    let plain = SmtpServer::start("plain");
    for smtp in [server.smtp("0.0.0.0", false), server.smtp("0.0.0.0", true), plain.smtp("0.0.0.0", false)] {
        let app = by(smtp).await;
        invite(&app, ADA).await;
        app.tick().await;
        let (attempts, due, failure) = waiting(&app);
        assert!(attempts == 1 && due.is_some_and(|due| due > 0), "{failure:?}");
        assert!(failure.is_some());
    }
    server.took_nothing_more();
    plain.took_nothing_more();
}

#[tokio::test]
async fn a_wrong_password_for_the_server_loses_no_mail() {
    let server = SmtpServer::start("starttls");
    let mut smtp = server.smtp("127.0.0.1", false);
    smtp.credentials = Some(("ada".to_owned(), keyward::Secret::from(b"wrong".to_vec())));
    let app = by(smtp).await;
    invite(&app, ADA).await;
    app.tick().await;
    let (attempts, due, failure) = waiting(&app);
    assert!(attempts == 1 && due.is_some(), "{failure:?}");
    assert!(failure.as_ref().is_some_and(|failure| failure.contains("535")), "{failure:?}");
    // An operator puts it right.
    let app = app.restarted_with(Settings { smtp: Some(server.smtp("127.0.0.1", false)), ..public() }).await;
    app.pass(60);
    app.tick().await;
    took(&server, ADA);
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_at_growing_intervals() {
    let server = SmtpServer::start("starttls");
    let app = by(server.smtp("127.0.0.1", false)).await;
    invite(&app, "busy3@example.com").await;
    let mut waits = Vec::new();
    for attempt in 1..=3 {
        app.tick().await;
        let (attempts, due, failure) = waiting(&app);
        assert_eq!(attempts, attempt);
        assert!(failure.is_some_and(|failure| failure.contains("451")));
        let wait = due.expect("it waits");
        // Not before its time; whole seconds of it are told.
        app.pass(u64::try_from(wait).expect("ahead") - 1);
        app.tick().await;
        assert_eq!(waiting(&app).0, attempt, "too early");
        app.pass(2);
        waits.push(wait);
    }
    for (wait, expected) in waits.iter().zip([30, 60, 120]) {
        assert!((expected * 3 / 4 - 1..=expected * 5 / 4).contains(wait), "{waits:?}");
    }
    server.took_nothing_more();
    app.tick().await;
    took(&server, "busy3@example.com");
    assert_eq!(app.count("outbox"), 0);
}

#[tokio::test]
async fn what_is_refused_for_ever_is_given_up_and_kept_for_a_week() {
    let server = SmtpServer::start("starttls");
    let app = by(server.smtp("127.0.0.1", false)).await;
    invite(&app, "never@example.com").await;
    invite(&app, ADA).await;
    app.tick().await;
    took(&server, ADA);
    let (attempts, due, failure) = waiting(&app);
    assert_eq!((attempts, due), (1, None));
    assert!(failure.is_some_and(|failure| failure.contains("550")));
    app.pass(7 * DAY);
    app.tick().await;
    assert_eq!(app.count("outbox"), 1);
    app.pass(1);
    app.tick().await;
    assert_eq!(app.count("outbox"), 0);
    server.took_nothing_more();
}

#[tokio::test]
async fn a_server_that_is_away_loses_no_mail_and_keeps_no_other_waiting_longer() {
    let (port, smtp) = nobody();
    let app = by(smtp).await;
    for n in 0..3 {
        invite(&app, &format!("user{n}@example.com")).await;
    }
    app.tick().await;
    let tried = |app: &App| app.outbox().iter().filter(|(attempts, ..)| *attempts > 0).count();
    assert_eq!(tried(&app), 1, "one finds out for all");
    // Killed meanwhile: what waits is in the database.
    let app = app.killed().await;
    let server = SmtpServer::start_on("starttls", port);
    app.pass(60);
    app.tick().await;
    let mut to: Vec<String> =
        (0..3).map(|_| server.says()["to"][0].as_str().expect("an address").to_owned()).collect();
    to.sort_unstable();
    assert_eq!(to, ["user0@example.com", "user1@example.com", "user2@example.com"]);
    assert_eq!(app.count("outbox"), 0);
}

#[tokio::test]
async fn a_mail_that_nobody_can_use_any_more_is_not_sent() {
    let (port, smtp) = nobody();
    let app = by(smtp).await;
    app.signup(ADA).await;
    app.tick().await;
    app.pass(HOUR);
    let server = SmtpServer::start_on("starttls", port);
    app.tick().await;
    let (_, due, failure) = waiting(&app);
    assert_eq!(due, None);
    assert!(failure.is_some_and(|failure| failure.contains("too late")));
    server.took_nothing_more();
}

#[tokio::test]
async fn who_stops_between_sending_and_forgetting_sends_twice_and_loses_nothing() {
    let server = SmtpServer::start("starttls");
    let app = by(server.smtp("127.0.0.1", false)).await;
    invite(&app, ADA).await;
    // As it stands while a mail is on its way.
    app.write(&format!("UPDATE outbox SET attempts = 1, due_at = {}", (app.now() + 600) * 1_000_000));
    let app = app.killed().await;
    app.tick().await;
    server.took_nothing_more();
    app.pass(600);
    app.tick().await;
    took(&server, ADA);
    assert_eq!(app.count("outbox"), 0);
}

#[tokio::test]
async fn what_a_server_repeats_of_a_link_is_written_nowhere() {
    let server = SmtpServer::start("starttls");
    let app = by(server.smtp("127.0.0.1", false)).await;
    invite(&app, "echo@example.com").await;
    app.tick().await;
    let (_, due, failure) = waiting(&app);
    let failure = failure.expect("refused");
    assert!(due.is_none() && failure.contains("554") && failure.contains("[link]"), "{failure}");
    assert!(!failure.contains("kwm_"), "{failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_background_a_mail_leaves_by_itself_and_a_stop_is_not_kept_waiting() {
    let server = SmtpServer::start("starttls");
    let settings = Settings { smtp: Some(server.smtp("127.0.0.1", false)), background: true, ..public() };
    let app = App::with(settings).await;
    invite(&app, ADA).await;
    took(&server, ADA);
    // A server that takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let smtp = Smtp { implicit_tls: false, host: "127.0.0.1".to_owned(), port, credentials: None };
    let app = App::with(Settings { smtp: Some(smtp), background: true, ..public() }).await;
    invite(&app, ADA).await;
    let taken = tokio::task::spawn_blocking(move || silent.accept().expect("a connection"));
    let _connection = taken.await.expect("no panic");
    tokio::time::timeout(Duration::from_secs(60), app.keyward.close())
        .await
        .expect("in time")
        .expect("closed");
    assert_eq!(app.count("outbox"), 1, "it is not lost");
}
