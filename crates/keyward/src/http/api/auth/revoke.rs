//! `POST /api/auth/revoke`: ends the session of a token (RFC 7009).

use axum::body::Body;
use http::Response;

use crate::http::{Answer, Call, form};

pub(crate) async fn post(call: Call) -> Answer {
    let token = form::token(&call.headers, &call.body)?;
    call.engine.revoke_token(&token, &call.client()).await?;
    // The same for a token that is none of ours (RFC 7009 §2.2).
    Ok(Response::new(Body::empty()))
}
