//! What keeps it from starting, and is the data then as it was?

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{EMAIL, Home, Server};

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const OTHER_KEY: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

/// A home with data that no process holds.
fn with_data() -> Home {
    let home = Home::new();
    Server::start(&home).stop();
    home.user(EMAIL);
    home
}

/// Starting fails with this code and one line, and nothing in the folder changes.
#[track_caller]
fn refused(home: &Home, code: i32, parts: &[&str]) {
    let before = home.snapshot();
    for arguments in [&[][..], &["user", "list"], &["key", "rotate"]] {
        let ran = home.run(arguments);
        let said = ran.refused(code);
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
        assert!(home.snapshot() == before, "{arguments:?} changed something: {said}");
    }
}

/// The same for `serve` alone: commands take no address.
#[track_caller]
fn not_served(home: &Home, parts: &[&str]) {
    let before = home.snapshot();
    let ran = home.run(&["serve"]);
    let said = ran.refused(1);
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    assert!(home.snapshot() == before, "something changed: {said}");
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let parts = ["server.listen (KEYWARD_SERVER__LISTEN)", address.as_str(), "is in use by another program"];
    not_served(&with_data().with("SERVER__LISTEN", &address), &parts);
    not_served(&Home::new().with("SERVER__LISTEN", &address), &parts);
}

#[test]
fn a_port_for_metrics_that_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let key = "server.metrics_listen (KEYWARD_SERVER__METRICS_LISTEN)";
    let parts = [key, address.as_str(), "is in use by another program"];
    not_served(&with_data().with("SERVER__METRICS_LISTEN", &address), &parts);
    not_served(&Home::new().with("SERVER__METRICS_LISTEN", &address), &parts);
}

#[test]
fn an_address_of_another_machine() {
    // TEST-NET-1 (RFC 5737): no machine has it.
    let home = with_data().with("SERVER__LISTEN", "192.0.2.1:8080").with("KEYS__MASTER_KEY", KEY);
    not_served(&home, &["server.listen", "192.0.2.1:8080 is no address of this machine"]);
}

#[test]
fn a_folder_that_can_not_be_written() {
    // A file where the folder would be: not even root gets past that.
    let home = Home::new().with("DATABASE__URL", "sqlite://data/keyward.db").with("KEYS__MASTER_KEY", KEY);
    std::fs::write(home.path("data"), "mine").expect("written");
    not_served(&home, &["data", "database.url"]);
    not_served(&Home::new().with("DATABASE__URL", "sqlite:///proc/keyward/keyward.db"), &["/proc/keyward"]);
}

#[test]
fn the_wrong_master_key() {
    let home = Home::new().with("KEYS__MASTER_KEY", KEY);
    Server::start(&home).stop();
    home.user(EMAIL);
    let home = home.with("KEYS__MASTER_KEY", OTHER_KEY);
    refused(&home, 1, &["the master key is not the one this database was made with", "keys.master_key"]);
    let home = home.with("KEYS__MASTER_KEY", KEY);
    home.done(&["user", "list"]);
}

#[test]
fn a_master_key_that_is_gone() {
    let home = with_data();
    std::fs::remove_file(home.path("keyward-data/master.key")).expect("removed");
    refused(&home, 1, &["its master key is not", "restore keyward-data/master.key from a backup"]);
}

#[test]
fn a_master_key_that_is_damaged_or_read_by_others() {
    let home = with_data();
    let path = home.path("keyward-data/master.key");
    let good = std::fs::read(&path).expect("read");
    for bad in [&b""[..], b"QUFB", &good[..20], b"\xff\xfe"] {
        std::fs::write(&path, bad).expect("written");
        refused(&home, 1, &["keyward-data/master.key: "]);
    }
    std::fs::write(&path, good).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
    refused(&home, 1, &["chmod 600 keyward-data/master.key"]);
}

