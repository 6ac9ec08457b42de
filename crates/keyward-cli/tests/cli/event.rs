//! `keyward event` and `keyward session explain`, beside a server and without one.

use std::io::{BufRead as _, BufReader};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{EMAIL, Home, PASSWORD, Server, text};

/// A home with a user, who has just signed in and given a wrong password once.
fn signed_in() -> (Home, Server, Value) {
    let home = Home::new();
    home.user(EMAIL);
    let server = Server::start(&home);
    let tokens = server.login(EMAIL);
    let wrong = json!({ "email": EMAIL, "password": "Wrong1password" });
    assert_eq!(server.call("POST", "/api/auth/login", None, Some(&wrong)).status, 401);
    (home, server, tokens)
}

fn types(list: &Value) -> Vec<String> {
    list["events"].as_array().expect("a list").iter().map(|event| text(&event["event_type"])).collect()
}

fn database(home: &Home) -> Connection {
    Connection::open(home.path("keyward-data/keyward.db")).expect("a database")
}

#[test]
fn events_are_listed_and_filtered() {
    let (home, _server, tokens) = signed_in();
    let user = text(&tokens["user_id"]);
    let all = home.json(&["event", "list", "--user", EMAIL, "--json"]);
    assert_eq!(types(&all), ["login_failed", "login", "signup"]);
    assert_eq!(home.json(&["event", "list", "--user", &user, "--json"]), all);
    for (filter, expected) in [
        (&["--type", "login"][..], vec!["login"]),
        (&["--success", "false"], vec!["login_failed"]),
        (&["--ip", "127.0.0.1"], vec!["login_failed", "login"]),
        (&["--ip", "127.0.0.1", "--success", "true", "--type", "login"], vec!["login"]),
        (&["--ip", "192.0.2.1"], vec![]),
        (&["--since", "1h", "--user", EMAIL, "--type", "signup"], vec!["signup"]),
        (&["--until", "1h"], vec![]),
        (&["--since", "2099-01-01T00:00:00Z"], vec![]),
        (&["--session", &text(&tokens["session_id"])], vec!["login"]),
    ] {
        let arguments = [&["event", "list", "--json"], filter].concat();
        assert_eq!(types(&home.json(&arguments)), expected, "{filter:?}");
    }
    let page = home.json(&["event", "list", "--user", EMAIL, "--limit", "2", "--json"]);
    assert_eq!(types(&page), ["login_failed", "login"]);
    let cursor = text(&page["next_cursor"]);
    let rest = home.json(&["event", "list", "--user", EMAIL, "--cursor", &cursor, "--json"]);
    assert_eq!((types(&rest), &rest["next_cursor"]), (vec!["signup".to_owned()], &Value::Null));

    let ran = home.run(&["event", "list", "--user", EMAIL, "--limit", "1"]);
    assert!(ran.out.starts_with("AT ") && ran.out.contains("invalid_credentials"), "{ran:?}");
    assert_eq!(
        (ran.out.lines().count(), ran.err),
        (
            2,
            format!("more: the same with --cursor {}\n", {
                let page = home.json(&["event", "list", "--user", EMAIL, "--limit", "1", "--json"]);
                text(&page["next_cursor"])
            })
        )
    );
    for wrong in [
        &["event", "list", "--type", "signin"][..],
        &["event", "list", "--ip", "10.0.0.0/8"],
        &["event", "list", "--since", "yesterday"],
        &["event", "list", "--limit", "0"],
        &["event", "list", "--cursor", "x"],
        &["event", "suspicious", "--window", "1s"],
        &["event", "suspicious", "--threshold", "0"],
        &["event", "verify", "--seal", "1:00"],
    ] {
        let ran = home.run(wrong);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{wrong:?}");
    }
    home.run(&["event", "list", "--user", "nobody@example.com"]).refused(1);
}

