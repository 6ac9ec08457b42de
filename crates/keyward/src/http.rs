//! What can be asked over HTTP? The route table: method, path, guard, handler.
//!
//! The path of a handler's file is the path of its URL. Every request goes through [`enter`],
//! which checks in the order of the contract: body size, site, credential, and only then hands
//! over to the handler.

mod account;
mod api;
mod assets;
mod body;
mod caught;
mod client;
pub(crate) mod cookie;
mod cors;
pub(crate) mod csrf;
mod detour;
mod dev;
mod docs;
mod embed;
pub(crate) mod extract;
mod forgot;
mod form;
mod forwarded;
mod guard;
mod healthz;
mod html;
mod kept;
pub(crate) mod layer;
mod login;
pub(crate) mod monitor;
mod next;
pub(crate) mod openapi;
mod operation;
mod origin;
pub(crate) mod problem;
mod query;
mod readyz;
mod reauthenticate;
mod reset;
pub(crate) mod serve;
mod setup;
mod signup;
mod start;
mod trace;
mod verify_email;
pub(crate) mod watch;
mod well_known;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{ConnectInfo, FromRequestParts as _, RawPathParams};
use axum::routing::{MethodFilter, MethodRouter, any, on};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;
use keyward_core::service_key::{Scope, ServiceKey};
use serde::Serialize;

use self::caught::caught;
use self::cookie::Names;
use self::guard::{Guard, Who};
use self::operation::Operation;
use self::watch::Watch;
use crate::access::Access;
use crate::client::{By, Client};
use crate::clock;
use crate::engine::Engine;
use crate::error::Error;
use crate::metrics::RouteTimes;

/// How large a body may be, in bytes.
const BODY: usize = 64 << 10;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(15);

