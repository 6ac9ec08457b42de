//! Races: of those that decided on the same, one gets through.

use std::sync::Arc;

use keyward_core::account::Account;
use keyward_core::change::{Change, Conflict, Write};
use keyward_core::event::EventType;
use keyward_core::key::KeyState;
use keyward_core::session::{MadeBy, Progress};
use tokio::task::JoinSet;

use super::keys::key;
use super::{World, account, at, commit, end, event, open, password, session, session_id, user_id};
use crate::store::Store;

const ROUNDS: u64 = 200;

/// How many of these changes, all at once, over these stores by turns, were written. Those that
/// were not met a conflict that they may.
async fn written(stores: &[&Arc<dyn Store>], changes: impl IntoIterator<Item = Change>) -> usize {
    let mut tasks = JoinSet::new();
    for (change, store) in changes.into_iter().zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        tasks.spawn(async move { commit(&*store, change).await });
    }
    let results = tasks.join_all().await;
    assert!(
        results.iter().all(|r| matches!(r, Ok(_) | Err(Conflict::Changed | Conflict::LastAdmin))),
        "{results:?}"
    );
    results.iter().filter(|result| result.is_ok()).count()
}

fn advance(n: u8, from: u64, mark: i64) -> Write {
    let after = moved(n, from, mark);
    Write::Advance { session: session_id(n), newest: Some(from), unseen: false, after, resting: None }
}

/// How far this session has come then: no two that are next to each other are alike in anything.
fn moved(n: u8, from: u64, mark: i64) -> Progress {
    Progress {
        newest: from + 1,
        parent: n.is_multiple_of(2).then_some(from),
        made_by: [MadeBy::Rotation, MadeBy::Forgiveness, MadeBy::Adoption][usize::from(n % 3)],
        made_at: at(mark),
        seen: n.is_multiple_of(4),
        last_active_at: at(5_000 + mark),
    }
}

pub(crate) async fn one_of_many_advances(world: World) {
    world.signed_up(1, 1).await;
    let other = world.another().await;
    for round in 0..ROUNDS {
        let changes = (0..32).map(|mark| Change::of([advance(2, round, mark)]));
        let won = written(&[&world.store, &other], changes).await;
        assert_eq!(won, 1, "round {round}");
    }
    assert_eq!(world.progress(2).await.newest, ROUNDS);
}

/// Whatever a store makes of it that many ask at once.
pub(crate) async fn each_of_many_is_told_what_is_theirs(world: World) {
    const MANY: u8 = 60;
    world.signed_up(1, MANY - 2).await;
    let is_behind = |n: u8| n.is_multiple_of(5);
    for round in 0..20 {
        let mut loads = JoinSet::new();
        let mut advances = JoinSet::new();
        for n in 2..=MANY {
            let (store, from) = (Arc::clone(&world.store), if is_behind(n) { round + 1 } else { round });
            loads.spawn(async move { (n, store.session(session_id(n)).await.expect("readable")) });
            let store = Arc::clone(&world.store);
            advances
                .spawn(async move { (n, commit(&*store, Change::of([advance(n, from, n.into())])).await) });
        }
        for (n, loaded) in loads.join_all().await {
            assert_eq!(loaded.map(|loaded| loaded.session.id), (n < MANY).then(|| session_id(n)));
        }
        for (n, moved) in advances.join_all().await {
            assert_eq!(moved.is_ok(), n < MANY && !is_behind(n), "{n} in round {round}: {moved:?}");
        }
        for n in 2..MANY {
            let opened = Progress::opened(session(n, 1).opened_at);
            let come = if is_behind(n) { opened } else { moved(n, round, n.into()) };
            assert_eq!(world.progress(n).await, come, "{n} in round {round}");
        }
    }
}

pub(crate) async fn one_of_many_logins_takes_the_last_place(world: World) {
    world.signed_up(1, 0).await;
    let other = world.another().await;
    let logins = (2..52).map(|n| {
        let write = Write::OpenSession { session: Box::new(session(n, 1)), account_version: 0, limit: 10 };
        Change::of([write]).with(event(n, EventType::Login))
    });
    assert_eq!(written(&[&world.store, &other], logins).await, 10);
    assert_eq!(world.store.sessions_of(user_id(1), 100).await.expect("readable").len(), 10);
    assert_eq!(world.place.trail().await.len(), 10, "who was refused left no event");
    // One that makes room for itself, fifty times at once.
    let open = world.store.sessions_of(user_id(1), 100).await.expect("readable");
    let victim = open.last().expect("some").id;
    let logins = (60..110).map(|n| {
        let end = Write::EndSession { session: victim, end: super::logout(), until: at(5_000) };
        let write = Write::OpenSession { session: Box::new(session(n, 1)), account_version: 0, limit: 10 };
        Change::of([end, write])
    });
    assert_eq!(written(&[&world.store, &other], logins).await, 1);
    assert_eq!(world.store.sessions_of(user_id(1), 100).await.expect("readable").len(), 10);
    assert_eq!(world.revocations().await.len(), 1);
}

