//! Is what a command does in force in the server that runs beside it, and do both agree?

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::{EMAIL, Home, PASSWORD, Server, text, until};

/// A node looks every 250 ms; the rest is for a machine that is busy.
const CAP: Duration = Duration::from_secs(2);

fn with_user() -> (Home, Server) {
    let home = Home::new();
    home.user(EMAIL);
    let server = Server::start(&home);
    (home, server)
}

fn kid_of(token: &Value) -> String {
    let header = text(token).split('.').next().map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64"));
    let header: Value = serde_json::from_slice(&header.expect("a header")).expect("JSON");
    text(&header["kid"])
}

fn key_in(home: &Home, state: &str) -> String {
    let keys = home.json(&["key", "list", "--json"]);
    let found: Vec<&Value> =
        keys["keys"].as_array().expect("a list").iter().filter(|key| key["state"] == state).collect();
    assert_eq!(found.len(), 1, "{keys}");
    text(&found[0]["kid"])
}

#[test]
fn a_session_that_is_revoked_is_over() {
    let (home, server) = with_user();
    let (one, other) = (server.login(EMAIL), server.login(EMAIL));
    assert_eq!(server.verdict(&text(&one["token"])), "200");
    home.done(&["session", "revoke", &text(&one["session_id"])]);
    until(CAP, "a revoked session", || server.verdict(&text(&one["token"])) == "session_revoked");
    assert_eq!(server.refresh(&text(&one["refresh_token"])).json()["code"], "session_revoked");
    assert_eq!(server.verdict(&text(&other["token"])), "200", "no other session is touched");
    home.run(&["session", "revoke", &text(&one["session_id"])]).refused(1);
}

#[test]
fn one_person_or_everybody_is_signed_out() {
    let (home, server) = with_user();
    home.user("bob@example.com");
    let (ada, too, bob) = (server.login(EMAIL), server.login(EMAIL), server.login("bob@example.com"));
    let said = home.done(&["session", "revoke", "--user", EMAIL]);
    assert_eq!(said, format!("{EMAIL} is signed out; sessions that were open: 2.\n"));
    until(CAP, "a user's sessions", || {
        [&ada, &too].iter().all(|session| server.verdict(&text(&session["token"])) == "session_revoked")
    });
    assert_eq!(server.verdict(&text(&bob["token"])), "200");

    home.done(&["session", "revoke", "--all", "--yes"]);
    until(CAP, "everybody's sessions", || server.verdict(&text(&bob["token"])) != "200");
    assert_eq!(server.refresh(&text(&bob["refresh_token"])).json()["code"], "session_revoked");
    let again = server.login(EMAIL);
    assert_eq!(server.verdict(&text(&again["token"])), "200");
    assert_eq!(home.json(&["session", "list", "--json"])["sessions"].as_array().map(Vec::len), Some(1));
}

#[test]
fn another_key_signs_after_a_rotation() {
    let (home, server) = with_user();
    let before = server.login(EMAIL);
    let next = key_in(&home, "next");
    assert_eq!(kid_of(&before["token"]), key_in(&home, "active"));
    assert_eq!(home.done(&["key", "rotate"]), format!("{next} signs from now on.\n"));
    until(CAP, "a rotation", || kid_of(&server.login(EMAIL)["token"]) == next);
    assert_eq!(server.verdict(&text(&before["token"])), "200", "former tokens stay good");
    let published = server.get("/.well-known/jwks.json").json();
    assert_eq!(published["keys"].as_array().map(Vec::len), Some(3), "{published}");

    // The one after was published just now: not every verifier can know it.
    let ran = home.run(&["key", "rotate"]);
    assert!(ran.refused(1).contains("it can take over at 20"), "{ran:?}");
}

