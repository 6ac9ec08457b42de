//! `GET /client/…`: may a browser run it, keep it, and ask for it again cheaply?

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{App, get};

const MODULES: [&str; 3] = ["keyward.js", "axios.js", "private.js"];

fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client");
    fs::read_to_string(folder.join(name)).expect("a file")
}

/// What is left of a module without its comments and indentation.
fn code(name: &str) -> String {
    let source = file(name);
    let mut parts = source.split("/*");
    let mut text = parts.next().expect("a part").to_owned();
    for part in parts {
        text.push_str(part.split_once("*/").expect("an end").1);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn modules_are_sent_without_their_comments_and_may_be_kept() {
    let app = App::new().await;
    for name in MODULES {
        let path = format!("/client/{name}");
        let reply = app.send(get(&path)).await;
        assert_eq!((reply.status, reply.text()), (200, code(name)), "{name}");
        assert_eq!(reply.all("content-type"), ["text/javascript; charset=utf-8"]);
        assert_eq!(reply.all("cache-control"), ["public, max-age=300"]);
        assert_eq!(reply.all("x-content-type-options"), ["nosniff"]);
        assert!(reply.all("set-cookie").is_empty());
        let etag = reply.one("etag").expect("ETag").to_owned();
        let again = app.send(get(&path).header("if-none-match", &etag)).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(app.send(get(&path).header("if-none-match", "\"x\"")).await.status, 200);
    }
    app.send(get("/client/types.js")).await.refused(404, "not_found");
}

#[tokio::test]
async fn what_a_module_imports_is_served_beside_it() {
    let app = App::new().await;
    for name in MODULES {
        for import in file(name).split(" from './").skip(1) {
            let (target, _) = import.split_once('\'').expect("a name");
            assert_eq!(app.send(get(&format!("/client/{target}"))).await.status, 200, "{name}: {target}");
        }
    }
}

/// A policy that allows nothing but files of this origin must be enough.
#[test]
fn no_module_needs_more_than_a_strict_policy_or_a_newer_language() {
    for name in MODULES {
        let text = file(name);
        for beyond in [
            "eval(",
            "new Function",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "<style",
            "'style'",
            "blob:",
            "data:",
            "new Worker",
            "document.write",
            "http://",
            "https://",
            "unload'",
            "console.",
            "withResolvers",
            "??=",
            "||=",
            "AbortSignal.timeout",
            "AbortSignal.any",
            ".at(",
            "structuredClone",
        ] {
            assert!(!text.contains(beyond), "{name}: {beyond}");
        }
    }
}

/// What a page loads, compressed as a proxy does it. The page's copy of axios is its own affair.
#[test]
fn what_a_page_loads_is_small() {
    let mut gzip = Command::new("gzip")
        .args(["-9", "-n", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip");
    gzip.stdin.take().expect("a pipe").write_all(code("keyward.js").as_bytes()).expect("written");
    let size = gzip.wait_with_output().expect("compressed").stdout.len();
    println!("client/keyward.js: {size} bytes as sent, compressed");
    assert!(size <= 5 << 10, "{size}");
}
