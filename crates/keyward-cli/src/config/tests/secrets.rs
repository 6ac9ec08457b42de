//! May a secret stand in a file of its own, and is none ever said aloud?

use std::os::unix::fs::PermissionsExt;

use super::*;

fn secret_file(folder: &TempDir, name: &str, text: &str, mode: u32) {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode is set");
}

#[test]
fn every_secret_has_a_twin() {
    let secret: Vec<String> = sections()
        .into_iter()
        .flat_map(|section| section.keys)
        .filter(|key| key.secret)
        .map(|key| key.path)
        .collect();
    let expected = "database.url database.direct_url redis.urls keys.master_key keys.previous_master_key
        tokens.hs256_secret email.smtp_url";
    assert_eq!(secret, expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let folder = TempDir::new().expect("a folder");
    secret_file(&folder, "master", &format!("{KEY}\n"), 0o600);
    secret_file(&folder, "url", "sqlite:///data/kw.db\r\n", 0o440);
    let text = default_file().replace("\nmaster_key = \"\"", "\nmaster_key_file = \"master\"");
    std::fs::write(folder.path().join("keyward.toml"), text).expect("written");
    let loaded = load_in(&folder, None, &[("KEYWARD_DATABASE__URL_FILE", "url")]).expect("allowed");
    assert_eq!(loaded.config.keys.master_key.as_ref().map(|key| *key.expose()), Some([b'A'; 32]));
    assert_eq!(loaded.config.database_file(), Some(Path::new("/data/kw.db")));
    assert_eq!(loaded.source("database.url").to_string(), "url, named by KEYWARD_DATABASE__URL_FILE");
    let shown = loaded.show(false);
    assert!(shown.contains("master_key = \"***\"  # master, named by keyward.toml:"), "{shown}");
}

#[test]
fn a_secret_and_its_file_at_once_are_refused() {
    let folder = TempDir::new().expect("a folder");
    secret_file(&folder, "master", KEY, 0o600);
    for (text, variables) in [
        (format!("[keys]\nmaster_key = '{KEY}'\nmaster_key_file = 'master'"), &[][..]),
        (format!("[keys]\nmaster_key = '{KEY}'"), &[("KEYWARD_KEYS__MASTER_KEY_FILE", "master")]),
        (String::new(), &[("KEYWARD_KEYS__MASTER_KEY", KEY), ("KEYWARD_KEYS__MASTER_KEY_FILE", "master")]),
    ] {
        std::fs::write(folder.path().join("keyward.toml"), text).expect("written");
        let problems = load_in(&folder, None, variables).expect_err("both");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("keys.master_key (") && problems[0].contains("master_key_file ("));
        assert!(problems[0].ends_with("is set, too; allowed: one of both"), "{problems:?}");
    }
}

#[test]
fn a_secret_that_others_can_read_or_nobody_is_refused() {
    let folder = TempDir::new().expect("a folder");
    secret_file(&folder, "world", KEY, 0o604);
    secret_file(&folder, "changed", KEY, 0o602);
    secret_file(&folder, "empty", "\n", 0o600);
    secret_file(&folder, "long", &"a".repeat(70_000), 0o600);
    for (file, part) in [
        ("world", "world (mode 0604); do `chmod o= "),
        ("changed", "changed (mode 0602); do `chmod o= "),
        ("missing", "there is no such file"),
        ("empty", "empty is empty"),
        ("long", "long is longer than 64 KiB"),
        (".", "is a folder"),
    ] {
        // Everything else that lacks the key then is no problem of its own.
        let variables = [("KEYWARD_KEYS__MASTER_KEY_FILE", file), ("KEYWARD_SERVER__LISTEN", "0.0.0.0:8080")];
        let problems = load_in(&folder, None, &variables).expect_err(file);
        let start = "keys.master_key_file (KEYWARD_KEYS__MASTER_KEY_FILE): ";
        assert!(problems.len() == 1 && problems[0].starts_with(start), "{problems:?}");
        assert!(problems[0].contains(part), "{problems:?}");
    }
    let said = refusal("[keys]\nmaster_key_file = 7", &[]);
    assert!(said.starts_with("keys.master_key_file (keyward.toml:2): allowed: the path"), "{said}");
    let said = refusal("[log]\nlevel_file = 'x'", &[]);
    assert!(said.contains("no such key"), "{said}");
}

