//! How is it answered what is no page? With JSON, plain text or nothing.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::error::Error;

/// What a handler gives.
pub(crate) type Answer = Result<Response<Body>, Error>;

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    written(status, write(value).into())
}

/// The text of an answer of JSON.
pub(crate) fn write(value: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(1 << 10);
    // Writing into memory does not fail, and nothing that is answered has keys that are no texts.
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut body, AsItIs));
    body
}

/// An answer of JSON that is written already.
pub(crate) fn written(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// JSON without blanks. Bytes are a text of which nothing has to be escaped (RFC 8259 §7): see [`token`].
struct AsItIs;

impl Formatter for AsItIs {
    fn write_byte_array<W: ?Sized + Write>(&mut self, writer: &mut W, text: &[u8]) -> io::Result<()> {
        [b"\"", text, b"\""].into_iter().try_for_each(|part| writer.write_all(part))
    }
}

/// A token, of letters, digits, `.`, `-` and `_`: as long as all the rest of an answer, and nothing in it
/// to be looked for.
pub(crate) fn token<S: Serializer>(token: &Option<&str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(token.unwrap_or_default().as_bytes())
}

/// An answer without a body.
pub(crate) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// An answer of plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
