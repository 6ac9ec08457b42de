//! Does the master key change without anybody's noticing, and is nothing left under the one before?

use keyward::{Client, Keyward, MasterKey, StartError};

use crate::support::{ADA, App, DAY, Tokens, WINDOW};

const OLD: u8 = 7;
const NEW: u8 = 8;

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(&[byte; 32])
}

/// Another process with this master key, and perhaps the one before it.
async fn open(app: &App, present: u8, previous: Option<u8>) -> Result<Keyward, StartError> {
    let builder = app.another().master_key(key(present));
    match previous {
        Some(previous) => builder.previous_master_key(key(previous)),
        None => builder,
    }
    .open()
    .await
}

/// How many secrets of the database are sealed under this key.
fn sealed_under(app: &App, byte: u8) -> i64 {
    let name = format!("{:?}", key(byte));
    let fingerprint = name.trim_start_matches("MasterKey(").trim_end_matches(')').to_uppercase();
    let sealed = format!("WHERE substr({}, 3, 16) = '{fingerprint}'", app.hex("sealed"));
    ["signing_key", "mac_key", "event_key", "outbox"]
        .map(|table| app.count(&format!("{table} {sealed}")))
        .iter()
        .sum()
}

async fn kids(keyward: &Keyward) -> Vec<String> {
    keyward.keys().await.expect("keys").into_iter().map(|key| key.kid).collect()
}

#[tokio::test]
async fn every_secret_comes_under_the_new_key_and_no_token_notices() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    // A revoked key and one in retirement rest there, too.
    app.pass(DAY);
    app.keyward.rotate_keys(&Client::operator()).await.expect("rotated");
    let keys = app.keyward.keys().await.expect("keys");
    let active = keys.iter().find(|key| key.state == "active").expect("one signs");
    app.keyward.revoke_key(&active.kid, &Client::operator()).await.expect("revoked");
    app.keyward.rotate_refresh_key(&Client::operator()).await.expect("rotated");
    let tokens = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    let (all, before) = (sealed_under(&app, OLD), kids(&app.keyward).await);
    assert_eq!(all, 8, "four that sign or did, two for refresh tokens, one for the audit trail, a mail");

    // While both are known, what either sealed is good; new secrets are under the new one.
    let beside = open(&app, NEW, Some(OLD)).await.expect("both are known");
    assert_eq!(sealed_under(&app, OLD), all, "to open it changes nothing");
    app.events();
    assert_eq!(beside.rotate_master_key(&Client::operator()).await.expect("done"), all as usize);
    assert_eq!(app.events(), ["master_key_rotated"]);
    assert_eq!(app.last_details("master_key_rotated"), serde_json::json!({"secrets": all}));
    assert_eq!((sealed_under(&app, OLD), sealed_under(&app, NEW)), (0, all));
    assert_eq!(kids(&beside).await, before);
    // Once more there is nothing to do, and nothing is written.
    let rest = app.dump();
    assert_eq!(beside.rotate_master_key(&Client::operator()).await.expect("done"), 0);
    assert_eq!(app.dump(), rest);

    // The server that ran meanwhile goes on with what it knows.
    app.pass(2);
    app.session(&tokens.access).await.ok(200);
    app.pass(WINDOW);
    let tokens = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    // From now on the new one is enough, and the old one opens nothing.
    drop(beside);
    let rest = app.dump();
    assert!(matches!(open(&app, OLD, None).await, Err(StartError::WrongMasterKey)));
    assert_eq!(app.dump(), rest);
    let alone = open(&app, NEW, None).await.expect("opens");
    assert_eq!(kids(&alone).await, before);
    assert_eq!(status_of(alone.app(), &tokens.access).await, 200, "a token from before");
    app.pass(DAY);
    alone.tick().await.expect("a tick");
    let chain = alone.verify_events(None).await.expect("readable");
    assert!(chain.seals > 0 && chain.findings.is_empty(), "{chain:?}");
}

async fn status_of(router: axum::Router, token: &str) -> u16 {
    use tower::ServiceExt as _;
    let request = http::Request::get("/api/auth/session").header("authorization", format!("Bearer {token}"));
    let request = request.body(axum::body::Body::empty()).expect("a request");
    router.oneshot(request).await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn neither_of_two_wrong_keys_changes_anything() {
    let app = App::new().await;
    app.signup(ADA).await;
    app.tick().await;
    let before = app.dump();
    assert!(matches!(open(&app, 1, Some(2)).await, Err(StartError::WrongMasterKey)));
    assert!(matches!(open(&app, NEW, None).await, Err(StartError::WrongMasterKey)));
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn without_a_key_before_there_is_nothing_to_do() {
    let app = App::new().await;
    let before = app.dump();
    assert_eq!(app.keyward.rotate_master_key(&Client::operator()).await.expect("done"), 0);
    assert_eq!(app.dump(), before);
}
