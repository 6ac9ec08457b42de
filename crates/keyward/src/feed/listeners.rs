//! Who else is told what is revoked, and what have they heard?
//!
//! One buffer of the latest changes, in commit order, for all listeners: each has but a place in it.
//! A listener that fell behind the buffer, or reads nothing while others want its seat, is cut off,
//! and begins again with the whole set. The set is written out once for all who ask for it together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::body::Bytes;
use keyward_core::denial::Denial;
use keyward_core::revocation::{Entry, Revocation};
use keyward_core::service_key::{Scope, ServiceKey};
use keyward_core::time::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock::micros;
use crate::engine::Engine;
use crate::error::{Denied, Error};

/// How often a listener hears that the node knows what was revoked.
pub(crate) const BEAT: Duration = Duration::from_millis(250);
/// How many changes are kept for those who come back.
const KEPT: usize = 4_096;
/// How many may listen at once.
pub(crate) const SEATS: usize = 2_000;
/// How long who reads nothing keeps a seat that another wants.
const STALLED: Duration = Duration::from_secs(10);
/// How much is told at once, in bytes.
const PIECE: usize = 16 << 10;
const HEARTBEAT: &[u8] = b"event: heartbeat\ndata: {}\n\n";

/// The latest changes, and who hears of them.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// Of this start alone: after a backup was restored, and on another node, a position is another's.
    start: String,
    latest: Mutex<Latest>,
    /// The last position in the buffer; how often everybody was sent away.
    changed: watch::Sender<(u64, u64)>,
    seats: Mutex<Vec<Arc<Seat>>>,
    /// Held while the whole set is written out.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Latest {
    /// The position after which nothing is missing.
    base: u64,
    /// The position up to which nothing is missing.
    last: u64,
    changes: VecDeque<(u64, Bytes)>,
    whole: Weak<Whole>,
}

/// The whole set as it was at a position, written out.
#[derive(Debug)]
struct Whole {
    position: u64,
    text: Bytes,
}

#[derive(Debug)]
struct Seat {
    /// When its listener last took something, in microseconds of the monotonic clock.
    read_at: AtomicU64,
    is_cut: AtomicBool,
}

