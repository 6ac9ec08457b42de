//! Do several nodes over one database act as one?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyward_core::change::{Change, Conflict, Write};
use keyward_core::revocation::Revocation;
use keyward_core::session::{End, EndReason};
use keyward_core::time::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::lost::two;
use super::{LONG, Postgres, PostgresOptions, made, open, open_by, raw, until_waited_for};
use crate::clock::Clock;
use crate::feed::{Feed, TRUST};
use crate::store::servers::postgres::Database;
use crate::store::{NotCommitted, Store};
use crate::{Builder, Client, Denial, Grant, Keyward, MasterKey, Password, Settings, StartError};

pub(super) fn revoke(name: String) -> Change {
    let until = Timestamp::from_seconds(1 << 40);
    Change::of([Write::Revoke { revocation: Revocation::Key(name), until }])
}

async fn listening(database: &Database) -> Postgres {
    let options = PostgresOptions::new(database.url()).max_connections(2);
    Postgres::open(&options, true, &super::clock()).await.expect("it opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_is_seen_before_any_above_it() {
    let database = made();
    let store = Arc::new(open(&database).await);
    let slow = raw(&database).await;
    slow.batch_execute(
        "BEGIN; INSERT INTO revocation (kind, subject, value, until) VALUES ('key', 'first', 0, 9223372036854775807)",
    )
    .await
    .expect("written");
    let second = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(revoke("second".to_owned())).await }
    });
    // It waits for the first, or has passed it by.
    until_waited_for(&database, || second.is_finished()).await;
    let seen = store.news(0).await.expect("readable").revocations;
    assert!(seen.is_empty(), "a reader that goes on from here would miss the first: {seen:?}");
    slow.batch_execute("COMMIT").await.expect("committed");
    let second = second.await.expect("no panic").expect("no condition").revocations;
    let both = store.news(0).await.expect("readable").revocations;
    assert_eq!(both.len(), 2);
    assert_eq!(both[1..], second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_on_from_the_last_position_misses_none() {
    const EACH: usize = 60;
    let database = made();
    let stores = [Arc::new(open(&database).await), Arc::new(open(&database).await)];
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = Arc::clone(&stores[writer % 2]);
        writers.spawn(async move {
            for n in 0..EACH {
                let mut change = revoke(format!("{writer} {n}"));
                if n % 3 == 0 {
                    change.writes.extend(revoke(format!("{writer} {n} more")).writes);
                }
                store.commit(change).await.expect("no condition");
            }
        });
    }
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (done, store) = (Arc::clone(&done), Arc::clone(&stores[0]));
        async move {
            let mut seen = Vec::new();
            loop {
                let last = done.load(Ordering::SeqCst);
                let position = seen.last().copied().unwrap_or_default();
                let news = store.news(position).await.expect("readable").revocations;
                seen.extend(news.iter().map(|entry| entry.position));
                if last && news.is_empty() {
                    return seen;
                }
            }
        }
    });
    writers.join_all().await;
    done.store(true, Ordering::SeqCst);
    let all: Vec<u64> = (1..=8 * (EACH as u64 + EACH as u64 / 3)).collect();
    assert_eq!(reader.await.expect("no panic"), all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_is_told_when_there_may_be_news() {
    let database = made();
    let (node, other) = (listening(&database).await, open(&database).await);
    let told = || async { timeout(LONG, node.may_have_news()).await.expect("it is told") };
    // That it listens now.
    told().await;
    other.commit(revoke("a key".to_owned())).await.expect("no condition");
    told().await;
    other.commit(Change::of([Write::SetKeys { version: 0, keys: Vec::new() }])).await.expect("fresh");
    told().await;
    // Nothing else is worth a poll.
    let note = Write::NoteAccessTtl { ttl: Duration::from_secs(1), at: Timestamp::default() };
    other.commit(Change::of([note])).await.expect("no condition");
    assert!(timeout(Duration::from_millis(50), node.may_have_news()).await.is_err());
    // A connection that is lost is made anew, and what was missed is asked for.
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN keyward'");
    told().await;
    other.commit(revoke("another".to_owned())).await.expect("no condition");
    told().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_go_by_the_clock_of_the_database() {
    let database = made();
    let now = || {
        let micros = database.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
        Timestamp::from_micros(micros.trim().parse().expect("a number"))
    };
    let off = |clock: &Clock| now().since(clock.now()).max(clock.now().since(now()));
    for wrong in [now().after(Duration::from_secs(90)), now().before(Duration::from_secs(90))] {
        let clock = Clock::system();
        let here = clock.monotonic();
        clock.follow(wrong, here, here);
        assert!(off(&clock) > Duration::from_secs(60), "it is wrong");
        let options = PostgresOptions::new(database.url()).max_connections(2);
        let store = Postgres::open(&options, false, &clock).await.expect("it opens");
        assert!(off(&clock) < Duration::from_secs(5), "at the start: {:?}", off(&clock));
        let here = clock.monotonic();
        clock.follow(wrong, here, here);
        Feed::new([0; 8]).poll(&store, &clock).await.expect("it answers");
        assert!(off(&clock) < Duration::from_secs(5), "at each poll: {:?}", off(&clock));
    }
}

#[tokio::test]
async fn who_waits_for_an_answer_asks_no_more_when_it_came() {
    let database = made();
    let all = Arc::new((open(&database).await, Clock::system(), Feed::new([0; 8])));
    let mut polls = JoinSet::new();
    for _ in 0..50 {
        let all = Arc::clone(&all);
        polls.spawn(async move { all.2.poll(&all.0, &all.1).await.expect("it answers").is_some() });
    }
    let asked = polls.join_all().await.into_iter().filter(|asked| *asked).count();
    assert!(asked <= 2, "the first, and one that asks after all of them came: {asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_is_known_whoever_holds_all_connections() {
    let database = made();
    let store = Arc::new(open_by(PostgresOptions::new(database.url()).max_connections(1)).await);
    let holder = raw(&database).await;
    holder.batch_execute("BEGIN; LOCK TABLE mac_key").await.expect("locked");
    let held = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.mac_keys().await }
    });
    until_waited_for(&database, || held.is_finished()).await;
    store.news(0).await.expect("it answers");
    assert!(!held.is_finished(), "the only connection of all others is held up");
    holder.batch_execute("ROLLBACK").await.expect("let go");
    held.await.expect("no panic").expect("readable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_outlives_the_tokens_of_every_node() {
    let database = made();
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
    let start = async |minutes| making(&database, minutes, &clock).beside().open().await.expect("it opens");
    let one = start(15).await;
    let (client, grant) = signed_in(&one).await;
    let session = one.verify(grant.access_token(), &client).await.expect("its own");
    let other = start(60).await;
    clock.advance(Duration::from_secs(1));
    one.engine.poll().await.expect("it answers");
    one.sign_out(&session, &client).await.expect("it answers");
    let until = other.engine.store.news(0).await.expect("it answers").revocations[0].until;
    let now = other.engine.clock.now();
    assert!(until > now.after(Duration::from_secs(60 * 60)), "a token of the other node lives for an hour");
}

#[tokio::test]
async fn who_makes_longer_tokens_waits_until_all_others_know_it() {
    let (database, clock) = (made(), super::clock());
    let start = |minutes| making(&database, minutes, &clock).open();
    tokio::time::pause();
    // With something to do at every moment, time stands still until it is moved.
    let standstill = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    start(15).await.expect("the first of all");
    let longer = tokio::spawn(start(60));
    while database.sql("SELECT max(ttl) FROM access_ttl") != "3601\n" {
        tokio::task::yield_now().await;
    }
    for minutes in [60, 15] {
        start(minutes).await.expect("nobody has to learn of it");
    }
    assert!(!longer.is_finished(), "what was begun after it is done");
    tokio::time::advance(TRUST).await;
    tokio::time::resume();
    longer.await.expect("no panic").expect("it opens");
    standstill.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_is_not_given_while_it_is_deleted() {
    let database = made();
    let store = Arc::new(open(&database).await);
    let (user, session) =
        (keyward_core::id::UserId::from_bytes([1; 16]), keyward_core::id::SessionId::from_bytes([2; 16]));
    crate::store::contract::sign_up(&*store, user, session).await;
    database.sql("INSERT INTO role (name, permissions) VALUES ('editor', '')");
    let deleting = raw(&database).await;
    deleting.batch_execute("BEGIN; DELETE FROM role WHERE name = 'editor'").await.expect("deleted");
    let version = store.session(session).await.expect("readable").expect("there").account.version;
    let giving = tokio::spawn({
        let store = Arc::clone(&store);
        let roles = vec!["editor".to_owned()];
        async move { store.commit(Change::of([Write::SetRoles { user, version, roles }])).await }
    });
    until_waited_for(&database, || giving.is_finished()).await;
    deleting.batch_execute("COMMIT").await.expect("committed");
    let given = giving.await.expect("no panic");
    assert!(matches!(given, Err(NotCommitted::Conflict(Conflict::Changed))), "{given:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_sessions_there_are_they_all_end() {
    let database = made();
    let one = node(&database, false).await;
    let (client, _) = signed_in(&one).await;
    database.sql(
        "INSERT INTO account SELECT gen_random_uuid(), roles_version, version, created_at, last_login_at, email_verified, \
         phone_number_verified, is_active, 'user' || n || '@example.com', NULL, password, roles, cost_class \
         FROM account, generate_series(1, 3500) AS n; \
         INSERT INTO session SELECT gen_random_uuid(), a.id, opened_at, auth_time, newest, parent, made_at, last_active_at, \
         ended_at, seen, transport, made_by, amr, ip, user_agent, ended_why FROM session, account AS a",
    );
    one.revoke_every_session(&client).await.expect("it answers");
    assert_eq!(database.sql("SELECT count(*), count(ended_at) FROM session"), "3502|3502\n");
    let cuts = database.sql("SELECT count(*) FROM revocation WHERE kind = 'roles'");
    assert_eq!(cuts, "2\n", "who refreshed while it took place is cut off, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_events_there_are_they_are_all_sealed_and_then_removed() {
    let database = made();
    let ([one, _], clock) = two(&database).await;
    signed_in(&one).await;
    // Long ago, and more than 40 batches of them.
    database.sql(
        "INSERT INTO event SELECT old.* FROM event AS e, generate_series(1, 20500) AS n, \
         jsonb_populate_record(e, jsonb_build_object('id', '00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'at', n)) \
         AS old WHERE e.type = 'login'",
    );
    one.engine.seal_events().await.expect("it answers");
    let old = "FROM event WHERE id < '00000001-0000-7000-8000-000000000000'";
    assert_eq!(database.sql(&format!("SELECT count(*), count(batch) {old}")), "20500|20500\n");
    clock.advance(one.engine.settings.events_retention);
    one.engine.remove_past_events().await.expect("it answers");
    assert_eq!(database.sql(&format!("SELECT count(*) {old}")), "0\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_with_all_sessions_of_a_user_is_revoked_however_it_came_there() {
    let database = made();
    let store = Arc::new(open(&database).await);
    let (user, session) =
        (keyward_core::id::UserId::from_bytes([1; 16]), keyward_core::id::SessionId::from_bytes([2; 16]));
    crate::store::contract::sign_up(&*store, user, session).await;
    // A login that is under way while all sessions end: it is ended and told, or opened after.
    let login = raw(&database).await;
    let copied = "INSERT INTO session SELECT '03030303-0303-0303-0303-030303030303', user_id, opened_at, auth_time, \
                  newest, parent, made_at, last_active_at, ended_at, seen, transport, made_by, amr, ip, user_agent, \
                  ended_why FROM session";
    login
        .batch_execute(&format!("BEGIN; {copied}; UPDATE counter SET value = value WHERE name = 'position'"))
        .await
        .expect("written");
    let ending = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let end = End { at: Timestamp::from_seconds(5), why: EndReason::LogoutAll };
            let until = Timestamp::from_seconds(9);
            store.commit(Change::of([Write::EndSessionsOf { user, except: None, end, until }])).await
        }
    });
    until_waited_for(&database, || ending.is_finished()).await;
    login.batch_execute("COMMIT").await.expect("committed");
    let told = ending.await.expect("no panic").expect("no condition").sessions_ended();
    let ended = database.sql("SELECT count(*) FROM session WHERE ended_at IS NOT NULL");
    assert_eq!(ended.trim(), told.to_string(), "each that ended is revoked");
}

/// Somebody new, and who asks for them.
pub(super) async fn signed_in(node: &Keyward) -> (Client, Grant) {
    let client = Client::new([127, 0, 0, 1].into(), "a test");
    let password = Password::try_from("Correct-Horse-7".to_owned()).expect("good");
    node.create_account("ada@example.com", None, Some(password.clone()), vec![], &client).await.expect("new");
    let grant = node.sign_in("ada@example.com", password, &client).await.expect("the password");
    (client, grant)
}

/// A node whose access tokens live for so many minutes.
fn making(database: &Database, minutes: u64, clock: &Clock) -> Builder {
    let mut settings = Settings { background: false, ..Settings::default() };
    settings.policy.access_ttl = Duration::from_secs(60 * minutes);
    Keyward::builder(settings)
        .postgres(PostgresOptions::new(database.url()).max_connections(4))
        .patience(LONG)
        .clock(clock.clone())
        .master_key(MasterKey::from_bytes(&[7; 32]))
}

async fn node(database: &Database, background: bool) -> Keyward {
    Keyward::builder(Settings { background, ..Settings::default() })
        .postgres(PostgresOptions::new(database.url()).max_connections(4))
        .patience(LONG)
        .master_key(MasterKey::from_bytes(&[7; 32]))
        .open()
        .await
        .expect("it opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_gives_and_takes_holds_on_the_other() {
    let database = made();
    let (one, other) = (node(&database, false).await, node(&database, true).await);
    let (client, grant) = signed_in(&one).await;
    // On a machine that has much to do it may not be up to date for a moment.
    let verified = async || loop {
        match other.verify(grant.access_token(), &client).await {
            Err(error) if error.denied().denial() == Denial::StoreUnavailable => {
                sleep(Duration::from_millis(10)).await
            }
            verified => break verified,
        }
    };
    let session = timeout(LONG, verified()).await.expect("it comes to know").expect("it knows the key");
    one.sign_out(&session, &client).await.expect("it answers");
    let refused = timeout(LONG, async {
        loop {
            if let Err(error) = verified().await {
                return error;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    let error = refused.await.expect("it hears of it");
    assert!(error.is(Denial::SessionRevoked), "{error}");
    other.close().await.expect("it ends");
    // Another master key opens nothing of it, and changes nothing.
    let wrong = Keyward::builder(Settings { background: false, ..Settings::default() })
        .postgres(PostgresOptions::new(database.url()))
        .master_key(MasterKey::from_bytes(&[8; 32]))
        .open();
    assert!(matches!(wrong.await.err(), Some(StartError::WrongMasterKey)));
    // One is made for development alone, and where the database is elsewhere it would be one of many.
    let elsewhere = Keyward::builder(Settings::default())
        .postgres(PostgresOptions::new("postgres://keyward@db.example.com/keyward"))
        .open();
    assert!(matches!(elsewhere.await.err(), Some(StartError::NoMasterKey(_))));
}
