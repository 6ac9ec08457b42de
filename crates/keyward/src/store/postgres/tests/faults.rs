//! What comes of a database that is slow, restarted or gone? An answer in bounded time.

use std::time::Duration;

use keyward_core::change::{Change, Conflict, Write};
use keyward_core::time::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{LONG, Patience, Postgres, PostgresOptions, clock, made, open, open_by, raw, until_waited_for};
use crate::store::servers::postgres::{Database, Server};
use crate::store::{Fault, NotCommitted, Store as _};

fn note(ttl: u64) -> Write {
    Write::NoteAccessTtl { ttl: Duration::from_secs(ttl), at: Timestamp::default() }
}

async fn impatient(database: &Database, connections: usize) -> Postgres {
    let options = PostgresOptions::new(database.url()).max_connections(connections);
    let patience = Patience {
        wait: Duration::from_millis(300),
        statement: Duration::from_millis(1_500),
        lock: Duration::from_millis(200),
        answer: Duration::from_secs(2),
        waiting: 2,
        ..Patience::default()
    };
    Postgres::open(&options.patience(patience), false, &clock()).await.expect("it opens")
}

fn is_unavailable<T>(result: &Result<T, NotCommitted>) -> bool {
    matches!(result, Err(NotCommitted::Fault(Fault::Unavailable(_))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_cut_are_replaced_unseen() {
    let database = made();
    let store = open(&database).await;
    for round in 0..5 {
        // As many as there can be, and then none of them.
        let mut reads = JoinSet::new();
        let store = std::sync::Arc::new(open(&database).await);
        for _ in 0..8 {
            let store = std::sync::Arc::clone(&store);
            reads.spawn(async move { store.access_ttls().await.expect("readable") });
        }
        reads.join_all().await;
        database.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyward' \
             AND datname = current_database()",
        );
        match round % 2 {
            0 => drop(store.keys().await.expect("asked anew")),
            _ => drop(store.commit(Change::of([note(round), note(round + 1)])).await.expect("begun anew")),
        }
    }
    store.ping().await.expect("it answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_costs_no_more_than_an_answer_of_unavailable() {
    let server: &'static Server = Box::leak(Box::new(Server::start()));
    let database = server.database();
    let store = open(&database).await;
    store.commit(Change::of([note(1)])).await.expect("no condition");
    server.control("stop");
    let asked = Instant::now();
    assert!(matches!(store.access_ttls().await, Err(Fault::Unavailable(_))));
    assert!(is_unavailable(&store.commit(Change::of([note(2)])).await));
    assert!(asked.elapsed() < LONG, "{:?}", asked.elapsed());
    server.control("start");
    store.commit(Change::of([note(3), note(4)])).await.expect("it writes again");
    assert_eq!(store.access_ttls().await.expect("readable").len(), 3, "what was answered, and nothing else");
    server.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_held_up_is_told_so_in_time() {
    let database = made();
    let store = impatient(&database, 2).await;
    store.commit(Change::of([note(1)])).await.expect("no condition");
    let holder = raw(&database).await;
    holder.batch_execute("BEGIN; UPDATE access_ttl SET last_in_force = 0").await.expect("locked");
    for change in [Change::of([note(1)]), Change::of([note(2), note(1)])] {
        let held = timeout(LONG, store.commit(change)).await.expect("in time");
        assert!(is_unavailable(&held), "{held:?}");
    }
    assert_eq!(store.access_ttls().await.expect("readable").len(), 1, "nothing of it was written");
    holder.batch_execute("ROLLBACK").await.expect("let go");
    store.commit(Change::of([note(2), note(1)])).await.expect("nobody holds it");
}

/// Later than that it is worth nothing, and whoever needs it waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_is_given_up_before_anything_else() {
    let database = made();
    let options = PostgresOptions::new(database.url()).max_connections(1);
    let patience = Patience { statement: LONG, lock: LONG, answer: LONG, ..Patience::default() };
    let store = Postgres::open(&options.patience(patience), false, &clock()).await.expect("it opens");
    let store = std::sync::Arc::new(store);
    let holder = raw(&database).await;
    holder.batch_execute("BEGIN; LOCK TABLE access_ttl, revocation").await.expect("locked");
    let held = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move { store.access_ttls().await }
    });
    until_waited_for(&database, || held.is_finished()).await;
    let told = store.news(0).await;
    assert!(matches!(told, Err(Fault::Unavailable(_))), "{told:?}");
    // The database does not go on with it either.
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while database.sql(waiting) != "1\n" {
        assert!(!held.is_finished(), "what may take longer is waited for");
    }
    holder.batch_execute("ROLLBACK").await.expect("let go");
    store.news(0).await.expect("it goes on by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_answer_is_not_waited_for_with_what_was_revoked() {
    let database = made();
    // A way to the database that swallows what is sent from a moment on.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let (there, frozen) = (database.url(), tokio::sync::watch::Sender::new(0));
    let server =
        there.rsplit_once('@').and_then(|(_, rest)| rest.split_once('/')).expect("a server").0.to_owned();
    let freezes = frozen.clone();
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let mut there = tokio::net::TcpStream::connect(&server).await.expect("it answers");
            let mut frozen = freezes.subscribe();
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
                    _ = frozen.changed() => std::future::pending().await,
                }
            });
        }
    });
    let url = format!("postgres://keyward@127.0.0.1:{port}/{}", database.name);
    let options = PostgresOptions::new(url).max_connections(1);
    let patience = Patience { answer: LONG, ..Patience::default() };
    let store = Postgres::open(&options.patience(patience), false, &clock()).await.expect("it opens");
    store.news(0).await.expect("readable");
    frozen.send_replace(1);
    let told = timeout(LONG / 2, store.news(0)).await.expect("what may take longer is given up later");
    assert!(matches!(told, Err(Fault::Unavailable(_))), "{told:?}");
    store.news(0).await.expect("another connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_wait_than_may() {
    let database = made();
    let store = std::sync::Arc::new(impatient(&database, 1).await);
    store.ping().await.expect("it answers");
    let holder = raw(&database).await;
    holder.batch_execute("BEGIN; LOCK TABLE access_ttl").await.expect("locked");
    let mut asked = JoinSet::new();
    for _ in 0..50 {
        let store = std::sync::Arc::clone(&store);
        asked.spawn(async move { store.access_ttls().await.expect_err("held up").to_string() });
    }
    let told = timeout(LONG, asked.join_all()).await.expect("in time");
    let refused = told.iter().filter(|fault| fault.contains("too many requests wait")).count();
    assert!(refused >= 40, "{refused} of 50 are told at once");
    holder.batch_execute("ROLLBACK").await.expect("let go");
    store.access_ttls().await.expect("it goes on by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_decided_anew() {
    let database = made();
    // It looks for one once, and not before the other one waits, too.
    let url = format!("{}?options=-cdeadlock_timeout%3D5s", database.url());
    let store = open_by(PostgresOptions::new(url).max_connections(8)).await;
    store.commit(Change::of([note(1), note(2)])).await.expect("no condition");
    let holder = raw(&database).await;
    // The one that looks for deadlocks first is its victim: the store.
    holder
        .batch_execute(
            "SET deadlock_timeout = '1min'; BEGIN; UPDATE access_ttl SET last_in_force = 0 WHERE ttl = 2",
        )
        .await
        .expect("locked");
    let other = holder.batch_execute("UPDATE access_ttl SET last_in_force = 0 WHERE ttl = 1");
    let (written, ()) = tokio::join!(store.commit(Change::of([note(1), note(2)])), async {
        until_waited_for(&database, || false).await;
        other.await.expect("it goes on");
    });
    assert!(matches!(written, Err(NotCommitted::Conflict(Conflict::Changed))), "{written:?}");
    holder.batch_execute("ROLLBACK").await.expect("let go");
    store.commit(Change::of([note(1), note(2)])).await.expect("decided anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_leaves_no_transaction_behind() {
    let database = made();
    let only = PostgresOptions::new(database.url()).max_connections(1);
    let store = std::sync::Arc::new(open_by(only).await);
    let holder = raw(&database).await;
    holder.batch_execute("BEGIN; LOCK TABLE access_ttl").await.expect("locked");
    let asked = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move { store.commit(Change::of([note(1), note(2)])).await }
    });
    until_waited_for(&database, || asked.is_finished()).await;
    asked.abort();
    assert!(asked.await.expect_err("it is gone").is_cancelled());
    holder.batch_execute("ROLLBACK").await.expect("let go");
    store.commit(Change::of([note(3)])).await.expect("a connection as it has to be");
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' \
                AND datname = current_database()";
    assert_eq!(database.sql(open), "0\n");
    assert_eq!(database.sql("SELECT count(*) FROM access_ttl"), "3\n", "what was begun was done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_reading_leaves_no_question_behind() {
    let database = made();
    let only = PostgresOptions::new(database.url()).max_connections(1);
    let store = std::sync::Arc::new(open_by(only).await);
    let holder = raw(&database).await;
    holder.batch_execute("BEGIN; LOCK TABLE access_ttl").await.expect("locked");
    let asked = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move { store.access_ttls().await }
    });
    until_waited_for(&database, || asked.is_finished()).await;
    asked.abort();
    assert!(asked.await.expect_err("it is gone").is_cancelled());
    store.ping().await.expect("the next one does not wait for its answer");
    holder.batch_execute("ROLLBACK").await.expect("let go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_not_believed() {
    let server: &'static Server = Box::leak(Box::new(Server::start()));
    let database = server.database();
    let any = PostgresOptions::new(format!("{}?target_session_attrs=any", database.url()));
    let any = Postgres::open(&any, false, &clock()).await.expect("it opens");
    server.stand_by();
    let error = any.news(0).await.expect_err("what it knows is from before").to_string();
    assert!(error.contains("it is a standby"), "{error}");
    let options = PostgresOptions::new(database.url());
    let error = Postgres::open(&options, false, &clock()).await.err().expect("refused").to_string();
    assert!(error.contains("give the address of the primary"), "{error}");
    // The other one is taken.
    let other = made();
    let port = |url: String| url.rsplit(':').next().and_then(|end| end.split('/').next().map(str::to_owned));
    let (here, there) = (port(database.url()).expect("a port"), port(other.url()).expect("a port"));
    let both = format!("postgres://keyward@127.0.0.1:{here},127.0.0.1:{there}/{}", other.name);
    let store = Postgres::open(&PostgresOptions::new(both), false, &clock()).await.expect("the primary");
    store.commit(Change::of([note(1)])).await.expect("it writes");
    server.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_is_durable_whatever_the_database_says() {
    let database = made();
    database.sql(&format!(
        "ALTER DATABASE {0} SET synchronous_commit = off; ALTER DATABASE {0} SET default_transaction_isolation = 'serializable'",
        database.name
    ));
    let store = open(&database).await;
    let rows = store
        .pool
        .read("SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation')", &[]);
    let rows = rows.await.expect("readable");
    assert_eq!((rows[0].get(0), rows[0].get(1)), ("on", "read committed"));
    // A pooler lets nobody set it: then it has to be so.
    let options = PostgresOptions::new(database.url()).direct_url(database.url()).max_connections(2);
    let error = Postgres::open(&options, false, &clock()).await.err().expect("refused").to_string();
    assert!(error.contains("ALTER ROLE"), "{error}");
}
