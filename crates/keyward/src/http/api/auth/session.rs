//! `GET /api/auth/session`: who asks, and how long that holds.

use http::StatusCode;

use super::{SessionBody, Tells};
use crate::http::answer::{write, written};
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call};

pub(crate) const GET: Operation = Operation {
    summary: "Who is signed in, and how long that holds",
    about: "The shape of a login, without tokens.",
    answers: &[Told::json::<SessionBody>(200, "The session")],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let access = call.access()?;
    let grant = call.engine.show(access).await?;
    let body = access.shown(&grant, || {
        // It is kept: without room for more.
        write(&SessionBody::of(&grant, Tells::Deadline)).into_boxed_slice().into()
    });
    Ok(written(StatusCode::OK, body))
}
