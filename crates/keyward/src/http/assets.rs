//! `GET /assets/{file}`: the style sheet, the scripts and the pictures of pages.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use keyward_core::denial::Denial;

use super::operation::{Operation, Told};
use super::{Answer, Call};

pub(crate) const GET: Operation = Operation {
    summary: "What pages load",
    about: "Each file is called by what it holds, so it may be kept for ever.",
    answers: &[Told::media(200, "text/css", "The style sheet").or_media(&[
        "text/javascript",
        "image/svg+xml",
        "image/png",
    ])],
    ..Operation::NONE
};

/// A picture runs no script, not even one that is opened by itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

pub(crate) async fn get(call: Call) -> Answer {
    let file = call.engine.assets.file(call.param("file")?).ok_or(Denial::NotFound)?;
    let mut response = Response::new(file.bytes.clone().into());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
    Ok(response)
}
