//! What becomes of sessions when Redis lost its last moments, or everything, or is gone?

use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::policy::Policy;
use keyward_core::session::{End, EndReason, LAG, Refusal, Verdict};
use keyward_core::time::Timestamp;

use super::play::{self, Client};
use super::{Apart, WEEK, server, sweep};
use crate::notes::Notes;
use crate::store::contract::Place as _;
use crate::store::{Fault, Store};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn end(store: &dyn Store, client: &Client, now: Timestamp) {
    let end = End { at: now, why: EndReason::Logout };
    let until = now.after(Duration::from_secs(3_600));
    let write = Write::EndSession { session: client.session, end, until };
    store.commit(Change::of([write])).await.expect("open");
}

/// Whether Redis takes writes.
async fn apart(store: &dyn Store) -> Result<(), Fault> {
    store.ping_apart().expect("there is a Redis").await
}

/// Until Redis answers again: nobody has to do anything for that.
async fn back(store: &dyn Store) {
    while apart(store).await.is_err() {
        tokio::task::yield_now().await;
    }
}

fn goes_on(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Rotate { .. } | Verdict::Keep { .. } | Verdict::Adopt { .. } | Verdict::Forgive { .. }
    )
}

#[tokio::test]
async fn nobody_is_signed_out_or_back_in_by_what_redis_lost() {
    let mut server = server::Server::start(&[]);
    let place = Apart::new(vec![server.url()], WEEK);
    let store = place.open().await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(Client::sign_up(&*store).await);
    }
    let gone = Client::sign_up(&*store).await;
    server.ask::<()>(&redis::cmd("SAVE")).await;
    end(&*store, &gone, at(1_500)).await;
    let mut now = at(2_000);
    let (mut adopted, mut rotated) = (0, 0);
    for round in 0..40usize {
        now = now.after(Duration::from_secs(60));
        for (n, client) in clients.iter_mut().enumerate() {
            // Not everybody comes each time, and some answers are lost.
            if (round + n) % 5 == 0 {
                continue;
            }
            let mut held = client.clone();
            let verdict = client.present(&*store, now).await.expect("Redis answers");
            assert!(goes_on(&verdict), "round {round}: {verdict:?}");
            adopted += usize::from(matches!(verdict, Verdict::Adopt { .. }));
            rotated += usize::from(matches!(verdict, Verdict::Rotate { .. }));
            if (round + n) % 7 == 0 {
                *client = held;
            } else if round % 9 == n {
                // The token before it, shown at once as by another tab, is no theft either.
                let verdict = held.present(&*store, now).await.expect("Redis answers");
                assert!(
                    goes_on(&verdict) || matches!(verdict, Verdict::Wait { .. }),
                    "round {round}: {verdict:?}"
                );
            }
        }
        match round % 8 {
            2 => server.ask(&redis::cmd("FLUSHALL")).await,
            // What it knew some rounds ago is what it knows now.
            4 => server.ask(&redis::cmd("SAVE")).await,
            6 => {
                server = server.back_to_what_was_saved();
                back(&*store).await;
            }
            _ => {}
        }
        let (_, verdict) = gone.ask(&*store, now).await.expect("readable");
        assert_eq!(verdict, Verdict::Refuse(Refusal::Ended(EndReason::Logout)), "round {round}");
    }
    assert!(adopted > 30 && rotated > 30, "{adopted} adopted, {rotated} rotated");
}