#[test]
fn no_secret_is_ever_said_aloud() {
    let canary = "kanarienvogel";
    let secrets = [
        ("KEYWARD_KEYS__MASTER_KEY", format!("{canary}{}=", "A".repeat(30))),
        ("KEYWARD_TOKENS__HS256_SECRET", format!("{canary}-3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLdGoWe")),
        ("KEYWARD_EMAIL__SMTP_URL", format!("smtps://ada:{canary}@mail.example.com")),
        ("KEYWARD_DATABASE__URL", format!("postgres://ada:{canary}@db.example.com/keyward")),
        ("KEYWARD_DATABASE__DIRECT_URL", format!("postgres://ada:{canary}@db.example.com:5433/keyward")),
        ("KEYWARD_REDIS__URLS", format!("redis://:{canary}@a.example.com,redis://:{canary}@b.example.com")),
    ];
    let good: Vec<(&str, &str)> = secrets.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let loaded = loaded("[tokens]\nalgorithm = 'HS256'", &good);
    for said in [loaded.show(false), loaded.show(true), format!("{loaded:?}")] {
        assert!(!said.contains(canary), "{said}");
    }
    let shown = loaded.show(false);
    assert!(shown.contains("\nurl = \"postgres://ada:***@db.example.com/keyward\""), "{shown}");
    assert!(
        shown.contains("\nurls = [\"redis://:***@a.example.com\",\"redis://:***@b.example.com\"]"),
        "{shown}"
    );
    assert!(shown.contains("hs256_secret = \"***\"  # KEYWARD_TOKENS__HS256_SECRET\n"), "{shown}");
    assert!(shown.contains("smtp_url = \"smtps://ada:***@mail.example.com:465\""), "{shown}");

    let wrong = [
        "server.public_url = 'https://ada:kanarienvogel@auth.example.com'",
        "server.allowed_origins = ['https://ada:kanarienvogel@auth.example.com']",
        "database.url = 'postgres://ada:kanarienvogel@db.example.com/keyward'",
        "database.url = 'kanarienvogel'",
        "database.direct_url = 'postgres://ada:kanarienvogel@db.example.com/keyward'",
        "database.direct_url = 'kanarienvogel'",
        "database.url = 'postgres://db.example.com/keyward?password=kanarienvogel'",
        "database.url = 'postgres://ada:kanarienvogel@db.example.com'",
        "redis.urls = ['redis://:kanarienvogel@redis.example.com']",
        "redis.urls = ['kanarienvogel']",
        "keys.master_key = 'kanarienvogel'",
        "keys.master_key = ['kanarienvogel']",
        "keys.previous_master_key = 'kanarienvogel'",
        "tokens.hs256_secret = 'kanarienvogel'",
        "email.smtp_url = 'kanarienvogel'",
        "email.smtp_url = 'smtp://ada:kanarienvogel@'",
        "keys.masterkey = 'kanarienvogel'",
        "keys = 'kanarienvogel'",
        "master_key = 'kanarienvogel'",
        "keys.master_key = kanarienvogel",
        "keys.master_key = 'kanarienvogel",
        "keys.master_key = \"\\kanarienvogel\"",
    ];
    for text in wrong {
        let problems = load(text, &[]).expect_err(text);
        assert!(!problems.concat().contains(canary), "{problems:#?}");
    }
    for section in sections() {
        for key in section.keys.iter().filter(|key| key.secret) {
            for variable in [key.variable.clone(), format!("{}_FILE", key.variable)] {
                let problems = load("", &[(&variable, canary)]).expect_err(&variable);
                assert!(!problems.concat().contains(canary), "{problems:#?}");
            }
        }
    }
}
