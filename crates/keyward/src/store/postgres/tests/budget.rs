//! Does the table keep budgets as every store has to, leave nothing behind, and get in nobody's way?

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyward_core::id::{SessionId, UserId};
use keyward_core::throttle::{Limit, Throttle};
use keyward_core::time::Timestamp;

use super::super::budget;
use super::super::pool::Pool;
use super::{made, open};
use crate::store::budget::{Budgets as _, Spent};
use crate::store::contract::budget as contract;
use crate::store::contract::{Later, Place as _};
use crate::store::postgres::{Postgres, PostgresOptions};
use crate::store::{Fault, Store as _, Sweep};

/// The budget of one name, at moments that are told.
struct Row {
    pool: Pool,
    name: String,
}

fn at(now: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(now).expect("a moment"))
}

impl contract::Told for Row {
    fn take(&mut self, limit: Limit, now: u64) -> Later<'_, Spent> {
        Box::pin(
            async move { budget::take(&self.pool, &self.name, limit, at(now)).await.expect("it answers") },
        )
    }

    fn give_back(&mut self, limit: Limit, now: u64) -> Later<'_, ()> {
        Box::pin(async move {
            budget::give_back(&self.pool, &self.name, limit, at(now)).await.expect("it answers");
        })
    }
}

/// One that nobody has spent from.
fn fresh(store: &Postgres) -> Box<dyn contract::Told> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let name = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
    Box::new(Row { pool: store.pool.clone(), name })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_decides_as_memory_does() {
    let database = made();
    let store = open(&database).await;
    contract::it_decides_as_memory_does(|| {
        let told = fresh(&store);
        Box::pin(async { told })
    });
}

#[tokio::test]
async fn to_the_microsecond_at_which_one_comes_back() {
    let database = made();
    contract::to_the_microsecond_at_which_one_comes_back(fresh(&open(&database).await)).await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_refuses_nobody_for_longer_than_all_of_it_takes() {
    let database = made();
    let told = fresh(&open(&database).await);
    contract::a_clock_that_was_set_back_refuses_nobody_for_longer_than_all_of_it_takes(told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_spend_from_one_budget() {
    let database = made();
    contract::all_nodes_spend_from_one_budget([database.open().await, database.open().await]).await;
}

fn past(at: i64, limit: u32) -> Sweep {
    let never = Timestamp::default();
    Sweep {
        now: Timestamp::from_seconds(at),
        sessions_before: never,
        mails_before: never,
        figures_before: never,
        after: SessionId::from_bytes([0; 16]),
        limit,
    }
}

/// What came back goes, in however many batches; what is still spent stays.
#[tokio::test]
async fn a_budget_that_came_back_leaves_no_row() {
    let database = made();
    let store = open(&database).await;
    let limit = Limit::new(5, Duration::from_secs(60)).expect("a limit");
    for n in 0..25 {
        assert!(store.take(&n.to_string(), limit).await.expect("it answers").allowed);
    }
    store.take("24", limit).await.expect("it answers");
    store.give_back("0", limit).await.expect("it answers");
    let names = || database.sql("SELECT string_agg(name, ',' ORDER BY name) FROM budget");
    // The clock of the test stands at one second.
    store.sweep(past(12, 10)).await.expect("it answers");
    assert_eq!(database.sql("SELECT count(*) FROM budget"), "24\n", "one was given back");
    store.sweep(past(13, 10)).await.expect("it answers");
    assert_eq!(names(), "24\n");
    store.sweep(past(25, 10)).await.expect("it answers");
    assert_eq!(names(), "\n");
}

/// A row in somebody's hands is left to the next batch: nobody waits for a sweep, nor a sweep for them.
#[tokio::test]
async fn a_sweep_waits_for_nobody() {
    let database = made();
    let store = open(&database).await;
    let limit = Limit::new(5, Duration::from_secs(60)).expect("a limit");
    for name in ["a", "b"] {
        assert!(store.take(name, limit).await.expect("it answers").allowed);
    }
    let other = super::raw(&database).await;
    other.batch_execute("BEGIN; SELECT FROM budget WHERE name = 'a' FOR UPDATE").await.expect("it answers");
    budget::sweep(&store.pool, Timestamp::from_seconds(100), 10).await.expect("it does not wait");
    other.batch_execute("COMMIT").await.expect("it answers");
    assert_eq!(database.sql("SELECT name FROM budget"), "a\n");
}

/// What went is told, whatever becomes of the budgets.
#[tokio::test]
async fn what_went_is_told_where_budgets_stay() {
    let database = made();
    let store = open(&database).await;
    let session = SessionId::from_bytes([2; 16]);
    crate::store::contract::sign_up(&store, UserId::from_bytes([1; 16]), session).await;
    database.sql("DROP TABLE budget");
    let sweep = Sweep { sessions_before: Timestamp::from_seconds(1 << 40), ..past(12, 10) };
    assert_eq!(store.sweep(sweep).await.expect("it answers").sessions, 1);
    assert_eq!(database.sql("SELECT count(*) FROM session"), "0\n");
}

/// Where a connection is cut, it may have been done: nothing is spent or given back twice.
#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    let database = made();
    let store = open(&database).await;
    let limit = Limit::new(5, Duration::from_secs(60)).expect("a limit");
    store.take("a", limit).await.expect("it answers");
    // A sequence counts what is rolled back, too.
    database.sql(
        "CREATE SEQUENCE tried; CREATE FUNCTION cut() RETURNS TRIGGER LANGUAGE plpgsql AS \
         'BEGIN PERFORM nextval(''tried''); PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'; \
         CREATE TRIGGER cut BEFORE UPDATE ON budget FOR EACH ROW EXECUTE FUNCTION cut()",
    );
    assert!(matches!(store.take("a", limit).await, Err(Fault::Unavailable(_))));
    assert!(matches!(store.give_back("a", limit).await, Err(Fault::Unavailable(_))));
    assert_eq!(database.sql("SELECT last_value FROM tried"), "2\n", "each once");
}

/// What is asked for all day long costs no write more.
#[tokio::test]
async fn all_budgets_are_shared_but_those_of_refreshes() {
    let database = made();
    let store = open(&database).await;
    for throttle in Throttle::ALL {
        assert_eq!(store.budgets(throttle).is_some(), throttle != Throttle::Refresh, "{throttle}");
    }
    // No commit of it waits for the disk.
    assert_eq!(database.sql("SELECT relpersistence FROM pg_class WHERE relname = 'budget'"), "u\n");
}

/// Behind a pooler, too, where no connection keeps a statement.
#[tokio::test]
async fn it_needs_no_prepared_statement() {
    let database = made();
    let options = PostgresOptions::new(database.url()).direct_url(database.url()).max_connections(2);
    let store = Postgres::open(&options, false, &super::clock()).await.expect("it opens");
    let limit = Limit::new(1, Duration::from_secs(60)).expect("a limit");
    assert!(store.take("a", limit).await.expect("it answers").allowed);
    assert!(!store.take("a", limit).await.expect("it answers").allowed);
    store.give_back("a", limit).await.expect("it answers");
    assert!(store.take("a", limit).await.expect("it answers").allowed);
}
