//! Does the session rule hold, whatever the network, the nodes, the stores and a thief do?
//!
//! A search through all states that can be reached ([`stateright`], breadth first, so that a trace
//! to what must not be is short). What moves a state is [`keyward_core::session::Session::present`],
//! `Progress::noted` and `RevocationSet` themselves, not a copy of them; around them stand
//!
//! - a store with one record, written on the condition of the design; any number of handlers that
//!   loaded, decided, and commit when they like or die before they do;
//! - the owner's jar, shared by tabs that refresh and use access tokens when they like; their
//!   requests and the answers are late, lost, doubled and overtake each other, and an answer
//!   overwrites whatever the jar holds;
//! - a thief who copies the jar once and then acts when he likes, with anything that he ever got;
//! - notes that something was seen, which reach the record at once, late or never;
//! - stores that come back without their newest writes.
//!
//! # What is asked
//!
//! 1. *Nobody is signed out by the network.* With the owner alone no session ends, and in every
//!    state what the jar holds is not refused; once nothing is under way any more and the newest
//!    generation has settled, it brings an access token. An owner's message lives one tick of the
//!    three that are `W` (in one search two of five). An answer is under way from the load on which
//!    it was decided, for that is the moment that the record keeps; a request until that load.
//! 2. *A copy is worth nothing.* The copied generation is the newest of what was in the jar. A use
//!    of a later one counts when the record shows it: as `seen`, or because the record moved on from
//!    it. Where notes come at once, that is with the use; a note that is late or lost delays it, and
//!    the finding of the thief, by one step. Then: never are uses of a later generation counted for
//!    both holders. Once one is counted for the one, the copied token of the other ends the session
//!    if the newest has settled, and before brings at most an access token that names it. Anything
//!    dead that is shown ends the session. And after a forgiveness only one of the two is given
//!    anything until the next number is made: neither can live on what is kept for him.
//! 3. *No fork.* Each generation is put into one answer, and in no state do two of them rotate.
//! 4. *Over is over.* After an end the rule refuses every generation, and no write of a handler that
//!    loaded before it succeeds.
//! 5. *Nothing grows.* [`nothing_grows`]; a record has no part that could.
//!
//! With a thief the owner's messages are bound to no time in half of the searches: 2, 3 and 4 do not
//! hang on that. After a loss of writes only 1 and 4 are promised, and that nothing dead brings
//! anything; an old copy works until its owner's next request.
//!
//! Where no store loses anything the states are finite in number although a session is not: those
//! that nothing to come can tell apart are one (`state.rs`). So these searches have no bound but the
//! number of messages under way. Two searches go without that, up to the second or third new generation.
#![allow(clippy::print_stdout, reason = "a search says how far it went")]

mod deadline;
mod rule;
mod state;
mod world;

use std::sync::Arc;

use keyward_core::id::{SessionId, UserId};
use keyward_core::policy::Policy;
use keyward_core::revocation::{Entry, Revocation, RevocationSet};
use keyward_core::session::{Presented, Progress, Session, Transport, Verdict};
use keyward_core::time::Timestamp;
use stateright::{Checker, HasDiscoveries, Model};

use rule::{Kind, MUTANTS, OPENING_UNSETTLED, REAL, REUSING_NUMBERS, Scene};
use state::Invariant;
use world::{Loss, Notes, Tally, World};

fn owner(in_flight: usize) -> World {
    World {
        rule: REAL,
        policy: World::policy(3),
        life: Some(1),
        from_commit: false,
        in_flight,
        thief: false,
        notes: Notes::AtWill,
        loss: Loss::Nothing,
        generations: None,
        normalised: true,
        asked: None,
        tally: Arc::new(Tally::default()),
    }
}

fn thief(in_flight: usize, notes: Notes) -> World {
    World { thief: true, notes, ..owner(in_flight) }
}

/// A thief, and an owner whose messages may be under way for ever.
fn patient(in_flight: usize, notes: Notes) -> World {
    World { life: None, policy: World::policy(2), ..thief(in_flight, notes) }
}

fn losing(loss: Loss, generations: u32, world: World) -> World {
    World { loss, generations: Some(generations), ..world }
}

/// Searches all there is; the trace, if something is found that must not be.
fn explore(name: &str, world: World) -> (usize, Option<String>) {
    #[expect(clippy::disallowed_methods, reason = "how long a search takes is no moment of the rule")]
    let start = std::time::Instant::now();
    let checker = world.checker().threads(2).finish_when(HasDiscoveries::Any).spawn_bfs().join();
    let states = checker.unique_state_count();
    let trace = checker.discoveries().into_iter().next().map(|(invariant, path)| {
        let steps = path.into_vec();
        let steps = steps.iter().map(|(state, action)| format!("{state:?}\n    {action:?}\n"));
        format!("{invariant}\n{}", steps.collect::<String>())
    });
    let found = if trace.is_some() { "a counterexample" } else { "none other" };
    println!(
        "{name}: {states} states, {} steps, depth {}, {:.1?}, {found}",
        checker.state_count(),
        checker.max_depth(),
        start.elapsed()
    );
    (states, trace)
}

