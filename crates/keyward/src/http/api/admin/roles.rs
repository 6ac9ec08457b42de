//! `GET /api/admin/roles`, `PUT|DELETE /api/admin/roles/{name}`: which roles are there, and what may
//! people of each do?

use http::StatusCode;
use serde_json::json;

use crate::http::body::Fields;
use crate::http::{Answer, Call, json, no_content};

pub(crate) async fn list(call: Call) -> Answer {
    let roles = call.engine.list_roles().await?;
    Ok(json(StatusCode::OK, &json!({ "roles": roles })))
}

pub(crate) async fn put(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let permissions = fields.texts("permissions");
    fields.finish()?;
    let role = call.engine.set_role(call.param("name")?, permissions, &call.client()).await?;
    Ok(json(StatusCode::OK, &role))
}

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    call.engine.delete_role(call.param("name")?, &call.client()).await?;
    Ok(no_content())
}
