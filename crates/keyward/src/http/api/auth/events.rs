//! `GET /api/auth/events`: what happened lately to the account of who asks.

use http::StatusCode;

use crate::http::api::admin::events::limit;
use crate::http::query::Query;
use crate::http::{Answer, Call, json};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let (limit, cursor) = (limit(&mut query), query.parsed("cursor"));
    query.finish()?;
    let user = call.access()?.token.claims.user;
    Ok(json(StatusCode::OK, &call.engine.own_events(user, limit, cursor).await?))
}
