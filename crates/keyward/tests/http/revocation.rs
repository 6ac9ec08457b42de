//! What was ended is refused by the very next request, and stays so.

use std::time::Duration;

use keyward::{Client, Keyward, Settings};
use serde_json::json;
use tokio::time::sleep;

use crate::support::{
    ADA, App, BOB, Browser, MINUTE, OTHER_PASSWORD, PASSWORD, Tokens, WINDOW, delete, jwt_header, login,
    post, settings,
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Logout,
    LogoutAll,
    PasswordChange,
    Delete,
    Theft,
    Replaced,
    TooMany,
    EverySession,
    Operator,
}

/// Ends the victim's session in that way, from another session of theirs where it needs one.
async fn end(app: &App, way: Way, victim: &Tokens, old: &str, other: &Tokens) {
    match way {
        Way::Logout => drop(app.send(post("/api/auth/logout").bearer(&victim.access)).await.ok(200)),
        Way::LogoutAll => drop(app.send(post("/api/auth/logout-all").bearer(&other.access)).await.ok(200)),
        Way::PasswordChange => {
            let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
            app.send(post("/api/auth/password/change").bearer(&other.access).json(body)).await.ok(204);
        }
        Way::Delete => {
            let ask = delete(&format!("/api/auth/sessions/{}", victim.session)).bearer(&other.access);
            app.send(ask).await.ok(204);
        }
        Way::Theft => {
            app.pass(WINDOW);
            app.refresh(old).await.refused(401, "refresh_token_reused");
        }
        Way::Replaced => {
            let line = format!(
                "keyward_access={}; keyward_hint=v1.{}.1.1",
                victim.access,
                crate::cookie::tag(&victim.session)
            );
            let ask = login(ADA, PASSWORD).header("cookie", line).header("sec-fetch-site", "same-origin");
            app.send(ask).await.ok(200);
        }
        Way::TooMany => {
            // The least recently active goes first.
            app.pass(1);
            for _ in 0..app.settings().policy.max_per_user {
                app.login(ADA).await;
            }
        }
        Way::EverySession => app.keyward.revoke_every_session(&Client::operator()).await.expect("done"),
        Way::Operator => {
            let id = victim.session.parse().expect("an id");
            app.keyward.revoke_session(id, &Client::operator()).await.expect("done");
        }
    }
}

const WAYS: [Way; 9] = [
    Way::Logout,
    Way::LogoutAll,
    Way::PasswordChange,
    Way::Delete,
    Way::Theft,
    Way::Replaced,
    Way::TooMany,
    Way::EverySession,
    Way::Operator,
];

#[tokio::test]
async fn every_end_is_in_force_on_the_next_request_and_survives_a_restart() {
    for way in WAYS {
        let mut settings = settings();
        settings.policy.max_per_user = 10;
        let app = App::with(settings).await;
        let first = app.signup(ADA).await;
        let victim = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
        let other = app.login(ADA).await;
        let stranger = app.signup(BOB).await;
        // It stands verified in the cache.
        for _ in 0..3 {
            app.session(&victim.access).await.ok(200);
        }
        end(&app, way, &victim, &first.refresh, &other).await;
        let code = "session_revoked";
        for access in [&victim.access, &first.access] {
            app.session(access).await.refused(401, code);
        }
        app.refresh(&victim.refresh).await.refused(401, "session_revoked");
        if way != Way::EverySession {
            app.session(&stranger.access).await.ok(200);
        }
        let mut app = app.killed().await;
        app.session(&victim.access).await.refused(401, code);
        app.refresh(&victim.refresh).await.refused(401, "session_revoked");
        // For as long as the token could live.
        app.pass(14 * MINUTE);
        app.tick().await;
        app = app.restarted().await;
        let reply = app.session(&victim.access).await;
        assert_eq!(reply.status, 401, "{way:?}");
        reply.refused(401, code);
        app.pass(10 * MINUTE);
        app.tick().await;
        app.session(&victim.access).await.refused(401, "token_expired");
        app.refresh(&victim.refresh).await.refused(401, "session_revoked");
    }
}

#[tokio::test]
async fn a_revoked_key_takes_its_tokens_with_it_and_a_refresh_helps() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.session(&tokens.access).await.ok(200);
    let mut browser = Browser::signed_in(&app, ADA).await;
    app.events();
    let kid = jwt_header(&tokens.access)["kid"].as_str().expect("kid").to_owned();
    app.keyward.revoke_key(&kid, &Client::operator()).await.expect("revoked");
    assert_eq!(app.events(), ["key_revoked", "key_rotated"]);
    app.session(&tokens.access).await.refused(401, "token_stale");
    browser.session(&app).await.refused(401, "token_stale");
    let app = app.killed().await;
    app.session(&tokens.access).await.refused(401, "token_stale");
    let fresh = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    assert_ne!(jwt_header(&fresh.access)["kid"], kid);
    app.session(&fresh.access).await.ok(200);
    browser.refresh(&app).await.ok(200);
    browser.session(&app).await.ok(200);
    // For as long as the token could live; later the key is forgotten.
    app.pass(14 * MINUTE);
    app.tick().await;
    app.session(&tokens.access).await.refused(401, "token_stale");
    app.pass(60 * MINUTE);
    app.tick().await;
    app.session(&tokens.access).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn what_another_process_ended_is_in_force_within_a_second() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.session(&tokens.access).await.ok(200);
    let beside = app.beside().await;
    let session = tokens.session.parse().expect("an id");
    beside.revoke_session(session, &Client::operator()).await.expect("revoked");
    // The background polls five times a second; where it did not for longer than a second, the request does.
    app.keyward.tick().await.expect("a tick");
    app.session(&tokens.access).await.refused(401, "session_revoked");

    let tokens = app.login(ADA).await;
    app.session(&tokens.access).await.ok(200);
    let session = tokens.session.parse().expect("an id");
    beside.revoke_session(session, &Client::operator()).await.expect("revoked");
    app.pass(2);
    app.session(&tokens.access).await.refused(401, "session_revoked");
}

