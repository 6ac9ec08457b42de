//! `POST /api/auth/password/reset`

use std::sync::Arc;

use keyward::core::throttle::Limits;
use keyward::{Client, Settings};
use serde_json::json;

use crate::support::{
    ADA, App, BOB, Browser, DAY, HOUR, OTHER_PASSWORD, PASSWORD, forgot, limit, login, post, reset, settings,
};

const THIRD: &str = "Third-Password-9";

async fn town() -> App {
    let app = App::new().await;
    app.signup(ADA).await;
    app.signup(BOB).await;
    app.mails().await;
    app.events();
    app
}

#[tokio::test]
async fn the_password_is_another_one_and_every_session_over() {
    let app = town().await;
    let tokens = app.login(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    let stranger = app.login(BOB).await;
    let token = app.reset_token().await;
    app.events();
    let reply = app.reset(&token, OTHER_PASSWORD).await;
    reply.ok(204);
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(app.events(), ["email_verified", "password_reset"]);
    app.session(&tokens.access).await.refused(401, "session_revoked");
    app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
    browser.session(&app).await.refused(401, "session_revoked");
    app.session(&stranger.access).await.ok(200);
    app.send(login(ADA, PASSWORD)).await.refused(401, "invalid_credentials");
    let body = app.send(login(ADA, OTHER_PASSWORD)).await.ok(200);
    assert_eq!(body["email_verified"], true, "who reads the mail has the address");
    assert_eq!(app.mailed().await, [format!("{ADA}: Your password was changed")]);
    // An address that was confirmed before is not confirmed again.
    app.events();
    let token = app.reset_token().await;
    app.reset(&token, PASSWORD).await.ok(204);
    assert_eq!(app.events(), ["password_reset", "password_reset_requested"]);
}

#[tokio::test]
async fn a_link_is_good_once() {
    let app = town().await;
    let token = app.reset_token().await;
    app.reset(&token, OTHER_PASSWORD).await.ok(204);
    app.mails().await;
    app.events();
    let before = app.dump();
    let hashes = app.keyward.password_hashes();
    app.reset(&token, THIRD).await.refused(400, "invalid_reset_token");
    assert_eq!(app.dump(), before);
    assert_eq!(app.events(), Vec::<String>::new());
    assert_eq!(app.keyward.password_hashes(), hashes, "nothing is hashed for a link that is not good");
    app.send(login(ADA, OTHER_PASSWORD)).await.ok(200);
}

#[tokio::test]
async fn of_many_that_use_a_link_at_once_one_does() {
    let app = Arc::new(town().await);
    let token = app.reset_token().await;
    app.events();
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (app, token) = (Arc::clone(&app), token.clone());
            tokio::spawn(async move { (n, app.reset(&token, &format!("Password-{n}")).await) })
        })
        .collect();
    let mut winner = None;
    for task in tasks {
        let (n, reply) = task.await.expect("no panic");
        if reply.status == 204 {
            assert_eq!(winner.replace(n), None, "one");
        } else {
            reply.refused(400, "invalid_reset_token");
        }
    }
    let winner = winner.expect("one did");
    app.send(login(ADA, &format!("Password-{winner}"))).await.ok(200);
    assert_eq!(app.events(), ["email_verified", "login", "password_reset"]);
    assert_eq!(app.mailed().await.len(), 1);
}

