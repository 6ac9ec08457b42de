//! Which files are opened, which refused, and is a refused one as it was?

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::Folder;
use crate::store::sqlite::file::{check_library, connect, share};
use crate::store::sqlite::migrate::{known, steps};
use crate::store::sqlite::{OpenError, Patience, Sqlite};
use crate::store::{NotCommitted, Store as _};

/// Longer than anything takes, on a machine that has much to do.
const LONG: Duration = Duration::from_secs(60);

fn open(path: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(path, false, Timestamp::default())
}

/// The same for one whose turn may be the last of many.
pub(super) fn open_patiently(path: &Path, serve: bool) -> Result<Sqlite, OpenError> {
    let patience = Patience { busy: LONG, ..Patience::default() };
    Sqlite::open_with(path, serve, Timestamp::default(), patience)
}

fn refusal(path: &Path) -> OpenError {
    let Err(error) = Sqlite::open(path, true, Timestamp::default()) else { panic!("{path:?} opened") };
    error
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

/// Every file of a folder: its mode and what stands in it.
fn contents(folder: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file"));
    files
        .map(|file| {
            let name = file.file_name().into_string().expect("a name");
            (name, (mode(&file.path()), fs::read(file.path()).expect("readable")))
        })
        .collect()
}

fn add_key(id: u16) -> Change {
    Change::of([Write::AddMacKey { id, sealed: vec![1], created_at: Timestamp::default() }])
}

/// A closed database of ours, with something in it.
async fn ours() -> Folder {
    let folder = Folder::new();
    let store = open(&folder.file()).expect("new");
    for id in 0..200 {
        store.commit(add_key(id)).await.expect("free");
    }
    folder
}

fn is_refused_untouched(folder: &Folder, what: &str) -> String {
    let before = contents(folder.0.path());
    let error = refusal(&folder.file());
    assert!(matches!(error, OpenError::Foreign { .. }), "{what}: {error:?}");
    // A journal that is there may be read, and SQLite keeps an index of it for as long.
    let mut after = contents(folder.0.path());
    after.remove("keyward.db-shm");
    assert!(after == before, "{what} is not as it was: {:?}", after.keys());
    error.to_string()
}

#[tokio::test]
async fn everything_is_for_its_owner_alone() {
    let folder = Folder::new();
    let path = folder.0.path().join("made/for it/keyward.db");
    let store = Sqlite::open(&path, true, Timestamp::default()).expect("new");
    store.commit(add_key(1)).await.expect("free");
    let made = path.parent().expect("a folder");
    assert_eq!((mode(made), mode(made.parent().expect("a folder"))), (0o700, 0o700));
    let modes: BTreeMap<_, _> = contents(made).into_iter().map(|(name, (mode, _))| (name, mode)).collect();
    let names = ["", "-wal", "-shm", ".lock"].map(|suffix| (format!("keyward.db{suffix}"), 0o600));
    assert_eq!(modes, names.into());
}

#[tokio::test]
async fn what_others_may_read_is_taken_from_them() {
    let folder = ours().await;
    std::mem::forget(open(&folder.file()).expect("ours"));
    let names = ["keyward.db", "keyward.db-wal", "keyward.db-shm"].map(|name| folder.0.path().join(name));
    for (name, mode) in names.iter().zip([0o644, 0o666, 0o660]) {
        set_mode(name, mode);
    }
    set_mode(folder.0.path(), 0o755);
    open(&folder.file()).expect("ours").ping().await.expect("it answers");
    for name in &names {
        assert_eq!(mode(name), 0o600, "{name:?}");
    }
    assert_eq!(mode(folder.0.path()), 0o755, "a folder that we did not make is not ours to close");
}

#[tokio::test]
async fn closed_it_is_one_file_that_holds_everything() {
    let folder = ours().await;
    assert_eq!(contents(folder.0.path()).into_keys().collect::<Vec<_>>(), ["keyward.db"]);
    let copy = Folder::new();
    fs::copy(folder.file(), copy.file()).expect("room");
    let store = open(&copy.file()).expect("ours");
    assert_eq!(store.mac_keys().await.expect("readable").len(), 200);
    let integrity: String =
        copy.raw().query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("readable");
    assert_eq!(integrity, "ok");
}

#[tokio::test]
async fn an_empty_file_is_a_new_database() {
    let folder = Folder::new();
    fs::write(folder.file(), "").expect("room");
    set_mode(&folder.file(), 0o666);
    open(&folder.file()).expect("new").commit(add_key(1)).await.expect("free");
    assert_eq!(mode(&folder.file()), 0o600);
}

#[test]
fn a_database_of_another_program_is_refused_untouched() {
    for (what, sql) in [
        ("a table", "CREATE TABLE note (text)"),
        ("a table of the same name", "CREATE TABLE schema (version INTEGER); INSERT INTO schema VALUES (1)"),
        ("a mark and nothing else", "PRAGMA application_id = 7"),
        ("a journal", "PRAGMA journal_mode = WAL; CREATE TABLE note (text)"),
    ] {
        let folder = Folder::new();
        folder.raw().execute_batch(sql).expect(what);
        set_mode(&folder.file(), 0o644);
        let message = is_refused_untouched(&folder, what);
        assert!(message.contains("belongs to another program"), "{message}");
        assert!(message.ends_with("nothing was changed"), "{message}");
    }
}

#[test]
fn a_journal_that_another_program_left_is_not_written_into_its_file() {
    let theirs = Folder::new();
    let connection = theirs.raw();
    let sql = "PRAGMA journal_mode = WAL; CREATE TABLE note (text); INSERT INTO note VALUES ('a')";
    connection.execute_batch(sql).expect("room");
    let crashed = Folder::new();
    for name in ["keyward.db", "keyward.db-wal"] {
        fs::copy(theirs.0.path().join(name), crashed.0.path().join(name)).expect("room");
    }
    is_refused_untouched(&crashed, "a journal left behind");
    let left: String =
        crashed.raw().query_row("SELECT text FROM note", [], |row| row.get(0)).expect("theirs");
    assert_eq!(left, "a");
}

#[test]
fn what_is_no_database_is_refused_untouched() {
    let mut header = b"SQLite format 3\0".to_vec();
    header.resize(8_192, 0xa5);
    for (what, bytes) in [
        ("a text", b"[server]\nlisten = \"127.0.0.1:8080\"\n".repeat(40)),
        ("a short text", b"hello".to_vec()),
        ("noughts", vec![0; 4_096]),
        ("noise", (0..20_000u32).map(|n| (n * n % 251) as u8).collect()),
        ("a header and noise", header),
    ] {
        let folder = Folder::new();
        fs::write(folder.file(), bytes).expect("room");
        set_mode(&folder.file(), 0o640);
        let message = is_refused_untouched(&folder, what);
        assert!(message.contains("no database") || message.contains("damaged"), "{what}: {message}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_untouched() {
    let folder = ours().await;
    let whole = fs::read(folder.file()).expect("readable");
    let flipped = |range: std::ops::Range<usize>| {
        let mut bytes = whole.clone();
        bytes[range].iter_mut().for_each(|byte| *byte ^= 0xff);
        bytes
    };
    for (what, bytes) in [
        ("its first bytes", flipped(0..16)),
        ("its page size", flipped(16..18)),
        ("its schema", flipped(100..4_000)),
        ("half of it", whole[..whole.len() / 2].to_vec()),
        ("half of it, but not of a page", whole[..whole.len() / 2 + 100].to_vec()),
        ("one page", whole[..4_096].to_vec()),
        ("less than a header", whole[..60].to_vec()),
    ] {
        fs::write(folder.file(), bytes).expect("room");
        let message = is_refused_untouched(&folder, what);
        assert!(message.contains("damaged"), "{what}: {message}");
    }
    fs::write(folder.file(), whole).expect("room");
    open(&folder.file()).expect("it is whole again");
}

#[tokio::test]
async fn a_newer_schema_says_who_may_run_on_it() {
    let folder = ours().await;
    let known = known();
    let mark = |found: u32, oldest: u32| {
        let row = format!("INSERT INTO schema VALUES ({found}, {oldest}, 0)");
        folder.raw().execute_batch(&row).expect("room");
    };
    mark(known + 1, known);
    let store = open(&folder.file()).expect("the release before may");
    store.commit(add_key(999)).await.expect("free");
    drop(store);
    mark(known + 2, known + 1);
    mark(known + 3, known);
    let before = contents(folder.0.path());
    let error = refusal(&folder.file());
    assert!(matches!(error, OpenError::TooNew { found, .. } if found == known + 3), "{error:?}");
    assert_eq!(contents(folder.0.path()), before);
    let said = format!("schema {}, this one knows {known}", known + 3);
    assert!(error.to_string().contains(&said), "{error}");
}

#[test]
fn a_path_that_can_be_no_file_is_refused_by_name() {
    let folder = Folder::new();
    fs::write(folder.file(), "").expect("room");
    for (path, what) in [(folder.file().join("keyward.db"), "a file as a folder"), ("/".into(), "no name")] {
        let error = refusal(&path);
        assert!(
            error.to_string().contains(&*path.parent().unwrap_or(&path).to_string_lossy()),
            "{what}: {error}"
        );
    }
    let error = refusal(folder.0.path());
    assert!(matches!(error, OpenError::Foreign { .. } | OpenError::File { .. }), "{error:?}");
}

#[test]
fn one_process_serves_and_any_number_work_beside_it() {
    let folder = Folder::new();
    let serving = Sqlite::open(&folder.file(), true, Timestamp::default()).expect("new");
    let linked = folder.0.path().join("link.db");
    symlink(folder.file(), &linked).expect("room");
    for path in [folder.file(), linked.clone()] {
        assert!(matches!(refusal(&path), OpenError::Served(_)), "{path:?}");
        open(&path).expect("beside it");
    }
    drop(serving);
    let serving = Sqlite::open(&linked, true, Timestamp::default()).expect("the place is free");
    assert!(matches!(refusal(&folder.file()), OpenError::Served(_)), "whichever link leads to it");
    // As a program that is just being started has one.
    let copy = serving.served.as_ref().map(|held| held.0.try_clone().expect("a copy"));
    drop(serving);
    drop(Sqlite::open(&linked, true, Timestamp::default()).expect("the place is free again"));
    drop(copy);
}

#[test]
fn an_sqlite_that_can_damage_a_database_is_refused() {
    check_library(rusqlite::version_number()).expect("the one that is linked");
    check_library(3_051_003).expect("the first that is mended");
    let error = check_library(3_051_002).expect_err("it is not mended");
    assert_eq!(
        error.to_string(),
        "this program is linked with SQLite 3.51.2, which can damage a database under load; build it with \
         3.51.3 or later"
    );
}

/// Opens at the same moment, on as many threads, a database that is not there yet.
#[test]
fn first_opens_at_once_make_one_schema() {
    for round in 0..25 {
        let folder = Folder::new();
        let barrier = Barrier::new(8);
        let path = folder.file();
        let won = thread::scope(|scope| {
            let open = || {
                barrier.wait();
                let store = open_patiently(&path, false).unwrap_or_else(|e| panic!("round {round}: {e}"));
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                match runtime.block_on(store.commit(add_key(1))) {
                    Ok(_) => 1,
                    Err(NotCommitted::Conflict(_)) => 0,
                    Err(fault) => panic!("round {round}: {fault}"),
                }
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<u32>()
        });
        assert_eq!(won, 1, "round {round}");
        assert_eq!(schemas(&folder.raw()), steps(), "round {round}");
    }
}

/// Turns one new file to WAL at the same moment, on as many connections.
#[test]
fn who_loses_the_race_for_the_journal_waits_for_the_winner() {
    for round in 0..40 {
        let folder = Folder::new();
        fs::write(folder.file(), "").expect("room");
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                let connection =
                    connect(&folder.file(), OpenFlags::SQLITE_OPEN_READ_WRITE, LONG).expect("new");
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let journal = share(&connection).unwrap_or_else(|e| panic!("round {round}: {e}"));
                    assert_eq!(journal, "wal");
                });
            }
        });
    }
}

pub(super) fn schemas(connection: &Connection) -> usize {
    let count = connection.query_row("SELECT count(*) FROM schema", [], |row| row.get::<_, u32>(0));
    usize::try_from(count.expect("readable")).expect("a few")
}
