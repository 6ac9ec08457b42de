//! `POST /api/auth/introspect` (RFC 7662)

use keyward::{PersonalClaims, Settings};
use serde_json::{Value, json};

use crate::support::{ADA, App, Ask, BOB, Browser, DAY, MINUTE, Tokens, WINDOW, claims, post, settings};

fn ask(key: &str, token: &str) -> Ask {
    post("/api/auth/introspect").bearer(key).form(&format!("token={token}"))
}

async fn introspect(app: &App, key: &str, token: &str) -> Value {
    app.send(ask(key, token)).await.ok(200)
}

fn inactive() -> Value {
    json!({"active": false})
}

#[tokio::test]
async fn an_access_token_is_told_by_its_claims() {
    let app = App::new().await;
    let key = app.service_key(&["introspect"]).await;
    let admin = app.admin().await;
    let mut expected = claims(&admin.access);
    assert_eq!(expected["roles"], json!(["admin", "user"]));
    expected["active"] = json!(true);
    expected["token_type"] = json!("Bearer");
    expected["scope"] = json!("");
    expected["username"] = json!("root@example.com");
    assert_eq!(introspect(&app, &key, &admin.access).await, expected);
    // The hint may be there, and wrong.
    for hint in ["access_token", "refresh_token", "other"] {
        let form = format!("token_type_hint={hint}&token={}", admin.access);
        let reply = app.send(post("/api/auth/introspect").bearer(&key).form(&form)).await;
        assert_eq!(reply.ok(200), expected);
    }
}

