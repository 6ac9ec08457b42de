//! `GET /api/admin/keys`, `POST …/rotate`, `POST …/{kid}/revoke`: which keys sign access tokens?

use http::StatusCode;
use serde_json::json;

use crate::http::body::Fields;
use crate::http::{Answer, Call, json, no_content};

pub(crate) async fn get(call: Call) -> Answer {
    let keys = call.engine.keys().await?;
    Ok(json(StatusCode::OK, &json!({ "keys": keys })))
}

pub(crate) async fn rotate(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let keys = call.engine.rotate_keys(&call.client()).await?;
    Ok(json(StatusCode::CREATED, &json!({ "keys": keys })))
}

pub(crate) async fn revoke(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    call.engine.revoke_key(call.param("kid")?, &call.client()).await?;
    Ok(no_content())
}