pub(crate) async fn one_of_two_processes_replaces_the_keys(world: World) {
    let other = world.another().await;
    for version in 0..20 {
        let set = |n| Change::of([Write::SetKeys { version, keys: vec![key(n, KeyState::Active)] }]);
        assert_eq!(written(&[&world.store, &other], [set(1), set(2)]).await, 1);
        let stored = world.store.keys().await.expect("readable");
        assert_eq!((stored.version, stored.keys.len()), (version + 1, 1));
        assert_eq!(other.keys().await.expect("readable"), stored);
    }
}

pub(crate) async fn an_end_wins_over_every_advance(world: World) {
    let other = world.another().await;
    world.signed_up(1, 0).await;
    for n in 2..22 {
        world.write([open(n, 1)]).await;
        let moves = (0..8).map(|mark| Change::of([advance(n, 0, mark)]));
        let won = written(&[&world.store, &other], moves.chain([Change::of([end(n)])])).await;
        assert!((1..=2).contains(&won), "the end, and at most one advance before it: {won}");
        let progress = world.progress(n).await;
        assert!(world.loaded(n).await.session.ended.is_some());
        if !world.place.is_halved() {
            assert_eq!(progress.newest, u64::try_from(won - 1).expect("small"));
        }
        for newest in [0, 1] {
            assert_eq!(world.change(Change::of([advance(n, newest, 9)])).await, Err(Conflict::Changed));
        }
    }
    assert_eq!(world.revocations().await.len(), 20);
}

pub(crate) async fn a_login_does_not_outlive_a_new_password(world: World) {
    let other = world.another().await;
    world.signed_up(1, 0).await;
    for round in 0..20 {
        let n = u8::try_from(2 + round).expect("small");
        let login =
            Write::OpenSession { session: Box::new(session(n, 1)), account_version: round, limit: 200 };
        let reset = Change::of([
            Write::SetPassword { user: user_id(1), version: round, password: password(1) },
            Write::EndSessionsOf { user: user_id(1), except: None, end: super::logout(), until: at(9) },
        ]);
        let won = written(&[&world.store, &other], [Change::of([login]), reset]).await;
        assert!((1..=2).contains(&won));
        let open = world.store.sessions_of(user_id(1), 10).await.expect("readable");
        assert_eq!(open, [], "before the reset it ended with it, after it it never opened");
    }
}

pub(crate) async fn of_all_administrators_that_go_at_once_one_stays(world: World) {
    let other = world.another().await;
    for round in 0..20u8 {
        let admins: Vec<u8> = (1..=5).map(|n| round * 5 + n).collect();
        for n in &admins {
            let account = Account { roles: vec!["admin".into()], ..account(*n) };
            world.write([Write::CreateAccount(Box::new(account))]).await;
        }
        // Each of the accounts that were left by the rounds before goes, too, and is no help.
        let gone = |n: &u8| {
            let user = user_id(*n);
            Change::of([match n % 3 {
                0 => Write::SetRoles { user, version: 0, roles: Vec::new() },
                1 => Write::SetActive { user, version: 0, is_active: false },
                _ => Write::DeleteAccount { user, version: 0 },
            }])
        };
        let all: Vec<u8> = (1..=round * 5 + 5).collect();
        written(&[&world.store, &other], all.iter().map(gone)).await;
        let left = world.found(super::everybody()).await;
        let left = left.iter().filter(|a| a.is_active && a.roles == ["admin"]).count();
        assert_eq!(left, 1, "round {round}");
    }
}

/// Nothing is closed: the store is left as a process leaves it that was killed.
pub(crate) async fn what_was_answered_is_there(world: World) {
    world.signed_up(1, 0).await;
    // Each process holds files open: fewer of them than changes.
    for first in (2..40).step_by(4) {
        let store = world.another().await;
        for n in first..(first + 4).min(40) {
            commit(&*store, Change::of([open(n, 1)]).with(event(n, EventType::Login)))
                .await
                .expect("no conflict");
            if n % 3 == 0 {
                commit(&*store, Change::of([end(n)])).await.expect("no conflict");
            }
        }
        std::mem::forget(store);
    }
    let again = World { store: world.another().await, place: world.place };
    let dump = again.dump().await;
    assert_eq!((dump.sessions.len(), dump.open.len(), dump.trail.len()), (38, 25, 38));
    assert_eq!(dump.revocations.len(), 13);
}
