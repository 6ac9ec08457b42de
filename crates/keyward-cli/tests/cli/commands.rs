//! What do the commands take, print and refuse?

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{EMAIL, Home, PASSWORD, Server, text};

#[test]
fn an_account_is_made_listed_and_shown() {
    let home = Home::new();
    let create = ["user", "create", " Ada@Example.com ", "--phone", "+15551234567", "--password-stdin"];
    let ran = home.run_with(&create, PASSWORD);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains(EMAIL) && ran.out.contains("keyward-data/keyward.db"), "{}", ran.out);

    let user = home.json(&["user", "show", EMAIL, "--json"]);
    assert_eq!(user["email"], EMAIL);
    assert_eq!(user["phone_number"], "+15551234567");
    assert_eq!(user["roles"], json!(["user"]));
    assert_eq!((&user["is_active"], &user["email_verified"]), (&json!(true), &json!(false)));
    assert_eq!((&user["last_login_at"], &user["session_count"]), (&Value::Null, &json!(0)));
    let id = text(&user["id"]);
    assert_eq!(home.json(&["user", "show", &id, "--json"]), user);
    assert!(home.done(&["user", "show", EMAIL]).contains(&id));

    for (arguments, part) in [
        (["user", "create", EMAIL, "--password-stdin"].to_vec(), "keyward user show EMAIL"),
        (
            ["user", "create", "b@example.com", "--phone", "+15551234567", "--password-stdin"].to_vec(),
            "phone",
        ),
    ] {
        let ran = home.run_with(&arguments, PASSWORD);
        assert!(ran.refused(1).contains(part), "{ran:?}");
    }
    let ran = home.run(&["user", "show", "bob@example.com"]);
    assert!(ran.refused(1).contains("`keyward user list` shows them"), "{ran:?}");
}

#[test]
fn roles_have_to_be_there() {
    let home = Home::new();
    let create = ["user", "create", EMAIL, "--role", "user", "--role", "admin", "--password-stdin"];
    assert_eq!(home.run_with(&create, PASSWORD).code, 0);
    assert_eq!(home.json(&["user", "show", EMAIL, "--json"])["roles"], json!(["admin", "user"]));
    let ran =
        home.run_with(&["user", "create", "b@example.com", "--role", "root", "--password-stdin"], PASSWORD);
    assert!(ran.refused(1).contains("\"root\" is no role; the roles are: admin, user"), "{ran:?}");
    assert_eq!(home.json(&["user", "list", "--json"])["users"].as_array().map(Vec::len), Some(1));
}

