//! Does the key for refresh tokens change without signing anybody out, and does a leaked one bring
//! nothing any more?

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward::{Client, Error, Keyward};
use serde_json::json;

use crate::support::{
    ADA, App, BOB, Browser, DAY, PASSWORD, START, Tokens, WINDOW, ask_of, get, moment, post,
};

/// How long a key is known before it makes tokens, in seconds.
const AHEAD: u64 = 5;

fn bytes(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.strip_prefix("kwr_").expect("a refresh token")).expect("base64url")
}

/// The number of the key that made a refresh token.
fn key_of(token: &str) -> u16 {
    u16::from_be_bytes(bytes(token)[1..3].try_into().expect("two bytes"))
}

/// The same token under the name of another key.
pub(crate) fn renamed(token: &str, id: u16) -> String {
    let mut bytes = bytes(token);
    bytes[1..3].copy_from_slice(&id.to_be_bytes());
    format!("kwr_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Each key: its number, its state, until when it verifies.
async fn keys(keyward: &Keyward) -> Vec<(u16, &'static str, Option<String>)> {
    let keys = keyward.refresh_keys().await.expect("keys").into_iter();
    keys.map(|key| (key.id, key.state, key.verifies_until.map(|until| until.to_string()))).collect()
}

/// Makes another key, which makes tokens from now on.
async fn replaced(app: &App) {
    app.keyward.rotate_refresh_key(&Client::operator()).await.expect("rotated");
    app.pass(AHEAD);
}

fn client() -> Client {
    Client::new([203, 0, 113, 7].into(), "an app")
}

fn refused(error: Error) -> (&'static str, u64) {
    match error {
        Error::Denied(denied) => {
            (denied.denial().code(), denied.retry_after().map_or(0, |after| after.as_secs()))
        }
        fault => panic!("{fault}"),
    }
}

#[tokio::test]
async fn a_new_key_makes_tokens_once_every_node_knows_it_and_nobody_is_signed_out() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    assert_eq!((key_of(&ada.refresh), keys(&app.keyward).await), (1, vec![(1, "active", None)]));
    app.events();

    let beside = app.beside().await;
    let (id, from) = beside.rotate_refresh_key(&Client::operator()).await.expect("rotated");
    assert_eq!((id, from.seconds()), (2, START + AHEAD as i64));
    // It hears of it at its next poll.
    app.tick().await;
    assert_eq!(app.events(), ["key_rotated"]);
    assert_eq!(app.last_details("key_rotated"), json!({"refresh_key": 2}));
    let until = moment(START + (AHEAD + 7 * DAY + WINDOW) as i64);
    let both = |first, second| vec![(1, first, Some(until.clone())), (2, second, None)];
    assert_eq!(keys(&app.keyward).await, both("active", "next"));
    // Until every node knows it, it makes none.
    app.pass(AHEAD - 1);
    assert_eq!(key_of(&app.login(ADA).await.refresh), 1);
    let ada = Tokens::of(&app.refresh(&ada.refresh).await.ok(200));
    assert_eq!(key_of(&ada.refresh), 1);
    app.pass(1);
    assert_eq!(key_of(&app.login(ADA).await.refresh), 2);
    assert_eq!(keys(&app.keyward).await, both("retiring", "active"));

    // Tokens of the former key are taken, after a restart, too, and bring such of the new one.
    let app = app.restarted().await;
    app.pass(WINDOW);
    let next = Tokens::of(&app.refresh(&ada.refresh).await.ok(200));
    assert_eq!(key_of(&next.refresh), 2);
    browser.refresh(&app).await.ok(200);
    assert_eq!(key_of(browser.jar.value("keyward_refresh").expect("a cookie")), 2);
    // An old one is known for a copy whichever key made it.
    app.pass(WINDOW);
    let next = Tokens::of(&app.refresh(&next.refresh).await.ok(200));
    app.refresh(&ada.refresh).await.refused(401, "refresh_token_reused");
    app.refresh(&next.refresh).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn a_former_key_is_forgotten_when_none_of_its_tokens_can_be_presented() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    let beside = app.beside().await;
    replaced(&app).await;
    let (bob, mut life) = (app.signup(BOB).await, 7 * DAY + WINDOW);
    // Somebody who refreshes all the while.
    app.pass(life - DAY);
    life = DAY;
    let bob = Tokens::of(&app.refresh(&bob.refresh).await.ok(200));
    app.pass(life - 1);
    app.tick().await;
    assert_eq!(app.count("mac_key"), 2);
    app.refresh(&ada.refresh).await.refused(401, "refresh_token_expired");
    app.pass(1);
    app.tick().await;
    assert_eq!(app.count("mac_key"), 1);
    for keyward in [&app.keyward, &beside] {
        assert_eq!(keys(keyward).await, [(2, "active", None)]);
        let ask = post("/api/auth/refresh").json(json!({"refresh_token": ada.refresh}));
        ask_of(&keyward.app(), ask).await.refused(401, "invalid_refresh_token");
    }
    app.refresh(&bob.refresh).await.ok(200);
}

#[tokio::test]
async fn a_server_that_was_away_forgets_it_at_its_start() {
    let app = App::new().await;
    replaced(&app).await;
    app.pass(7 * DAY + WINDOW - 1);
    let app = app.restarted().await;
    assert_eq!(app.count("mac_key"), 2);
    app.pass(1);
    let app = app.restarted().await;
    assert_eq!(app.count("mac_key"), 1);
    assert_eq!(key_of(&app.signup(ADA).await.refresh), 2);
}

#[tokio::test]
async fn a_node_that_has_not_heard_of_a_key_asks_before_it_refuses_a_token_of_it() {
    let app = App::new().await;
    app.signup(ADA).await;
    let other = app.beside().await;
    replaced(&app).await;
    let ada = app.login(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    assert_eq!(key_of(&ada.refresh), 2);
    // The other one has heard nothing for five seconds, so there may be a key.
    other.refresh(&ada.refresh, &client()).await.expect("refreshed");
    replaced(&app).await;
    app.pass(WINDOW);
    browser.refresh(&app).await.ok(200);
    assert_eq!(key_of(browser.jar.value("keyward_refresh").expect("a cookie")), 3);
    let cookies = browser.jar.line("/api/auth/renew", app.now()).expect("cookies");
    let ask = get("/api/auth/renew?next=/account")
        .header("sec-fetch-mode", "navigate")
        .header("accept", "text/html")
        .header("cookie", cookies);
    let renewed = ask_of(&other.app(), ask).await;
    let to = format!("{}/account", app.settings().public_url.as_str());
    assert_eq!((renewed.status, renewed.one("location")), (303, Some(to.as_str())), "not to the login");
}

#[tokio::test]
async fn another_follows_only_when_the_last_one_makes_tokens() {
    let app = App::new().await;
    let operator = Client::operator();
    app.keyward.rotate_refresh_key(&operator).await.expect("rotated");
    app.events();
    let before = app.dump();
    app.pass(AHEAD - 1);
    let denied = app.keyward.rotate_refresh_key(&operator).await.expect_err("too early");
    assert_eq!(refused(denied), ("overloaded", 1));
    assert_eq!((app.dump(), app.events()), (before, vec![]));
    app.pass(1);
    assert_eq!(app.keyward.rotate_refresh_key(&operator).await.expect("rotated").0, 3);
}

#[tokio::test]
async fn of_a_revoked_key_no_token_is_ours_and_every_session_has_ended() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    let mut bob = Browser::signed_up(&app, BOB).await;
    replaced(&app).await;
    let of_the_new = app.login(ADA).await;
    assert_eq!(key_of(&of_the_new.refresh), 2);
    app.events();

    app.pass(1);
    let beside = app.beside().await;
    beside.revoke_refresh_key(1, &Client::operator()).await.expect("revoked");
    assert_eq!(app.events(), ["key_revoked", "session_revoked"]);
    assert_eq!(app.last_details("key_revoked"), json!({"refresh_key": 1}));
    app.pass(2);
    app.refresh(&ada.refresh).await.refused(401, "invalid_refresh_token");
    bob.refresh(&app).await.refused(401, "invalid_refresh_token");
    app.refresh(&of_the_new.refresh).await.refused(401, "session_revoked");
    app.session(&ada.access).await.refused(401, "session_revoked");
    app.session(&of_the_new.access).await.refused(401, "session_revoked");
    assert_eq!((app.open_sessions(), keys(&app.keyward).await), (0, vec![(2, "active", None)]));
    let again = app.login(ADA).await;
    app.refresh(&again.refresh).await.ok(200);

    let before = app.dump();
    let missing = beside.revoke_refresh_key(1, &Client::operator()).await.expect_err("it is gone");
    assert_eq!(refused(missing).0, "not_found");
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn the_newest_is_revoked_once_another_one_has_taken_over() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    app.events();
    let keyward = app.keyward.clone();
    let revoked = tokio::spawn(async move { keyward.revoke_refresh_key(1, &Client::operator()).await });
    while app.count("mac_key") == 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.events(), ["key_rotated"]);
    // Who signs in meanwhile is not signed out by a node that does not know the new key yet. What is
    // written after it is answered after it, so that this node knows it from here on.
    assert_eq!(key_of(&app.login(ADA).await.refresh), 1);
    assert_eq!(app.events(), ["login"]);
    let beside = app.beside().await;
    app.pass(AHEAD);
    assert_eq!(key_of(&app.login(ADA).await.refresh), 2);
    assert!(!revoked.is_finished(), "each node has to have heard that its time has come");
    app.pass(1);
    revoked.await.expect("no panic").expect("revoked");
    assert_eq!(app.events(), ["key_revoked", "login", "session_revoked"]);
    for keyward in [&app.keyward, &beside] {
        let ask = post("/api/auth/refresh").json(json!({"refresh_token": ada.refresh}));
        ask_of(&keyward.app(), ask).await.refused(401, "invalid_refresh_token");
        let login = post("/api/auth/login").json(json!({"email": ADA, "password": PASSWORD}));
        let tokens = Tokens::of(&ask_of(&keyward.app(), login).await.ok(200));
        assert_eq!(key_of(&tokens.refresh), 2);
        app.refresh(&tokens.refresh).await.ok(200);
    }
    assert_eq!(keys(&app.keyward).await, [(2, "active", None)]);
}

/// A node that has heard nothing for a while may hold a key that was taken out.
#[tokio::test]
async fn a_node_that_has_not_heard_of_a_revocation_asks_before_it_takes_a_token() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    let other = app.beside().await;
    replaced(&app).await;
    app.pass(1);
    app.keyward.revoke_refresh_key(1, &Client::operator()).await.expect("revoked");
    let none = other.refresh(&ada.refresh, &client()).await.expect_err("its key is gone");
    assert_eq!(refused(none).0, "invalid_refresh_token");
}
