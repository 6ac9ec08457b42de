//! Do people of a Django application sign in with the password they have? Its hashes are made by
//! Django itself, with each of its hashers as it comes.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Home, Server, text};

const PASSWORD: &str = "S3cret-P\u{e4}sswort \u{1f511}";
/// Longer than bcrypt takes.
const LONG: &str = "Correct-horse-7 battery staple, and what else there is to say of it, goes on and on";

/// Prints a line for each hasher, and one of what has no password.
const SCRIPT: &str = r#"
import json, sys, django
from django.conf import settings
names = ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt", "MD5"]
hashers = ["django.contrib.auth.hashers." + name + "PasswordHasher" for name in names]
settings.configure(PASSWORD_HASHERS=hashers)
django.setup()
from django.contrib.auth.hashers import get_hashers, make_password
for hasher in get_hashers():
    for who, password in (("short", sys.argv[1]), ("long", sys.argv[2])):
        try:
            hash = make_password(password, hasher=hasher.algorithm)
        except ValueError:
            continue  # bcrypt itself takes no more than 72 bytes
        email = f"{hasher.algorithm}.{who}@example.com"
        print(json.dumps({"email": email, "password_hash": hash}))
print(json.dumps({"email": "nobody@example.com", "password_hash": make_password(None)}))
"#;

/// The hashes, made by Django.
fn hashes() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let script = root.join("scripts/django");
    let installed = Command::new(&script).output().expect("scripts/django runs");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let python = String::from_utf8(installed.stdout).expect("a path");
    let made =
        Command::new(python.trim_end()).args(["-c", SCRIPT, PASSWORD, LONG]).output().expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let lines = String::from_utf8(made.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn people_of_django_sign_in_with_the_password_they_have() {
    let home =
        Home::new().with("PASSWORDS__ARGON2_MEMORY_KIB", "64").with("RATE_LIMITS__LOGIN_FAILURES", "off");
    let hashes = hashes();
    let lines: Vec<String> = hashes.iter().map(Value::to_string).collect();
    std::fs::write(home.path("django.jsonl"), lines.join("\n")).expect("written");
    let ran = home.run(&["user", "import", "django.jsonl", "--json"]);
    let outcome: Value = serde_json::from_str(&ran.out).expect("JSON");
    let refused: Vec<String> = outcome["refusals"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|refusal| {
            let line = refusal["line"].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number");
            format!("{}: {}", text(&hashes[line - 1]["email"]), text(&refusal["message"]))
        })
        .collect();
    let unknown = "password_hash: of no scheme that is known";
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused[0].starts_with(&format!("md5.short@example.com: {unknown}")), "{refused:?}");
    assert!(refused[1].starts_with(&format!("md5.long@example.com: {unknown}")), "{refused:?}");
    assert!(refused[2].ends_with("Django's mark of an account without a password"), "{refused:?}");
    assert_eq!(outcome["imported"], 11, "{outcome}");

    let server = Server::start(&home);
    let login = |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password });
        server.call("POST", "/api/auth/login", None, Some(&body)).status
    };
    let stored = |email: &str| -> String {
        let db = rusqlite::Connection::open(home.path("keyward-data/keyward.db")).expect("opens");
        let sql = "SELECT password FROM account WHERE email = ?1";
        db.query_row(sql, [email], |row| row.get(0)).expect("a hash")
    };
    let mut seen = Vec::new();
    for user in hashes.iter().filter(|user| !text(&user["password_hash"]).starts_with(['m', '!'])) {
        let (email, hash) = (text(&user["email"]), text(&user["password_hash"]));
        let password = if email.contains(".long@") { LONG } else { PASSWORD };
        for wrong in [&password[..password.len() - 4], ""] {
            assert_eq!(login(&email, wrong), 401, "{email}");
        }
        assert_eq!(stored(&email), hash);
        assert_eq!(login(&email, password), 200, "{email}");
        let today = stored(&email);
        assert!(today.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{email}: {today}");
        assert_eq!(login(&email, password), 200, "{email}");
        assert_eq!(stored(&email), today, "once");
        seen.push(hash.split('$').next().unwrap_or_default().to_owned());
    }
    seen.dedup();
    assert_eq!(seen, ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"]);
    server.stop();
}
