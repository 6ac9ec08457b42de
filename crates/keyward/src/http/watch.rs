//! What is told of a request once it is answered? Its time, and one line of the log.
//!
//! The line names the route, never the path or the query: those are the caller's text, and may hold
//! a token. Nothing else that a caller wrote is in it but a request id and a trace that were checked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Response};
use keyward_core::id::SessionId;

use super::enter::request_id;
use super::guard::Who;
use super::origin;
use super::problem::MARK;
use super::trace::Trace;
use crate::engine::Engine;
use crate::metrics::RouteTimes;

/// The session that an answer opened, renewed or lets in, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened(pub(crate) SessionId);

/// A request that is not answered yet.
pub(super) struct Watch {
    /// What the request is called.
    pub(super) id: String,
    began: Duration,
    /// What only the log is told; `None` where nobody reads it.
    line: Option<Line>,
}

struct Line {
    client: IpAddr,
    trace: Option<Trace>,
}

impl Watch {
    pub(super) fn begin(engine: &Engine, headers: &HeaderMap, peer: Option<SocketAddr>) -> Self {
        let read = tracing::enabled!(target: "keyward::request", tracing::Level::INFO);
        let line = || Line {
            client: origin::address(peer, headers, &engine.settings.trusted_proxies),
            trace: Trace::of(headers),
        };
        Self { id: request_id(headers), began: engine.clock.monotonic(), line: read.then(line) }
    }

    /// The answer is on its way to who asked, as far as that is known.
    pub(super) fn end(
        self,
        engine: &Engine,
        route: &RouteTimes,
        who: Option<&Who>,
        response: &Response<Body>,
    ) {
        let took = engine.clock.monotonic().saturating_sub(self.began);
        let status = response.status().as_u16();
        route.answered(status, took);
        let Some(Line { client, trace }) = self.line else { return };
        let opened = response.extensions().get::<Opened>().map(|opened| opened.0.tag());
        let trace = trace.as_ref();
        let (tag, service_key) = match who {
            Some(Who::Person(access)) => (Some(access.tag.as_str()), None),
            Some(Who::Service(key)) => (None, Some(tracing::field::display(key.id))),
            None => (None, None),
        };
        tracing::info!(
            target: "keyward::request",
            method = route.method,
            route = route.route,
            status,
            duration_ms = took.as_secs_f64() * 1_000.0,
            code = response.headers().get(MARK).and_then(|code| code.to_str().ok()),
            request_id = self.id,
            client = %client,
            session = opened.as_deref().or(tag),
            service_key,
            trace_id = trace.map(|trace| tracing::field::display(trace.id())),
            span_id = trace.map(|trace| tracing::field::display(trace.span())),
            parent_span_id = trace.map(|trace| tracing::field::display(trace.parent())),
            "answered"
        );
    }
}
