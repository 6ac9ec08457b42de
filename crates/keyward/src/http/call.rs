//! What does a handler know of the request that it answers?

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::RawPathParams;
use http::{HeaderMap, Method, Uri};
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;
use keyward_core::service_key::ServiceKey;

use super::cookie::Names;
use super::guard::Who;
use super::{Route, origin};
use crate::access::Access;
use crate::client::{By, Client};
use crate::engine::Engine;
use crate::error::Error;

/// A request that passed its guard, on the way to its handler.
pub(crate) struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) names: Names,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(super) route: &'static Route,
    pub(super) params: Option<RawPathParams>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) who: Option<Who>,
}

impl Call {
    /// From where, and by what, it is asked; and who acts, where they act on others. Every event
    /// that is made for this client says so.
    pub(crate) fn client(&self) -> Client {
        let client = origin::client(self.peer, &self.headers, &self.engine.settings.trusted_proxies);
        let by = match &self.who {
            Some(Who::Service(key)) => Some(By::Service(key.id, key.name.clone())),
            Some(Who::Person(access)) if self.route.guard.is_administration() => {
                Some(By::Person(access.token.claims.user, access.session()))
            }
            Some(Who::Person(_)) | None => None,
        };
        Client { by, ..client }
    }

    /// For what only its body shows to be grave: what the guard `Grave` demands beyond `Admin`.
    ///
    /// # Errors
    /// `reauthentication_required` to a person who signed in too long ago.
    pub(crate) fn demand_recent_login(&self) -> Result<(), Error> {
        match &self.who {
            Some(Who::Person(access)) => self.engine.demand_recent_login(access),
            Some(Who::Service(_)) | None => Ok(()),
        }
    }

    /// What stands in the path where the route says `{name}`, decoded.
    ///
    /// # Errors
    /// `not_found` where that is no text.
    pub(crate) fn param(&self, name: &str) -> Result<&str, Error> {
        let found = self.params.iter().flatten().find(|(known, _)| *known == name);
        found.map(|(_, value)| value).ok_or_else(|| Denial::NotFound.into())
    }

    /// The session that asks, where it is a person that does.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.access().ok().map(Access::session)
    }

    /// The service key of who asks.
    ///
    /// # Errors
    /// `missing_token` on a route that has no guard for it.
    pub(crate) fn service_key(&self) -> Result<Arc<ServiceKey>, Error> {
        match &self.who {
            Some(Who::Service(key)) => Ok(Arc::clone(key)),
            Some(Who::Person(_)) | None => Err(Denial::MissingToken.into()),
        }
    }

    /// The verified token of who asks.
    ///
    /// # Errors
    /// `missing_token` on a route that has no guard for it.
    pub(crate) fn access(&self) -> Result<&Access, Error> {
        match &self.who {
            Some(Who::Person(access)) => Ok(access),
            Some(Who::Service(_)) | None => Err(Denial::MissingToken.into()),
        }
    }
}
