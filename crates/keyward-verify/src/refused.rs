//! How does a service say no? As Keyward itself does: a problem (RFC 9457) with a stable code.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use keyward_core::denial::Denial;
use serde_json::json;

const MARK: HeaderName = HeaderName::from_static("x-keyward-error");

/// Why a request is not let in. As an answer it is what Keyward would answer, so that its browser client
/// and apps act on it alike: on a marked 401 they refresh once and repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.code())]
pub struct Refused(pub(crate) Denial);

impl Refused {
    /// The stable word: `missing_token`, `invalid_token`, `token_expired`, `token_stale`, `session_revoked`
    /// (401), `forbidden` (403) or `store_unavailable` (503: it can't be known what was revoked).
    pub const fn code(self) -> &'static str {
        self.0.code()
    }

    /// The HTTP status: 401, 403 or 503.
    pub const fn status(self) -> StatusCode {
        match self.0 {
            Denial::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Denial::Forbidden => StatusCode::FORBIDDEN,
            Denial::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (code, status) = (self.code(), self.status());
        let body = json!({
            "type": format!("urn:keyward:problem:{code}"),
            "title": self.0.title(),
            "status": status.as_u16(),
            "code": code,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(MARK, HeaderValue::from_static(code));
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3: without `error` where no token was presented.
            let challenge =
                if self.0 == Denial::MissingToken { "Bearer" } else { "Bearer error=\"invalid_token\"" };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
