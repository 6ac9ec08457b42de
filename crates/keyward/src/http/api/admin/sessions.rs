//! `GET /api/admin/sessions/{sid}`: the life of a session, and why it is in its state.

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;

use crate::http::{Answer, Call, json};

pub(crate) async fn get(call: Call) -> Answer {
    let id: SessionId = call.param("id")?.parse().map_err(|_| Denial::NotFound)?;
    Ok(json(StatusCode::OK, &call.engine.explain_session(id).await?))
}
