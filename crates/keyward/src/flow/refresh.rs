//! What does a refresh token bring? The rule is [`keyward_core::session`]; here it is asked.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::id::SessionId;
use keyward_core::refresh_token::RefreshToken;
use keyward_core::revocation::Revocation;
use keyward_core::session::{End, EndReason, Generation, Presented, Progress, Refusal, Transport, Verdict};
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;

use super::{ATTEMPTS, Grant, RefreshPart, crowded};
use crate::Keyward;
use crate::client::Client;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error};
use crate::metrics::Refreshed;
use crate::store::Loaded;

impl Keyward {
    /// Presents the refresh token of a session with bearer tokens. Where the answer has a new one
    /// ([`Grant::refresh_token`]) it takes the place of the one presented; else that goes on.
    ///
    /// # Errors
    /// `session_revoked`, `session_idle`, `refresh_token_expired`, `account_inactive`: the session is
    /// over; `refresh_token_reused`: it was ended, as its token was copied; `invalid_refresh_token`:
    /// it is none of ours; `refresh_pending`: ask again after [`Denied::retry_after`];
    /// `rate_limited`.
    pub async fn refresh(&self, refresh_token: &str, client: &Client) -> Result<Grant, Error> {
        self.engine.refresh(refresh_token, Transport::Bearer, client).await
    }
}

impl Engine {
    /// Presents a refresh token that travelled by `transport`.
    ///
    /// # Errors
    /// As the verdict says; `invalid_refresh_token` for one that is none of ours, or in the other
    /// transport's place; `rate_limited`.
    pub(crate) async fn refresh(
        &self,
        token: &str,
        transport: Transport,
        client: &Client,
    ) -> Result<Grant, Error> {
        let mut verdict = None;
        let result = self.presented(token, transport, client, &mut verdict).await;
        self.metrics.refreshed(match &result {
            Ok(_) => verdict.unwrap_or(Refreshed::Error),
            Err(error) => Refreshed::refused(error),
        });
        result
    }

    async fn presented(
        &self,
        token: &str,
        transport: Transport,
        client: &Client,
        granted: &mut Option<Refreshed>,
    ) -> Result<Grant, Error> {
        let token = self.present_refresh_token(token).await?.ok_or(Denial::InvalidRefreshToken)?;
        self.limit(Throttle::Refresh, &token.session.to_string(), client, Some(token.session)).await?;
        for _ in 0..ATTEMPTS {
            self.know_revocations().await?;
            let now = self.clock.now();
            let Some(mut loaded) = self.store.session(token.session).await? else {
                return Err(self.without_record(&token, client, now).await?);
            };
            if loaded.session.transport != transport {
                let event = self
                    .event(EventType::RefreshFailed, client, now)
                    .about(&loaded.account)
                    .in_session(token.session)
                    .failed(Denial::InvalidRefreshToken.code());
                self.tally(event, &token.session.to_string()).await?;
                return Err(Denial::InvalidRefreshToken.into());
            }
            loaded.session = self.with_notes(loaded.session);
            let verdict = self.verdict(&token, &loaded, now);
            *granted = grants(&verdict);
            if let Some(answer) = self.carry_out(verdict, loaded.into(), client, now).await? {
                return answer;
            }
        }
        Err(crowded())
    }

    /// What the rule says of this token. The session is as it was loaded, with its notes.
    pub(super) fn verdict(&self, token: &RefreshToken, loaded: &Loaded, now: Timestamp) -> Verdict {
        let presented = {
            let revoked = self.feed.set();
            Presented {
                generation: token.generation,
                made_at: token.made_at,
                dead: revoked.is_dead(token.session, token.generation),
                last_dead: revoked.last_dead(token.session),
            }
        };
        loaded.session.present(presented, loaded.account.is_active, now, &self.settings.policy)
    }

