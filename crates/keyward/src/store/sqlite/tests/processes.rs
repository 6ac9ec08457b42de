//! What do processes do to one another that work on one file?
//!
//! A process is this test binary, run again for one test with a variable that tells it what to do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keyward_core::change::{Change, Write};
use keyward_core::time::Timestamp;
use rusqlite::Connection;

use super::Folder;
use super::files::{open_patiently, schemas};
use crate::store::sqlite::migrate::steps;
use crate::store::sqlite::{OpenError, Sqlite};
use crate::store::{NotCommitted, Store as _};

const FILE: &str = "KEYWARD_TEST_FILE";
/// What it does with it: `serve`, work `beside`, or `reorganize` it.
const AS: &str = "KEYWARD_TEST_AS";

/// What the other process does: it opens the file, tells so, and closes it when its input ends.
#[tokio::test]
async fn another_process() {
    let Ok(path) = std::env::var(FILE) else { return };
    let role = std::env::var(AS).expect("what to do");
    if role == "reorganize" {
        let connection = Connection::open(path).expect("it opens");
        let mode = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0));
        return say(&mode.unwrap_or_else(|e| e.to_string()));
    }
    let told = match open_patiently(Path::new(&path), role == "serve") {
        Ok(store) => {
            let write = Write::AddMacKey { id: 1, sealed: vec![1], created_at: Timestamp::default() };
            let told = match store.commit(Change::of([write])).await {
                Ok(_) => "first".to_owned(),
                Err(NotCommitted::Conflict(_)) => "later".to_owned(),
                Err(fault) => fault.to_string(),
            };
            say(&told);
            std::io::stdin().read_to_end(&mut Vec::new()).expect("its input ends");
            "closed".to_owned()
        }
        Err(error) => error.to_string(),
    };
    say(&told);
}

fn say(text: &str) {
    writeln!(std::io::stderr().lock(), "said: {text}").expect("somebody listens");
}

struct Another {
    process: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Another {
    fn start(path: &Path, role: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        let name = concat!(module_path!(), "::another_process");
        let name = name.split_once("::").map_or(name, |(_, name)| name);
        command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(FILE, path).env(AS, role);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("it runs");
        let said = BufReader::new(process.stderr.take().expect("piped"));
        Self { process, said }
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        while self.said.read_line(&mut line).expect("text") > 0 {
            if let Some(said) = line.trim_end().strip_prefix("said: ") {
                return said.to_owned();
            }
            line.clear();
        }
        panic!("it ended without a word")
    }

    fn close(mut self) {
        drop(self.process.stdin.take());
        assert_eq!(self.says(), "closed");
        assert!(self.process.wait().expect("it ends").success());
    }

    fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

#[test]
fn first_opens_of_processes_make_one_schema() {
    for _ in 0..5 {
        let folder = Folder::new();
        let mut all: Vec<_> = (0..8).map(|_| Another::start(&folder.file(), "beside")).collect();
        let mut said: Vec<_> = all.iter_mut().map(Another::says).collect();
        said.sort_unstable();
        assert_eq!(said[0], "first", "{said:?}");
        assert!(said[1..].iter().all(|said| said == "later"), "{said:?}");
        assert_eq!(schemas(&folder.raw()), steps());
        all.into_iter().for_each(Another::close);
    }
}

#[test]
fn who_serves_lets_go_when_it_is_killed() {
    let folder = Folder::new();
    let mut serving = Another::start(&folder.file(), "serve");
    assert_eq!(serving.says(), "first");
    let mut second = Another::start(&folder.file(), "serve");
    assert!(second.says().contains("another `keyward serve` is running"));
    second.process.wait().expect("it ends");
    let refused = Sqlite::open(&folder.file(), true, Timestamp::default());
    assert!(matches!(refused, Err(OpenError::Served(_))));
    let mut beside = Another::start(&folder.file(), "beside");
    assert_eq!(beside.says(), "later");
    serving.kill();
    Sqlite::open(&folder.file(), true, Timestamp::default()).expect("nobody serves any more");
    beside.close();
}

/// A process loses all its locks on a file with any handle on it that it closes: one that opens it
/// twice must not be taken for gone.
#[tokio::test]
async fn who_opens_it_twice_is_still_there() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file(), true, Timestamp::default()).expect("new");
    for serve in [true, false] {
        drop(Sqlite::open(&folder.file(), serve, Timestamp::default()));
    }
    let mut other = Another::start(&folder.file(), "reorganize");
    assert_eq!(other.says(), "database is locked");
    other.process.wait().expect("it ends");
    let mut other = Another::start(&folder.file(), "beside");
    assert_eq!(other.says(), "first");
    other.close();
    let write = Write::AddMacKey { id: 2, sealed: vec![2], created_at: Timestamp::default() };
    store.commit(Change::of([write])).await.expect("free");
    assert_eq!(store.mac_keys().await.expect("readable").len(), 2);
}
