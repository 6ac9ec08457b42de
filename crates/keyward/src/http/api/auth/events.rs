//! `GET /api/auth/events`: what happened lately to the account of who asks.

use http::StatusCode;
use keyward_core::denial::Denial;

use crate::flow::audit::events::EventList;
use crate::http::api::admin::events::limit;
use crate::http::operation::{CURSOR, LIMIT, Operation, Told};
use crate::http::query::Query;
use crate::http::{Answer, Call, json};

pub(crate) const GET: Operation = Operation {
    summary: "What happened lately to your account",
    about: "The newest first.",
    query: &[LIMIT, CURSOR],
    answers: &[Told::json::<EventList>(200, "Some events")],
    refuses: &[Denial::ValidationFailed],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let (limit, cursor) = (limit(&mut query), query.parsed("cursor"));
    query.finish()?;
    let user = call.access()?.token.claims.user;
    Ok(json(StatusCode::OK, &call.engine.own_events(user, limit, cursor).await?))
}
