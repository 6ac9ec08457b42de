//! `GET /api/admin/roles`, `PUT|DELETE /api/admin/roles/{name}`: which roles are there, and what may
//! people of each do?

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::flow::roles::RoleView;
use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call, json, no_content};

#[derive(Serialize, ToSchema)]
struct Roles {
    roles: Vec<RoleView>,
}

pub(crate) const GET: Operation = Operation {
    summary: "Which roles there are",
    answers: &[Told::json::<Roles>(200, "The roles, by name")],
    ..Operation::NONE
};

pub(crate) async fn list(call: Call) -> Answer {
    let roles = call.engine.list_roles().await?;
    Ok(json(StatusCode::OK, &Roles { roles }))
}

pub(crate) const PUT: Operation = Operation {
    summary: "Make a role, or say what people of it may do",
    about: "In force on the next request: tokens from before are `token_stale`, and a refresh brings the new claims.",
    takes: &[Field::texts("permissions", "All that people of it may do", "jobs:write")],
    answers: &[Told::json::<RoleView>(200, "The role")],
    ..Operation::NONE
};

pub(crate) async fn put(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let permissions = fields.texts("permissions");
    fields.finish()?;
    let role = call.engine.set_role(call.param("name")?, permissions, &call.client()).await?;
    Ok(json(StatusCode::OK, &role))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Delete a role",
    about: "Whoever had it has it no more.",
    answers: &[Told::nothing(204, "Deleted")],
    ..Operation::NONE
};

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    call.engine.delete_role(call.param("name")?, &call.client()).await?;
    Ok(no_content())
}
