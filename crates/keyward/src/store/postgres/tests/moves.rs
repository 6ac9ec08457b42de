//! Is what moves in Redis taken for past by nobody, whether they open the database or have it open?

use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::id::{SessionId, UserId};
use keyward_core::throttle::{Limit, Throttle};
use keyward_core::time::Timestamp;

use super::nodes::signed_in;
use super::{Moves, Postgres, PostgresError, PostgresOptions, clock, made};
use crate::clock::Clock;
use crate::store::postgres::inspect::inspect;
use crate::store::servers::postgres::Database;
use crate::store::{Fault, NotCommitted, Search, Store, Sweep, contract};
use crate::{Error, Keyward, MasterKey, Settings};

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

async fn moving(database: &Database, moves: Moves) -> Result<Postgres, PostgresError> {
    let options = PostgresOptions::new(database.url()).max_connections(2).moving(moves);
    Postgres::open(&options, false, &Clock::manual(Timestamp::from_micros(10 * DAY))).await
}

/// The moments of the open session and of the one that has ended, in microseconds.
fn moments(database: &Database) -> Vec<i64> {
    let rows = "SELECT made_at, last_active_at FROM session ORDER BY ended_at NULLS FIRST";
    database.sql(rows).split(['|', '\n']).filter_map(|number| number.parse().ok()).collect()
}

/// A database whose sessions move in Redis: what rests of one is of a day after 1970, and so is that
/// of one that has ended.
async fn with_redis() -> Database {
    let database = made();
    for _ in 0..2 {
        moving(&database, Moves::InRedis).await.expect("with Redis");
    }
    let store = moving(&database, Moves::InRedis).await.expect("with Redis");
    for n in [1, 2] {
        contract::sign_up(&store, UserId::from_bytes([n; 16]), SessionId::from_bytes([n; 16])).await;
    }
    database.sql(&format!("UPDATE session SET made_at = {DAY}, last_active_at = {DAY}"));
    let ended = SessionId::from_bytes([2; 16]);
    database.sql(&format!("UPDATE session SET ended_at = 1, ended_why = 'logout' WHERE id = '{ended}'"));
    database
}

#[tokio::test]
async fn what_moves_in_redis_is_not_taken_for_past_without_it() {
    let database = with_redis().await;
    let options = PostgresOptions::new(database.url());
    assert!(inspect(&options, &clock()).await.expect("readable").moves_in_redis);
    let error = moving(&database, Moves::Here).await.err().expect("refused").to_string();
    assert!(error.contains("redis.urls") && error.contains("keyward migrate --leave-redis"), "{error}");
    assert_eq!(moments(&database), [DAY; 4], "nothing was touched");
    moving(&database, Moves::InRedis).await.expect("with Redis");
}

#[tokio::test]
async fn who_leaves_redis_takes_everybody_for_active() {
    let database = with_redis().await;
    moving(&database, Moves::HereFromNowOn).await.expect("it is left");
    // A later refresh would be known there, later activity would not; what has ended stays as it is.
    assert_eq!(moments(&database), [DAY + DAY / 4, 10 * DAY, DAY, DAY]);
    moving(&database, Moves::Here).await.expect("and from now on without it");
    let options = PostgresOptions::new(database.url());
    assert!(!inspect(&options, &clock()).await.expect("readable").moves_in_redis);
}

/// Whether it refuses all that it is asked, or answers all of it.
#[track_caller]
fn refuses<T>(answer: Result<T, Fault>, what: &str) -> bool {
    match answer {
        Ok(_) => false,
        Err(Fault::Elsewhere(why)) => {
            assert!(why.contains("redis.urls"), "{why}");
            true
        }
        Err(fault) => panic!("{what}: {fault}"),
    }
}

