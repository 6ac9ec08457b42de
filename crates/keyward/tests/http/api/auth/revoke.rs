//! `POST /api/auth/revoke` (RFC 7009)

use serde_json::Value;

use crate::support::{ADA, App, Ask, Browser, MINUTE, WINDOW, post};

fn revoke(key: &str, token: &str) -> Ask {
    post("/api/auth/revoke").bearer(key).form(&format!("token={token}"))
}

#[tokio::test]
async fn either_token_ends_its_session_and_no_other() {
    let app = App::new().await;
    let key = app.service_key(&["revoke"]).await;
    for by in ["access", "expired", "refresh", "old refresh"] {
        let tokens = app.login_or_signup(ADA).await;
        let token = if by.contains("refresh") { &tokens.refresh } else { &tokens.access };
        if by == "old refresh" {
            // Presenting it would be theft: who revokes only wants it over.
            app.refresh(&tokens.refresh).await.ok(200);
            app.pass(WINDOW);
        }
        if by == "expired" {
            app.pass(20 * MINUTE);
        }
        let other = app.login(ADA).await;
        app.events();
        assert_eq!(app.send(revoke(&key, token)).await.ok(200), Value::Null, "{by}");
        assert_eq!(app.events(), ["session_revoked"], "{by}");
        let details = app.last_details("session_revoked");
        assert_eq!(
            (&details["by"]["service_key"], &details["why"]),
            (&"key 0 revoke".into(), &"revoked".into())
        );
        app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
        if by != "expired" {
            app.session(&tokens.access).await.refused(401, "session_revoked");
        }
        app.session(&other.access).await.ok(200);
        // Once more is the same answer, and no event.
        app.events();
        app.send(revoke(&key, token)).await.ok(200);
        assert_eq!(app.events(), Vec::<String>::new(), "{by}");
    }
}

#[tokio::test]
async fn a_browsers_tokens_end_their_session_too() {
    let app = App::new().await;
    let key = app.service_key(&["revoke"]).await;
    app.signup(ADA).await;
    for cookie in ["keyward_access", "keyward_refresh"] {
        let mut browser = Browser::signed_in(&app, ADA).await;
        let token = browser.jar.value(cookie).expect("set").to_owned();
        app.send(revoke(&key, &token)).await.ok(200);
        browser.session(&app).await.refused(401, "session_revoked");
    }
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_just_as_well() {
    let app = App::new().await;
    let key = app.service_key(&["revoke"]).await;
    let tokens = app.signup(ADA).await;
    app.send(revoke(&key, "x")).await.ok(200);
    app.tick().await;
    let before = app.dump();
    let (start, end) = tokens.access.split_at(tokens.access.len() - 10);
    let forged = format!("{start}{}", end.chars().rev().collect::<String>());
    for token in ["x", "kwr_x", &key, &forged, "a.b.c"] {
        app.send(revoke(&key, token)).await.ok(200);
    }
    assert_eq!(app.dump(), before);
    app.session(&tokens.access).await.ok(200);
}
