//! How do changes wait for the one who writes them?
//!
//! As in a channel, but whoever takes them can wait for several at once, and sleeps until the last
//! of them comes: to wake it costs more than to put a change there.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue that holds so many at most.
pub(super) fn queue<T>(limit: usize) -> (Sender<T>, Receiver<T>) {
    let waiting = Waiting { jobs: VecDeque::new(), closed: false, wanted: None };
    let queue = Arc::new(Queue { waiting: Mutex::new(waiting), came: Condvar::new(), limit });
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    /// That as many as are wanted wait, or that the queue is closed.
    came: Condvar,
    limit: usize,
}

struct Waiting<T> {
    jobs: VecDeque<T>,
    closed: bool,
    /// How many the receiver sleeps for, if it does.
    wanted: Option<usize>,
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }
}

/// Puts something there. Dropped, it closes the queue: what waits can still be taken.
pub(super) struct Sender<T>(Arc<Queue<T>>);

/// Why nothing more can be put there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl<T> Sender<T> {
    pub(super) fn send(&self, job: T) -> Result<(), Refused> {
        let mut waiting = self.0.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        if waiting.jobs.len() >= self.0.limit {
            return Err(Refused::Full);
        }
        waiting.jobs.push_back(job);
        let awaited = waiting.wanted.is_some_and(|wanted| waiting.jobs.len() >= wanted);
        if awaited {
            waiting.wanted = None;
        }
        drop(waiting);
        if awaited {
            self.0.came.notify_one();
        }
        Ok(())
    }
}

#[cfg(test)]
impl<T> Sender<T> {
    /// How many the receiver sleeps for, if it does.
    pub(super) fn wanted(&self) -> Option<usize> {
        self.0.lock().wanted
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Takes what is there. Dropped, it closes the queue, and what waits is dropped.
pub(super) struct Receiver<T>(Arc<Queue<T>>);

impl<T> Receiver<T> {
    /// Waits for something, and then for `enough`, but for these no longer than so long; takes what
    /// is there, so many at most. `None`: the queue is closed, and empty.
    pub(super) fn take(&self, most: usize, enough: usize, no_longer: Duration) -> Option<Vec<T>> {
        let mut waiting = self.0.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting.wanted = Some(1);
            waiting = self.0.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let few = |waiting: &mut Waiting<T>| waiting.jobs.len() < enough && !waiting.closed;
        waiting.wanted = Some(enough);
        let waited = self.0.came.wait_timeout_while(waiting, no_longer, few);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        waiting.wanted = None;
        let count = most.min(waiting.jobs.len());
        Some(waiting.jobs.drain(..count).collect())
    }

    /// All that is there now.
    pub(super) fn rest(&self) -> VecDeque<T> {
        std::mem::take(&mut self.0.lock().jobs)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.close();
        drop(self.rest());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const NEVER: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_waits_is_taken_in_its_order_as_far_as_there_is_room() {
        let (sender, receiver) = queue(10);
        for job in 0..5 {
            assert_eq!(sender.send(job), Ok(()));
        }
        assert_eq!(receiver.take(3, 1, NEVER), Some(vec![0, 1, 2]));
        assert_eq!(receiver.take(3, 1, NEVER), Some(vec![3, 4]));
    }

    #[test]
    fn no_more_waits_than_the_limit() {
        let (sender, receiver) = queue(2);
        assert_eq!((sender.send(1), sender.send(2)), (Ok(()), Ok(())));
        assert_eq!(sender.send(3), Err(Refused::Full));
        assert_eq!(receiver.rest(), [1, 2]);
        assert_eq!(sender.send(4), Ok(()));
    }

    #[test]
    fn who_takes_sleeps_until_the_last_that_is_awaited_comes() {
        let (sender, receiver) = queue(10);
        thread::scope(|scope| {
            let taker = scope.spawn(|| receiver.take(10, 3, NEVER));
            let sleeps_for = |wanted| {
                while sender.wanted() != Some(wanted) && !taker.is_finished() {
                    thread::yield_now();
                }
            };
            sleeps_for(1);
            assert_eq!(sender.send(0), Ok(()));
            sleeps_for(3);
            assert_eq!(sender.send(1), Ok(()));
            assert!(sender.wanted() == Some(3) || taker.is_finished(), "it is not woken for two");
            assert_eq!(sender.send(2), Ok(()));
            assert_eq!(taker.join().expect("it ends"), Some(vec![0, 1, 2]));
        });
    }

    #[test]
    fn few_are_taken_when_patience_ends() {
        let (sender, receiver) = queue(10);
        assert_eq!(sender.send(1), Ok(()));
        assert_eq!(receiver.take(10, 2, Duration::ZERO), Some(vec![1]));
    }

    #[test]
    fn a_closed_queue_is_emptied_without_waiting() {
        let (sender, receiver) = queue(10);
        assert_eq!(sender.send(1), Ok(()));
        thread::scope(|scope| {
            let taker = scope.spawn(|| (receiver.take(10, 9, NEVER), receiver.take(10, 9, NEVER)));
            while sender.wanted() != Some(9) && !taker.is_finished() {
                thread::yield_now();
            }
            drop(sender);
            assert_eq!(taker.join().expect("it ends"), (Some(vec![1]), None));
        });
    }

    #[test]
    fn without_a_receiver_nothing_waits_for_ever() {
        let (sender, receiver) = queue(10);
        let (job, kept) = (Arc::new(()), Arc::new(()));
        assert_eq!(sender.send(Arc::clone(&job)), Ok(()));
        drop(receiver);
        assert_eq!(Arc::strong_count(&job), 1, "what waited is dropped");
        assert_eq!(sender.send(kept), Err(Refused::Closed));
    }
}
