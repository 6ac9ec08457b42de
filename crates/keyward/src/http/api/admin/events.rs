//! `GET /api/admin/events`: what happened, to whom, and from where.

pub(crate) mod suspicious;

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::event::EventType;

use crate::flow::audit::events::{EVENTS, EventFilter, EventList, MOST_EVENTS};
use crate::http::operation::{CURSOR, Field, LIMIT, Operation, Told};
use crate::http::query::Query;
use crate::http::{Answer, Call, json};

pub(crate) const GET: Operation = Operation {
    summary: "What happened",
    about: "The newest first. Where several filters are given a list may be short, or empty, and still go on.",
    query: &[
        Field::id("user_id", "To whose account").optional(),
        Field::id("session_id", "To which session").optional(),
        Field::text("type", "What happened", "login_failed").optional(),
        Field::flag("success", "Whether the one who asked got what they asked for").optional(),
        Field::text("ip_address", "From which address, or IPv6 network of /64", "203.0.113.7").optional(),
        Field::moment("since", "Not before").optional(),
        Field::moment("until", "Before").optional(),
        LIMIT,
        CURSOR,
    ],
    answers: &[Told::json::<EventList>(200, "Some events")],
    refuses: &[Denial::ValidationFailed],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let filter = filter(&mut query);
    let (limit, cursor) = (limit(&mut query), query.parsed("cursor"));
    query.finish()?;
    Ok(json(StatusCode::OK, &call.engine.events(filter, limit, cursor).await?))
}

/// Which events are asked for.
pub(crate) fn filter(query: &mut Query<'_>) -> EventFilter {
    EventFilter {
        user: query.parsed("user_id"),
        session: query.parsed("session_id"),
        kind: query.read("type", |text| EventType::parse(text).ok_or_else(types)),
        success: query.yes_or_no("success"),
        from: query.parsed("ip_address"),
        since: query.parsed("since"),
        until: query.parsed("until"),
    }
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
