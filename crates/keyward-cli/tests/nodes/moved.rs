//! Does an installation move from SQLite to Postgres without anybody noticing?

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::asking::{login, refresh, sign_out, verdict};
use crate::client::Load;
use crate::node::{self, MASTER_KEY};
use crate::servers::{postgres, redis};
use crate::support::{EMAIL, Home, PATIENCE, Server, text, until};

/// An installation on SQLite, at an address that it keeps.
fn embedded() -> Home {
    let home = Home::new()
        .with("SERVER__LISTEN", &node::address())
        .with("SERVER__PUBLIC_URL", "http://127.0.0.1:8080")
        .with("KEYS__MASTER_KEY", MASTER_KEY)
        .with("SESSIONS__ROTATION_WINDOW", "2s")
        .with("RATE_LIMITS__REFRESH", "off");
    home.user(EMAIL);
    home
}

/// All that an operator can list.
fn listed(home: &Home) -> Vec<Value> {
    let commands: [&[&str]; 6] = [
        &["user", "list", "--json"],
        &["role", "list", "--json"],
        &["session", "list", "--limit", "10000", "--json"],
        &["key", "list", "--json"],
        &["service-key", "list", "--json"],
        &["event", "list", "--json"],
    ];
    commands.iter().map(|command| home.json(command)).collect()
}

/// Moves it while clients use it, who never notice. Whether the first refresh of a session brings a
/// new token depends on whether its progress came along.
fn moved_under_load(beside: impl FnOnce(Home) -> Home, rotates: bool) {
    let home = embedded();
    home.done(&["role", "set", "tas", "jobs:read"]);
    home.done(&["user", "roles", EMAIL, "user", "tas"]);
    let key = text(&home.json(&["service-key", "create", "jobs", "--scope", "introspect", "--json"])["key"]);
    let server = Server::start(&home);
    let address = server.address().to_owned();
    let (kept, left) = (login(&address), login(&address));
    // Refresh tokens of two keys come along.
    home.done(&["key", "rotate", "--refresh"]);
    until(PATIENCE, "another key for refresh tokens", || {
        home.json(&["key", "list", "--json"])["refresh_keys"][1]["state"] == "active"
    });
    sign_out(&address, &left);
    let load = Load::of(6, std::slice::from_ref(&address));
    load.until_answered(150);

    let database = postgres::server().database();
    let to = ["migrate", "--to", &database.url()];
    let said = home.run(&to);
    assert!(said.refused(1).contains("is running on this database; stop it first"), "{said:?}");
    assert!(!said.err.contains("of its own"), "{said:?}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").trim(), "0");

    server.stop();
    let before = listed(&home);
    let said = home.run(&to);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(said.out.contains("nobody has to sign in anew"), "{}", said.out);
    let home = home.with("DATABASE__URL", &database.url());
    assert_eq!(listed(&home), before);
    let home = beside(home);
    let server = Server::start(&home);
    load.until_answered(300);
    load.end("an installation moved from SQLite to Postgres");

    assert_eq!(verdict(&address, &kept["token"]), "200", "a token from before is good");
    assert_eq!(verdict(&address, &left["token"]), "session_revoked", "what had ended has ended");
    assert_eq!(refresh(&address, &left).status, 401);
    assert_eq!(refresh(&address, &kept).body["rotated"], rotates);
    let asked = server.call("POST", "/api/auth/introspect", Some(&key), None);
    assert_ne!(asked.status, 401, "a service key from before is good: {}", asked.text);
    server.stop();
    assert!(home.done(&["event", "verify"]).starts_with("The audit trail is whole"));

    // What was left behind does nothing any more, and says where everything is.
    let left = home.with("DATABASE__URL", "sqlite://keyward-data/keyward.db").with("REDIS__URLS", "");
    for arguments in [&["serve"][..], &["session", "revoke", "--all", "--yes"], &["migrate"], &to] {
        let said = left.run(arguments);
        let place = format!("/{} at 20", database.name);
        assert!(said.refused(1).contains("this database was moved to 127.0.0.1:"), "{said:?}");
        assert!(said.err.contains(&place) && said.err.contains("migrate --take-back"), "{said:?}");
    }
    let examined = left.run(&["doctor"]);
    assert!(examined.code == 1 && examined.out.contains("error    database: "), "{examined:?}");
    assert!(left.done(&["migrate", "--take-back"]).contains("session revoke --all"));
    assert!(left.run(&["migrate", "--take-back"]).refused(1).contains("never moved"));
    assert_eq!(listed(&left), before);
    let said = left.run(&to);
    assert!(said.refused(1).contains("holds data of Keyward already"), "{said:?}");
    Server::start(&left).stop();
}

#[test]
fn to_postgres() {
    moved_under_load(|home| home, true);
}