/// The same of everything that a store is asked.
async fn refuses_all(store: &Postgres) -> bool {
    let session = SessionId::from_bytes([1; 16]);
    let never = Timestamp::from_seconds(0);
    let sweep = Sweep {
        now: never,
        sessions_before: never,
        mails_before: never,
        figures_before: never,
        after: SessionId::from_bytes([0; 16]),
        limit: 1,
    };
    let note = Write::NoteAccessTtl { ttl: Duration::from_secs(1), at: never };
    let committed = store.commit(Change::of([note])).await.map_err(|error| match error {
        NotCommitted::Fault(fault) => fault,
        NotCommitted::Conflict(conflict) => panic!("{conflict:?}"),
    });
    let limit = Limit::new(1_000, Duration::from_secs(60)).expect("a limit");
    let budgets = store.budgets(Throttle::Login).expect("they are shared");
    let told = [
        refuses(committed, "commit"),
        refuses(store.session(session).await, "a session"),
        refuses(store.accounts(&Search::only(UserId::from_bytes([1; 16]))).await, "a search"),
        refuses(store.keys().await, "keys"),
        refuses(store.sweep(sweep).await, "a sweep"),
        refuses(store.ping().await, "a ping"),
        refuses(budgets.take("a name", limit).await, "a budget"),
    ];
    assert!(told.iter().all(|one| *one == told[0]), "all or nothing: {told:?}");
    told[0]
}

#[tokio::test]
async fn who_has_it_open_notices_with_a_poll_and_asks_nothing_further() {
    let database = made();
    let here = moving(&database, Moves::Here).await.expect("without Redis");
    contract::sign_up(&here, UserId::from_bytes([1; 16]), SessionId::from_bytes([1; 16])).await;
    here.news(0).await.expect("readable");
    assert!(!refuses_all(&here).await);
    let there = moving(&database, Moves::InRedis).await.expect("with Redis");
    let noticed = async |here_refuses: bool| {
        for (store, expected) in [(&here, here_refuses), (&there, !here_refuses)] {
            store.news(0).await.expect("what was revoked is told to both");
            assert_eq!(refuses_all(store).await, expected);
        }
    };
    noticed(true).await;
    // One that is noticed stays so until the database says otherwise.
    noticed(true).await;
    moving(&database, Moves::HereFromNowOn).await.expect("it is left");
    noticed(false).await;
    moving(&database, Moves::InRedis).await.expect("with Redis again");
    noticed(true).await;
}

#[tokio::test]
async fn who_moves_sessions_knows_that_others_may_have_them_elsewhere() {
    let moved = async |database: &Database, moves| {
        moving(database, moves).await.expect("it opens").has_moved_sessions()
    };
    let database = made();
    assert!(!moved(&database, Moves::InRedis).await, "there are none");
    let store = moving(&database, Moves::HereFromNowOn).await.expect("it is left");
    contract::sign_up(&store, UserId::from_bytes([1; 16]), SessionId::from_bytes([1; 16])).await;
    for moves in [Moves::InRedis, Moves::HereFromNowOn] {
        assert!(moved(&database, moves).await, "{moves:?}");
        assert!(!moved(&database, moves).await, "{moves:?}, once more");
    }
    assert!(!moved(&database, Moves::Here).await);
}

#[tokio::test]
async fn who_heard_nothing_for_a_while_ends_nobody_as_idle() {
    let database = made();
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
    let mut settings = Settings { background: false, ..Settings::default() };
    settings.policy.idle_timeout_bearer = Some(Duration::from_secs(60 * 60));
    let node = Keyward::builder(settings)
        .postgres(PostgresOptions::new(database.url()).max_connections(2))
        .clock(clock.clone())
        .beside()
        .master_key(MasterKey::from_bytes(&[7; 32]))
        .open()
        .await
        .expect("it opens");
    signed_in(&node).await;
    moving(&database, Moves::InRedis).await.expect("with Redis");
    clock.advance(Duration::from_secs(2 * 60 * 60));
    let sweep = async || {
        let swept = node.engine.sweep_step(SessionId::from_bytes([0; 16])).await;
        (swept.map(drop), database.sql("SELECT count(ended_at) FROM session"))
    };
    let (swept, ended) = sweep().await;
    assert!(matches!(swept, Err(Error::Fault(Fault::Elsewhere(_)))), "{swept:?}");
    assert_eq!(ended, "0\n", "in Redis they may have been active just now");
    // As soon as that is known to be otherwise, it does what is due.
    database.sql("DELETE FROM counter WHERE name = 'redis'");
    clock.advance(Duration::from_secs(2));
    let (swept, ended) = sweep().await;
    assert!(swept.is_ok() && ended == "1\n", "{swept:?} {ended}");
}
