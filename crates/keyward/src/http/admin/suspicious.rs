//! `GET /admin/suspicious`: what of it looks like an attack.

use std::time::Duration;

use super::{finding_rows, frame, shown};
use crate::flow::audit::events::THRESHOLD;
use crate::http::api::admin::events::suspicious::window;
use crate::http::operation::{Field, Operation};
use crate::http::query::Query;
use crate::http::{Answer, Call};
use crate::page::admin::lists::Suspicious;
use crate::page::notice::Notice;

/// How far back findings go unless told otherwise.
const FINDINGS: Duration = Duration::from_secs(24 * 60 * 60);
const WINDOWS: &[&str] = &["1h", "24h", "7d", "30d"];

pub(crate) const GET: Operation = Operation {
    query: &[Field::text("window", "How far back", "24h").optional()],
    ..shown("The console: what looks like an attack")
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let said = query.text("window").unwrap_or_else(|| "24h".to_owned());
    let window: Option<Duration> = query.read("window", window);
    query.finish()?;
    let found = call.engine.suspicious(window.unwrap_or(FINDINGS), THRESHOLD).await?;
    call.page(&Suspicious {
        frame: frame(&call, "Suspicious"),
        here: "/admin/suspicious",
        notice: Notice::default(),
        windows: WINDOWS,
        window: said,
        since: found.since,
        findings: finding_rows(&call, found.findings).await?,
    })
}
