//! What do commands say of a Postgres and a Redis?

use serde_json::Value;

use crate::asking::{login, settled, verdict};
use crate::client::Load;
use crate::node::{self, MASTER_KEY};
use crate::servers::{postgres, redis};
use crate::support::{EMAIL, Home, PATIENCE, Server, text, until};

/// Level and message of what is found of this.
fn found(home: &Home, subject: &str) -> Vec<(String, String)> {
    let ran = home.run(&["doctor", "--json"]);
    let all: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    let of = |finding: &Value, member: &str| finding[member].as_str().unwrap_or_default().to_owned();
    let all = all["findings"].as_array().expect("a list");
    let of_it = all.iter().filter(|finding| of(finding, "subject").starts_with(subject));
    of_it.map(|finding| (of(finding, "level"), of(finding, "message"))).collect()
}

#[test]
fn the_doctor_looks_at_both() {
    let database = postgres::server().database();
    let redis = redis::server().database();
    let home = node::home(&database.url()).with("REDIS__URLS", &redis);
    // Before there is anything: it is made at the start, and nothing is made by looking.
    assert_eq!(found(&home, "postgres").len(), 2);
    assert_eq!(database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").trim(), "0");
    home.user(EMAIL);
    let server = Server::start(&home);
    for subject in ["postgres", "schema", "pooler", "encryption", "connections", "clocks"] {
        let found = found(&home, subject);
        assert!(!found.is_empty() && found.iter().all(|(level, _)| level == "ok"), "{subject}: {found:?}");
    }
    // Whether that is far is a matter of how busy the machine is.
    assert!(found(&home, "distance")[0].1.starts_with("Postgres answers within "));
    // The tests' own server saves what it can't afford to lose nowhere.
    assert_eq!(found(&home, "durability")[0].0, "error");
    assert!(found(&home, "administrator")[0].1.contains("there is none"));
    assert_eq!(found(&home, "master key")[0].0, "ok");
    let other = home_with(&database.url(), "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=");
    let (level, message) = &found(&other, "master key")[0];
    assert!(level == "error" && message.contains("is not the one of this database"), "{message}");
    assert!(!found(&home, "redis").is_empty());
    server.stop();
    let gone = home.with("DATABASE__URL", "postgres://keyward@127.0.0.1:1/keyward");
    assert_eq!(found(&gone, "database")[0].0, "error");
}

/// The user that docs/operations.md says to make.
#[test]
fn a_user_of_redis_who_may_little_suffices() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md"));
    let docs = docs.expect("the page").replace("\n ", "");
    let (_, command) = docs.split_once("`ACL SETUSER keyward on >PASSWORD ").expect("a command");
    let (may, _) = command.split_once('`').expect("its end");
    let server = redis::server();
    let made = server.say(&format!("ACL SETUSER keyward on >PASSWORD {may}"));
    assert_eq!(made, ["OK"]);
    let database = node::database();
    let url = server.database().replace("redis://", "redis://keyward:PASSWORD@");
    let home = node::home(&database.url()).with("REDIS__URLS", &url).with("RATE_LIMITS__LOGIN", "100/1m");
    let node = Server::start(&home);
    let load = Load::of(2, &[node.address().to_owned()]);
    load.until_answered(50);
    load.end("a user of Redis who may little");
    let tokens = login(node.address());
    let listed = settled(node.address(), "GET", "/api/auth/sessions", Some(&text(&tokens["token"])), None);
    assert_eq!(listed.status, 200, "{}", listed.body);
    until(PATIENCE, "readiness", || node.get("/readyz").status == 200);
    assert!(found(&home, "redis").iter().all(|(level, _)| level != "error"), "{:?}", found(&home, "redis"));
    home.done(&["session", "revoke", &text(&tokens["session_id"])]);
    node.stop();
    // But for its name, which the library tells a Redis that wants to know it.
    let log = server.say("ACL LOG");
    let mut denied = log.windows(2).filter(|two| two[0] == "object").map(|two| &two[1]);
    assert!(denied.all(|command| command.starts_with("client")), "{log:?}");
}

#[test]
fn redis_is_left_on_purpose_alone() {
    let database = postgres::server().database();
    let without = node::home(&database.url());
    let with = node::home(&database.url()).with("REDIS__URLS", &redis::server().database());
    with.done(&["migrate"]);
    for arguments in [&["serve"][..], &["user", "list"], &["migrate"]] {
        let ran = without.run(arguments);
        assert!(ran.refused(1).contains("name that in redis.urls"), "{ran:?}");
    }
    assert_eq!(found(&without, "redis")[0].0, "error");
    let ran = with.run(&["migrate", "--leave-redis"]);
    assert!(ran.refused(2).contains("redis.urls still names Redis"), "{ran:?}");
    assert!(without.done(&["migrate", "--leave-redis"]).contains("restart every node"));
    without.done(&["user", "list"]);
    assert!(found(&without, "redis").is_empty());
}

#[test]
fn an_empty_database_is_not_taken_for_the_servers() {
    let database = postgres::server().database();
    let home = node::home(&database.url());
    for arguments in [&["user", "list"][..], &["session", "revoke", "--all", "--yes"], &["key", "rotate"]] {
        let ran = home.run(arguments);
        assert!(ran.refused(1).contains("there is no database at postgres://keyward@127.0.0.1"), "{ran:?}");
    }
    assert!(home.done(&["migrate"]).ends_with("is up to date.\n"));
    home.done(&["user", "list"]);
}

#[test]
fn what_can_not_be_used_is_told_in_one_line() {
    let database = postgres::server().database();
    home_with(&database.url(), MASTER_KEY).user(EMAIL);
    let other = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
    let create = ["user", "create", "bob@example.com", "--invite"];
    for (home, part) in [
        (home_with(&database.url(), other), "the master key is not the one"),
        (home_with("postgres://keyward@127.0.0.1:1/keyward", MASTER_KEY), "is Postgres running there"),
    ] {
        for arguments in [&["serve"][..], &create] {
            let said = home.run(arguments);
            assert!(said.refused(1).contains(part), "{said:?}");
        }
    }
    // Nobody serves with a wrong address; what a command does is done without Redis.
    let home = home_with(&database.url(), MASTER_KEY).with("REDIS__URLS", "redis://:hidden@127.0.0.1:1");
    let ran = home.run(&["serve"]);
    let said = ran.refused(1);
    assert!(said.contains("can't be used") && !said.contains("hidden"), "{said}");
    home.done(&create);
}

#[test]
fn who_is_to_go_goes_while_redis_is_away() {
    let database = postgres::server().database();
    let home = home_with(&database.url(), MASTER_KEY).with("REDIS__URLS", &redis::server().database());
    home.user(EMAIL);
    let server = Server::start(&home);
    let tokens = login(server.address());
    let away = home.with("REDIS__URLS", "redis://127.0.0.1:1");
    assert!(away.done(&["session", "list", EMAIL]).contains(&text(&tokens["session_id"])));
    away.done(&["session", "revoke", &text(&tokens["session_id"])]);
    let is_refused = || verdict(server.address(), &tokens["token"]) == "session_revoked";
    until(PATIENCE, "the server to know that the session has ended", is_refused);
    server.stop();
}

fn home_with(url: &str, master_key: &str) -> Home {
    node::home(url).with("KEYS__MASTER_KEY", master_key)
}
