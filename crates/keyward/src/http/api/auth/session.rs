//! `GET /api/auth/session`: who asks, and how long that holds.

use http::StatusCode;

use super::{Told, granted};
use crate::http::{Answer, Call};

pub(crate) async fn get(call: Call) -> Answer {
    let grant = call.engine.show(call.access()?).await?;
    Ok(granted(StatusCode::OK, &grant, call.names, Told::Deadline))
}