#[test]
fn a_database_that_is_damaged() {
    let home = with_data();
    let path = home.path("keyward-data/keyward.db");
    let good = std::fs::read(&path).expect("read");
    let garbage: Vec<u8> = (0..8_192u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&path, &garbage).expect("written");
    refused(
        &home,
        1,
        &["keyward-data/keyward.db: this is no database, or it is damaged", "nothing was changed"],
    );
    // The first page is whole, what it leads to is not.
    let mut broken = good[..4_096].to_vec();
    broken.extend(&garbage[..good.len().min(garbage.len()) - 4_096]);
    std::fs::write(&path, &broken).expect("written");
    refused(&home, 1, &["damaged"]);
    std::fs::write(&path, &good[..good.len() / 2]).expect("written");
    refused(&home, 1, &["damaged"]);
}

#[test]
fn a_database_of_another_program() {
    let home = with_data();
    let path = home.path("keyward-data/keyward.db");
    std::fs::remove_file(&path).expect("removed");
    let other = rusqlite::Connection::open(&path).expect("a database");
    other.execute_batch("CREATE TABLE song (title TEXT)").expect("a table");
    drop(other);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
    refused(&home, 1, &["belongs to another program", "nothing was changed"]);
}

#[test]
fn a_database_of_a_newer_release() {
    let home = with_data();
    let newer = rusqlite::Connection::open(home.path("keyward-data/keyward.db")).expect("a database");
    newer.execute_batch("INSERT INTO schema VALUES (99, 98, 0)").expect("inserted");
    drop(newer);
    refused(&home, 1, &["schema 99", "run that release or a later one"]);
}

#[test]
fn a_second_server_on_the_same_file() {
    let home = Home::new();
    let server = Server::start(&home);
    let said = home.run(&["serve"]);
    assert!(said.refused(1).contains("another `keyward serve` is running on this database"), "{said:?}");
    assert_eq!(server.get("/readyz").status, 200);
    // A command is no second server.
    home.user(EMAIL);
    server.login(EMAIL);
    server.stop();
    Server::start(&home).stop();
}

#[test]
fn a_configuration_that_is_wrong() {
    let home = with_data();
    for (name, value, part) in [
        ("X__Y", "1", "KEYWARD_X__Y: no such setting"),
        ("TOKENS__ACCESS_TTL", "soon", "tokens.access_ttl (KEYWARD_TOKENS__ACCESS_TTL): \"soon\" is refused"),
        ("SERVER__LISTEN", "0.0.0.0:0", "keys.master_key must be set"),
        ("SERVER__LISTEN", "localhost:8080", "an IP address with a port"),
        ("SERVER__PUBLIC_URL", "http://auth.example.com", "use https://"),
        ("SERVER__METRICS_LISTEN", "9000", "server.metrics_listen (KEYWARD_SERVER__METRICS_LISTEN)"),
        ("EMAIL__SMTP_URL", "mail.example.com", "smtp://user:password@host:port"),
        ("DATABASE__URL", "postgres://localhost", "it names no database"),
        ("DATABASE__DIRECT_URL", "postgres://localhost/keyward", "database.url is SQLite"),
        ("REDIS__URLS", "redis://localhost", "redis.urls needs a database.url of postgres://"),
        ("TOKENS__HS256_SECRET", "change-me-please-change-me-secret", "familiar words"),
    ] {
        let home = Home::new().with(name, value);
        refused(&home, 2, &[part]);
        let ran = home.run(&["config", "check"]);
        assert!(ran.refused(2).contains(part), "{ran:?}");
    }
    // With a master key of its own, and with one that would be made.
    for home in [Home::new as fn() -> Home, || Home::new().with("KEYS__MASTER_KEY", KEY)] {
        for (options, part) in [
            (":99999/keyward", "invalid value for option `port`"),
            ("/keyward?sslmode=bogus", "sslmode=\"bogus\" is none of disable, prefer, require, verify-full"),
            ("/keyward?sslrootcert=gone.pem", "sslrootcert=gone.pem: "),
            ("/keyward?colour=red", "unknown option `colour`"),
        ] {
            let home = home().with("DATABASE__URL", &format!("postgres://keyward@127.0.0.1{options}"));
            let parts = ["database.url (KEYWARD_DATABASE__URL): the value is refused: ", part];
            refused(&home, 2, &parts);
            let ran = home.run(&["config", "check"]);
            assert!(parts.iter().all(|part| ran.refused(2).contains(part)), "{ran:?}");
        }
    }
    let ran = home.run(&["--config", "gone.toml", "config", "check"]);
    assert!(ran.refused(2).contains("gone.toml: can't be read"), "{ran:?}");
    // Kubernetes sets this for a service of that name.
    home.with("PORT", "tcp://10.0.0.1:8080").done(&["config", "check"]);
}

