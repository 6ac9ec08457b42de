//! Does an installation move from SQLite to Postgres without anybody noticing?

use std::net::TcpListener;

use serde_json::Value;

use crate::client::{Load, ask, login, verdict};
use crate::node::MASTER_KEY;
use crate::servers::{postgres, redis};
use crate::support::{EMAIL, Home, Server, text};

/// An installation on SQLite, at an address that it keeps.
fn embedded() -> Home {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let home = Home::new()
        .with("SERVER__LISTEN", &free.expect("a free port").to_string())
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
    let out = ask(&address, "POST", "/api/auth/logout", Some(&text(&left["token"])), None);
    assert_eq!(out.expect("an answer").status, 200);
    let load = Load::of(6, std::slice::from_ref(&address));
    load.until_answered(150);

    let database = postgres::server().database();
    let to = ["migrate", "--to", &database.url()];
    let said = home.run(&to);
    assert!(said.refused(1).contains("another `keyward serve` is running"), "{said:?}");
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
    assert_eq!(server.refresh(&text(&left["refresh_token"])).status, 401);
    assert_eq!(server.refresh(&text(&kept["refresh_token"])).json()["rotated"], rotates);
    let asked = server.call("POST", "/api/auth/introspect", Some(&key), None);
    assert_ne!(asked.status, 401, "a service key from before is good: {}", asked.text);
    server.stop();
    assert!(home.done(&["event", "verify"]).starts_with("The audit trail is whole"));

    let again = home.with("DATABASE__URL", "sqlite://keyward-data/keyward.db").with("REDIS__URLS", "");
    let said = again.run(&to);
    assert!(said.refused(1).contains("holds data already"), "{said:?}");
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
    let home = home.with("KEYS__MASTER_KEY", "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=");
    refused(&home, 2, &url, "the master key is not the one this database was made with");
    let home = home.with("KEYS__MASTER_KEY", MASTER_KEY).with("DATABASE__URL", &url);
    refused(&home, 2, &url, "database.url is Postgres already");
    refused(&Home::new(), 1, &url, "there is no database");
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
