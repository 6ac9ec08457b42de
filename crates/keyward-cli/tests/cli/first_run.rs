//! What does one see and get at the first start, and at the next?

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{EMAIL, Home, PASSWORD, Server, text, until};

#[test]
fn the_first_start_says_where_it_is_and_how_to_go_on() {
    let home = Home::new().with("TOKENS__ALGORITHM", "RS256");
    let mut server = Server::start(&home);
    let url = format!("http://{}", server.address());
    assert_eq!(server.get("/healthz").status, 200, "it listens before it says so");
    assert_eq!(server.line_with("  URL").split_whitespace().last(), Some(url.as_str()));
    assert!(server.line_with("  Data").ends_with("keyward-data/keyward.db"));
    assert!(server.line_with("  Master key").ends_with("keyward-data/master.key"));
    let link = server.line_with("/setup?token=");
    let path = link.trim().strip_prefix(&url).expect("the origin is where it listens").to_owned();
    assert_eq!(server.line_with("admin upsert").trim(), "keyward admin upsert you@example.com");
    let page = server.get(&path);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("autocomplete=\"new-password\""), "{}", page.text);
    assert!(server.get("/setup").text.contains("keyward admin upsert"), "who lost the link");
    assert_eq!(server.get("/setup?token=00000000000000000000000000000000").status, 404);

    let ran = home.run_with(&["admin", "upsert", EMAIL, "--password-stdin"], &format!("{PASSWORD}\n"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with(&format!("{EMAIL} (")), "{}", ran.out);
    assert_eq!(server.get(&path).status, 404, "the link dies with the first administrator");
    let session = server.login(EMAIL);
    assert_eq!(session["roles"], serde_json::json!(["admin", "user"]));

    server.stop();
    let printed = Server::start(&home).stop();
    assert!(printed.contains("keyward-data/keyward.db") && !printed.contains("setup"), "{printed}");
}