#[tokio::test]
async fn what_a_token_does_not_say_is_not_told() {
    let claims = PersonalClaims { email: false, phone_number: false, roles: false, permissions: false };
    let app = App::with(Settings { claims, ..settings() }).await;
    let key = app.service_key(&["introspect"]).await;
    let tokens = app.signup(ADA).await;
    let told = introspect(&app, &key, &tokens.access).await;
    assert_eq!(told["active"], true);
    for member in ["email", "username", "phone_number", "roles", "permissions", "scope"] {
        assert!(told.get(member).is_none(), "{member}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_told_alike() {
    let app = App::new().await;
    let key = app.service_key(&["introspect"]).await;
    let ended = app.signup(ADA).await;
    app.send(post("/api/auth/logout").bearer(&ended.access)).await.ok(200);
    let stale = app.signup(BOB).await;
    app.admin_called(BOB).await;
    let old = app.login(ADA).await;
    introspect(&app, &key, "x").await;
    app.tick().await;
    let before = app.dump();
    let long = "x".repeat(9_000);
    for token in [&ended.access, &ended.refresh, &stale.access, &key, "x", "kwr_x", "%00", &long] {
        assert_eq!(introspect(&app, &key, token).await, inactive(), "{token}");
    }
    assert_eq!(app.dump(), before);
    app.pass(15 * MINUTE);
    assert_eq!(introspect(&app, &key, &old.access).await, inactive(), "expired");
    assert_eq!(introspect(&app, &key, &old.refresh).await["active"], true);
    app.pass(7 * DAY);
    assert_eq!(introspect(&app, &key, &old.refresh).await, inactive(), "not refreshed for too long");
}

#[tokio::test]
async fn of_a_refresh_token_it_changes_nothing() {
    let app = App::new().await;
    let key = app.service_key(&["introspect"]).await;
    let first = app.signup(ADA).await;
    let told = introspect(&app, &key, &first.refresh).await;
    let now = app.now();
    let expected = json!({"active": true, "token_type": "refresh_token", "iss": app.settings().issuer(),
        "sub": first.user, "sid": first.session, "iat": now, "exp": now + 7 * 86_400});
    assert_eq!(told, expected, "nothing to let anybody in by");
    let good = async |token: &str| introspect(&app, &key, token).await["active"] == true;
    // The answer with the second is lost; before the window closes and after, the first lives on.
    let lost = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    for _ in 0..2 {
        assert!(good(&first.refresh).await && good(&lost.refresh).await);
        app.pass(WINDOW);
    }
    // Nothing counts as seen: the loss is forgiven.
    let second = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    assert!(!good(&lost.refresh).await, "given up for lost");
    assert!(good(&first.refresh).await, "it is told to wait, not gone");
    app.session(&second.access).await.ok(200);
    app.pass(WINDOW);
    assert!(!good(&first.refresh).await, "presenting it would be theft");
    assert_eq!(app.open_sessions(), 1, "and yet the session goes on");
    app.refresh(&second.refresh).await.ok(200);
    assert_eq!(app.events(), ["refresh_forgiven", "service_key_created", "signup"]);
}

#[tokio::test]
async fn an_access_token_of_a_dead_generation_ends_its_session() {
    let app = App::new().await;
    let key = app.service_key(&["introspect"]).await;
    let first = app.signup(ADA).await;
    let lost = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    app.pass(WINDOW);
    let second = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    app.events();
    assert_eq!(introspect(&app, &key, &lost.access).await, inactive());
    assert_eq!(
        app.events(),
        ["refresh_reused: an access token of a generation given up for lost was presented"]
    );
    app.session(&second.access).await.refused(401, "session_revoked");
    app.refresh(&second.refresh).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn an_access_token_counts_as_presented() {
    let app = App::new().await;
    let key = app.service_key(&["introspect"]).await;
    let first = app.signup(ADA).await;
    let second = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    introspect(&app, &key, &second.access).await;
    app.pass(WINDOW);
    // Somebody has what the first was exchanged for: who still shows the first has a copy.
    app.refresh(&first.refresh).await.refused(401, "refresh_token_reused");
}

#[tokio::test]
async fn to_be_introspected_is_no_activity() {
    let app = App::new().await;
    let key = app.service_key(&["introspect"]).await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for _ in 0..5 {
        let access = browser.jar.value("keyward_access").expect("set").to_owned();
        assert_eq!(introspect(&app, &key, &access).await["active"], true);
        app.pass(11 * MINUTE);
        browser.refresh(&app).await.ok(200);
    }
    let access = browser.jar.value("keyward_access").expect("set").to_owned();
    assert_eq!(introspect(&app, &key, &access).await["active"], true);
    app.pass(5 * MINUTE);
    assert_eq!(introspect(&app, &key, &access).await, inactive());
    browser.refresh(&app).await.refused(401, "session_idle");
}

#[tokio::test]
async fn where_nobody_can_know_nobody_is_told() {
    let app = App::new().await;
    let key = app.service_key(&["introspect", "revoke"]).await;
    let tokens = app.signup(ADA).await;
    introspect(&app, &key, &tokens.access).await;
    app.write("ALTER TABLE revocation RENAME TO elsewhere");
    app.pass(2);
    for token in [&tokens.access, &tokens.refresh] {
        app.send(ask(&key, token)).await.refused(503, "store_unavailable");
        let revoke = post("/api/auth/revoke").bearer(&key).form(&format!("token={token}"));
        app.send(revoke).await.refused(503, "store_unavailable");
    }
    app.write("ALTER TABLE elsewhere RENAME TO revocation");
    assert_eq!(introspect(&app, &key, &tokens.access).await["active"], true);
}

#[tokio::test]
async fn a_body_is_a_form_with_one_token() {
    let app = App::new().await;
    let key = app.service_key(&["introspect", "revoke"]).await;
    let tokens = app.signup(ADA).await;
    introspect(&app, &key, "x").await;
    app.tick().await;
    let before = app.dump();
    for path in ["/api/auth/introspect", "/api/auth/revoke"] {
        let post = || post(path).bearer(&key);
        let form = format!("token={}", tokens.access);
        app.send(post().json(json!({"token": tokens.access}))).await.refused(415, "unsupported_media_type");
        app.send(post().body(form.clone())).await.refused(415, "unsupported_media_type");
        app.send(post()).await.refused(415, "unsupported_media_type");
        for form in ["", "token=", "token", "x=y"] {
            assert_eq!(app.send(post().form(form)).await.invalid_fields(), ["token"], "{form}");
        }
        app.send(post().form(&format!("{form}&{form}"))).await.refused(400, "malformed_form");
        app.send(post().form(&"x".repeat(65 << 10))).await.refused(413, "body_too_large");
        app.send(post().form(&format!("token={}", "x".repeat(60 << 10)))).await.ok(200);
        // Not in the URL, where it would be logged.
        let in_url = Ask::new(http::Method::POST, &format!("{path}?{form}")).bearer(&key).form("");
        assert_eq!(app.send(in_url).await.invalid_fields(), ["token"]);
    }
    assert_eq!(app.dump(), before);
}
