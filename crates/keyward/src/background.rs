//! What runs by itself beside the requests? One supervised task a job, stopped cleanly.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use keyward_core::id::SessionId;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::engine::{CARE, Engine};
use crate::error::Error;
use crate::feed::POLL;
use crate::store::Fault;

/// How often what is noted is written, at most.
const FLUSH: Duration = Duration::from_millis(500);
/// How often one small batch is swept.
const SWEEP: Duration = Duration::from_secs(2);
/// How often mails are looked for that are due.
const MAIL: Duration = Duration::from_millis(500);
/// How long a mail that is under way at a stop may still take.
const LAST_MAIL: Duration = Duration::from_secs(2);

pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Tasks {
    pub(crate) fn none() -> Self {
        Self { stop: watch::Sender::new(false), tasks: Mutex::default() }
    }

    pub(crate) fn start(engine: &Arc<Engine>) -> Self {
        let tasks = Self::none();
        tasks.every("poll", POLL, engine, |engine| async move { Ok(engine.poll().await?) });
        tasks.every("flush", FLUSH, engine, |engine| async move { engine.flush(false).await });
        tasks.every("care", CARE, engine, |engine| async move {
            engine.note_access_ttl(engine.clock.now()).await?;
            engine.care_for_keys().await
        });
        let stopped = tasks.stop.subscribe();
        tasks.every("mail", MAIL, engine, move |engine| {
            let mut stopped = stopped.clone();
            let out_of_time = async move {
                // Without a sender there is nobody left who could tell to stop.
                let _ = stopped.wait_for(|stop| *stop).await;
                tokio::time::sleep(LAST_MAIL).await;
            };
            async move {
                tokio::select! {
                    sent = engine.send_mails() => sent,
                    // What is cut off goes out again later: a server that hangs keeps nobody from stopping.
                    () = out_of_time => Ok(()),
                }
            }
        });
        let at = Arc::new(Mutex::new(SessionId::from_bytes([0; 16])));
        tasks.every("sweep", SWEEP, engine, move |engine| {
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

    /// Does `job` again and again until told to stop, or until nobody else holds the engine. What
    /// fails is logged once and tried again at its next turn.
    fn every<F>(
        &self,
        name: &'static str,
        period: Duration,
        engine: &Arc<Engine>,
        job: impl Fn(Arc<Engine>) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let engine: Weak<Engine> = Arc::downgrade(engine);
        let mut stop = self.stop.subscribe();
        let task = tokio::spawn(async move {
            let mut turns = interval(period);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut failing = false;
            loop {
                tokio::select! {
                    _ = turns.tick() => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
                let Some(engine) = engine.upgrade() else { return };
                // In a task of its own: a panic ends this turn, not the job.
                let turn = tokio::spawn(job(engine)).await;
                match turn.unwrap_or_else(|panic| Err(Fault::Unavailable(panic.to_string()).into())) {
                    Ok(()) => failing = false,
                    Err(error) if !failing => {
                        tracing::error!(job = name, "{error}; trying again");
                        failing = true;
                    }
                    Err(_) => {}
                }
            }
        });
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A task that panicked has stopped, too.
            let _ = task.await;
        }
    }
}
