//! Do the rings hold? `cli → keyward → keyward-core`; inside the library `http → flow → {store, core}`
//! and `store → core`.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files below a folder, with what they say up to their tests.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_product(&path) {
                let text = fs::read_to_string(&path).expect("a file");
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
                all.push((path.strip_prefix(root()).unwrap_or(&path).display().to_string(), code));
            }
        }
    }
    assert!(!all.is_empty(), "{folder} is where it was");
    all
}

/// Whether this is a file of the product, not one of tests alone.
fn is_product(path: &Path) -> bool {
    const TESTS: [&str; 5] = ["tests", "attacks", "vectors", "fixture", "contract"];
    let named = |name: &str| {
        path.file_stem().is_some_and(|stem| stem == name) || path.components().any(|c| c.as_os_str() == name)
    };
    path.extension().is_some_and(|extension| extension == "rs") && !TESTS.into_iter().any(named)
}

#[track_caller]
fn never(folder: &str, words: &[&str]) {
    for (file, code) in sources(folder) {
        for word in words {
            assert!(!code.contains(word), "{file} has {word}");
        }
    }
}

#[test]
fn the_rules_know_no_io_no_clock_and_no_randomness() {
    never(
        "crates/keyward-core/src",
        &[
            "std::fs",
            "TcpStream",
            "UdpSocket",
            "std::env::var",
            "std::thread",
            "SystemTime",
            "Instant",
            "async fn",
        ],
    );
    let manifest = fs::read_to_string(root().join("crates/keyward-core/Cargo.toml")).expect("a manifest");
    let dependencies = manifest.split("[dependencies]").nth(1).and_then(|rest| rest.split("\n[").next());
    let lines = dependencies.expect("dependencies").lines();
    let names: Vec<&str> =
        lines.filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|n| !n.is_empty()).collect();
    assert_eq!(
        names,
        [
            "argon2",
            "aws-lc-rs",
            "base64",
            "bcrypt",
            "email_address",
            "scrypt",
            "serde",
            "serde_json",
            "time",
            "uuid",
            "zeroize"
        ]
    );
}

#[test]
fn use_cases_know_no_http() {
    never("crates/keyward/src/flow", &["crate::http", "axum", "http::", "rusqlite"]);
    let beside = [
        "access",
        "background",
        "builder",
        "client",
        "edge",
        "engine",
        "error",
        "feed",
        "feed/listeners",
        "hashing",
        "notes",
        "session",
        "subscription",
        "tally",
        "throttle",
    ];
    for file in beside {
        let path = root().join("crates/keyward/src").join(file).with_extension("rs");
        let text = fs::read_to_string(path).expect("a file");
        // An example in a description may well show it in an application.
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        assert!(!code.contains("crate::http") && !code.contains("axum"), "{file} reaches up to HTTP");
    }
}

#[test]
fn a_store_knows_nothing_above_it() {
    never(
        "crates/keyward/src/store",
        &["crate::http", "crate::flow", "crate::engine", "crate::access", "axum"],
    );
}

#[test]
fn http_reaches_the_store_through_use_cases() {
    never("crates/keyward/src/http", &["crate::store", "engine.store", "rusqlite", "Change::", "Write::"]);
}

#[test]
fn the_binary_asks_the_library_alone() {
    never("crates/keyward-cli/src", &["keyward_core::", "rusqlite", "axum"]);
}

#[test]
fn time_and_randomness_have_one_door() {
    for (file, code) in sources("crates/keyward/src") {
        let door = file.ends_with("clock.rs");
        for word in ["SystemTime::now", "Instant::now", "clock_gettime", "SystemRandom", "rand::fill"] {
            assert!(door || !code.contains(word), "{file} has {word}");
        }
    }
}
