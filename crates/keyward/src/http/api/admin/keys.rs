//! `GET /api/admin/keys`: which keys sign and verify access tokens?

use http::StatusCode;
use serde_json::json;

use crate::http::{Answer, Call, json};

pub(crate) async fn get(call: Call) -> Answer {
    let keys = call.engine.keys().await?;
    Ok(json(StatusCode::OK, &json!({ "keys": keys })))
}
