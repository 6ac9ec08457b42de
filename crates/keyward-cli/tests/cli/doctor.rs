//! Does `keyward doctor` find what would bite in production, and leave everything as it is?

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::support::{EMAIL, Home, PASSWORD, Server, text};

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const SECRET: &str = "3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLdGoWeA7iB9y0=";
const DATABASE: &str = "keyward-data/keyward.db";

/// The configuration of an installation with which nothing is wrong.
fn sound() -> Home {
    Home::new()
        .with("SERVER__PUBLIC_URL", "https://auth.example.com")
        .with("KEYS__MASTER_KEY", KEY)
        .with("PASSWORDS__ARGON2_MEMORY_KIB", "19456")
        .with("PASSWORDS__ARGON2_ITERATIONS", "2")
        .with("RATE_LIMITS__LOGIN", "5/1m")
}

/// The same with its data.
fn installed(home: Home) -> Home {
    let ran = home.run_with(&["admin", "upsert", EMAIL, "--password-stdin"], PASSWORD);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    home
}

/// What is not in order: level, subject, message and what to do.
fn findings(home: &Home) -> Vec<[String; 4]> {
    let ran = home.run(&["doctor", "--json"]);
    found(&ran.out, ran.code, &ran.err)
}

fn found(out: &str, code: i32, err: &str) -> Vec<[String; 4]> {
    let report: Value = serde_json::from_str(out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
    let all = report["findings"].as_array().expect("a list");
    let (ok, bad): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|finding| finding["level"] == "ok");
    assert!(ok.iter().all(|finding| finding["next"].is_null()), "{out}");
    let levels = |level: &str| bad.iter().filter(|finding| finding["level"] == level).count();
    assert_eq!(report["errors"], levels("error"));
    assert_eq!(report["warnings"], levels("warning"));
    assert_eq!(code, i32::from(levels("error") > 0), "{out} {err}");
    assert_eq!(err.is_empty(), code == 0, "{err}");
    bad.iter().map(|f| ["level", "subject", "message", "next"].map(|part| text(&f[part]))).collect()
}

/// This, and nothing else, is not in order.
#[track_caller]
fn is_found(home: &Home, level: &str, subject: &str, message: &str, next: &str) {
    is_among(&findings(home), level, subject, message, next);
}

#[track_caller]
fn is_among(found: &[[String; 4]], level: &str, subject: &str, message: &str, next: &str) {
    // The disk of whoever runs the tests is their own affair.
    let found: Vec<_> = found.iter().filter(|finding| finding[1] != "disk").collect();
    assert_eq!(found.len(), 1, "{subject}: {found:#?}");
    assert_eq!((found[0][0].as_str(), found[0][1].as_str()), (level, subject));
    assert!(found[0][2].contains(message) && found[0][3].contains(next), "{found:#?}");
}

fn set_mode(home: &Home, path: &str, mode: u32) {
    fs::set_permissions(home.path(path), Permissions::from_mode(mode)).expect("its mode is set");
}

fn execute(home: &Home, sql: &str) {
    let db = rusqlite::Connection::open(home.path(DATABASE)).expect("opens");
    db.execute_batch(sql).expect(sql);
}

#[test]
fn where_all_is_well_it_says_so_and_changes_nothing() {
    let home = sound();
    let new = |home: &Home| findings(home).into_iter().filter(|f| f[1] != "disk").collect::<Vec<_>>();
    assert!(new(&home).is_empty(), "before the first start");
    assert!(home.snapshot().is_empty(), "nothing is made");
    let home = installed(home);
    let before = home.snapshot();
    assert!(new(&home).is_empty());
    let out = home.done(&["doctor"]);
    for said in
        ["ok       server.public_url: https://auth.example.com\n", "ok       database: whole\n", "0 errors, "]
    {
        assert!(out.contains(said), "{out}");
    }
    assert_eq!(home.snapshot(), before);
    let server = Server::start(&home);
    assert!(new(&home).is_empty(), "beside a server");
    server.stop();
    let bad = home.with("TOKENS__LEEWAY", "1h").run(&["doctor"]);
    assert!(bad.refused(2).contains("tokens.leeway"), "{bad:?}");
}

