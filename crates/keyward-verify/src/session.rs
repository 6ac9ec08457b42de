//! Who makes this request?

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use keyward_core::access_token::{Claims, Verified};
use keyward_core::denial::Denial;
use keyward_core::id::{SessionId, UserId};

use crate::refused::Refused;

/// A session whose token was verified. As an extractor it is what [`crate::Layer`] let in; `Option<Session>`
/// is `None` where that let somebody in without a token.
#[derive(Debug, Clone)]
pub struct Session(pub(crate) Arc<Verified>);

impl Session {
    /// The person, for as long as their account exists.
    pub fn user_id(&self) -> UserId {
        self.0.claims.user
    }

    /// The session.
    pub fn session_id(&self) -> SessionId {
        self.0.claims.session
    }

    /// The e-mail address; `None` where `tokens.claims` leaves it out.
    pub fn email(&self) -> Option<&str> {
        self.0.claims.email.as_ref().map(|email| email.address.as_str())
    }

    /// Their roles; none where `tokens.claims` leaves them out.
    pub fn roles(&self) -> &[String] {
        self.0.claims.roles.as_deref().unwrap_or_default()
    }

    /// What they may do; nothing where `tokens.claims` leaves that out.
    pub fn permissions(&self) -> &[String] {
        self.0.claims.permissions.as_deref().unwrap_or_default()
    }

    /// Whether they have this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|has| has == role)
    }

    /// Whether they may do this.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions().iter().any(|has| has == permission)
    }

    /// Everything that the token says.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }
}

/// What the layer found, left for the extractors.
#[derive(Debug, Clone)]
pub(crate) struct Admitted(pub(crate) Option<Session>);

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        admitted(parts)?.ok_or(Refused(Denial::MissingToken))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refused> {
        admitted(parts)
    }
}

fn admitted(parts: &Parts) -> Result<Option<Session>, Refused> {
    match parts.extensions.get::<Admitted>() {
        Some(Admitted(session)) => Ok(session.clone()),
        None => {
            tracing::error!(
                "{} is outside of keyward_verify::Layer: nobody asked who this is",
                parts.uri.path()
            );
            Err(Refused(Denial::Internal))
        }
    }
}