#[test]
fn roles_are_made_listed_and_deleted() {
    let home = Home::new();
    assert_eq!(home.done(&["role", "set", "tas"]), "People of the role tas have no permission.\n");
    home.done(&["role", "set", "tas", "jobs:write", "jobs:read"]);
    let roles = json!({ "roles": [
        { "name": "admin", "permissions": [], "built_in": true },
        { "name": "tas", "permissions": ["jobs:read", "jobs:write"], "built_in": false },
        { "name": "user", "permissions": [], "built_in": true },
    ]});
    assert_eq!(home.json(&["role", "list", "--json"]), roles);
    assert_eq!(
        home.done(&["role", "list"]),
        "ROLE   PERMISSIONS\nadmin\ntas    jobs:read,jobs:write\nuser\n"
    );
    for (arguments, said) in [
        (["role", "set", "Tas"].as_slice(), "name: a role is called by a lower-case letter"),
        (&["role", "set", "tas", "a,b"], "permissions: \"a,b\" can't be a permission"),
        (&["role", "delete", "admin"], "the role \"admin\" is built in and can't be deleted"),
        (&["role", "delete", "gone"], "there is no role \"gone\"; `keyward role list` shows them"),
    ] {
        let ran = home.run(arguments);
        assert!(ran.refused(1).contains(said), "{ran:?}");
    }
    assert_eq!(home.json(&["role", "list", "--json"]), roles);
    home.done(&["role", "delete", "tas"]);
    assert_eq!(home.json(&["role", "list", "--json"])["roles"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_last_administrator_stays() {
    let home = Home::new();
    let create = ["user", "create", EMAIL, "--role", "admin", "--password-stdin"];
    assert_eq!(home.run_with(&create, PASSWORD).code, 0);
    let before = home.json(&["user", "show", EMAIL, "--json"]);
    for arguments in [
        ["user", "deactivate", EMAIL].as_slice(),
        &["user", "roles", EMAIL, "user"],
        &["user", "roles", EMAIL, "--remove", "admin"],
        &["user", "delete", EMAIL, "--yes"],
    ] {
        let ran = home.run(arguments);
        assert!(ran.refused(1).contains("is the last active administrator"), "{ran:?}");
    }
    assert_eq!(home.json(&["user", "show", EMAIL, "--json"]), before);
    let ran = home.run(&["user", "roles", EMAIL, "admin", "gone"]);
    assert!(ran.refused(1).contains("\"gone\" is no role; the roles are: admin, user"), "{ran:?}");
    let ran = home.run(&["user", "deactivate", "nobody@example.com"]);
    assert!(ran.refused(1).contains("`keyward user list` shows them"), "{ran:?}");
    home.user("bob@example.com");
    home.done(&["user", "roles", "bob@example.com", "--add", "admin"]);
    home.done(&["user", "roles", EMAIL, "--remove", "admin"]);
    assert_eq!(home.done(&["user", "roles", EMAIL]), format!("{EMAIL}: no role\n"));
}

#[test]
fn accounts_are_searched_for() {
    let home = Home::new();
    for (email, phone) in [("ada@example.com", "+4915112345678"), ("adam@example.com", "+15551234567")] {
        let create = ["user", "create", email, "--phone", phone, "--password-stdin"];
        assert_eq!(home.run_with(&create, PASSWORD).code, 0);
    }
    home.user("bob@example.com");
    home.done(&["user", "deactivate", "adam@example.com"]);
    let create = ["user", "create", "root@example.com", "--role", "admin", "--password-stdin"];
    assert_eq!(home.run_with(&create, PASSWORD).code, 0);
    let found = |arguments: &[&str]| {
        let mut all = vec!["user", "list", "--json"];
        all.extend(arguments);
        let page = home.json(&all);
        page["users"].as_array().expect("a list").iter().map(|user| text(&user["email"])).collect::<Vec<_>>()
    };
    assert_eq!(found(&["ada"]), ["ada@example.com", "adam@example.com"]);
    assert_eq!(found(&["ada", "--status", "inactive"]), ["adam@example.com"]);
    assert_eq!(found(&["+49"]), ["ada@example.com"]);
    assert_eq!(found(&["--role", "admin"]), ["root@example.com"]);
    assert_eq!(found(&["nobody"]), Vec::<String>::new());
    let ran = home.run(&["user", "list", "ada", "--status", "active", "--limit", "1"]);
    assert!(ran.out.contains("ada@example.com"), "{ran:?}");
    // Where the list goes on, it does so by the command that is told.
    let more = home.run(&["user", "list", "a", "--limit", "1"]);
    let hint = more.err.trim().strip_prefix("more: keyward ").expect("a hint").to_owned();
    let next = home.run(&hint.split(' ').collect::<Vec<_>>());
    assert!(next.out.contains("adam@example.com") && !next.out.contains("ada@"), "{next:?}");
    let ran = home.run(&["user", "list", "--after", "x"]);
    assert!(ran.refused(1).contains("cursor: "), "{ran:?}");
}

#[test]
fn lists_are_paged_and_aligned() {
    let home = Home::new();
    let emails = ["a@example.com", "somebody.else@example.com", "c@example.com"];
    emails.iter().for_each(|email| home.user(email));
    let server = Server::start(&home);
    emails.iter().for_each(|email| drop(server.login(email)));

    for (noun, plural) in [("user", "users"), ("session", "sessions")] {
        let mut seen = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut arguments = vec![noun, "list", "--json", "--limit", "2"];
            if let Some(after) = &after {
                arguments.extend(["--after", after]);
            }
            let page = home.json(&arguments);
            seen.extend(page[plural].as_array().expect("a list").iter().map(|one| text(&one["id"])));
            match page["next_cursor"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => break,
            }
        }
        assert_eq!(seen.len(), 3, "{noun}: {seen:?}");
        assert!(seen.is_sorted());

        let next = text(&home.json(&[noun, "list", "--json", "--limit", "2"])["next_cursor"]);
        let ran = home.run(&[noun, "list", "--limit", "2"]);
        let lines: Vec<&str> = ran.out.lines().collect();
        assert_eq!((ran.code, lines.len()), (0, 3), "{ran:?}");
        assert_eq!(ran.err, format!("more: keyward {noun} list --limit 2 --after {next}\n"));
        let column = lines[0].find(if noun == "user" { "ROLES" } else { "DEVICE" }).expect("a head");
        assert!(
            lines[1..].iter().all(|line| line[..column].ends_with(' ') && !line[column..].starts_with(' '))
        );
    }

    let of_one = home.json(&["session", "list", "c@example.com", "--json"]);
    let sessions = of_one["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["transport"], "bearer");
    assert_eq!(sessions[0]["ip_address"], "127.0.0.1");
    assert_eq!(home.json(&["user", "show", "c@example.com", "--json"])["session_count"], 1);
    home.run(&["session", "list", "nobody@example.com"]).refused(1);
}

#[test]
fn a_password_comes_from_standard_input_alone() {
    let home = Home::new();
    let create = ["user", "create", EMAIL, "--password-stdin"];
    for (password, code, lines) in [
        ("", 2, &["the password is empty"][..]),
        ("\n", 2, &["the password is empty"]),
        ("Correct1\nhorse\n", 2, &["more than one line"]),
        ("kurz", 1, &["8 characters", "upper-case", "a digit"]),
        (&format!("Aa1{}", "x".repeat(200)), 1, &["at most 128 characters"]),
    ] {
        for command in [&create, &["admin", "upsert", EMAIL, "--password-stdin"]] {
            let ran = home.run_with(command, password);
            assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{ran:?}");
            assert_eq!(ran.err.lines().count(), lines.len(), "{ran:?}");
            for (line, part) in ran.err.lines().zip(lines) {
                assert!(line.starts_with("keyward: ") && line.contains(part), "{ran:?}");
            }
            assert!(!ran.err.contains("kurz"), "{ran:?}");
        }
    }
    // There is nobody to ask.
    let ran = home.run(&["user", "create", EMAIL]);
    assert!(ran.refused(2).contains("--password-stdin"), "{ran:?}");
    assert_eq!(home.run(&["user", "create", EMAIL, "--password", PASSWORD]).code, 2);
    assert_eq!(home.run(&["user", "create", EMAIL, PASSWORD]).code, 2);
    assert_eq!(home.json(&["user", "list", "--json"])["users"], json!([]));

    // One line break is not of the password, all else is.
    assert_eq!(home.run_with(&create, " Correct1horse \r\n").code, 0);
    let server = Server::start(&home);
    for (password, status) in [(" Correct1horse ", 200), (PASSWORD, 401)] {
        let body = json!({ "email": EMAIL, "password": password });
        assert_eq!(server.call("POST", "/api/auth/login", None, Some(&body)).status, status);
    }
}

#[test]
fn everybody_is_signed_out_only_where_that_is_meant() {
    let home = Home::new();
    home.user(EMAIL);
    let server = Server::start(&home);
    let token = text(&server.login(EMAIL)["token"]);
    let ran = home.run(&["session", "revoke", "--all"]);
    assert!(ran.refused(2).contains("add --yes"), "{ran:?}");
    for wrong in [
        &["session", "revoke"][..],
        &["session", "revoke", "--yes"],
        &["session", "revoke", "--all", "--user", EMAIL],
        &["session", "revoke", "not-an-id"],
    ] {
        assert_eq!(home.run(wrong).code, 2, "{wrong:?}");
    }
    let unknown = "01a1fe93-7490-7784-8357-68847a602f4d";
    let ran = home.run(&["session", "revoke", unknown]);
    assert!(ran.refused(1).contains("`keyward session list` shows them"), "{ran:?}");
    assert_eq!(server.verdict(&token), "200");
}

#[test]
fn a_key_that_is_not_there_can_not_be_revoked() {
    let home = Home::new();
    home.done(&["migrate"]);
    let hyphened =
        ["-tcXQ2vT0dY1hRkUu7lqS3mNf8oGzE5wBpJxI4aKZ9M", "--cXQ2vT0dY1hRkUu7lqS3mNf8oGzE5wBpJxI4aKZ9Mh"];
    for key in [&["nope"][..], &hyphened].concat() {
        let ran = home.run(&["key", "revoke", key]);
        assert!(ran.refused(1).contains("`keyward key list` shows them"), "{ran:?}");
    }
    let ran = home.run(&["key", "revoke", "--refresh", "--yes", "-1"]);
    assert!(ran.refused(2).contains("those have numbers"), "{ran:?}");
    let keys = home.json(&["key", "list", "--json"]);
    let mut states: Vec<_> =
        keys["keys"].as_array().expect("a list").iter().map(|k| text(&k["state"])).collect();
    states.sort();
    assert_eq!(states, ["active", "next"]);
    assert!(home.done(&["key", "list"]).starts_with("KID "));
}

#[test]
fn the_configuration_is_shown_and_explained() {
    let home = Home::new().with("TOKENS__AUDIENCE", "jobs").with("KEYS__MASTER_KEY", &"A".repeat(43));
    assert_eq!(home.run(&["config", "show"]).code, 2, "42 or 44 characters are base64 of 32 bytes");
    let home = home.with("KEYS__MASTER_KEY", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=");
    let shown = home.done(&["config", "show"]);
    assert!(shown.contains("audience = \"jobs\"  # KEYWARD_TOKENS__AUDIENCE\n"), "{shown}");
    assert!(shown.contains("master_key = \"***\"") && !shown.contains("QUFB"), "{shown}");
    let shown = home.json(&["config", "show", "--json"]);
    assert_eq!(shown["tokens"]["audience"]["value"], "jobs");
    assert_eq!(home.json(&["config", "schema"])["title"], "Keyward configuration");
    let default = home.done(&["config", "default"]);
    assert_eq!(default, include_str!("../../keyward.default.toml"));
    std::fs::write(home.path("keyward.toml"), default).expect("written");
    assert_eq!(home.done(&["config", "check"]), "The configuration is in order.\n");
    std::fs::remove_file(home.path("keyward.toml")).expect("removed");
    assert!(home.snapshot().is_empty(), "asking makes nothing");
}

#[test]
fn shells_complete_it() {
    let home = Home::new();
    for (shell, part) in
        [("bash", "complete -F _keyward"), ("zsh", "#compdef keyward"), ("fish", "complete -c keyward")]
    {
        assert!(home.done(&["completions", shell]).contains(part), "{shell}");
    }
    assert_eq!(home.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn a_verb_that_is_not_there_is_guessed() {
    let home = Home::new();
    for (arguments, meant) in [(&["sesion", "list"][..], "session"), (&["user", "lst"], "list")] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("similar") && ran.err.contains(&format!("'{meant}'")), "{ran:?}");
    }
    assert_eq!(home.run(&["user"]).code, 2);
    assert_eq!(home.done(&["--version"]), format!("keyward {}\n", env!("CARGO_PKG_VERSION")));
    assert!(home.done(&["user", "create", "--help"]).contains("--password-stdin"));
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let home = Home::new();
    home.user(EMAIL);
    for arguments in [&["user", "list"][..], &["config", "default"], &["completions", "bash"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let child = home.command(arguments).stdout(writer).spawn().expect("it runs");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("there is one");
    let output = home.command(&["user", "list"]).stdout(Stdio::from(full)).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).starts_with("keyward: standard output can't be written: ")
    );
}

#[test]
fn a_service_key_is_printed_once_and_listed_without() {
    let home = Home::new();
    home.user(EMAIL);
    let made = home.run(&["service-key", "create", "billing", "--scope", "revoke,introspect"]);
    assert_eq!((made.code, made.out.lines().count()), (0, 1), "{made:?}");
    assert!(made.out.starts_with("kws_"), "a script gets the key alone: {made:?}");
    assert_eq!(made.err, "\"billing\" is good for introspect, revoke. Keep it: it is not shown again.\n");
    let create = ["service-key", "create", "ci", "--scope", "admin", "--scope", "admin:read", "--json"];
    let json = home.json(&create);
    assert!(text(&json["key"]).starts_with("kws_"));
    assert_eq!(json["scopes"], json!(["admin:read", "admin"]));
    let bare = home.run(&["service-key", "create", "bare"]);
    assert!(bare.err.contains("good for nothing"), "no scope by default: {bare:?}");

    let keys = home.json(&["service-key", "list", "--json"]);
    let names: Vec<String> =
        keys["service_keys"].as_array().expect("a list").iter().map(|key| text(&key["name"])).collect();
    assert_eq!(names, ["bare", "ci", "billing"], "those never used: the newest first");
    let listed = home.done(&["service-key", "list"]) + &keys.to_string();
    assert!(!listed.contains("kws_") && !listed.contains(made.out.trim()));

    for (arguments, code, part) in [
        (&["create", "billing"][..], 1, "name: another service key has this name"),
        (&["create", "a\tb"], 1, "name: this has to be 1 to 64 letters"),
        (&["revoke", "nobody"], 1, "`keyward service-key list` shows them"),
        (&["revoke", "-nobody"], 1, "`keyward service-key list` shows them"),
    ] {
        let ran = home.run(&[&["service-key"], arguments].concat());
        assert!(ran.refused(code).contains(part), "{ran:?}");
    }
    let ran = home.run(&["service-key", "create", "x", "--scope", "root"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("introspect, revoke, revocations, admin:read, admin"), "{ran:?}");

    assert_eq!(home.done(&["service-key", "revoke", "billing"]), "\"billing\" is revoked.\n");
    home.done(&["service-key", "revoke", &text(&json["id"])]);
    assert_eq!(
        home.json(&["service-key", "list", "--json"])["service_keys"].as_array().map(Vec::len),
        Some(1)
    );
    let elsewhere = Home::new();
    elsewhere.run(&["service-key", "list"]).refused(1);
}
