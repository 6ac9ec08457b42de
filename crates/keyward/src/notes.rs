//! What was seen and done of late, and is not written yet?
//!
//! That something of a session's newest generation was presented, and that its person did
//! something, is noted in memory and counts at once on this node. It is written in batches: the
//! first note of a session within a second, then at most once in an interval, the last one never
//! dropped. So reading a page is no write, and nothing grows with use.
//!
//! Where progress is kept apart from the rest of a session ([`crate::store::redis`]), that may lose
//! what it was told, or be out of reach for this node alone. So activity is written to where nothing
//! is lost, too: what this node was told first at once, and the last of a quarter of the idle timeout
//! at its end. That is before anybody could take the person for idle by what was written there
//! before, and four times an hour of work at most.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward_core::change::Write;
use keyward_core::id::SessionId;
use keyward_core::session::Generation;
use keyward_core::time::Timestamp;

const SHARDS: usize = 16;
/// How often a session's activity is written at most.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many notes are written in one change.
const BATCH: usize = 256;

#[derive(Debug)]
pub(crate) struct Notes {
    shards: [Mutex<HashMap<SessionId, Note>>; SHARDS],
    interval: Duration,
    /// How long activity may wait for being written at rest; `None`: it is not.
    rest: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Note {
    seen: Option<Generation>,
    active_at: Option<Timestamp>,
    /// What of it is written.
    written: (Option<Generation>, Option<Timestamp>),
    written_at: Option<Timestamp>,
    /// What activity was written at rest.
    rested: Option<Timestamp>,
}

impl Note {
    fn is_due(&self, now: Timestamp, interval: Duration) -> bool {
        self.seen != self.written.0
            || (self.active_at != self.written.1
                && self.written_at.is_none_or(|at| now >= at.after(interval)))
    }

    fn is_written(&self) -> bool {
        (self.seen, self.active_at) == self.written
    }

    /// Whether what was written at rest is too long ago for more to wait.
    fn is_to_rest(&self, now: Timestamp, after: Duration) -> bool {
        self.rested.is_none_or(|activity| now >= activity.after(after))
    }

    fn rests(&self) -> bool {
        self.active_at <= self.rested
    }
}

impl Notes {
    /// Notes of sessions that end after `idle` without activity, where they do, in a store that keeps
    /// how far they have come apart from the rest or not.
    pub(crate) fn new(idle: Option<Duration>, is_apart: bool) -> Self {
        Self {
            shards: Default::default(),
            interval: idle.map_or(INTERVAL, |idle| INTERVAL.min(idle / 20)),
            rest: idle.filter(|_| is_apart).map(|idle| idle / 4),
        }
    }

    /// Something of this generation was presented.
    pub(crate) fn seen(&self, session: SessionId, generation: Generation) {
        let mut shard = self.shard(session);
        let note = shard.entry(session).or_default();
        note.seen = note.seen.max(Some(generation));
    }

    /// The person did something.
    pub(crate) fn active(&self, session: SessionId, at: Timestamp) {
        let mut shard = self.shard(session);
        let note = shard.entry(session).or_default();
        note.active_at = note.active_at.max(Some(at));
    }

    /// What is noted of a session: the highest generation seen, and the last activity.
    pub(crate) fn of(&self, session: SessionId) -> (Option<Generation>, Option<Timestamp>) {
        self.shard(session).get(&session).map_or((None, None), |note| (note.seen, note.active_at))
    }

    /// How many sessions' persons did something here since then: as far back as [`Notes::kept`].
    pub(crate) fn active_since(&self, since: Timestamp) -> usize {
        let active = |note: &&Note| note.active_at.is_some_and(|at| at >= since);
        self.shards.iter().map(|shard| lock(shard).values().filter(active).count()).sum()
    }

    /// For how long what was done is known here at least.
    pub(crate) const fn kept(&self) -> Duration {
        self.interval
    }

    /// What is due to be written at `now`, in batches; with `all`, whatever is not written.
    pub(crate) fn due(&self, now: Timestamp, all: bool) -> Vec<Vec<Write>> {
        let mut due = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            // Written long enough ago: what comes next is a first note again.
            shard.retain(|_, note| {
                !note.is_written()
                    || note.written_at.is_some_and(|at| now < at.after(self.interval))
                    || self.rest.is_some_and(|after| !note.rests() || !note.is_to_rest(now, after))
            });
            due.extend(
                shard
                    .iter()
                    .filter(|(_, note)| (all && !note.is_written()) || note.is_due(now, self.interval))
                    .map(|(session, note)| (*session, note.seen, note.active_at)),
            );
        }
        batches(due, |(session, seen, active_at)| Write::Note { session, seen, active_at })
    }

