//! Is this token good, and what does it stand for? Asked by a service (RFC 7662), which may also end
//! its session (RFC 7009).

use std::sync::Arc;

use keyward_core::denial::Denial;
use keyward_core::id::{SessionId, UserId};
use keyward_core::refresh_token::RefreshToken;
use keyward_core::session::Verdict;
use keyward_core::time::Timestamp;

use crate::access::{Access, FromWhere, Reach};
use crate::client::Client;
use crate::engine::Engine;
use crate::error::Error;
use crate::{Keyward, Session};

/// A token that is good at this moment.
#[derive(Debug, Clone)]
pub(crate) enum Introspected {
    /// An access token.
    Access(Arc<Access>),
    /// A refresh token. It is nothing to let anybody in by.
    Refresh { user: UserId, session: SessionId, issued_at: Timestamp, expires_at: Timestamp },
}

impl Keyward {
    /// Who presents this access token, however it came: for gRPC metadata, a queue, a WebSocket's
    /// first message. Answered from memory. A session that ends later is refused at the next call,
    /// so ask again for each request.
    ///
    /// ```
    /// # async fn run(keyward: keyward::Keyward, token: &str) -> Result<(), keyward::Error> {
    /// use keyward::{Client, Denial};
    ///
    /// let client = Client::new([203, 0, 113, 7].into(), "our gRPC server");
    /// match keyward.verify(token, &client).await {
    ///     Ok(session) => println!("{} may {:?}", session.user_id(), session.permissions()),
    ///     Err(error) if error.is(Denial::TokenExpired) => println!("refresh, and come again"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `token_expired` and `token_stale`, after which a refresh helps; `session_revoked`;
    /// `invalid_token`; `store_unavailable` where it can't be known what was revoked.
    pub async fn verify(&self, access_token: &str, client: &Client) -> Result<Session, Error> {
        let known = self.engine.known(access_token);
        let access = self.engine.authenticate(access_token, known, &|| client.clone(), Reach::Store).await?;
        Session::of(self, access).await
    }
}

impl Engine {
    /// What a token stands for; `None` for one that is not good, whatever the reason. An access
    /// token is presented by that; of a refresh token nothing is.
    ///
    /// # Errors
    /// `store_unavailable` where the node can't know.
    pub(crate) async fn introspect(
        &self,
        token: &str,
        client: FromWhere<'_>,
    ) -> Result<Option<Introspected>, Error> {
        if let Some(token) = self.present_refresh_token(token).await? {
            return self.introspect_refresh(&token).await;
        }
        match self.authenticate(token, self.known(token), client, Reach::Store).await {
            Ok(access) => Ok(Some(Introspected::Access(access))),
            Err(Error::Denied(denied)) if denied.denial().status() == 401 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn introspect_refresh(&self, token: &RefreshToken) -> Result<Option<Introspected>, Error> {
        let now = self.clock.now();
        let Some(mut loaded) = self.store.session(token.session).await? else { return Ok(None) };
        loaded.session = self.with_notes(loaded.session);
        match self.verdict(token, &loaded, now) {
            Verdict::Refuse(_) | Verdict::Theft => Ok(None),
            Verdict::Rotate { .. }
            | Verdict::Keep { .. }
            | Verdict::Wait { .. }
            | Verdict::Forgive { .. }
            | Verdict::Adopt { .. } => {
                let policy = &self.settings.policy;
                let own_deadline = token.made_at.after(policy.refresh_ttl);
                Ok(Some(Introspected::Refresh {
                    user: loaded.session.user,
                    session: token.session,
                    issued_at: token.made_at,
                    expires_at: own_deadline.min(loaded.session.absolute_deadline(policy)),
                }))
            }
        }
    }

    /// Ends the session of a token of either kind, be it expired or not. One that is none of ours,
    /// or whose session has ended, is just as well.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub(crate) async fn revoke_token(&self, token: &str, client: &Client) -> Result<(), Error> {
        let session = match self.open_refresh_token(token).await? {
            Some(token) => Some(token.session),
            // One of a revoked key is good for nothing already.
            None => self.session_of_access_token(token).ok().flatten(),
        };
        let Some(session) = session else { return Ok(()) };
        match self.end_any(session, client).await {
            Err(Error::Denied(denied)) if denied.denial() == Denial::NotFound => Ok(()),
            ended => ended,
        }
    }
}