/// Time passes where it is waited for, and nowhere else: so this holds to the millisecond on any machine.
#[tokio::test(start_paused = true)]
async fn what_a_command_does_beside_a_server_is_in_force_within_250_ms() {
    let app = App::in_a_file(Settings { background: true, ..settings() }).await;
    app.signup(ADA).await;
    for _ in 0..20 {
        let tokens = app.login(ADA).await;
        app.session(&tokens.access).await.ok(200);
        // Nothing is heard later than what is done just after a poll.
        let reads = app.keyward.store_reads();
        while app.keyward.store_reads() == reads {
            sleep(Duration::from_millis(1)).await;
        }
        let (beside, session) = (app.another(), tokens.session.parse().expect("an id"));
        let command = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("an event loop").block_on(async {
                let beside = beside.open().await.expect("opens");
                beside.revoke_session(session, &Client::operator()).await.expect("revoked");
            });
        });
        // This thread stands still meanwhile, and the server's time with it.
        command.join().expect("no panic");
        sleep(Duration::from_millis(250)).await;
        app.session(&tokens.access).await.refused(401, "session_revoked");
    }
    app.keyward.close().await.expect("closed");
}

#[tokio::test]
async fn a_verified_token_outlives_neither_its_end_nor_its_key() {
    let mut settings = settings();
    settings.policy.leeway = Duration::from_secs(10);
    let app = App::with(settings).await;
    let tokens = app.signup(ADA).await;
    for _ in 0..9 {
        app.session(&tokens.access).await.ok(200);
        app.pass(100);
    }
    app.session(&tokens.access).await.ok(200);
    app.pass(9);
    app.session(&tokens.access).await.ok(200);
    app.pass(1);
    app.session(&tokens.access).await.refused(401, "token_expired");
    // A key that left the ring, as one does when it was retired for long enough.
    let tokens = app.login(ADA).await;
    app.session(&tokens.access).await.ok(200);
    let kid = jwt_header(&tokens.access)["kid"].as_str().expect("kid").to_owned();
    app.write(&format!("DELETE FROM signing_key WHERE kid = '{kid}'"));
    app.write("UPDATE counter SET value = value + 1 WHERE name = 'keys_version'");
    app.tick().await;
    app.session(&tokens.access).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn looking_at_a_page_again_and_again_reads_no_store() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.session(&tokens.access).await.ok(200);
    let reads = app.keyward.store_reads();
    for _ in 0..100 {
        app.session(&tokens.access).await.ok(200);
    }
    assert_eq!(app.keyward.store_reads(), reads);
}

#[tokio::test]
async fn a_dead_access_token_is_refused_on_every_route_that_asks_for_one() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let other = app.login(ADA).await;
    app.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200);
    let before = app.dump();
    let asks_a_person = |guard: &str| ["session", "read", "admin", "grave"].contains(&guard);
    for (method, path, _) in Keyward::routes().filter(|(.., guard)| asks_a_person(guard)) {
        let path = crate::support::filled(path, &other.session);
        let ask = crate::support::Ask::new(method.clone(), &path).bearer(&tokens.access);
        let body =
            json!({"password": PASSWORD, "current_password": PASSWORD, "new_password": OTHER_PASSWORD});
        app.send(ask.json(body)).await.refused(401, "session_revoked");
        assert_eq!(app.dump(), before, "{method} {path}");
    }
    app.session(&other.access).await.ok(200);
}

#[tokio::test]
async fn where_nobody_can_know_what_was_revoked_nobody_is_let_in() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.session(&tokens.access).await.ok(200);
    app.write("ALTER TABLE revocation RENAME TO elsewhere");
    // What was known a second ago still counts.
    app.pass(1);
    app.session(&tokens.access).await.ok(200);
    app.pass(1);
    app.session(&tokens.access).await.refused(503, "store_unavailable");
    app.refresh(&tokens.refresh).await.refused(503, "store_unavailable");
    app.send(crate::support::get("/readyz")).await.refused(503, "store_unavailable");
    assert_eq!(app.send(crate::support::get("/healthz")).await.status, 200, "the process lives");
    app.write("ALTER TABLE elsewhere RENAME TO revocation");
    app.session(&tokens.access).await.ok(200);
    app.refresh(&tokens.refresh).await.ok(200);
}