/// A key that root made for itself is handed to a container, or to a unit.
#[test]
fn a_secret_of_another_user_says_whose_it_has_to_be() {
    let home = Home::new().held_by_modes();
    let key = home.path("master_key");
    std::fs::write(&key, KEY).expect("written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o000)).expect("its mode");
    let key = key.to_str().expect("text").to_owned();
    let ran = home.with("KEYS__MASTER_KEY_FILE", &key).run(&["config", "check"]);
    let said =
        format!("{key} is not for this user to read; allowed: a file of the user that Keyward runs as");
    assert!(ran.refused(2).contains(&said), "{ran:?}");
}

/// `openssl rand -base64` makes passwords that an address would end at.
#[test]
fn a_password_that_is_not_escaped_is_not_told() {
    for password in ["pw/SECRET1", "SECRET1/x", "a/@SECRET1", "SECRET1?x=SECRET1", "SECRET1#x", "a@SECRET1"] {
        let url = format!("postgres://slash:{password}@127.0.0.1:1/keyward");
        let home = Home::new().with("KEYS__MASTER_KEY", KEY);
        let sqlite = with_data();
        let toml = format!("[database]\nurl = '{url}'\n");
        std::fs::write(home.path("in.toml"), toml).expect("written");
        let told = |ran: crate::support::Ran| {
            assert!(!ran.err.contains("SECRET1") && !ran.out.contains("SECRET1"), "{ran:?}");
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(ran.err.contains("write %2F for /, %3F for ?, %23 for # and %40 for @"), "{ran:?}");
        };
        for arguments in [
            &["--config", "in.toml", "config", "check"][..],
            &["--config", "in.toml", "config", "show"],
            &["--config", "in.toml", "doctor"],
        ] {
            told(home.run(arguments));
        }
        told(sqlite.run(&["migrate", "--to", &url]));
        let home = home.with("DATABASE__URL", "postgres://keyward@127.0.0.1:1/keyward");
        told(home.with("DATABASE__DIRECT_URL", &url).run(&["config", "show"]));
        let home = Home::new().with("DATABASE__URL", &url);
        for arguments in [
            &["serve"][..],
            &["config", "show"],
            &["user", "create", EMAIL, "--invite"],
            &["admin", "upsert", EMAIL, "--password-stdin"],
            &["migrate"],
        ] {
            told(home.run_with(arguments, crate::support::PASSWORD));
        }
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let home = Home::new().with("LOG__LEVEL", "loud").with("TOKENS__LEEWAY", "2m");
    let ran = home.run(&["config", "check"]);
    assert_eq!((ran.code, ran.err.lines().count()), (2, 2), "{ran:?}");
}

#[test]
fn data_that_is_not_there_is_not_made_up() {
    let home = Home::new();
    for arguments in [
        &["user", "list"][..],
        &["session", "list"],
        &["session", "revoke", "--all", "--yes"],
        &["key", "list"],
        &["key", "rotate"],
    ] {
        let ran = home.run(arguments);
        assert!(ran.refused(1).contains("there is no database at keyward-data/keyward.db"), "{ran:?}");
    }
    assert!(home.snapshot().is_empty());
}
