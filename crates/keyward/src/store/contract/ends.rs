//! Ends: once, with the reason, with what they revoke, in commit order.

use keyward_core::change::{Change, Conflict, Write};
use keyward_core::event::EventType;
use keyward_core::revocation::Revocation;
use keyward_core::session::{End, EndReason, LEAP, Session};

use super::{World, at, end, event, logout, open, session, session_id, user_id};

fn end_of(user: u8, except: Option<u8>) -> Write {
    Write::EndSessionsOf {
        user: user_id(user),
        except: except.map(session_id),
        end: End { at: at(2_000), why: EndReason::PasswordChanged },
        until: at(6_000),
    }
}

fn ended(revocations: &[keyward_core::revocation::Entry]) -> Vec<Revocation> {
    let mut subjects: Vec<_> = revocations.iter().map(|entry| entry.revocation.clone()).collect();
    subjects.sort_by_key(|revocation| format!("{revocation:?}"));
    subjects
}

fn sessions(numbers: &[u8]) -> Vec<Revocation> {
    numbers.iter().map(|n| Revocation::Session(session_id(*n))).collect()
}

pub(crate) async fn a_session_ends_once(world: World) {
    world.signed_up(1, 2).await;
    let committed = world.write([end(2)]).await;
    assert_eq!(committed.sessions_ended(), 1);
    assert_eq!(ended(&committed.revocations), sessions(&[2]));
    assert_eq!(committed.revocations[0].until, at(5_000));
    assert_eq!(world.revocations().await, committed.revocations, "every process hears of it");
    assert_eq!(world.loaded(2).await.session, Session { ended: Some(logout()), ..session(2, 1) });
    assert_eq!(world.loaded(3).await.session, session(3, 1));
    world.refuses(end(2), Conflict::Changed).await;
    world.refuses(end(9), Conflict::Changed).await;
    assert_eq!(world.loaded(2).await.session.ended, Some(logout()));
}

pub(crate) async fn every_reason_comes_back(world: World) {
    world.signed_up(1, 9).await;
    use EndReason::*;
    let reasons = [Logout, LogoutAll, Revoked, Replaced, TooMany, PasswordChanged, Deactivated, Theft, Idle];
    for (n, why) in (2..).zip(reasons) {
        let end = End { at: at(i64::from(n) - 5), why };
        world.write([Write::EndSession { session: session_id(n), end, until: at(9) }]).await;
        assert_eq!(world.loaded(n).await.session.ended, Some(end));
    }
}

pub(crate) async fn all_sessions_of_a_user_end_but_one(world: World) {
    world.signed_up(1, 4).await;
    world.signed_up(10, 2).await;
    world.write([end(2)]).await;
    let committed = world.write([end_of(1, Some(4))]).await;
    assert_eq!(ended(&committed.revocations), sessions(&[3, 5]), "not the one that had ended");
    assert!(committed.revocations.iter().all(|entry| entry.until == at(6_000)));
    assert_eq!(committed.sessions_ended(), 2);
    let why = async |n| world.loaded(n).await.session.ended.map(|end| end.why);
    assert_eq!(why(2).await, Some(EndReason::Logout), "an end is not told anew");
    assert_eq!(why(3).await, Some(EndReason::PasswordChanged));
    assert_eq!(why(4).await, None);
    assert_eq!(why(5).await, Some(EndReason::PasswordChanged));
    assert_eq!(why(11).await, None);
    // An exception that is somebody else's is none.
    let committed = world.write([end_of(1, Some(11))]).await;
    assert_eq!(ended(&committed.revocations), sessions(&[4]));
    assert_eq!(world.write([end_of(1, None)]).await.sessions_ended(), 0);
    assert_eq!(world.write([end_of(10, None)]).await.sessions_ended(), 2);
}

pub(crate) async fn the_sessions_of_some_users_end(world: World) {
    for user in [1, 10, 20, 30] {
        world.signed_up(user, 1).await;
    }
    world.write([open(3, 1), end(3)]).await;
    let why = End { at: at(2_500), why: EndReason::Revoked };
    let between = |after, to, end| Write::EndSessionsBetween { after: user_id(after), to: user_id(to), end };
    let early = End { at: at(1), ..why };
    world.write([between(0, 30, early)]).await;
    assert_eq!(world.loaded(2).await.session.ended, None, "whoever signed in since is not concerned");
    assert_eq!(ended(&world.write([between(1, 20, why)]).await.revocations), []);
    for (session, ended) in [(2, None), (3, Some(logout())), (11, Some(why)), (21, Some(why)), (31, None)] {
        assert_eq!(world.loaded(session).await.session.ended, ended, "{session}");
    }
}

pub(crate) async fn everybody_is_cut_off(world: World) {
    world.signed_up(1, 1).await;
    let before = world.store.roles().await.expect("readable").version;
    let committed = world.write([Write::CutEverybodyOff { until: at(7_000) }]).await;
    assert_eq!(ended(&committed.revocations), [Revocation::Roles(before + LEAP)]);
    assert_eq!(committed.revocations[0].until, at(7_000));
    assert_eq!(world.store.roles().await.expect("readable").version, before + LEAP);
    let loaded = world.loaded(2).await;
    assert_eq!((loaded.role_table_version, loaded.session.ended), (before + LEAP, None));
}

pub(crate) async fn positions_rise_in_commit_order(world: World) {
    world.signed_up(1, 20).await;
    let other = world.another().await;
    let mut seen = Vec::new();
    for n in 2..12 {
        let store = if n % 2 == 0 { &world.store } else { &other };
        let committed = super::commit(&**store, Change::of([end(n)])).await.expect("open");
        seen.extend(committed.revocations);
        // What is refused in between leaves no entry.
        world.refuses(end(n), Conflict::Changed).await;
    }
    seen.extend(world.write([end(12), end_of(1, Some(14)), end(14)]).await.revocations);
    assert_eq!(seen.len(), 20);
    assert!(seen[0].position >= 1);
    assert!(seen.is_sorted_by(|a, b| a.position < b.position), "{seen:?}");
    assert_eq!(world.revocations().await, seen);
}

pub(crate) async fn a_change_is_written_whole_or_not_at_all(world: World) {
    world.signed_up(1, 3).await;
    let before = world.dump().await;
    // Every kind of write and an event, and the last condition does not hold.
    let change = |last| {
        Change::of([
            Write::SetPassword { user: user_id(1), version: 0, password: super::password(3) },
            Write::SetRoles { user: user_id(1), version: 1, roles: vec!["admin".into()] },
            Write::Note { session: session_id(2), seen: Some(0), active_at: Some(at(9_000)) },
            Write::CreateAccount(Box::new(super::account(30))),
            Write::AddMacKey { id: 1, sealed: vec![1], created_at: at(1) },
            Write::SetKeys { version: 1, keys: Vec::new() },
            end(2),
            end_of(1, Some(4)),
            last,
        ])
        .with(event(1, EventType::PasswordChanged))
    };
    assert_eq!(world.change(change(end(3))).await, Err(Conflict::Changed), "ended by the change itself");
    assert_eq!(world.dump().await, before);
    let committed = world.change(change(end(4))).await.expect("nothing in its way");
    assert_eq!(ended(&committed.revocations), sessions(&[2, 3, 4]));
    assert_eq!(world.dump().await.trail.len(), 1);
    assert_eq!(world.account(1).await.version, 2);
    // Nothing at all is a change, too.
    assert_eq!(world.change(Change::default()).await, Ok(Default::default()));
}