impl Listeners {
    pub(super) fn new(start: [u8; 8]) -> Self {
        Self {
            start: format!("{:016x}", u64::from_be_bytes(start)),
            latest: Mutex::default(),
            changed: watch::Sender::new((0, 0)),
            seats: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Tells what a poll brought: everything past the last position.
    pub(super) fn polled(&self, entries: &[Entry]) {
        self.append(entries, |_, _| true);
    }

    /// Tells what this node has committed itself, where nothing lies between that and what was told
    /// before; whether it did.
    pub(super) fn committed(&self, entries: &[Entry]) -> bool {
        self.append(entries, |last, position| position == last + 1)
    }

    /// Sends everybody away, as at a stop.
    pub(crate) fn send_away(&self) {
        self.changed.send_modify(|(_, times)| *times += 1);
    }

    /// How many listen.
    pub(crate) fn count(&self) -> usize {
        self.seats().iter().filter(|seat| Arc::strong_count(seat) > 1).count()
    }

    fn append(&self, entries: &[Entry], follows: impl Fn(u64, u64) -> bool) -> bool {
        let mut latest = self.latest();
        let before = latest.last;
        for entry in entries {
            if entry.position <= latest.last {
                continue;
            }
            if !follows(latest.last, entry.position) {
                break;
            }
            latest.last = entry.position;
            let text = told(&entry.revocation, entry.until, Some(&self.id(entry.position)));
            latest.changes.push_back((entry.position, text.into()));
            if latest.changes.len() > KEPT
                && let Some((gone, _)) = latest.changes.pop_front()
            {
                latest.base = gone;
            }
        }
        let last = latest.last;
        drop(latest);
        if last != before {
            self.changed.send_modify(|(position, _)| *position = last);
        }
        entries.last().is_none_or(|entry| entry.position <= last)
    }

    /// A seat for one more.
    ///
    /// # Errors
    /// `overloaded` where there is none.
    fn sit_down(&self, now: Duration) -> Result<Arc<Seat>, Error> {
        let mut seats = self.seats();
        seats.retain(|seat| Arc::strong_count(seat) > 1);
        if seats.len() >= SEATS {
            seats.retain(|seat| {
                let read_at = Duration::from_micros(seat.read_at.load(Ordering::Relaxed));
                let stalled = now.saturating_sub(read_at) > STALLED;
                seat.is_cut.fetch_or(stalled, Ordering::Relaxed);
                !stalled
            });
        }
        if seats.len() >= SEATS {
            let full = format!("{SEATS} listen to this node already");
            let denied = Denied::from(Denial::Overloaded).retry_in(Duration::from_secs(5));
            return Err(denied.with_detail(full).into());
        }
        let seat = Arc::new(Seat { read_at: AtomicU64::new(micros(now)), is_cut: AtomicBool::new(false) });
        seats.push(Arc::clone(&seat));
        Ok(seat)
    }

    /// How a position is named to those who listen.
    fn id(&self, position: u64) -> String {
        format!("{}-{position}", self.start)
    }

    /// The position of that name; `None` where it was not given since the start.
    fn position(&self, id: &str) -> Option<u64> {
        let position = id.strip_prefix(&self.start)?.strip_prefix('-')?;
        position.bytes().all(|b| b.is_ascii_digit()).then(|| position.parse().ok())?
    }

    /// That everything up to this position was told.
    fn ready(&self, position: u64, resumed: bool) -> String {
        let data = json!({ "position": position, "resumed": resumed });
        format!("id: {}\nevent: ready\ndata: {data}\n\n", self.id(position))
    }

    /// What was told after this position, and whether that is all; `None` where it is too long ago.
    fn since(&self, position: u64) -> Option<(u64, Vec<u8>, bool)> {
        let latest = self.latest();
        if position < latest.base || position > latest.last {
            return None;
        }
        let from = latest.changes.partition_point(|(known, _)| *known <= position);
        let (mut text, mut reached) = (Vec::new(), position);
        for (position, change) in latest.changes.range(from..) {
            text.extend_from_slice(change);
            reached = *position;
            if text.len() >= PIECE {
                break;
            }
        }
        Some((reached, text, reached == latest.last))
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who listens.
pub(crate) struct Listener {
    engine: Arc<Engine>,
    key: Arc<ServiceKey>,
    seat: Arc<Seat>,
    changed: watch::Receiver<(u64, u64)>,
    sent_away: u64,
    position: u64,
    /// What is left to tell of the whole set.
    whole: Option<(Arc<Whole>, usize)>,
    /// What is to be told next, before anything else.
    first: Option<Bytes>,
    next_beat: Duration,
}

impl Engine {
    /// Begins to tell the holder of this key what is revoked: what came after the event of the id
    /// `last`, or the whole set where that is not known any more.
    ///
    /// # Errors
    /// `overloaded` where too many listen.
    pub(crate) async fn listen(
        self: &Arc<Self>,
        key: Arc<ServiceKey>,
        last: Option<&str>,
    ) -> Result<Listener, Error> {
        let listeners = &self.feed.listeners;
        let now = self.clock.monotonic();
        let seat = listeners.sit_down(now)?;
        let changed = listeners.changed.subscribe();
        let sent_away = changed.borrow().1;
        let position = last.and_then(|id| listeners.position(id));
        let resumed = position.filter(|position| listeners.since(*position).is_some());
        let (position, whole) = match resumed {
            Some(position) => (position, None),
            None => {
                let whole = self.whole().await;
                (whole.position, Some((whole, 0)))
            }
        };
        let first = match resumed {
            Some(position) => format!("retry: 1000\n\n{}", listeners.ready(position, true)),
            None => "retry: 1000\n\n".to_owned(),
        };
        Ok(Listener {
            engine: Arc::clone(self),
            key,
            seat,
            changed,
            sent_away,
            position,
            whole,
            first: Some(first.into()),
            next_beat: now,
        })
    }

    /// The whole set, written out; for several who ask together once.
    async fn whole(&self) -> Arc<Whole> {
        let listeners = &self.feed.listeners;
        let _one = listeners.writing.lock().await;
        let position = {
            let latest = listeners.latest();
            match latest.whole.upgrade() {
                Some(known) if known.position >= latest.base => return known,
                _ => latest.last,
            }
        };
        // What was told up to that position stands in the set by now, and perhaps more.
        let now = self.clock.now();
        let entries: Vec<_> = self.feed.set().entries().filter(|(_, until)| *until > now).collect();
        let mut text = Vec::new();
        for (revocation, until) in &entries {
            text.extend_from_slice(told(revocation, *until, None).as_bytes());
        }
        text.extend_from_slice(listeners.ready(position, false).as_bytes());
        let whole = Arc::new(Whole { position, text: text.into() });
        listeners.latest().whole = Arc::downgrade(&whole);
        whole
    }
}

impl Listener {
    /// What is to be told next, as soon as there is something; `None` where it ends.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            let engine = Arc::clone(&self.engine);
            let now = engine.clock.monotonic();
            self.seat.read_at.store(micros(now), Ordering::Relaxed);
            let (_, sent_away) = *self.changed.borrow_and_update();
            let may = match engine.still_holds(&self.key, Scope::Revocations).await {
                Ok(may) => may,
                // Who may listen is not known: nothing is told until it is, not even a beat.
                Err(_) => {
                    self.wait(now + BEAT).await?;
                    continue;
                }
            };
            if !may || sent_away != self.sent_away || self.seat.is_cut.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(first) = self.first.take() {
                return Some(first);
            }
            if let Some((whole, told)) = self.whole.take() {
                let end = whole.text.len().min(told + PIECE);
                let piece = whole.text.slice(told..end);
                if end < whole.text.len() {
                    self.whole = Some((whole, end));
                }
                return Some(piece);
            }
            // The store may have kept us waiting. What the node knows by now is told below.
            let now = engine.clock.monotonic();
            let (is_due, is_fresh) = (now >= self.next_beat, engine.feed.is_fresh(now));
            let (reached, mut text, is_all) = engine.feed.listeners.since(self.position)?;
            self.position = reached;
            // Who has not heard all is behind: a beat would make them trust what they know.
            if is_due && is_all {
                self.next_beat = now + BEAT;
                if is_fresh {
                    text.extend_from_slice(HEARTBEAT);
                }
            }
            if !text.is_empty() {
                return Some(text.into());
            }
            drop(engine);
            self.wait(self.next_beat).await?;
        }
    }

    /// Until something changes, or that moment.
    async fn wait(&mut self, moment: Duration) -> Option<()> {
        let clock = self.engine.clock.clone();
        tokio::select! {
            changed = self.changed.changed() => changed.ok(),
            () = clock.wait_until(moment) => Some(()),
        }
    }
}

/// A change, as it is told: by the names of the claims that it concerns.
fn told(revocation: &Revocation, until: Timestamp, id: Option<&str>) -> String {
    // In whole seconds, and never less.
    let until = Timestamp::from_seconds(until.after(Duration::from_micros(999_999)).seconds());
    let data = match revocation {
        Revocation::Key(kid) => json!({ "kind": "key", "kid": kid }),
        Revocation::Session(sid) => json!({ "kind": "session", "sid": sid }),
        Revocation::Generation(sid, generation) => {
            json!({ "kind": "generation", "sid": sid, "gen": generation })
        }
        Revocation::User(sub, least) => json!({ "kind": "user", "sub": sub, "uv": least }),
        Revocation::Roles(least) => json!({ "kind": "roles", "rv": least }),
    };
    let data = with(data, "until", json!(until));
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: revocation\ndata: {data}\n\n")
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

#[cfg(test)]
mod tests {
    use keyward_core::id::SessionId;

    use super::*;

    fn entry(position: u64) -> Entry {
        Entry {
            position,
            revocation: Revocation::Session(SessionId::from_bytes([1; 16])),
            until: Timestamp::from_micros(1_500_000),
        }
    }

    fn ids(listeners: &Listeners, from: u64) -> Option<Vec<u64>> {
        let (mut from, mut ids) = (from, Vec::new());
        loop {
            let (reached, text, is_all) = listeners.since(from)?;
            let text = String::from_utf8(text).expect("text");
            ids.extend(
                text.lines()
                    .filter_map(|line| line.strip_prefix("id: "))
                    .map(|id| listeners.position(id).expect("id")),
            );
            if reached == from {
                assert!(is_all);
                return Some(ids);
            }
            from = reached;
        }
    }

    #[test]
    fn what_is_committed_here_is_told_at_once_where_nothing_lies_between() {
        let listeners = Listeners::new([7; 8]);
        listeners.polled(&[entry(3), entry(7)]);
        assert!(listeners.committed(&[entry(8), entry(9)]));
        assert!(!listeners.committed(&[entry(11)]), "somebody else may have committed 10");
        assert_eq!(ids(&listeners, 0), Some(vec![3, 7, 8, 9]));
        listeners.polled(&[entry(8), entry(9), entry(10), entry(11)]);
        assert!(listeners.committed(&[entry(11)]), "told already");
        assert_eq!(ids(&listeners, 8), Some(vec![9, 10, 11]));
        assert_eq!(ids(&listeners, 11), Some(vec![]));
        assert_eq!(ids(&listeners, 12), None, "never told");
    }

    #[test]
    fn a_position_is_known_by_the_name_that_it_got_since_the_start_alone() {
        let (one, other) = (Listeners::new([7; 8]), Listeners::new([8; 8]));
        assert_eq!(one.id(41), "0707070707070707-41");
        assert_eq!(one.position(&one.id(41)), Some(41));
        for strange in
            [&other.id(41), "41", "-41", "0707070707070707", "0707070707070707-", "0707070707070707-+1"]
        {
            assert_eq!(one.position(strange), None, "{strange}");
        }
    }

    #[test]
    fn the_buffer_is_bounded_and_who_fell_behind_is_told_nothing_of_it() {
        let listeners = Listeners::new([7; 8]);
        for position in 1..=KEPT as u64 + 10 {
            listeners.polled(&[entry(position)]);
        }
        assert_eq!(listeners.latest().changes.len(), KEPT);
        assert_eq!(ids(&listeners, 9), None);
        assert_eq!(ids(&listeners, 10).expect("they are there").len(), KEPT);
    }

    #[test]
    fn a_seat_is_taken_from_who_reads_nothing_and_from_nobody_else() {
        let listeners = Listeners::new([7; 8]);
        let at = Duration::from_secs;
        let mut seats: Vec<_> = (0..SEATS).map(|_| listeners.sit_down(at(0)).expect("a seat")).collect();
        assert_eq!(listeners.sit_down(at(9)).expect_err("full").code(), "overloaded");
        seats.pop();
        seats.push(listeners.sit_down(at(9)).expect("one left"));
        for seat in &seats[1..] {
            seat.read_at.store(micros(at(9)), Ordering::Relaxed);
        }
        let _late = listeners.sit_down(at(11)).expect("the seat of the one who stalled");
        assert!(seats[0].is_cut.load(Ordering::Relaxed));
        assert!(seats[1..].iter().all(|seat| !seat.is_cut.load(Ordering::Relaxed)));
        assert_eq!(listeners.sit_down(at(11)).expect_err("full").code(), "overloaded");
    }

    #[test]
    fn a_change_is_told_by_the_claims_that_it_concerns() {
        let sid = SessionId::from_bytes([1; 16]);
        for (revocation, expected) in [
            (Revocation::Key("k".into()), json!({"kind": "key", "kid": "k"})),
            (Revocation::Session(sid), json!({"kind": "session", "sid": sid})),
            (Revocation::Generation(sid, 3), json!({"kind": "generation", "sid": sid, "gen": 3})),
            (
                Revocation::User(keyward_core::id::UserId::from_bytes([2; 16]), 6),
                json!({"kind": "user", "sub": "02020202-0202-0202-0202-020202020202", "uv": 6}),
            ),
            (Revocation::Roles(8), json!({"kind": "roles", "rv": 8})),
        ] {
            let text = told(&revocation, Timestamp::from_micros(1_000_001), Some("x-5"));
            let data = text.strip_prefix("id: x-5\nevent: revocation\ndata: ").expect("an event");
            let data: Value =
                serde_json::from_str(data.strip_suffix("\n\n").expect("its end")).expect("JSON");
            assert_eq!(data, with(expected, "until", json!("1970-01-01T00:00:02Z")));
        }
    }
}
