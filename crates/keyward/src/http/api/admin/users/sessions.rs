//! `GET|DELETE /api/admin/users/{id}/sessions`, `DELETE /api/admin/users/{id}/sessions/{sid}`: where is
//! somebody signed in?

use http::StatusCode;
use keyward_core::denial::Denial;

use super::found;
use crate::http::api::auth::logout_all::Revoked;
use crate::http::api::auth::sessions::Devices;
use crate::http::body::Fields;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, json, no_content};

pub(crate) const GET: Operation = Operation {
    summary: "Where somebody is signed in",
    about: "The most recently active session first.",
    answers: &[Told::json::<Devices>(200, "The open sessions")],
    ..Operation::NONE
};

pub(crate) async fn list(call: Call) -> Answer {
    let user = found(&call).await?.id;
    let sessions = call.engine.devices(user, call.session()).await?;
    Ok(json(StatusCode::OK, &Devices { sessions }))
}

pub(crate) const DELETE_ALL: Operation = Operation {
    summary: "Sign somebody out everywhere",
    answers: &[Told::json::<Revoked>(200, "How many sessions ended")],
    ..Operation::NONE
};

pub(crate) async fn delete_all(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let user = found(&call).await?.id;
    let revoked = call.engine.end_all_of(user, &call.client()).await?;
    Ok(json(StatusCode::OK, &Revoked { revoked }))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "End a session of somebody",
    answers: &[Told::nothing(204, "Ended")],
    ..Operation::NONE
};

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let user = found(&call).await?.id;
    let session = call.param("sid")?.parse().map_err(|_| Denial::NotFound)?;
    call.engine.end_own(user, session, &call.client()).await?;
    Ok(no_content())
}
