//! What becomes of a change when something happens between its two halves?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyward_core::change::{Change, Committed};
use keyward_core::revocation::Revocation;
use keyward_core::session::{LAG, MadeBy, Progress, Verdict};
use keyward_core::time::Timestamp;

use super::play::{Act, Client, Staged};
use super::{Apart, WEEK, server, sweep};
use crate::store::contract::Place as _;
use crate::store::{NotCommitted, Store};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// A store over one whose commits do what a test says, and that one.
async fn staged() -> (Apart, Arc<Staged>, Arc<dyn Store>) {
    let place = Apart::patient(vec![server::one().url()], WEEK);
    let staged = Staged::over(place.folder.open().await);
    let store = Arc::new(place.over(Arc::clone(&staged) as Arc<dyn Store>).await);
    (place, staged, store)
}

async fn revoked(store: &dyn Store) -> Vec<Revocation> {
    let news = store.news(0).await.expect("readable");
    news.revocations.into_iter().map(|entry| entry.revocation).collect()
}

/// A client whose last answer was lost, so that its next request is forgiven.
async fn who_lost_an_answer(store: &dyn Store) -> Client {
    let mut client = Client::sign_up(store).await;
    let held = client.clone();
    assert!(matches!(client.present(store, at(2_000)).await, Ok(Verdict::Rotate { .. })));
    held
}

#[tokio::test]
async fn a_dead_generation_is_revoked_though_that_failed_at_first() {
    let (_place, staged, store) = staged().await;
    let mut client = who_lost_an_answer(&*store).await;
    staged.will(Act::Fails);
    client.present(&*store, at(2_100)).await.expect_err("the half beneath fails");
    assert_eq!(revoked(&*store).await, []);
    store.session(client.session).await.expect_err("nothing is decided before it is paid");
    staged.will(Act::Well);
    // The answer with the third generation never left either.
    let Ok(Verdict::Forgive { dead, after }) = client.present(&*store, at(2_200)).await else {
        panic!("forgiven anew")
    };
    assert_eq!((dead, after.newest), (2, 3));
    let dead = [1, 2].map(|dead| Revocation::Generation(client.session, dead));
    assert_eq!(revoked(&*store).await, dead, "the one that was owed, and the one after it");
    let commits = staged.commits.load(Ordering::SeqCst);
    store.session(client.session).await.expect("readable");
    assert_eq!(staged.commits.load(Ordering::SeqCst), commits, "it is owed no more");
}

#[tokio::test]
async fn a_dead_generation_is_revoked_though_whoever_forgave_went_away() {
    let (place, staged, store) = staged().await;
    let mut client = who_lost_an_answer(&*store).await;
    staged.will(Act::Hangs);
    tokio::select! {
        _ = client.present(&*store, at(2_100)) => panic!("it hangs"),
        () = staged.entered.notified() => {}
    }
    // Another node, over the same.
    let other = place.open().await;
    let loaded = other.session(client.session).await.expect("readable").expect("there");
    let progress = loaded.session.progress.expect("known");
    assert_eq!((progress.newest, progress.made_by), (2, MadeBy::Forgiveness));
    assert_eq!(revoked(&*other).await, [Revocation::Generation(client.session, 1)]);
}

#[tokio::test]
async fn who_loses_the_race_to_forgive_revokes_nothing() {
    let (_place, _staged, store) = staged().await;
    let mut client = who_lost_an_answer(&*store).await;
    let (loaded, verdict) = client.ask(&*store, at(2_100)).await.expect("readable");
    let late = client.change(&verdict, &loaded, at(2_100));
    assert!(matches!(client.present(&*store, at(2_100)).await, Ok(Verdict::Forgive { dead: 1, .. })));
    assert!(matches!(client.present(&*store, at(2_200)).await, Ok(Verdict::Rotate { .. })));
    let before = revoked(&*store).await;
    assert!(matches!(store.commit(late).await, Err(NotCommitted::Conflict(_))));
    assert_eq!(revoked(&*store).await, before);
}

/// Redis was slow, was given up, and then did what it had been asked.
#[tokio::test]
async fn an_opening_that_comes_late_to_redis_takes_nothing_back() {
    let place = Apart::patient(vec![server::one().url()], WEEK);
    let store = place.over(place.folder.open().await).await;
    let mut client = Client::sign_up(&store).await;
    let opened = store.session(client.session).await.expect("readable").expect("there").session.progress;
    assert!(matches!(client.present(&store, at(2_000)).await, Ok(Verdict::Rotate { .. })));
    store.follow(&[(client.session, opened.expect("known"))], &Committed::default()).await;
    let loaded = store.session(client.session).await.expect("readable").expect("there");
    assert_eq!(loaded.session.progress.expect("known").newest, client.generation);
}