/// What a method that a route doesn't have is called, whatever it was.
const OTHER: &str = "other";
/// What the method of a route that has them all is called.
const ANY: &str = "ANY";

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// A request that passed its guard, on the way to its handler.
pub(crate) struct Call {
    pub(crate) engine: Arc<Engine>,
    pub(crate) names: Names,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    route: &'static Route,
    params: Option<RawPathParams>,
    peer: Option<SocketAddr>,
    who: Option<Who>,
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

type Answer = Result<Response<Body>, Error>;
type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// One row of the route table.
pub(crate) struct Route {
    /// `None`: any, and on any path below.
    pub(crate) method: Option<Method>,
    pub(crate) path: &'static str,
    pub(crate) guard: Guard,
    operation: &'static Operation,
    handler: Handler,
}

/// What stands beside a handler under the name of its method, or under the one that the row gives.
macro_rules! beside {
    ($name:ident [$($module:ident)*] $handler:ident) => { $($module::)*$name };
    ($name:ident [$($module:ident)*] $next:ident $($rest:ident)+) => {
        beside!($name [$($module)* $next] $($rest)+)
    };
    ($method:ident as $name:ident; $($rest:ident)+) => { beside!($name [] $($rest)+) };
    ($method:ident; $($rest:ident)+) => { beside!($method [] $($rest)+) };
}

macro_rules! method {
    (ANY) => {
        None
    };
    ($method:ident) => {
        Some(Method::$method)
    };
}

macro_rules! routes {
    ($($method:ident $path:literal $guard:ident$(($scope:ident))? $($handler:ident)::+ $(as $name:ident)?;)*) => {
        /// Every route there is.
        pub(crate) const ROUTES: &[Route] = &[$(Route {
            method: method!($method),
            path: $path,
            guard: Guard::$guard$((Scope::$scope))?,
            operation: &beside!($method $(as $name)?; $($handler)+),
            handler: |call| Box::pin($($handler)::+(call)),
        },)*];
    };
}

routes! {
    POST   "/api/auth/signup"                          Open    api::auth::signup::post;
    POST   "/api/auth/login"                           Open    api::auth::login::post;
    POST   "/api/auth/refresh"                         Open    api::auth::refresh::post;
    GET    "/api/auth/renew"                           Public  api::auth::renew::get;
    ANY    "/api/auth/verify"                          Verify  api::auth::verify::any;
    GET    "/api/auth/session"                         Session api::auth::session::get;
    POST   "/api/auth/activity"                        Session api::auth::activity::post;
    POST   "/api/auth/logout"                          Open    api::auth::logout::post;
    POST   "/api/auth/logout-all"                      Session api::auth::logout_all::post;
    GET    "/api/auth/events"                          Session api::auth::events::get;
    GET    "/api/auth/sessions"                        Session api::auth::sessions::get;
    DELETE "/api/auth/sessions/{id}"                   Session api::auth::sessions::delete;
    PATCH  "/api/auth/profile"                         Session api::auth::profile::patch;
    POST   "/api/auth/password/change"                 Session api::auth::password::change::post;
    POST   "/api/auth/password/forgot"                 Open    api::auth::password::forgot::post;
    POST   "/api/auth/password/reset"                  Open    api::auth::password::reset::post;
    POST   "/api/auth/email/verify"                    Open    api::auth::email::verify::post;
    POST   "/api/auth/email/verify/resend"             Open    api::auth::email::verify::resend::post;
    POST   "/api/auth/reauthenticate"                  Session api::auth::reauthenticate::post;
    GET    "/api/admin/users"                          Read    api::admin::users::list as LIST;
    POST   "/api/admin/users"                          Grave   api::admin::users::post;
    GET    "/api/admin/users/{id}"                     Read    api::admin::users::get;
    PATCH  "/api/admin/users/{id}"                     Admin   api::admin::users::patch;
    DELETE "/api/admin/users/{id}"                     Grave   api::admin::users::delete;
    GET    "/api/admin/users/{id}/sessions"            Read    api::admin::users::sessions::list;
    DELETE "/api/admin/users/{id}/sessions"            Admin   api::admin::users::sessions::delete_all as DELETE_ALL;
    DELETE "/api/admin/users/{id}/sessions/{sid}"      Admin   api::admin::users::sessions::delete;
    GET    "/api/admin/roles"                          Read    api::admin::roles::list;
    PUT    "/api/admin/roles/{name}"                   Grave   api::admin::roles::put;
    DELETE "/api/admin/roles/{name}"                   Grave   api::admin::roles::delete;
    POST   "/api/auth/introspect"        Service(Introspect)   api::auth::introspect::post;
    POST   "/api/auth/revoke"            Service(Revoke)       api::auth::revoke::post;
    GET    "/api/auth/revocations"       Service(Revocations)  api::auth::revocations::get;
    GET    "/api/admin/events"                         Read    api::admin::events::get;
    GET    "/api/admin/events/suspicious"              Read    api::admin::events::suspicious::get;
    GET    "/api/admin/sessions"                       Read    api::admin::sessions::list as LIST;
    DELETE "/api/admin/sessions"                       Admin   api::admin::sessions::delete_all as DELETE_ALL;
    GET    "/api/admin/sessions/{id}"                  Read    api::admin::sessions::get;
    DELETE "/api/admin/sessions/{id}"                  Admin   api::admin::sessions::delete;
    GET    "/api/admin/statistics"                     Read    api::admin::statistics::get;
    GET    "/api/admin/keys"                           Read    api::admin::keys::get;
    POST   "/api/admin/keys/rotate"                    Grave   api::admin::keys::rotate::post;
    POST   "/api/admin/keys/{kid}/revoke"              Grave   api::admin::keys::revoke::post;
    GET    "/api/admin/service-keys"                   Read    api::admin::service_keys::get;
    POST   "/api/admin/service-keys"                   Grave   api::admin::service_keys::post;
    DELETE "/api/admin/service-keys/{id}"              Grave   api::admin::service_keys::delete;
    GET    "/.well-known/jwks.json"                    Public  well_known::jwks::get;
    GET    "/.well-known/oauth-authorization-server"   Public  well_known::oauth_authorization_server::get;
    GET    "/"                                         Public  start::get;
    GET    "/login"                                    Public  login::get;
    POST   "/login"                                    Open    login::post;
    GET    "/signup"                                   Public  signup::get;
    POST   "/signup"                                   Open    signup::post;
    GET    "/reauthenticate"                           Page    reauthenticate::get;
    POST   "/reauthenticate"                           Page    reauthenticate::post;
    GET    "/account"                                  Page    account::get;
    GET    "/account/events"                           Page    account::events::get;
    POST   "/account/profile"                          Page    account::profile::post;
    POST   "/account/password"                         Page    account::password::post;
    POST   "/account/verify-email"                     Page    account::verify_email::post;
    POST   "/account/devices"                          Page    account::devices::post_all as POST_ALL;
    POST   "/account/devices/{id}"                     Page    account::devices::post;
    GET    "/forgot"                                   Public  forgot::get;
    POST   "/forgot"                                   Open    forgot::post;
    GET    "/reset"                                    Public  reset::get;
    POST   "/reset"                                    Open    reset::post;
    GET    "/verify-email"                             Public  verify_email::get;
    POST   "/verify-email"                             Open    verify_email::post;
    POST   "/verify-email/resend"                      Open    verify_email::resend::post;
    GET    "/assets/{file}"                            Public  assets::get;
    GET    "/dev/mailbox"                              Public  dev::mailbox::get;
    GET    "/client/keyward.js"                        Public  client::keyward::get;
    GET    "/client/axios.js"                          Public  client::axios::get;
    GET    "/client/private.js"                        Public  client::private::get;
    GET    "/openapi.json"                             Public  openapi::get;
    GET    "/docs"                                     Public  docs::get;
    GET    "/docs/docs.js"                             Public  docs::script::get;
    GET    "/docs/docs.css"                            Public  docs::style::get;
    GET    "/healthz"                                  Public  healthz::get;
    GET    "/readyz"                                   Public  readyz::get;
    GET    "/setup"                                    Public  setup::get;
    POST   "/setup"                                    Open    setup::post;
}

/// The router of everything above, and of nothing else.
pub(crate) fn app(engine: &Arc<Engine>) -> Router {
    let nowhere = Arc::clone(engine);
    let times = Arc::new(engine.metrics.route(OTHER, "none"));
    routes(engine, |_| true)
        .fallback(move |request: Request<Body>| not_found(Arc::clone(&nowhere), Arc::clone(&times), request))
}

/// The router of everything above, to merge into another one, which has its own `/`.
pub(crate) fn router(engine: &Arc<Engine>) -> Router {
    routes(engine, |path| path != "/")
}

fn routes(engine: &Arc<Engine>, is_served: impl Fn(&str) -> bool) -> Router {
    let mut router = Router::new();
    let mut paths: Vec<&'static str> =
        ROUTES.iter().map(|route| route.path).filter(|path| is_served(path)).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        if let Some(route) = ROUTES.iter().find(|route| route.path == path && route.method.is_none()) {
            let times = Arc::new(engine.metrics.route(route.method_name(), path));
            for path in [path.to_owned(), format!("{path}/"), format!("{path}/{{*below}}")] {
                let (engine, times) = (Arc::clone(engine), Arc::clone(&times));
                let handler = move |request: Request<Body>| {
                    enter(Arc::clone(&engine), route, Arc::clone(&times), request)
                };
                router = router.route(&path, any(handler));
            }
            continue;
        }
        let mut methods = MethodRouter::new();
        for route in ROUTES.iter().filter(|route| route.path == path) {
            let engine = Arc::clone(engine);
            let times = Arc::new(engine.metrics.route(route.method_name(), path));
            let handler =
                move |request: Request<Body>| enter(Arc::clone(&engine), route, Arc::clone(&times), request);
            let filter = route.method.clone().and_then(|method| MethodFilter::try_from(method).ok());
            methods = methods.merge(on(filter.unwrap_or(MethodFilter::GET), handler));
        }
        let other = Arc::clone(engine);
        let allow = allowed_methods(path);
        let times = Arc::new(engine.metrics.route(OTHER, path));
        methods = methods.fallback(move |request: Request<Body>| {
            not_allowed(Arc::clone(&other), Arc::clone(&times), allow.clone(), request)
        });
        router = router.route(path, methods);
    }
    router
}

