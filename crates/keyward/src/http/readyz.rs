//! `GET /readyz`: its store answers.

use http::StatusCode;
use keyward_core::denial::Denial;

use super::operation::{Operation, Told};
use super::{Answer, Call, text};

pub(crate) const GET: Operation = Operation {
    summary: "Can it serve?",
    about: "Its store answers, and it knows what was revoked.",
    answers: &[Told::media(200, "text/plain", "It can")],
    refuses: &[Denial::StoreUnavailable],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    call.engine.is_ready().await?;
    Ok(text(StatusCode::OK, "ok\n"))
}
