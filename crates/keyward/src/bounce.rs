//! Is a browser going round in circles between a page and the renewal of its session?
//!
//! That happens where its cookies are refused, or a proxy drops them. The third bounce to the same
//! page within half a minute, with no valid access token presented between, is answered with the
//! cause instead.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyward_core::id::SessionId;
use keyward_core::time::Timestamp;

/// Within which time bounces count together.
const WITHIN: Duration = Duration::from_secs(30);
/// Which bounce is one too many.
const TOO_MANY: u32 = 3;
/// How many pages are remembered at most.
const PAGES: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Bounces {
    pages: Mutex<HashMap<(SessionId, String), Bounced>>,
    /// How many there are, so that a request need not wait to see that there is none.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Bounced {
    since: Timestamp,
    times: u32,
}

impl Bounces {
    /// Counts a bounce of this session to this page; whether it is one too many.
    pub(crate) fn again(&self, session: SessionId, next: &str, now: Timestamp) -> bool {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= PAGES {
            pages.retain(|_, bounced| now < bounced.since.after(WITHIN));
        }
        if pages.len() >= PAGES {
            return false;
        }
        let bounced = pages.entry((session, next.to_owned())).or_insert(Bounced { since: now, times: 0 });
        if now >= bounced.since.after(WITHIN) {
            *bounced = Bounced { since: now, times: 0 };
        }
        bounced.times += 1;
        let too_many = bounced.times >= TOO_MANY;
        self.count.store(pages.len(), Ordering::Release);
        too_many
    }

    /// A valid access token of this session was presented: its cookies arrive.
    pub(crate) fn arrived(&self, session: SessionId) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|(of, _), _| *of != session);
        self.count.store(pages.len(), Ordering::Release);
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
