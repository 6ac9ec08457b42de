//! `ANY /api/auth/verify`: may this request pass, and whose is it? Asked by a proxy of every request.
//!
//! Answered from memory: nothing waits for a store, no cookie is set, nothing rotates. By 200, 401 or
//! 403, since nginx makes a 500 of anything else, and by 503 where the node can't know. What came in
//! under the names of the headers that it sets is never looked at.

use axum::body::Body;
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use keyward_core::access_token::Claims;
use keyward_core::denial::Denial;

use crate::access::{Access, Reach};
use crate::edge::Complaint;
use crate::error::{Denied, Error};
use crate::http::forwarded::{Forwarded, below, split_appended};
use crate::http::operation::{Field, Operation, Told};
use crate::http::watch::Opened;
use crate::http::{Answer, Call, csrf, guard, next, origin};
use crate::metrics::Decision;

/// Where it is asked; the original path may stand behind it.
pub(crate) const PATH: &str = "/api/auth/verify";

const IDENTITY: &[(&str, &str)] = &[
    ("X-Auth-User-Id", "Whose session it is"),
    ("X-Auth-Session-Id", "The session"),
    ("X-Auth-Email", "The address; empty where `tokens.claims` leaves it out"),
    ("X-Auth-Email-Verified", "`true` or `false`; empty where `tokens.claims` leaves it out"),
    ("X-Auth-Phone-Number", "The number; empty where there is none"),
    ("X-Auth-Roles", "The roles, separated by commas"),
    ("X-Auth-Permissions", "What they permit, separated by commas"),
    (
        "X-Auth-Assertion",
        "The same as a JWT of at most 60 s: `typ` `kw-assertion+jwt`, `aud` `edge.audience`; empty where the original \
         method is not known, or who asks not in `server.trusted_proxies`",
    ),
];

pub(crate) const ANY: Operation = Operation {
    summary: "May this request pass?",
    about: "For nginx `auth_request`, Traefik `forwardAuth`, Caddy `forward_auth`, HAProxy and Envoy `ext_authz`; \
        by any method, and on any path below. It answers from memory and sets no cookie. The original method \
        (`X-Forwarded-Method` or `X-Original-Method`) and address (`X-Forwarded-Uri` or `X-Original-URL`) are \
        believed from `server.trusted_proxies` alone; a method that is not known counts as unsafe, and brings no \
        assertion. A proxy answers this path itself with 404 to everybody outside. Envoy appends \
        the original path behind `path=` at the end of the query, before which demands can stand, or to this path: \
        then the query is the client's, and nothing can be demanded. Any other parameter is 403.",
    query: &[
        Field::text("role", "A role that is needed; all that are named", "user").optional(),
        Field::text("permission", "A permission that is needed; all that are named", "jobs:write").optional(),
        Field::one_of("redirect", "`1`: a page that nobody is signed in for is sent to renew", &["1", "0"])
            .optional(),
        Field::text("path", "The last one: the original path and query, as a proxy appends it", "/tasks?a=b")
            .optional(),
    ],
    answers: &[
        Told::nothing(200, "It may; all the headers are there, empty where there is nothing").with(IDENTITY),
        Told::nothing(302, "With `redirect=1`, a page that nobody is signed in for: to renew")
            .with(&[("Location", "`GET /api/auth/renew` with the original address as `next`")]),
    ],
    refuses: &[
        Denial::AmbiguousAtEdge,
        Denial::MissingToken,
        Denial::InvalidToken,
        Denial::TokenExpired,
        Denial::TokenStale,
        Denial::SessionRevoked,
        Denial::Forbidden,
        Denial::CrossSiteRequest,
        Denial::StoreUnavailable,
    ],
    ..Operation::NONE
};

pub(crate) async fn any(call: Call) -> Answer {
    let is_trusted = origin::is_trusted(call.peer, &call.engine.settings.trusted_proxies);
    let asked = (&call.method, &call.uri, &call.headers);
    let forwarded = Forwarded::new(asked, PATH, is_trusted);
    let method = forwarded.method().map_err(|complaint| complain(&call, complaint));
    let demands = Demands::of(&call.uri);
    let decided = pass(&call, method.as_ref().ok(), &demands).await;
    let (decision, answer) = match decided {
        Ok(response) => (Decision::Allowed, Ok(response)),
        Err(error) => match error.denied().denial() {
            denial if denial.status() == 401 => match to_renew(&call, &forwarded, method.ok(), &demands) {
                Some(response) => (Decision::Redirected, Ok(response)),
                None => (Decision::Unauthenticated, Err(error)),
            },
            Denial::CrossSiteRequest => (Decision::CrossSite, Err(error)),
            Denial::Forbidden => (Decision::Forbidden, Err(error)),
            _ => (Decision::Unavailable, Err(error)),
        },
    };
    call.engine.metrics.authorized(decision);
    answer
}

