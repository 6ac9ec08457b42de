//! How is a refusal told over HTTP? As `application/problem+json` (RFC 9457).

use axum::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use keyward_core::denial::Denial;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Denied, Error, FieldError};

/// The mark by which a client knows that it is Keyward that says no.
pub(crate) const MARK: HeaderName = HeaderName::from_static("x-keyward-error");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A refusal, as it is told (RFC 9457 §3.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem<'a> {
    /// `urn:keyward:problem:` and the code.
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    /// A stable word.
    code: &'static str,
    request_id: &'a str,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
}

/// The answer to whoever met this error. A fault is logged here, with what it was, and only here.
pub(crate) fn of(error: &Error, request_id: &str) -> Response<Body> {
    if let Error::Fault(fault) = error
        && !error.is_logged()
    {
        tracing::error!(request_id, "{fault}");
    }
    respond(&error.denied(), request_id)
}

pub(crate) fn respond(denied: &Denied, request_id: &str) -> Response<Body> {
    let denial = denied.denial();
    let problem = Problem {
        r#type: format!("urn:keyward:problem:{}", denial.code()),
        title: denial.title(),
        status: denial.status(),
        detail: denied.detail(),
        code: denial.code(),
        request_id,
        errors: denied.fields(),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(MARK, HeaderValue::from_static(denial.code()));
    if denial.status() == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge(denial)));
    }
    if let Some(after) = denied.retry_after() {
        // Whole seconds, rounded up: who waits as long as told is not told to wait again.
        let seconds = (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1);
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if let Some(decision) = denied.limit() {
        for (name, value) in [(RATE_LIMIT, decision.field()), (RATE_LIMIT_POLICY, decision.policy_field())] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
    response
}

/// RFC 6750 §3: without `error` where no token was presented.
const fn challenge(denial: Denial) -> &'static str {
    match denial {
        Denial::MissingToken | Denial::InvalidCredentials => "Bearer",
        _ => "Bearer error=\"invalid_token\"",
    }
}
