//! Is a browser going round in circles between a page and the renewal of its session?
//!
//! That happens where its cookies are refused, or a proxy drops them. The third bounce to the same
//! page within half a minute, with no valid access token presented between, is answered with the
//! cause instead.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyward_core::id::SessionId;
use keyward_core::time::Timestamp;

/// Within which time bounces count together.
const WITHIN: Duration = Duration::from_secs(30);
/// Which bounce is one too many.
const TOO_MANY: usize = 3;
/// How many bounces of one session are remembered at most.
const OF_ONE: usize = 16;
/// How many sessions are remembered at most.
const SESSIONS: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Bounces {
    /// The bounces of each session: a hash of the page, and when.
    sessions: Mutex<HashMap<SessionId, Vec<(u64, Timestamp)>>>,
    /// How many sessions there are, so that a request need not wait to see that there is none.
    count: AtomicUsize,
    hasher: RandomState,
}

impl Bounces {
    /// Counts a bounce of this session to this page; whether it is one too many.
    pub(crate) fn again(&self, session: SessionId, next: &str, now: Timestamp) -> bool {
        let page = self.hasher.hash_one(next);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS {
            sessions.retain(|_, bounces| bounces.iter().any(|(_, at)| now < at.after(WITHIN)));
        }
        if sessions.len() >= SESSIONS {
            return false;
        }
        let bounces = sessions.entry(session).or_default();
        bounces.retain(|(_, at)| now < at.after(WITHIN));
        if bounces.len() >= OF_ONE {
            bounces.remove(0);
        }
        bounces.push((page, now));
        let too_many = bounces.iter().filter(|(of, _)| *of == page).count() >= TOO_MANY;
        self.count.store(sessions.len(), Ordering::Release);
        too_many
    }

    /// A valid access token of this session was presented: its cookies arrive.
    pub(crate) fn arrived(&self, session: SessionId) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&session);
        self.count.store(sessions.len(), Ordering::Release);
    }

    /// Forgets the bounces that no longer count.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, bounces| bounces.iter().any(|(_, at)| now < at.after(WITHIN)));
        self.count.store(sessions.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_bounce_is_one_too_many_unless_the_cookies_arrive() {
        let bounces = Bounces::default();
        let session = SessionId::from_bytes([1; 16]);
        let at = Timestamp::from_seconds;
        assert!(!bounces.again(session, "/a", at(0)));
        assert!(!bounces.again(session, "/a", at(1)));
        assert!(!bounces.again(session, "/b", at(1)), "another page");
        assert!(bounces.again(session, "/a", at(2)));
        bounces.arrived(session);
        assert!(!bounces.again(session, "/a", at(3)));
        assert!(!bounces.again(session, "/a", at(4)));
        assert!(!bounces.again(session, "/a", at(40)), "half a minute later");
    }
}
