//! What can be asked over HTTP? The route table: method, path, guard, handler.
//!
//! The path of a handler's file is the path of its URL. Every request goes through [`enter`] on the
//! way to its handler.

mod account;
mod admin;
mod answer;
mod api;
mod assets;
mod body;
mod call;
mod caught;
mod client;
pub(crate) mod cookie;
mod cors;
pub(crate) mod csrf;
mod detour;
mod dev;
mod docs;
mod embed;
mod enter;
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
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{MethodFilter, MethodRouter, any, on};
use http::{Method, Request};
use keyward_core::service_key::Scope;

pub(crate) use self::answer::{Answer, json, no_content, text};
pub(crate) use self::call::Call;
use self::enter::{enter, not_allowed, not_found};
use self::guard::Guard;
use self::operation::Operation;
use crate::engine::Engine;

/// What a method that a route doesn't have is called, whatever it was.
const OTHER: &str = "other";
/// What the method of a route that has them all is called.
const ANY: &str = "ANY";

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
    POST   "/api/auth/introspect"        Service(Introspect)   api::auth::introspect::post;
    POST   "/api/auth/revoke"            Service(Revoke)       api::auth::revoke::post;
    GET    "/api/auth/revocations"       Service(Revocations)  api::auth::revocations::get;

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
    GET    "/api/admin/events"                         Read    api::admin::events::get;
    GET    "/api/admin/events/suspicious"              Read    api::admin::events::suspicious::get;
    GET    "/api/admin/sessions"                       Read    api::admin::sessions::list as LIST;
    DELETE "/api/admin/sessions"                       Admin   api::admin::sessions::delete_all as DELETE_ALL;
    GET    "/api/admin/sessions/{id}"                  Read    api::admin::sessions::get;
    DELETE "/api/admin/sessions/{id}"                  Admin   api::admin::sessions::delete;
    GET    "/api/admin/diagnosis"                      Read    api::admin::diagnosis::get;
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
    GET    "/setup"                                    Public  setup::get;
    POST   "/setup"                                    Open    setup::post;

    GET    "/admin"                                    AdminPage admin::get;
    GET    "/admin/users"                              AdminPage admin::users::list as GET;
    GET    "/admin/users/new"                          GravePage admin::users::new::get;
    POST   "/admin/users/new"                          GravePage admin::users::new::post;
    GET    "/admin/users/{id}"                         AdminPage admin::users::get as ONE;
    POST   "/admin/users/{id}/active"                  AdminPage admin::users::active::post;
    POST   "/admin/users/{id}/sessions"                AdminPage admin::users::sessions::post;
    POST   "/admin/users/{id}/verification"            AdminPage admin::users::verification::post;
    GET    "/admin/users/{id}/edit"                    GravePage admin::users::edit::get;
    POST   "/admin/users/{id}/edit"                    GravePage admin::users::edit::post;
    GET    "/admin/users/{id}/delete"                  GravePage admin::users::delete::get;
    POST   "/admin/users/{id}/delete"                  GravePage admin::users::delete::post;
    GET    "/admin/sessions"                           AdminPage admin::sessions::list as GET;
    POST   "/admin/sessions/end"                       AdminPage admin::sessions::end_all::post;
    GET    "/admin/sessions/{id}"                      AdminPage admin::sessions::get as ONE;
    POST   "/admin/sessions/{id}/end"                  AdminPage admin::sessions::end::post;
    GET    "/admin/roles"                              AdminPage admin::roles::get;
    GET    "/admin/roles/edit"                         GravePage admin::roles::edit::get;
    POST   "/admin/roles/edit"                         GravePage admin::roles::edit::post;
    POST   "/admin/roles/delete"                       GravePage admin::roles::delete::post;
    GET    "/admin/events"                             AdminPage admin::events::get;
    GET    "/admin/suspicious"                         AdminPage admin::suspicious::get;
    GET    "/admin/keys"                               AdminPage admin::keys::get;
    GET    "/admin/keys/rotate"                        GravePage admin::keys::rotate::get;
    POST   "/admin/keys/rotate"                        GravePage admin::keys::rotate::post;
    GET    "/admin/keys/{kid}/revoke"                  GravePage admin::keys::revoke::get;
    POST   "/admin/keys/{kid}/revoke"                  GravePage admin::keys::revoke::post;
    GET    "/admin/service-keys"                       AdminPage admin::service_keys::get;
    GET    "/admin/service-keys/new"                   GravePage admin::service_keys::new::get;
    POST   "/admin/service-keys/new"                   GravePage admin::service_keys::new::post;
    GET    "/admin/service-keys/{id}/revoke"           GravePage admin::service_keys::revoke::get;
    POST   "/admin/service-keys/{id}/revoke"           GravePage admin::service_keys::revoke::post;
    GET    "/admin/settings"                           AdminPage admin::settings::get;

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
