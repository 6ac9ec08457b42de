//! What can a handler of the application ask for? Who asks, and what they have to be.
//!
//! Every extractor takes what [`Layer`](crate::Layer) found out about the request; a route without
//! the layer is answered with 500 and a line in the log that says what is missing. They work with
//! any state of the application.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, OptionalFromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use keyward_core::denial::Denial;
use keyward_core::id::UserId;

use super::layer::{Presented, name_of_request};
use super::{origin, problem};
use crate::client::Client;
use crate::error::Error;
use crate::{Keyward, Session};

/// What the layer found out about this request.
fn presented(parts: &Parts) -> Result<&Arc<Presented>, Error> {
    parts.extensions.get().ok_or_else(|| {
        tracing::error!(
            "a route asks for keyward::Session, or what comes with it, and Keyward's layer is not around it: \
             add .layer(keyward.layer()) below the route; until then it is answered with 500"
        );
        Denial::Internal.into()
    })
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        presented(parts)?.session()
    }
}

/// `None` where no credential was presented. One that is no good is refused, so that a client
/// refreshes it and asks again; for a page that somebody navigates to it is none.
impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        presented(parts)?.session_if_any()
    }
}

/// The person whom the path names: for routes such as `/api/{user_id}/tasks`. Anybody else is
/// refused with 403, be the id somebody's or nobody's, and a path that is no text (UTF-8) with 404.
/// A route whose path has no `{user_id}` is a mistake of the program: it is answered with 500, and the
/// log says so. It is a [`Session`] in everything else.
///
/// ```
/// use axum::{Router, routing::get};
/// use keyward::Owner;
///
/// async fn tasks(owner: Owner) -> String {
///     format!("the tasks of {}", owner.email())
/// }
/// let _: Router = Router::new().route("/api/{user_id}/tasks", get(tasks));
/// ```
#[derive(Debug, Clone)]
pub struct Owner(pub Session);

impl<S: Sync> FromRequestParts<S> for Owner {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = presented(parts)?.session()?;
        let params = match RawPathParams::from_request_parts(parts, &()).await {
            Ok(params) => Some(params),
            // What is no text names nothing that there is.
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => return Err(Denial::NotFound.into()),
            Err(_) => None,
        };
        let named = params.iter().flatten().find(|(name, _)| *name == "user_id");
        let Some((_, text)) = named else {
            tracing::error!(
                "a route asks for keyward::Owner, and its path has no {{user_id}}: name that parameter so, as in \
                 /api/{{user_id}}/tasks; until then it is answered with 500"
            );
            return Err(Denial::Internal.into());
        };
        // What is no id is nobody's.
        let user: UserId = text.parse().map_err(|_| Denial::Forbidden)?;
        session.require_user(user)?;
        Ok(Self(session))
    }
}

/// An administrator: a person of the built-in role `admin`. Anybody else is refused with 403. It is
/// a [`Session`] in everything else. For other roles see [`Layer::role`](crate::Layer::role) and
/// [`Session::require_role`].
#[derive(Debug, Clone)]
pub struct Admin(pub Session);

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = presented(parts)?.session()?;
        session.require_admin()?;
        Ok(Self(session))
    }
}

/// A person who proved within `sessions.reauth_after` (10 minutes) who they are: for what is
/// grave. Anybody else is refused with `403 reauthentication_required`. It is a [`Session`] in
/// everything else.
#[derive(Debug, Clone)]
pub struct RecentLogin(pub Session);

impl<S: Sync> FromRequestParts<S> for RecentLogin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = presented(parts)?.session()?;
        session.require_recent_login()?;
        Ok(Self(session))
    }
}

macro_rules! is_a_session {
    ($($name:ident)*) => {$(
        impl Deref for $name {
            type Target = Session;

            fn deref(&self) -> &Session {
                &self.0
            }
        }
    )*};
}

is_a_session! { Owner Admin RecentLogin }

/// From where and by what is asked, for the methods of [`Keyward`] that want to know.
impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let settings = &presented(parts)?.keyward().engine.settings;
        Ok(origin::client(origin::peer(&parts.extensions), &parts.headers, &settings.trusted_proxies))
    }
}

/// The Keyward whose layer is around the route.
impl<S: Sync> FromRequestParts<S> for Keyward {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(presented(parts)?.keyward().clone())
    }
}

/// As `application/problem+json` (RFC 9457), with the headers of the contract. A fault is logged
/// here, with what it was.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        problem::of(&self, &name_of_request())
    }
}
