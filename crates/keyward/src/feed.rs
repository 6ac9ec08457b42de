//! What was revoked, as far as this node knows, and how fresh is that?
//!
//! The set stands in memory, so that verifying a token asks no store. A poll reads what was
//! committed past the last entry; what this node commits itself is in force before it answers.
//! What a node knows is as old as the moment it *sent* the last poll that was answered: older
//! than [`TRUST`], it must not be believed.

pub(crate) mod listeners;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use keyward_core::revocation::{CutOff, Entry, RevocationSet, Subject};
use keyward_core::time::Timestamp;

use self::listeners::Listeners;
use crate::clock::{Clock, micros};
use crate::store::{Fault, NEWS_LIMIT, News, Store, WORTH};

/// How often a node asks what was revoked, give or take a tenth: what others commit is known here
/// within 250 ms, with 30 for the answer.
pub(crate) const POLL: Duration = Duration::from_millis(200);
/// How long a node believes what it knows.
pub(crate) const TRUST: Duration = WORTH;

#[derive(Debug)]
pub(crate) struct Feed {
    set: RwLock<RevocationSet>,
    /// When the last poll that was answered was sent, in microseconds of the monotonic clock.
    known_at: AtomicU64,
    /// Rises whenever the set grows: what was checked at this number need not be checked again.
    epoch: AtomicU64,
    /// The last entry that a poll brought.
    last: tokio::sync::Mutex<Option<Entry>>,
    /// That the store lost something, until it was dealt with.
    lost: Mutex<Option<Lost>>,
    /// Services that verify by themselves.
    pub(crate) listeners: Listeners,
}

/// The store turned out to be one from before, as after a failover: a version that it tells may have
/// meant something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    /// How often it did since the last time was dealt with.
    times: u32,
    /// What `rv` a token had to say when it was noticed.
    pub(crate) least_rv: u64,
}

/// Whether the store is the one that told this entry last, which is taken out of the news. Once
/// that could be swept only the number of the newest position tells.
fn goes_on(news: &mut News, told: &Entry, now: Timestamp) -> bool {
    match news.revocations.first() {
        Some(first) if first.position == told.position => news.revocations.remove(0) == *told,
        _ => told.until <= now && news.last.is_none_or(|newest| newest >= told.position),
    }
}

impl Feed {
    /// One that knows nothing yet, named by random bytes.
    pub(crate) fn new(start: [u8; 8]) -> Self {
        Self {
            set: RwLock::default(),
            known_at: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            last: tokio::sync::Mutex::default(),
            lost: Mutex::default(),
            listeners: Listeners::new(start),
        }
    }

    /// Asks the store for what is new, remembers when it was asked, and sets the clock by the
    /// store's where that has one. `None` where somebody else asked since this was called.
    pub(crate) async fn poll(&self, store: &dyn Store, clock: &Clock) -> Result<Option<News>, Fault> {
        let called = clock.monotonic();
        // One at a time: the last entry must not fall behind.
        let mut last = self.last.lock().await;
        if micros(called) < self.known_at.load(Ordering::Acquire) {
            return Ok(None);
        }
        loop {
            let asked = clock.monotonic();
            let position = last.as_ref().map_or(0, |last| last.position);
            // With the last one itself, by which the store is known again.
            let mut news = store.news(position.saturating_sub(1)).await?;
            let all = news.revocations.len() < NEWS_LIMIT;
            if let Some(at) = news.at {
                clock.follow(at, asked, clock.monotonic());
            }
            let least_rv = self.set().least_rv();
            let known = last.as_ref().is_none_or(|last| goes_on(&mut news, last, clock.now()));
            self.apply(&news.revocations);
            // What this node committed itself, and told, is past the last that a poll brought.
            if !known || !self.listeners.polled(&news.revocations) {
                // The store is one from before: what it gives out now was given out already.
                tracing::warn!(
                    position,
                    "the store lost what it had revoked last: it was restored, or failed over"
                );
                *last = None;
                self.lose(least_rv);
                continue;
            }
            if let Some(newest) = news.revocations.last() {
                *last = Some(newest.clone());
            }
            if all {
                self.known_at.fetch_max(micros(asked), Ordering::AcqRel);
                return Ok(Some(news));
            }
        }
    }

    /// Takes note that the store is one from before, and of what was known without it.
    fn lose(&self, least_rv: u64) {
        let mut lost = self.lost();
        let before = lost.unwrap_or(Lost { times: 0, least_rv: 0 });
        *lost = Some(Lost { times: before.times + 1, least_rv: least_rv.max(before.least_rv) });
        drop(lost);
        self.listeners.begin_anew();
    }

    /// That the store lost something which was not dealt with yet.
    pub(crate) fn has_lost(&self) -> Option<Lost> {
        *self.lost()
    }

    /// That was dealt with.
    pub(crate) fn dealt_with(&self, lost: Lost) {
        self.lost().take_if(|known| *known == lost);
    }

    fn lost(&self) -> MutexGuard<'_, Option<Lost>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what this node knows may be believed at `now`, by the monotonic clock.
    pub(crate) fn is_fresh(&self, now: Duration) -> bool {
        self.age(now) <= TRUST
    }

    /// How old what this node knows is at `now`, by the monotonic clock.
    pub(crate) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(Duration::from_micros(self.known_at.load(Ordering::Acquire)))
    }

    /// Takes in what was revoked.
    fn apply(&self, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            set.insert(entry);
        }
        drop(set);
        self.touch();
    }

    /// Takes in what this node has committed itself; whether those who listen were told, or have to
    /// wait for a poll.
    pub(crate) fn committed(&self, entries: &[Entry]) -> bool {
        self.apply(entries);
        self.listeners.committed(entries)
    }

    /// Makes everything that was checked be checked again.
    pub(crate) fn touch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn check(&self, token: Subject<'_>) -> Option<CutOff> {
        self.set().check(token)
    }

    pub(crate) fn set(&self) -> RwLockReadGuard<'_, RevocationSet> {
        self.set.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sweep(&self, now: Timestamp) {
        self.set.write().unwrap_or_else(PoisonError::into_inner).sweep(now);
    }
}
