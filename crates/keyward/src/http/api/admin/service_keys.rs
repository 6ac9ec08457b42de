//! `GET|POST /api/admin/service-keys`, `DELETE /api/admin/service-keys/{id}`: which programs may ask?

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::id::ServiceKeyId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::flow::service_keys::{NewServiceKey, ServiceKeyView};
use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call, json, no_content};

#[derive(Serialize, ToSchema)]
struct ServiceKeys {
    service_keys: Vec<ServiceKeyView>,
}

pub(crate) const GET: Operation = Operation {
    summary: "The service keys",
    about: "The most recently used first; never what one could ask with.",
    answers: &[Told::json::<ServiceKeys>(200, "The keys, without their text")],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let service_keys = call.engine.service_keys().await?;
    Ok(json(StatusCode::OK, &ServiceKeys { service_keys }))
}

pub(crate) const POST: Operation = Operation {
    summary: "Make a service key",
    takes: &[
        Field::text("name", "What it is called, once", "billing"),
        Field::texts("scopes", "What it is good for; nothing by default", "introspect").optional(),
    ],
    answers: &[Told::json::<NewServiceKey>(201, "The key, whose text is told this once")],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let name = fields.text("name");
    let scopes = fields.optional_texts("scopes").unwrap_or_default();
    fields.finish()?;
    let made = call.engine.create_service_key(&name, &scopes, &call.client()).await?;
    Ok(json(StatusCode::CREATED, &made))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Revoke a service key",
    answers: &[Told::nothing(204, "Nobody can ask with it any more")],
    ..Operation::NONE
};

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let id: ServiceKeyId = call.param("id")?.parse().map_err(|_| Denial::NotFound)?;
    call.engine.revoke_service_key(id, &call.client()).await?;
    Ok(no_content())
}
