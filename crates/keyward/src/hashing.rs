//! Where is a password hashed? On threads of its own.
//!
//! A hash takes a core and 19 MiB for milliseconds, and on as many threads as there are logins it
//! would take all the memory there is. Here each thread keeps its memory for ever.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyward_core::password::{self, Cost, Memory, Password, PasswordHash};
use prometheus_client::metrics::histogram::Histogram;

use crate::clock::Clock;
use crate::threads::{Busy, Threads};

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Whether it was the right password.
    pub(crate) right: bool,
    /// When the work began, by the monotonic clock: what was waited for before is not among it.
    pub(crate) began: Duration,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Threads that hash passwords.
pub(crate) struct Hashing {
    threads: Threads<Memory>,
    hashes: Arc<AtomicU64>,
    clock: Clock,
    seconds: Histogram,
}

impl Hashing {
    /// So many threads, and room for so many passwords to wait for one: 1 of each at least. How
    /// long each took goes into `seconds`.
    ///
    /// Fails where the system gives no thread.
    pub(crate) fn new(threads: usize, queue: usize, clock: Clock, seconds: Histogram) -> io::Result<Self> {
        let threads = Threads::new("keyward-hash", threads, Some(queue))?;
        Ok(Self { threads, hashes: Arc::default(), clock, seconds })
    }

    /// The hash of this password, at this cost, with a salt that must be fresh and random.
    pub(crate) async fn hash(
        &self,
        password: Password,
        salt: [u8; 16],
        cost: Cost,
    ) -> Result<PasswordHash, Busy> {
        self.run(move |memory| password::hash(&password, salt, &cost, memory)).await
    }

    /// Whether this is the password that the hash was made of.
    pub(crate) async fn verify(&self, password: Password, hash: PasswordHash) -> Result<Verified, Busy> {
        let clock = self.clock.clone();
        self.run(move |memory| {
            let began = clock.monotonic();
            let right = password::verify(&password, &hash, memory);
            Verified { right, began, took: clock.monotonic().saturating_sub(began) }
        })
        .await
    }

    /// How many hashes were begun. What a limit refuses is never among them.
    pub(crate) fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (hashes, seconds, clock) = (Arc::clone(&self.hashes), self.seconds.clone(), self.clock.clone());
        self.threads
            .run(move |memory| {
                hashes.fetch_add(1, Ordering::Relaxed);
                let began = clock.monotonic();
                let made = work(memory);
                seconds.observe(clock.monotonic().saturating_sub(began).as_secs_f64());
                made
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};

    fn hashing(queue: usize) -> Hashing {
        Hashing::new(1, queue, Clock::system(), Histogram::new([1.0])).expect("threads")
    }

    fn cheap() -> Cost {
        Cost::new(8, 1, 1).expect("in range")
    }

    fn password(text: &str) -> Password {
        Password::try_from(text.to_owned()).expect("short enough")
    }

    #[tokio::test]
    async fn what_is_hashed_is_verified_and_counted_on_a_thread_that_keeps_its_memory() {
        let hashing = hashing(8);
        let kept = hashing.hash(password("right"), [1; 16], cheap()).await.expect("room");
        assert!(hashing.verify(password("right"), kept.clone()).await.expect("room").right);
        assert!(!hashing.verify(password("wrong"), kept).await.expect("room").right);
        assert_eq!(hashing.hashes(), 3);
        assert_eq!(hashing.threads.run(|memory| memory.size_kib()).await, Ok(8));
    }

    #[tokio::test]
    async fn a_full_queue_is_busy_and_who_left_is_not_hashed_for() {
        let hashing = hashing(2);
        let (began, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let waker = &mut Context::from_waker(Waker::noop());
        let mut holds = pin!(hashing.run(move |_| {
            began.send(()).expect("test");
            released.recv().expect("test");
        }));
        assert!(holds.as_mut().poll(waker).is_pending());
        has_begun.recv().expect("the thread took it");

        let hash = || Box::pin(hashing.hash(password("a"), [1; 16], cheap()));
        let (mut waits, mut leaves) = (hash(), hash());
        assert!(waits.as_mut().poll(waker).is_pending());
        assert!(leaves.as_mut().poll(waker).is_pending());
        assert!(matches!(hash().as_mut().poll(waker), Poll::Ready(Err(Busy))));
        drop(leaves);
        assert_eq!(hashing.hashes(), 1);

        release.send(()).expect("test");
        holds.await.expect("room");
        waits.await.expect("room");
        hash().await.expect("room again");
        assert_eq!(hashing.hashes(), 3);
    }
}