#[tokio::test]
async fn while_redis_is_gone_it_is_unavailable_and_logins_and_logouts_go_on() {
    let mut server = server::Server::start(&[]);
    let place = Apart::new(vec![server.url()], WEEK);
    let store = place.open().await;
    let mut client = Client::sign_up(&*store).await;
    let gone = Client::sign_up(&*store).await;
    server.ask::<()>(&redis::cmd("SAVE")).await;
    server.kill();
    assert!(matches!(client.present(&*store, at(2_000)).await, Err(Fault::Unavailable(_))));
    assert!(matches!(apart(&*store).await, Err(Fault::Unavailable(_))));
    store.ping().await.expect("what has to be kept is kept without it");
    end(&*store, &gone, at(2_000)).await;
    let (_, verdict) = gone.ask(&*store, at(2_000)).await.expect("that it ended is known beneath");
    assert_eq!(verdict, Verdict::Refuse(Refusal::Ended(EndReason::Logout)));
    // Somebody signs in meanwhile; Redis never hears of it.
    let session = keyward_core::id::SessionId::from_bytes([7; 16]);
    let user = keyward_core::id::UserId::from_bytes([7; 16]);
    crate::store::contract::sign_up(&*store, user, session).await;
    let mut new = Client { session, generation: 0, made_at: at(1_002), idle: None };
    let _server = server.back_to_what_was_saved();
    back(&*store).await;
    assert!(matches!(client.present(&*store, at(2_100)).await, Ok(Verdict::Rotate { .. })));
    assert!(matches!(new.present(&*store, at(2_100)).await, Ok(Verdict::Adopt { .. })));
    assert!(matches!(new.present(&*store, at(2_200)).await, Ok(Verdict::Rotate { .. })));
    let (_, verdict) = gone.ask(&*store, at(2_200)).await.expect("readable");
    assert_eq!(verdict, Verdict::Refuse(Refusal::Ended(EndReason::Logout)), "though its key is back");
}

#[tokio::test]
async fn a_redis_that_hangs_is_unavailable_in_bounded_time_and_number() {
    let server = server::Server::start(&[]);
    let place = Apart::new(vec![server.url()], WEEK);
    let store = place.open().await;
    let client = Client::sign_up(&*store).await;
    server.stop();
    let began = tokio::time::Instant::now();
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        let (store, session) = (std::sync::Arc::clone(&store), client.session);
        asked.spawn(async move { store.session(session).await.map(drop) });
    }
    let answers = asked.join_all().await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Fault::Unavailable(_)))));
    let at_once = answers.iter().filter(|answer| format!("{answer:?}").contains("too many")).count();
    assert_eq!(at_once, 10_000 - 8_192);
    // One after another they would take hours.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    server.go_on();
    back(&*store).await;
    store.session(client.session).await.expect("it answers again");
}

#[tokio::test]
async fn the_most_recently_active_are_told_by_what_moved() {
    let place = Apart::patient(vec![server::one().url()], WEEK);
    let store = place.open().await;
    let first = Client::sign_up(&*store).await;
    let user = store.session(first.session).await.expect("readable").expect("there").account.id;
    let open = |n: u8| {
        let id = keyward_core::id::SessionId::from_bytes([n; 16]);
        let opened_at = at(2_000 + i64::from(n));
        let session = keyward_core::session::Session {
            id,
            user,
            transport: keyward_core::session::Transport::Bearer,
            opened_at,
            auth_time: opened_at,
            amr: "pwd".into(),
            ip: String::new(),
            user_agent: String::new(),
            ended: None,
            progress: Some(keyward_core::session::Progress::opened(opened_at)),
            resting: None,
        };
        Write::OpenSession { session: Box::new(session), account_version: 0, limit: 10 }
    };
    for n in 1..4 {
        store.commit(Change::of([open(n)])).await.expect("open");
    }
    let active = |session, second| Write::Note { session, seen: None, active_at: Some(at(second)) };
    let second = keyward_core::id::SessionId::from_bytes([1; 16]);
    store.commit(Change::of([active(first.session, 9_000), active(second, 8_000)])).await.expect("noted");
    let told = store.sessions_of(user, 2).await.expect("readable");
    assert_eq!(told.iter().map(|session| session.id).collect::<Vec<_>>(), [first.session, second]);
    assert_eq!(told[0].progress.expect("known").last_active_at, at(9_000));
    // Of those that Redis lost, what rests beneath says how recent they are.
    server::one().forget(&place.terms.prefix).await;
    let told = store.sessions_of(user, 2).await.expect("readable");
    let expected = [3, 2].map(|n| keyward_core::id::SessionId::from_bytes([n; 16]));
    assert_eq!(told.iter().map(|session| session.id).collect::<Vec<_>>(), expected);
    assert_eq!(told[0].progress, None);
}

