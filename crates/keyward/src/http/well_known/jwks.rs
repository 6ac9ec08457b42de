//! `GET /.well-known/jwks.json`: the public keys (RFC 7517 §5).

use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::{Response, StatusCode};

use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call};
use utoipa::ToSchema;

/// A JWK Set (RFC 7517 §5).
#[derive(ToSchema)]
#[schema(as = Jwks)]
#[expect(dead_code, reason = "the set is written by the key ring")]
struct Set {
    /// The next, the active and the retiring keys; none with HS256.
    #[schema(value_type = Vec<Object>)]
    keys: (),
}

pub(crate) const GET: Operation = Operation {
    summary: "The public keys that verify access tokens",
    answers: &[
        Told::json::<Set>(200, "RFC 7517")
            .of_type("application/jwk-set+json")
            .with(&[("ETag", "Of these keys")]),
        Told::nothing(304, "Those of `If-None-Match`"),
    ],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let ring = call.engine.ring();
    let body = serde_json::to_vec(&ring.jwks()).unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let etag = format!("\"{}\"", digest.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect::<String>());
    let known = is_known(&call.headers, &etag);
    let mut response = Response::new(if known { Vec::new().into() } else { body.into() });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

/// Whether the caller has this one already (RFC 9110 §13.1.2). A proxy that compresses makes the
/// tag a weak one.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    tags.flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
