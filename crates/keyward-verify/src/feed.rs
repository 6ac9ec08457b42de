//! What was revoked, as Keyward's feed tells it, and how fresh is that?
//!
//! A heartbeat comes every 250 ms and says that nothing was left out. Who heard nothing for [`TRUST`] does
//! not know what was revoked since, whatever the reason: Keyward is gone, does not trust itself, or a
//! proxy keeps the stream to itself.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use keyward_core::revocation::{CutOff, Entry, Revocation, RevocationSet, Subject};
use keyward_core::time::Timestamp;
use reqwest::{Client, Response, Url};
use serde::Deserialize;

use crate::clock::{Clock, backoff};
use crate::event_stream::{Event, EventStream};
use crate::web::{PATIENCE, Unanswered};

/// How long what the feed said is believed.
pub(crate) const TRUST: Duration = Duration::from_secs(2);
/// How long a stream may say nothing at all before another is opened.
const SILENCE: Duration = Duration::from_secs(5);
/// How often entries are forgotten that concern no living token.
const SWEEP: Duration = Duration::from_secs(60);
/// How far the machine's clock may be set before what was forgotten by it has to be told again.
const SET: Duration = Duration::from_secs(60);
/// A key is never forgotten: whoever stole it dates a token as they like, and an entry of the feed may be
/// gone before the last JWKS that has the key.
const FOR_EVER: Timestamp = Timestamp::from_micros(i64::MAX);
/// The most entries that are kept, some 100 MB. Nobody revokes more within the life of an access token.
const MAX_ENTRIES: usize = 1_000_000;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(Debug)]
pub(crate) struct Feed {
    url: Url,
    web: Client,
    service_key: HeaderValue,
    clock: Clock,
    set: RwLock<RevocationSet>,
    /// When it was last said that nothing was left out, in microseconds of the monotonic clock; 0: never.
    heard_at: AtomicU64,
    swept_at: AtomicU64,
    /// Where to go on, in Keyward's words; without it from the beginning.
    position: Mutex<Option<HeaderValue>>,
    /// The machine's clock less the monotonic one when the whole set was asked for, in microseconds.
    offset: AtomicI64,
}

/// How far one connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It tells the set.
    Telling,
    /// It was ready; on a resumption what was missed follows.
    Ready,
    /// Its heart beat since: nothing is missing.
    Live,
}

