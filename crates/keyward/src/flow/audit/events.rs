//! What happened, to whom, from where, and what of it is suspicious?

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_core::event::{EventType, Recorded};
use keyward_core::id::{EventId, SessionId, UserId};
use keyward_core::throttle::Network;
use keyward_core::time::Timestamp;
use serde_json::{Map, Value};

use crate::Keyward;
use crate::engine::Engine;
use crate::error::Error;
use crate::schema::{Id, Moment};
use crate::store::trail::{EventQuery, Suspect, Suspects, Suspicion, SuspicionKind};

/// How many events one list has at most.
pub const MOST_EVENTS: u32 = 200;
/// How many events a list has unless told otherwise.
pub const EVENTS: u32 = 50;
/// How far back findings are looked for.
pub const WINDOWS: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(90 * 86_400);
/// How far back they are looked for unless told otherwise.
pub const WINDOW: Duration = Duration::from_secs(60 * 60);
/// From how many on something is a finding, unless told otherwise.
pub const THRESHOLD: u64 = 10;
/// The highest threshold.
pub const MOST_THRESHOLD: u64 = 1_000_000;
/// How many findings of a kind are told at most.
const FINDINGS: u32 = 100;
/// How many events of a kind are looked at for findings, the newest first.
const LOOKED_AT: u32 = 250_000;

/// Which events are asked for: those that pass every filter that is given.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// To whose account.
    pub user: Option<UserId>,
    /// To which session.
    pub session: Option<SessionId>,
    /// What happened.
    pub kind: Option<EventType>,
    /// Whether the one who asked got what they asked for.
    pub success: Option<bool>,
    /// From where.
    pub from: Option<Place>,
    /// At this moment or later.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// From where something was asked: an address, or an IPv6 network of /64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    network: String,
    ip: Option<String>,
}

/// A text that is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPlace;

impl fmt::Display for InvalidPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an IP address, such as 203.0.113.7, 2001:db8::1 or 2001:db8::/64")
    }
}

impl std::error::Error for InvalidPlace {}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let (address, whole) = match text.strip_suffix("/64") {
            Some(address) => (address, true),
            None => (text, false),
        };
        let ip = address.parse::<IpAddr>().map_err(|_| InvalidPlace)?.to_canonical();
        let network = Network::of(ip).to_string();
        if whole && ip.is_ipv4() {
            return Err(InvalidPlace);
        }
        Ok(Self { network, ip: (ip.is_ipv6() && !whole).then(|| ip.to_string()) })
    }
}

/// Where a list goes on. Opaque: it is given back as it was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(EventId);

/// A text that no list gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidCursor;

impl fmt::Display for InvalidCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a cursor; give back next_cursor as it was given out")
    }
}

impl std::error::Error for InvalidCursor {}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        Ok(Self(EventId::from_bytes(bytes.try_into().map_err(|_| InvalidCursor)?)))
    }
}

impl serde::Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An event, as it is told.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its name; names sort by time.
    #[schema(value_type = Id)]
    pub id: EventId,
    /// To whose account.
    #[schema(value_type = Option<Id>, required)]
    pub user_id: Option<UserId>,
    /// To which session.
    #[schema(value_type = Option<Id>, required)]
    pub session_id: Option<SessionId>,
    /// What happened.
    pub event_type: &'static str,
    /// From which address.
    #[schema(required)]
    pub ip_address: Option<String>,
    /// By which user agent.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// Whether the one who asked got what they asked for.
    pub success: bool,
    /// Why not.
    #[schema(required)]
    pub failure_reason: Option<String>,
    /// When.
    #[schema(value_type = Moment)]
    pub created_at: Timestamp,
    /// What else is worth knowing: `count` where events alike are counted into one, and with it
    /// when the last of them was.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
}

impl From<Recorded> for EventView {
    fn from(row: Recorded) -> Self {
        let Recorded { event, count, last_at, .. } = row;
        let mut details = event.details;
        if let Some(last_at) = last_at {
            details.insert("count".to_owned(), count.into());
            details.insert("last_at".to_owned(), last_at.to_string().into());
        }
        Self {
            id: event.id,
            user_id: event.user,
            session_id: event.session,
            event_type: event.kind.as_str(),
            ip_address: event.ip,
            user_agent: event.user_agent,
            success: event.success,
            failure_reason: event.reason,
            created_at: event.at,
            details,
        }
    }
}

/// Some events, the newest first.
#[derive(Debug, Clone, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct EventList {
    /// The events.
    pub events: Vec<EventView>,
    /// Where the list goes on; `None` at its end. Where several filters are given a list may be
    /// short, or empty, and still go on: one answer looks at a bounded number of events.
    #[schema(value_type = Option<String>, required)]
    pub next_cursor: Option<Cursor>,
}

/// What is suspicious.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Findings {
    /// Of each kind the largest first.
    pub findings: Vec<Suspect>,
    /// From when on every event was looked at. Where there are too many of them in the window for
    /// one answer it is later than the window's beginning, and the counts are of what came since.
    #[schema(value_type = Moment)]
    pub since: Timestamp,
}

