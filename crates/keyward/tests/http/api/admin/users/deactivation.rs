//! Throwing somebody out: at once, whatever is under way, and for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::change;
use crate::support::{ADA, App, BOB, Browser, MINUTE, OTHER_PASSWORD, PASSWORD, Tokens, get, login};

#[tokio::test]
async fn a_deactivated_account_has_nothing_left_and_an_activated_one_begins_anew() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (ada, too) = (app.signup(ADA).await, app.login(ADA).await);
    let mut browser = Browser::signed_in(&app, ADA).await;
    let bob = app.signup(BOB).await;
    for tokens in [&ada, &too, &bob] {
        app.session(&tokens.access).await.ok(200);
    }
    app.events();
    let shown = app.send(change(&admin.access, &ada.user, json!({ "is_active": false }))).await.ok(200);
    assert_eq!((&shown["is_active"], &shown["session_count"]), (&json!(false), &json!(0)));
    assert_eq!(app.events(), ["user_deactivated"]);
    let by = json!({ "user_id": admin.user, "session_id": admin.session });
    assert_eq!(app.details("user_deactivated"), [json!({ "by": by })]);
    for round in 0..2 {
        for tokens in [&ada, &too] {
            app.session(&tokens.access).await.refused(401, "session_revoked");
            app.refresh(&tokens.refresh).await.refused(401, "account_inactive");
        }
        browser.session(&app).await.refused(401, "session_revoked");
        browser.refresh(&app).await.refused(401, "account_inactive");
        app.send(login(ADA, PASSWORD)).await.refused(403, "account_inactive");
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
        app.session(&bob.access).await.ok(200);
        if round == 0 {
            let failed = [
                "login_failed: account_inactive",
                "login_failed: invalid_credentials",
                "refresh_failed: account_inactive",
                "refresh_failed: account_inactive",
                "refresh_failed: account_inactive",
            ];
            assert_eq!(app.events(), failed);
        }
        app.pass(MINUTE);
    }
    let app = app.killed().await;
    app.events();
    let admin = app.admin().await;
    app.events();
    app.send(change(&admin.access, &ada.user, json!({ "is_active": true }))).await.ok(200);
    assert_eq!(app.events(), ["user_activated"]);
    for tokens in [&ada, &too] {
        app.session(&tokens.access).await.refused(401, "session_revoked");
        app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
    }
    browser.refresh(&app).await.refused(401, "session_revoked");
    let again = app.login(ADA).await;
    app.session(&again.access).await.ok(200);
}

#[tokio::test]
async fn all_that_is_asked_for_at_once_is_one_change() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    app.events();
    let off = json!({ "is_active": false, "roles": ["admin"], "email": "new@example.com", "phone_number": "+4915112345678" });
    let shown = app.send(change(&admin.access, &ada.user, off.clone())).await.ok(200);
    for field in ["is_active", "roles", "email", "phone_number"] {
        assert_eq!(shown[field], off[field], "{field}");
    }
    assert_eq!(app.events(), ["roles_changed", "user_changed", "user_deactivated"]);
    let on = json!({ "is_active": true, "roles": ["user"], "email": ADA, "phone_number": null });
    let shown = app.send(change(&admin.access, &ada.user, on.clone())).await.ok(200);
    for field in ["is_active", "roles", "email", "phone_number"] {
        assert_eq!(shown[field], on[field], "{field}");
    }
    assert_eq!(app.events(), ["roles_changed", "user_activated", "user_changed"]);
    app.login(ADA).await;
}

/// Requests, refreshes and logins from many sides, and in their middle the account goes: whatever
/// is asked after the answer is refused, and no answer after it brings anything that works.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_the_middle_of_a_storm_nobody_gets_anything_after_the_answer() {
    let app = Arc::new(App::new().await);
    let admin = app.admin().await;
    let user = app.signup(ADA).await.user;
    for round in 0..5 {
        app.send(change(&admin.access, &user, json!({ "is_active": true }))).await.ok(200);
        let over = Arc::new(AtomicBool::new(false));
        let mut storm = tokio::task::JoinSet::new();
        let (begun, mut running) = tokio::sync::mpsc::channel(64);
        for n in 0..12 {
            let (app, over, begun) = (Arc::clone(&app), Arc::clone(&over), begun.clone());
            let mut held: Vec<Tokens> = vec![app.login(ADA).await];
            storm.spawn(async move {
                let mut after = 0;
                while after < 8 {
                    let is_over = over.load(Ordering::SeqCst);
                    after += u32::from(is_over);
                    let Some(last) = held.last().cloned() else { break };
                    let reply = match n % 3 {
                        0 => app.session(&last.access).await,
                        1 => app.refresh(&last.refresh).await,
                        _ => app.send(login(ADA, PASSWORD)).await,
                    };
                    let _ = begun.try_send(());
                    // What is answered from memory waits for nothing, and so would let nobody else on.
                    tokio::task::yield_now().await;
                    assert!(!is_over || reply.status != 200, "{}", reply.text());
                    assert!([200, 401, 403].contains(&reply.status), "{}", reply.text());
                    if reply.status == 200 && n % 3 != 0 {
                        let body = reply.json();
                        let refresh = body["refresh_token"].as_str().unwrap_or(&last.refresh).to_owned();
                        let access = crate::support::text(&body, "token").to_owned();
                        held.push(Tokens { access, refresh, ..last });
                    }
                }
                held
            });
        }
        for _ in 0..40 {
            running.recv().await.expect("the storm is on");
        }
        app.send(change(&admin.access, &user, json!({ "is_active": false }))).await.ok(200);
        over.store(true, Ordering::SeqCst);
        // Whatever was handed out, before or while it happened, is worth nothing.
        for held in storm.join_all().await {
            for tokens in held {
                app.session(&tokens.access).await.refused(401, "session_revoked");
                app.refresh(&tokens.refresh).await.refused(401, "account_inactive");
            }
        }
        let shown = app.send(get(&format!("/api/admin/users/{user}")).bearer(&admin.access)).await.ok(200);
        assert_eq!(shown["session_count"], 0, "round {round}");
    }
    assert_eq!(app.details("user_deactivated").len(), 5);
}
