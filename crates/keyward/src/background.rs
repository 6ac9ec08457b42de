//! What runs by itself beside the requests? One supervised task a job, stopped cleanly.
//!
//! A job is a turn that is done again and again: never two turns of one at once, each within a
//! bound, all of them at moments that differ from node to node. A turn that fails, panics or takes
//! too long is counted, logged the first time, and followed by the next one; it touches no other job.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use keyward_core::id::SessionId;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{sleep, timeout};

use crate::Keyward;
use crate::clock::{self, Clock};
use crate::engine::{CARE, Engine};
use crate::error::Error;
use crate::feed::POLL;
use crate::flow::audit::chain::SEALING;
use crate::metrics::JobMetrics;

/// How long after one turn of the poll the next one may come, where there may be news.
const BREATH: Duration = Duration::from_millis(20);
/// How often what is noted is written, at most.
const FLUSH: Duration = Duration::from_millis(500);
/// How often Redis is asked whether it is there: a connection that leads nowhere is noticed by that.
const REDIS: Duration = Duration::from_secs(1);
/// How often one small batch is swept.
const SWEEP: Duration = Duration::from_secs(2);
/// How often mails are looked for that are due.
const MAIL: Duration = Duration::from_millis(500);
/// How often the open sessions are counted.
const COUNT: Duration = Duration::from_secs(60);
/// How long a turn that is under way may go on at a stop.
const GRACE: Duration = Duration::from_secs(5);

/// One turn of a job.
type Turn = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
/// What makes the next turn come sooner.
type Hurry = Pin<Box<dyn Future<Output = ()> + Send>>;
/// How often events are sealed.
const SEAL: Duration = Duration::from_secs(60);

pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Tasks {
    pub(crate) fn none() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Mutex::default() }
    }

    pub(crate) fn start(engine: &Arc<Engine>) -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        let tasks = Self::none();
        let news = {
            let store = Arc::downgrade(&engine.store);
            move || -> Hurry {
                let store = store.upgrade();
                Box::pin(async move {
                    match store {
                        Some(store) => {
                            sleep(BREATH).await;
                            store.may_have_news().await;
                        }
                        None => std::future::pending().await,
                    }
                })
            }
        };
        let poll = |engine: Arc<Engine>| async move { Ok(engine.poll().await?) };
        tasks.hastened_job(engine, "poll", POLL, 10 * SECOND, news, poll);
        if engine.store.ping_apart().is_some() {
            tasks.job(engine, "redis", REDIS, 10 * SECOND, |engine| async move { engine.ask_redis().await });
        }
        tasks.job(engine, "flush", FLUSH, 30 * SECOND, |engine| async move { engine.flush(false).await });
        tasks.job(engine, "care", CARE, 60 * SECOND, |engine| async move {
            engine.note_access_ttl(engine.clock.now()).await?;
            engine.care_for_keys().await?;
            engine.forget_refresh_keys().await
        });
        // What is cut off, by its bound or at a stop, goes out again later.
        tasks.job(engine, "mail", MAIL, 120 * SECOND, |engine| async move { engine.send_mails().await });
        tasks.job(engine, "count", COUNT, 30 * SECOND, |engine| async move { engine.count_open().await });
        tasks.job(
            engine,
            "seal",
            SEAL,
            SEALING + 30 * SECOND,
            |engine| async move { engine.seal_events().await },
        );
        let at = Arc::new(Mutex::new(SessionId::from_bytes([0; 16])));
        tasks.job(engine, "sweep", SWEEP, 30 * SECOND, move |engine| {
            let at = Arc::clone(&at);
            async move {
                let after = *at.lock().unwrap_or_else(PoisonError::into_inner);
                let next = engine.sweep_step(after).await?;
                *at.lock().unwrap_or_else(PoisonError::into_inner) =
                    next.unwrap_or(SessionId::from_bytes([0; 16]));
                Ok(())
            }
        });
        tasks
    }

    /// Stops every job: a turn that is under way has [`GRACE`] to end.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A supervisor does nothing that could panic, and is never aborted.
            let _ = task.await;
        }
    }

    /// A job of the engine's, about every `period`; it ends when nobody else holds the engine.
    fn job<F>(
        &self,
        engine: &Arc<Engine>,
        name: &'static str,
        period: Duration,
        bound: Duration,
        turn: impl Fn(Arc<Engine>) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.hastened_job(engine, name, period, bound, never, turn);
    }

    /// A job of the engine's whose next turn also comes when there is a reason to hurry.
    fn hastened_job<F>(
        &self,
        engine: &Arc<Engine>,
        name: &'static str,
        period: Duration,
        bound: Duration,
        hurry: impl Fn() -> Hurry + Send + 'static,
        turn: impl Fn(Arc<Engine>) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let held: Weak<Engine> = Arc::downgrade(engine);
        let next = move || held.upgrade().map(|engine| Box::pin(turn(engine)) as Turn);
        let job = Job { name, period, bound, metrics: engine.metrics.job(name), clock: engine.clock.clone() };
        self.supervise(job, hurry, next);
    }

    fn supervise(
        &self,
        job: Job,
        hurry: impl Fn() -> Hurry + Send + 'static,
        mut next: impl FnMut() -> Option<Turn> + Send + 'static,
    ) {
        let mut stop = self.stop.subscribe();
        let task = tokio::spawn(async move {
            // The first turn comes soon, but not at the same moment on nodes started together.
            let mut due = sleep(job.period.mul_f64(fraction() / 10.0));
            let mut rest = Duration::ZERO;
            let mut failing = false;
            loop {
                tokio::select! {
                    _ = async { tokio::join!(due, sleep(rest)) } => {}
                    () = hurry() => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
                let Some(turn) = next() else { return };
                // From here, where the turn begins.
                due = sleep(job.period.mul_f64(0.9 + fraction() / 5.0));
                rest = job.period / 2;
                if job.turn(turn, &mut stop, &mut failing).await == Ended::Stopped {
                    return;
                }
            }
        });
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }
}

