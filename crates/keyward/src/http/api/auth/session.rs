//! `GET /api/auth/session`: who asks, and how long that holds.

use http::StatusCode;

use super::{SessionBody, Tells, granted};
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call};

pub(crate) const GET: Operation = Operation {
    summary: "Who is signed in, and how long that holds",
    about: "The shape of a login, without tokens.",
    answers: &[Told::json::<SessionBody>(200, "The session")],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let grant = call.engine.show(call.access()?).await?;
    Ok(granted(StatusCode::OK, &grant, call.names, Tells::Deadline))
}
