//! `POST /api/auth/password/forgot`

use keyward::Settings;
use keyward::core::throttle::Limits;
use serde_json::json;

use crate::support::{ADA, App, Ask, BOB, HOUR, OTHER_PASSWORD, PASSWORD, forgot, limit, post, settings};

const EVE: &str = "eve@example.com";
/// As long as the others.
const GHOST: &str = "nob@example.com";

/// Ada may sign in, Bob's account is deactivated, and nobody is called [`GHOST`].
async fn town(limits: Limits) -> App {
    // Budgets come back as the clock goes on that a test moves: in Redis they go by its own.
    let app = match limits {
        Limits::OFF => App::new().await,
        limits => App::without_redis(Settings { limits, ..settings() }).await,
    };
    app.signup(ADA).await;
    app.signup(BOB).await;
    app.write(&format!("UPDATE account SET is_active = FALSE, version = version + 1 WHERE email = '{BOB}'"));
    app.mails().await;
    app.events();
    app
}

#[tokio::test]
async fn the_owner_gets_a_link_and_nobody_else_a_mail() {
    let app = town(Limits::OFF).await;
    for (email, event) in [
        (ADA, "password_reset_requested"),
        (BOB, "password_reset_requested: account_inactive"),
        (GHOST, "password_reset_requested: no_account"),
    ] {
        app.forgot(email).await.ok(202);
        assert_eq!(app.events(), [event]);
    }
    let mail = app.mail().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (ADA, "Choose a new password"));
    assert!(mail.link().starts_with("http://127.0.0.1:8080/reset?token=kwm_"), "{}", mail.link());
    assert_eq!(mail.token().len(), 36);
    assert!(mail.message.contains("203.0.113.1"), "it says who asked");
    assert_eq!(app.count("outbox"), 0);
}

#[tokio::test]
async fn every_address_gets_one_answer_at_one_cost() {
    let app = town(Limits::OFF).await;
    let mut seen = Vec::new();
    for email in [ADA, BOB, GHOST] {
        let before = (app.keyward.store_reads(), app.keyward.password_hashes());
        let rows = || ["account", "session", "event", "mail_link", "outbox"].map(|table| app.count(table));
        let counted = rows();
        let reply = app.forgot(email).await;
        let added: Vec<i64> = rows().iter().zip(counted).map(|(after, before)| after - before).collect();
        let reads = app.keyward.store_reads() - before.0;
        let hashes = app.keyward.password_hashes() - before.1;
        let mut headers = reply.headers.clone();
        headers.remove("x-request-id");
        seen.push((reply.ok(202), headers, reads, hashes, added, app.sealed_bytes()));
        app.write("DELETE FROM outbox");
    }
    assert_eq!((seen[0].2, seen[0].3), (1, 0), "one read, and no hash");
    assert_eq!(seen[0].4, [0, 0, 1, 1, 1]);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test]
async fn mail_goes_to_the_address_that_is_stored() {
    let app = town(Limits::OFF).await;
    app.forgot(" ADA@Example.Com\t").await.ok(202);
    assert_eq!(app.mail().await.to, ADA);
    // Letters that fold to those of the address are others.
    for other in ["\u{ff41}da@example.com", "ada@e\u{445}ample.com", "ada@example.\u{212a}om"] {
        assert_eq!(app.forgot(other).await.invalid_fields(), ["email"], "{other}");
    }
    app.forgot("ada+x@example.com").await.ok(202);
    assert_eq!(app.mailed().await, Vec::<String>::new());
}

#[tokio::test]
async fn links_are_made_of_what_is_configured_alone() {
    let app = town(Limits::OFF).await;
    let ask = forgot(ADA)
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "https")
        .header("forwarded", "host=evil.example");
    app.send(ask).await.ok(202);
    let mail = app.mail().await;
    assert!(mail.link().starts_with("http://127.0.0.1:8080/"));
    assert!(!mail.message.contains("evil.example"), "{}", mail.message);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = town(Limits::OFF).await;
    let before = app.dump();
    let ask = |body| app.send(post("/api/auth/password/forgot").json(body));
    for body in
        [json!({}), json!({"email": 5}), json!({"email": "ada"}), json!({"email": "a\r\nBcc: b@c.de"})]
    {
        assert_eq!(ask(body.clone()).await.invalid_fields(), ["email"], "{body}");
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn who_asks_too_often_is_told_so_whatever_the_address() {
    for email in [ADA, BOB, GHOST] {
        let app = town(Limits { password_forgot: limit("3/1h"), ..Limits::OFF }).await;
        for n in 0..3 {
            // Each another account: only who asks is the same.
            app.forgot(&format!("{n}{email}")).await.ok(202);
        }
        app.events();
        let before = app.dump_without(&["event", "budget"]);
        let reply = app.forgot(email).await;
        reply.refused(429, "rate_limited");
        assert_eq!(reply.one("ratelimit-policy"), Some("\"password_forgot\";q=3;w=3600"));
        assert_eq!(app.events(), ["rate_limited: rate_limited"]);
        assert_eq!(app.dump_without(&["event", "budget"]), before);
        app.send(forgot(email).from("203.0.113.2")).await.ok(202);
        app.pass(HOUR);
        app.forgot(email).await.ok(202);
    }
}

#[tokio::test]
async fn an_account_gets_so_many_mails_and_nobody_is_told() {
    let mut answers = Vec::new();
    for email in [ADA, BOB, GHOST] {
        let app = town(Limits { password_forgot: limit("3/1h"), ..Limits::OFF }).await;
        let ask = |n: u32| app.send(forgot(email).from(&format!("198.51.100.{n}")));
        for n in 0..3 {
            ask(n).await.ok(202);
        }
        let mails = if email == ADA { 3 } else { 0 };
        assert_eq!(app.mailed().await.len(), mails, "{email}");
        app.events();
        let reads = app.keyward.store_reads();
        let reply = ask(3).await;
        answers.push((reply.ok(202), app.keyward.store_reads() - reads, app.events(), app.count("outbox")));
        assert_eq!(app.mailed().await, Vec::<String>::new());
        // The link of the last mail is still good: strangers can't take it away.
        app.pass(HOUR);
        ask(4).await.ok(202);
        assert_eq!(app.mailed().await.len(), mails / 3);
    }
    assert_eq!(answers[0].2, ["rate_limited: rate_limited"]);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn asking_changes_nothing_for_who_is_signed_in() {
    let app = town(Limits::OFF).await;
    let tokens = app.login(ADA).await;
    app.forgot(ADA).await.ok(202);
    app.session(&tokens.access).await.ok(200);
    app.send(crate::support::login(ADA, PASSWORD)).await.ok(200);
    app.send(crate::support::login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn no_other_site_makes_a_browser_ask() {
    let app = town(Limits::OFF).await;
    let before = app.dump();
    let from =
        |ask: Ask, site: &str| ask.header("sec-fetch-site", site).header("origin", "https://evil.example");
    app.send(from(forgot(EVE), "cross-site")).await.refused(403, "cross_site_request");
    app.send(from(forgot(EVE), "same-site")).await.refused(403, "cross_site_request");
    assert_eq!(app.dump(), before);
}
