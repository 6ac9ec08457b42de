//! `GET /admin`: the console, for people who administer. Its pages call the flows that the API calls.

pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod roles;
pub(crate) mod service_keys;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod suspicious;
pub(crate) mod users;

use http::Uri;
use keyward_core::denial::Denial;

use super::api::admin::statistics::{WINDOW, window};
use super::operation::Operation;
use super::query::Query;
use super::{Answer, Call};
use crate::Suspect;
use crate::error::{Denied, Error};
use crate::flow::audit::events::{EventFilter, EventView, THRESHOLD};
use crate::page::Frame;
use crate::page::admin::overview::{Overview, Plot, windows};
use crate::page::admin::{EventRow, FindingRow};
use crate::page::notice::{Notice, Wrong, span};

/// How many of the latest events the overview and the page of a user show.
pub(crate) const LATEST: u32 = 10;
/// How many findings the overview shows.
const FEW: usize = 8;

/// A page that shows something.
pub(crate) const fn shown(summary: &'static str) -> Operation {
    Operation { summary, refuses: &[Denial::NotFound, Denial::ValidationFailed], ..Operation::PAGE }
}

/// A form that does something.
pub(crate) const fn done(summary: &'static str) -> Operation {
    Operation {
        summary,
        refuses: &[
            Denial::NotFound,
            Denial::EmailTaken,
            Denial::PhoneTaken,
            Denial::LastAdmin,
            Denial::RateLimited,
            Denial::Overloaded,
        ],
        ..Operation::FORM
    }
}

/// The frame of a page of the console.
pub(crate) fn frame<'a>(call: &'a Call, title: impl Into<String>) -> Frame<'a> {
    let mut frame = Frame::new(title, &call.engine.assets);
    frame.again = call.says("again");
    frame.scripts.push(call.engine.assets.url("admin.js"));
    let claims = call.access().ok().map(|access| &access.token.claims);
    frame.person = claims.map(|claims| match &claims.email {
        Some(email) => email.address.clone(),
        None => claims.user.to_string(),
    });
    frame
}

/// What is told above a page: what went wrong, else what was done.
pub(crate) fn notice(call: &Call, wrong: &Wrong, done: &str) -> Notice {
    match wrong.is_empty() {
        false => wrong.summary(),
        true if call.says("done") => Notice::good(done),
        true => Notice::default(),
    }
}

/// The refusal that a form tells beside its fields; anything else is an error of its own.
pub(crate) fn told(error: Error) -> Result<Denied, Error> {
    match error {
        Error::Denied(denied) if denied.denial() != Denial::NotFound => Ok(*denied),
        other => Err(other),
    }
}

/// Events as a list shows them.
pub(crate) async fn event_rows(call: &Call, events: Vec<EventView>) -> Result<Vec<EventRow>, Error> {
    let names = call.engine.addresses(events.iter().filter_map(|event| event.user_id)).await?;
    let row = |event: EventView| {
        let who = event.user_id.and_then(|user| names.get(&user).cloned());
        EventRow::new(event, who)
    };
    Ok(events.into_iter().map(row).collect())
}

/// Findings as a list shows them.
pub(crate) async fn finding_rows(call: &Call, findings: Vec<Suspect>) -> Result<Vec<FindingRow>, Error> {
    let names = call.engine.addresses(findings.iter().filter_map(FindingRow::user)).await?;
    let row = |found: Suspect| {
        let who = FindingRow::user(&found).and_then(|user| names.get(&user).cloned());
        FindingRow::new(found, who)
    };
    Ok(findings.into_iter().map(row).collect())
}

/// The same address with another cursor.
pub(crate) fn next_page(uri: &Uri, cursor: Option<String>) -> Option<String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    query.extend_pairs(pairs.filter(|(name, value)| name != "cursor" && name != "done" && !value.is_empty()));
    query.append_pair("cursor", &cursor?);
    Some(format!("{}?{}", uri.path(), query.finish()))
}

pub(crate) const GET: Operation = Operation { query: &[WINDOW], ..shown("The console: how things are") };

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let window = query.read("window", window).unwrap_or_default();
    query.finish()?;
    let engine = &call.engine;
    let statistics = engine.statistics(window).await?;
    let mut findings = engine.suspicious_lately(THRESHOLD).await?;
    findings.truncate(FEW);
    let events = engine.events(EventFilter::default(), LATEST, None).await?.events;
    let mut spans = statistics.spans.clone();
    spans.retain(|span| span.counts != Default::default());
    spans.reverse();
    call.page(&Overview {
        frame: frame(&call, "Overview"),
        here: "/admin",
        notice: Notice::default(),
        windows: windows(),
        active_within: span(statistics.active_within),
        plots: Plot::all(&statistics),
        spans,
        statistics,
        findings: finding_rows(&call, findings).await?,
        events: event_rows(&call, events).await?,
    })
}
