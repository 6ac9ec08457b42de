//! Which sessions are there, of everybody, and how are those of one place ended?

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_core::change::Change;
use keyward_core::event::EventType;
use keyward_core::id::{SessionId, UserId};
use keyward_core::session::{End, EndReason, Refusal, Session, Transport};
use keyward_core::time::Timestamp;

use super::audit::events::InvalidCursor;
use super::{ATTEMPTS, refresh_expires_at};
use crate::Keyward;
use crate::client::{Client, device};
use crate::engine::{About as _, Engine};
use crate::error::Error;
use crate::schema::{self, Id, Moment};
use crate::store::{Place, SessionSearch};

/// How many sessions a page has at most.
pub const MOST_SESSIONS: u32 = 200;
/// How many sessions a page has unless told otherwise.
pub const SESSIONS: u32 = 50;
/// How many sessions are looked at for one page where no index serves the whole question.
const SCAN: u32 = 5_000;
/// How many sessions are ended in one change.
const BATCH: u32 = 200;
/// How many such changes one request makes.
const BATCHES: usize = 50;

/// Which sessions are asked for: those that pass every filter that is given.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Whose.
    pub user: Option<UserId>,
    /// Opened from this address.
    pub ip: Option<IpAddr>,
    /// Of this transport.
    pub transport: Option<Transport>,
    /// Only open ones, or only those that have ended.
    pub is_open: Option<bool>,
}

/// Where a list of sessions goes on. Opaque: it is given back as it was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCursor(Place);

impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0.session.as_bytes().to_vec();
        bytes.extend(self.0.ended_at.into_iter().flat_map(|at| at.micros().to_be_bytes()));
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for SessionCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let (session, end) = bytes.split_first_chunk::<16>().ok_or(InvalidCursor)?;
        let ended_at = match end {
            [] => None,
            end => Some(i64::from_be_bytes(end.try_into().map_err(|_| InvalidCursor)?)),
        };
        let ended_at = ended_at.map(Timestamp::from_micros);
        Ok(Self(Place { session: SessionId::from_bytes(*session), ended_at }))
    }
}

impl serde::Serialize for SessionCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Some sessions: the newest first, or where only those that ended are asked for, by when they did.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SessionList {
    /// The sessions.
    pub sessions: Vec<SessionView>,
    /// Where the list goes on; `None` at its end. A list may be short, or empty, and still go on: one
    /// answer looks at a bounded number of sessions.
    #[schema(value_type = Option<String>, required)]
    pub next_cursor: Option<SessionCursor>,
}

/// A session, as administrators see it in a list.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[schema(as = ListedSession)]
pub struct SessionView {
    /// The session.
    #[schema(value_type = Id)]
    pub id: SessionId,
    /// Whose it is.
    #[schema(value_type = Id)]
    pub user_id: UserId,
    /// The address of that account.
    pub email: String,
    /// `open`, `ended`, `expired` or `idle`.
    pub state: &'static str,
    /// How its tokens travel.
    #[schema(value_type = schema::Transport)]
    pub transport: &'static str,
    /// What it is called for people.
    pub device: String,
    /// The address it was opened from.
    pub ip_address: String,
    /// The user agent it was opened by.
    pub user_agent: String,
    /// When it was opened.
    #[schema(value_type = Moment)]
    pub created_at: Timestamp,
    /// When its person last did something with it.
    #[schema(value_type = Option<Moment>, required)]
    pub last_active_at: Option<Timestamp>,
    /// When it ends if nothing further happens; `None` for one that is over.
    #[schema(value_type = Option<Moment>, required)]
    pub expires_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<Moment>, required)]
    pub ended_at: Option<Timestamp>,
    /// Why.
    #[schema(required)]
    pub end_reason: Option<&'static str>,
}

/// What came of ending the sessions of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct EndedSessions {
    /// How many ended.
    pub revoked: usize,
    /// Whether there are more than one request ends: ask again.
    pub more: bool,
}

impl Keyward {
    /// Some sessions of everybody, from `cursor` on; at most `limit`, and at most 200. Those that
    /// ended are there as long as their record is kept.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn all_sessions(
        &self,
        filter: SessionFilter,
        limit: u32,
        cursor: Option<SessionCursor>,
    ) -> Result<SessionList, Error> {
        self.engine.all_sessions(filter, limit, cursor).await
    }
}

