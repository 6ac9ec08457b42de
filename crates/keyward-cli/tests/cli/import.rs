//! Do the accounts of another system come in, and is each line that doesn't told by its number?

use serde_json::{Value, json};

use crate::support::{Home, Server, text};

/// Of this password, made by Django and by Python's `bcrypt`.
const PASSWORD: &str = "S3cret-P\u{e4}sswort";
const HASH: &str = "$2b$04$bpPkOHNBdjPL4VAWWscf1.Bo03DSlXgX.lXMsRxVRP4gmr3bF9iJi";
const OTHER_HASH: &str =
    "pbkdf2_sha256$1000$2XVURgIv6g1PbItMH9bV3R$sWRm+x1z499Wjr/y4bWIWwjFG2kTZZI7EFSixAnuLnc=";

fn line(email: &str) -> Value {
    json!({ "email": email, "password_hash": HASH })
}

fn write(home: &Home, lines: &[String]) {
    std::fs::write(home.path("users.jsonl"), lines.join("\n")).expect("written");
}

fn emails(home: &Home) -> Vec<String> {
    let users = home.json(&["user", "list", "--json", "--limit", "200"]);
    let users = users["users"].as_array().expect("a list").iter();
    let mut emails: Vec<String> = users.map(|user| text(&user["email"])).collect();
    emails.sort_unstable();
    emails
}

fn login(server: &Server, email: &str, password: &str) -> u16 {
    let body = json!({ "email": email, "password": password });
    server.call("POST", "/api/auth/login", None, Some(&body)).status
}

fn count(home: &Home, sql: &str) -> i64 {
    let db = rusqlite::Connection::open(home.path("keyward-data/keyward.db")).expect("opens");
    db.query_row(sql, [], |row| row.get(0)).expect("a count")
}

fn stored_hash(home: &Home, email: &str) -> String {
    let db = rusqlite::Connection::open(home.path("keyward-data/keyward.db")).expect("opens");
    db.query_row("SELECT password FROM account WHERE email = ?1", [email], |row| row.get(0)).expect("a hash")
}

#[test]
fn everything_that_a_line_says_arrives() {
    let home = Home::new();
    let full = json!({
        "email": "Ada@Example.com", "phone_number": "+4915112345678", "password_hash": OTHER_HASH,
        "roles": ["user", "admin"], "is_active": false, "email_verified": true,
        "created_at": "2019-05-06T07:08:09Z",
    });
    write(&home, &[full.to_string(), line("bob@example.com").to_string()]);
    let out = home.done(&["user", "import", "users.jsonl"]);
    assert_eq!(out, "Of 2 lines 2 were imported, 0 were there already, 0 refused.\n");
    let ada = home.json(&["user", "show", "ada@example.com", "--json"]);
    assert_eq!(ada["phone_number"], "+4915112345678");
    assert_eq!(ada["roles"], json!(["admin", "user"]));
    assert_eq!((&ada["is_active"], &ada["email_verified"]), (&json!(false), &json!(true)));
    assert_eq!(ada["created_at"], "2019-05-06T07:08:09Z");
    let bob = home.json(&["user", "show", "bob@example.com", "--json"]);
    assert_eq!((&bob["roles"], &bob["is_active"]), (&json!(["user"]), &json!(true)));
    assert_eq!((&bob["email_verified"], &bob["phone_number"]), (&json!(false), &Value::Null));
    let events = "SELECT count(*) FROM event WHERE type = 'signup' AND details = '{\"imported\":true}'";
    assert_eq!(count(&home, events), 2);
}

