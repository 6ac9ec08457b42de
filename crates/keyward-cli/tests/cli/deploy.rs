//! Does what `deploy/` sets exist, and does it go together with the defaults?

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use keyward::core::duration;

use crate::support::Home;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn file(name: &str) -> String {
    fs::read_to_string(folder().join(name)).expect(name)
}

/// Every file below `deploy/`.
fn files(of: &Path, all: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(of).expect("a folder") {
        let path = entry.expect("an entry").path();
        // What the script there makes is nobody's to read.
        match path.is_dir() {
            true if path.ends_with("secrets.d") => {}
            true => files(&path, all),
            false => {
                let text = fs::read_to_string(&path).expect("text");
                all.push((path, text));
            }
        }
    }
}

/// The variables that there are: those of the default file, and of the `_FILE` twins it tells of.
fn variables() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let mut twin = false;
    for line in Home::new().done(&["config", "default"]).lines() {
        let Some(comment) = line.strip_prefix("# ") else { continue };
        twin |= comment.ends_with("_file.");
        if comment.starts_with("KEYWARD_") && !comment.contains(' ') {
            if twin {
                known.insert(format!("{comment}_FILE"));
            }
            known.insert(comment.to_owned());
            twin = false;
        }
    }
    known
}

/// What stands for a duration after this in the file of defaults, or in another.
fn length(text: &str, before: &str) -> std::time::Duration {
    let rest = text.split(before).nth(1).unwrap_or_else(|| panic!("{before} is not there"));
    let word: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    duration::parse(&word).unwrap_or_else(|_| panic!("{before}{word}"))
}

#[test]
fn every_variable_that_is_set_is_one() {
    let known = variables();
    assert!(known.contains("KEYWARD_KEYS__MASTER_KEY_FILE") && known.contains("KEYWARD_SERVER__LISTEN"));
    assert!(!known.contains("KEYWARD_SERVER__LISTEN_FILE"));
    let mut all = Vec::new();
    files(&folder(), &mut all);
    let mut seen = 0;
    for (path, text) in all {
        for word in text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')) {
            if word.starts_with("KEYWARD_") && word.contains("__") {
                assert!(known.contains(word), "{}: {word}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_units_configuration_is_in_order() {
    let home = Home::new();
    fs::write(home.path("keyward.toml"), file("systemd/keyward.toml")).expect("written");
    let key = home.path("master_key");
    fs::write(&key, "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n").expect("written");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o400)).expect("its mode");
    let home = home.with("KEYS__MASTER_KEY_FILE", key.to_str().expect("text"));
    assert_eq!(home.done(&["config", "check"]), "The configuration is in order.\n");
}

/// Runs `keyward-beside` as the unit does, with what is in a folder of secrets.
fn handed_in(home: &Home, secrets: &[(&str, &str)], arguments: &[&str]) -> std::process::Output {
    let credentials = home.path("credentials");
    fs::create_dir(&credentials).expect("made");
    for (name, value) in secrets {
        let path = credentials.join(format!("keyward_{name}"));
        fs::write(&path, format!("{value}\n")).expect("written");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o400)).expect("its mode");
    }
    let script = file("systemd/keyward-beside");
    assert_eq!(script.matches("/usr/local/bin/keyward --config /etc/keyward/keyward.toml").count(), 1);
    let script = script
        .replace("/usr/local/bin/keyward", env!("CARGO_BIN_EXE_keyward"))
        .replace("/etc/keyward/keyward.toml", home.path("keyward.toml").to_str().expect("text"));
    fs::write(home.path("beside"), script).expect("written");
    let mut shell = std::process::Command::new("sh");
    shell.arg(home.path("beside")).arg("--handed-in").args(arguments).current_dir(home.path("")).env_clear();
    shell.env("CREDENTIALS_DIRECTORY", &credentials).output().expect("a shell")
}

