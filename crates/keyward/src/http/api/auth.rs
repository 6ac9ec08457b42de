//! `/api/auth`: accounts and sessions, for the people they belong to.

pub(crate) mod activity;
pub(crate) mod email;
pub(crate) mod events;
pub(crate) mod introspect;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod logout_all;
pub(crate) mod password;
pub(crate) mod profile;
pub(crate) mod reauthenticate;
pub(crate) mod refresh;
pub(crate) mod renew;
pub(crate) mod revocations;
pub(crate) mod revoke;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod signup;
pub(crate) mod verify;

use axum::body::Body;
use http::header::HeaderMap;
use http::{Response, StatusCode};
use keyward_core::denial::Denial;
use keyward_core::id::{SessionId, UserId};
use keyward_core::session::Transport;
use keyward_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;
use crate::flow::Grant;
use crate::flow::sign_in::Former;
use crate::http::answer::token;
use crate::http::cookie::{Names, default_transport};
use crate::http::watch::Opened;
use crate::http::{Call, csrf, guard, json};
use crate::schema::{self, Id, Moment};

/// What signup, login, refresh and session answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionBody<'a> {
    #[schema(value_type = Id)]
    user_id: UserId,
    #[schema(examples("ada@example.com"))]
    email: &'a str,
    email_verified: bool,
    phone_number: Option<&'a str>,
    phone_number_verified: bool,
    roles: &'a [String],
    permissions: &'a [String],
    #[schema(value_type = Id)]
    session_id: SessionId,
    #[schema(value_type = schema::Transport)]
    transport: &'static str,
    token_type: &'static str,
    /// The access token; absent for `cookie`.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "token")]
    token: Option<&'a str>,
    /// How long the access token is good for, in seconds.
    expires_in: i64,
    #[schema(value_type = Moment)]
    expires_at: Timestamp,
    /// Absent for `cookie`, and where none was made.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "token")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Moment>, nullable = false)]
    refresh_expires_at: Option<Timestamp>,
    /// When to refresh; null where that could bring nothing.
    #[schema(value_type = Option<Moment>, required)]
    refresh_at: Option<Timestamp>,
    /// When the session ends unless its person does something.
    #[schema(value_type = Option<Moment>, required)]
    idle_expires_at: Option<Timestamp>,
    /// Whether a refresh made a new refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated: Option<bool>,
}

/// What the answer tells of the refresh token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    /// A login, or the session as it is shown: its deadline.
    Deadline,
    /// A refresh: whether it rotated, and if so the deadline.
    Rotation,
}

impl<'a> SessionBody<'a> {
    fn of(grant: &'a Grant, told: Tells) -> Self {
        let (session, account) = (&grant.loaded.session, &grant.loaded.account);
        let in_body = session.transport == Transport::Bearer;
        let rotated = grant.refresh_token.is_some();
        Self {
            user_id: account.id,
            email: account.email.as_str(),
            email_verified: account.email_verified,
            phone_number: account.phone_number.as_ref().map(|phone| phone.as_str()),
            phone_number_verified: account.phone_number_verified,
            roles: &account.roles,
            permissions: &grant.permissions,
            session_id: session.id,
            transport: session.transport.as_str(),
            token_type: "Bearer",
            token: grant.access_token.as_ref().filter(|_| in_body).map(|token| token.as_str()),
            expires_in: (grant.expires_at.seconds() - grant.now.seconds()).max(0),
            expires_at: grant.expires_at,
            refresh_token: grant.refresh_token.as_ref().filter(|_| in_body).map(|token| token.as_str()),
            refresh_expires_at: (told == Tells::Deadline || rotated).then_some(grant.refresh_expires_at),
            refresh_at: grant.refresh_at,
            idle_expires_at: grant.idle_expires_at,
            rotated: (told == Tells::Rotation).then_some(rotated),
        }
    }
}

/// The answer that brings a grant: tokens in the body for an app, in cookies for a browser.
fn granted(status: StatusCode, grant: &Grant, names: Names, told: Tells) -> Response<Body> {
    let session = &grant.loaded.session;
    let mut response = json(status, &SessionBody::of(grant, told));
    if grant.access_token.is_some() {
        response.extensions_mut().insert(Opened(session.id));
    }
    if session.transport == Transport::Cookie {
        names.set(grant, response.headers_mut());
    }
    response
}

/// The transport of a new session: the one that is named, if the caller may have it.
fn transport(call: &Call, named: Option<Transport>) -> Result<Transport, Error> {
    let transport = named.unwrap_or_else(|| default_transport(&call.headers));
    let readable_by_script = transport == Transport::Bearer && csrf::is_browser(&call.headers);
    if readable_by_script && !call.engine.settings.browser_bearer {
        return Err(Denial::TransportNotAllowed.into());
    }
    Ok(transport)
}

/// What a browser held until now, and a login takes the place of.
pub(in crate::http) async fn former(call: &Call) -> Result<Former, Error> {
    let hints = call.names.read(&call.headers).hints;
    // Several name none, as with cookies of several sessions.
    let tag = if let [only] = hints.as_slice() { Some((*only).to_owned()) } else { None };
    Ok(Former { session: replaced(call).await?, tag })
}

/// The session that a browser's cookies carry, whose place a new one takes.
pub(in crate::http) async fn replaced(call: &Call) -> Result<Option<SessionId>, Error> {
    let only_cookies: HeaderMap = call
        .headers
        .get_all(http::header::COOKIE)
        .iter()
        .map(|line| (http::header::COOKIE, line.clone()))
        .fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        });
    match guard::session_spoken_of(&call.engine, call.names, &only_cookies, None).await {
        // Cookies of several sessions carry none, and who signs in anew is not kept from it.
        Err(error) if error.denied().denial() == Denial::AmbiguousCredentials => Ok(None),
        session => session,
    }
}
