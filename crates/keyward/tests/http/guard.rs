//! What does a guard go by, on whatever route?

use std::time::Duration;

use keyward::{PersonalClaims, Settings};
use serde_json::json;

use crate::support::{ADA, App, Browser, MINUTE, PASSWORD, ROOT, Tokens, delete, get, post, settings, text};

const READ: &str = "/api/admin/keys";
const GRAVE: &str = "/api/admin/service-keys";

#[tokio::test]
async fn what_is_grave_asks_for_a_login_that_is_not_long_ago() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ask = |token: &str, name: &str| post(GRAVE).bearer(token).json(json!({ "name": name }));
    let late = async |token: &str| {
        app.send(ask(token, "too late")).await.refused(403, "reauthentication_required");
    };
    app.pass(10 * MINUTE);
    app.send(ask(&admin.access, "just in time")).await.ok(201);
    app.pass(1);
    app.events();
    let before = app.dump();
    late(&admin.access).await;
    assert_eq!((app.events(), app.dump()), (vec![], before));
    // A refresh proves nothing.
    let refreshed = Tokens::of(&app.refresh(&admin.refresh).await.ok(200));
    late(&refreshed.access).await;
    app.send(get(READ).bearer(&refreshed.access)).await.ok(200);
    let again = post("/api/auth/reauthenticate").bearer(&refreshed.access);
    let proven = app.send(again.json(json!({"password": PASSWORD}))).await.ok(200);
    app.send(ask(text(&proven, "token"), "proven")).await.ok(201);
    // The token from before says nothing of that.
    late(&refreshed.access).await;
}

#[tokio::test]
async fn how_long_a_login_counts_is_a_setting() {
    let mut settings = settings();
    settings.policy.reauth_after = Duration::from_secs(60);
    let app = App::with(settings).await;
    let admin = app.admin().await;
    app.pass(61);
    let ask = post(GRAVE).bearer(&admin.access).json(json!({"name": "a"}));
    app.send(ask).await.refused(403, "reauthentication_required");
}

#[tokio::test]
async fn an_administrator_is_told_by_the_token_and_else_by_the_account() {
    for roles in [true, false] {
        let claims = PersonalClaims { roles, ..PersonalClaims::default() };
        let app = App::with(Settings { claims, ..settings() }).await;
        let admin = app.admin().await;
        let user = app.signup(ADA).await;
        app.send(get(READ).bearer(&admin.access)).await.ok(200);
        app.send(get(READ).bearer(&user.access)).await.refused(403, "forbidden");
        // With the roles in the token nothing is read to decide; else the account, once in a while.
        app.pass(2);
        app.tick().await;
        let reads = async || {
            let before = app.keyward.store_reads();
            app.send(get(READ).bearer(&user.access)).await.refused(403, "forbidden");
            app.keyward.store_reads() - before
        };
        assert_eq!(reads().await > 0, !roles);
        assert_eq!(reads().await, 0, "it is known for a while");
    }
}

#[tokio::test]
async fn an_administrator_in_a_browser_is_asked_from_our_own_pages() {
    let app = App::new().await;
    app.admin().await;
    let mut browser = Browser::signed_in(&app, ROOT).await;
    let made = browser.post(&app, GRAVE, json!({"name": "a"})).await.ok(201);
    browser.get(&app, GRAVE).await.ok(200);
    app.tick().await;
    let before = app.dump();
    let path = format!("{GRAVE}/{}", text(&made, "id"));
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("x-none", "")]
    {
        for ask in [delete(&path), post(GRAVE).json(json!({"name": "b"})), post("/api/admin/keys/rotate")] {
            let reply = browser.bare(&app, ask.header(name, value)).await;
            reply.refused(403, "cross_site_request");
        }
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn beside_an_access_cookie_no_header_counts_where_a_person_may_ask() {
    let app = App::new().await;
    let key = app.service_key(&["admin", "introspect"]).await;
    let mut user = Browser::signed_up(&app, ADA).await;
    user.send(&app, get(READ).bearer(&key)).await.refused(403, "forbidden");
    // A cookie without its hint is not there.
    user.jar.forget("keyward_hint");
    user.send(&app, get(READ).bearer(&key)).await.ok(200);
    // Where no person may ask, no cookie counts.
    let mut user = Browser::signed_in(&app, ADA).await;
    let ask = post("/api/auth/introspect").form("token=x");
    user.send(&app, ask.clone().bearer(&key)).await.ok(200);
    user.send(&app, ask).await.refused(401, "missing_token");
    // Two headers are one too many.
    app.send(get(READ).bearer(&key).bearer(&key)).await.refused(400, "ambiguous_credentials");
}

#[tokio::test]
async fn a_service_is_nobody_who_has_a_session() {
    let app = App::new().await;
    let key = app.service_key(&["admin"]).await;
    let tokens = app.signup(ADA).await;
    for path in ["/api/auth/session", "/api/auth/sessions"] {
        app.send(get(path).bearer(&key)).await.refused(401, "invalid_token");
    }
    for path in ["/api/auth/activity", "/api/auth/logout-all"] {
        app.send(post(path).bearer(&key)).await.refused(401, "invalid_token");
    }
    app.send(post("/api/auth/logout").bearer(&key)).await.ok(200);
    app.refresh(&key).await.refused(401, "invalid_refresh_token");
    app.session(&tokens.access).await.ok(200);
}

#[tokio::test]
async fn where_nobody_can_know_what_was_revoked_no_service_is_let_in() {
    let app = App::new().await;
    let key = app.service_key(&["admin"]).await;
    app.send(get(READ).bearer(&key)).await.ok(200);
    app.write("ALTER TABLE revocation RENAME TO elsewhere");
    app.pass(2);
    app.send(get(READ).bearer(&key)).await.refused(503, "store_unavailable");
    // What can't be one needs no knowledge.
    app.send(get(READ).bearer("kws_x")).await.refused(401, "invalid_token");
    app.write("ALTER TABLE elsewhere RENAME TO revocation");
    app.send(get(READ).bearer(&key)).await.ok(200);
}
