//! `GET /api/auth/sessions`, `DELETE /api/auth/sessions/{id}`: the devices of who asks.

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;

use crate::flow::sessions::Device;
use crate::http::body::Fields;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, json, no_content};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct Devices {
    pub(crate) sessions: Vec<Device>,
}

pub(crate) const GET: Operation = Operation {
    summary: "Where you are signed in",
    about: "The most recently active session first.",
    answers: &[Told::json::<Devices>(200, "The open sessions")],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let claims = &call.access()?.token.claims;
    let sessions = call.engine.devices(claims.user, Some(claims.session)).await?;
    Ok(json(StatusCode::OK, &Devices { sessions }))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Sign out there",
    about: "Another user's session and one that is not there are told alike.",
    answers: &[Told::nothing(204, "Signed out")],
    ..Operation::NONE
};

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let id: SessionId = call.param("id")?.parse().map_err(|_| Denial::NotFound)?;
    call.engine.end_own(call.access()?.token.claims.user, id, &call.client()).await?;
    Ok(no_content())
}
