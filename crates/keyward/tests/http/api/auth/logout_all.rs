//! `POST /api/auth/logout-all`

use serde_json::json;

use crate::support::{ADA, App, BOB, Browser, MINUTE, post};

#[tokio::test]
async fn every_session_of_the_user_ends_and_no_other() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let apps = [app.login(ADA).await, app.login(ADA).await];
    let stranger = app.signup(BOB).await;
    let ended = app.login(ADA).await;
    app.send(post("/api/auth/logout").bearer(&ended.access)).await.ok(200);
    app.events();
    let before = browser.clone();
    let reply = browser.send(&app, post("/api/auth/logout-all")).await;
    assert_eq!(reply.ok(200), json!({"revoked": 3}));
    assert_eq!(reply.cookies().len(), 3);
    assert!(reply.cookies().iter().all(|line| line.ends_with("Max-Age=0")));
    assert_eq!(browser.jar.names(), Vec::<&str>::new());
    assert_eq!(app.events(), ["logout_all"]);
    before.clone().session(&app).await.refused(401, "session_revoked");
    before.clone().refresh(&app).await.refused(401, "session_revoked");
    for tokens in &apps {
        app.session(&tokens.access).await.refused(401, "session_revoked");
        app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
    }
    app.session(&stranger.access).await.ok(200);
    app.refresh(&stranger.refresh).await.ok(200);
    // The account lives on.
    app.login(ADA).await;
}

#[tokio::test]
async fn an_app_is_sent_no_cookie() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let reply = app.send(post("/api/auth/logout-all").bearer(&tokens.access)).await;
    assert_eq!(reply.ok(200), json!({"revoked": 1}));
    assert_eq!(reply.cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn it_takes_a_live_session() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let before = app.dump();
    app.send(post("/api/auth/logout-all")).await.refused(401, "missing_token");
    let by_refresh = post("/api/auth/logout-all").json(json!({"refresh_token": tokens.refresh}));
    app.send(by_refresh).await.refused(401, "missing_token");
    app.pass(20 * MINUTE);
    app.send(post("/api/auth/logout-all").bearer(&tokens.access)).await.refused(401, "token_expired");
    assert_eq!(app.dump(), before);
}
