//! What becomes of changes when a disk, another process or a change itself fails?

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use keyward_core::change::{Change, Committed, Conflict, Write};
use keyward_core::event::{Event, EventType};
use keyward_core::id::{EventId, SessionId, UserId};
use keyward_core::session::Progress;
use keyward_core::time::Timestamp;
use rusqlite::Connection;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Folder, PANIC};
use crate::store::sql::{Expect, Statement};
use crate::store::sqlite::{Patience, Sqlite};
use crate::store::{Fault, Name, NotCommitted, Store as _, contract};

const SOON: Duration = Duration::from_secs(20);
const PATIENT: Duration = Duration::from_secs(60);

fn open(folder: &Folder) -> Sqlite {
    Sqlite::open(&folder.file(), false, Timestamp::default()).expect("it opens")
}

fn open_with(folder: &Folder, queue: usize, busy: Duration) -> Arc<Sqlite> {
    let patience = Patience { queue, busy };
    Arc::new(Sqlite::open_with(&folder.file(), false, Timestamp::default(), patience).expect("it opens"))
}

fn add(id: u16) -> Change {
    Change::of([Write::AddMacKey { id, sealed: vec![1], created_at: Timestamp::default() }])
}

fn event(n: u8) -> Event {
    Event {
        id: EventId::from_bytes([n; 16]),
        at: Timestamp::default(),
        kind: EventType::Login,
        user: None,
        session: None,
        ip: None,
        user_agent: None,
        success: true,
        reason: None,
        details: serde_json::Map::new(),
        tally: None,
        mark: None,
    }
}

/// Another process's hand on the file: whoever writes has to wait.
fn hold(folder: &Folder) -> Connection {
    let connection = folder.raw();
    connection.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    connection
}

fn let_go(connection: &Connection) {
    connection.execute_batch("ROLLBACK").expect("held");
}

async fn numbers(store: &Sqlite) -> Vec<u16> {
    let mut ids: Vec<_> = store.mac_keys().await.expect("readable").iter().map(|key| key.id).collect();
    ids.sort_unstable();
    ids
}

fn is_unavailable(result: &Result<Committed, NotCommitted>) -> bool {
    matches!(result, Err(NotCommitted::Fault(Fault::Unavailable(_))))
}

