//! `GET /api/admin/events/suspicious`: what of it looks like an attack.

use std::time::Duration;

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::duration;

use crate::flow::audit::events::{Findings, MOST_THRESHOLD, THRESHOLD, WINDOW, WINDOWS};
use crate::http::operation::{Field, Operation, Told};
use crate::http::query::Query;
use crate::http::{Answer, Call, json};

pub(crate) const GET: Operation = Operation {
    summary: "What looks like an attack",
    query: &[
        Field::text("window", "How far back: seconds, or a length such as 15m or 24h", "24h").optional(),
        Field::number("threshold", "How often something has to have happened").optional(),
    ],
    answers: &[Told::json::<Findings>(200, "What was found")],
    refuses: &[Denial::ValidationFailed],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let window = query.read("window", window).unwrap_or(WINDOW);
    let threshold = query.number("threshold", 1..=MOST_THRESHOLD).unwrap_or(THRESHOLD);
    query.finish()?;
    Ok(json(StatusCode::OK, &call.engine.suspicious(window, threshold).await?))
}

/// Whole seconds, as all lengths of time in the API, or one with its unit, as in the configuration.
pub(crate) fn window(text: &str) -> Result<Duration, String> {
    let seconds = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().map(Duration::from_secs));
    let window = match seconds {
        Some(seconds) => seconds.ok(),
        None => duration::parse(text).ok(),
    };
    window.filter(|window| WINDOWS.contains(window)).ok_or_else(|| {
        let (least, most) = (WINDOWS.start().as_secs(), WINDOWS.end().as_secs());
        format!("this has to be a number of seconds from {least} to {most}, or a length such as 15m or 24h")
    })
}
