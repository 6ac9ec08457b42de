//! `POST /api/auth/activity`: the person did something; written before it is answered.

use http::StatusCode;
use keyward_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::body::Fields;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, json};
use crate::schema::Moment;

#[derive(Serialize, ToSchema)]
struct Activity {
    /// When the session ends unless its person does something.
    #[schema(value_type = Option<Moment>, required)]
    idle_expires_at: Option<Timestamp>,
    /// When to refresh; null where that could bring nothing.
    #[schema(value_type = Option<Moment>, required)]
    refresh_at: Option<Timestamp>,
}

pub(crate) const POST: Operation = Operation {
    summary: "Say that the person did something",
    about: "Moves the idle deadline; written before it is answered.",
    answers: &[Told::json::<Activity>(200, "Noted")],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let kept = call.engine.keep_alive(call.access()?).await?;
    Ok(json(StatusCode::OK, &Activity { idle_expires_at: kept.idle_expires_at, refresh_at: kept.refresh_at }))
}
