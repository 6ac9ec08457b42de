//! `GET /api/admin/events`: what happened, to whom, and from where.

pub(crate) mod suspicious;

use http::StatusCode;
use keyward_core::event::EventType;

use crate::flow::audit::events::{EVENTS, EventFilter, MOST_EVENTS};
use crate::http::query::Query;
use crate::http::{Answer, Call, json};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let filter = EventFilter {
        user: query.parsed("user_id"),
        session: query.parsed("session_id"),
        kind: query.read("type", |text| EventType::parse(text).ok_or_else(types)),
        success: query.yes_or_no("success"),
        from: query.parsed("ip_address"),
        since: query.parsed("since"),
        until: query.parsed("until"),
    };
    let (limit, cursor) = (limit(&mut query), query.parsed("cursor"));
    query.finish()?;
    Ok(json(StatusCode::OK, &call.engine.events(filter, limit, cursor).await?))
}

/// How many events are asked for.
pub(crate) fn limit(query: &mut Query<'_>) -> u32 {
    let limit = query.number("limit", 1..=u64::from(MOST_EVENTS));
    limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(EVENTS)
}

fn types() -> String {
    let names: Vec<&str> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    format!("no type of event; the types are: {}", names.join(", "))
}
