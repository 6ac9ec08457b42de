//! Who asks a route of the application, and may they?

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::OriginalUri;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response};
use keyward_core::denial::Denial;
use keyward_core::time::Timestamp;

use super::cookie::Names;
use super::detour::renewing_may_mend;
use super::enter::{X_REQUEST_ID, request_id};
use super::problem::MARK;
use super::{csrf, guard, html, next, origin};
use crate::access::Reach;
use crate::error::Error;
use crate::{Keyward, Session, clock};

/// What is put around the application's own routes, so that they know who asks.
///
/// ```
/// # async fn run(keyward: keyward::Keyward) {
/// use axum::{Router, routing::get};
/// use keyward::Session;
///
/// let articles: Router = Router::new()
///     .route("/articles/new", get(|| async { "only for editors" }))
///     .route_layer(keyward.layer().role("editor"));
/// let app = Router::new()
///     .route("/me", get(|session: Session| async move { session.email().to_owned() }))
///     .merge(articles)
///     .layer(keyward.layer())
///     .merge(keyward.router());
/// # let _: Router = app; }
/// ```
///
/// Of each request it looks at the credential once, and answers by itself only what must not go on:
///
/// - An unsafe request (anything but `GET`, `HEAD` and `OPTIONS`, and a WebSocket) that is
///   authenticated by a cookie has to come from a page of the public URL, or of one of
///   [`Settings::allowed_origins`](crate::Settings::allowed_origins): else `403 cross_site_request`.
/// - Where something is demanded ([`Layer::session`] and what follows it), who does not meet it gets
///   401 or 403.
/// - Who presents nothing, or something that is no good, goes on as nobody: [`Session`] as an
///   argument of the handler refuses them.
///
/// What a person does counts as activity by the same rule as at Keyward's own routes, which it may
/// be around as well. Each answer carries `X-Request-Id`, and one of a handler that took the session
/// `Cache-Control: no-store`, unless it says otherwise. Who navigates to a page and is refused with
/// 401 is led to `/api/auth/renew`, which leads back with a fresh access token or on to the page for
/// signing in; for a login that is not recent enough, to `/reauthenticate`.
///
/// A layer is around the routes that were added before it. Two may be around one another: the
/// request is authenticated once.
#[derive(Clone)]
pub struct Layer {
    keyward: Keyward,
    demands: Arc<[Demand]>,
}

#[derive(Clone)]
enum Demand {
    Session,
    Role(String),
    Permission(String),
    RecentLogin,
}

impl Layer {
    pub(crate) fn new(keyward: Keyward) -> Self {
        Self { keyward, demands: Arc::new([]) }
    }

    /// Lets only people in who are signed in; anybody else gets 401.
    #[must_use]
    pub fn session(self) -> Self {
        self.and(Demand::Session)
    }

    /// Lets only people of this role in; anybody else gets 401 or 403. Of several roles all are
    /// demanded.
    #[must_use]
    pub fn role(self, role: &str) -> Self {
        self.and(Demand::Role(role.to_owned()))
    }

    /// Lets only people in who may do this; anybody else gets 401 or 403. Of several permissions all
    /// are demanded.
    #[must_use]
    pub fn permission(self, permission: &str) -> Self {
        self.and(Demand::Permission(permission.to_owned()))
    }

    /// Lets only people in who proved within `sessions.reauth_after` who they are; anybody else gets
    /// 401, or `403 reauthentication_required`.
    #[must_use]
    pub fn recent_login(self) -> Self {
        self.and(Demand::RecentLogin)
    }

    fn and(self, demand: Demand) -> Self {
        let demands = self.demands.iter().cloned().chain([demand]).collect();
        Self { demands, ..self }
    }

    /// Whether who asks is what the routes demand.
    fn permit(&self, presented: &Presented) -> Result<(), Error> {
        for demand in self.demands.iter() {
            let session = presented.session()?;
            match demand {
                Demand::Session => {}
                Demand::Role(role) => session.require_role(role)?,
                Demand::Permission(permission) => session.require_permission(permission)?,
                Demand::RecentLogin => session.require_recent_login()?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}

impl<S> tower::Layer<S> for Layer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, layer: self.clone() }
    }
}

/// A service with a [`Layer`] around it. Nobody has to name it.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    layer: Layer,
}

impl<S> tower::Service<Request<Body>> for Guarded<S>
where
    S: tower::Service<Request<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that was found ready is used; its clone is asked again.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let outer = head.extensions.get::<Arc<Presented>>();
            if let Some(presented) = outer.filter(|outer| outer.is_of(&layer.keyward)).cloned() {
                return match layer.permit(&presented) {
                    Ok(()) => Ok(inner.call(Request::from_parts(head, body)).await?.into_response()),
                    Err(error) => Ok(error.into_response()),
                };
            }
            let asked = Asked::of(&head, &layer.keyward);
            let request = REQUEST.scope(asked.id.clone(), async {
                let presented = match Presented::of(&head, &layer.keyward).await {
                    Ok(presented) => Arc::new(presented),
                    Err(error) => return (None, error.into_response()),
                };
                let response = match layer.permit(&presented) {
                    Ok(()) => {
                        head.extensions.insert(Arc::clone(&presented));
                        let answer = inner.call(Request::from_parts(head, body)).await;
                        answer.unwrap_or_else(|never| match never {}).into_response()
                    }
                    Err(error) => error.into_response(),
                };
                (Some(presented), response)
            });
            let (presented, response) = request.await;
            Ok(asked.finish(presented.as_deref(), response))
        })
    }
}

