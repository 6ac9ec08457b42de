//! Whoever has an account is told of what changed in it.

use keyward::Client;
use keyward::core::password::Password;
use serde_json::json;

use crate::support::{ADA, App, Ask, OTHER_PASSWORD, PASSWORD, login, post};

#[tokio::test]
async fn a_new_password_is_told_to_its_owner() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.mails().await;
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let ask = post("/api/auth/password/change").bearer(&tokens.access).json(change);
    app.send(ask.header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")).await.ok(204);
    let mail = app.mail().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (ADA, "Your password was changed"));
    for said in ["203.0.113.1", "Firefox on Linux", "2027-01-15 08:00 UTC"] {
        assert!(mail.message.replace("\r\n", " ").contains(said), "{said} in {}", mail.message);
    }
    assert_eq!(mail.link(), "http://127.0.0.1:8080/forgot", "the way back, without a secret");
    let password = Password::try_from(PASSWORD.to_owned()).expect("short");
    app.keyward.upsert_admin(ADA, password, &Client::operator()).await.expect("made");
    assert!(app.mail().await.message.contains("by an administrator"));
}

/// What an operator brings about has its events like everything else.
#[tokio::test]
async fn who_is_made_an_administrator_anew_is_told_of_in_the_trail() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    let admin = app.admin().await;
    let path = format!("/api/admin/users/{}", ada.user);
    let off = Ask::new(http::Method::PATCH, &path).bearer(&admin.access).json(json!({"is_active": false}));
    app.send(off).await.ok(200);
    app.events();
    let upsert = async || {
        let password = Password::try_from(PASSWORD.to_owned()).expect("short");
        app.keyward.upsert_admin(ADA, password, &Client::operator()).await.expect("made");
        app.events()
    };
    let all = ["email_verified", "password_changed", "roles_changed", "user_activated"];
    assert_eq!(upsert().await, all);
    assert_eq!(upsert().await, ["password_changed"], "the rest was so already");
}

#[tokio::test]
async fn a_change_that_is_refused_is_not_told() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.mails().await;
    let change = json!({"current_password": OTHER_PASSWORD, "new_password": "Brand-New-9"});
    app.send(post("/api/auth/password/change").bearer(&tokens.access).json(change))
        .await
        .refused(401, "invalid_credentials");
    assert_eq!(app.mailed().await, Vec::<String>::new());
    let taken = json!({"email": ADA, "password": PASSWORD});
    app.send(post("/api/auth/signup").json(taken)).await.refused(409, "email_taken");
    assert_eq!(app.mailed().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_new_address_is_told_to_both_and_confirmed_by_the_new_one() {
    const NEW: &str = "new@example.com";
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    let verification = app.mails().await.into_iter().find(|mail| mail.to == ADA).expect("one").token();
    let token = app.reset_token().await;
    app.events();
    let change = |to: serde_json::Value| {
        let path = format!("/api/admin/users/{}", ada.user);
        app.send(Ask::new(http::Method::PATCH, &path).bearer(&admin.access).json(to))
    };
    change(json!({"email": NEW})).await.ok(200);
    assert_eq!(app.events(), ["user_changed"]);
    let mails = app.mails().await;
    let told: Vec<_> = mails.iter().map(|mail| format!("{}: {}", mail.to, mail.subject)).collect();
    assert_eq!(
        told,
        [
            format!("{ADA}: Your e-mail address was changed"),
            format!("{NEW}: Confirm your new e-mail address")
        ]
    );
    assert!(!mails[0].message.contains(NEW) && !mails[0].message.contains("kwm_"), "{}", mails[0].message);
    // Where the administrator sits is not told.
    for mail in &mails {
        let by = (mail.message.contains("by an administrator"), mail.message.contains("203.0.113.1"));
        assert_eq!(by, (true, false), "{}", mail.message);
    }
    // What was sent to the old address is good for nothing, not even once it is back.
    app.verify(&verification).await.refused(400, "invalid_verification_token");
    app.reset(&token, OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    app.verify(&mails[1].token()).await.ok(204);
    assert_eq!(app.send(login(NEW, PASSWORD)).await.ok(200)["email_verified"], true);
    change(json!({"email": ADA})).await.ok(200);
    app.mails().await;
    app.reset(&token, OTHER_PASSWORD).await.refused(400, "invalid_reset_token");
    app.events();
    // What changes nothing else is told to nobody, and the same address is no change.
    change(json!({"email": ADA, "roles": ["user"], "phone_number": "+4915112345678"})).await.ok(200);
    assert_eq!(app.mailed().await, Vec::<String>::new());
}

#[tokio::test]
async fn who_gets_an_account_without_a_password_is_invited() {
    let app = App::with(keyward::Settings { open_signup: false, ..crate::support::settings() }).await;
    let admin = app.admin().await;
    app.mails().await;
    app.events();
    let make = |body| app.send(post("/api/admin/users").bearer(&admin.access).json(body));
    let made = make(json!({"email": ADA})).await.ok(201);
    assert_eq!((&made["email"], app.events()), (&json!(ADA), vec!["signup".to_owned()]));
    let mail = app.mail().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (ADA, "You are invited"));
    // Who was written to at a wrong address is invited at the right one.
    let path = format!("/api/admin/users/{}", made["id"].as_str().expect("an id"));
    let change =
        |to| app.send(Ask::new(http::Method::PATCH, &path).bearer(&admin.access).json(json!({"email": to})));
    change("right@example.com").await.ok(200);
    let told = ["right@example.com: You are invited", "ada@example.com: Your e-mail address was changed"];
    let mut mailed = app.mailed().await;
    mailed.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(mailed, told);
    app.reset(&mail.token(), PASSWORD).await.refused(400, "invalid_reset_token");
    change(ADA).await.ok(200);
    let mail = app.mails().await.into_iter().find(|mail| mail.to == ADA).expect("one");
    app.reset(&mail.token(), PASSWORD).await.ok(204);
    app.send(login(ADA, PASSWORD)).await.ok(200);
    app.mails().await;
    make(json!({"email": ADA})).await.refused(409, "email_taken");
    assert_eq!(app.mailed().await, Vec::<String>::new());
    make(json!({"email": "bob@example.com", "password": PASSWORD})).await.ok(201);
    assert_eq!(app.mailed().await, ["bob@example.com: Confirm your e-mail address"]);
}
