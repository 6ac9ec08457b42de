//! `POST /api/auth/activity`

use serde_json::json;

use crate::support::{ADA, App, Browser, MINUTE, START, moment, post, text};

#[tokio::test]
async fn it_is_written_before_it_is_answered() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let session = text(&browser.session(&app).await.ok(200), "session_id").to_owned();
    app.events();
    app.pass(10 * MINUTE);
    let reply = browser.send(&app, post("/api/auth/activity")).await;
    assert_eq!(
        reply.ok(200),
        json!({"idle_expires_at": moment(START + 600 + 3_600), "refresh_at": moment(START + 600)})
    );
    assert_eq!(app.of_session::<i64>(&session, "last_active_at"), (START + 600) * 1_000_000);
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(app.events(), Vec::<String>::new());
    // Nothing of it depends on memory.
    let app = app.killed().await;
    assert_eq!(browser.session(&app).await.ok(200)["idle_expires_at"], moment(START + 600 + 3_600));
}

#[tokio::test]
async fn an_app_that_never_idles_is_told_so() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let body = app.send(post("/api/auth/activity").bearer(&tokens.access)).await.ok(200);
    assert_eq!(body, json!({"idle_expires_at": null, "refresh_at": moment(START + 600)}));
}

#[tokio::test]
async fn it_makes_a_refresh_worth_while_again() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for _ in 0..5 {
        app.pass(10 * MINUTE);
        browser.refresh(&app).await.ok(200);
    }
    let shown = browser.session(&app).await.ok(200);
    assert_eq!((&shown["expires_at"], &shown["refresh_at"]), (&json!(moment(START + 3_600)), &json!(null)));
    let body = browser.send(&app, post("/api/auth/activity")).await.ok(200);
    let now = app.now();
    assert_eq!(body, json!({"idle_expires_at": moment(now + 3_600), "refresh_at": moment(now + 300)}));
}

#[tokio::test]
async fn without_a_session_there_is_none() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let before = app.dump();
    app.send(post("/api/auth/activity")).await.refused(401, "missing_token");
    app.send(post("/api/auth/activity").bearer("x")).await.refused(401, "invalid_token");
    assert_eq!(app.dump(), before);
    app.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200);
    let before = app.dump();
    app.send(post("/api/auth/activity").bearer(&tokens.access)).await.refused(401, "session_revoked");
    assert_eq!(app.dump(), before);
}
