//! `GET /setup?token=…`: how the first administrator is made.

use http::StatusCode;
use keyward_core::denial::Denial;

use crate::http::{Answer, Call, text};

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
