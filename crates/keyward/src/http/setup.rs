//! `GET /setup?token=…`: how the first administrator is made.

use http::StatusCode;
use keyward_core::denial::Denial;

use super::operation::{Field, Operation, Told};
use crate::http::{Answer, Call, text};

pub(crate) const GET: Operation = Operation {
    summary: "How the first administrator is made",
    query: &[Field::text("token", "The one that was printed at the start", "5f0c1e2d3b4a5968").optional()],
    answers: &[Told::media(200, "text/plain", "What to do")],
    refuses: &[Denial::NotFound, Denial::StoreUnavailable],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let given = call.uri.query().and_then(|query| query.strip_prefix("token=")).unwrap_or_default();
    let token = call.engine.setup_token();
    let right = aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), token.as_bytes()).is_ok();
    if !right || call.engine.has_admin().await? {
        return Err(Denial::NotFound.into());
    }
    Ok(text(
        StatusCode::OK,
        "This Keyward has no administrator yet.\n\nMake the first one on the machine where it runs:\n\n    \
         keyward admin upsert you@example.com\n",
    ))
}