/// Holds in all states, of which there are at least so many, and each of these verdicts was given.
fn holds(name: &str, world: World, floor: usize, given: &[Kind]) {
    let tally = Arc::clone(&world.tally);
    let (states, trace) = explore(name, world);
    assert!(trace.is_none(), "{name}: {}", trace.unwrap_or_default());
    assert!(states >= floor, "{name}: only {states} states");
    for kind in given {
        assert!(tally.of(*kind) > 0, "{name}: never {kind:?}");
    }
}

const ALONE: &[Kind] = &[Kind::Rotate, Kind::Keep, Kind::KeepParent, Kind::Wait, Kind::Forgive];
const STOLEN: &[Kind] =
    &[Kind::Rotate, Kind::Keep, Kind::KeepParent, Kind::Wait, Kind::Forgive, Kind::Theft, Kind::Refuse];
const LOST: &[Kind] = &[Kind::Rotate, Kind::Keep, Kind::KeepParent, Kind::Wait, Kind::Forgive, Kind::Adopt];

#[test]
fn an_owner_alone_is_never_signed_out() {
    holds("owner, 4 under way", owner(4), 60_000, ALONE);
    let wide = World { policy: World::policy(5), life: Some(2), ..owner(3) };
    holds("owner, W = 5, messages of 2, 3 under way", wide, 68_000, ALONE);
    let plain = World { normalised: false, generations: Some(3), ..owner(2) };
    holds("owner, nothing left out, 2 under way", plain, 50_000, ALONE);
    let strict = World { policy: World::policy(0), ..owner(1) };
    holds("owner, W = 0, one request at a time", strict, 100, &[Kind::Rotate, Kind::Forgive]);
}

/// The assumption is needed as it stands: half a window is too long, and a handler that takes its
/// time between load and commit takes it from its answer.
#[test]
fn a_message_must_take_less_than_half_the_window() {
    let half = World { policy: World::policy(2), ..owner(2) };
    let slow = World { from_commit: true, ..owner(2) };
    for (name, world) in [("owner, W = 2, messages of 1", half), ("owner, a slow handler besides", slow)] {
        let (_, trace) = explore(name, world);
        assert!(trace.is_some_and(|trace| trace.starts_with(Invariant::NobodySignedOut.name())), "{name}");
    }
}

#[test]
fn a_copy_is_worth_nothing_on_one_node() {
    holds("thief, notes at once, 3 under way", thief(3, Notes::AtOnce), 118_000, STOLEN);
    holds("thief, notes at once, for ever, 2 under way", patient(2, Notes::AtOnce), 94_000, STOLEN);
    let plain = World { normalised: false, generations: Some(2), ..thief(2, Notes::AtOnce) };
    holds("thief, nothing left out, 2 under way", plain, 4_000, STOLEN);
}

#[test]
fn a_copy_is_worth_nothing_where_notes_are_late_or_lost() {
    holds("thief, notes at will, 2 under way", thief(2, Notes::AtWill), 64_000, STOLEN);
    holds("thief, notes at will, for ever, 2 under way", patient(2, Notes::AtWill), 381_000, STOLEN);
}

#[test]
fn a_store_that_lost_writes_signs_nobody_out() {
    let restored = Loss::Restored { forgiveness: false };
    holds("owner, wiped, 2 under way", losing(Loss::Wiped, 2, owner(2)), 100_000, LOST);
    holds("owner, restored, 2 under way", losing(restored, 2, owner(2)), 100_000, LOST);
    holds("owner, restored, 1 under way", losing(restored, 4, owner(1)), 100_000, LOST);
}

/// What rests beneath a progress that was lost is the least that the session had come to: by that no
/// owner is refused, and no old copy is adopted.
#[test]
fn what_rests_beneath_signs_nobody_out_and_an_old_copy_is_known_by_it() {
    let given: Vec<Kind> = LOST.iter().copied().chain([Kind::Theft]).collect();
    holds("owner, wiped over rest, 2 under way", losing(Loss::WipedOverRest, 2, owner(2)), 700_000, LOST);
    holds("owner, wiped over rest, 1 under way", losing(Loss::WipedOverRest, 4, owner(1)), 380_000, LOST);
    let thief = thief(1, Notes::AtOnce);
    holds(
        "thief, wiped over rest, 1 under way",
        losing(Loss::WipedOverRest, 3, thief.clone()),
        160_000,
        &given,
    );
    let restored = Loss::RestoredOverRest;
    holds("owner, restored over rest, 2 under way", losing(restored, 2, owner(2)), 700_000, LOST);
    holds("owner, restored over rest, 1 under way", losing(restored, 3, owner(1)), 100_000, LOST);
    holds("thief, restored over rest, 1 under way", losing(restored, 3, thief), 300_000, &given);
}