    /// The activity that is due to be written at rest, in batches; with `all`, whatever is not.
    pub(crate) fn due_to_rest(&self, now: Timestamp, all: bool) -> Vec<Vec<Write>> {
        let Some(after) = self.rest else { return Vec::new() };
        let mut due = Vec::new();
        for shard in &self.shards {
            due.extend(lock(shard).iter().filter_map(|(session, note)| {
                let is_due = !note.rests() && (all || note.is_to_rest(now, after));
                Some((*session, note.active_at.filter(|_| is_due)?))
            }));
        }
        batches(due, |(session, active_at)| Write::NoteAtRest { session, active_at })
    }

    /// These were written.
    pub(crate) fn written(&self, writes: &[Write], now: Timestamp) {
        for write in writes {
            let (Write::Note { session, .. } | Write::NoteAtRest { session, .. }) = write else { continue };
            let mut shard = self.shard(*session);
            match (write, shard.get_mut(session)) {
                (Write::Note { seen, active_at, .. }, Some(note)) => {
                    note.written = (*seen, *active_at);
                    note.written_at = Some(now);
                }
                (Write::NoteAtRest { active_at, .. }, Some(note)) => note.rested = Some(*active_at),
                _ => {}
            }
        }
    }

    fn shard(&self, session: SessionId) -> MutexGuard<'_, HashMap<SessionId, Note>> {
        // The end of an id is random, and nobody chooses their own.
        let [.., end] = session.as_bytes();
        lock(&self.shards[usize::from(*end) % SHARDS])
    }
}

/// In one order on every node: two that write the same ones don't hold each other up.
fn batches<N: Copy + Ord>(mut notes: Vec<N>, write: impl Fn(N) -> Write) -> Vec<Vec<Write>> {
    notes.sort_unstable();
    notes.chunks(BATCH).map(|some| some.iter().map(|note| write(*note)).collect()).collect()
}