#[test]
fn who_follows_sees_what_comes() {
    let (home, server, _) = signed_in();
    let follow = ["event", "list", "--type", "login", "--follow", "--json"];
    let mut child = home.command(&follow).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next =
        || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON") };
    assert_eq!(next()["event_type"], "login");
    let session = server.login(EMAIL);
    assert_eq!(next()["session_id"], session["session_id"]);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn what_is_suspicious_is_told() {
    let (home, _server, tokens) = signed_in();
    let found = home.json(&["event", "suspicious", "--threshold", "1", "--json"]);
    let kinds: Vec<(String, String)> = found["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|finding| (text(&finding["kind"]), text(&finding["subject"])))
        .collect();
    let user = text(&tokens["user_id"]);
    let expected = [
        ("failed_logins_by_ip", "127.0.0.1"),
        ("failed_logins_by_account", user.as_str()),
        ("accounts_per_ip", "127.0.0.1"),
    ];
    assert_eq!(kinds, expected.map(|(kind, subject)| (kind.to_owned(), subject.to_owned())));
    assert!(home.done(&["event", "suspicious", "--threshold", "1"]).starts_with("KIND "));
    assert_eq!(home.json(&["event", "suspicious", "--json"])["findings"], json!([]));
}

#[test]
fn whoever_changed_the_database_is_found_out() {
    let (home, server, _) = signed_in();
    server.stop();
    let told = home.done(&["event", "verify"]);
    assert!(told.starts_with("The audit trail is whole: 0 events in 0 batches, "), "{told}");
    let back = 600_000_000;
    let forged = "INSERT INTO event (id, at, type, success, details, count) \
                  VALUES (x'0195f6a0000070008000000000000000', 1, 'logout', 1, '{}', 1)";
    let database = database(&home);
    let changed =
        database.execute("UPDATE event SET at = at - ?1 WHERE type = 'login'", [back]).expect("changed");
    assert_eq!(changed, 1);
    let ran = home.run(&["event", "verify"]);
    assert_eq!((ran.code, ran.out.lines().count()), (1, 1), "{ran:?}");
    assert!(ran.out.contains("was not written by Keyward, or was changed"), "{ran:?}");
    assert!(
        ran.err.starts_with("keyward: the audit trail is not as Keyward wrote it (1 findings)"),
        "{ran:?}"
    );
    database.execute("UPDATE event SET at = at + ?1 WHERE type = 'login'", [back]).expect("changed");
    home.done(&["event", "verify"]);
    database.execute(forged, []).expect("added");
    let ran = home.run(&["event", "verify", "--json"]);
    let found: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((ran.code, found["findings"].as_array().map(Vec::len)), (1, Some(1)), "{found}");
    database.execute("DELETE FROM event WHERE mark IS NULL", []).expect("removed");
    home.done(&["event", "verify"]);
    let zeros = format!("7:{}", "0".repeat(64));
    let ran = home.run(&["event", "verify", "--seal", &zeros]);
    assert!(ran.code == 1 && ran.out.contains("is not in the chain"), "{ran:?}");
}

#[test]
fn a_session_is_explained() {
    let (home, server, tokens) = signed_in();
    let session = text(&tokens["session_id"]);
    let told = home.done(&["session", "explain", &session]);
    assert!(told.starts_with(&format!("{EMAIL} signed in on ")), "{told}");
    assert!(
        told.contains("\nIt is open. It ends on ") && told.contains("\nWhat happened to it:\n"),
        "{told}"
    );
    home.done(&["session", "revoke", &session]);
    let told = home.done(&["session", "explain", &session]);
    assert!(told.contains("an operator ended it, at the command line"), "{told}");
    let told = home.json(&["session", "explain", &session, "--json"]);
    assert_eq!(
        (&told["session"]["state"], &told["session"]["end_reason"]),
        (&json!("ended"), &json!("revoked"))
    );
    let kinds: Vec<_> =
        told["history"].as_array().expect("a list").iter().map(|one| text(&one["event_type"])).collect();
    assert_eq!(kinds, ["login", "session_revoked"]);
    assert_eq!(server.refresh(&text(&tokens["refresh_token"])).status, 401);
    let unknown = "01a1fe93-7490-7784-8357-68847a602f4d";
    assert!(home.run(&["session", "explain", unknown]).refused(1).contains("nothing is known of session"));
    assert_eq!(home.run(&["session", "explain", "x"]).code, 2);
    assert!(!told.to_string().contains(PASSWORD));
}
