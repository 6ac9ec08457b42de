//! `GET /api/auth/session`

use std::time::Duration;

use serde_json::json;

use crate::support::{ADA, App, Browser, START, get, moment, patch, post};

#[tokio::test]
async fn it_shows_the_session_without_tokens() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.pass(100);
    let reply = app.session(&tokens.access).await;
    assert_eq!(
        reply.ok(200),
        json!({
            "user_id": tokens.user, "email": ADA, "email_verified": false,
            "phone_number": null, "phone_number_verified": false,
            "roles": ["user"], "permissions": [],
            "session_id": tokens.session, "transport": "bearer", "token_type": "Bearer",
            "expires_in": 800, "expires_at": moment(START + 900),
            "refresh_expires_at": moment(START + 7 * 86_400),
            "refresh_at": moment(START + 600), "idle_expires_at": null,
        })
    );
    assert_eq!(reply.cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_browser_is_shown_its_idle_deadline_and_no_cookie_is_set() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    app.pass(100);
    let reply = browser.session(&app).await;
    let body = reply.ok(200);
    assert_eq!(body["transport"], "cookie");
    assert_eq!(body["idle_expires_at"], moment(START + 3_600), "looking is no activity");
    assert_eq!((body.get("token"), body.get("refresh_token"), body.get("rotated")), (None, None, None));
    assert_eq!(reply.cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn it_shows_each_second_anew_and_each_change_at_once() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let mut shown = async || browser.session(&app).await.ok(200);
    // What was read of the session is shown for a second, and that ends in the middle of another.
    app.clock.advance(Duration::from_millis(700));
    for _ in 0..2 {
        assert_eq!(shown().await["expires_in"], 900);
    }
    app.clock.advance(Duration::from_millis(700));
    assert_eq!(shown().await["expires_in"], 899);
    assert_eq!(shown().await["idle_expires_at"], moment(START + 3_600));
    browser.send(&app, post("/api/auth/activity")).await.ok(200);
    let body = browser.session(&app).await.ok(200);
    assert_eq!(
        (&body["idle_expires_at"], &body["phone_number"]),
        (&json!(moment(START + 3_601)), &json!(null))
    );
    let number = json!({ "phone_number": "+4930901820" });
    browser.send(&app, patch("/api/auth/profile").json(number)).await.ok(200);
    assert_eq!(browser.session(&app).await.ok(200)["phone_number"], "+4930901820");
}

#[tokio::test]
async fn without_a_good_token_nothing_is_shown() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.send(get("/api/auth/session")).await.refused(401, "missing_token");
    app.session("rubbish").await.refused(401, "invalid_token");
    app.session(&tokens.refresh).await.refused(401, "invalid_token");
    app.pass(899);
    app.session(&tokens.access).await.ok(200);
    app.pass(1);
    app.session(&tokens.access).await.refused(401, "token_expired");
}

#[tokio::test]
async fn a_token_counts_only_in_its_places() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    for elsewhere in [
        get(&format!("/api/auth/session?access_token={}", tokens.access)),
        get("/api/auth/session").header("x-access-token", &tokens.access),
        get("/api/auth/session").header("authorization", &tokens.access),
        get("/api/auth/session").header("authorization", format!("Token {}", tokens.access)),
        get("/api/auth/session").header("proxy-authorization", format!("Bearer {}", tokens.access)),
        get("/api/auth/session")
            .raw("application/x-www-form-urlencoded", format!("access_token={}", tokens.access)),
    ] {
        app.send(elsewhere).await.refused(401, "missing_token");
    }
    let reply = app
        .send(get("/api/auth/session").header("authorization", format!("bEaReR   {}", tokens.access)))
        .await;
    reply.ok(200);
    for bad in [
        format!("Bearer {},", tokens.access),
        format!("Bearer {} x", tokens.access),
        "Bearer ".to_owned(),
        "Bearer \u{e9}".to_owned(),
    ] {
        app.send(get("/api/auth/session").header("authorization", bad)).await.refused(401, "invalid_token");
    }
}
