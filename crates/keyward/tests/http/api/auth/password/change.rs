//! `POST /api/auth/password/change`

use serde_json::json;

use crate::support::{ADA, App, BOB, Browser, OTHER_PASSWORD, PASSWORD, Tokens, login, post};

fn change(tokens: &Tokens, current: &str, new: &str) -> crate::support::Ask {
    post("/api/auth/password/change")
        .bearer(&tokens.access)
        .json(json!({"current_password": current, "new_password": new}))
}

#[tokio::test]
async fn every_other_session_ends_and_this_one_goes_on() {
    let app = App::new().await;
    let here = app.signup(ADA).await;
    let there = app.login(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    let stranger = app.signup(BOB).await;
    app.events();
    let reply = app.send(change(&here, PASSWORD, OTHER_PASSWORD)).await;
    reply.ok(204);
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(app.events(), ["password_changed"]);
    app.session(&there.access).await.refused(401, "session_revoked");
    app.refresh(&there.refresh).await.refused(401, "session_revoked");
    browser.session(&app).await.refused(401, "session_revoked");
    browser.refresh(&app).await.refused(401, "session_revoked");
    app.session(&here.access).await.ok(200);
    app.refresh(&here.refresh).await.ok(200);
    app.session(&stranger.access).await.ok(200);
    app.send(login(ADA, PASSWORD)).await.refused(401, "invalid_credentials");
    app.send(login(ADA, OTHER_PASSWORD)).await.ok(200);
    app.send(login(BOB, PASSWORD)).await.ok(200);
}

#[tokio::test]
async fn the_present_password_is_asked_for() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.events();
    let before = app.dump_without_events();
    app.send(change(&tokens, OTHER_PASSWORD, "Brand-New-9")).await.refused(401, "invalid_credentials");
    app.send(change(&tokens, "", "Brand-New-9")).await.refused(401, "invalid_credentials");
    assert_eq!(app.events(), ["login_failed: invalid_credentials"; 2]);
    assert_eq!(app.dump_without_events(), before);
    app.login(ADA).await;
}

#[tokio::test]
async fn what_is_wrong_is_named_before_anything_is_hashed() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let before = app.dump();
    let hashes = app.keyward.password_hashes();
    assert_eq!(app.send(change(&tokens, PASSWORD, "short")).await.invalid_fields(), ["new_password"; 3]);
    let ask = |body| app.send(post("/api/auth/password/change").bearer(&tokens.access).json(body));
    assert_eq!(ask(json!({})).await.invalid_fields(), ["current_password", "new_password"]);
    assert_eq!(
        ask(json!({"current_password": 1, "new_password": []})).await.invalid_fields(),
        ["current_password", "new_password"]
    );
    assert_eq!(app.keyward.password_hashes(), hashes);
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn it_takes_a_live_session() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let before = app.dump();
    app.send(post("/api/auth/password/change").json(body.clone())).await.refused(401, "missing_token");
    assert_eq!(app.dump(), before);
    app.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200);
    let before = app.dump();
    app.send(change(&tokens, PASSWORD, OTHER_PASSWORD)).await.refused(401, "session_revoked");
    assert_eq!(app.dump(), before);
}