impl Engine {
    pub(crate) async fn all_sessions(
        &self,
        filter: SessionFilter,
        limit: u32,
        cursor: Option<SessionCursor>,
    ) -> Result<SessionList, Error> {
        let now = self.clock.now();
        let open_alone = filter.is_open == Some(true);
        let search = search(filter, limit.clamp(1, MOST_SESSIONS), cursor.map(|cursor| cursor.0));
        let page = self.store.all_sessions(&search).await?;
        let sessions = page.sessions.into_iter().map(|(session, email)| self.listed(session, email, now));
        Ok(SessionList {
            // What is over for want of activity or of a refresh is swept some minutes later.
            sessions: sessions.filter(|session| !open_alone || session.state == "open").collect(),
            next_cursor: page.next.map(SessionCursor),
        })
    }

    /// Ends the open sessions that pass a filter, each with an event of its own, but never `except`.
    /// A bounded number of them: `more` says that there are others.
    pub(crate) async fn end_where(
        &self,
        filter: SessionFilter,
        except: Option<SessionId>,
        client: &Client,
    ) -> Result<EndedSessions, Error> {
        let filter = SessionFilter { is_open: Some(true), ..filter };
        let mut ended = EndedSessions { revoked: 0, more: true };
        let mut before = None;
        let mut lost = 0;
        for _ in 0..BATCHES + ATTEMPTS {
            if ended.revoked >= BATCHES * usize::try_from(BATCH).unwrap_or(1) || lost >= ATTEMPTS {
                return Ok(ended);
            }
            let page = self.store.all_sessions(&search(filter.clone(), BATCH, before)).await?;
            let mut change = Change::default();
            let now = self.clock.now();
            let end = End { at: now, why: EndReason::Revoked };
            for (session, _) in page.sessions.iter().filter(|(session, _)| Some(session.id) != except) {
                let event = self.event(EventType::SessionRevoked, client, now);
                let mut event = event.in_session(session.id).saying("why", end.why.as_str());
                event.user = Some(session.user);
                change.writes.push(self.end(session.id, end));
                change.events.push(event);
            }
            let count = change.writes.len();
            if count > 0 && self.decided(change).await?.is_none() {
                // One of them ended meanwhile: what is still open is looked for again.
                lost += 1;
                continue;
            }
            ended.revoked += count;
            before = page.next;
            if before.is_none() {
                return Ok(EndedSessions { more: false, ..ended });
            }
        }
        Ok(ended)
    }

    fn listed(&self, session: Session, email: String, now: Timestamp) -> SessionView {
        let policy = &self.settings.policy;
        let session = self.with_notes(session);
        let refusal = session.over(true, now, policy);
        let progress = session.progress.filter(|_| refusal.is_none());
        SessionView {
            state: match refusal {
                None => "open",
                Some(Refusal::Idle) => "idle",
                Some(Refusal::Expired) => "expired",
                Some(Refusal::Ended(_) | Refusal::Inactive) => "ended",
            },
            id: session.id,
            user_id: session.user,
            email,
            transport: session.transport.as_str(),
            device: device(&session.user_agent),
            created_at: session.opened_at,
            last_active_at: session.progress.or(session.resting).map(|known| known.last_active_at),
            expires_at: progress.map(|progress| {
                session.end_of_access(&progress, policy).min(refresh_expires_at(&session, &progress, policy))
            }),
            ended_at: session.ended.map(|end| end.at),
            end_reason: session.ended.map(|end| end.why.as_str()),
            ip_address: session.ip,
            user_agent: session.user_agent,
        }
    }
}

fn search(filter: SessionFilter, limit: u32, before: Option<Place>) -> SessionSearch {
    let SessionFilter { user, ip, transport, is_open } = filter;
    let ip = ip.map(|ip| ip.to_canonical().to_string());
    SessionSearch { user, ip, transport, is_open, before, limit, scan: SCAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_given_back_as_it_was_given_out() {
        let session = SessionId::from_bytes([200; 16]);
        for ended_at in [None, Some(Timestamp::from_micros(-7)), Some(Timestamp::from_micros(i64::MAX))] {
            let cursor = SessionCursor(Place { session, ended_at });
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let cursor = SessionCursor(Place { session, ended_at: None }).to_string();
        for bad in ["", "x", "AAAA", &format!("{cursor}A"), &format!("{cursor}AAAA"), &format!("{cursor}=")] {
            assert_eq!(bad.parse::<SessionCursor>(), Err(InvalidCursor), "{bad}");
        }
    }
}
