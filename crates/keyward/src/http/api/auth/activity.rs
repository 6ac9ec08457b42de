//! `POST /api/auth/activity`: the person did something; written before it is answered.

use http::StatusCode;
use keyward_core::time::Timestamp;
use serde::Serialize;

use crate::http::body::Fields;
use crate::http::{Answer, Call, json};

#[derive(Serialize)]
struct Body {
    idle_expires_at: Option<Timestamp>,
    refresh_at: Option<Timestamp>,
}

pub(crate) async fn post(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let kept = call.engine.keep_alive(call.access()?).await?;
    Ok(json(StatusCode::OK, &Body { idle_expires_at: kept.idle_expires_at, refresh_at: kept.refresh_at }))
}
