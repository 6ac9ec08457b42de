//! Do `verify` and introspection say one thing of one token, and does a copy that is noticed at the
//! edge end its session?

use serde_json::json;

use super::{app, ask, passes};
use crate::support::{ADA, App, MINUTE, Tokens, WINDOW, jwt_header, patch, post};

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Live,
    Ended,
    DeadGeneration,
    Deactivated,
    StaleRoles,
    RevokedKey,
    Idle,
}

/// Brings a token of a session into that state.
async fn token_in(app: &App, state: State) -> String {
    let admin = app.admin().await;
    let tokens = app.signup(ADA).await;
    let user = format!("/api/admin/users/{}", tokens.user);
    let change = async |body| drop(app.send(patch(&user).bearer(&admin.access).json(body)).await.ok(200));
    match state {
        State::Live => {}
        State::Ended => drop(app.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200)),
        State::DeadGeneration => return dead_generation(app, &tokens).await,
        State::Deactivated => change(json!({"is_active": false})).await,
        State::StaleRoles => change(json!({"roles": ["user", "admin"]})).await,
        State::RevokedKey => {
            let kid = jwt_header(&tokens.access)["kid"].as_str().expect("a key").to_owned();
            app.keyward.revoke_key(&kid, &keyward::Client::operator()).await.expect("revoked");
        }
        State::Idle => app.pass(60 * MINUTE),
    }
    app.tick().await;
    tokens.access
}

/// An access token of a successor that was given up for lost.
async fn dead_generation(app: &App, tokens: &Tokens) -> String {
    let lost = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.pass(WINDOW);
    app.refresh(&tokens.refresh).await.ok(200);
    app.tick().await;
    lost.access
}

#[tokio::test]
async fn verify_and_introspection_agree_on_every_state() {
    for (state, code) in [
        (State::Live, None),
        (State::Ended, Some("session_revoked")),
        (State::DeadGeneration, Some("session_revoked")),
        (State::Deactivated, Some("session_revoked")),
        (State::StaleRoles, Some("token_stale")),
        (State::RevokedKey, Some("token_stale")),
        (State::Idle, Some("token_expired")),
    ] {
        let app = app().await;
        let key = app.service_key(&["introspect"]).await;
        let token = token_in(&app, state).await;
        let verified = app.send(ask("GET").bearer(&token)).await;
        match code {
            None => passes(&verified),
            Some(code) => drop(verified.refused(401, code)),
        }
        let form = format!("token={token}");
        let said = app.send(post("/api/auth/introspect").bearer(&key).form(&form)).await.ok(200);
        assert_eq!(said["active"], code.is_none(), "{state:?}");
        match code {
            None => drop(app.session(&token).await.ok(200)),
            Some(code) => drop(app.session(&token).await.refused(401, code)),
        }
    }
}

#[tokio::test]
async fn a_copy_that_is_noticed_at_the_edge_ends_its_session_with_the_next_flush() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let lost = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.pass(WINDOW);
    let owner = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.tick().await;
    app.events();
    let reads = app.keyward.store_reads();
    for _ in 0..3 {
        app.send(ask("GET").bearer(&lost.access)).await.refused(401, "session_revoked");
    }
    assert_eq!((app.keyward.store_reads(), app.events()), (reads, vec![]), "nothing is written before");
    app.session(&owner.access).await.ok(200);
    app.tick().await;
    let theft = "refresh_reused: an access token of a generation given up for lost was presented";
    assert_eq!(app.events(), [theft]);
    app.send(ask("GET").bearer(&owner.access)).await.refused(401, "session_revoked");
    app.refresh(&owner.refresh).await.refused(401, "session_revoked");
}
