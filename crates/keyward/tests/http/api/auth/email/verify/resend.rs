//! `POST /api/auth/email/verify/resend`

use keyward::Settings;
use keyward::core::throttle::Limits;
use serde_json::json;

use crate::support::{ADA, App, Ask, BOB, Browser, DAY, limit, post, settings};

const EVE: &str = "eve@example.com";
/// As long as the others.
const GHOST: &str = "nob@example.com";

fn resend(email: &str) -> Ask {
    post("/api/auth/email/verify/resend").json(json!({"email": email}))
}

/// Ada's address waits to be confirmed, Bob's is, Eve is deactivated.
async fn town(limits: Limits) -> App {
    let app = App::with(Settings { limits, ..settings() }).await;
    for email in [ADA, BOB, EVE] {
        app.signup(email).await;
    }
    let mails = app.mails().await;
    app.verify(&mails[1].token()).await.ok(204);
    app.write(&format!("UPDATE account SET is_active = FALSE WHERE email = '{EVE}'"));
    app.events();
    app
}

#[tokio::test]
async fn only_an_address_that_waits_gets_another_mail_and_nobody_is_told() {
    let app = town(Limits::OFF).await;
    let mut seen = Vec::new();
    for (email, event) in [
        (ADA, "email_verification_requested"),
        (BOB, "email_verification_requested: email_verified"),
        (EVE, "email_verification_requested: account_inactive"),
        (GHOST, "email_verification_requested: no_account"),
    ] {
        let reads = app.keyward.store_reads();
        let rows = ["event", "mail_link", "outbox"].map(|table| app.count(table));
        let body = app.send(resend(email)).await.ok(202);
        let after = ["event", "mail_link", "outbox"].map(|table| app.count(table));
        // For Ada the link takes the place of an older one.
        let added = [after[0] - rows[0], after[2] - rows[2]];
        seen.push((body, app.keyward.store_reads() - reads, added, app.sealed_bytes()));
        assert_eq!(app.events(), [event]);
        let mailed = app.mailed().await;
        let expected =
            if email == ADA { vec![format!("{ADA}: Confirm your e-mail address")] } else { vec![] };
        assert_eq!(mailed, expected);
    }
    assert_eq!((seen[0].1, seen[0].2), (1, [1, 1]));
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

#[tokio::test]
async fn who_is_signed_in_needs_not_name_their_address() {
    let app = town(Limits::OFF).await;
    let tokens = app.login(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    app.events();
    app.send(post("/api/auth/email/verify/resend").bearer(&tokens.access)).await.ok(202);
    let older = app.mail().await.token();
    browser.post(&app, "/api/auth/email/verify/resend", json!({})).await.ok(202);
    let token = app.mail().await.token();
    assert_eq!(app.events(), ["email_verification_requested"; 2]);
    app.verify(&older).await.refused(400, "invalid_verification_token");
    app.verify(&token).await.ok(204);
}

#[tokio::test]
async fn without_either_there_is_nobody_to_mail() {
    let app = town(Limits::OFF).await;
    let tokens = app.login(ADA).await;
    app.events();
    let before = app.dump();
    let ask = || post("/api/auth/email/verify/resend");
    app.send(ask()).await.refused(401, "missing_token");
    app.send(ask().json(json!({"email": null}))).await.refused(401, "missing_token");
    app.send(ask().bearer("x")).await.refused(401, "invalid_token");
    assert_eq!(app.send(resend("ada")).await.invalid_fields(), ["email"]);
    assert_eq!(app.send(ask().json(json!({"email": 5}))).await.invalid_fields(), ["email"]);
    assert_eq!(app.dump(), before);
    app.pass(DAY);
    app.send(ask().bearer(&tokens.access)).await.refused(401, "token_expired");
}

#[tokio::test]
async fn asking_and_getting_have_a_budget_each() {
    let app = town(Limits { password_forgot: limit("3/1h"), ..Limits::OFF }).await;
    for email in [BOB, EVE, GHOST] {
        app.send(resend(email)).await.ok(202);
    }
    app.events();
    app.send(resend(ADA)).await.refused(429, "rate_limited");
    assert_eq!(app.events(), ["rate_limited: rate_limited"]);
    for n in 0..3 {
        app.send(resend(ADA).from(&format!("198.51.100.{n}"))).await.ok(202);
        assert_eq!(app.mailed().await.len(), 1);
    }
    app.send(resend(ADA).from("198.51.100.9")).await.ok(202);
    assert_eq!(app.mailed().await, Vec::<String>::new());
    // Forgetting a password is another matter.
    app.forgot(ADA).await.ok(202);
    assert_eq!(app.mailed().await.len(), 1);
}
