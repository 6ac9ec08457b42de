//! What comes of those who ask together, when somebody is in their way?

use std::sync::Arc;
use std::time::Duration;

use keyward_core::change::{Change, Committed, Conflict, Write};
use keyward_core::id::{SessionId, UserId};
use keyward_core::session::Progress;
use keyward_core::time::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use super::{LONG, Patience, Postgres, PostgresOptions, made, raw};
use crate::store::contract::sign_up;
use crate::store::servers::postgres::Database;
use crate::store::{Fault, NotCommitted, Store as _};

fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

type Written = Result<Committed, NotCommitted>;

/// A store with sessions 1 to 5, where the writes of sessions 1 and 2 are under way, each alone: they
/// wait for what this client has locked. Who writes now waits for the next turn.
struct Held {
    database: Database,
    store: Arc<Postgres>,
    holder: Client,
    under_way: Vec<JoinHandle<Written>>,
}

/// Somebody who locks sessions, and never finds out that two wait for each other.
async fn locker(database: &Database) -> Client {
    let client = raw(database).await;
    client.batch_execute("SET deadlock_timeout = '60s'; BEGIN").await.expect("begun");
    client
}

async fn lock(client: &Client, n: u8) {
    let lock = format!("UPDATE session SET seen = seen WHERE id = '{}'", session(n));
    client.batch_execute(&lock).await.expect("locked");
}

impl Held {
    async fn with(connections: usize, patience: Patience) -> Self {
        let database = made();
        // Of two that wait for each other, the store finds it out, and soon.
        let url = format!("{}?options=-cdeadlock_timeout%3D10ms", database.url());
        let options = PostgresOptions::new(url).max_connections(connections).patience(patience);
        let store = Arc::new(Postgres::open(&options, false, &super::clock()).await.expect("it opens"));
        for n in 1..=5 {
            sign_up(&*store, UserId::from_bytes([n; 16]), session(n)).await;
        }
        let holder = locker(&database).await;
        let mut held = Self { database, store, holder, under_way: Vec::new() };
        for n in [1, 2] {
            lock(&held.holder, n).await;
            let write = held.advance(n);
            held.under_way.push(write);
            held.until((n.into(), 0)).await;
        }
        held
    }

    fn advance(&self, n: u8) -> JoinHandle<Written> {
        let store = Arc::clone(&self.store);
        let after = Progress { newest: 1, ..Progress::opened(Timestamp::from_seconds(9)) };
        let write =
            Write::Advance { session: session(n), newest: Some(0), unseen: false, after, resting: None };
        tokio::spawn(async move { store.commit(Change::of([write])).await })
    }

    /// Waits until so many turns are under way, and so many writes wait for theirs.
    async fn until(&self, state: (usize, usize)) {
        let there = async {
            while self.store.advances.state() != state {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, there).await.expect("it comes to that");
    }

    /// Waits until so many wait for what others have locked.
    async fn until_blocked(&self, count: i64) {
        const BLOCKED: &str = "SELECT count(*) FROM pg_stat_activity \
                               WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let client = raw(&self.database).await;
        let there = async {
            while client.query_one(BLOCKED, &[]).await.expect("it answers").get::<_, i64>(0) != count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, there).await.expect("it comes to that");
    }

    /// How far a session has come, whoever is in the way.
    fn newest(&self, n: u8) -> u64 {
        let newest = self.database.sql(&format!("SELECT newest FROM session WHERE id = '{}'", session(n)));
        newest.trim().parse().expect("a number")
    }

    /// Nobody is in the way any more: what was under way comes to its end.
    async fn let_go(&mut self) {
        self.holder.batch_execute("COMMIT").await.expect("committed");
        for write in self.under_way.drain(..) {
            write.await.expect("no panic").expect("written");
        }
    }
}

/// The one that is in the way holds the last of their sessions, and then wants the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_each_other_go_alone() {
    let mut held = Held::with(8, Patience::of(LONG)).await;
    let (middle, last) = (locker(&held.database).await, locker(&held.database).await);
    lock(&middle, 4).await;
    lock(&last, 5).await;
    let writes = [3, 4, 5].map(|n| held.advance(n));
    held.until((2, 3)).await;
    held.let_go().await;
    held.until_blocked(1).await;
    let last = tokio::spawn(async move {
        lock(&last, 3).await;
        last.batch_execute("COMMIT").await.expect("committed");
    });
    held.until_blocked(2).await;
    middle.batch_execute("COMMIT").await.expect("committed");
    last.await.expect("it is not the one that gives way");
    for write in writes {
        write.await.expect("no panic").expect("written");
    }
    assert_eq!([3, 4, 5].map(|n| held.newest(n)), [1; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_move_one_session_one_does() {
    let mut held = Held::with(8, Patience::of(LONG)).await;
    let [one, other] = [held.advance(3), held.advance(3)];
    held.until((2, 2)).await;
    held.let_go().await;
    let (one, other) = (one.await.expect("no panic"), other.await.expect("no panic"));
    assert!(one.is_ok() != other.is_ok(), "{one:?}, {other:?}");
    let refused = one.and(other);
    assert!(matches!(refused, Err(NotCommitted::Conflict(Conflict::Changed))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_any_more_is_not_written() {
    let mut held = Held::with(8, Patience::of(LONG)).await;
    let (given_up, waits) = (held.advance(3), held.advance(4));
    held.until((2, 2)).await;
    given_up.abort();
    assert!(given_up.await.expect_err("nobody waits").is_cancelled());
    held.let_go().await;
    waits.await.expect("no panic").expect("written");
    held.until((0, 0)).await;
    assert_eq!([1, 2, 3, 4].map(|n| held.newest(n)), [1, 1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_wait() {
    let mut held = Held::with(2, Patience { waiting: 1, ..Patience::of(LONG) }).await;
    let waits = [held.advance(3), held.advance(4)];
    held.until((2, 2)).await;
    let refused = held.advance(3).await.expect("no panic");
    assert!(matches!(refused, Err(NotCommitted::Fault(Fault::Unavailable(_)))), "{refused:?}");
    held.let_go().await;
    for write in waits {
        write.await.expect("no panic").expect("written");
    }
}
