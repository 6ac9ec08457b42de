//! May this be asked once more? Budgets are every node's where the store can keep them, else each
//! node has its own.

use keyward_core::event::EventType;
use keyward_core::id::SessionId;
use keyward_core::throttle::Throttle;

use crate::client::Client;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error};
use crate::throttle::Decision;

/// Where something was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purse {
    /// The budgets of every node.
    Shared,
    /// Those of this node.
    Own,
}

impl Engine {
    /// Takes one from a budget.
    ///
    /// # Errors
    /// `rate_limited` where it is used up; that is an event, once a minute.
    pub(super) async fn limit(
        &self,
        throttle: Throttle,
        key: &str,
        client: &Client,
        session: Option<SessionId>,
    ) -> Result<Purse, Error> {
        let (decision, purse) = self.take(throttle, key).await;
        let decision = match decision {
            Some(decision) if !decision.allowed => decision,
            _ => return Ok(purse),
        };
        self.metrics.limited(throttle);
        let mut event = self
            .event(EventType::RateLimited, client, self.clock.now())
            .failed("rate_limited")
            .saying("limit", throttle.as_str());
        event.session = session;
        if let Err(error) = self.tally(event, &self.budget_name(throttle, key)).await {
            // What is refused is refused, written or not.
            tracing::error!("a refusal could not be written: {error}");
        }
        Err(Denied::limited(decision).into())
    }

    async fn take(&self, throttle: Throttle, key: &str) -> (Option<Decision>, Purse) {
        let Some(limit) = self.settings.limits.of(throttle) else { return (None, Purse::Own) };
        if let Some(budgets) = self.store.budgets(throttle) {
            let asked = self.clock.monotonic();
            // Who was told to wait is told so again without a question: no flood reaches the store.
            if let Some(spent) = self.throttles.used_up(throttle, key, asked) {
                return (Some(Decision::of(throttle, limit, spent)), Purse::Shared);
            }
            match budgets.take(&self.budget_name(throttle, key), limit).await {
                Ok(spent) => {
                    if !spent.allowed {
                        self.throttles.remember(throttle, key, asked + spent.until_full, asked);
                    }
                    return (Some(Decision::of(throttle, limit, spent)), Purse::Shared);
                }
                // Nobody is refused for that, and no flood is free.
                Err(fault) => tracing::debug!("this node's own budgets decide: {fault}"),
            }
        }
        (self.throttles.take(throttle, key, self.clock.monotonic()), Purse::Own)
    }

    /// Gives back what was taken from a budget for what turned out not to count.
    pub(super) async fn give_back(&self, throttle: Throttle, key: &str, purse: Purse) {
        let Some(limit) = self.settings.limits.of(throttle) else { return };
        self.throttles.give_back(throttle, key, self.clock.monotonic());
        if purse == Purse::Shared
            && let Some(budgets) = self.store.budgets(throttle)
            && let Err(fault) = budgets.give_back(&self.budget_name(throttle, key), limit).await
        {
            tracing::debug!("one is not given back, and comes back by itself: {fault}");
        }
    }

    /// A text is what a stranger typed: of any length, and perhaps a password in the wrong field. Its
    /// name tells nobody, and is a secret's, so that who doesn't know it finds no two alike.
    fn budget_name(&self, throttle: Throttle, key: &str) -> String {
        self.keyed_hash(&format!("{} {key}", throttle.as_str()))
    }
}