fn lock(shard: &Mutex<HashMap<SessionId, Note>>) -> MutexGuard<'_, HashMap<SessionId, Note>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId::from_bytes([1; 16]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn flush(notes: &Notes, now: Timestamp) -> usize {
        let batches = notes.due(now, false);
        batches.iter().for_each(|batch| notes.written(batch, now));
        batches.iter().map(Vec::len).sum()
    }

    #[test]
    fn activity_is_written_once_in_an_interval_and_the_last_one_is_never_dropped() {
        let notes = Notes::new(None, false);
        notes.active(SESSION, at(0));
        assert_eq!(flush(&notes, at(1)), 1, "the first at once");
        for second in 1..=60 {
            notes.active(SESSION, at(second));
            assert_eq!(flush(&notes, at(second)), 0, "second {second}");
        }
        assert_eq!(notes.of(SESSION).1, Some(at(60)), "it counts here meanwhile");
        assert_eq!(flush(&notes, at(61)), 1, "the last one, after the interval");
        assert_eq!(flush(&notes, at(200)), 0);
        assert_eq!(notes.of(SESSION), (None, None), "and is forgotten then");
    }

    #[test]
    fn a_receipt_does_not_wait_for_the_interval() {
        let notes = Notes::new(None, false);
        notes.active(SESSION, at(0));
        assert_eq!(flush(&notes, at(1)), 1);
        notes.seen(SESSION, 4);
        assert_eq!(flush(&notes, at(2)), 1);
        notes.seen(SESSION, 3);
        assert_eq!(flush(&notes, at(3)), 0, "a lesser generation says nothing new");
    }

    #[test]
    fn what_is_noted_while_it_is_being_written_is_not_lost() {
        let notes = Notes::new(None, false);
        notes.seen(SESSION, 1);
        let batches = notes.due(at(1), false);
        notes.seen(SESSION, 2);
        batches.iter().for_each(|batch| notes.written(batch, at(1)));
        assert_eq!(notes.of(SESSION).0, Some(2));
        assert_eq!(flush(&notes, at(2)), 1);
    }

    #[test]
    fn notes_are_written_in_one_order() {
        let notes = Notes::new(None, false);
        let sessions: Vec<_> = (0..600_u128).map(|n| SessionId::from_bytes(n.to_be_bytes())).collect();
        for session in sessions.iter().rev() {
            notes.active(*session, at(0));
        }
        let due = notes.due(at(0), false).concat().into_iter().map(|write| match write {
            Write::Note { session, .. } => session,
            other => panic!("{other:?}"),
        });
        assert_eq!(due.collect::<Vec<_>>(), sessions, "over all batches");
    }

    #[test]
    fn before_a_stop_everything_is_due() {
        let notes = Notes::new(None, false);
        notes.active(SESSION, at(0));
        flush(&notes, at(1));
        notes.active(SESSION, at(2));
        assert_eq!(notes.due(at(2), false).len(), 0);
        assert_eq!(notes.due(at(2), true).len(), 1);
    }

    /// What is written at rest at `now`, of the activity of one session.
    fn rest(notes: &Notes, now: Timestamp, all: bool) -> Option<Timestamp> {
        let batches = notes.due_to_rest(now, all);
        batches.iter().for_each(|batch| notes.written(batch, now));
        flush(notes, now);
        let mut rested = batches.iter().flatten().map(|write| match write {
            Write::NoteAtRest { active_at, .. } => *active_at,
            other => panic!("{other:?}"),
        });
        let first = rested.next();
        assert_eq!(rested.next(), None, "once");
        first
    }

    #[test]
    fn activity_rests_at_once_and_then_every_quarter_of_the_idle_timeout() {
        const QUARTER: i64 = 15 * 60;
        let notes = Notes::new(Some(Duration::from_secs(60 * 60)), true);
        notes.seen(SESSION, 1);
        assert_eq!(rest(&notes, at(0), true), None, "no activity");
        notes.active(SESSION, at(0));
        assert_eq!(rest(&notes, at(1), false), Some(at(0)), "the first at once");
        for second in 1..QUARTER {
            notes.active(SESSION, at(second));
            assert_eq!(rest(&notes, at(second), false), None, "second {second}");
        }
        assert_eq!(rest(&notes, at(QUARTER), false), Some(at(QUARTER - 1)), "the last of the quarter");
        // Whoever does something once and is quiet then is no less active.
        notes.active(SESSION, at(QUARTER + 1));
        assert_eq!(rest(&notes, at(2 * QUARTER - 2), false), None);
        assert_eq!(rest(&notes, at(2 * QUARTER - 1), false), Some(at(QUARTER + 1)));
        assert_eq!(rest(&notes, at(3 * QUARTER), true), None);
        assert_eq!(notes.of(SESSION), (None, None), "and it is forgotten then");
        notes.active(SESSION, at(3 * QUARTER));
        assert_eq!(rest(&notes, at(3 * QUARTER), false), Some(at(3 * QUARTER)), "as at first");
        notes.active(SESSION, at(3 * QUARTER + 1));
        assert_eq!(rest(&notes, at(3 * QUARTER + 1), true), Some(at(3 * QUARTER + 1)), "before a stop");
    }

    #[test]
    fn what_can_not_be_written_elsewhere_is_written_at_rest_and_known_until_it_is() {
        let notes = Notes::new(Some(Duration::from_secs(60 * 60)), true);
        notes.active(SESSION, at(0));
        let resting = notes.due_to_rest(at(0), false);
        notes.written(&resting[0], at(0));
        assert_eq!((notes.due_to_rest(at(1), true).len(), notes.due(at(9_000), false).len()), (0, 1));
        notes.active(SESSION, at(9_000));
        let noted = notes.due(at(9_000), false);
        notes.written(&noted[0], at(9_000));
        assert_eq!((notes.due(at(9_999), true).len(), notes.due_to_rest(at(9_999), false).len()), (0, 1));
    }

    #[test]
    fn nothing_is_written_at_rest_that_nobody_needs_there() {
        let hour = Some(Duration::from_secs(60 * 60));
        for notes in [Notes::new(hour, false), Notes::new(None, true)] {
            notes.active(SESSION, at(0));
            assert_eq!(rest(&notes, at(0), true), None);
            assert_eq!(flush(&notes, at(1_000)), 0);
            assert_eq!(notes.of(SESSION), (None, None));
        }
    }

    #[test]
    fn a_short_idle_timeout_shortens_the_interval() {
        let notes = Notes::new(Some(Duration::from_secs(60)), false);
        notes.active(SESSION, at(0));
        assert_eq!(flush(&notes, at(0)), 1);
        notes.active(SESSION, at(2));
        assert_eq!(flush(&notes, at(2)), 0);
        assert_eq!(flush(&notes, at(3)), 1);
    }
}