#[tokio::test]
async fn a_change_that_breaks_takes_no_other_with_it() {
    let folder = Folder::new();
    let store = open_with(&folder, 100, PATIENT);
    let (user, session) = (UserId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
    contract::sign_up(&*store, user, session).await;
    store.commit(Change::default().with(event(1))).await.expect("no condition");
    // No Keyward writes a parent that is not below its newest: the schema refuses it.
    let impossible = |alone: bool| {
        let after = Progress { newest: 1, parent: Some(7), ..Progress::opened(Timestamp::default()) };
        let write = Write::Advance { session, newest: Some(0), unseen: false, after, resting: None };
        if alone {
            Change::of([write])
        } else {
            Change { writes: [add(50).writes, vec![write]].concat(), ..add(51).with(event(9)) }
        }
    };
    let panics = store.write(vec![
        Statement { sql: "DELETE FROM mac_key", params: Vec::new(), expect: Expect::Anything },
        Statement { sql: PANIC, params: Vec::new(), expect: Expect::Anything },
    ]);
    let twice = || add(60).with(event(1));
    for round in 0..2u16 {
        let id = |n| round * 10 + n;
        // All of them wait, and go into one transaction.
        let held = hold(&folder);
        let all = async {
            tokio::join!(
                store.commit(add(id(1))),
                store.commit(impossible(true)),
                store.commit(add(id(2)).with(event(u8::try_from(id(2)).expect("small")))),
                store.commit(impossible(false)),
                store.commit(twice()),
                store.commit(add(id(1))),
                store.commit(add(id(3))),
                async {
                    tokio::task::yield_now().await;
                    let_go(&held);
                }
            )
        };
        let (one, check, two, both, twice, conflict, three, ()) = timeout(SOON, all).await.expect("answers");
        assert!(one.is_ok() && two.is_ok() && three.is_ok(), "{one:?} {two:?} {three:?}");
        assert!(matches!(conflict, Err(NotCommitted::Conflict(Conflict::Changed))), "{conflict:?}");
        for broken in [check, both, twice] {
            assert!(is_unavailable(&broken), "{broken:?}");
        }
    }
    let held = hold(&folder);
    let all = async {
        tokio::join!(store.commit(add(31)), panics, store.commit(add(32)), async {
            tokio::task::yield_now().await;
            let_go(&held);
        })
    };
    let (before, broken, after, ()) = timeout(SOON, all).await.expect("answers, whatever happens");
    assert!(before.is_ok() && after.is_ok(), "{before:?} {after:?}");
    assert!(is_unavailable(&broken), "{broken:?}");
    store.commit(add(33)).await.expect("the writer goes on");
    assert_eq!(numbers(&store).await, [1, 2, 3, 11, 12, 13, 31, 32, 33]);
    let loaded = store.session(session).await.expect("readable").expect("there");
    assert_eq!(loaded.session.progress.map(|progress| progress.newest), Some(0));
    assert_eq!(super::trail(&folder.file()).expect("readable").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_process_holds_it_whoever_waits_is_told() {
    let folder = Folder::new();
    let store = open_with(&folder, 4_096, Duration::from_millis(300));
    store.commit(add(1)).await.expect("free");
    let held = hold(&folder);
    // Several transactions' worth: were each to wait in turn, and then each change alone, this
    // would take ten minutes.
    let mut waiting = JoinSet::new();
    for id in 2..2_002 {
        let store = Arc::clone(&store);
        waiting.spawn(async move { store.commit(add(id)).await });
    }
    let results = timeout(SOON, waiting.join_all()).await.expect("nobody waits in vain");
    assert!(results.iter().all(is_unavailable));
    assert_eq!(numbers(&store).await, [1], "readers never wait");
    let_go(&held);
    store.commit(add(2)).await.expect("it goes on");
    assert_eq!(numbers(&store).await, [1, 2]);
}

#[tokio::test]
async fn whoever_waits_by_then_is_told_with_the_first() {
    struct LetsGo(Mutex<Connection>);
    impl Wake for LetsGo {
        fn wake(self: Arc<Self>) {
            let_go(&self.0.lock().expect("one thread"));
        }
    }
    let folder = Folder::new();
    let store = open_with(&folder, 1_000, Duration::from_secs(1));
    // Who is told first lets go: any other that was not told by then would be written.
    let first = Arc::new(LetsGo(Mutex::new(hold(&folder)))).into();
    let mut waiting: Vec<_> = (0..600).map(|id| store.commit(add(id))).collect();
    for (n, change) in waiting.iter_mut().enumerate() {
        let waker = if n == 0 { &first } else { Waker::noop() };
        assert!(change.as_mut().poll(&mut Context::from_waker(waker)).is_pending(), "it is held");
    }
    // The first as the last, as it would be woken by another one otherwise.
    for change in waiting.into_iter().rev() {
        let told = timeout(SOON, change).await.expect("told");
        assert!(is_unavailable(&told), "{told:?}");
    }
    store.commit(add(1)).await.expect("it goes on");
    assert_eq!(numbers(&store).await, [1]);
}

#[tokio::test]
async fn no_more_than_so_many_wait() {
    let folder = Folder::new();
    let store = open_with(&folder, 10, PATIENT);
    let held = hold(&folder);
    let mut tasks = JoinSet::new();
    for id in 0..600 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.commit(add(id)).await });
    }
    // The writer takes up to 512, and ten wait: the rest is told at once, while it is held.
    let mut refused = 0;
    while refused < 600 - 512 - 10 {
        let result = timeout(SOON, tasks.join_next()).await.expect("told at once").expect("some");
        assert!(is_unavailable(&result.expect("no panic")));
        refused += 1;
    }
    let_go(&held);
    let rest = timeout(SOON, tasks.join_all()).await.expect("answers");
    let written = rest.iter().filter(|result| result.is_ok()).count();
    assert!((10..=522).contains(&written), "{written}");
    assert_eq!(numbers(&store).await.len(), written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_passes() {
    let folder = Folder::new();
    let store = Arc::new(open(&folder));
    let pages = async |sql| {
        // It answers with a row, which no change does: what counts is that it was run.
        let statement = Statement { sql, params: Vec::new(), expect: Expect::Anything };
        assert!(is_unavailable(&store.write(vec![statement]).await));
    };
    let large = |id: u16| {
        let sealed = vec![1; 3_000];
        Change::of([
            Write::AddMacKey { id, sealed, created_at: Timestamp::default() },
            Write::NoteAccessTtl { ttl: Duration::from_secs(id.into()), at: Timestamp::default() },
        ])
        .with(Event {
            id: EventId::from_bytes([u8::try_from(id % 256).expect("small"); 16]),
            tally: Some(id.to_string()),
            ..event(0)
        })
    };
    pages("PRAGMA max_page_count = 60").await;
    let mut written = Vec::new();
    for round in 0..3 {
        let mut tasks = JoinSet::new();
        for id in round * 60..round * 60 + 60 {
            let (store, change) = (Arc::clone(&store), large(id));
            tasks.spawn(async move { (id, store.commit(change).await) });
        }
        for (id, result) in tasks.join_all().await {
            match result {
                Ok(_) => written.push(id),
                result => assert!(is_unavailable(&result), "{result:?}"),
            }
        }
    }
    written.sort_unstable();
    assert!((5..180).contains(&written.len()), "some had room: {}", written.len());
    assert_eq!(numbers(&store).await, written, "what was answered is there, and nothing else");
    let lengths = store.access_ttls().await.expect("readable").len();
    let rows = super::trail(&folder.file()).expect("readable").len();
    assert_eq!((lengths, rows), (written.len(), written.len()), "nothing is half written");
    pages("PRAGMA max_page_count = 100000").await;
    store.commit(large(200)).await.expect("there is room again");
    drop(store);
    let integrity: String =
        folder.raw().query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("readable");
    assert_eq!(integrity, "ok");
}

#[tokio::test]
async fn what_was_accepted_is_written_though_nobody_waits_for_it() {
    let folder = Folder::new();
    let store = open_with(&folder, 100, PATIENT);
    let held = hold(&folder);
    for id in 0..50 {
        tokio::select! {
            biased;
            result = store.commit(add(id)) => panic!("it is held: {result:?}"),
            () = ready(()) => {}
        }
    }
    let closing = std::thread::spawn(move || drop(store));
    let_go(&held);
    closing.join().expect("it closes");
    assert_eq!(numbers(&open(&folder)).await.len(), 50);
}

#[tokio::test]
async fn one_who_panics_when_woken_keeps_nothing_from_the_others() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }
    let folder = Folder::new();
    let store = open(&folder);
    let held = hold(&folder);
    let mut panics = store.commit(add(1));
    let polled = panics.as_mut().poll(&mut Context::from_waker(&Arc::new(Panics).into()));
    assert!(polled.is_pending(), "it is held");
    let others = async { tokio::join!(store.commit(add(2)), store.commit(add(3)), async { let_go(&held) }) };
    let told = timeout(SOON, others).await;
    assert!(matches!(told, Ok((Ok(_), Ok(_), ()))), "{told:?}");
    store.commit(add(4)).await.expect("the writer goes on");
    assert_eq!(numbers(&store).await, [1, 2, 3, 4]);
}

