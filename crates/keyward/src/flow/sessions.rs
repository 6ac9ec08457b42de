//! Which sessions does somebody have, and how are they kept alive or ended one by one?

use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::id::{SessionId, UserId};
use keyward_core::session::{End, EndReason, Progress, Session};
use keyward_core::time::Timestamp;

use super::{EVERY, Grant, crowded, refresh_at, refresh_expires_at};
use crate::Keyward;
use crate::access::Access;
use crate::client::{Client, device};
use crate::engine::{About as _, Engine};
use crate::error::Error;
use crate::schema::{self, Id, Moment};
use crate::store::Loaded;

/// How many sessions of everybody end in one transaction, roughly: whoever refreshes one of them
/// meanwhile waits for it.
const AT_ONCE: u32 = 1_000;

/// A session, as its person sees it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Device {
    /// The session.
    #[schema(value_type = Id)]
    pub(crate) id: SessionId,
    /// Whether it is the one that asks.
    pub(crate) current: bool,
    /// How its tokens travel.
    #[schema(value_type = schema::Transport)]
    pub(crate) transport: &'static str,
    /// What it is called for people.
    #[schema(examples("Firefox on Linux"))]
    pub(crate) device: String,
    /// The address it was opened from.
    pub(crate) ip_address: String,
    /// The user agent it was opened by.
    pub(crate) user_agent: String,
    /// When it was opened.
    #[schema(value_type = Moment)]
    pub(crate) created_at: Timestamp,
    /// When its person last did something with it.
    #[schema(value_type = Moment)]
    pub(crate) last_active_at: Timestamp,
    /// When it ends if nothing further happens.
    #[schema(value_type = Moment)]
    pub(crate) expires_at: Timestamp,
    /// When it ends unless its person does something; null where activity is not asked for.
    #[schema(value_type = Option<Moment>, required)]
    pub(crate) idle_expires_at: Option<Timestamp>,
    /// When it ends whatever happens.
    #[schema(value_type = Moment)]
    pub(crate) absolute_expires_at: Timestamp,
}

/// What activity brings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// When the session ends unless its person does something; `None`: activity is not asked for.
    pub(crate) idle_expires_at: Option<Timestamp>,
    /// When to refresh; `None` where that could bring nothing.
    pub(crate) refresh_at: Option<Timestamp>,
}

impl Keyward {
    /// The person of this session did something: it lives on for `sessions.idle_timeout`. Written
    /// before it comes back. Gives when the session ends unless they do something again; `None`:
    /// it asks for no activity. What comes in through [`Keyward::layer`](crate::Keyward::layer)
    /// counts by itself.
    ///
    /// # Errors
    /// `session_revoked`; [`Error::Fault`] where the store does not answer.
    pub async fn note_activity(&self, session: &crate::Session) -> Result<Option<Timestamp>, Error> {
        Ok(self.engine.keep_alive(session.access()).await?.idle_expires_at)
    }

    /// Some open sessions of everybody by id, after that one.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn sessions(&self, after: SessionId, limit: u32) -> Result<Vec<Session>, Error> {
        self.engine.sessions(after, limit).await
    }

    /// Some open sessions of one user, the most recently active first.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn sessions_of(&self, user: UserId, limit: u32) -> Result<Vec<Session>, Error> {
        Ok(self.engine.store.sessions_of(user, limit).await?)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// `not_found` for one that is not open or not there.
    pub async fn revoke_session(&self, session: SessionId, client: &Client) -> Result<(), Error> {
        self.engine.end_any(session, client).await
    }

    /// Ends every session of one user, at once; gives how many there were.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn revoke_sessions_of(&self, user: UserId, client: &Client) -> Result<usize, Error> {
        self.engine.end_all_of(user, client).await
    }

    /// Ends every session of everybody, at once: after a leak, or with a restored backup.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn revoke_every_session(&self, client: &Client) -> Result<(), Error> {
        self.engine.end_all(client).await
    }
}

impl Engine {
    /// The session of a verified token, as it is shown: without tokens.
    pub(crate) async fn show(&self, access: &Access) -> Result<Grant, Error> {
        let (loaded, permissions) = self.view(access).await?;
        let session = &loaded.session;
        let (seen, active_at) = self.notes.of(session.id);
        let policy = &self.settings.policy;
        let now = self.clock.now();
        let claims = &access.token.claims;
        let progress =
            session.known_or_proved(claims.generation, claims.issued_at, now, policy).noted(seen, active_at);
        let end = session.end_of_access(&progress, policy);
        let refresh_expires_at = refresh_expires_at(session, &progress, policy);
        let idle_expires_at = session.idle_deadline(&progress, policy);
        Ok(Grant {
            loaded,
            permissions,
            access_token: None,
            expires_at: access.token.claims.expires_at,
            refresh_token: None,
            refresh_expires_at,
            refresh_at: refresh_at(
                access.token.claims.issued_at,
                access.token.claims.expires_at,
                end,
                policy,
            ),
            idle_expires_at,
            now,
        })
    }

    /// The person did something: written before it is answered.
    pub(crate) async fn keep_alive(&self, access: &Access) -> Result<Kept, Error> {
        let loaded = self.live(access).await?;
        let now = self.clock.now();
        let policy = &self.settings.policy;
        let note = Write::Note { session: loaded.session.id, seen: None, active_at: Some(now) };
        self.commit(Change::of([note])).await?;
        self.notes.active(loaded.session.id, now);
        let claims = &access.token.claims;
        let progress = loaded
            .session
            .known_or_proved(claims.generation, claims.issued_at, now, policy)
            .noted(None, Some(now));
        let end = loaded.session.end_of_access(&progress, policy);
        Ok(Kept {
            idle_expires_at: loaded.session.idle_deadline(&progress, policy),
            refresh_at: refresh_at(
                access.token.claims.issued_at,
                access.token.claims.expires_at,
                end,
                policy,
            ),
        })
    }

