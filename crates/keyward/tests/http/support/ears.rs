//! Somebody who listens to what is revoked.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use serde_json::Value;

use super::{App, Ask, get};

/// An event of the stream: its name, its id, and its data.
pub(crate) type Heard = (String, Option<u64>, Value);

pub(crate) struct Ears {
    body: Body,
    text: String,
    /// What stands before the position in every id.
    start: Option<String>,
    heard: VecDeque<Heard>,
}

impl Ears {
    /// Begins to listen with this key, after the event of that id.
    pub(crate) async fn open(app: &App, key: &str, last: Option<&str>) -> Self {
        let ask: Ask = get("/api/auth/revocations").bearer(key);
        let ask = last.iter().fold(ask, |ask, last| ask.header("last-event-id", last));
        let (head, body) = app.begin(ask).await;
        assert_eq!(
            (head.status.as_u16(), &head.headers["content-type"]),
            (200, &"text/event-stream".parse().expect("a value"))
        );
        assert_eq!(head.headers["cache-control"], "no-store");
        Self { body, text: String::new(), start: None, heard: VecDeque::new() }
    }

    /// The next event; `None` where there will be no other.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        // Only for a stream that hangs, which fails the test.
        let next = tokio::time::timeout(Duration::from_secs(60), poll_fn(|context| self.poll(context)));
        next.await.expect("an event, or the end")
    }

    /// What can be heard at this moment.
    pub(crate) async fn now(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        let mut quiet = 0;
        // What is told from another task needs its turn.
        while quiet < 20 {
            match poll_fn(|context| Poll::Ready(self.poll(context))).await {
                Poll::Ready(Some(heard)) => all.push(heard),
                Poll::Ready(None) => return all,
                Poll::Pending => quiet += 1,
            }
            tokio::task::yield_now().await;
        }
        all
    }

    /// What is told up to `ready`, and the position of that.
    pub(crate) async fn until_ready(&mut self) -> (Vec<Heard>, Heard) {
        let mut before = Vec::new();
        loop {
            let heard = self.next().await.expect("it is not over");
            if heard.0 == "ready" {
                return (before, heard);
            }
            before.push(heard);
        }
    }

    /// How the node that is listened to names a position.
    pub(crate) fn id(&self, position: u64) -> String {
        format!("{}-{position}", self.start.as_deref().expect("an id was heard"))
    }

    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<Option<Heard>> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Poll::Ready(Some(heard));
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(frame)) => {
                    let bytes = frame.expect("no error").into_data().expect("data");
                    self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
                }
            }
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                        .map(str::to_owned)
                };
                if let (Some(name), Some(data)) = (field("event"), field("data")) {
                    let id = field("id").map(|id| {
                        let (start, position) = id.split_once('-').expect("an id");
                        assert_eq!(self.start.get_or_insert(start.to_owned()), start, "one name for all");
                        position.parse().expect("a position")
                    });
                    self.heard.push_back((name, id, serde_json::from_str(&data).expect("JSON")));
                }
                self.text = rest.to_owned();
            }
        }
    }
}
