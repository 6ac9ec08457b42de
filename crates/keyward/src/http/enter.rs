//! What is every request asked before its handler is, and what does every answer carry?
//!
//! In the order of the contract: body size, site, credential, and only then the handler.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequestParts as _, RawPathParams};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use keyward_core::denial::Denial;

use super::caught::caught;
use super::cookie::Names;
use super::guard::{Guard, Who};
use super::watch::Watch;
use super::{Call, Route, cors, csrf, detour, guard, html, layer, origin, problem};
use crate::clock;
use crate::engine::Engine;
use crate::error::Error;
use crate::metrics::RouteTimes;

/// How large a body may be, in bytes.
const BODY: usize = 64 << 10;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(15);

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The way in to a route.
pub(super) async fn enter(
    engine: Arc<Engine>,
    route: &'static Route,
    times: Arc<RouteTimes>,
    request: Request<Body>,
) -> Response<Body> {
    let peer = origin::peer(request.extensions());
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

pub(super) async fn not_found(
    engine: Arc<Engine>,
    times: Arc<RouteTimes>,
    request: Request<Body>,
) -> Response<Body> {
    let watch = Watch::begin(&engine, request.headers(), origin::peer(request.extensions()));
    let response = if csrf::wants_a_page(request.headers()) {
        html::refused(&engine, &Denial::NotFound.into(), &watch.id)
    } else {
        problem::respond(&Denial::NotFound.into(), &watch.id)
    };
    let response = finish(cors::Granted::of(request.headers(), &engine.settings), response, &watch.id);
    watch.end(&engine, &times, None, &response);
    response
}

pub(super) async fn not_allowed(
    engine: Arc<Engine>,
    times: Arc<RouteTimes>,
    allow: String,
    request: Request<Body>,
) -> Response<Body> {
    let watch = Watch::begin(&engine, request.headers(), origin::peer(request.extensions()));
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
        if csrf::is_activity(&call.method, &call.headers) {
            call.engine.note_activity(access, call.engine.clock.now());
        }
        call.engine.bounces.arrived(access.session());
    }
    route.guard.permit(&call.engine, &who).await?;
    call.who = Some(who);
    Ok(())
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
pub(super) fn request_id(headers: &HeaderMap) -> String {
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
