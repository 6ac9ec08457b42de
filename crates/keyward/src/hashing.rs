//! Where is a password hashed? On threads of its own, so many and no more.
//!
//! A hash takes a core and 19 MiB for milliseconds: on a worker of the runtime it would hold up
//! every other request, and on as many threads as there are logins it would take all the memory
//! there is. Here each thread keeps its memory for ever, and what waits for one is bounded.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keyward_core::password::{self, Cost, Memory, Password, PasswordHash};
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;

use crate::clock::Clock;

/// Nothing was hashed, as more passwords wait than the queue holds: `503 overloaded`, try again in
/// a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more passwords wait to be hashed than the queue holds")]
pub(crate) struct Busy;

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

/// Threads that hash passwords. Dropped, it waits for the hashes that are under way.
pub(crate) struct Hashing {
    /// Taken before the threads are awaited: without a sender they end.
    queue: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
    hashes: Arc<AtomicU64>,
    clock: Clock,
    seconds: Histogram,
}

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

impl Hashing {
    /// So many threads, and room for so many passwords to wait for one: 1 of each at least. How
    /// long each took goes into `seconds`.
    ///
    /// Fails where the system gives no thread.
    pub(crate) fn new(threads: usize, queue: usize, clock: Clock, seconds: Histogram) -> io::Result<Self> {
        let (sender, jobs) = sync_channel(queue.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = (0..threads.max(1))
            .map(|n| {
                let jobs = Arc::clone(&jobs);
                thread::Builder::new().name(format!("keyward-hash-{n}")).spawn(move || work(&jobs))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { queue: Some(sender), threads, hashes: Arc::default(), clock, seconds })
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
        let (answer, answered) = oneshot::channel();
        let (hashes, seconds, clock) = (Arc::clone(&self.hashes), self.seconds.clone(), self.clock.clone());
        let job: Job = Box::new(move |memory| {
            // Whoever asked has gone: the connection was closed, or the request timed out.
            if !answer.is_closed() {
                hashes.fetch_add(1, Ordering::Relaxed);
                let began = clock.monotonic();
                let _ = answer.send(work(memory));
                seconds.observe(clock.monotonic().saturating_sub(began).as_secs_f64());
            }
        });
        let queue = self.queue.as_ref().ok_or(Busy)?;
        queue.try_send(job).map_err(|_| Busy)?;
        // An answer that never came was dropped by a panic, and there is nothing else to tell.
        answered.await.map_err(|_| Busy)
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    let mut memory = Memory::default();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A job that panics takes its own answer with it, and what it left half-done.
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            memory = Memory::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::atomic::AtomicBool;
    use std::sync::{Barrier, mpsc};
    use std::task::{Context, Poll, Waker};

    fn hashing(threads: usize, queue: usize) -> io::Result<Hashing> {
        Hashing::new(threads, queue, Clock::system(), Histogram::new([1.0]))
    }

    fn cheap() -> Cost {
        Cost::new(8, 1, 1).expect("in range")
    }

    fn password(text: &str) -> Password {
        Password::try_from(text.to_owned()).expect("short enough")
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn what_is_hashed_is_verified() {
        let hashing = hashing(2, 8).expect("threads");
        let kept = hashing.hash(password("right"), [1; 16], cheap()).await.expect("room");
        assert!(hashing.verify(password("right"), kept.clone()).await.expect("room").right);
        assert!(!hashing.verify(password("wrong"), kept).await.expect("room").right);
        assert_eq!(hashing.hashes(), 3);
    }

    #[tokio::test]
    async fn each_thread_is_named_and_keeps_its_memory() {
        let hashing = hashing(1, 1).expect("threads");
        let name = hashing.run(|_| thread::current().name().map(str::to_owned)).await;
        assert_eq!(name, Ok(Some("keyward-hash-0".to_owned())));
        hashing.hash(password("a"), [1; 16], cheap()).await.expect("room");
        assert_eq!(hashing.run(|memory| memory.size_kib()).await, Ok(8));
    }

    #[tokio::test]
    async fn a_full_queue_is_busy_and_who_left_is_not_hashed_for() {
        let hashing = hashing(1, 2).expect("threads");
        let (began, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let mut first = pin!(hashing.run(move |_| {
            began.send(()).expect("test");
            released.recv().expect("test");
        }));
        assert!(poll(first.as_mut()).is_pending());
        has_begun.recv().expect("the thread took it");

        let mut waits = pin!(hashing.hash(password("a"), [1; 16], cheap()));
        assert!(poll(waits.as_mut()).is_pending());
        let mut leaves = Box::pin(hashing.hash(password("a"), [1; 16], cheap()));
        assert!(poll(leaves.as_mut()).is_pending());
        assert_eq!(poll(pin!(hashing.hash(password("a"), [1; 16], cheap()))), Poll::Ready(Err(Busy)));
        drop(leaves);
        assert_eq!(hashing.hashes(), 1);

        release.send(()).expect("test");
        first.await.expect("room");
        waits.await.expect("room");
        hashing.hash(password("a"), [1; 16], cheap()).await.expect("room again");
        assert_eq!(hashing.hashes(), 3);
    }

    #[tokio::test]
    async fn every_thread_works() {
        let hashing = hashing(3, 3).expect("threads");
        let meeting = Arc::new(Barrier::new(3));
        let meet = || {
            let meeting = Arc::clone(&meeting);
            hashing.run(move |_| meeting.wait().is_leader())
        };
        let (a, b, c) = tokio::join!(meet(), meet(), meet());
        assert_eq!([a, b, c].iter().filter(|leader| **leader == Ok(true)).count(), 1);
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer() {
        let hashing = hashing(1, 1).expect("threads");
        for _ in 0..3 {
            assert_eq!(hashing.run(|_| -> () { panic!("a job of the test that panics") }).await, Err(Busy));
        }
        assert!(hashing.hash(password("a"), [1; 16], cheap()).await.is_ok());
    }

    #[tokio::test]
    async fn dropped_its_threads_have_ended() {
        struct AtEnd(Arc<AtomicBool>);
        impl Drop for AtEnd {
            fn drop(&mut self) {
                // Long enough for who doesn't wait to be found out.
                (0..1_000).for_each(|_| thread::yield_now());
                self.0.store(true, Ordering::SeqCst);
            }
        }
        thread_local!(static AT_END: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) });

        let ended = Arc::new(AtomicBool::new(false));
        let hashing = hashing(1, 1).expect("threads");
        let at_end = AtEnd(Arc::clone(&ended));
        hashing.run(move |_| AT_END.set(Some(at_end))).await.expect("room");
        assert!(!ended.load(Ordering::SeqCst));
        drop(hashing);
        assert!(ended.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn without_room_or_threads_there_is_one_of_each() {
        let hashing = hashing(0, 0).expect("threads");
        assert_eq!(hashing.threads.len(), 1);
        assert!(hashing.hash(password("a"), [1; 16], cheap()).await.is_ok());
    }
}