fn allowed_methods(path: &str) -> String {
    let mut methods: Vec<&str> = ROUTES.iter().filter(|r| r.path == path).map(Route::method_name).collect();
    if let Some(get) = methods.iter().position(|method| *method == "GET") {
        methods.insert(get + 1, "HEAD");
    }
    methods.join(", ")
}

async fn not_found(engine: Arc<Engine>, times: Arc<RouteTimes>, request: Request<Body>) -> Response<Body> {
    let watch = Watch::begin(&engine, request.headers(), peer(request.extensions()));
    let response = if csrf::wants_a_page(request.headers()) {
        html::refused(&engine, &Denial::NotFound.into(), &watch.id)
    } else {
        problem::respond(&Denial::NotFound.into(), &watch.id)
    };
    let response = finish(cors::Granted::of(request.headers(), &engine.settings), response, &watch.id);
    watch.end(&engine, &times, None, &response);
    response
}

async fn not_allowed(
    engine: Arc<Engine>,
    times: Arc<RouteTimes>,
    allow: String,
    request: Request<Body>,
) -> Response<Body> {
    let watch = Watch::begin(&engine, request.headers(), peer(request.extensions()));
    let mut response = match cors::preflight(&request, &allow, &engine.settings) {
        Some(preflight) => preflight,
        None => problem::respond(&Denial::MethodNotAllowed.into(), &watch.id),
    };
    if let Ok(allow) = HeaderValue::try_from(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    let response = finish(cors::Granted::of(request.headers(), &engine.settings), response, &watch.id);
    watch.end(&engine, &times, None, &response);
    response
}

/// The way in: what every request is asked before its handler is, and what every answer carries.
async fn enter(
    engine: Arc<Engine>,
    route: &'static Route,
    times: Arc<RouteTimes>,
    request: Request<Body>,
) -> Response<Body> {
    let peer = peer(request.extensions());
    let watch = Watch::begin(&engine, request.headers(), peer);
    let (mut head, body) = request.into_parts();
    let params = match route.path.contains('{') {
        true => RawPathParams::from_request_parts(&mut head, &()).await.ok(),
        false => None,
    };
    let cors = cors::Granted::of(&head.headers, &engine.settings);
    let names = Names::new(engine.settings.public_url.has_secure_cookies());
    let navigated = csrf::wants_a_page(&head.headers).then(|| head.uri.clone());
    let mut call = Call {
        engine: Arc::clone(&engine),
        names,
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body: Bytes::new(),
        peer,
        route,
        params,
        who: None,
    };
    let mut known = None;
    let answer = async {
        if route.guard != Guard::Verify {
            call.body = read(&call.headers, body).await?;
            pass(route, &mut call).await?;
        }
        known = call.who.clone();
        caught((route.handler)(call)).await
    };
    let response = match answer.await {
        Ok(response) => response,
        Err(error) => refused(&engine, route, navigated.as_ref(), &error, &watch.id),
    };
    let response = finish(cors, response, &watch.id);
    watch.end(&engine, &times, known.as_ref(), &response);
    response
}

/// The answer to who is refused: a page where a person navigated to one, else a problem.
fn refused(
    engine: &Engine,
    route: &Route,
    navigated: Option<&Uri>,
    error: &Error,
    id: &str,
) -> Response<Body> {
    let Some(uri) = navigated else { return problem::of(error, id) };
    match detour::instead(route, uri, error) {
        Some(Ok(detour)) => detour,
        _ if route.operation.page || route.guard.is_of_a_page() => html::refused(engine, error, id),
        _ => problem::of(error, id),
    }
}

/// Who is at the other end of the connection.
fn peer(extensions: &http::Extensions) -> Option<SocketAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)
}