/// In the order of every route: another site's request, the credential, what it permits.
async fn pass(call: &Call, method: Option<&Method>, demands: &Demands<'_>) -> Answer {
    let Call { engine, names, headers, .. } = call;
    // What is not known may change something; that a person did something has to be known.
    if csrf::is_unsafe(method.unwrap_or(&Method::POST), headers)
        && guard::by_access_cookie(engine, &names.read(headers))
        && !csrf::is_ours(headers, &engine.settings)
    {
        return Err(Denial::CrossSiteRequest.into());
    }
    let client = || call.client();
    let access = guard::authenticate(engine, *names, headers, &client, Reach::Memory).await;
    let access = access.map_err(|error| match error.denied().denial() {
        Denial::AmbiguousCredentials => Denial::AmbiguousAtEdge.into(),
        _ => error,
    })?;
    if csrf::is_activity(method.unwrap_or(&Method::GET), headers) {
        engine.note_activity(&access, engine.clock.now());
    }
    engine.bounces.arrived(access.session());
    demands.are_met_by(call, &access.token.claims)?;
    let mut response = Response::new(Body::empty());
    // A page's script could ask, too, and keep what it reads: only who is known to be a proxy is told.
    let assertion = match method {
        Some(_) => Some(engine.assertion(&access).await?),
        None => None,
    };
    identify(&access, assertion.as_deref().unwrap_or_default(), response.headers_mut());
    response.extensions_mut().insert(Opened(access.session()));
    Ok(response)
}

/// A page that nobody is signed in for goes to renew, where it was asked for and that can be.
fn to_renew(
    call: &Call,
    forwarded: &Forwarded<'_>,
    method: Option<Method>,
    demands: &Demands<'_>,
) -> Option<Response<Body>> {
    let is_page = method? == Method::GET
        && csrf::accepts_a_page(&call.headers)
        && csrf::wants_a_page(&call.headers)
        && !csrf::is_unsafe(&Method::GET, &call.headers);
    if !demands.redirect || !is_page {
        return None;
    }
    let settings = &call.engine.settings;
    let Some(path) = forwarded.path(settings) else {
        complain(call, Complaint::NoAddress);
        return None;
    };
    let location = format!("{}{}", settings.public_url, next::with_next("/api/auth/renew", &path));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).ok()?);
    Some(response)
}

/// What is asked for besides a live session.
struct Demands<'a> {
    roles: Vec<std::borrow::Cow<'a, str>>,
    permissions: Vec<std::borrow::Cow<'a, str>>,
    redirect: bool,
    /// One that there is not: what it should have demanded, nobody meets.
    strange: bool,
}

impl<'a> Demands<'a> {
    /// One that is empty is met by nobody: it is what a proxy sends whose variable is not set.
    fn of(uri: &'a Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        // Below the route it is the client's, who can demand more of themselves, but not less.
        let is_below = below(uri, PATH).is_some();
        let appended = split_appended(query).filter(|_| !is_below);
        let query = appended.map_or(query, |(own, _)| own);
        let mut demands =
            Self { roles: Vec::new(), permissions: Vec::new(), redirect: false, strange: false };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "role" => demands.roles.push(value),
                "permission" => demands.permissions.push(value),
                "redirect" if value == "1" => demands.redirect = true,
                "redirect" if value == "0" => {}
                _ => demands.strange |= !is_below,
            }
        }
        demands
    }

    fn are_met_by(&self, call: &Call, claims: &Claims) -> Result<(), Error> {
        if self.strange {
            complain(call, Complaint::NoDemand);
            let detail =
                "The query demands what there is not: role, permission, redirect (1 or 0) and path are known";
            return Err(Denied::from(Denial::Forbidden).with_detail(detail.to_owned()).into());
        }
        for (name, needed, held) in
            [("roles", &self.roles, &claims.roles), ("permissions", &self.permissions, &claims.permissions)]
        {
            let Some(held) = held else {
                if needed.is_empty() {
                    continue;
                }
                complain(call, Complaint::NoClaim);
                let detail = format!("Tokens say nothing of {name}: tokens.claims leaves them out");
                return Err(Denied::from(Denial::Forbidden).with_detail(detail).into());
            };
            if !needed.iter().all(|needed| held.iter().any(|held| held == needed)) {
                return Err(Denial::Forbidden.into());
            }
        }
        Ok(())
    }
}