#[test]
fn a_bad_line_is_told_by_its_number_and_skipped() {
    let home = Home::new();
    home.user("there@example.com");
    let long = format!("{{\"email\":\"{}", "x".repeat(70_000));
    let lines = [
        format!("\u{feff}{}\r", line("a@example.com")),
        "{".to_owned(),
        String::new(),
        json!({ "email": "b@example.com", "password_hash": "$2b$31$".to_owned() + &HASH[7..] }).to_string(),
        long,
        json!({ "email": "c@example.com", "password_hash": HASH, "roles": ["user", "root"] }).to_string(),
        line("there@example.com").to_string(),
        json!({ "email": "d@example.com", "password_hash": HASH, "phone_number": "+4915112345678" })
            .to_string(),
        json!({ "email": "e@example.com", "password_hash": HASH, "phone_number": "+4915112345678" })
            .to_string(),
        json!({ "email": "f@example.com", "password_hash": HASH, "created_at": "2999-01-01T00:00:00Z" })
            .to_string(),
        line("a@example.com").to_string(),
        json!({ "email": "a@example.com", "password_hash": OTHER_HASH }).to_string(),
        line("g@example.com").to_string(),
        json!({ "email": "h@example.com", "password_hash": HASH, "roles": (0..17).map(|n| format!("r{n}")).collect::<Vec<_>>() }).to_string(),
    ];
    write(&home, &lines);
    let refusals = [
        (2, "this is not well-formed JSON (column 1)"),
        (
            4,
            "password_hash: of a cost that can't be verified safely; allowed for bcrypt: a cost from 4 to 14",
        ),
        (5, "this is longer than 65536 bytes"),
        (6, "roles: \"root\" is no role; the roles are: admin, user"),
        (7, "email: another account has this e-mail address, with another password"),
        (9, "phone_number: another account has this phone number"),
        (10, "created_at: this lies ahead of now"),
        (12, "email: another account has this e-mail address, with another password"),
        (14, "roles: an account can have 16 roles at most"),
    ];
    let ran = home.run(&["user", "import", "users.jsonl", "--json"]);
    assert_eq!(ran.code, 1);
    let mut told: Vec<&str> = ran.err.lines().collect();
    let last =
        "keyward: 9 of 13 lines were refused; mend them and run this again, what was imported is passed over";
    assert_eq!(told.pop(), Some(last));
    // What can't be read is told before what can't be made of the same batch.
    told.sort_by_key(|told| told.split(':').nth(1).and_then(|n| n.parse::<u32>().ok()));
    let expected: Vec<String> = refusals.iter().map(|(n, why)| format!("users.jsonl:{n}: {why}")).collect();
    assert_eq!(told, expected);
    let outcome: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(
        (&outcome["lines"], &outcome["imported"], &outcome["already_there"], &outcome["refused"]),
        (&json!(13), &json!(3), &json!(1), &json!(9))
    );
    let mut listed: Vec<(u64, String)> = outcome["refusals"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|refusal| (refusal["line"].as_u64().expect("a number"), text(&refusal["message"])))
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, refusals.map(|(n, why)| (n, why.to_owned())));
    assert_eq!(emails(&home), ["a@example.com", "d@example.com", "g@example.com", "there@example.com"]);
}

#[test]
fn strict_imports_all_or_nothing() {
    let home = Home::new();
    let good: Vec<String> = (0..3).map(|n| line(&format!("user{n}@example.com")).to_string()).collect();
    let phone =
        |email: &str| json!({ "email": email, "password_hash": HASH, "phone_number": "+4915112345678" });
    for (bad, said) in [
        (
            vec!["{}".to_owned()],
            "users.jsonl:4: email: this field is missing; password_hash: this field is missing",
        ),
        (
            vec![line("User1@example.com").to_string()],
            "users.jsonl:4: an earlier line has the same e-mail address or phone number",
        ),
        (
            vec![phone("x@example.com").to_string(), phone("y@example.com").to_string()],
            "users.jsonl:5: an earlier line has the same e-mail address or phone number",
        ),
    ] {
        write(&home, &[good.clone(), bad.clone()].concat());
        let ran = home.run(&["user", "import", "--strict", "users.jsonl"]);
        let lines = good.len() + bad.len();
        let last = format!(
            "keyward: nothing was imported, as 1 of {lines} lines were refused; mend them and run this again"
        );
        assert_eq!((ran.code, ran.err), (1, format!("{said}\n{last}\n")));
        assert!(ran.out.contains("0 were imported"), "{}", ran.out);
        assert!(emails(&home).is_empty());
    }
    write(&home, &good);
    home.done(&["user", "import", "--strict", "users.jsonl"]);
    assert_eq!(emails(&home).len(), 3);
    let out = home.done(&["user", "import", "--strict", "users.jsonl"]);
    assert_eq!(out, "Of 3 lines 0 were imported, 3 were there already, 0 refused.\n");
}