    /// The open sessions of a user, the most recently active first; `current` is the one that asks.
    pub(crate) async fn devices(
        &self,
        user: UserId,
        current: Option<SessionId>,
    ) -> Result<Vec<Device>, Error> {
        let now = self.clock.now();
        let policy = &self.settings.policy;
        let sessions = self.store.sessions_of(user, EVERY).await?;
        let mut devices: Vec<Device> = sessions
            .into_iter()
            .map(|session| self.with_notes(session))
            .filter(|session| session.over(true, now, policy).is_none())
            .map(|session| self.device(session, current, now))
            .collect();
        devices.sort_by_key(|device| std::cmp::Reverse((device.last_active_at, device.id)));
        Ok(devices)
    }

    fn device(&self, session: Session, current: Option<SessionId>, now: Timestamp) -> Device {
        let policy = &self.settings.policy;
        // Where it is lost how far the session has come, its person may have been active until now.
        let progress = session.progress.unwrap_or(Progress::opened(now));
        let known = session.progress.or(session.resting);
        let ends_at = session.end_of_access(&progress, policy).min(progress.refresh_deadline(policy));
        Device {
            id: session.id,
            current: Some(session.id) == current,
            transport: session.transport.as_str(),
            device: device(&session.user_agent),
            created_at: session.opened_at,
            last_active_at: known.map_or(session.opened_at, |known| known.last_active_at),
            expires_at: ends_at,
            idle_expires_at: session.idle_deadline(&progress, policy),
            absolute_expires_at: session.absolute_deadline(policy),
            ip_address: session.ip,
            user_agent: session.user_agent,
        }
    }

    /// Ends one of a user's own sessions.
    ///
    /// # Errors
    /// `not_found` for one that is not open, not theirs, or not there: which one is not told.
    pub(crate) async fn end_own(
        &self,
        user: UserId,
        session: SessionId,
        client: &Client,
    ) -> Result<(), Error> {
        let loaded = self.store.session_at_rest(session).await?.filter(|loaded| loaded.session.user == user);
        let loaded = loaded.filter(|loaded| loaded.session.ended.is_none()).ok_or(Denial::NotFound)?;
        self.revoke(&loaded, client).await
    }

    /// Ends any session.
    ///
    /// # Errors
    /// `not_found` for one that is not open or not there.
    pub(crate) async fn end_any(&self, session: SessionId, client: &Client) -> Result<(), Error> {
        let loaded = self.store.session_at_rest(session).await?;
        let loaded = loaded.filter(|loaded| loaded.session.ended.is_none()).ok_or(Denial::NotFound)?;
        self.revoke(&loaded, client).await
    }

    /// Ends every session of a user, as an operator; gives how many there were.
    pub(crate) async fn end_all_of(&self, user: UserId, client: &Client) -> Result<usize, Error> {
        let now = self.clock.now();
        let end = End { at: now, why: EndReason::Revoked };
        let mut event = self.event(EventType::SessionRevoked, client, now).saying("sessions", "all");
        event.user = Some(user);
        let write = Write::EndSessionsOf { user, except: None, end, until: self.matters_until(now) };
        Ok(self.commit(Change::of([write]).with(event)).await?.sessions_ended())
    }

    /// Ends every session of everybody. Their access tokens are cut off first, however many sessions
    /// there are; where it fails after that, it is to be done again.
    pub(crate) async fn end_all(&self, client: &Client) -> Result<(), Error> {
        self.end_all_with(Change::default(), client).await?.ok_or_else(crowded)
    }

    /// The same, together with this change; `None` where that is no longer to be made, and nothing is
    /// done.
    pub(super) async fn end_all_with(
        &self,
        mut change: Change,
        client: &Client,
    ) -> Result<Option<()>, Error> {
        let now = self.clock.now();
        let end = End { at: now, why: EndReason::Revoked };
        let event = self.event(EventType::SessionRevoked, client, now).saying("sessions", "all");
        change.writes.push(Write::CutEverybodyOff { until: self.matters_until(now) });
        if self.decided(change.with(event)).await?.is_none() {
            return Ok(None);
        }
        let mut after = UserId::from_bytes([0; 16]);
        while let (_, Some(to)) = self.store.count_open(after, AT_ONCE).await? {
            self.commit(Change::of([Write::EndSessionsBetween { after, to, end }])).await?;
            after = to;
        }
        // What was refreshed meanwhile.
        let until = self.matters_until(self.clock.now());
        self.commit(Change::of([Write::CutEverybodyOff { until }])).await?;
        Ok(Some(()))
    }

    async fn revoke(&self, loaded: &Loaded, client: &Client) -> Result<(), Error> {
        let now = self.clock.now();
        let end = End { at: now, why: EndReason::Revoked };
        let session = loaded.session.id;
        let event = self
            .event(EventType::SessionRevoked, client, now)
            .about(&loaded.account)
            .in_session(session)
            .saying("why", end.why.as_str());
        // That another one ended it first is just as well.
        self.decided(Change::of([self.end(session, end)]).with(event)).await?;
        Ok(())
    }
}