#[tokio::test]
async fn nobody_is_idle_by_what_was_true_long_ago() {
    let policy = Policy { idle_timeout: Some(HOUR), ..play::policy() };
    let mut server = server::Server::start(&[]);
    let place = Apart::new(vec![server.url()], WEEK);
    let store = place.open().await;
    let mut client = Client::sign_up(&*store).await;
    server.ask::<()>(&redis::cmd("SAVE")).await;
    // What is told of it, and whether a sweep ends it.
    let idle = async |now: Timestamp| {
        let swept = store.sweep(sweep(now)).await.expect("writable");
        let [session] = swept.open.as_slice() else { panic!("{swept:?}") };
        (session.over(true, now, &policy), session.is_surely_idle(now, &policy))
    };
    let mut now = at(2_000);
    for _ in 0..30 {
        now = now.after(HOUR / 6);
        client.present(&*store, now).await.expect("writable");
        let active = Write::Note { session: client.session, seen: None, active_at: Some(now) };
        store.commit(Change::of([active])).await.expect("noted");
    }
    assert_eq!(idle(now).await, (None, false));
    server = server.back_to_what_was_saved();
    back(&*store).await;
    assert_eq!(idle(now).await, (Some(Refusal::Idle), false), "so it says, and is not believed");
    server.ask::<()>(&redis::cmd("FLUSHALL")).await;
    assert_eq!(idle(now).await, (None, false));
    // Of those who don't come back, what rests beneath says when nobody can have been active any more.
    let last = at(1_002).after(LAG + policy.rotation_window + policy.access_ttl + HOUR);
    assert_eq!(idle(last.before(Duration::from_secs(1))).await, (None, false));
    assert_eq!(idle(last).await, (Some(Refusal::Idle), true));
}

/// Somebody who does something every so often, until they leave.
struct Person {
    client: Client,
    every: usize,
    leaves: usize,
    active_at: Timestamp,
    maybe_active_at: Timestamp,
    is_over: bool,
}

/// What is noted in memory and is due is written.
async fn flush(notes: &Notes, store: &dyn Store, now: Timestamp) {
    let batches = [notes.due_to_rest(now, false), notes.due(now, false)];
    for batch in batches.into_iter().flatten() {
        store.commit(Change::of(batch.clone())).await.expect("writable");
        notes.written(&batch, now);
    }
}

/// Pages of theirs refresh all the time, and each of them comes to either of two nodes.
#[tokio::test]
async fn whoever_works_is_not_idle_whatever_redis_lost_and_whoever_left_is() {
    let mut server = server::Server::start(&[]);
    let place = Apart::new(vec![server.url()], WEEK);
    let store = place.open().await;
    let nodes = [Notes::new(Some(HOUR), true), Notes::new(Some(HOUR), true)];
    let mut people = Vec::new();
    for (every, leaves) in [(1, 120), (2, 40), (14, 200), (16, 80), (31, 250), (55, 250), (59, 200)] {
        let client = Client { idle: Some(HOUR), ..Client::sign_up(&*store).await };
        let (active_at, maybe_active_at) = (at(1_002), at(1_002));
        people.push(Person { client, every, leaves, active_at, maybe_active_at, is_over: false });
    }
    let mut adopted = 0;
    for minute in 1..400usize {
        let now = at(1_002).after(MINUTE * u32::try_from(minute).expect("few"));
        // Of whoever comes least often all that they do is lost, and no rotation by which that would show.
        let is_to_go_back = minute % 55 == 0 || minute % 59 == 0;
        if is_to_go_back {
            server.ask::<()>(&redis::cmd("SAVE")).await;
        }
        if minute % 101 == 70 {
            server.ask::<()>(&redis::cmd("FLUSHALL")).await;
        }
        for (n, person) in people.iter_mut().enumerate() {
            if minute < person.leaves && minute % person.every == 0 {
                nodes[(minute / person.every + n) % 2].active(person.client.session, now);
                person.active_at = now;
            }
        }
        for node in &nodes {
            flush(node, &*store, now).await;
        }
        if is_to_go_back {
            server = server.back_to_what_was_saved();
            back(&*store).await;
        }
        for (n, person) in people.iter_mut().enumerate().filter(|(n, _)| (minute + n) % 4 == 0) {
            if person.is_over {
                continue;
            }
            let verdict = person.client.present(&*store, now).await.expect("Redis answers");
            if verdict == Verdict::Refuse(Refusal::Idle) {
                assert!(now >= person.active_at.after(HOUR), "minute {minute}: person {n} works");
                person.is_over = true;
                continue;
            }
            assert!(goes_on(&verdict), "minute {minute}: person {n}: {verdict:?}");
            if matches!(verdict, Verdict::Adopt { .. }) {
                adopted += 1;
                // Nobody knows what they did until then.
                person.maybe_active_at = now;
            }
            let latest = person.active_at.max(person.maybe_active_at);
            assert!(now < latest.after(HOUR), "minute {minute}: person {n} left");
        }
    }
    let over: Vec<bool> = people.iter().map(|person| person.is_over).collect();
    assert!(adopted > 8 && !over.contains(&false), "{adopted} adopted, {over:?}");
}

