//! Which keys verify at this moment? Those of the JWKS, fetched ahead and kept while Keyward is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::CACHE_CONTROL;
use keyward_core::key::PublicKeys;
use reqwest::{Client, Response, Url};
use tokio::sync::{Mutex, watch};

use crate::clock::{Clock, backoff};
use crate::web::{self, PATIENCE, Unanswered};

/// The largest JWKS that is read, in bytes.
const MAX_JWKS: usize = 64 * 1024;
/// How long to leave Keyward alone after a token named a key that nobody knows: anybody can make such.
const COOLDOWN: Duration = Duration::from_secs(30);
/// How long keys count where the answer does not say, and within which bounds it may.
const MAX_AGE: Duration = Duration::from_secs(300);
const BOUNDS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(1800));
/// How long keys count that can't be fetched again: one of them may have been revoked since.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(crate) struct Keys {
    url: Url,
    web: Client,
    clock: Clock,
    current: watch::Sender<Option<Arc<PublicKeys>>>,
    /// When they came, in microseconds of the monotonic clock.
    fetched_at: AtomicU64,
    /// When a fetch for an unknown name last began. Held while one is under way.
    asked_at: Mutex<Option<Duration>>,
}

impl Keys {
    pub(crate) fn new(url: Url, web: Client, clock: Clock) -> Self {
        Self {
            url,
            web,
            clock,
            current: watch::Sender::new(None),
            fetched_at: AtomicU64::new(0),
            asked_at: Mutex::new(None),
        }
    }

    /// The keys, waited for where there are none yet; `None` where none came in time, or those that are
    /// there are too old.
    pub(crate) async fn current(&self) -> Option<Arc<PublicKeys>> {
        let mut keys = self.current.subscribe();
        let first = tokio::time::timeout(PATIENCE, keys.wait_for(Option::is_some)).await;
        let keys = first.ok()?.ok()?.clone();
        let fetched_at = Duration::from_micros(self.fetched_at.load(Ordering::Acquire));
        keys.filter(|_| self.clock.monotonic() <= fetched_at + LONGEST)
    }

    /// Other keys than these, for a name that these don't have: fetched, unless that was done a moment ago.
    /// However many ask, there is one fetch.
    pub(crate) async fn beyond(&self, these: &Arc<PublicKeys>) -> Option<Arc<PublicKeys>> {
        let mut asked_at = self.asked_at.lock().await;
        let others = || self.current.borrow().clone().filter(|keys| !Arc::ptr_eq(keys, these));
        let now = self.clock.monotonic();
        if others().is_none() && asked_at.is_none_or(|at| now >= at + COOLDOWN) {
            *asked_at = Some(now);
            if let Err(error) = self.fetch().await {
                tracing::warn!("the keys can't be fetched: {error}");
            }
        }
        others()
    }

    /// Keeps the keys up to date, for ever. Keyward publishes a key ten minutes before it signs.
    pub(crate) async fn keep(&self) {
        let mut failures = 0;
        loop {
            let wait = match self.fetch().await {
                Ok(max_age) => {
                    failures = 0;
                    max_age
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!("the keys can't be fetched: {error}");
                    backoff(failures)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Whether there are any.
    #[cfg(test)]
    pub(crate) fn known(&self) -> bool {
        self.current.borrow().is_some()
    }

    pub(crate) async fn fetch(&self) -> Result<Duration, Unanswered> {
        let response = self.web.get(self.url.clone()).timeout(PATIENCE).send().await?;
        let max_age = max_age(&response);
        let body = web::body(response, MAX_JWKS).await?;
        let keys = PublicKeys::from_jwks(&body).map_err(|error| Unanswered::Nonsense(error.to_string()))?;
        let now = u64::try_from(self.clock.monotonic().as_micros()).unwrap_or(u64::MAX);
        self.fetched_at.store(now, Ordering::Release);
        self.current.send_replace(Some(Arc::new(keys)));
        Ok(max_age)
    }
}

/// How long the answer says that it counts (RFC 9111 §5.2.2.1).
fn max_age(response: &Response) -> Duration {
    let lines = response.headers().get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let seconds = lines
        .flat_map(|line| line.split(','))
        .find_map(|word| word.trim().strip_prefix("max-age=")?.parse().ok());
    seconds.map_or(MAX_AGE, Duration::from_secs).clamp(BOUNDS.0, BOUNDS.1)
}