#[tokio::test]
async fn what_is_noted_beside_a_write_takes_that_not_with_it() {
    let (place, staged, _) = staged().await;
    let mut dead = server::Server::start(&[]);
    let alone = Apart { urls: vec![dead.url()], ..place };
    let store = alone.over(Arc::clone(&staged) as Arc<dyn Store>).await;
    let client = Client::sign_up(&store).await;
    dead.kill();
    let note =
        keyward_core::change::Write::Note { session: client.session, seen: None, active_at: Some(at(3_000)) };
    let proved = keyward_core::change::Write::Reauthenticate {
        session: client.session,
        auth_time: at(3_000),
        amr: "pwd".into(),
    };
    store.commit(Change::of([note.clone()])).await.expect_err("alone it is not written");
    store.commit(Change::of([proved, note])).await.expect("the half that matters is");
    let resting = staged.session(client.session).await.expect("readable").expect("there");
    assert_eq!(resting.session.auth_time, at(3_000));
}

#[tokio::test]
async fn no_session_is_swept_that_lives_and_every_one_that_is_past() {
    let (place, staged, store) = staged().await;
    let mut client = Client::sign_up(&*store).await;
    let mut now = at(2_000);
    for hours in [24, 48, 144, 5, 3, 144, 24, 24, 1, 24, 120, 6, 144, 72, 72, 144, 5] {
        now = now.after(Duration::from_secs(3_600) * hours);
        assert!(matches!(client.present(&*store, now).await, Ok(Verdict::Rotate { .. })), "at {now}");
        // To the last moment at which it could come again.
        let swept = store.sweep(sweep(now.after(WEEK))).await.expect("writable");
        assert_eq!((swept.sessions, swept.open.len()), (0, 1), "after {hours} hours");
        let moved = store.session(client.session).await.expect("readable").expect("there").session.progress;
        assert_eq!(swept.open[0].progress, moved, "as it moved");
    }
    server::one().forget(&place.terms.prefix).await;
    let swept = store.sweep(sweep(now.after(WEEK))).await.expect("writable");
    assert_eq!((swept.sessions, swept.open[0].progress), (0, None), "also when Redis lost everything");
    let past = now.after(WEEK + LAG + Duration::from_secs(1));
    assert_eq!(store.sweep(sweep(past)).await.expect("writable").sessions, 1);
    assert_eq!(staged.session(client.session).await.expect("readable"), None);
}

#[tokio::test]
async fn what_rests_beneath_is_seldom_written() {
    let (_place, staged, store) = staged().await;
    let mut client = Client::sign_up(&*store).await;
    let before = staged.commits.load(Ordering::SeqCst);
    let mut now = at(2_000);
    for _ in 0..700 {
        now = now.after(WEEK / 700);
        client.present(&*store, now).await.expect("writable");
    }
    let written = staged.commits.load(Ordering::SeqCst) - before;
    assert!((27..=28).contains(&written), "{written} in a week");
    // Where it can't be, that is told: the session could be gone before its token is past.
    staged.will(Act::Fails);
    client.present(&*store, now.after(WEEK / 2)).await.expect_err("as a lost answer");
    staged.will(Act::Well);
    let later = now.after(WEEK / 2 + DAY);
    assert!(matches!(client.present(&*store, later).await, Ok(Verdict::Forgive { .. })));
    let rests = staged.session(client.session).await.expect("readable").expect("there").session.progress;
    assert_eq!(rests.expect("known").made_at, later);
}

#[tokio::test]
async fn no_session_is_swept_because_tokens_live_for_less_than_before() {
    let mut place = Apart::patient(vec![server::one().url()], WEEK * 13);
    let mut client = Client::sign_up(&*place.open().await).await;
    let mut now = at(2_000);
    for _ in 0..3 {
        now = now.after(DAY * 6);
        assert!(matches!(client.present(&*place.open().await, now).await, Ok(Verdict::Rotate { .. })));
    }
    place.terms.refresh_ttl = WEEK;
    let store = place.open().await;
    assert_eq!(store.sweep(sweep(now.after(DAY))).await.expect("writable").sessions, 0);
    assert!(matches!(client.present(&*store, now.after(DAY)).await, Ok(Verdict::Rotate { .. })));
}

#[tokio::test]
async fn an_opening_that_comes_late_turns_nothing_back() {
    let place = Apart::patient(vec![server::one().url()], WEEK);
    let store = place.over(place.folder.open().await).await;
    let mut client = Client::sign_up(&store).await;
    assert!(matches!(client.present(&store, at(2_000)).await, Ok(Verdict::Rotate { .. })));
    store.follow(&[(client.session, Progress::opened(at(1_002)))], &Committed::default()).await;
    let known = store.load(client.session).await.expect("readable").expect("there").session.progress;
    assert_eq!(known.expect("known").newest, 1);
}
