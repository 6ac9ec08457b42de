//! Is what a command does in force in the server that runs beside it, and do both agree?

use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::{EMAIL, Home, PASSWORD, PATIENCE, Server, refused_within_bound, text, until};

fn with_user() -> (Home, Server) {
    let home = Home::new();
    home.user(EMAIL);
    let server = Server::start(&home);
    (home, server)
}

/// Waits until the server says this of the token. It hears of it within 250 ms, which a test of the library
/// measures where time stands still (`what_a_command_does_beside_a_server_is_in_force_within_250_ms`).
#[track_caller]
fn refused(server: &Server, session: &Value, code: &str) {
    let token = text(&session["token"]);
    refused_within_bound(code, code, || server.verdict(&token));
}

/// Refreshes until the access token is of another key: what a revoked one signed is refused before the next
/// one signs.
fn refreshed_by_another(server: &Server, session: &Value, kid: &str) -> Value {
    let mut refreshed = Value::Null;
    until(PATIENCE, "another key", || {
        refreshed = server.refresh(&text(&session["refresh_token"])).json();
        kid_of(&refreshed["token"]) != kid
    });
    refreshed
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
    refused(&server, &one, "session_revoked");
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
    [&ada, &too].iter().for_each(|session| refused(&server, session, "session_revoked"));
    assert_eq!(server.verdict(&text(&bob["token"])), "200");

    home.done(&["session", "revoke", "--all", "--yes"]);
    refused(&server, &bob, "session_revoked");
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
    until(PATIENCE, "a rotation", || kid_of(&server.login(EMAIL)["token"]) == next);
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
    refused(&server, &session, "token_stale");
    let refreshed = refreshed_by_another(&server, &session, &kid);
    assert_eq!(server.verdict(&text(&refreshed["token"])), "200");
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
    refused(&server, &session, "session_revoked");
    assert_eq!(home.json(&["user", "show", EMAIL, "--json"])["roles"], serde_json::json!(["admin", "user"]));
}

#[test]
fn a_deactivated_account_is_signed_out_and_an_activated_one_can_sign_in() {
    let (home, server) = with_user();
    home.user("bob@example.com");
    let (ada, too, bob) = (server.login(EMAIL), server.login(EMAIL), server.login("bob@example.com"));
    assert_eq!(
        home.done(&["user", "deactivate", EMAIL]),
        format!("{EMAIL} may not sign in any more, and is signed out everywhere.\n")
    );
    [&ada, &too].iter().for_each(|session| refused(&server, session, "session_revoked"));
    let login = || {
        let body = serde_json::json!({ "email": EMAIL, "password": PASSWORD });
        server.call("POST", "/api/auth/login", None, Some(&body))
    };
    let refused = login();
    assert_eq!((refused.status, &refused.json()["code"]), (403, &Value::from("account_inactive")));
    assert_eq!(server.refresh(&text(&ada["refresh_token"])).json()["code"], "account_inactive");
    assert_eq!(server.verdict(&text(&bob["token"])), "200", "nobody else is touched");
    assert_eq!(home.json(&["user", "show", EMAIL, "--json"])["is_active"], false);

    assert_eq!(home.done(&["user", "activate", EMAIL]), format!("{EMAIL} may sign in.\n"));
    assert_eq!(server.refresh(&text(&ada["refresh_token"])).json()["code"], "session_revoked");
    assert_eq!(login().status, 200);
    let said = home.done(&["user", "logout", EMAIL]);
    assert_eq!(said, format!("{EMAIL} is signed out; sessions that were open: 1.\n"));
    assert_eq!(login().status, 200);
}

#[test]
fn roles_and_what_they_mean_are_in_force_at_once() {
    let (home, server) = with_user();
    let mut session = server.login(EMAIL);
    let mut stale = |step: &str, roles: &[&str], permissions: &[&str]| {
        refused(&server, &session, "token_stale");
        // Within the window of a rotation the refresh token stays.
        let refreshed = server.refresh(&text(&session["refresh_token"])).json();
        session["token"] = refreshed["token"].clone();
        if refreshed["rotated"] == true {
            session["refresh_token"] = refreshed["refresh_token"].clone();
        }
        assert_eq!(refreshed["roles"], serde_json::json!(roles), "{step}: {refreshed}");
        assert_eq!(refreshed["permissions"], serde_json::json!(permissions), "{step}");
        assert_eq!(server.verdict(&text(&session["token"])), "200");
    };
    assert_eq!(home.done(&["role", "set", "tas", "jobs:write"]), "People of the role tas may: jobs:write\n");
    assert_eq!(home.done(&["user", "roles", EMAIL]), format!("{EMAIL}: user\n"));
    assert_eq!(home.done(&["user", "roles", EMAIL, "--add", "tas"]), format!("{EMAIL}: tas, user\n"));
    stale("a role", &["tas", "user"], &["jobs:write"]);
    home.done(&["role", "set", "tas", "jobs:read", "jobs:write"]);
    stale("a permission", &["tas", "user"], &["jobs:read", "jobs:write"]);
    home.done(&["user", "roles", EMAIL, "--remove", "user"]);
    stale("a role that was taken", &["tas"], &["jobs:read", "jobs:write"]);
    assert_eq!(home.done(&["role", "delete", "tas"]), "tas is no role any more.\n");
    stale("a role that was deleted", &[], &[]);
    assert_eq!(home.done(&["user", "roles", EMAIL, "user"]), format!("{EMAIL}: user\n"));
    stale("a role that was given", &["user"], &[]);
}

#[test]
fn a_deleted_account_is_gone() {
    let (home, server) = with_user();
    let session = server.login(EMAIL);
    let ran = home.run(&["user", "delete", EMAIL]);
    assert!(ran.refused(2).contains("add --yes"), "{ran:?}");
    assert_eq!(server.verdict(&text(&session["token"])), "200");
    let said = home.done(&["user", "delete", EMAIL, "--yes"]);
    assert_eq!(said, format!("{EMAIL} ({}) is deleted.\n", text(&session["user_id"])));
    refused(&server, &session, "session_revoked");
    assert_eq!(server.refresh(&text(&session["refresh_token"])).json()["code"], "session_revoked");
    home.run(&["user", "show", EMAIL]).refused(1);
    home.run(&["user", "delete", EMAIL, "--yes"]).refused(1);
    home.user(EMAIL);
    assert_ne!(server.login(EMAIL)["user_id"], session["user_id"]);
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
    refused(&server, &session, "token_stale");
    let refreshed = refreshed_by_another(&server, &session, &kid);
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
    let status = || server.call("GET", "/api/admin/service-keys", Some(&key), None).status.to_string();
    until(PATIENCE, "a service key", || status() == "200");
    home.done(&["service-key", "revoke", "reader"]);
    refused_within_bound("a revoked service key", "401", status);
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
    // A mail that waits is a secret, too.
    let database = rusqlite::Connection::open(home.path("keyward-data/keyward.db")).expect("a database");
    let mails = || database.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0));
    until(PATIENCE, "the mail to confirm an address", || mails().is_ok_and(|waiting: i64| waiting == 0));
    drop(database);
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
