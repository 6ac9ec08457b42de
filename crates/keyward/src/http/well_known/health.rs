//! `/healthz`: the process lives. `/readyz`: its store answers.

use http::StatusCode;

use crate::http::{Answer, Call, text};

pub(crate) async fn alive(_: Call) -> Answer {
    Ok(text(StatusCode::OK, "ok\n"))
}

pub(crate) async fn ready(call: Call) -> Answer {
    call.engine.is_ready().await?;
    Ok(text(StatusCode::OK, "ok\n"))
}
