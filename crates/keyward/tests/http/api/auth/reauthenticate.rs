//! `POST /api/auth/reauthenticate`

use serde_json::json;

use crate::support::{
    ADA, App, Browser, MINUTE, OTHER_PASSWORD, PASSWORD, START, claims, moment, post, text,
};

#[tokio::test]
async fn it_brings_a_fresh_access_token_of_the_same_generation() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.events();
    app.pass(10 * MINUTE);
    let ask = post("/api/auth/reauthenticate").bearer(&tokens.access).json(json!({"password": PASSWORD}));
    let reply = app.send(ask).await;
    let body = reply.ok(200);
    let token = text(&body, "token").to_owned();
    assert_eq!(
        body,
        json!({
            "user_id": tokens.user, "email": ADA, "email_verified": false,
            "phone_number": null, "phone_number_verified": false,
            "roles": ["user"], "permissions": [],
            "session_id": tokens.session, "transport": "bearer", "token_type": "Bearer",
            "token": token, "expires_in": 900, "expires_at": moment(START + 1_500),
            "refresh_expires_at": moment(START + 7 * 86_400),
            "refresh_at": moment(START + 1_200), "idle_expires_at": null,
        })
    );
    assert_eq!((&claims(&token)["auth_time"], &claims(&token)["gen"]), (&json!(START + 600), &json!(0)));
    assert_eq!(app.events(), ["login"]);
    // The session is one and the same: both tokens hold, and the refresh token still rotates.
    app.session(&tokens.access).await.ok(200);
    app.session(&token).await.ok(200);
    let next = app.refresh(&tokens.refresh).await.ok(200);
    assert_eq!(next["rotated"], true);
    assert_eq!(claims(text(&next, "token"))["auth_time"], START + 600, "it stays proven");
    assert_eq!(app.count("session"), 1);
}

#[tokio::test]
async fn a_browser_gets_the_access_cookie_alone() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    app.pass(MINUTE);
    let reply = browser.post(&app, "/api/auth/reauthenticate", json!({"password": PASSWORD})).await;
    let body = reply.ok(200);
    assert_eq!((body.get("token"), body.get("refresh_token")), (None, None));
    let cookie = reply.cookie("keyward_access").expect("set").to_owned();
    assert_eq!(
        reply.cookies(),
        [format!("keyward_access={cookie}; HttpOnly; SameSite=Lax; Path=/; Max-Age=900")]
    );
    assert_eq!(claims(&cookie)["auth_time"], START + 60);
    browser.session(&app).await.ok(200);
}

#[tokio::test]
async fn a_wrong_password_changes_nothing() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.events();
    let before = app.dump_without_events();
    let ask = post("/api/auth/reauthenticate").bearer(&tokens.access);
    app.send(ask.clone().json(json!({"password": OTHER_PASSWORD}))).await.refused(401, "invalid_credentials");
    assert_eq!(app.events(), ["login_failed: invalid_credentials"]);
    assert_eq!(app.dump_without_events(), before);
    assert_eq!(app.send(ask.json(json!({}))).await.invalid_fields(), ["password"]);
    app.session(&tokens.access).await.ok(200);
    app.send(post("/api/auth/reauthenticate").json(json!({"password": PASSWORD})))
        .await
        .refused(401, "missing_token");
}
