//! What comes of those who ask together, when somebody is in the way of one of them?

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

type Written = Result<Committed, NotCommitted>;

fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

/// A store with sessions 1 to 5, where both turns are under way: they wait for this client, which lets
/// nobody write. Who writes now waits for the next turn.
struct Held {
    database: Database,
    store: Arc<Postgres>,
    holder: Client,
    under_way: Vec<JoinHandle<Written>>,
}

impl Held {
    async fn with(connections: usize, patience: Patience) -> Self {
        let database = made();
        let options = PostgresOptions::new(database.url()).max_connections(connections);
        let store = Arc::new(
            Postgres::open(&options.patience(patience), false, &super::clock()).await.expect("it opens"),
        );
        for n in 1..=5 {
            sign_up(&*store, UserId::from_bytes([n; 16]), session(n)).await;
        }
        let holder = raw(&database).await;
        holder.batch_execute("BEGIN; LOCK TABLE session IN SHARE MODE").await.expect("locked");
        let mut held = Self { database, store, holder, under_way: Vec::new() };
        for n in [1, 2] {
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
        let advances = self.store.advances.as_ref().expect("no pooler");
        let there = async {
            while advances.state() != state {
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

    /// Everybody may write again: what was under way comes to its end.
    async fn let_go(&mut self) {
        self.holder.batch_execute("COMMIT").await.expect("committed");
        for write in self.under_way.drain(..) {
            written(write).await;
        }
    }
}

async fn written(write: JoinHandle<Written>) {
    timeout(LONG, write).await.expect("nobody is in its way").expect("no panic").expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_session_is_locked_keeps_nobody_else_waiting() {
    let mut held = Held::with(8, Patience::of(LONG)).await;
    let locker = raw(&held.database).await;
    let lock = format!("BEGIN; SELECT FROM session WHERE id = '{}' FOR UPDATE", session(4));
    locker.batch_execute(&lock).await.expect("locked");
    let [before, locked, after] = [3, 4, 5].map(|n| held.advance(n));
    held.until((2, 3)).await;
    held.let_go().await;
    written(before).await;
    written(after).await;
    held.until((0, 0)).await;
    assert!(!locked.is_finished());
    locker.batch_execute("COMMIT").await.expect("committed");
    written(locked).await;
    assert_eq!([1, 2, 3, 4, 5].map(|n| held.newest(n)), [1; 5]);
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
    written(waits).await;
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
        written(write).await;
    }
}
