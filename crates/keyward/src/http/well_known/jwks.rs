//! `GET /.well-known/jwks.json`: the public keys (RFC 7517 §5).

use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{Response, StatusCode};

use crate::http::{Answer, Call};

pub(crate) async fn get(call: Call) -> Answer {
    let ring = call.engine.ring();
    let body = serde_json::to_vec(&ring.jwks()).unwrap_or_default();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let etag = format!("\"{}\"", digest.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect::<String>());
    let known = call.headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes());
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
