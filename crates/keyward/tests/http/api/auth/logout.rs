//! `POST /api/auth/logout`

use serde_json::json;

use keyward::Client;

use crate::support::{ADA, App, Browser, MINUTE, Tokens, jwt_header, post, text};

#[tokio::test]
async fn an_app_signs_out_by_either_token_even_an_expired_one() {
    let app = App::new().await;
    for by in ["access", "expired", "refresh"] {
        let tokens = app.login_or_signup(ADA).await;
        let others = app.login(ADA).await;
        app.events();
        let ask = match by {
            "refresh" => post("/api/auth/logout").json(json!({"refresh_token": tokens.refresh})),
            _ => post("/api/auth/logout").bearer(&tokens.access),
        };
        if by == "expired" {
            app.pass(20 * MINUTE);
        }
        let reply = app.send(ask.clone()).await;
        assert_eq!(reply.ok(200), json!({"message": "signed out"}), "{by}");
        assert_eq!(app.events(), ["logout"], "{by}");
        app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
        if by != "expired" {
            app.session(&tokens.access).await.refused(401, "session_revoked");
        }
        app.refresh(&others.refresh).await.ok(200);
        app.events();
        // Once more is the same answer, and no event.
        app.send(ask).await.ok(200);
        assert_eq!(app.events(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn by_a_token_of_a_revoked_key_nobody_is_told_to_be_signed_out() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let kid = jwt_header(&tokens.access)["kid"].as_str().expect("kid").to_owned();
    app.keyward.revoke_key(&kid, &Client::operator()).await.expect("revoked");
    app.events();
    let ask = post("/api/auth/logout").bearer(&tokens.access);
    app.send(ask.clone()).await.refused(401, "token_stale");
    assert_eq!(app.events(), Vec::<String>::new());
    // The session is known by its refresh token, or by what that brings.
    let fresh = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    let other = app.login(ADA).await;
    app.send(post("/api/auth/logout").bearer(&fresh.access)).await.ok(200);
    app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
    app.send(ask.json(json!({"refresh_token": other.refresh}))).await.ok(200);
    app.refresh(&other.refresh).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn without_any_session_the_answer_is_the_same() {
    let app = App::new().await;
    let other = App::new().await;
    let foreign = other.signup(ADA).await;
    let before = app.dump();
    for ask in [
        post("/api/auth/logout"),
        post("/api/auth/logout").json(json!({})),
        post("/api/auth/logout").bearer("rubbish"),
        post("/api/auth/logout").bearer(&foreign.access),
        post("/api/auth/logout").json(json!({"refresh_token": "rubbish"})),
        post("/api/auth/logout").json(json!({"refresh_token": foreign.refresh})),
        post("/api/auth/logout").header("authorization", "Basic eDp5"),
    ] {
        let reply = app.send(ask).await;
        assert_eq!(reply.ok(200), json!({"message": "signed out"}));
        assert_eq!(reply.cookies(), Vec::<&str>::new());
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn a_browser_loses_the_cookies_that_came_with_the_request() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let before = browser.clone();
    app.events();
    let reply = browser.send(&app, post("/api/auth/logout")).await;
    reply.ok(200);
    assert_eq!(
        reply.cookies(),
        [
            "keyward_access=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0",
            "keyward_refresh=; HttpOnly; SameSite=Lax; Path=/api/auth; Max-Age=0",
            "keyward_hint=; SameSite=Lax; Path=/; Max-Age=0",
        ]
    );
    assert_eq!(browser.jar.names(), Vec::<&str>::new());
    assert_eq!(app.events(), ["logout"]);
    before.clone().session(&app).await.refused(401, "session_revoked");
    before.clone().refresh(&app).await.refused(401, "session_revoked");
    // A dead session's cookies are cleared all the same; of one that did not come nothing is said.
    let mut late = before.clone();
    late.jar.forget("keyward_access");
    let reply = late.send(&app, post("/api/auth/logout")).await;
    reply.ok(200);
    assert_eq!(reply.cookies().len(), 2);
    let reply = Browser::default().send(&app, post("/api/auth/logout")).await;
    reply.ok(200);
    assert_eq!(reply.cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_cookie_without_its_hint_signs_nobody_out() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let mut planted = browser.clone();
    planted.jar.forget("keyward_hint");
    planted.send(&app, post("/api/auth/logout")).await.ok(200);
    browser.session(&app).await.ok(200);
}

#[tokio::test]
async fn a_browser_whose_access_token_is_gone_signs_out_by_its_refresh_token() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let session = text(&browser.session(&app).await.ok(200), "session_id").to_owned();
    app.pass(20 * MINUTE);
    assert_eq!(browser.jar.line("/", app.now()).map(|line| line.contains("keyward_access")), Some(false));
    browser.send(&app, post("/api/auth/logout")).await.ok(200);
    assert_eq!(app.of_session::<String>(&session, "ended_why"), "logout");
}

#[tokio::test]
async fn cookies_of_two_sessions_sign_out_of_none_and_a_login_goes_on() {
    let app = App::new().await;
    let ada = Browser::signed_up(&app, ADA).await;
    let bob = Browser::signed_up(&app, crate::support::BOB).await;
    let both = [&ada, &bob].map(|b| b.jar.line("/api/auth/x", app.now()).expect("cookies")).join("; ");
    let before = app.dump();
    let ours = |ask: crate::support::Ask| ask.header("sec-fetch-site", "same-origin").header("cookie", &both);
    app.send(ours(post("/api/auth/logout"))).await.refused(400, "ambiguous_credentials");
    assert_eq!(app.dump(), before);
    app.send(ours(crate::support::login(ADA, crate::support::PASSWORD))).await.ok(200);
}

#[tokio::test]
async fn two_bearer_tokens_are_one_too_many() {
    let app = App::new().await;
    let (one, two) = (app.signup(ADA).await, app.login(ADA).await);
    let before = app.dump();
    let ask = post("/api/auth/logout").bearer(&one.access).bearer(&two.access);
    app.send(ask).await.refused(400, "ambiguous_credentials");
    assert_eq!(app.dump(), before);
}
