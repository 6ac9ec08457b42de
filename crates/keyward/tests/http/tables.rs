//! Can an application keep its own tables in Keyward's file?

use std::path::Path;
use std::thread;
use std::time::Duration;

use keyward::{Client, UserId};
use rusqlite::Connection;

use crate::support::{ADA, App, settings};

/// Few enough that the one who waits has its turn within a busy time-out, however slow the disk.
const WRITES: usize = 40;

/// A connection of the application's own, as the front page of the documentation says.
fn own_connection(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("opens");
    connection.busy_timeout(Duration::from_secs(60)).expect("a time-out");
    connection.execute_batch("PRAGMA foreign_keys = ON").expect("on");
    connection
}

fn make_table(path: &Path) {
    own_connection(path)
        .execute_batch(
            "CREATE TABLE task (id INTEGER PRIMARY KEY, title TEXT NOT NULL,
                user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE)",
        )
        .expect("made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_write_to_one_file_at_once_and_neither_is_refused() {
    let app = App::in_a_file(settings()).await;
    make_table(&app.path());
    let user: UserId = app.signup(ADA).await.user.parse().expect("an id");
    let path = app.path();
    let tasks = thread::spawn(move || {
        let connection = own_connection(&path);
        for n in 0..WRITES {
            connection.execute_batch("BEGIN IMMEDIATE").expect("its turn");
            let row = (format!("task {n}"), user.as_bytes().to_vec());
            connection.execute("INSERT INTO task (title, user_id) VALUES (?1, ?2)", row).expect("written");
            connection.execute_batch("COMMIT").expect("committed");
        }
    });
    let operator = Client::operator();
    for n in 0..WRITES {
        let permissions = vec![format!("do:{n}")];
        app.keyward.set_role("editor", permissions, &operator).await.expect("written");
    }
    tasks.join().expect("no panic");
    assert_eq!(app.count("task"), WRITES as i64);
    assert_eq!(app.count("event WHERE type = 'role_changed'"), WRITES as i64);
    // It is opened again, with the tables of the application as they are.
    let app = app.restarted().await;
    assert_eq!(app.count("task"), WRITES as i64);
    // Who is deleted takes along what is theirs.
    app.keyward.delete_account(user, &operator).await.expect("deleted");
    assert_eq!(app.count("task"), 0);
}

#[tokio::test]
async fn every_name_that_is_taken_is_told() {
    let app = App::in_a_file(settings()).await;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).expect("a file");
    let (_, told) = page.split_once("These names are taken").expect("a list");
    let (told, _) = told.split_once("```").expect("its end");
    for table in app.tables() {
        assert!(told.contains(&format!("`{table}`")), "{table} is not told");
    }
}
