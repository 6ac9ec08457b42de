//! Who asks?

use std::fmt;
use std::sync::Arc;

use keyward_core::denial::Denial;
use keyward_core::id::{SessionId, UserId};
use keyward_core::role;
use keyward_core::time::Timestamp;

use crate::Keyward;
use crate::access::Access;
use crate::engine::Engine;
use crate::error::Error;
use crate::store::Loaded;

/// A person in a live session: who asks. Cheap to clone.
///
/// As an argument of a handler it lets only people in who are signed in, by cookie or by bearer
/// token; `Option<Session>` lets anybody in and tells who it is. Both need
/// [`Keyward::layer`] around the route.
///
/// ```
/// use keyward::{Error, Session};
///
/// async fn publish(session: Session) -> Result<String, Error> {
///     session.require_permission("posts:publish")?; // else 403
///     Ok(format!("published by {}", session.email()))
/// }
///
/// async fn home(session: Option<Session>) -> String {
///     session.map_or("Hello, stranger".to_owned(), |session| format!("Hello, {}", session.email()))
/// }
/// # let _ = axum::Router::<()>::new()
/// #     .route("/", axum::routing::get(home))
/// #     .route("/publish", axum::routing::post(publish));
/// ```
///
/// What it says is what the access token says, which is never older than the last change of a role,
/// of the roles or of the address: an older token is refused (`token_stale`), and a client that
/// refreshes gets the new one. What `tokens.claims` leaves out of the token is read from the
/// store, at most once a second and session.
#[derive(Clone)]
pub struct Session {
    keyward: Keyward,
    access: Arc<Access>,
    /// What the token leaves out.
    rest: Option<(Arc<Loaded>, Arc<[String]>)>,
}

impl Session {
    /// Who presents this token, which was verified a moment ago.
    ///
    /// # Errors
    /// As [`Engine::view`], where something has to be read.
    pub(crate) async fn of(keyward: &Keyward, access: Arc<Access>) -> Result<Self, Error> {
        let claims = &access.token.claims;
        let is_whole = claims.email.is_some()
            && claims.phone_number.is_some()
            && claims.roles.is_some()
            && claims.permissions.is_some();
        let rest = if is_whole { None } else { Some(keyward.engine.view(&access).await?) };
        Ok(Self { keyward: keyward.clone(), access, rest })
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    fn engine(&self) -> &Engine {
        &self.keyward.engine
    }

    /// Whose session it is: the person's name for ever, `sub` in tokens.
    pub fn user_id(&self) -> UserId {
        self.access.token.claims.user
    }

    /// The session, `sid` in tokens.
    pub fn session_id(&self) -> SessionId {
        self.access.session()
    }

    /// The person's e-mail address, in lower case.
    pub fn email(&self) -> &str {
        match (&self.access.token.claims.email, &self.rest) {
            (Some(email), _) => &email.address,
            (None, Some((loaded, _))) => loaded.account.email.as_str(),
            (None, None) => "",
        }
    }

    /// Whether they showed that they receive mail there.
    pub fn email_verified(&self) -> bool {
        match (&self.access.token.claims.email, &self.rest) {
            (Some(email), _) => email.verified,
            (None, rest) => rest.as_ref().is_some_and(|(loaded, _)| loaded.account.email_verified),
        }
    }

    /// Their phone number (E.164), if they gave one.
    pub fn phone_number(&self) -> Option<&str> {
        match (&self.access.token.claims.phone_number, &self.rest) {
            (Some(phone), _) => phone.number.as_deref(),
            (None, rest) => rest.as_ref()?.0.account.phone_number.as_ref().map(|phone| phone.as_str()),
        }
    }

    /// Their roles, sorted.
    pub fn roles(&self) -> &[String] {
        match (&self.access.token.claims.roles, &self.rest) {
            (Some(roles), _) => roles,
            (None, Some((loaded, _))) => &loaded.account.roles,
            (None, None) => &[],
        }
    }

    /// What their roles permit, sorted.
    pub fn permissions(&self) -> &[String] {
        match (&self.access.token.claims.permissions, &self.rest) {
            (Some(permissions), _) => permissions,
            (None, Some((_, permissions))) => permissions,
            (None, None) => &[],
        }
    }

    /// When they last proved who they are, by their password.
    pub fn auth_time(&self) -> Timestamp {
        self.access.token.claims.auth_time
    }

    /// When the access token ends that was presented; the session goes on with the next one.
    pub fn expires_at(&self) -> Timestamp {
        self.access.token.claims.expires_at
    }

    /// Whether they have this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|known| known == role)
    }

    /// Whether one of their roles permits this.
    pub fn has_permission(&self, permission: &str) -> bool {
        self.permissions().iter().any(|known| known == permission)
    }

    /// Lets only who has this role go on.
    ///
    /// # Errors
    /// `forbidden` (403).
    pub fn require_role(&self, role: &str) -> Result<(), Error> {
        permit(self.has_role(role))
    }

    /// Lets only administrators go on: people of the built-in role `admin`.
    ///
    /// # Errors
    /// `forbidden` (403).
    pub fn require_admin(&self) -> Result<(), Error> {
        self.require_role(role::ADMIN)
    }

    /// Lets only who may do this go on.
    ///
    /// # Errors
    /// `forbidden` (403).
    pub fn require_permission(&self, permission: &str) -> Result<(), Error> {
        permit(self.has_permission(permission))
    }

    /// Lets only this person go on: what belongs to a user is nobody else's.
    ///
    /// # Errors
    /// `forbidden` (403).
    pub fn require_user(&self, user: UserId) -> Result<(), Error> {
        permit(self.user_id() == user)
    }

    /// Lets only who proved within `sessions.reauth_after` (10 minutes) who they are go on; a client
    /// asks for the password and calls `POST /api/auth/reauthenticate`.
    ///
    /// # Errors
    /// `reauthentication_required` (403).
    pub fn require_recent_login(&self) -> Result<(), Error> {
        self.engine().demand_recent_login(&self.access)
    }
}

fn permit(may: bool) -> Result<(), Error> {
    if may { Ok(()) } else { Err(Denial::Forbidden.into()) }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("user_id", &self.user_id())
            .field("session_id", &self.session_id())
            .finish_non_exhaustive()
    }
}
