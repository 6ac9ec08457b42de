//! `GET /healthz`: the process lives.

use http::StatusCode;

use super::operation::{Operation, Told};
use super::{Answer, Call, text};

pub(crate) const GET: Operation = Operation {
    summary: "Does the process live?",
    answers: &[Told::media(200, "text/plain", "It does")],
    ..Operation::NONE
};

pub(crate) async fn get(_: Call) -> Answer {
    Ok(text(StatusCode::OK, "ok\n"))
}