#[test]
fn what_a_revoked_key_signed_is_out_of_date() {
    let (home, server) = with_user();
    let session = server.login(EMAIL);
    let kid = kid_of(&session["token"]);
    assert_eq!(home.done(&["key", "revoke", &kid]), format!("{kid} is revoked.\n"));
    until(CAP, "a revoked key", || server.verdict(&text(&session["token"])) == "token_stale");
    let refreshed = server.refresh(&text(&session["refresh_token"]));
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    assert_ne!(kid_of(&refreshed.json()["token"]), kid);
    assert_eq!(server.verdict(&text(&refreshed.json()["token"])), "200");
    home.run(&["key", "revoke", &kid]).refused(1);
}

#[test]
fn an_account_that_is_made_beside_it_can_sign_in_at_once() {
    let home = Home::new();
    let server = Server::start(&home);
    home.user(EMAIL);
    server.login(EMAIL);
    // Who becomes an administrator by a new password is signed out: its sessions knew the old one.
    let session = server.login(EMAIL);
    let ran = home.run_with(&["admin", "upsert", EMAIL, "--password-stdin"], "Another1horse");
    assert_eq!(ran.code, 0, "{ran:?}");
    until(CAP, "a replaced password", || server.verdict(&text(&session["token"])) == "session_revoked");
    assert_eq!(home.json(&["user", "show", EMAIL, "--json"])["roles"], serde_json::json!(["admin", "user"]));
}

#[test]
fn a_command_without_the_servers_environment_changes_no_key() {
    let home = Home::new();
    let server = Server::start(&home);
    let keys = home.json(&["key", "list", "--json"]);
    let home = home.with("TOKENS__ALGORITHM", "RS256");
    home.user(EMAIL);
    assert_eq!(home.json(&["key", "list", "--json"]), keys);
    server.login(EMAIL);
}

#[test]
fn a_configured_secret_signs_and_is_rotated_by_configuring_another() {
    let secret = "3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLdGoWeA7iB9y0=";
    let home = Home::new().with("TOKENS__ALGORITHM", "HS256").with("TOKENS__HS256_SECRET", secret);
    home.user(EMAIL);
    let server = Server::start(&home);
    let session = server.login(EMAIL);
    assert_eq!(server.verdict(&text(&session["token"])), "200");
    assert_eq!(server.get("/.well-known/jwks.json").json(), serde_json::json!({ "keys": [] }));
    let kid = kid_of(&session["token"]);
    let ran = home.run(&["key", "rotate"]);
    assert!(ran.refused(1).contains("change tokens.hs256_secret"), "{ran:?}");
    assert_eq!(server.verdict(&text(&session["token"])), "200");
    // Revoked, it never signs again; a key that is made does until another secret is configured.
    home.done(&["key", "revoke", &kid]);
    until(CAP, "a revoked secret", || server.verdict(&text(&session["token"])) == "token_stale");
    let refreshed = server.refresh(&text(&session["refresh_token"])).json();
    assert_ne!(kid_of(&refreshed["token"]), kid);
    assert_eq!(server.verdict(&text(&refreshed["token"])), "200");
}

#[test]
fn a_closed_installation_takes_accounts_from_commands_alone() {
    let home = Home::new().with("ACCOUNTS__SIGNUP", "closed");
    let server = Server::start(&home);
    let body = serde_json::json!({ "email": EMAIL, "password": PASSWORD });
    let refused = server.call("POST", "/api/auth/signup", None, Some(&body));
    assert_eq!((refused.status, &refused.json()["code"]), (403, &Value::from("signup_closed")));
    home.user(EMAIL);
    server.login(EMAIL);
}

#[test]
fn sessions_outlive_a_restart() {
    // The issuer of tokens is the same although the port is another one.
    let home = Home::new().with("SERVER__PUBLIC_URL", "http://localhost:3000");
    home.user(EMAIL);
    let server = Server::start(&home);
    let session = server.login(EMAIL);
    let keys = home.json(&["key", "list", "--json"]);
    server.stop();
    let server = Server::start(&home);
    assert_eq!(server.verdict(&text(&session["token"])), "200");
    let refreshed = server.refresh(&text(&session["refresh_token"]));
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    assert_eq!(home.json(&["key", "list", "--json"]), keys);

    // Killed instead of stopped, it loses nothing that it answered, either.
    let refreshed = refreshed.json();
    server.kill();
    let server = Server::start(&home);
    assert_eq!(server.verdict(&text(&refreshed["token"])), "200");
    assert_eq!(server.refresh(&text(&refreshed["refresh_token"])).status, 200);
}

