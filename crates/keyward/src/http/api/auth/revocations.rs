//! `GET /api/auth/revocations`: what is revoked, as it happens, for services that verify by themselves.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::body::Frame;
use keyward_core::denial::Denial;

use crate::feed::listeners::Listener;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call};

/// The media type of server-sent events (WHATWG HTML §9.2).
const EVENTS: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Keeps nginx from holding the answer back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) const GET: Operation = Operation {
    summary: "Listen to what is revoked",
    about: "Server-sent events. First the whole set, each entry a `revocation`; then `ready`, whose `id` names \
        the position up to which all was told; from then on each change as a `revocation` with its own `id`. An `id` is text \
        to be given back, of this node since its start alone: `Last-Event-ID` goes on behind it, beginning with `ready`, or \
        tells the whole set again where it is too long ago, or of another node or an earlier start. A `heartbeat` comes \
        every 250 ms while the node knows what was revoked and has told all of it: who heard none for 2 s introspects \
        instead.\n\n\
        The data of a `revocation` is one object of `kind`, `until` (RFC 3339; no token that it concerns lives longer), \
        and the claims that it concerns: `{\"kind\":\"session\",\"sid\"}` and `{\"kind\":\"generation\",\"sid\",\"gen\"}` for \
        `session_revoked`; `{\"kind\":\"key\",\"kid\"}` (of the header), `{\"kind\":\"user\",\"sub\",\"uv\"}` for tokens with a lesser \
        `uv` and `{\"kind\":\"roles\",\"rv\"}` for tokens with a lesser `rv`, for `token_stale`. The same may be told twice; what \
        was told is never taken back before `until`.",
    answers: &[Told::media(200, EVENTS, "Until the key is revoked or the node stops")],
    refuses: &[Denial::Overloaded],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let last = call.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let listener = call.engine.listen(call.service_key()?, last).await?;
    let mut response = Response::new(Body::new(Stream(Some(next(listener)))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// A body that says what a listener is told, when it is asked for more: nothing waits in a queue.
struct Stream(Option<Next>);

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Listener)>> + Send>>;

fn next(mut listener: Listener) -> Next {
    Box::pin(async move { listener.next().await.map(|told| (told, listener)) })
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(waiting) = &mut self.0 else { return Poll::Ready(None) };
        let Poll::Ready(told) = waiting.as_mut().poll(context) else { return Poll::Pending };
        let (bytes, after) = told.unzip();
        self.0 = after.map(next);
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