/// Three who write, at least two of them together, and are told, in another runtime than the one that
/// this store was opened in.
fn are_told(folder: &Folder, store: &Sqlite) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let held = hold(folder);
    let all = async {
        tokio::join!(store.commit(add(1)), store.commit(add(2)), store.commit(add(3)), async {
            let_go(&held);
        })
    };
    let told = runtime.block_on(async { timeout(SOON, all).await });
    assert!(matches!(told, Ok((Ok(_), Ok(_), Ok(_), ()))), "{told:?}");
}

#[test]
fn who_writes_is_told_though_the_runtime_of_the_store_is_gone() {
    let (folder, runtime) = (Folder::new(), Builder::new_multi_thread().worker_threads(1).build());
    let runtime = runtime.expect("a runtime");
    let store = runtime.block_on(async { open(&folder) });
    drop(runtime);
    are_told(&folder, &store);
}

#[test]
fn who_writes_is_told_though_the_runtime_of_the_store_stands_still() {
    let (folder, runtime) = (Folder::new(), Builder::new_current_thread().build().expect("a runtime"));
    let store = runtime.block_on(async { open(&folder) });
    are_told(&folder, &store);
    drop(runtime);
}

#[tokio::test]
async fn an_impossible_record_is_a_fault_and_never_a_guess() {
    let (user, session) = (UserId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
    for sql in [
        "UPDATE account SET email = 'nobody'",
        "UPDATE account SET phone_number = '12'",
        "UPDATE account SET version = -1",
        "UPDATE session SET transport = 'pigeon'",
        "UPDATE session SET newest = -1",
        "UPDATE session SET parent = -2",
        "UPDATE session SET made_by = 'magic'",
        "UPDATE session SET ended_at = 1, ended_why = 'because'",
        "UPDATE session SET ended_at = 1",
        "UPDATE session SET ended_why = 'logout'",
    ] {
        let folder = Folder::new();
        let store = open(&folder);
        contract::sign_up(&store, user, session).await;
        folder.raw().execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {sql}")).expect(sql);
        let loaded = store.session(session).await;
        assert!(matches!(loaded, Err(Fault::Corrupt(_))), "{sql}: {loaded:?}");
        if sql.contains("account") {
            let account = store.account(&Name::Id(user)).await;
            assert!(matches!(account, Err(Fault::Corrupt(_))), "{sql}: {account:?}");
        }
    }
    let folder = Folder::new();
    let store = open(&folder);
    folder
        .raw()
        .execute_batch(
            "PRAGMA ignore_check_constraints = ON; \
             INSERT INTO revocation (kind, subject, value, until) VALUES ('session', x'01', 0, 0); \
             INSERT INTO signing_key VALUES ('k', 'none', 'active', 0, NULL, NULL, NULL, x''); \
             INSERT INTO mac_key VALUES (65536, 0, x''); \
             UPDATE counter SET value = -1 WHERE name = 'roles_version'",
        )
        .expect("room");
    assert!(matches!(store.news(0).await, Err(Fault::Corrupt(_))));
    assert!(matches!(store.keys().await, Err(Fault::Corrupt(_))));
    assert!(matches!(store.mac_keys().await, Err(Fault::Corrupt(_))));
    assert!(matches!(store.roles().await, Err(Fault::Corrupt(_))));
}
