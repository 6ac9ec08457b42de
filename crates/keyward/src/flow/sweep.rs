//! What goes by itself once its time is past, and in how small steps? What is left?

use std::time::Duration;

use keyward_core::change::Change;
use keyward_core::event::{Event, EventType};
use keyward_core::id::{SessionId, UserId};
use keyward_core::policy::{CLOCK_SKEW, Policy};
use keyward_core::session::{End, EndReason, Session};

use crate::client::Client;
use crate::engine::{About as _, Engine};
use crate::error::Error;
use crate::store::Sweep;

/// How many records one step looks at: short enough that nobody waits for it.
const STEP: u32 = 500;
/// How long a mail that could not be sent is kept, for whoever wants to know why.
const GIVEN_UP: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many open sessions one read counts, roughly.
const COUNTED: u32 = 5_000;

impl Engine {
    /// Takes away one small batch of what is past its time, and ends what is idle. Gives where the
    /// next batch begins; `None` after the last. Who can't know where sessions move sweeps nothing.
    pub(crate) async fn sweep_step(&self, after: SessionId) -> Result<Option<SessionId>, Error> {
        self.know_revocations().await?;
        let now = self.clock.now();
        self.feed.sweep(now);
        self.bounces.sweep(now);
        let swept = self
            .store
            .sweep(Sweep {
                now,
                sessions_before: now.before(self.settings.policy.refresh_ttl),
                mails_before: now.before(GIVEN_UP),
                figures_before: now.before(self.settings.events_retention),
                after,
                limit: STEP,
            })
            .await?;
        if swept.sessions > 0 {
            tracing::debug!(sessions = swept.sessions, "forgot sessions that are long past");
        }
        self.remove_past_events().await?;
        let mut idle = Change::default();
        // By an access token of before that length was changed, somebody may be active for longer.
        let policy = Policy { access_ttl: self.outlives_tokens(), ..self.settings.policy.clone() };
        for session in swept.open {
            let session = self.with_notes(session);
            // A little late: another node may hold a note of activity that it is about to write.
            if session.is_surely_idle(now.before(CLOCK_SKEW), &policy) {
                idle.writes.push(self.end(session.id, End { at: now, why: EndReason::Idle }));
                idle.events.push(self.idle_event(&session));
            }
        }
        if !idle.is_empty() {
            // A session that ended meanwhile takes the batch with it; the next round finds the rest.
            self.decided(idle).await?;
        }
        Ok(swept.next)
    }

    /// Counts the open sessions for the metrics, in slices that nobody waits for.
    pub(crate) async fn count_open(&self) -> Result<(), Error> {
        let mut open = 0;
        let mut at = Some(UserId::from_bytes([0; 16]));
        while let Some(after) = at {
            let (counted, last) = self.store.count_open(after, COUNTED).await?;
            open += counted;
            at = last;
            tokio::task::yield_now().await;
        }
        self.metrics.sessions_active.set(i64::try_from(open).unwrap_or(i64::MAX));
        Ok(())
    }

    fn idle_event(&self, session: &Session) -> Event {
        let mut event = self
            .event(EventType::SessionIdle, &Client::default(), self.clock.now())
            .in_session(session.id)
            .failed("session_idle");
        event.user = Some(session.user);
        event
    }
}