    /// Writes what a verdict writes and makes its answer; `None` where another one was faster.
    async fn carry_out(
        &self,
        verdict: Verdict,
        loaded: Arc<Loaded>,
        client: &Client,
        now: Timestamp,
    ) -> Result<Option<Result<Grant, Error>>, Error> {
        let Loaded { session, account, .. } = &*loaded;
        let newest = session.progress.map(|progress| progress.newest);
        let advance = |after: Progress, unseen| Write::Advance {
            session: session.id,
            newest,
            unseen,
            after,
            resting: session.resting,
        };
        let event = |kind| self.event(kind, client, now).about(account).in_session(session.id);
        let answer = match verdict {
            Verdict::Rotate { after } => {
                let mut change = Change::of([advance(after, false)]);
                if self.settings.log_refresh {
                    change = change.with(event(EventType::Refresh).saying("generation", after.newest));
                }
                let names = after.newest;
                return self.committed(change, loaded, &after, (names, RefreshPart::New), now).await;
            }
            Verdict::Keep { names } => {
                let Some(progress) = session.progress else { return Ok(None) };
                self.notes.seen(session.id, names);
                self.granted(loaded, &progress, names, RefreshPart::Kept, now).await
            }
            Verdict::Forgive { after, dead } => {
                let change = Change::of([
                    advance(after, true),
                    Write::Revoke {
                        revocation: Revocation::Generation(session.id, dead),
                        until: self.matters_until(now),
                    },
                ])
                .with(event(EventType::RefreshForgiven).saying("lost_generation", dead));
                let names = after.newest;
                return self.committed(change, loaded, &after, (names, RefreshPart::New), now).await;
            }
            Verdict::Adopt { after } => {
                let Some(_) = self.decided(Change::of([advance(after, false)])).await? else {
                    return Ok(None);
                };
                tracing::warn!(session = %session.id, "the store was behind a refresh token: it lost writes");
                self.granted(loaded, &after, after.newest, RefreshPart::Kept, now).await
            }
            Verdict::Wait { until } => {
                Err(Denied::from(Denial::RefreshPending).retry_in(until.since(now)).into())
            }
            Verdict::Theft => {
                let end = End { at: now, why: EndReason::Theft };
                let change = Change::of([self.end(session.id, end)])
                    .with(event(EventType::RefreshReused).failed("a copied refresh token was presented"));
                let Some(_) = self.decided(change).await? else { return Ok(None) };
                Err(Denial::RefreshTokenReused.into())
            }
            Verdict::Refuse(refusal) => {
                if refusal == Refusal::Idle {
                    // Said once as the end of the session, so that the reason stays with it.
                    let end = End { at: now, why: EndReason::Idle };
                    let change = Change::of([self.end(session.id, end)])
                        .with(event(EventType::SessionIdle).failed("session_idle"));
                    let Some(_) = self.decided(change).await? else { return Ok(None) };
                } else {
                    let failed = event(EventType::RefreshFailed).failed(refused(refusal).code());
                    self.tally(failed, &session.id.to_string()).await?;
                }
                Err(refused(refusal).into())
            }
        };
        Ok(Some(answer))
    }

    /// A new refresh token that leaves later than half a window after it was decided on could still
    /// be on its way when it counts as lost. It is not handed out at all then: who asks again is
    /// forgiven, as for any answer that was lost.
    fn in_time(&self, decided_at: Timestamp) -> Result<(), Error> {
        let half = self.settings.policy.rotation_window / 2;
        if is_in_time(decided_at, self.clock.now(), half) {
            return Ok(());
        }
        tracing::warn!("a refresh took so long that its answer was withheld: the store is slow");
        Err(Denied::from(Denial::StoreUnavailable).retry_in(half).into())
    }

