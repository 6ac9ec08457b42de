//! `GET /api/admin/sessions/{sid}`: the life of a session, and why it is in its state.

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;

use crate::flow::audit::explain::SessionStory;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, json};

pub(crate) const GET: Operation = Operation {
    summary: "The life of a session",
    about: "Why it is in its state, in sentences: every rotation that was refused, by whom, with the reason.",
    answers: &[Told::json::<SessionStory>(
        200,
        "Its life, as long as its record or any of its events is kept",
    )],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let id: SessionId = call.param("id")?.parse().map_err(|_| Denial::NotFound)?;
    Ok(json(StatusCode::OK, &call.engine.explain_session(id).await?))
}
