//! Do `verify`, the feed and introspection say one thing of one token, and does a copy that is noticed at the
//! edge end its session?

use serde_json::{Value, json};

use super::{app, ask, passes};
use crate::support::{ADA, App, Ears, Heard, MINUTE, Tokens, WINDOW, claims, jwt_header, patch, post};

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
async fn verify_the_feed_and_introspection_agree_on_every_state() {
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
        let key = app.service_key(&["introspect", "revocations"]).await;
        let mut from_the_start = Ears::open(&app, &key, None).await;
        let token = token_in(&app, state).await;
        // Who heard of it as it happened, and who comes after it.
        let changes = from_the_start.now().await;
        let (set, _) = Ears::open(&app, &key, None).await.until_ready().await;
        assert_eq!(by_the_feed(&changes, &token, app.now()), code, "{state:?}: {changes:?}");
        assert_eq!(by_the_feed(&set, &token, app.now()), code, "{state:?}: {set:?}");
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

/// What a service answers that verifies by itself and listens.
fn by_the_feed(heard: &[Heard], token: &str, now: i64) -> Option<&'static str> {
    let (header, claims) = (jwt_header(token), claims(token));
    if now >= claims["exp"].as_i64().expect("a time") {
        return Some("token_expired");
    }
    let told: Vec<&Value> =
        heard.iter().filter(|heard| heard.0 == "revocation").map(|heard| &heard.2).collect();
    let concerns =
        |kind: &str, of: &dyn Fn(&Value) -> bool| told.iter().any(|told| told["kind"] == kind && of(told));
    let is_less = |name: &str, told: &Value| claims[name].as_u64() < told[name].as_u64();
    if concerns("key", &|told| told["kid"] == header["kid"]) {
        Some("token_stale")
    } else if concerns("session", &|told| told["sid"] == claims["sid"])
        || concerns("generation", &|told| told["sid"] == claims["sid"] && told["gen"] == claims["gen"])
    {
        Some("session_revoked")
    } else if concerns("user", &|told| told["sub"] == claims["sub"] && is_less("uv", told))
        || concerns("roles", &|told| is_less("rv", told))
    {
        Some("token_stale")
    } else {
        None
    }
}

/// Tokens of a generation that was given up for lost, and those that its owner got instead.
async fn a_copy(app: &App, email: &str) -> (Tokens, Tokens) {
    let tokens = app.signup(email).await;
    let lost = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.pass(WINDOW);
    let owner = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.tick().await;
    (lost, owner)
}

#[tokio::test]
async fn a_copy_that_is_noticed_at_the_edge_ends_its_session_with_the_next_flush() {
    let app = app().await;
    let (lost, owner) = a_copy(&app, ADA).await;
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

#[tokio::test]
async fn a_session_that_cannot_be_read_keeps_nothing_else_from_being_written() {
    let app = app().await;
    let mut noticed = Vec::new();
    for email in [ADA, crate::support::BOB] {
        noticed.push(a_copy(&app, email).await.0);
    }
    for lost in &noticed {
        app.send(ask("GET").bearer(&lost.access)).await.refused(401, "session_revoked");
    }
    app.spoil(&noticed[0].session);
    app.events();
    // The sweep comes upon that row, too, and says so; what is noted is written before it.
    app.keyward.tick().await.expect_err("a row that can't be read");
    assert_eq!(
        app.events(),
        ["refresh_reused: an access token of a generation given up for lost was presented"]
    );
}

#[tokio::test]
async fn a_copy_that_was_noticed_while_nothing_can_be_written_is_not_forgotten() {
    let app = app().await;
    let (lost, owner) = a_copy(&app, ADA).await;
    app.send(ask("GET").bearer(&lost.access)).await.refused(401, "session_revoked");
    let other = app.login(ADA).await;
    app.pass(1);
    app.session(&other.access).await.ok(200);
    app.fill("revocation");
    app.keyward.tick().await.expect_err("there is no room");
    let active_at: i64 = app.of_session(&other.session, "last_active_at");
    assert_eq!(active_at, app.clock.now().micros(), "what is noted besides is written");
    app.session(&owner.access).await.ok(200);
    app.make_room("revocation");
    app.tick().await;
    app.send(ask("GET").bearer(&owner.access)).await.refused(401, "session_revoked");
}