#[test]
fn each_value_that_would_bite_is_found() {
    let local = "http://127.0.0.1:8080";
    let limits = ["LOGIN", "LOGIN_FAILURES", "SIGNUP", "PASSWORD", "PASSWORD_FORGOT", "REFRESH"];
    let off: Vec<[(String, &str); 1]> =
        limits.iter().map(|name| [(format!("RATE_LIMITS__{name}"), "off")]).collect();
    let owned = |values: &[(&str, &'static str)]| -> Vec<(String, &str)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    };
    let mut cases = vec![
        (
            owned(&[("SERVER__PUBLIC_URL", local)]),
            ["warning", "server.public_url", "plain HTTP, for development", "set server.public_url"],
        ),
        (
            owned(&[("SERVER__PUBLIC_URL", local), ("SERVER__LISTEN", "0.0.0.0:8080")]),
            ["error", "server.public_url", "passwords travel in the open", "the https:// address"],
        ),
        (
            owned(&[("SERVER__LISTEN", "0.0.0.0:8080")]),
            ["warning", "server.trusted_proxies", "shares one budget", "set server.trusted_proxies"],
        ),
        (
            owned(&[("SERVER__TRUSTED_PROXIES", "")]),
            ["warning", "server.trusted_proxies", "none is believed", "set server.trusted_proxies"],
        ),
        (
            owned(&[("TOKENS__ALGORITHM", "HS256"), ("TOKENS__HS256_SECRET", SECRET)]),
            ["warning", "tokens.algorithm", "whoever can verify a token can make one", "take RS256"],
        ),
        (
            owned(&[("PASSWORDS__ARGON2_MEMORY_KIB", "19455")]),
            ["error", "passwords.argon2_*", "19455 KiB, 2 passes", "19456 KiB, 2 passes"],
        ),
        (
            owned(&[("TOKENS__LEEWAY", "11s")]),
            ["warning", "tokens.leeway", "11s: every token is good for that long", "0s"],
        ),
        (
            owned(&[("ACCOUNTS__SIGNUP", "closed")]),
            ["warning", "email.smtp_url", "people come in by invitations alone", "set email.smtp_url"],
        ),
        (
            owned(&[("ACCOUNTS__REQUIRE_VERIFIED_EMAIL", "true")]),
            [
                "error",
                "email.smtp_url",
                "nobody can sign in before they followed a link",
                "set email.smtp_url",
            ],
        ),
        (owned(&[("LOG__LEVEL", "debug")]), ["warning", "log.level", "debug: the log grows fast", "to info"]),
        (owned(&[("LOG__LEVEL", "trace")]), ["warning", "log.level", "trace: the log grows fast", "to info"]),
    ];
    let keys: Vec<String> =
        limits.iter().map(|name| format!("rate_limits.{}", name.to_lowercase())).collect();
    for (off, key) in off.iter().zip(&keys) {
        cases.push((off.to_vec(), ["warning", key, "off: ", "which has a default"]));
    }
    for (values, [level, subject, message, next]) in cases {
        let home = values.iter().fold(sound(), |home, (name, value)| home.with(name, value));
        is_found(&home, level, subject, message, next);
        assert!(home.snapshot().is_empty(), "nothing is made");
    }
    for home in [
        sound().with("ACCOUNTS__SIGNUP", "closed").with("EMAIL__SMTP_URL", "smtp://mail.example.com"),
        sound().with("ACCOUNTS__SIGNUP", "closed").with("SERVER__PUBLIC_URL", local),
    ] {
        let about_mail = findings(&home).into_iter().find(|finding| finding[1] == "email.smtp_url");
        assert_eq!(about_mail, None);
    }
    for (memory, passes) in [("47104", "1"), ("12288", "3"), ("9216", "4"), ("7168", "5")] {
        let home = sound().with("PASSWORDS__ARGON2_MEMORY_KIB", memory);
        let home = home.with("PASSWORDS__ARGON2_ITERATIONS", passes);
        assert!(findings(&home).iter().all(|finding| finding[1] == "disk"), "{memory} {passes}");
    }
    let home = sound().with("SERVER__LISTEN", "0.0.0.0:8080").with("SERVER__TRUSTED_PROXIES", "10.0.0.0/8");
    assert!(findings(&home).iter().all(|finding| finding[1] == "disk"));
}

#[test]
fn each_file_that_others_get_at_is_found() {
    let home = installed(sound());
    for (path, mode, level, message, next) in [
        ("keyward-data", 0o755, "warning", "others can look into it (mode 0755)", "chmod 700 keyward-data"),
        ("keyward-data", 0o770, "error", "others can replace the files in it", "chmod 700 keyward-data"),
        (DATABASE, 0o640, "error", "others can get at it (mode 0640)", "chmod 600 keyward-data/keyward.db"),
    ] {
        let before = fs::metadata(home.path(path)).expect("there").mode();
        set_mode(&home, path, mode);
        is_found(&home, level, path, message, next);
        assert_eq!(fs::metadata(home.path(path)).expect("there").mode() & 0o7777, mode, "left as it is");
        set_mode(&home, path, before & 0o7777);
    }
    let server = Server::start(&home);
    for beside in ["-wal", "-shm", ".lock"] {
        let path = format!("{DATABASE}{beside}");
        set_mode(&home, &path, 0o644);
        is_found(&home, "error", &path, "others can get at it (mode 0644)", "chmod 600");
        set_mode(&home, &path, 0o600);
    }
    server.stop();

    fs::write(home.path("keyward.toml"), "[log]\nlevel = 'info'\n").expect("written");
    set_mode(&home, "keyward.toml", 0o664);
    is_found(&home, "error", "keyward.toml", "others can change the configuration (mode 0664)", "chmod go-w");
    set_mode(&home, "keyward.toml", 0o644);
    assert!(findings(&home).iter().all(|finding| finding[1] == "disk"), "it holds no secret");
    fs::write(home.path("keyward.toml"), format!("[tokens]\nhs256_secret = '{SECRET}'\n")).expect("written");
    is_found(&home, "error", "keyward.toml", "others can read the secrets in it (mode 0644)", "chmod 600");
    fs::remove_file(home.path("keyward.toml")).expect("there");

    fs::write(home.path("secret"), SECRET).expect("written");
    set_mode(&home, "secret", 0o620);
    let home = home.with("TOKENS__HS256_SECRET_FILE", "secret");
    is_found(
        &home,
        "warning",
        "secret",
        "others can change tokens.hs256_secret (mode 0620)",
        "chmod go-w secret",
    );
}

#[test]
fn a_master_key_beside_the_data_is_found() {
    let local = || sound().with("SERVER__PUBLIC_URL", "http://127.0.0.1:8080").with("KEYS__MASTER_KEY", "");
    let about_the_key = |home: &Home| -> Vec<[String; 4]> {
        findings(home).into_iter().filter(|finding| finding[1] != "server.public_url").collect()
    };
    let home = local();
    assert!(about_the_key(&home).iter().all(|finding| finding[1] == "disk"), "it is made at the first start");
    let home = installed(home);
    let path = "keyward-data/master.key";
    let found = about_the_key(&home);
    is_among(&found, "warning", "keys.master_key", "lies beside the data", "set keys.master_key");
    set_mode(&home, path, 0o640);
    let found = about_the_key(&home);
    is_among(&found, "error", "keys.master_key", "others can read keyward-data/master.key", "chmod 600");
    fs::remove_file(home.path(path)).expect("there");
    let found = about_the_key(&home);
    is_among(&found, "error", "keys.master_key", "is not there, though the database is", "from a backup");
}

/// What restoring a backup rests on.
#[test]
fn a_master_key_of_another_database_is_found() {
    const OTHER: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
    let home = installed(sound());
    assert!(home.done(&["doctor"]).contains("ok       master key: is the one of this database\n"));
    let before = home.snapshot();
    let home = home.with("KEYS__MASTER_KEY", OTHER);
    is_found(
        &home,
        "error",
        "master key",
        "is not the one of this database",
        "set keys.master_key to the one",
    );
    let home = home.with("KEYS__PREVIOUS_MASTER_KEY", KEY);
    assert!(findings(&home).iter().all(|finding| finding[1] == "disk"), "while it is being changed");
    assert_eq!(home.snapshot(), before);
    // One of a release before, as a backup is.
    let home = home.with("KEYS__PREVIOUS_MASTER_KEY", "");
    execute(&home, "DELETE FROM schema WHERE version = (SELECT max(version) FROM schema)");
    assert!(findings(&home).iter().any(|finding| finding[1] == "master key" && finding[0] == "error"));
    // The one that is made beside the data.
    let local = sound().with("SERVER__PUBLIC_URL", "http://127.0.0.1:8080").with("KEYS__MASTER_KEY", "");
    let local = installed(local);
    assert!(local.done(&["doctor"]).contains("ok       master key: "));
    fs::write(local.path("keyward-data/master.key"), OTHER).expect("written");
    assert!(findings(&local).iter().any(|finding| finding[1] == "master key" && finding[0] == "error"));
}

#[test]
fn a_database_that_this_user_can_not_write_is_found() {
    let home = installed(sound());
    // What nobody else may write root may: then somebody else asks.
    let nobody = 65_534;
    let root = fs::metadata(home.path("keyward-data")).expect("there").uid() == 0;
    let mut command = home.command(&["doctor", "--json"]);
    if root {
        for path in ["", "keyward-data", DATABASE] {
            chown(home.path(path), Some(nobody), Some(nobody)).expect("root may");
        }
        let copy = home.path("keyward");
        fs::copy(command.get_program(), &copy).expect("copied");
        command = std::process::Command::new(copy);
        command.args(["doctor", "--json"]).current_dir(home.path("")).uid(nobody).gid(nobody);
        command
            .env_clear()
            .envs(home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    set_mode(&home, DATABASE, 0o400);
    let output = command.output().expect("it runs");
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    let found = found(&out, output.status.code().expect("a code"), &err);
    is_among(
        &found,
        "error",
        "database",
        "can't be written by this user",
        "run this as the user that serves",
    );
}

#[test]
fn what_is_wrong_with_the_data_is_found() {
    let year = 365 * 24 * 60 * 60 * 1_000_000_i64;
    for (sql, level, subject, message, next) in [
        ("UPDATE account SET is_active = FALSE", "warning", "administrator", "there is none", "admin upsert"),
        (
            "DELETE FROM schema WHERE version = (SELECT max(version) FROM schema)",
            "warning",
            "schema",
            "while this release has",
            "keyward migrate",
        ),
        (
            "INSERT INTO schema VALUES (999, 999, 0)",
            "error",
            "database",
            "written by a newer Keyward (schema 999",
            "restore a backup",
        ),
        (
            "UPDATE signing_key SET active_from = 0 WHERE state = 'active'",
            "warning",
            "signing key",
            "the same since 1970-01-01T00:00:00Z",
            "start the server",
        ),
        (
            &format!("UPDATE event SET at = at + {year}"),
            "error",
            "clock",
            "is before the newest event",
            "set the clock",
        ),
    ] {
        let home = installed(sound());
        execute(&home, sql);
        let before = home.snapshot();
        is_found(&home, level, subject, message, next);
        assert_eq!(home.snapshot(), before, "{sql}");
    }
    let home = installed(sound());
    let file = fs::File::options().write(true).open(home.path(DATABASE)).expect("opens");
    file.set_modified(
        file.metadata().and_then(|m| m.modified()).expect("a time") + Duration::from_secs(3_600),
    )
    .expect("set");
    is_found(&home, "error", "clock", "is before the database was written", "set the clock");
}

#[test]
fn a_damaged_or_foreign_database_is_found() {
    let home = installed(sound());
    let whole = fs::read(home.path(DATABASE)).expect("readable");
    let page = 4_096;
    for (what, bytes) in [
        (
            "a page of something else",
            [&whole[..2 * page], &vec![0x5a; page][..], &whole[3 * page..]].concat(),
        ),
        ("no database", vec![b'x'; 10_000]),
        ("half of it", whole[..whole.len() / 2].to_vec()),
    ] {
        fs::write(home.path(DATABASE), &bytes).expect("written");
        let found: Vec<_> = findings(&home).into_iter().filter(|finding| finding[1] == "database").collect();
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        assert!(found[0][0] == "error" && found[0][3].contains("restore a backup"), "{what}: {found:?}");
        assert_eq!(fs::read(home.path(DATABASE)).expect("readable"), bytes, "{what}");
    }
    fs::remove_file(home.path(DATABASE)).expect("there");
    let other = rusqlite::Connection::open(home.path(DATABASE)).expect("opens");
    other.execute_batch("CREATE TABLE note (text)").expect("made");
    drop(other);
    set_mode(&home, DATABASE, 0o600);
    is_found(&home, "error", "database", "belongs to another program", "database.url");
}
