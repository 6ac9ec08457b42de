//! `GET|POST /api/admin/service-keys`, `DELETE /api/admin/service-keys/{id}`: which programs may ask?

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::id::ServiceKeyId;
use serde_json::json;

use crate::http::body::Fields;
use crate::http::{Answer, Call, json, no_content};

pub(crate) async fn get(call: Call) -> Answer {
    let keys = call.engine.service_keys().await?;
    Ok(json(StatusCode::OK, &json!({ "service_keys": keys })))
}

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let name = fields.text("name");
    let scopes = fields.optional_texts("scopes").unwrap_or_default();
    fields.finish()?;
    let made = call.engine.create_service_key(&name, &scopes, &call.client()).await?;
    Ok(json(StatusCode::CREATED, &made))
}

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let id: ServiceKeyId = call.param("id")?.parse().map_err(|_| Denial::NotFound)?;
    call.engine.revoke_service_key(id, &call.client()).await?;
    Ok(no_content())
}