/// An entry, as the feed tells it.
#[derive(Deserialize)]
struct Told {
    #[serde(flatten)]
    what: What,
    until: String,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum What {
    Key { kid: String },
    Session { sid: String },
    Generation { sid: String, r#gen: u64 },
    User { sub: String, uv: u64 },
    Roles { rv: u64 },
}

impl Feed {
    pub(crate) fn new(url: Url, web: Client, service_key: HeaderValue, clock: Clock) -> Self {
        Self {
            url,
            web,
            service_key,
            clock,
            set: RwLock::default(),
            heard_at: AtomicU64::new(0),
            swept_at: AtomicU64::new(0),
            position: Mutex::default(),
            offset: AtomicI64::new(0),
        }
    }

    /// Whether what is known may be believed. Asked before [`Self::check`]: a feed that comes to life in
    /// between would answer for what was not known yet.
    pub(crate) fn is_fresh(&self) -> bool {
        let now = self.clock.monotonic();
        let heard_at = self.heard_at.load(Ordering::Acquire);
        heard_at > 0 && now <= Duration::from_micros(heard_at) + TRUST && !self.clock_was_set()
    }

    /// Whether a token is cut off. What is known of that holds, fresh or not.
    pub(crate) fn check(&self, token: Subject<'_>) -> Option<CutOff> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).check(token)
    }

    /// Listens, for ever.
    pub(crate) async fn listen(&self) {
        let mut failures = 0;
        loop {
            let before = self.heard_at.load(Ordering::Acquire);
            let ended = match self.open().await {
                Ok(response) => self.hear(response).await,
                Err(error) => error,
            };
            failures = if self.heard_at.load(Ordering::Acquire) > before { 0 } else { failures + 1 };
            tracing::warn!("the feed of revocations broke off: {ended}");
            tokio::time::sleep(backoff(failures)).await;
        }
    }

    async fn open(&self) -> Result<Response, Unanswered> {
        let mut request = self
            .web
            .get(self.url.clone())
            .header(AUTHORIZATION, self.service_key.clone())
            .header(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if self.clock_was_set() {
            // By that clock entries were forgotten. Until all are told again nothing is known.
            self.heard_at.store(0, Ordering::Release);
            *self.position() = None;
        }
        let position = self.position().clone();
        match position {
            Some(position) => request = request.header(LAST_EVENT_ID, position),
            None => self.offset.store(self.clock.offset(), Ordering::Release),
        }
        let response =
            tokio::time::timeout(PATIENCE, request.send()).await.map_err(|_| Unanswered::TooLate)??;
        if response.status() != StatusCode::OK {
            return Err(Unanswered::Status(response.status()));
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        match kind {
            Some(kind) if kind.starts_with("text/event-stream") => Ok(response),
            _ => Err(Unanswered::Nonsense("no event stream".to_owned())),
        }
    }

    /// Hears until the stream ends; gives why.
    async fn hear(&self, mut response: Response) -> Unanswered {
        let (mut stream, mut stage) = (EventStream::default(), Stage::Telling);
        loop {
            let piece = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Err(_) => return Unanswered::TooLate,
                Ok(Err(error)) => return error.into(),
                Ok(Ok(None)) => return Unanswered::Nonsense("the stream ended".to_owned()),
                Ok(Ok(Some(piece))) => piece,
            };
            let events = match stream.push(&piece) {
                Ok(events) => events,
                Err(nonsense) => return Unanswered::Nonsense(nonsense.to_string()),
            };
            for event in events {
                if let Err(nonsense) = self.take(&event, &mut stage) {
                    return Unanswered::Nonsense(nonsense);
                }
            }
        }
    }

    /// Takes in one event. An entry that can't be read cuts something off, nobody knows what: from then on
    /// the feed is not to be believed.
    fn take(&self, event: &Event, stage: &mut Stage) -> Result<(), String> {
        let position = match &event.id {
            Some(id) => Some(HeaderValue::try_from(id).map_err(|_| format!("no position: {id}"))?),
            None => None,
        };
        match event.name.as_str() {
            "revocation" => self.insert(&entry(&event.data)?)?,
            "ready" => *stage = (*stage).max(Stage::Ready),
            "heartbeat" if *stage == Stage::Ready => *stage = Stage::Live,
            _ => {}
        }
        if position.is_some() {
            *self.position() = position;
        }
        // Only a beat says that nothing was left out: an entry may come late.
        if *stage == Stage::Live && event.name == "heartbeat" {
            if self.clock_was_set() {
                return Err("the clock of this machine was set".to_owned());
            }
            self.heard_at.store(micros(self.clock.monotonic()), Ordering::Release);
            self.sweep();
        }
        Ok(())
    }

    fn clock_was_set(&self) -> bool {
        let offset = self.offset.load(Ordering::Acquire);
        u128::from(self.clock.offset().abs_diff(offset)) > SET.as_micros()
    }

    fn position(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, entry: &Entry) -> Result<(), String> {
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        if set.len() >= MAX_ENTRIES {
            set.sweep(self.clock.now());
            if set.len() >= MAX_ENTRIES {
                return Err("more is revoked than can be kept".to_owned());
            }
        }
        set.insert(entry);
        Ok(())
    }

    fn sweep(&self) {
        let now = micros(self.clock.monotonic());
        if now - self.swept_at.load(Ordering::Relaxed) > micros(SWEEP) {
            self.swept_at.store(now, Ordering::Relaxed);
            self.set.write().unwrap_or_else(PoisonError::into_inner).sweep(self.clock.now());
        }
    }
}

fn entry(json: &str) -> Result<Entry, String> {
    let told: Told = serde_json::from_str(json).map_err(|error| format!("no entry: {error}"))?;
    let mut until = told.until.parse().map_err(|_| format!("no moment: {}", told.until))?;
    let id = |text: &str| format!("no id: {text}");
    let revocation = match told.what {
        What::Key { kid } => {
            until = FOR_EVER;
            Revocation::Key(kid)
        }
        What::Session { sid } => Revocation::Session(sid.parse().map_err(|_| id(&sid))?),
        What::Generation { sid, r#gen } => Revocation::Generation(sid.parse().map_err(|_| id(&sid))?, r#gen),
        What::User { sub, uv } => Revocation::User(sub.parse().map_err(|_| id(&sub))?, uv),
        What::Roles { rv } => Revocation::Roles(rv),
    };
    // The order is that in which they come; what the feed calls it is its own.
    Ok(Entry { position: 0, revocation, until })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
