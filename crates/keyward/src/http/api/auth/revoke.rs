//! `POST /api/auth/revoke`: ends the session of a token (RFC 7009).

use axum::body::Body;
use http::Response;

use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call, form};

pub(crate) const POST: Operation = Operation {
    summary: "End the session of a token",
    about: "RFC 7009. The answer to a token that is none of ours is the same.",
    form: true,
    takes: &[Field::text("token", "An access or refresh token", "kwr_AQEBkg…")],
    answers: &[Told::nothing(200, "It is good for nothing now")],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let token = form::token(&call.headers, &call.body)?;
    call.engine.revoke_token(&token, &call.client()).await?;
    // The same for a token that is none of ours (RFC 7009 §2.2).
    Ok(Response::new(Body::empty()))
}
