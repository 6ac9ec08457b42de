//! `PATCH /api/auth/profile`

use keyward::core::throttle::Limits;
use serde_json::json;

use crate::support::{ADA, App, BOB, Browser, PASSWORD, patch, post, settings};

const NUMBER: &str = "+4915112345678";

#[tokio::test]
async fn a_person_sets_and_removes_their_phone_number() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    app.session(&ada.access).await.ok(200);
    app.events();
    let set = |phone| patch("/api/auth/profile").bearer(&ada.access).json(json!({ "phone_number": phone }));
    let body = app.send(set(Some(NUMBER))).await.ok(200);
    assert_eq!((&body["phone_number"], &body["phone_number_verified"]), (&json!(NUMBER), &json!(false)));
    assert_eq!(body.get("token"), None, "the shape of a session, without tokens");
    assert_eq!(app.events(), ["user_changed"]);
    assert_eq!(app.details("user_changed"), [json!({ "phone_number": { "before": null, "after": NUMBER } })]);
    assert_eq!(app.session(&ada.access).await.ok(200)["phone_number"], NUMBER, "its tokens go on");
    let by_phone = post("/api/auth/login").json(json!({ "phone_number": NUMBER, "password": PASSWORD }));
    app.send(by_phone.clone()).await.ok(200);
    app.events();
    // Nothing asked for, and what is so already, is no change.
    for same in [json!({}), json!({ "phone_number": NUMBER }), json!({ "email": BOB, "roles": ["admin"] })] {
        let before = app.dump();
        let body = app.send(patch("/api/auth/profile").bearer(&ada.access).json(same)).await.ok(200);
        assert_eq!((&body["phone_number"], &body["email"]), (&json!(NUMBER), &json!(ADA)));
        assert_eq!(app.dump(), before);
    }
    let body = app.send(set(None)).await.ok(200);
    assert_eq!(body["phone_number"], json!(null));
    assert_eq!(app.events(), ["user_changed"]);
    app.send(by_phone).await.refused(401, "invalid_credentials");
}

/// Otherwise everybody with an account could try out which numbers have one.
#[tokio::test]
async fn nobody_tries_out_numbers_without_end() {
    let limits = Limits { password: Some("5/1m".parse().expect("a limit")), ..Limits::OFF };
    let app = App::with(keyward::Settings { limits, ..settings() }).await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    let set =
        |access: &str| patch("/api/auth/profile").bearer(access).json(json!({ "phone_number": NUMBER }));
    app.send(set(&bob.access)).await.ok(200);
    app.events();
    for _ in 0..5 {
        app.send(set(&ada.access)).await.refused(409, "phone_taken");
    }
    app.send(set(&ada.access)).await.refused(429, "rate_limited");
    assert_eq!(app.events(), ["rate_limited: rate_limited"]);
}

#[tokio::test]
async fn a_browser_changes_it_from_our_own_pages_and_gets_no_cookie() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let set = patch("/api/auth/profile").json(json!({ "phone_number": NUMBER }));
    let reply = browser.send(&app, set.clone()).await;
    assert_eq!(reply.ok(200)["phone_number"], NUMBER);
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    let before = app.dump();
    let elsewhere = browser.send(&app, set.header("sec-fetch-site", "cross-site")).await;
    assert!(elsewhere.status == 403, "{}", elsewhere.text());
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn a_number_of_another_person_or_of_nobody_is_refused() {
    let app = App::new().await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    let set = |access: &str, phone| {
        patch("/api/auth/profile").bearer(access).json(json!({ "phone_number": phone }))
    };
    app.send(set(&bob.access, json!(NUMBER))).await.ok(200);
    app.events();
    let before = app.dump();
    app.send(set(&ada.access, json!(NUMBER))).await.refused(409, "phone_taken");
    for wrong in [json!("0151"), json!(""), json!("+4915112345678x"), json!(5), json!(["+4915112345678"])] {
        let fields = app.send(set(&ada.access, wrong.clone())).await.invalid_fields();
        assert_eq!(fields, ["phone_number"], "{wrong}");
    }
    assert_eq!(app.dump(), before);
    app.send(patch("/api/auth/profile").json(json!({ "phone_number": NUMBER })))
        .await
        .refused(401, "missing_token");
}
