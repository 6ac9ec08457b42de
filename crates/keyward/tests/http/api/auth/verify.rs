//! `ANY /api/auth/verify`: what a proxy is told of a request, and what it costs.

mod answer;
mod assertion;
mod demands;
mod hostile;
mod method;
mod redirect;
mod verdicts;

use http::Method;
use keyward::Settings;

use crate::support::{App, Ask, Browser, Reply, get, settings};

/// Where the trusted proxy is.
pub(crate) const PROXY: &str = "10.0.0.1";
pub(crate) const VERIFY: &str = "/api/auth/verify";
/// Every header of identity.
pub(crate) const NAMES: [&str; 8] = [
    "x-auth-user-id",
    "x-auth-session-id",
    "x-auth-email",
    "x-auth-email-verified",
    "x-auth-phone-number",
    "x-auth-roles",
    "x-auth-permissions",
    "x-auth-assertion",
];

/// What an installation behind a proxy goes by.
pub(crate) fn behind_a_proxy() -> Settings {
    Settings { trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")], ..settings() }
}

pub(crate) async fn app() -> App {
    App::with(behind_a_proxy()).await
}

/// As the proxy asks of a request of this method: by GET, whatever that is.
pub(crate) fn ask(method: &str) -> Ask {
    at(VERIFY, method)
}

pub(crate) fn at(uri: &str, method: &str) -> Ask {
    get(uri).from(PROXY).header("x-forwarded-method", method)
}

/// As Envoy asks: by the original method, on the original path below ours.
pub(crate) fn envoy(method: Method, path: &str) -> Ask {
    Ask::new(method, &format!("{VERIFY}{path}")).from(PROXY)
}

/// What is in the header.
pub(crate) fn told<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.one(name).unwrap_or_else(|| panic!("no {name}"))
}

/// That the request may pass, told with every header and nothing else.
#[track_caller]
pub(crate) fn passes(reply: &Reply) {
    reply.ok(200);
    assert!(reply.body.is_empty());
    for name in NAMES {
        assert_eq!(reply.all(name).len(), 1, "{name}");
    }
    assert_eq!(reply.cookies(), Vec::<&str>::new());
}

/// A request with the cookies of a browser.
pub(crate) fn with_cookies(app: &App, browser: &Browser, ask: Ask) -> Ask {
    // A proxy asks with the cookies of the page, not with those of its own path.
    let line = browser.jar.line("/tasks", app.now()).expect("cookies");
    ask.header("cookie", line)
}