    /// Commits, and meanwhile writes the tokens that are handed out once that is done. Who else has
    /// something to commit goes first: they share a flush to the disk, and the cores sign during it.
    async fn committed(
        &self,
        change: Change,
        loaded: Arc<Loaded>,
        progress: &Progress,
        (names, refresh): (Generation, RefreshPart),
        now: Timestamp,
    ) -> Result<Option<Result<Grant, Error>>, Error> {
        let (committed, grant) = tokio::join! {
            biased;
            self.decided(change),
            async {
                tokio::task::yield_now().await;
                self.granted(loaded, progress, names, refresh, now).await
            },
        };
        if committed?.is_none() {
            return Ok(None);
        }
        self.in_time(now)?;
        Ok(Some(grant))
    }

    async fn granted(
        &self,
        loaded: Arc<Loaded>,
        progress: &Progress,
        names: Generation,
        refresh: RefreshPart,
        now: Timestamp,
    ) -> Result<Grant, Error> {
        let roles = self.roles(loaded.role_table_version).await?;
        self.grant(loaded, &roles, progress, names, refresh, now).await
    }

    /// What to say of a genuine token whose session has no record any more.
    async fn without_record(
        &self,
        token: &RefreshToken,
        client: &Client,
        now: Timestamp,
    ) -> Result<Error, Error> {
        let expired = now >= token.made_at.after(self.settings.policy.refresh_ttl);
        let denial = if expired { Denial::RefreshTokenExpired } else { Denial::SessionRevoked };
        let event =
            self.event(EventType::RefreshFailed, client, now).in_session(token.session).failed(denial.code());
        self.tally(event, &token.session.to_string()).await?;
        Ok(denial.into())
    }

    /// Ends a session of which something given up for lost was presented.
    pub(crate) async fn end_for_theft(&self, session: SessionId, client: &Client) -> Result<(), Error> {
        let now = self.clock.now();
        let Some(loaded) = self.store.session_at_rest(session).await? else { return Ok(()) };
        let event = self
            .event(EventType::RefreshReused, client, now)
            .about(&loaded.account)
            .in_session(session)
            .failed("an access token of a generation given up for lost was presented");
        let end = End { at: now, why: EndReason::Theft };
        // Nothing to write where it has ended already.
        self.decided(Change::of([self.end(session, end)]).with(event)).await?;
        Ok(())
    }

    /// The write that ends a session and cuts off its access tokens.
    pub(super) fn end(&self, session: SessionId, end: End) -> Write {
        Write::EndSession { session, end, until: self.matters_until(end.at) }
    }
}

/// Whether what was decided on then may be handed out now. Without a window it always may.
fn is_in_time(decided_at: Timestamp, now: Timestamp, half_window: Duration) -> bool {
    half_window.is_zero() || now < decided_at.after(half_window)
}

/// What a verdict that brings tokens is counted as.
const fn grants(verdict: &Verdict) -> Option<Refreshed> {
    match verdict {
        Verdict::Rotate { .. } => Some(Refreshed::Rotated),
        Verdict::Keep { .. } => Some(Refreshed::Replayed),
        Verdict::Forgive { .. } => Some(Refreshed::Forgiven),
        Verdict::Adopt { .. } => Some(Refreshed::Adopted),
        Verdict::Wait { .. } | Verdict::Theft | Verdict::Refuse(_) => None,
    }
}

fn refused(refusal: Refusal) -> Denial {
    match refusal {
        Refusal::Inactive => Denial::AccountInactive,
        Refusal::Ended(EndReason::Idle) | Refusal::Idle => Denial::SessionIdle,
        Refusal::Ended(_) => Denial::SessionRevoked,
        Refusal::Expired => Denial::RefreshTokenExpired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_half_a_window_is_withheld() {
        let at = Timestamp::from_seconds;
        let half = Duration::from_secs(15);
        assert!(is_in_time(at(0), at(0), half) && is_in_time(at(0), at(14), half));
        assert!(!is_in_time(at(0), at(15), half) && !is_in_time(at(0), at(60), half));
        assert!(is_in_time(at(0), at(60), Duration::ZERO));
    }
}