impl Keyward {
    /// Does once what otherwise happens in the background: takes over what others revoked, writes
    /// what is noted, looks after the keys, sends what mails are due, sweeps and counts.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn tick(&self) -> Result<(), Error> {
        self.engine.poll().await?;
        self.engine.flush(false).await?;
        self.engine.note_access_ttl(self.engine.clock.now()).await?;
        self.engine.care_for_keys().await?;
        self.engine.forget_refresh_keys().await?;
        self.engine.send_mails().await?;
        self.engine.seal_events().await?;
        let mut at = Some(SessionId::from_bytes([0; 16]));
        while let Some(after) = at {
            at = self.engine.sweep_step(after).await?;
        }
        self.engine.count_open().await
    }

    /// Stops what runs in the background and writes what is noted.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn close(&self) -> Result<(), Error> {
        self.engine.feed.listeners.send_away();
        self.background.stop().await;
        self.engine.flush(true).await
    }
}

struct Job {
    name: &'static str,
    /// How long from the beginning of a turn to that of the next, give or take a tenth; half of it
    /// lies between two at least, however long they take.
    period: Duration,
    /// How long one turn may take.
    bound: Duration,
    metrics: JobMetrics,
    clock: Clock,
}

#[derive(PartialEq)]
enum Ended {
    InItsTime,
    Stopped,
}