/// Redis knows none of them: each is taken over from its token.
#[test]
fn to_postgres_and_redis() {
    moved_under_load(|home| home.with("REDIS__URLS", &redis::server().database()), false);
}

#[test]
fn what_can_not_be_moved_stays_where_it_is() {
    let home = embedded();
    let database = postgres::server().database();
    let url = database.url();
    let refused = |home: &Home, code: i32, to: &str, part: &str| {
        let ran = home.run(&["migrate", "--to", to]);
        let said = ran.refused(code);
        assert!(said.contains(part), "{said}");
        assert_eq!(database.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'account'").trim(), "0");
    };
    refused(&home, 2, "mysql://localhost/keyward", "postgres://user:password@host/database");
    refused(&home, 2, "sqlite://other.db", "postgres://user:password@host/database");
    refused(&home, 1, &url.replace("/test_", "/none_"), "make it (CREATE DATABASE), or give another");
    refused(&home, 1, "postgres://keyward@127.0.0.1:1/keyward", "is Postgres running there");
    database.sql("CREATE ROLE locked LOGIN PASSWORD 'pw'");
    let locked = url.replace("keyward@", "locked@");
    refused(&home, 1, &locked, "give the password of that user: hand it in with --password-stdin");
    let other = home.run_with(&["migrate", "--to", &locked, "--password-stdin"], "other");
    assert!(other.refused(1).ends_with("; give the password of that user\n"), "{other:?}");
    database.sql("DROP ROLE locked");
    let home = home.with("KEYS__MASTER_KEY", "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=");
    refused(&home, 1, &url, "the master key is not the one this database was made with");
    let home = home.with("KEYS__MASTER_KEY", MASTER_KEY).with("DATABASE__URL", &url);
    refused(&home, 2, &url, "database.url is Postgres already");
    refused(&Home::new(), 1, &url, "there is no database");
}

/// What a command says that it did is in the copy, or it says that it was not done.
#[test]
fn nothing_is_done_to_a_file_that_is_being_moved() {
    let home = embedded();
    let server = Server::start(&home);
    login(server.address());
    server.stop();
    let file = home.path("keyward-data/keyward.db");
    let database = postgres::server().database();
    // Who holds this lock keeps the move from going on.
    let mut psql = Command::new("psql")
        .args(["-XqAt", "-d", &database.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("psql");
    let mut hold = psql.stdin.take().expect("piped");
    hold.write_all(b"SELECT pg_advisory_lock(1802989156, hashtext('public'));\n\\echo held\n")
        .expect("asked");
    let mut told = BufReader::new(psql.stdout.take().expect("piped")).lines();
    assert!(told.any(|line| line.expect("readable") == "held"));
    let moving = home.command(&["migrate", "--to", &database.url()]).spawn().expect("it runs");
    let other = rusqlite::Connection::open(&file).expect("opens");
    other.busy_timeout(Duration::ZERO).expect("set");
    // It waits for that only after it has locked the file.
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = \
                   (SELECT oid FROM pg_database WHERE datname = current_database())";
    until(PATIENCE, "a move that has begun", || database.sql(waiting).trim() == "1");
    assert!(other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err());
    let revoke = ["session", "revoke", "--all", "--yes"];
    let said = home.run(&revoke);
    assert!(!said.refused(1).is_empty(), "{said:?}");
    let waits = home.command(&revoke).spawn().expect("it runs");
    drop(hold);
    psql.wait().expect("it ends");
    let moved = moving.wait_with_output().expect("it ends");
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    let waited = waits.wait_with_output().expect("it ends");
    assert!(!waited.status.success(), "{}", String::from_utf8_lossy(&waited.stdout));
    let home = home.with("DATABASE__URL", &database.url());
    assert_eq!(home.json(&["session", "list", "--json"])["sessions"].as_array().map(Vec::len), Some(1));
}

/// Half of a move is none.
#[test]
fn a_row_that_postgres_can_not_hold_stops_all_of_it() {
    let home = embedded();
    let file = rusqlite::Connection::open(home.path("keyward-data/keyward.db")).expect("a database");
    file.execute("UPDATE event SET user_agent = 'a' || char(0) || 'b'", []).expect("spoilt");
    drop(file);
    let database = postgres::server().database();
    let ran = home.run(&["migrate", "--to", &database.url()]);
    assert!(
        ran.refused(1).contains("table \"event\": column \"user_agent\" holds what is no text"),
        "{ran:?}"
    );
    assert_eq!(database.sql("SELECT count(*) FROM account").trim(), "0");
    // As if nothing had been tried.
    let file = rusqlite::Connection::open(home.path("keyward-data/keyward.db")).expect("a database");
    file.execute("UPDATE event SET user_agent = NULL", []).expect("mended");
    drop(file);
    assert_eq!(home.run(&["migrate", "--to", &database.url()]).code, 0);
    assert_eq!(database.sql("SELECT count(*) FROM account").trim(), "1");
}