/// Cross-site, then the credential, then what it permits.
async fn pass(route: &Route, call: &mut Call) -> Result<(), Error> {
    if csrf::is_unsafe(&call.method, &call.headers) {
        let cookies = call.names.read(&call.headers);
        let demanded = guard::by_cookie(&call.engine, &cookies)
            || (route.is_for_our_pages() && csrf::is_browser(&call.headers));
        if demanded && !csrf::is_ours(&call.headers, &call.engine.settings) {
            return Err(Denial::CrossSiteRequest.into());
        }
    }
    let client = || call.client();
    let identified = route.guard.identify(&call.engine, call.names, &call.headers, &client).await?;
    let Some(who) = identified else {
        return Ok(());
    };
    if let Who::Person(access) = &who {
        let now = call.engine.clock.now();
        // Within the leeway of a token that ended with its session nothing brings that back.
        if csrf::is_activity(&call.method, &call.headers) && now < access.token.claims.expires_at {
            call.engine.notes.active(access.session(), now);
        }
        call.engine.bounces.arrived(access.session());
    }
    route.guard.permit(&call.engine, &who).await?;
    call.who = Some(who);
    Ok(())
}

impl Route {
    /// The method, as the log and the metrics call it.
    fn method_name(&self) -> &'static str {
        const NAMES: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let Some(method) = &self.method else { return ANY };
        NAMES.into_iter().find(|name| method == *name).unwrap_or(OTHER)
    }

    /// Whether a browser must send it from our own pages even without a cookie.
    fn is_for_our_pages(&self) -> bool {
        self.guard == Guard::Open || self.path == "/api/auth/logout-all"
    }
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY) {
        return Err(Denial::BodyTooLarge.into());
    }
    // Not told by the headers: HTTP/2 needs none for a body (RFC 9113 §8.1).
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match tokio::time::timeout(BODY_TIME, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Denial::BodyTooLarge.into()),
        // The connection broke off, or what came is no body: nobody reads the answer.
        Ok(Err(_)) => Err(Denial::MalformedJson.into()),
        Err(_) => Err(Denial::RequestTimeout.into()),
    }
}

/// The caller's name for its request where it is fit to be logged, else a fresh one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(X_REQUEST_ID).and_then(|v| v.to_str().ok()).filter(|id| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    });
    given.map_or_else(clock::request_id, str::to_owned)
}

fn finish(cors: cors::Granted, mut response: Response<Body>, id: &str) -> Response<Body> {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    cors.write(headers);
    response.extensions_mut().insert(layer::Own);
    response
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut body = Vec::with_capacity(1 << 10);
    // Writing into memory does not fail, and nothing that is answered has keys that are no texts.
    let _ = serde_json::to_writer(&mut body, value);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer without a body.
pub(crate) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// An answer of plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_never_public() {
        for route in ROUTES {
            assert!(
                route.guard != Guard::Public || route.method == Some(Method::GET),
                "{} {}",
                route.method_name(),
                route.path
            );
        }
    }
}
