//! `GET /api/auth/sessions`, `DELETE /api/auth/sessions/{id}`: the devices of who asks.

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;
use serde_json::json;

use crate::http::body::Fields;
use crate::http::{Answer, Call, json, no_content};

pub(crate) async fn get(call: Call) -> Answer {
    let claims = &call.access()?.token.claims;
    let sessions = call.engine.devices(claims.user, Some(claims.session)).await?;
    Ok(json(StatusCode::OK, &json!({ "sessions": sessions })))
}

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let id: SessionId = call.param("id")?.parse().map_err(|_| Denial::NotFound)?;
    call.engine.end_own(call.access()?.token.claims.user, id, &call.client()).await?;
    Ok(no_content())
}