/// Says who it is: every header, so that none that a client sent takes the place of a missing one.
fn identify(access: &Access, assertion: &str, headers: &mut HeaderMap) {
    let claims = &access.token.claims;
    let mut set = |name: &'static str, value: &str| {
        // What is no value of a header is told by the assertion alone.
        let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
        headers.insert(HeaderName::from_static(name), value);
    };
    let email = claims.email.as_ref();
    let phone = claims.phone_number.as_ref().and_then(|phone| phone.number.as_deref());
    set("x-auth-user-id", &claims.user.to_string());
    set("x-auth-session-id", &claims.session.to_string());
    set("x-auth-email", plain(email.map_or("", |email| &email.address)));
    set("x-auth-email-verified", email.map_or("", |email| if email.verified { "true" } else { "false" }));
    set("x-auth-phone-number", plain(phone.unwrap_or_default()));
    set("x-auth-roles", &list(claims.roles.as_deref()));
    set("x-auth-permissions", &list(claims.permissions.as_deref()));
    set("x-auth-assertion", assertion);
}

/// A text as the value of a header, or nothing where it has other than visible ASCII: encoded it
/// could be taken for another that looks so by nature.
fn plain(text: &str) -> &str {
    if text.bytes().all(|b| b.is_ascii_graphic()) { text } else { "" }
}

/// A list as the value of a header. What would be no item, or two, is left out: less is permitted
/// then, never more.
fn list(items: Option<&[String]>) -> String {
    let is_item = |item: &&str| !item.is_empty() && !item.contains(',');
    let items = items.unwrap_or_default().iter().map(|item| plain(item)).filter(is_item);
    items.collect::<Vec<_>>().join(",")
}

/// Says in the log what the proxy lacks, now and then.
fn complain(call: &Call, complaint: Complaint) {
    let engine = &call.engine;
    if !engine.edge.may_say(complaint, engine.clock.monotonic()) {
        return;
    }
    let peer = origin::of(call.peer);
    match complaint {
        Complaint::NotTrusted => tracing::warn!(
            "{PATH} was asked by {peer}, which server.trusted_proxies does not list: the original method counts as \
             unsafe, and X-Auth-Assertion is empty; list the address of the proxy there"
        ),
        Complaint::NoMethod => tracing::warn!(
            "{PATH} was asked by {peer} without the original method, which counts as unsafe, and X-Auth-Assertion is empty: let the proxy send \
             X-Forwarded-Method (nginx: proxy_set_header X-Forwarded-Method $request_method;)"
        ),
        Complaint::TwoMethods => tracing::warn!(
            "{PATH} was asked by {peer} with two original methods, which count as unsafe: let the proxy set both \
             X-Forwarded-Method and X-Original-Method, or delete the one that it does not set"
        ),
        Complaint::NoAddress => tracing::warn!(
            "{PATH}?redirect=1 was asked by {peer} without the original address on the public origin: let the proxy \
             send X-Forwarded-Uri and X-Forwarded-Host (nginx: proxy_set_header X-Original-URL \
             $scheme://$http_host$request_uri;), and compare server.public_url"
        ),
        Complaint::NoDemand => tracing::warn!(
            "{PATH} was asked by {peer} with a parameter other than role, permission, redirect (1 or 0) and path: \
             nobody passes"
        ),
        Complaint::NoClaim => tracing::warn!(
            "{PATH} was asked by {peer} for roles or permissions, which tokens.claims leaves out: nobody passes"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_value_of_a_header_is_left_out() {
        let owned = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        let told = |items: &[&str]| list(Some(&owned(items)));
        assert_eq!(told(&["user", "admin"]), "user,admin");
        assert_eq!(told(&["user,admin", "a\r\nX-Auth-User-Id: x", "\u{e9}", "", "b c", "ok"]), "ok");
        assert_eq!(list(None), "");
        assert_eq!((plain("o'neil+a%40b@example.com"), plain("a\nb@c.d")), ("o'neil+a%40b@example.com", ""));
    }
}
