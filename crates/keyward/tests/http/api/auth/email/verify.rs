//! `POST /api/auth/email/verify`

mod resend;

use std::sync::Arc;

use keyward::Settings;
use serde_json::{Value, json};

use crate::support::{
    ADA, App, BOB, Browser, HOUR, OTHER_PASSWORD, PASSWORD, claims, login, post, settings, text,
};

fn signup(email: &str) -> crate::support::Ask {
    post("/api/auth/signup").json(json!({"email": email, "password": PASSWORD}))
}

#[tokio::test]
async fn a_signup_sends_a_link_that_confirms_the_address_once() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    assert_eq!(claims(&tokens.access)["email_verified"], false);
    let mail = app.mail().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (ADA, "Confirm your e-mail address"));
    assert!(mail.link().starts_with("http://127.0.0.1:8080/verify-email?token=kwm_"), "{}", mail.link());
    app.events();
    let reply = app.verify(&mail.token()).await;
    reply.ok(204);
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(app.events(), ["email_verified"]);
    app.session(&tokens.access).await.ok(200);
    let body = app.refresh(&tokens.refresh).await.ok(200);
    assert_eq!(
        (&body["email_verified"], &claims(text(&body, "token"))["email_verified"]),
        (&json!(true), &json!(true))
    );
    let before = app.dump();
    app.verify(&mail.token()).await.refused(400, "invalid_verification_token");
    assert_eq!(app.dump(), before);
    assert_eq!(app.events(), Vec::<String>::new());
}

#[tokio::test]
async fn it_is_good_for_an_hour_and_for_the_address_it_was_sent_to() {
    let app = App::new().await;
    app.signup(ADA).await;
    let token = app.mail().await.token();
    app.reset(&token, OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    app.write(&format!("UPDATE account SET email = '{BOB}'"));
    app.verify(&token).await.refused(400, "invalid_verification_token");
    app.write(&format!("UPDATE account SET email = '{ADA}'"));
    app.pass(HOUR);
    app.verify(&token).await.refused(400, "invalid_verification_token");
    app.signup(BOB).await;
    let token = app.mail().await.token();
    app.pass(HOUR - 1);
    app.verify(&token).await.ok(204);
}

#[tokio::test]
async fn of_many_at_once_one_confirms() {
    let app = Arc::new(App::new().await);
    app.signup(ADA).await;
    let token = app.mail().await.token();
    app.events();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (app, token) = (Arc::clone(&app), token.clone());
            tokio::spawn(async move { app.verify(&token).await.status })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += u32::from(task.await.expect("no panic") == 204);
    }
    assert_eq!((done, app.events()), (1, vec!["email_verified".to_owned()]));
}

#[tokio::test]
async fn what_is_no_link_is_refused() {
    let app = App::new().await;
    let before = app.dump();
    let ask = |body: Value| app.send(post("/api/auth/email/verify").json(body));
    for body in [json!({}), json!({"token": 5}), json!({"token": null})] {
        assert_eq!(ask(body.clone()).await.invalid_fields(), ["token"], "{body}");
    }
    for token in ["", "x", "kwm_AAAA", &format!("kwm_{}", "A".repeat(32))] {
        app.verify(token).await.refused(400, "invalid_verification_token");
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn where_an_address_has_to_be_confirmed_nobody_signs_in_before() {
    let app = App::with(Settings { require_verified_email: true, ..settings() }).await;
    let mut browser = Browser::default();
    let reply = browser.post(&app, "/api/auth/signup", json!({"email": ADA, "password": PASSWORD})).await;
    let body = reply.ok(201);
    let user = text(&body, "user_id").to_owned();
    assert_eq!(body, json!({"user_id": user, "email": ADA}));
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(app.send(signup(BOB)).await.ok(201)["email"], BOB);
    assert_eq!((app.count("session"), app.events()), (0, vec!["signup".to_owned(); 2]));
    let mails = app.mails().await;
    let before = app.dump_without_events();
    // Only to who knows the password.
    app.send(login(ADA, PASSWORD)).await.refused(403, "email_not_verified");
    app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    assert_eq!(app.events(), ["login_failed: email_not_verified", "login_failed: invalid_credentials"]);
    assert_eq!(app.dump_without_events(), before);
    app.verify(&mails[0].token()).await.ok(204);
    assert_eq!(app.login(ADA).await.user, user);
    app.send(login(BOB, PASSWORD)).await.refused(403, "email_not_verified");
    // A reset by mail confirms, too.
    app.forgot(BOB).await.ok(202);
    let token = app.mail().await.token();
    app.reset(&token, OTHER_PASSWORD).await.ok(204);
    app.send(login(BOB, OTHER_PASSWORD)).await.ok(200);
}

#[tokio::test]
async fn a_right_password_for_an_unconfirmed_address_is_no_failure() {
    let limits = keyward::core::throttle::Limits {
        login_failures: crate::support::limit("2/1h"),
        ..keyward::core::throttle::Limits::OFF
    };
    let app = App::with(Settings { require_verified_email: true, limits, ..settings() }).await;
    app.send(signup(ADA)).await.ok(201);
    for _ in 0..5 {
        app.send(login(ADA, PASSWORD)).await.refused(403, "email_not_verified");
    }
}

#[tokio::test]
async fn who_runs_the_installation_vouches_for_an_administrator() {
    let app = App::with(Settings { require_verified_email: true, ..settings() }).await;
    let password = || keyward::core::password::Password::try_from(PASSWORD.to_owned()).expect("short");
    app.send(signup(ADA)).await.ok(201);
    for email in [ADA, BOB] {
        let made =
            app.keyward.upsert_admin(email, password(), &keyward::Client::operator()).await.expect("made");
        assert!(made.email_verified);
        app.send(login(email, PASSWORD)).await.ok(200);
    }
}