tokio::task_local! {
    /// What the request is called that this task answers.
    static REQUEST: String;
}

/// What the request is called that is being answered: as its layer calls it, or anything.
pub(super) fn name_of_request() -> String {
    REQUEST.try_with(Clone::clone).unwrap_or_else(|_| clock::request_id())
}

/// An answer of one of Keyward's own routes, which said by itself what there is to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own;

/// Who asks, as far as the credential of a request tells.
pub(super) struct Presented {
    keyward: Keyward,
    who: Result<Session, Error>,
    /// Whether somebody navigates to a page.
    page: bool,
    /// Whether the answer depends on who asks.
    taken: AtomicBool,
}

impl Presented {
    /// # Errors
    /// `cross_site_request`.
    async fn of(head: &Parts, keyward: &Keyward) -> Result<Self, Error> {
        let (engine, headers) = (&keyward.engine, &head.headers);
        let names = Names::new(engine.settings.public_url.has_secure_cookies());
        if csrf::is_unsafe(&head.method, headers)
            && guard::by_cookie(engine, &names.read(headers))
            && !csrf::is_ours(headers, &engine.settings)
        {
            return Err(Denial::CrossSiteRequest.into());
        }
        let client =
            || origin::client(origin::peer(&head.extensions), headers, &engine.settings.trusted_proxies);
        let who = match guard::authenticate(engine, names, headers, &client, Reach::Store).await {
            Ok(access) => {
                engine.bounces.arrived(access.session());
                Session::of(keyward, access).await
            }
            Err(error) => Err(error),
        };
        Ok(Self {
            keyward: keyward.clone(),
            who,
            page: page_of(head).is_some(),
            taken: AtomicBool::new(false),
        })
    }

    fn is_of(&self, keyward: &Keyward) -> bool {
        Arc::ptr_eq(&self.keyward.engine, &keyward.engine)
    }

    pub(super) fn keyward(&self) -> &Keyward {
        &self.keyward
    }

    /// Who asks.
    ///
    /// # Errors
    /// What their credential deserves, or its absence.
    pub(super) fn session(&self) -> Result<Session, Error> {
        self.taken.store(true, Ordering::Relaxed);
        self.who.clone()
    }

    /// Who asks, if anybody does.
    ///
    /// # Errors
    /// As [`Presented::session`], but for a credential that is missing, or is of no use to show a
    /// page.
    pub(super) fn session_if_any(&self) -> Result<Option<Session>, Error> {
        match self.session() {
            Ok(session) => Ok(Some(session)),
            Err(error) if error.is(Denial::MissingToken) => Ok(None),
            Err(error) if self.page && renewing_may_mend(error.denied().denial()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where somebody is led who navigates to a page and is refused so; `None`: they are told.
    fn instead(&self, response: &Response<Body>) -> Option<&'static str> {
        let code = response.headers().get(MARK)?;
        match &self.who {
            Err(error) if renewing_may_mend(error.denied().denial()) && code == error.code() => {
                Some("/api/auth/renew")
            }
            Ok(_) if code == Denial::ReauthenticationRequired.code() => Some("/reauthenticate"),
            _ => None,
        }
    }
}

/// What is remembered of a request until it is answered.
struct Asked {
    keyward: Keyward,
    /// What it is called.
    id: String,
    at: Timestamp,
    /// Whether it shows that a person did something.
    activity: bool,
    /// The page that somebody navigates to.
    page: Option<String>,
}

impl Asked {
    fn of(head: &Parts, keyward: &Keyward) -> Self {
        Self {
            keyward: keyward.clone(),
            id: request_id(&head.headers),
            at: keyward.engine.clock.now(),
            activity: csrf::is_activity(&head.method, &head.headers),
            page: page_of(head),
        }
    }

    fn finish(self, presented: Option<&Presented>, mut response: Response<Body>) -> Response<Body> {
        if response.extensions().get::<Own>().is_some() {
            return response;
        }
        if let Some(Presented { who: Ok(session), .. }) = presented
            && self.activity
        {
            self.keyward.engine.note_activity(session.access(), self.at);
        }
        let by_way_of = presented.and_then(|presented| presented.instead(&response));
        if let (Some(page), Some(by_way_of)) = (self.page, by_way_of)
            && let Ok(detour) = html::go_on(&next::with_next(by_way_of, &page))
        {
            response = detour;
        }
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(self.id) {
            headers.entry(X_REQUEST_ID).or_insert(id);
        }
        if presented.is_none_or(|presented| presented.taken.load(Ordering::Relaxed)) {
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        response
    }
}

/// The page that somebody navigates to, to come back to.
fn page_of(head: &Parts) -> Option<String> {
    if head.method != Method::GET || !csrf::wants_a_page(&head.headers) {
        return None;
    }
    // A nested router cuts off what stands before its routes.
    let uri = head.extensions.get::<OriginalUri>().map_or(&head.uri, |original| &original.0);
    Some(next::back_to(uri))
}