#[test]
fn every_secret_is_handed_in() {
    const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    let secrets = [
        ("master_key", KEY),
        ("previous_master_key", "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="),
        ("database_url", "postgres://keyward@db.example.com/keyward"),
        ("direct_url", "postgres://keyward@direct.example.com/keyward"),
        ("redis_urls", "rediss://a.example.com,rediss://b.example.com"),
        ("smtp_url", "smtps://mail.example.com"),
        ("hs256_secret", "3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLdGoWeA7iB9y0="),
    ];
    // Every one that can have a file of its own.
    assert_eq!(variables().iter().filter(|name| name.ends_with("_FILE")).count(), secrets.len());
    let home = Home::new();
    fs::write(home.path("keyward.toml"), "[server]\npublic_url = \"https://auth.example.com\"\n")
        .expect("written");
    let ran = handed_in(&home, &secrets, &["config", "show", "--json"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let shown = String::from_utf8(ran.stdout).expect("text");
    for (name, _) in secrets {
        assert!(
            shown.contains(&format!("/credentials/keyward_{name}, named by KEYWARD_")),
            "{name}: {shown}"
        );
    }
    // What is not there is no secret.
    let home = Home::new();
    fs::write(home.path("keyward.toml"), file("systemd/keyward.toml")).expect("written");
    let ran = handed_in(&home, &[("master_key", KEY)], &["config", "check"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    // As the unit has it, and commands.
    assert!(file("systemd/keyward.service").contains("\nLoadCredential=keyward:/etc/keyward\n"));
    assert!(
        file("systemd/keyward.service")
            .contains("\nExecStart=/usr/local/bin/keyward-beside --handed-in serve\n")
    );
    assert!(file("systemd/keyward-beside").contains("--property=LoadCredential=keyward:/etc/keyward "));
}

/// What the image sets and what the set of containers sets over it, as a container of it has them.
fn in_a_container() -> Vec<(String, String)> {
    let image = file("container/Dockerfile");
    let image = image.lines().filter_map(|line| {
        let pair = line.trim_start_matches("ENV ").trim().trim_end_matches(" \\");
        pair.starts_with("KEYWARD_").then(|| pair.split_once('=')).flatten()
    });
    let compose = file("container/compose.yaml");
    let compose = compose.lines().filter_map(|line| {
        line.strip_prefix("    ").filter(|pair| pair.starts_with("KEYWARD_"))?.split_once(": ")
    });
    image.chain(compose).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn what_the_image_and_the_set_of_containers_say_goes_together() {
    let home = Home::new();
    let script = home.path("secrets");
    fs::copy(folder().join("container/secrets"), &script).expect("copied");
    let made = std::process::Command::new("bash").arg(&script).status();
    assert!(made.expect("bash").success());
    let variables = in_a_container();
    let count = |of: &str| variables.iter().filter(|(name, _)| name.starts_with(of)).count();
    assert!(count("KEYWARD_SERVER__LISTEN") == 1 && count("KEYWARD_DATABASE__URL") == 1, "{variables:?}");
    let home = variables.iter().fold(home, |home, (name, value)| {
        let Some(secret) = value.strip_prefix("/run/secrets/") else {
            return home.with_variable(name, value);
        };
        let path = home.path("secrets.d").join(secret);
        // Where Docker puts it the modes of others don't matter.
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o400)).expect("its mode");
        home.with_variable(name, path.to_str().expect("text"))
    });
    assert_eq!(home.done(&["config", "check"]), "The configuration is in order.\n");
}

#[test]
fn a_stop_takes_no_longer_than_it_may() {
    let grace = length(&Home::new().done(&["config", "default"]), "\nshutdown_grace = \"");
    assert!(length(&file("systemd/keyward.service"), "\nTimeoutStopSec=") > grace);
    // An image can't say how long it may take, so it takes less than Docker gives where nobody says.
    let image = length(&file("container/Dockerfile"), "KEYWARD_SERVER__SHUTDOWN_GRACE=");
    assert!(image < std::time::Duration::from_secs(10));
    assert!(length(&file("container/compose.yaml"), "\n  stop_grace_period: ") > image);
}

/// nginx asks for a name once: a service that it sends to must keep its address when it is made anew.
#[test]
fn what_nginx_sends_to_has_an_address_of_its_own() {
    let compose = file("container/compose.yaml");
    let network = compose.split("config: [{ subnet: ").nth(1).expect("a subnet");
    let (subnet, others) = network.split_once(", ip_range: ").expect("a range for the others");
    let network = |text: &str| text.split(" }").next().expect("a network").parse::<IpNet>().expect("one");
    let (subnet, others) = (network(subnet), network(others));
    let mut taken = BTreeSet::new();
    for server in file("container/nginx.sed").split("server ").skip(1) {
        // What stands in the example is no name: its dots are escaped.
        let Some((name, _)) = server.split_once(':').filter(|(name, _)| !name.contains('\\')) else {
            continue;
        };
        let service = compose.split(&format!("\n  {name}:\n")).nth(1).unwrap_or_else(|| panic!("no {name}"));
        let service = service.split("\n\n").next().expect("a service");
        let address = service.split("front: { ipv4_address: ").nth(1).expect(name);
        let address: IpAddr = address.split(' ').next().expect(name).parse().expect(name);
        assert!(subnet.contains(&address) && !others.contains(&address), "{name}: {address}");
        assert!(taken.insert(address), "{address} is taken twice");
    }
    assert_eq!(taken.len(), 3);
}

/// The example for nginx is not copied but changed: each change has to find its line there.
#[test]
fn the_example_for_nginx_has_the_lines_that_are_changed() {
    let example = fs::read_to_string(folder().join("../examples/nginx/keyward.conf")).expect("the example");
    let script = file("container/nginx.sed");
    let changes: Vec<&str> = script.lines().filter(|line| line.starts_with("s/")).collect();
    assert_eq!(changes.len(), 3);
    for change in changes {
        let line = change.split('/').nth(1).expect("a pattern").replace("\\.", ".");
        assert_eq!(example.matches(&line).count(), 1, "{line}");
    }
}
