//! Who is let in to the routes below?

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::{IntoResponse as _, Response};
use http::Request;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use keyward_core::access_token::TokenType;
use keyward_core::denial::Denial;

use crate::refused::Refused;
use crate::session::{Admitted, Session};
use crate::verifier::Verifier;

const ASSERTION: HeaderName = HeaderName::from_static("x-auth-assertion");

/// A tower layer that lets nobody in without a good token, and with the roles and permissions it names. The
/// extractor [`Session`] then says who it is.
#[derive(Debug, Clone)]
pub struct Layer(Arc<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    verifier: Verifier,
    is_optional: bool,
    roles: Vec<String>,
    permissions: Vec<String>,
}

impl Layer {
    pub(crate) fn new(verifier: Verifier) -> Self {
        Self(Arc::new(Rule { verifier, is_optional: false, roles: Vec::new(), permissions: Vec::new() }))
    }

    /// Lets in who has this role, too, of all those named. Else `403 forbidden`.
    #[must_use]
    pub fn role(self, role: &str) -> Self {
        self.with(|rule| rule.roles.push(role.to_owned()))
    }

    /// Lets in who may do this, too, of all those named. Else `403 forbidden`.
    #[must_use]
    pub fn permission(self, permission: &str) -> Self {
        self.with(|rule| rule.permissions.push(permission.to_owned()))
    }

    /// Lets in who brings no token at all. A token that is no good is refused all the same, and so is who
    /// brings none where a role or a permission is asked for.
    #[must_use]
    pub fn optional(self) -> Self {
        self.with(|rule| rule.is_optional = true)
    }

    fn with(mut self, change: impl FnOnce(&mut Rule)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Rule {
    async fn admit(&self, token: Result<String, Refused>) -> Result<Option<Session>, Refused> {
        let asks_for_none = self.roles.is_empty() && self.permissions.is_empty();
        let session = match token {
            Ok(token) => self.verifier.verify(&token).await?,
            Err(Refused(Denial::MissingToken)) if self.is_optional && asks_for_none => return Ok(None),
            Err(refused) => return Err(refused),
        };
        let has_all = self.roles.iter().all(|role| session.has_role(role))
            && self.permissions.iter().all(|permission| session.may(permission));
        if has_all { Ok(Some(session)) } else { Err(Refused(Denial::Forbidden)) }
    }
}

/// The token of a request: of `Authorization: Bearer` (RFC 6750 §2.1), other schemes being somebody else's;
/// or the edge's assertion. A header that is there twice says nothing.
fn token(typ: TokenType, headers: &HeaderMap) -> Result<String, Refused> {
    let name = match typ {
        TokenType::Access => AUTHORIZATION,
        TokenType::Assertion => ASSERTION,
    };
    let mut lines = headers.get_all(&name).iter();
    let (first, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(Refused(Denial::InvalidToken));
    }
    let line = first.and_then(|line| line.to_str().ok()).unwrap_or_default();
    let token = match (typ, line.split_once(' ')) {
        (TokenType::Access, Some((scheme, token))) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        (TokenType::Access, _) => "",
        (TokenType::Assertion, _) => line.trim(),
    };
    if token.is_empty() { Err(Refused(Denial::MissingToken)) } else { Ok(token.to_owned()) }
}

impl<S> tower::Layer<S> for Layer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { rule: Arc::clone(&self.0), inner }
    }
}

/// What stands behind a [`Layer`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    rule: Arc<Rule>,
    inner: S,
}

impl<S, B> tower::Service<Request<B>> for Guarded<S>
where
    S: tower::Service<Request<B>, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that was found ready is the one to call.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let rule = Arc::clone(&self.rule);
        let token = token(rule.verifier.takes(), request.headers());
        Box::pin(async move {
            match rule.admit(token).await {
                Ok(session) => {
                    request.extensions_mut().insert(Admitted(session));
                    inner.call(request).await
                }
                Err(refused) => Ok(refused.into_response()),
            }
        })
    }
}