#[test]
fn what_is_dead_stays_so_in_a_store_that_lost_writes() {
    let restored = Loss::Restored { forgiveness: true };
    let at = Notes::AtOnce;
    holds("thief, wiped, 1 under way", losing(Loss::Wiped, 3, thief(1, at)), 29_000, LOST);
    holds("thief, restored, 1 under way", losing(restored, 2, thief(1, at)), 4_000, LOST);
}

/// A store may lose a forgiveness while the revocation set remembers its dead generation. If that
/// number were handed out again, the owner's own access token would be cut off and end the session.
#[test]
fn no_number_is_given_out_twice_by_a_store_that_lost_a_forgiveness() {
    let restored = Loss::Restored { forgiveness: true };
    holds("owner, forgiveness lost, 2 under way", losing(restored, 2, owner(2)), 100_000, LOST);
    let reusing = World { rule: REUSING_NUMBERS, ..owner(1) };
    let (_, trace) = explore("owner, forgiveness lost, numbers reused", losing(restored, 3, reusing));
    assert!(trace.is_some_and(|trace| trace.starts_with(Invariant::NobodySignedOut.name())));
}

#[test]
fn every_part_of_the_rule_is_needed() {
    for mutant in MUTANTS {
        let at = Notes::AtOnce;
        let scene = match mutant.scene {
            Scene::Owner => owner(3),
            Scene::OwnerPlain => World { normalised: false, generations: Some(3), ..owner(2) },
            Scene::Thief => thief(2, at),
            Scene::OwnerWiped => losing(Loss::Wiped, 3, owner(3)),
            Scene::ThiefWiped => losing(Loss::Wiped, 3, thief(1, at)),
            Scene::OwnerWipedOverRest => losing(Loss::WipedOverRest, 2, owner(2)),
            Scene::ThiefWipedOverRest => losing(Loss::WipedOverRest, 3, thief(1, at)),
            Scene::ThiefRestoredOverRest => losing(Loss::RestoredOverRest, 3, thief(1, at)),
            Scene::ThiefRestored => losing(Loss::Restored { forgiveness: true }, 3, thief(1, at)),
        };
        let world = World { rule: mutant.rule, asked: Some(mutant.breaks), ..scene };
        let (_, trace) = explore(mutant.name, world);
        assert!(trace.is_some(), "{}: nobody would miss it ({:?})", mutant.name, mutant.breaks);
    }
}

/// That the login's generation is settled at once is a courtesy: without it everything holds, and
/// the first refresh within `W` keeps the token instead of rotating it.
#[test]
fn the_opening_is_settled_for_convenience() {
    let world = |world| World { rule: OPENING_UNSETTLED, ..world };
    holds("owner, opening unsettled", world(owner(3)), 16_000, ALONE);
    holds("thief, opening unsettled", world(thief(2, Notes::AtWill)), 64_000, STOLEN);
}

/// Invariant 5: ten thousand refreshes, a third of whose answers are lost, leave one record of the
/// same size behind, and a revocation set that holds what was cut off lately.
#[test]
fn nothing_grows() {
    const fn one_size<T: Copy>() {}
    one_size::<Progress>();
    let policy = Policy { absolute_ttl: std::time::Duration::MAX, idle_timeout: None, ..Policy::default() };
    let mut now = Timestamp::from_seconds(1_000_000_000);
    let mut session = Session {
        id: SessionId::from_bytes([1; 16]),
        user: UserId::from_bytes([2; 16]),
        transport: Transport::Bearer,
        opened_at: now,
        auth_time: now,
        amr: "pwd".into(),
        ip: "192.0.2.1".into(),
        user_agent: "tests".into(),
        ended: None,
        progress: Some(Progress::opened(now)),
        resting: None,
    };
    let mut set = RevocationSet::default();
    let (mut held, mut made_at, mut most) = (0, now, 0);
    for n in 0..10_000 {
        now = now.after(policy.rotation_window * 2);
        set.sweep(now);
        most = most.max(set.len());
        let dead = set.is_dead(session.id, held);
        let verdict = session.present(
            Presented { generation: held, made_at, dead, last_dead: dead.then_some(held) },
            true,
            now,
            &policy,
        );
        let after = match verdict {
            Verdict::Rotate { after } => after,
            Verdict::Forgive { after, dead } => {
                let until = now.after(policy.access_ttl);
                let revocation = Revocation::Generation(session.id, dead);
                set.insert(&Entry { position: n, revocation, until });
                after
            }
            other => panic!("{other:?} of refresh {n}"),
        };
        session.progress = Some(after);
        if n % 3 != 0 {
            (held, made_at) = (after.newest, now);
        }
    }
    assert_eq!(session.progress.map(|p| p.newest), Some(10_000));
    let lately = policy.access_ttl.as_secs() / policy.rotation_window.as_secs();
    assert!(most > 0 && most as u64 <= lately, "{most} entries");
}