#[tokio::test]
async fn what_rests_tells_an_old_copy_where_redis_knows_nothing_yet() {
    let place = Apart::patient(vec![server::one().url()], WEEK);
    let durable = place.folder.open().await;
    let mut client = Client::sign_up(&*durable).await;
    let mut held = Vec::new();
    for n in 1..=4 {
        held.push(client.clone());
        let now = at(2_000).after(Duration::from_secs(600) * n);
        assert!(matches!(client.present(&*durable, now).await, Ok(Verdict::Rotate { .. })));
    }
    // From now on with Redis: nobody's key is there.
    let store = place.over(durable).await;
    let now = at(6_000);
    for copy in &held[..3] {
        let (_, verdict) = copy.ask(&store, now).await.expect("readable");
        assert_eq!(verdict, Verdict::Theft, "{}", copy.generation);
    }
    assert!(matches!(held[3].ask(&store, now).await, Ok((_, Verdict::Adopt { .. }))), "its answer was lost");
    assert!(matches!(client.present(&store, now).await, Ok(Verdict::Adopt { .. })));
    assert!(matches!(client.present(&store, at(7_000)).await, Ok(Verdict::Rotate { .. })));
}

/// As where Redis was left and is turned on again with the keys of then, or comes back with old ones.
#[tokio::test]
async fn a_key_that_is_behind_what_rests_is_a_lost_one() {
    let place = Apart::patient(vec![server::one().url()], WEEK);
    let durable = place.folder.open().await;
    let store = place.over(std::sync::Arc::clone(&durable)).await;
    let mut client = Client::sign_up(&store).await;
    let mut held = vec![client.clone()];
    for n in 1..=5 {
        let now = at(2_000).after(Duration::from_secs(600) * n);
        // After two turns without Redis.
        let over: &dyn Store = if n <= 2 { &store } else { &*durable };
        if n == 3 {
            let moved = store.session(client.session).await.expect("readable").expect("there").session;
            let write = Write::Advance {
                session: client.session,
                newest: Some(0),
                unseen: false,
                after: moved.progress.expect("known"),
                resting: None,
            };
            durable.commit(Change::of([write])).await.expect("as it is left");
        }
        assert!(matches!(client.present(over, now).await, Ok(Verdict::Rotate { .. })), "{n}");
        held.push(client.clone());
    }
    let now = at(6_000);
    for copy in &held[..4] {
        let (_, verdict) = copy.ask(&store, now).await.expect("readable");
        assert_eq!(verdict, Verdict::Theft, "{}", copy.generation);
    }
    assert!(matches!(held[4].ask(&store, now).await, Ok((_, Verdict::Adopt { .. }))), "its answer was lost");
    assert!(matches!(client.present(&store, now).await, Ok(Verdict::Adopt { .. })), "on what the key says");
    assert!(matches!(client.present(&store, at(7_000)).await, Ok(Verdict::Rotate { .. })));
}