#[test]
fn starting_at_once_in_an_empty_folder_they_agree_on_the_keys() {
    for round in 0..20 {
        // Making an RSA key takes a while, in which others can come first.
        let home = Home::new().with("TOKENS__ALGORITHM", if round % 5 == 0 { "RS256" } else { "ES256" });
        let serve = home.command(&["serve"]).spawn().expect("it runs");
        let commands: Vec<_> = ["ada", "bob"]
            .iter()
            .map(|name| {
                let email = format!("{name}@example.com");
                let mut command = home.command(&["user", "create", &email, "--password-stdin"]);
                let mut child = command.stdin(Stdio::piped()).spawn().expect("it runs");
                let mut stdin = child.stdin.take().expect("piped");
                std::io::Write::write_all(&mut stdin, PASSWORD.as_bytes()).expect("written");
                child
            })
            .collect();
        let migrate = home.command(&["migrate"]).spawn().expect("it runs");
        let server = Server::of(serve);
        for command in commands.into_iter().chain([migrate]) {
            let output = command.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "round {round}");
        }
        let active = key_in(&home, "active");
        key_in(&home, "next");
        let session = server.login(EMAIL);
        assert_eq!(kid_of(&session["token"]), active, "round {round}");
        server.stop();
        assert_eq!(home.json(&["user", "list", "--json"])["users"].as_array().map(Vec::len), Some(2));
    }
}

#[test]
fn a_service_key_is_good_in_the_server_and_no_longer_once_it_is_revoked() {
    let (home, server) = with_user();
    let made = home.json(&["service-key", "create", "reader", "--scope", "admin:read", "--json"]);
    let key = text(&made["key"]);
    let status = || server.call("GET", "/api/admin/service-keys", Some(&key), None).status;
    until(CAP, "a service key", || status() == 200);
    home.done(&["service-key", "revoke", "reader"]);
    until(CAP, "a revoked service key", || status() == 401);
}

#[test]
fn the_master_key_is_changed_while_the_server_runs() {
    let new = "c2VjcmV0IG9mIHRoZSBuZXcgbWFzdGVyIGtleSAhISE=";
    let home = Home::new().with("SERVER__PUBLIC_URL", "http://localhost:3000");
    home.user(EMAIL);
    home.run(&["key", "rotate", "--master"]).refused(2);
    let old = home.path("keyward-data/master.key");
    let old = old.to_str().expect("UTF-8").to_owned();
    let home = home.with("KEYS__MASTER_KEY", new).with("KEYS__PREVIOUS_MASTER_KEY_FILE", &old);
    let server = Server::start(&home);
    let session = server.login(EMAIL);
    let said = home.done(&["key", "rotate", "--master"]);
    assert_eq!(
        said,
        "4 secrets are under the new master key now: take keys.previous_master_key out and restart the server.\n"
    );
    assert!(home.done(&["key", "rotate", "--master"]).starts_with("Nothing is sealed under"));
    assert_eq!(server.verdict(&text(&session["token"])), "200");
    server.stop();
    let home = home.with("KEYS__PREVIOUS_MASTER_KEY_FILE", "");
    let server = Server::start(&home);
    assert_eq!(server.verdict(&text(&session["token"])), "200", "a token from before");
    assert_eq!(server.refresh(&text(&session["refresh_token"])).status, 200);
    server.stop();
    let home = home.with("KEYS__MASTER_KEY", "");
    assert!(home.run(&["key", "list"]).refused(1).contains("is not the one this database was made with"));
}
