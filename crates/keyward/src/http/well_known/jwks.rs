//! `GET /.well-known/jwks.json`: the public keys (RFC 7517 §5).

use crate::http::kept::kept;
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
    Ok(kept(&call.headers, body, "application/jwk-set+json"))
}
