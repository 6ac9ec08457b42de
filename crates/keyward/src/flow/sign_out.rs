//! How does somebody sign out, here or everywhere?

use keyward_core::change::{Change, Write};
use keyward_core::event::EventType;
use keyward_core::id::{SessionId, UserId};
use keyward_core::session::{End, EndReason, Transport};

use crate::client::Client;
use crate::engine::{About as _, Engine};
use crate::error::Error;
use crate::{Keyward, Session};

impl Keyward {
    /// Ends this session, as its person asks: its tokens are refused from now on. That it has ended
    /// already is just as well.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn sign_out(&self, session: &Session, client: &Client) -> Result<(), Error> {
        self.engine.sign_out(session.session_id(), client).await
    }

    /// Ends every session of a session's person, as they ask, this one included; gives how many
    /// there were.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn sign_out_everywhere(&self, session: &Session, client: &Client) -> Result<usize, Error> {
        self.engine.sign_out_everywhere(session.user_id(), session.session_id(), client).await
    }
}

impl Engine {
    /// Ends this session; that it has ended already, or never was, is just as well.
    pub(crate) async fn sign_out(&self, session: SessionId, client: &Client) -> Result<(), Error> {
        let Some(loaded) = self.store.session_at_rest(session).await? else { return Ok(()) };
        if loaded.session.ended.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let end = End { at: now, why: EndReason::Logout };
        let event = self.event(EventType::Logout, client, now).about(&loaded.account).in_session(session);
        // That another one ended it first is just as well.
        self.decided(Change::of([self.end(session, end)]).with(event)).await?;
        Ok(())
    }

    /// The session that a genuine refresh token of this transport belongs to.
    pub(crate) async fn session_of_refresh_token(
        &self,
        token: &str,
        transport: Transport,
    ) -> Result<Option<SessionId>, Error> {
        let Some(token) = self.open_refresh_token(token).await? else { return Ok(None) };
        let loaded = self.store.session_at_rest(token.session).await?;
        Ok(loaded.filter(|loaded| loaded.session.transport == transport).map(|loaded| loaded.session.id))
    }

    /// Ends every session of a user but this one; gives how many there were.
    pub(crate) async fn sign_out_elsewhere(
        &self,
        user: UserId,
        session: SessionId,
        client: &Client,
    ) -> Result<usize, Error> {
        self.sign_out_all(user, session, Some(session), client).await
    }

    /// Ends every session of a user; gives how many there were.
    pub(crate) async fn sign_out_everywhere(
        &self,
        user: UserId,
        session: SessionId,
        client: &Client,
    ) -> Result<usize, Error> {
        self.sign_out_all(user, session, None, client).await
    }

    async fn sign_out_all(
        &self,
        user: UserId,
        session: SessionId,
        except: Option<SessionId>,
        client: &Client,
    ) -> Result<usize, Error> {
        let now = self.clock.now();
        let end = End { at: now, why: EndReason::LogoutAll };
        let mut event = self.event(EventType::LogoutAll, client, now).in_session(session);
        event.user = Some(user);
        if let Some(except) = except {
            event = event.saying("except", except.to_string());
        }
        let write = Write::EndSessionsOf { user, except, end, until: self.matters_until(now) };
        Ok(self.commit(Change::of([write]).with(event)).await?.sessions_ended())
    }
}
