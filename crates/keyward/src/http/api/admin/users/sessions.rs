//! `GET|DELETE /api/admin/users/{id}/sessions`, `DELETE /api/admin/users/{id}/sessions/{sid}`: where is
//! somebody signed in?

use http::StatusCode;
use keyward_core::denial::Denial;
use serde_json::json;

use super::found;
use crate::http::body::Fields;
use crate::http::{Answer, Call, json, no_content};

pub(crate) async fn list(call: Call) -> Answer {
    let user = found(&call).await?.id;
    let sessions = call.engine.devices(user, call.session()).await?;
    Ok(json(StatusCode::OK, &json!({ "sessions": sessions })))
}

pub(crate) async fn delete_all(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let user = found(&call).await?.id;
    let revoked = call.engine.end_all_of(user, &call.client()).await?;
    Ok(json(StatusCode::OK, &json!({ "revoked": revoked })))
}

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let user = found(&call).await?.id;
    let session = call.param("sid")?.parse().map_err(|_| Denial::NotFound)?;
    call.engine.end_own(user, session, &call.client()).await?;
    Ok(no_content())
}