#[test]
fn standard_input_is_read_once() {
    let home = Home::new();
    let ran = home.run_with(&["user", "import", "-"], &line("a@example.com").to_string());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(emails(&home), ["a@example.com"]);
    let ran = home.run_with(&["user", "import", "-"], "[]");
    assert!(ran.err.starts_with("standard input:1: this is no JSON object\n"), "{}", ran.err);

    let ran = home.run_with(&["user", "import", "-", "--strict"], &line("b@example.com").to_string());
    assert!(ran.refused(2).contains("save it to a file first"), "{ran:?}");
    let ran = home.run(&["user", "import", "missing.jsonl"]);
    assert!(ran.refused(1).contains("missing.jsonl can't be read"), "{ran:?}");
    let ran = home.run(&["user", "import", "keyward-data"]);
    assert!(ran.refused(1).contains("keyward-data is a folder"), "{ran:?}");
    assert_eq!(emails(&home), ["a@example.com"]);
}

#[test]
fn beside_a_running_server_people_sign_in_at_once_and_are_hashed_anew() {
    let home = Home::new();
    let server = Server::start(&home);
    write(&home, &[line("a@example.com").to_string(), line("b@example.com").to_string()]);
    home.done(&["user", "import", "users.jsonl"]);
    assert_eq!(login(&server, "a@example.com", "S3cret-Passwort"), 401);
    assert_eq!(login(&server, "nobody@example.com", PASSWORD), 401);
    assert_eq!(stored_hash(&home, "a@example.com"), HASH);
    assert_eq!(login(&server, "a@example.com", PASSWORD), 200);
    let today = "$argon2id$v=19$m=8,t=1,p=1$";
    assert!(stored_hash(&home, "a@example.com").starts_with(today));
    assert_eq!(login(&server, "a@example.com", PASSWORD), 200);
    assert_eq!(login(&server, "a@example.com", "S3cret-Passwort"), 401);

    // Broken off, or done twice: what is there is known again, though its hash is another by now.
    let out = home.done(&["user", "import", "users.jsonl"]);
    assert_eq!(out, "Of 2 lines 0 were imported, 2 were there already, 0 refused.\n");
    assert!(stored_hash(&home, "a@example.com").starts_with(today));
    write(&home, &[json!({ "email": "a@example.com", "password_hash": OTHER_HASH }).to_string()]);
    let ran = home.run(&["user", "import", "users.jsonl"]);
    assert!(ran.code == 1 && ran.err.contains("users.jsonl:1: email: another account has"), "{}", ran.err);
    server.stop();
}

#[test]
fn more_lines_than_a_batch_come_in() {
    let home = Home::new();
    let lines: Vec<String> = (0..1_203).map(|n| line(&format!("user{n}@example.com")).to_string()).collect();
    write(&home, &lines);
    let out = home.done(&["user", "import", "users.jsonl"]);
    assert_eq!(out, "Of 1203 lines 1203 were imported, 0 were there already, 0 refused.\n");
    assert_eq!(count(&home, "SELECT count(*) FROM account"), 1_203);
    assert_eq!(count(&home, "SELECT count(*) FROM event WHERE type = 'signup'"), 1_203);
}