impl Keyward {
    /// Some events, the newest first, from `cursor` on; at most `limit`, and at most 200. What is
    /// added meanwhile moves nothing of a list that goes on.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn events(
        &self,
        filter: EventFilter,
        limit: u32,
        cursor: Option<Cursor>,
    ) -> Result<EventList, Error> {
        self.engine.events(filter, limit, cursor).await
    }

    /// What is suspicious among the events of the last `window`: everything that happened at least
    /// `threshold` times, and each copied refresh token.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn suspicious(&self, window: Duration, threshold: u64) -> Result<Findings, Error> {
        self.engine.suspicious(window, threshold).await
    }

    /// The same of one kind.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn suspicious_of(
        &self,
        kind: SuspicionKind,
        window: Duration,
        threshold: u64,
    ) -> Result<Findings, Error> {
        self.engine.suspicious_of(kind, window, threshold).await
    }
}

impl Engine {
    pub(crate) async fn events(
        &self,
        filter: EventFilter,
        limit: u32,
        cursor: Option<Cursor>,
    ) -> Result<EventList, Error> {
        let EventFilter { user, session, kind, success, from, since, until } = filter;
        let (network, ip) = from.map_or((None, None), |from| (Some(from.network), from.ip));
        let limit = limit.clamp(1, MOST_EVENTS);
        let before = cursor.map(|cursor| cursor.0);
        let query = EventQuery { session, user, network, ip, kind, success, since, until, before, limit };
        let page = self.store.events(query).await?;
        Ok(EventList {
            events: page.events.into_iter().map(EventView::from).collect(),
            next_cursor: page.next.map(Cursor),
        })
    }

    /// The events of a person's own account, without what others did from elsewhere.
    pub(crate) async fn own_events(
        &self,
        user: UserId,
        limit: u32,
        cursor: Option<Cursor>,
    ) -> Result<EventList, Error> {
        let filter = EventFilter { user: Some(user), ..EventFilter::default() };
        let mut list = self.events(filter, limit, cursor).await?;
        for event in &mut list.events {
            let operator = event.user_agent.as_deref() == Some(crate::client::OPERATOR);
            if event.details.remove("by").is_some() || operator {
                (event.ip_address, event.user_agent) = (None, None);
                event.details.insert("by".to_owned(), "an administrator".into());
            }
        }
        Ok(list)
    }

    pub(crate) async fn suspicious(&self, window: Duration, threshold: u64) -> Result<Findings, Error> {
        let mut all = Findings { findings: Vec::new(), since: Timestamp::default() };
        for kind in SuspicionKind::ALL {
            let Findings { findings, since } = self.suspicious_of(kind, window, threshold).await?;
            all.findings.extend(findings);
            all.since = all.since.max(since);
        }
        Ok(all)
    }

    /// What is suspicious, for a look at how things are: within a day, but for many accounts from one
    /// address, for which every login has to be counted: within an hour.
    pub(crate) async fn suspicious_lately(&self, threshold: u64) -> Result<Vec<Suspect>, Error> {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        let mut all = Vec::new();
        for kind in SuspicionKind::ALL {
            let window = if kind == SuspicionKind::AccountsPerIp { HOUR } else { HOUR * 24 };
            all.extend(self.suspicious_of(kind, window, threshold).await?.findings);
        }
        Ok(all)
    }

    async fn suspicious_of(
        &self,
        kind: SuspicionKind,
        window: Duration,
        threshold: u64,
    ) -> Result<Findings, Error> {
        let since = self.clock.now().before(window);
        // One copied token is one too many.
        let threshold = if kind == SuspicionKind::RefreshReuse { 1 } else { threshold };
        let ask = Suspicion { kind, since, threshold, limit: FINDINGS, examined: LOOKED_AT };
        let Suspects { found: findings, since } = self.store.suspicious(ask).await?;
        Ok(Findings { findings, since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_or_a_network() {
        let place = |text: &str| text.parse::<Place>().map(|from| (from.network, from.ip));
        let of = |network: &str, ip: Option<&str>| Ok((network.to_owned(), ip.map(str::to_owned)));
        assert_eq!(place("203.0.113.7"), of("203.0.113.7", None));
        assert_eq!(place("::ffff:203.0.113.7"), of("203.0.113.7", None));
        assert_eq!(place("2001:DB8:0:1::7"), of("2001:db8:0:1::/64", Some("2001:db8:0:1::7")));
        assert_eq!(place("2001:db8:0:1::/64"), of("2001:db8:0:1::/64", None));
        for bad in ["", "203.0.113.0/64", "203.0.113.0/24", "example.com", "2001:db8::/48", "1.2.3", "::1 "] {
            assert_eq!(place(bad), Err(InvalidPlace), "{bad}");
        }
    }

    #[test]
    fn a_cursor_is_given_back_as_it_was_given_out() {
        let cursor = Cursor(EventId::new(Timestamp::from_seconds(1_800_000_000), [200; 10]));
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "x", "AAAA", &format!("{cursor}A"), &format!("{cursor}=")] {
            assert_eq!(bad.parse::<Cursor>(), Err(InvalidCursor), "{bad}");
        }
    }
}
