//! Where is work done that takes a core for long? On threads of its own, so many and no more.
//!
//! On a worker of the runtime it would hold up every other request. Here it is done in the order in
//! which it came, and as much waits as there is room for.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keyward_core::denial::Denial;
use tokio::sync::{Semaphore, oneshot};

use crate::error::{Denied, Error};

/// Nothing was done, as more waits than the queue holds: `503 overloaded`, try again in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more work waits than the queue holds")]
pub(crate) struct Busy;

impl From<Busy> for Error {
    fn from(_: Busy) -> Self {
        Denied::from(Denial::Overloaded).retry_in(Duration::from_secs(1)).into()
    }
}

/// Threads that each keep an `M` for what they do. Dropped, it waits for the work under way.
pub(crate) struct Threads<M> {
    /// Taken before the threads are awaited: without a sender they end.
    queue: Option<Sender<Job<M>>>,
    /// A permit for each that may wait for a thread.
    room: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

type Job<M> = Box<dyn FnOnce(&mut M) + Send>;

impl<M: Default + 'static> Threads<M> {
    /// So many threads of this name, and room for so much work to wait for one, or for all that comes:
    /// 1 of each at least.
    ///
    /// Fails where the system gives no thread.
    pub(crate) fn new(name: &str, threads: usize, room: Option<usize>) -> io::Result<Self> {
        let (sender, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = (0..threads.max(1))
            .map(|n| {
                let jobs = Arc::clone(&jobs);
                thread::Builder::new().name(format!("{name}-{n}")).spawn(move || work(&jobs))
            })
            .collect::<io::Result<_>>()?;
        let room = Arc::new(Semaphore::new(room.unwrap_or(Semaphore::MAX_PERMITS).max(1)));
        Ok(Self { queue: Some(sender), room, threads })
    }

    /// What comes of this work. Where nobody waits for it any more when its turn comes it is not
    /// done: the connection was closed, or the request timed out.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut M) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Busy)?;
        let (answer, answered) = oneshot::channel();
        let job: Job<M> = Box::new(move |kept| {
            drop(place);
            if !answer.is_closed() {
                let _ = answer.send(work(kept));
            }
        });
        let queue = self.queue.as_ref().ok_or(Busy)?;
        queue.send(job).map_err(|_| Busy)?;
        // An answer that never came was dropped by a panic, and there is nothing else to tell.
        answered.await.map_err(|_| Busy)
    }
}

impl<M> Drop for Threads<M> {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work<M: Default>(jobs: &Mutex<Receiver<Job<M>>>) {
    let mut kept = M::default();
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A job that panics takes its own answer with it, and what it left half-done.
        if catch_unwind(AssertUnwindSafe(|| job(&mut kept))).is_err() {
            kept = M::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::task::{Context, Poll, Waker};

    fn threads(threads: usize, room: usize) -> Threads<u32> {
        Threads::new("test", threads, Some(room)).expect("threads")
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn each_thread_is_named_and_keeps_what_it_has() {
        let threads = threads(1, 1);
        let name = threads.run(|_| thread::current().name().map(str::to_owned)).await;
        assert_eq!(name, Ok(Some("test-0".to_owned())));
        for n in 1..4 {
            let add = |kept: &mut u32| {
                *kept += 1;
                *kept
            };
            assert_eq!(threads.run(add).await, Ok(n));
        }
    }

    #[tokio::test]
    async fn in_turn_and_neither_for_who_left_nor_for_more_than_there_is_room() {
        let threads = threads(1, 3);
        let (began, has_begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let mut holds = pin!(threads.run(move |_| {
            began.send(()).expect("test");
            released.recv().expect("test");
        }));
        assert!(poll(holds.as_mut()).is_pending());
        has_begun.recv().expect("the thread took it");

        let done = Arc::new(Mutex::new(Vec::new()));
        let note = |n| {
            let done = Arc::clone(&done);
            move |_: &mut u32| done.lock().expect("test").push(n)
        };
        let mut first = pin!(threads.run(note(1)));
        assert!(poll(first.as_mut()).is_pending());
        let mut leaves = Box::pin(threads.run(note(2)));
        assert!(poll(leaves.as_mut()).is_pending());
        let mut last = pin!(threads.run(note(3)));
        assert!(poll(last.as_mut()).is_pending());
        assert_eq!(poll(pin!(threads.run(note(4)))), Poll::Ready(Err(Busy)));
        drop(leaves);

        release.send(()).expect("test");
        holds.await.expect("room");
        last.await.expect("room");
        first.await.expect("room");
        threads.run(note(5)).await.expect("room again");
        assert_eq!(*done.lock().expect("test"), [1, 3, 5]);
    }

    #[tokio::test]
    async fn every_thread_works() {
        let threads = threads(3, 3);
        let meeting = Arc::new(Barrier::new(3));
        let meet = || {
            let meeting = Arc::clone(&meeting);
            threads.run(move |_| meeting.wait().is_leader())
        };
        let (a, b, c) = tokio::join!(meet(), meet(), meet());
        assert_eq!([a, b, c].iter().filter(|leader| **leader == Ok(true)).count(), 1);
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer() {
        let threads = threads(1, 1);
        for _ in 0..3 {
            let panics = |kept: &mut u32| -> () {
                *kept = 7;
                panic!("a job of the test that panics")
            };
            assert_eq!(threads.run(panics).await, Err(Busy));
            assert_eq!(threads.run(|kept| *kept).await, Ok(0));
        }
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
        let threads = threads(1, 1);
        let at_end = AtEnd(Arc::clone(&ended));
        threads.run(move |_| AT_END.set(Some(at_end))).await.expect("room");
        assert!(!ended.load(Ordering::SeqCst));
        drop(threads);
        assert!(ended.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn without_room_or_threads_there_is_one_of_each() {
        let threads = threads(0, 0);
        assert_eq!(threads.threads.len(), 1);
        assert_eq!(threads.run(|_| 1).await, Ok(1));
    }
}
