//! `GET /account/events`: all of what happened to one's own account, page by page.

use keyward_core::denial::Denial;

use crate::flow::audit::events::Cursor;
use crate::http::operation::{CURSOR, Operation};
use crate::http::query::Query;
use crate::http::{Answer, Call};
use crate::page::account::EventsPage;

/// How many events a page has.
const EVENTS: u32 = 30;

pub(crate) const GET: Operation = Operation {
    summary: "What happened to one's own account",
    query: &[CURSOR],
    refuses: &[Denial::ValidationFailed],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let cursor: Option<Cursor> = query.parsed("cursor");
    query.finish()?;
    let access = call.access()?;
    let (loaded, _) = call.engine.view(access).await?;
    let events = call.engine.own_events(access.token.claims.user, EVENTS, cursor).await?;
    let page = EventsPage::new(&call.engine.assets, &loaded.account, &events, cursor.is_some());
    call.page(&page)
}
