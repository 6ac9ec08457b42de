//! What happens, as it happens?

use std::fmt;

use keyward_core::event::{Event, Recorded};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use crate::Keyward;
use crate::flow::audit::events::EventView;

/// How many events are kept for a subscriber who is slow.
const KEPT: usize = 1_024;

/// The events from now on, one by one; see [`Keyward::subscribe`].
pub struct Subscription(Receiver<Event>);

/// A subscriber was so slow that the oldest events are gone for it. The audit trail has them
/// ([`Keyward::events`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were missed")]
pub struct Missed(
    /// How many.
    pub u64,
);

impl Keyward {
    /// What happens from now on: each event of the audit trail that this process commits, once it
    /// is committed. Nothing waits for a subscriber: who is more than 1,024 events behind is told
    /// how many it missed.
    ///
    /// ```
    /// # async fn run(keyward: keyward::Keyward) {
    /// let mut events = keyward.subscribe();
    /// tokio::spawn(async move {
    ///     while let Some(event) = events.next().await {
    ///         match event {
    ///             Ok(event) if event.event_type == "signup" => println!("welcome {:?}", event.user_id),
    ///             Ok(_) => {}
    ///             Err(missed) => eprintln!("{missed}"),
    ///         }
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// What the command line or another node commits is in the audit trail alone. Events that are
    /// counted into one row, as a flood of failed logins is, come as the first of them, and then
    /// again with how many more there were (`details.count`).
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.engine.happened.subscribe())
    }
}

impl Subscription {
    /// The next event; `None` when there is no Keyward any more. Cancel safe: where it is broken
    /// off, as in `tokio::select!`, no event is lost.
    pub async fn next(&mut self) -> Option<Result<EventView, Missed>> {
        match self.0.recv().await {
            Ok(event) => {
                let recorded = Recorded { event, count: 1, last_at: None, batch: None };
                Some(Ok(recorded.into()))
            }
            Err(RecvError::Lagged(missed)) => Some(Err(Missed(missed))),
            Err(RecvError::Closed) => None,
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

/// Where events are told.
pub(crate) fn sender() -> Sender<Event> {
    Sender::new(KEPT)
}
