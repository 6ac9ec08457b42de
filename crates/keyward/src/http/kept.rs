//! How is it answered what a caller may keep for a while, and asks for again cheaply?

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::{Response, StatusCode};

/// The body, or that the caller has this one already (RFC 9110 §15.4.5). It may be kept for five minutes.
pub(crate) fn kept(asked: &HeaderMap, body: impl Into<Vec<u8>>, media: &'static str) -> Response<Body> {
    let body = body.into();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let etag = format!("\"{}\"", digest.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect::<String>());
    let known = is_known(asked, &etag);
    let mut response = Response::new(if known { Vec::new().into() } else { body.into() });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    response
}

/// Whether the caller has this one already (RFC 9110 §13.1.2). A proxy that compresses makes the
/// tag a weak one.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    tags.flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
