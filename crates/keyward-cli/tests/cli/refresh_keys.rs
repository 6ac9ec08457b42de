//! Is the key for refresh tokens replaced beside a running server without signing anybody out, and is
//! everybody signed out where it leaked?

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{EMAIL, Home, PATIENCE, Server, refresh_key_of, text, until};

fn keys(home: &Home) -> Vec<Value> {
    home.json(&["key", "list", "--json"])["refresh_keys"].as_array().expect("a list").clone()
}

/// Another key is made, and makes tokens at the server.
fn replaced(home: &Home, server: &Server) {
    let said = home.done(&["key", "rotate", "--refresh"]);
    assert!(said.starts_with("Key 2 makes refresh tokens from 20") && said.ends_with(" on.\n"), "{said}");
    until(PATIENCE, "tokens of the new key", || refresh_key_of(&server.login(EMAIL)) == 2);
}

fn refresh(server: &Server, tokens: &Value) -> Value {
    let answer = server.refresh(&text(&tokens["refresh_token"]));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn refusal(server: &Server, tokens: &Value) -> String {
    text(&server.refresh(&text(&tokens["refresh_token"])).json()["code"])
}

#[test]
fn nobody_is_signed_out_by_another_key() {
    // Until it is there somebody signs in again and again.
    let home = Home::new().with("SESSIONS__MAX_PER_USER", "10000");
    home.user(EMAIL);
    let server = Server::start(&home);
    let (ada, bob, eve) = (server.login(EMAIL), server.login(EMAIL), server.login(EMAIL));
    assert_eq!(refresh_key_of(&ada), 1);
    assert_eq!((keys(&home).len(), &keys(&home)[0]["state"]), (1, &json!("active")));
    replaced(&home, &server);
    let listed = keys(&home);
    assert_eq!([&listed[0]["state"], &listed[1]["state"]], ["retiring", "active"]);
    assert!(listed[0]["verifies_until"].is_string() && listed[1]["verifies_until"].is_null(), "{listed:?}");
    let shown = home.done(&["key", "list"]);
    assert!(shown.contains("REFRESH KEY") && shown.contains("1            retiring"), "{shown}");
    let said = home.run(&["key", "rotate", "--refresh", "--master"]);
    assert_eq!(said.code, 2, "{said:?}");

    let ada = refresh(&server, &ada);
    assert_eq!(refresh_key_of(&ada), 2);
    server.stop();
    let server = Server::start(&home);
    assert_eq!(
        refresh_key_of(&refresh(&server, &bob)),
        2,
        "a token from before the rotation, after a restart"
    );
    assert_eq!(refresh(&server, &ada)["rotated"], false, "a token from after the rotation");
    server.stop();

    // As if the rotation had been more than tokens.refresh_ttl ago.
    let file = rusqlite::Connection::open(home.path("keyward-data/keyward.db")).expect("a database");
    let past = Duration::from_secs(8 * 24 * 60 * 60).as_micros();
    file.execute_batch(&format!("UPDATE mac_key SET created_at = created_at - {past}")).expect("written");
    drop(file);
    let server = Server::start(&home);
    assert_eq!(keys(&home).iter().map(|key| &key["id"]).collect::<Vec<_>>(), [2]);
    assert_eq!(refusal(&server, &eve), "invalid_refresh_token");
    refresh(&server, &ada);
}

#[test]
fn a_key_that_leaked_is_taken_out_and_everybody_signs_in_again() {
    let home = Home::new();
    home.user(EMAIL);
    let server = Server::start(&home);
    let ada = server.login(EMAIL);
    let asked = home.run(&["key", "revoke", "--refresh", "1"]);
    assert!(asked.refused(2).contains("Everybody will have to sign in again."), "{asked:?}");
    let other = home.run(&["key", "revoke", "--refresh", "first", "--yes"]);
    assert!(other.refused(2).contains("those have numbers"), "{other:?}");
    for arguments in [&["key", "revoke", "1"][..], &["key", "revoke", "--refresh", "9", "--yes"]] {
        assert!(home.run(arguments).refused(1).contains("there is no key"), "{arguments:?}");
    }
    refresh(&server, &ada);

    let said = home.done(&["key", "revoke", "--refresh", "1", "--yes"]);
    assert_eq!(said, "Key 1 is revoked, and every session has ended: everybody has to sign in again.\n");
    until(PATIENCE, "a revoked key", || refusal(&server, &ada) == "invalid_refresh_token");
    assert_eq!(server.verdict(&text(&ada["token"])), "session_revoked");
    let again = server.login(EMAIL);
    assert_eq!(refresh_key_of(&again), 2);
    refresh(&server, &again);
    assert_eq!(home.json(&["session", "list", "--json"])["sessions"].as_array().map(Vec::len), Some(1));
    let events = home.json(&["event", "list", "--type", "key_revoked", "--json"]);
    assert_eq!(events["events"][0]["details"]["refresh_key"], 1, "{events}");
}