impl Job {
    /// Sees one turn through, whatever becomes of it.
    async fn turn(&self, turn: Turn, stop: &mut watch::Receiver<bool>, failing: &mut bool) -> Ended {
        let began = self.clock.monotonic();
        // A task of its own: a panic ends this turn, not the job.
        let mut running = tokio::spawn(turn);
        let stopped = async {
            let _ = stop.wait_for(|stop| *stop).await;
            sleep(GRACE).await;
        };
        let result = tokio::select! {
            // Where both are so, the turn has ended.
            biased;
            result = timeout(self.bound, &mut running) => result,
            () = stopped => {
                running.abort();
                tracing::warn!(job = self.name, "it was cut off: it did not end within the grace of a stop");
                return Ended::Stopped;
            }
        };
        let failure = match result {
            Ok(Ok(Ok(()))) => {
                self.metrics.succeeded(self.clock.monotonic().saturating_sub(began), self.clock.now());
                if std::mem::take(failing) {
                    tracing::info!(job = self.name, "it works again");
                }
                return Ended::InItsTime;
            }
            Ok(Ok(Err(error))) => {
                self.metrics.failed.inc();
                if error.is_logged() {
                    return Ended::InItsTime;
                }
                error.to_string()
            }
            Ok(Err(ended)) => {
                self.metrics.panicked.inc();
                panicked(&ended).to_owned()
            }
            Err(_) => {
                self.metrics.too_long.inc();
                running.abort();
                format!("it took longer than {:?}", self.bound)
            }
        };
        if !std::mem::replace(failing, true) {
            tracing::error!(job = self.name, "{failure}; trying again at its next turn");
        }
        if !running.is_finished() {
            // It can be aborted only where it waits: no other turn begins beside it.
            tokio::select! {
                _ = &mut running => {}
                _ = stop.wait_for(|stop| *stop) => return Ended::Stopped,
            }
        }
        Ended::InItsTime
    }
}

/// What it panicked with is not told: it may hold what the turn was working on.
fn panicked(ended: &JoinError) -> &'static str {
    if ended.is_panic() { "it panicked" } else { "it was cut off" }
}

/// No reason to hurry.
fn never() -> Hurry {
    Box::pin(std::future::pending())
}

