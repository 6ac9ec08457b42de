//! What was seen and done of late, and is not written yet?
//!
//! That something of a session's newest generation was presented, and that its person did
//! something, is noted in memory and counts at once on this node. It is written in batches: the
//! first note of a session within a second, then at most once in an interval, the last one never
//! dropped. So reading a page is no write, and nothing grows with use.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher as _;
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
    hasher: std::hash::RandomState,
    interval: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Note {
    seen: Option<Generation>,
    active_at: Option<Timestamp>,
    /// What of it is written.
    written: (Option<Generation>, Option<Timestamp>),
    written_at: Option<Timestamp>,
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
}

impl Notes {
    /// Notes of sessions that end after `idle` without activity, where they do.
    pub(crate) fn new(idle: Option<Duration>) -> Self {
        Self {
            shards: Default::default(),
            hasher: std::hash::RandomState::new(),
            interval: idle.map_or(INTERVAL, |idle| INTERVAL.min(idle / 20)),
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
                !note.is_written() || note.written_at.is_some_and(|at| now < at.after(self.interval))
            });
            due.extend(
                shard
                    .iter()
                    .filter(|(_, note)| (all && !note.is_written()) || note.is_due(now, self.interval))
                    .map(|(session, note)| Write::Note {
                        session: *session,
                        seen: note.seen,
                        active_at: note.active_at,
                    }),
            );
        }
        // In one order on every node: two that write the same ones don't hold each other up.
        due.sort_unstable_by_key(|note| match note {
            Write::Note { session, .. } => Some(*session),
            _ => None,
        });
        due.chunks(BATCH).map(<[Write]>::to_vec).collect()
    }

    /// These were written.
    pub(crate) fn written(&self, writes: &[Write], now: Timestamp) {
        for write in writes {
            let Write::Note { session, seen, active_at } = write else { continue };
            if let Entry::Occupied(mut note) = self.shard(*session).entry(*session) {
                let note = note.get_mut();
                note.written = (*seen, *active_at);
                note.written_at = Some(now);
            }
        }
    }

    fn shard(&self, session: SessionId) -> MutexGuard<'_, HashMap<SessionId, Note>> {
        let hash = self.hasher.hash_one(session);
        lock(&self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()])
    }
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
        let notes = Notes::new(None);
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
        let notes = Notes::new(None);
        notes.active(SESSION, at(0));
        assert_eq!(flush(&notes, at(1)), 1);
        notes.seen(SESSION, 4);
        assert_eq!(flush(&notes, at(2)), 1);
        notes.seen(SESSION, 3);
        assert_eq!(flush(&notes, at(3)), 0, "a lesser generation says nothing new");
    }

    #[test]
    fn what_is_noted_while_it_is_being_written_is_not_lost() {
        let notes = Notes::new(None);
        notes.seen(SESSION, 1);
        let batches = notes.due(at(1), false);
        notes.seen(SESSION, 2);
        batches.iter().for_each(|batch| notes.written(batch, at(1)));
        assert_eq!(notes.of(SESSION).0, Some(2));
        assert_eq!(flush(&notes, at(2)), 1);
    }

    #[test]
    fn notes_are_written_in_one_order() {
        let notes = Notes::new(None);
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
        let notes = Notes::new(None);
        notes.active(SESSION, at(0));
        flush(&notes, at(1));
        notes.active(SESSION, at(2));
        assert_eq!(notes.due(at(2), false).len(), 0);
        assert_eq!(notes.due(at(2), true).len(), 1);
    }

    #[test]
    fn a_short_idle_timeout_shortens_the_interval() {
        let notes = Notes::new(Some(Duration::from_secs(60)));
        notes.active(SESSION, at(0));
        assert_eq!(flush(&notes, at(0)), 1);
        notes.active(SESSION, at(2));
        assert_eq!(flush(&notes, at(2)), 0);
        assert_eq!(flush(&notes, at(3)), 1);
    }
}
