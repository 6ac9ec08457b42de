//! `GET /admin/events`: what happened, to whom, and from where.

use keyward_core::event::EventType;

use super::{event_rows, frame, next_page, notice, shown};
use crate::error::Error;
use crate::flow::audit::events::{EVENTS, EventList};
use crate::http::api::admin::events::filter;
use crate::http::html::query_field;
use crate::http::operation::{CURSOR, Field, Operation};
use crate::http::query::Query;
use crate::http::{Answer, Call};
use crate::page::admin::lists::Events;
use crate::page::field;
use crate::page::notice::Wrong;

pub(crate) const GET: Operation = Operation {
    query: &[
        Field::text("type", "What happened", "login_failed").optional(),
        Field::text("success", "true or false", "false").optional(),
        Field::text("user_id", "To whose account", "019a9f5e-7c1b-7d3e-9a54-0d5b1c2e3f40").optional(),
        Field::text("ip_address", "From which address", "203.0.113.7").optional(),
        Field::text("since", "Not before", "2026-11-20T23:17:51Z").optional(),
        Field::text("until", "Before", "2026-11-20T23:17:51Z").optional(),
        CURSOR,
    ],
    ..shown("The console: what happened")
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let asked = filter(&mut query);
    let cursor = query.parsed("cursor");
    let (page, denied) = match query.finish() {
        Ok(()) => (call.engine.events(asked, EVENTS, cursor).await?, None),
        Err(Error::Denied(denied)) => (EventList { events: Vec::new(), next_cursor: None }, Some(denied)),
        Err(fault) => return Err(fault),
    };
    let wrong = denied.as_ref().map(|denied| Wrong::told_by(denied)).unwrap_or_default();
    let said = |name| query_field(call.uri.query(), name).unwrap_or_default();
    let field = |name, label, hint: &str| {
        field::Field::new(name, label, "text").value(said(name)).hint(hint).optional().judged(&wrong).done()
    };
    let shown = Events {
        frame: frame(&call, "Events").wrong_if(!wrong.is_empty()),
        here: "/admin/events",
        notice: notice(&call, &wrong, ""),
        types: EventType::ALL.iter().map(|kind| kind.as_str()).collect(),
        kind: said("type"),
        success: said("success"),
        ip: field("ip_address", "IP address", ""),
        user: field("user_id", "User id", ""),
        since: field("since", "Since (UTC)", ""),
        until: field("until", "Until (UTC)", ""),
        live: cursor.is_none() && denied.is_none(),
        events: event_rows(&call, page.events).await?,
        next: next_page(&call.uri, page.next_cursor.map(|cursor| cursor.to_string())),
    };
    match denied {
        Some(denied) => call.refusal(&denied, &shown),
        None => call.page(&shown),
    }
}
