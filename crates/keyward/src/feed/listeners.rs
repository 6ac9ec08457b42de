//! Who else is told what is revoked, and what have they heard?
//!
//! One buffer of the latest changes, in commit order, for all listeners: each has but a place in it.
//! A listener that fell behind the buffer, or reads nothing while others want its seat, is cut off,
//! and begins again with the whole set. The set is written out once for all who ask for it together.

mod latest;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use keyward_core::denial::Denial;
use keyward_core::revocation::Entry;
use keyward_core::service_key::{Scope, ServiceKey};
use tokio::sync::watch;

use self::latest::{Latest, Place, Whole, told};
use crate::clock::micros;
use crate::engine::Engine;
use crate::error::{Denied, Error};

/// How often a listener hears that the node knows what was revoked.
pub(crate) const BEAT: Duration = Duration::from_millis(250);
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
    latest: Mutex<Latest>,
    /// The last place in the buffer; how often everybody was sent away.
    changed: watch::Sender<(Place, u64)>,
    seats: Mutex<Vec<Arc<Seat>>>,
    /// Held while the whole set is written out.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Seat {
    /// When its listener last took something, in microseconds of the monotonic clock.
    read_at: AtomicU64,
    is_cut: AtomicBool,
}

impl Listeners {
    pub(super) fn new(start: [u8; 8]) -> Self {
        let latest = Latest::of(u64::from_be_bytes(start));
        Self {
            changed: watch::Sender::new((latest.end(), 0)),
            latest: Mutex::new(latest),
            seats: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Tells what a poll brought; whether all that was told before stands.
    pub(super) fn polled(&self, entries: &[Entry]) -> bool {
        self.tell(|latest| latest.polled(entries))
    }

    /// Tells what this node has committed itself, if it is its turn; whether it is told.
    pub(super) fn committed(&self, entries: &[Entry]) -> bool {
        self.tell(|latest| latest.committed(entries))
    }

    /// The store turned out to be one from before: what it tells from now on has other places, and
    /// everybody comes for the whole set.
    pub(super) fn begin_anew(&self) {
        // Nobody's place is known any more, which each sees when it looks.
        self.tell(Latest::begin_anew);
    }

    /// Sends everybody away, as at a stop.
    pub(crate) fn send_away(&self) {
        self.changed.send_modify(|(_, times)| *times += 1);
    }

    /// How many listen.
    pub(crate) fn count(&self) -> usize {
        self.seats().iter().filter(|seat| Arc::strong_count(seat) > 1).count()
    }

    fn tell<T>(&self, take_in: impl FnOnce(&mut Latest) -> T) -> T {
        let mut latest = self.latest();
        let before = latest.end();
        let told = take_in(&mut latest);
        let end = latest.end();
        drop(latest);
        if end != before {
            self.changed.send_modify(|(last, _)| *last = end);
        }
        told
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
    changed: watch::Receiver<(Place, u64)>,
    sent_away: u64,
    place: Place,
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
        let resumed = last.and_then(Place::of).filter(|place| listeners.latest().knows(*place));
        let (place, whole) = match resumed {
            Some(place) => (place, None),
            None => {
                let whole = self.whole().await;
                (whole.place, Some((whole, 0)))
            }
        };
        let first = match resumed {
            Some(place) => format!("retry: 1000\n\n{}", place.ready(true)),
            None => "retry: 1000\n\n".to_owned(),
        };
        Ok(Listener {
            engine: Arc::clone(self),
            key,
            seat,
            changed,
            sent_away,
            place,
            whole,
            first: Some(first.into()),
            next_beat: now,
        })
    }

    /// The whole set, written out; for several who ask together once.
    async fn whole(&self) -> Arc<Whole> {
        let listeners = &self.feed.listeners;
        let _one = listeners.writing.lock().await;
        let place = {
            let latest = listeners.latest();
            match latest.whole() {
                Some(known) => return known,
                None => latest.end(),
            }
        };
        // What was told up to that place stands in the set by now, and perhaps more.
        let now = self.clock.now();
        let entries: Vec<_> = self.feed.set().entries().filter(|(_, until)| *until > now).collect();
        let mut text = Vec::new();
        for (revocation, until) in &entries {
            text.extend_from_slice(told(revocation, *until, None).as_bytes());
        }
        text.extend_from_slice(place.ready(false).as_bytes());
        let whole = Arc::new(Whole { place, text: text.into() });
        listeners.latest().keep(&whole);
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
            let (reached, mut text, is_all) = engine.feed.listeners.latest().since(self.place)?;
            self.place = reached;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