#[test]
fn what_it_makes_is_for_its_owner_alone() {
    let home = Home::new();
    let server = Server::start(&home);
    let mode = |name: &str| {
        let metadata = std::fs::metadata(home.path(name)).expect(name);
        metadata.permissions().mode() & 0o7777
    };
    assert_eq!(mode("keyward-data"), 0o700);
    for entry in std::fs::read_dir(home.path("keyward-data")).expect("a folder") {
        let entry = entry.expect("an entry");
        assert_eq!(entry.metadata().expect("a file").permissions().mode() & 0o7777, 0o600, "{entry:?}");
    }
    server.stop();
    let mut names: Vec<_> = std::fs::read_dir(home.path("keyward-data"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    // The write-ahead log is folded in: the file alone is the whole of the data.
    assert_eq!(names, ["keyward.db", "keyward.db.lock", "master.key"]);
}

#[test]
fn a_folder_that_was_there_keeps_its_mode() {
    let home = Home::new().with("DATABASE__URL", "sqlite://keyward.db");
    std::fs::set_permissions(home.path("."), std::fs::Permissions::from_mode(0o755)).expect("set");
    Server::start(&home).stop();
    assert_eq!(std::fs::metadata(home.path(".")).expect("a folder").permissions().mode() & 0o7777, 0o755);
    assert!(home.path("master.key").exists());
}

#[test]
fn the_file_it_was_given_is_in_the_hint() {
    let home = Home::new();
    std::fs::write(home.path("mine.toml"), "[server]\npublic_url = \"http://localhost:3000\"\n")
        .expect("written");
    let serve = home.command(&["--config", "mine.toml"]).spawn().expect("it runs");
    let mut server = Server::of(serve);
    assert_eq!(server.line_with("  URL").split_whitespace().last(), Some("http://localhost:3000"));
    assert!(server.line_with("/setup?token=").contains("http://localhost:3000/setup?token="));
    let hint = server.line_with("admin upsert");
    assert_eq!(hint.trim(), "keyward --config mine.toml admin upsert you@example.com");
}

#[test]
fn no_link_leads_to_where_one_only_listens() {
    let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    let home = Home::new().with("SERVER__LISTEN", "0.0.0.0:0").with("KEYS__MASTER_KEY", key);
    let mut server = Server::start(&home);
    let port = server.address().strip_prefix("0.0.0.0:").expect("everywhere").to_owned();
    let link = server.line_with("/setup?token=");
    assert!(link.trim().starts_with(&format!("http://127.0.0.1:{port}/setup?token=")), "{link}");
    assert!(!home.path("keyward-data/master.key").exists());
    server.stop();
}

#[test]
fn nobody_has_to_read_what_it_prints() {
    let home = Home::new().with("SERVER__PUBLIC_URL", "http://localhost:3000");
    let mut child = home.command(&["serve"]).spawn().expect("it runs");
    drop(child.stdout.take());
    // It logs this once it holds the database, and before it prints anything.
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    assert!(log.any(|line| line.expect("UTF-8").contains("plain HTTP at ")), "it starts");
    assert!(home.run(&["serve"]).err.contains("another `keyward serve`"));
    home.user(EMAIL);
    assert!(child.try_wait().expect("asked").is_none(), "it still serves");
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn the_log_is_for_people_or_machines() {
    let home = Home::new().with("LOG__FORMAT", "json");
    let server = Server::start(&home);
    server.signal("TERM");
    let (_, _, log) = server.end();
    let first: serde_json::Value = serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["level"], "WARN");
    assert!(text(&first["message"]).starts_with("plain HTTP at "), "{first}");
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");

    let server = Server::start(&Home::new().with("LOG__LEVEL", "error"));
    server.signal("INT");
    assert_eq!(server.end().2, "");
}

/// Starts it at a terminal, as `script` makes one, where a browser notes what it is asked to show.
fn at_a_terminal(home: &Home, variables: &[(&str, &str)]) -> std::process::Child {
    let opener = home.path("xdg-open");
    std::fs::write(&opener, "#!/bin/sh\necho \"$1\" >> \"$OPENED\"\n").expect("written");
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).expect("set");
    let plain = home.command(&[]);
    let mut script = Command::new("/usr/bin/script");
    script.args(["-qefc", concat!("exec ", env!("CARGO_BIN_EXE_keyward"))]).arg(home.path("seen"));
    script.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script.env("PATH", format!("{}:/usr/bin:/bin", home.path(".").display())).env("SHELL", "/bin/sh");
    script.env("OPENED", home.path("opened")).envs(variables.iter().copied());
    script.current_dir(home.path(".")).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    script.spawn().expect("script is there")
}

/// Ends what runs at a terminal as people do, by Ctrl-C.
fn interrupted(mut terminal: std::process::Child) {
    let mut keys = terminal.stdin.take().expect("piped");
    keys.write_all(b"\x03").expect("typed");
    assert!(terminal.wait().expect("it ends").success());
}

#[test]
fn the_link_is_opened_where_somebody_sits_at_a_desktop() {
    let home = Home::new();
    let read = |name: &str| std::fs::read_to_string(home.path(name)).unwrap_or_default();
    let printed = || read("seen").contains("admin upsert");
    let minute = Duration::from_secs(60);
    let started = at_a_terminal(&home, &[("DISPLAY", ":0")]);
    until(minute, "the browser is opened", || read("opened").contains('\n'));
    until(minute, "the link is printed, too", printed);
    let opened = read("opened").trim().to_owned();
    assert!(opened.starts_with("http://127.0.0.1:") && opened.contains("/setup?token="), "{opened}");
    assert!(read("seen").contains(&opened), "{opened}");
    interrupted(started);
    // Neither without a display nor from afar.
    for variables in [&[][..], &[("DISPLAY", ":0"), ("SSH_CONNECTION", "203.0.113.7 1 203.0.113.8 22")][..]] {
        let home = Home::new();
        let started = at_a_terminal(&home, variables);
        let seen = || std::fs::read_to_string(home.path("seen")).unwrap_or_default();
        until(minute, "the link is printed", || seen().contains("admin upsert"));
        until(minute, "it serves", || {
            let address = seen()
                .split("Listens on")
                .nth(1)
                .and_then(|rest| Some(rest.split_whitespace().next()?.to_owned()));
            address.is_some_and(|address| std::net::TcpStream::connect(address).is_ok())
        });
        assert!(!home.path("opened").exists());
        interrupted(started);
    }
}