#[tokio::test]
async fn a_link_is_good_for_an_hour() {
    let app = town().await;
    let token = app.reset_token().await;
    app.pass(HOUR);
    app.reset(&token, OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    let token = app.reset_token().await;
    app.pass(HOUR - 1);
    app.reset(&token, OTHER_PASSWORD).await.ok(204);
}

#[tokio::test]
async fn a_newer_link_and_every_new_password_and_address_end_it() {
    let app = town().await;
    let older = app.reset_token().await;
    let token = app.reset_token().await;
    app.reset(&older, OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    // A change of the password.
    let tokens = app.login(ADA).await;
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    app.send(post("/api/auth/password/change").bearer(&tokens.access).json(change)).await.ok(204);
    app.reset(&token, THIRD).await.refused(400, "invalid_reset_token");
    app.mails().await;
    // An operator's.
    let token = app.reset_token().await;
    let password = keyward::core::password::Password::try_from(PASSWORD.to_owned()).expect("short");
    app.keyward.upsert_admin(ADA, password, &Client::operator()).await.expect("made");
    app.reset(&token, THIRD).await.refused(400, "invalid_reset_token");
    app.mails().await;
    // Another address, whoever gave it.
    let token = app.reset_token().await;
    app.write(&format!("UPDATE account SET email = 'new@example.com' WHERE email = '{ADA}'"));
    app.reset(&token, THIRD).await.refused(400, "invalid_reset_token");
    app.write(&format!("UPDATE account SET email = '{ADA}' WHERE email = 'new@example.com'"));
    // And an account that nobody may sign in to.
    app.write(&format!("UPDATE account SET is_active = FALSE WHERE email = '{ADA}'"));
    app.reset(&token, THIRD).await.refused(400, "invalid_reset_token");
    app.write(&format!("UPDATE account SET is_active = TRUE WHERE email = '{ADA}'"));
    app.reset(&token, THIRD).await.ok(204);
}

#[tokio::test]
async fn a_password_that_is_none_leaves_the_link_good() {
    let app = town().await;
    let token = app.reset_token().await;
    app.events();
    let before = app.dump();
    assert_eq!(app.reset(&token, "short").await.invalid_fields(), ["new_password"; 3]);
    let ask = |body| app.send(post("/api/auth/password/reset").json(body));
    assert_eq!(ask(json!({})).await.invalid_fields(), ["token", "new_password"]);
    assert_eq!(
        ask(json!({"token": 5, "new_password": []})).await.invalid_fields(),
        ["token", "new_password"]
    );
    assert_eq!(app.dump(), before);
    app.reset(&token, OTHER_PASSWORD).await.ok(204);
}

#[tokio::test]
async fn what_is_no_link_of_ours_costs_no_read() {
    let app = town().await;
    let tokens = app.login(ADA).await;
    let good = app.reset_token().await;
    app.events();
    let before = app.dump();
    let reads = app.keyward.store_reads();
    for text in
        ["", "x", "kwm_", &good[1..], &tokens.refresh, &tokens.access, "kwm_\u{0}", &"k".repeat(9_000)]
    {
        app.reset(text, OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    }
    assert_eq!(app.keyward.store_reads(), reads);
    let unknown = format!("kwm_{}", "A".repeat(32));
    app.reset(&unknown, OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    assert_eq!(app.dump(), before);
    // And a link is good for nothing else.
    app.refresh(&good).await.refused(401, "invalid_refresh_token");
    app.session(&good).await.refused(401, "invalid_token");
    app.verify(&good).await.refused(400, "invalid_verification_token");
    app.reset(&good, OTHER_PASSWORD).await.ok(204);
}

#[tokio::test]
async fn trying_has_a_budget_of_each_address() {
    let app =
        App::with(Settings { limits: Limits { password: limit("5/1m"), ..Limits::OFF }, ..settings() }).await;
    app.signup(ADA).await;
    app.mails().await;
    let token = app.reset_token().await;
    app.events();
    for _ in 0..5 {
        app.reset("kwm_x", OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    }
    let reply = app.reset(&token, OTHER_PASSWORD).await;
    reply.refused(429, "rate_limited");
    assert_eq!(reply.one("ratelimit-policy"), Some("\"password\";q=5;w=60"));
    // What is no password is told first, and costs nothing.
    assert_eq!(app.reset(&token, "x").await.invalid_fields().len(), 3);
    assert_eq!(app.events(), ["rate_limited: rate_limited"]);
    // Confirming an address has a budget of its own.
    app.verify("kwm_x").await.refused(400, "invalid_verification_token");
    app.send(reset(&token, OTHER_PASSWORD).from("203.0.113.2")).await.ok(204);
}

#[tokio::test]
async fn an_invitation_is_taken_up_like_a_reset() {
    let app = App::with(Settings { open_signup: false, require_verified_email: true, ..settings() }).await;
    let operator = Client::operator();
    let invite = |email: &'static str| {
        app.keyward.create_account(email, None, None, vec!["user".to_owned()], &operator)
    };
    let account = invite(ADA).await.expect("made");
    assert!(!account.email_verified);
    assert_eq!(app.events(), ["signup"]);
    let mail = app.mail().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (ADA, "You are invited"));
    assert!(mail.link().starts_with("http://127.0.0.1:8080/reset?token=kwm_"));
    for password in ["", PASSWORD, "invitation"] {
        app.send(login(ADA, password)).await.refused(401, "invalid_credentials");
    }
    app.events();
    app.pass(7 * DAY - 1);
    app.verify(&mail.token()).await.refused(400, "invalid_verification_token");
    app.reset(&mail.token(), PASSWORD).await.ok(204);
    assert_eq!(app.events(), ["email_verified", "password_reset"]);
    assert_eq!(app.login(ADA).await.user, account.id.to_string());
    app.reset(&mail.token(), OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    app.mails().await;
    // Too late; then there is the way of who forgot.
    invite(BOB).await.expect("made");
    let late = app.mail().await.token();
    app.pass(7 * DAY);
    app.reset(&late, PASSWORD).await.refused(400, "invalid_reset_token");
    app.send(forgot(BOB)).await.ok(202);
    let token = app.mail().await.token();
    app.reset(&token, PASSWORD).await.ok(204);
    app.send(login(BOB, PASSWORD)).await.ok(200);
}

#[tokio::test]
async fn a_reset_that_races_a_login_leaves_no_session_of_the_old_password() {
    let app = Arc::new(town().await);
    for round in 0..10 {
        let (old, new) = if round % 2 == 0 { (PASSWORD, OTHER_PASSWORD) } else { (OTHER_PASSWORD, PASSWORD) };
        let token = app.reset_token().await;
        let logins: Vec<_> = (0..8)
            .map(|_| {
                let app = Arc::clone(&app);
                tokio::spawn(async move { app.send(login(ADA, old)).await.status })
            })
            .collect();
        app.reset(&token, new).await.ok(204);
        for login in logins {
            assert!(matches!(login.await.expect("no panic"), 200 | 401));
        }
        assert_eq!(
            app.count(&format!(
                "session WHERE ended_at IS NULL AND user_id = (SELECT id FROM account WHERE email = '{ADA}')"
            )),
            0,
            "round {round}"
        );
        app.mails().await;
    }
}