/// A number of [0, 1).
fn fraction() -> f64 {
    f64::from(u32::from_be_bytes(clock::random())) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::Instant;

    use super::*;
    use crate::metrics::Metrics;

    const PERIOD: Duration = Duration::from_secs(10);
    const BOUND: Duration = Duration::from_secs(3);

    fn job(metrics: &Metrics, name: &'static str) -> Job {
        Job { name, period: PERIOD, bound: BOUND, metrics: metrics.job(name), clock: Clock::system() }
    }

    /// A job that does this at each of its turns, by number; how many there were.
    fn begin<F>(tasks: &Tasks, job: Job, turn: impl Fn(usize) -> F + Send + 'static) -> Arc<AtomicUsize>
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let turns = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&turns);
        tasks.supervise(job, never, move || Some(Box::pin(turn(count.fetch_add(1, Ordering::SeqCst)))));
        turns
    }

    fn so_often(turns: &AtomicUsize) -> usize {
        turns.load(Ordering::SeqCst)
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_ends_its_turn_and_neither_the_job_nor_another() {
        let (metrics, tasks) = (Metrics::new(), Tasks::none());
        let broken = job(&metrics, "broken");
        let counted = broken.metrics.clone();
        let turns = begin(&tasks, broken, |turn| async move {
            assert!(turn % 2 == 1, "every other turn panics");
            Ok(())
        });
        let other = begin(&tasks, job(&metrics, "other"), |_| async { Ok(()) });
        sleep(100 * PERIOD).await;
        assert!((85..=115).contains(&so_often(&turns)), "{turns:?}");
        assert!((85..=115).contains(&so_often(&other)), "{other:?}");
        assert_eq!(counted.panicked.get() + counted.done.get(), so_often(&turns) as u64);
        assert!(counted.panicked.get().abs_diff(counted.done.get()) <= 1);
        tasks.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_hangs_is_cut_off_at_its_bound_and_followed_by_the_next() {
        let (metrics, tasks) = (Metrics::new(), Tasks::none());
        let hanging = job(&metrics, "hanging");
        let counted = hanging.metrics.clone();
        let turns = begin(&tasks, hanging, |_| pending());
        sleep(10 * PERIOD + BOUND).await;
        assert!((10..=12).contains(&so_often(&turns)), "{turns:?}");
        assert!(counted.too_long.get() >= 9 && counted.done.get() == 0);
        tasks.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_reason_to_hurry_brings_the_next_turn_at_once() {
        let (metrics, tasks) = (Metrics::new(), Tasks::none());
        let (news, turns) = (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicUsize::new(0)));
        let (told, count) = (Arc::clone(&news), Arc::clone(&turns));
        let hurry = move || -> Hurry {
            let told = Arc::clone(&told);
            Box::pin(async move { told.notified().await })
        };
        tasks.supervise(job(&metrics, "hastened"), hurry, move || {
            count.fetch_add(1, Ordering::SeqCst);
            Some(Box::pin(async { Ok(()) }))
        });
        sleep(PERIOD / 5).await;
        for turn in 1..20 {
            assert_eq!(so_often(&turns), turn);
            news.notify_one();
            sleep(Duration::from_millis(1)).await;
        }
        tasks.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn turns_of_one_job_begin_at_differing_moments_a_period_apart_and_never_meet() {
        let (metrics, tasks) = (Metrics::new(), Tasks::none());
        let gaps = gaps(&tasks, job(&metrics, "steady"), PERIOD / 4).await;
        for gap in &gaps {
            // The timer counts in milliseconds.
            let range = PERIOD.mul_f64(0.9)..=PERIOD.mul_f64(1.1) + Duration::from_millis(1);
            assert!(range.contains(gap), "{gap:?}");
        }
        assert!(*gaps.iter().max().expect("some") > *gaps.iter().min().expect("some") + PERIOD / 50);

        // What takes longer than its period is not done without a pause.
        let slow = Job { period: BOUND / 2, ..job(&metrics, "slow") };
        for gap in self::gaps(&tasks, slow, BOUND * 9 / 10).await {
            assert_eq!(gap, BOUND * 9 / 10 + BOUND / 4);
        }
        tasks.stop().await;
    }

    /// How long it is from turn to turn of this job, where each takes so long.
    async fn gaps(tasks: &Tasks, job: Job, takes: Duration) -> Vec<Duration> {
        let began = Arc::new(Mutex::new(Vec::new()));
        let moments = Arc::clone(&began);
        let turns = begin(tasks, job, move |_| {
            moments.lock().expect("unpoisoned").push(Instant::now());
            async move {
                sleep(takes).await;
                Ok(())
            }
        });
        sleep(50 * PERIOD).await;
        assert!(so_often(&turns) > 30);
        let began = began.lock().expect("unpoisoned");
        began.windows(2).map(|two| two[1] - two[0]).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_lets_a_turn_end_but_waits_no_longer_than_the_grace() {
        let metrics = Metrics::new();
        for (takes, waits) in [(GRACE / 2, GRACE / 2), (GRACE * 10, GRACE)] {
            let tasks = Tasks::none();
            let job = Job { bound: GRACE * 20, ..job(&metrics, "long") };
            let ended = Arc::new(AtomicUsize::new(0));
            let end = Arc::clone(&ended);
            let turns = begin(&tasks, job, move |_| {
                let end = Arc::clone(&end);
                async move {
                    sleep(takes).await;
                    end.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
            });
            while so_often(&turns) == 0 {
                sleep(Duration::from_millis(1)).await;
            }
            let stopped = Instant::now();
            tasks.stop().await;
            let waited = stopped.elapsed();
            assert!(waited <= waits && waited + Duration::from_millis(10) >= waits, "{waited:?}");
            assert_eq!(so_often(&ended), usize::from(takes < GRACE));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_waits_stops_at_once() {
        let (metrics, tasks) = (Metrics::new(), Tasks::none());
        let turns = begin(&tasks, job(&metrics, "idle"), |_| async { Ok(()) });
        sleep(PERIOD / 2).await;
        let stopped = Instant::now();
        tasks.stop().await;
        assert_eq!((stopped.elapsed(), so_often(&turns)), (Duration::ZERO, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn each_turn_is_told_in_the_metrics() {
        let (metrics, tasks) = (Metrics::new(), Tasks::none());
        let failing = job(&metrics, "failing");
        let counted = failing.metrics.clone();
        begin(&tasks, failing, |turn| async move {
            if turn == 0 { Err(keyward_core::denial::Denial::Overloaded.into()) } else { Ok(()) }
        });
        sleep(PERIOD * 3).await;
        tasks.stop().await;
        assert_eq!(counted.failed.get(), 1);
        assert!(counted.done.get() >= 1 && counted.panicked.get() == 0 && counted.too_long.get() == 0);
        assert!(counted.last_success() > 0.0);
    }
}
