//! What time is it, and where does chance come from? The only door for both.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyward_core::time::Timestamp;

/// The clock of the machine; in a test one that stands still until it is told to go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    #[cfg(test)]
    ahead: std::sync::Arc<std::sync::atomic::AtomicU64>,
    #[cfg(test)]
    set: std::sync::Arc<std::sync::atomic::AtomicI64>,
}

impl Clock {
    /// The present moment in UTC.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::default().after(self.system_time().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// How long ago some fixed moment was, by a clock that is never set back.
    pub(crate) fn monotonic(&self) -> Duration {
        // Never zero: that stands for never.
        self.since_start() + Duration::from_micros(1)
    }

    /// The present moment less the monotonic clock, in microseconds: it changes where somebody sets the
    /// clock of the machine.
    pub(crate) fn offset(&self) -> i64 {
        self.now().micros() - i64::try_from(self.monotonic().as_micros()).unwrap_or(i64::MAX)
    }

    #[cfg(not(test))]
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    #[expect(clippy::unused_self, reason = "in a test it is its own")]
    fn system_time(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "in a test it is its own")]
    fn since_start(&self) -> Duration {
        static START: std::sync::LazyLock<tokio::time::Instant> =
            std::sync::LazyLock::new(tokio::time::Instant::now);
        START.elapsed()
    }

    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn system_time(&self) -> SystemTime {
        static START: std::sync::LazyLock<SystemTime> = std::sync::LazyLock::new(SystemTime::now);
        let set = self.set.load(std::sync::atomic::Ordering::SeqCst);
        let by = Duration::from_secs(set.unsigned_abs());
        let now = *START + self.since_start();
        if set < 0 { now - by } else { now + by }
    }

    #[cfg(test)]
    fn since_start(&self) -> Duration {
        Duration::from_micros(self.ahead.load(std::sync::atomic::Ordering::SeqCst))
    }

    /// Sets the clock of the machine ahead, or back.
    #[cfg(test)]
    pub(crate) fn set_by(&self, seconds: i64) {
        self.set.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
    }

    /// Lets time pass.
    #[cfg(test)]
    pub(crate) fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).expect("not that long");
        self.ahead.fetch_add(micros, std::sync::atomic::Ordering::SeqCst);
    }
}

/// How long to wait before the next attempt, after so many that failed: doubled each time from 250 ms to
/// 5 s, and by chance up to half less, so that many listeners don't come back at once.
pub(crate) fn backoff(failures: u32) -> Duration {
    let longest = Duration::from_millis(250).saturating_mul(1 << failures.min(5)).min(Duration::from_secs(5));
    // Seeded by the operating system; what depends on it is no secret.
    let chance = RandomState::new().hash_one(failures) % 512;
    longest - longest * u32::try_from(chance).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_further_and_further_apart_and_not_in_step() {
        for (failures, longest) in [(0, 250), (1, 500), (4, 4_000), (5, 5_000), (u32::MAX, 5_000)] {
            let waits: Vec<Duration> = (0..64).map(|_| backoff(failures)).collect();
            let longest = Duration::from_millis(longest);
            assert!(waits.iter().all(|wait| *wait <= longest && *wait >= longest / 2), "{waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        }
    }
}
