//! `GET /api/admin/statistics`: how much happened when, and how many are there now?

use http::StatusCode;
use keyward_core::denial::Denial;

use crate::flow::audit::statistics::{Statistics, Window};
use crate::http::operation::{Field, Operation, Told};
use crate::http::query::Query;
use crate::http::{Answer, Call, json};

/// How far back.
pub(crate) const WINDOW: Field = Field::one_of(
    "window",
    "How far back: in spans of half an hour, three hours or twelve",
    &["24h", "7d", "30d"],
)
.optional();

pub(crate) const GET: Operation = Operation {
    summary: "How much happened when",
    about: "Logins, failures, signups, refreshes, copies of refresh tokens and requests over a limit, in spans of \
        time; and how many sessions there are now. It is counted as it happens, so asking costs the same however \
        much there was.",
    query: &[WINDOW],
    answers: &[Told::json::<Statistics>(200, "What was counted")],
    refuses: &[Denial::ValidationFailed],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let window = query.read("window", window).unwrap_or_default();
    query.finish()?;
    Ok(json(StatusCode::OK, &call.engine.statistics(window).await?))
}

/// The window of that name.
pub(crate) fn window(text: &str) -> Result<Window, String> {
    Window::parse(text).ok_or_else(|| "this has to be 24h, 7d or 30d".to_owned())
}
