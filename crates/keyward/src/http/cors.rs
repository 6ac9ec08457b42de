//! Which other origins' pages may call, and read the answers? Those that are listed, to the letter.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, Method, Request, Response};

use super::{csrf, no_content};
use crate::settings::Settings;

/// The answer to a browser that asks beforehand (Fetch §3.2.2), from a listed origin.
pub(crate) fn preflight(request: &Request<Body>, allow: &str, settings: &Settings) -> Option<Response<Body>> {
    let headers = request.headers();
    let asks = request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !asks || !listed(headers, settings) {
        return None;
    }
    let mut response = no_content();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::try_from(allow).ok()?);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, X-Request-Id"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(response)
}

/// Who, by the request, may read the answer.
pub(crate) enum Granted {
    /// No other origin ever may.
    Off,
    /// Others may, not this one.
    NotHere,
    /// The page of this origin.
    To(HeaderValue),
}

impl Granted {
    /// What the headers of a request say.
    pub(crate) fn of(came: &HeaderMap, settings: &Settings) -> Self {
        if settings.allowed_origins.is_empty() {
            return Self::Off;
        }
        came.get(ORIGIN).filter(|_| listed(came, settings)).cloned().map_or(Self::NotHere, Self::To)
    }

    /// Says so in the headers of the answer.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        if matches!(self, Self::Off) {
            return;
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Self::To(origin) = self {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("X-Keyward-Error, X-Request-Id, Retry-After"),
            );
        }
    }
}

fn listed(headers: &HeaderMap, settings: &Settings) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => csrf::is_allowed(origin.as_bytes(), settings),
        _ => false,
    }
}
