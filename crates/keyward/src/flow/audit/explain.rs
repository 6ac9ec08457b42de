//! What happened to this session, and why did it end? Told in sentences that can be read out.

mod words;

use keyward_core::account::Account;
use keyward_core::denial::Denial;
use keyward_core::event::{Event, EventType, Recorded};
use keyward_core::id::{SessionId, UserId};
use keyward_core::session::{End, EndReason, Refusal, Session};
use keyward_core::time::Timestamp;

use super::events::EventView;
use crate::Keyward;
use crate::client::device;
use crate::engine::Engine;
use crate::error::Error;
use crate::schema::{Id, Moment};
use crate::store::Name;
use crate::store::trail::EventQuery;

/// How many of a session's own events are told, the newest.
const OWN: u32 = 500;
/// How many events of one type are looked at for the one that ended a session from outside.
const ENDINGS: u32 = 1_000;

/// The life of a session, and the reason of its end.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SessionStory {
    /// The session as it is.
    pub session: SessionState,
    /// Why it is in this state, in sentences.
    pub explanation: Vec<String>,
    /// What happened to it, in order, each with a sentence.
    pub history: Vec<Happening>,
}

/// A session as it is. Where its record is forgotten only what its events tell is known.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SessionState {
    /// The session.
    #[schema(value_type = Id)]
    pub id: SessionId,
    /// Whose it is.
    #[schema(value_type = Option<Id>, required)]
    pub user_id: Option<UserId>,
    /// The address of that account, where it is there.
    #[schema(required)]
    pub email: Option<String>,
    /// `open`, `ended`, `expired`, `idle`, `account_inactive`, or `forgotten`.
    pub state: &'static str,
    /// How its tokens travel.
    #[schema(required)]
    pub transport: Option<String>,
    /// What it is called for people.
    #[schema(required)]
    pub device: Option<String>,
    /// The address it was opened from.
    #[schema(required)]
    pub ip_address: Option<String>,
    /// The user agent it was opened by.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// When it was opened.
    #[schema(value_type = Option<Moment>, required)]
    pub created_at: Option<Timestamp>,
    /// When its person last proved who they are.
    #[schema(value_type = Option<Moment>, required)]
    pub auth_time: Option<Timestamp>,
    /// When its person last did something with it.
    #[schema(value_type = Option<Moment>, required)]
    pub last_active_at: Option<Timestamp>,
    /// The generation of its newest refresh token.
    #[schema(required)]
    pub generation: Option<u64>,
    /// When that was made.
    #[schema(value_type = Option<Moment>, required)]
    pub refreshed_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<Moment>, required)]
    pub ended_at: Option<Timestamp>,
    /// Why.
    #[schema(required)]
    pub end_reason: Option<&'static str>,
    /// When it ends for want of activity.
    #[schema(value_type = Option<Moment>, required)]
    pub idle_expires_at: Option<Timestamp>,
    /// When it ends for want of a refresh.
    #[schema(value_type = Option<Moment>, required)]
    pub refresh_expires_at: Option<Timestamp>,
    /// When it ends, whatever happens.
    #[schema(value_type = Option<Moment>, required)]
    pub absolute_expires_at: Option<Timestamp>,
}

/// Something that happened to a session.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Happening {
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
    /// The same in words.
    pub text: String,
}

impl Keyward {
    /// The life of a session and the reason of its end, as long as its record or any of its events
    /// is kept.
    ///
    /// # Errors
    /// `not_found` where there is neither.
    pub async fn explain_session(&self, session: SessionId) -> Result<SessionStory, Error> {
        self.engine.explain_session(session).await
    }
}

/// Everything that is known of a session.
struct Known<'a> {
    id: SessionId,
    session: Option<&'a Session>,
    account: Option<&'a Account>,
    /// Its own events, in order.
    events: &'a [Recorded],
    /// The event that tells its end, which may be about all sessions of its person, or of everybody.
    ending: Option<&'a Recorded>,
}

impl Engine {
    pub(crate) async fn explain_session(&self, id: SessionId) -> Result<SessionStory, Error> {
        let loaded = self.store.session(id).await?;
        let query = EventQuery { session: Some(id), limit: OWN, ..EventQuery::default() };
        let mut events = self.store.events(query).await?.events;
        events.reverse();
        let (session, account) = match loaded {
            Some(loaded) => (Some(self.with_notes(loaded.session)), Some(loaded.account)),
            None => (None, None),
        };
        let user = session.as_ref().map(|session| session.user);
        let Some(user) = user.or_else(|| events.iter().find_map(|row| row.event.user)) else {
            // A token that tells of a session leaves an event also where nothing else is left.
            return if events.is_empty() { Err(Denial::NotFound.into()) } else { Ok(self.tell(id, &events)) };
        };
        let account = match account {
            Some(account) => Some(account),
            None => self.store.account(&Name::Id(user)).await?,
        };
        let ending = self.ending(user, id, session.as_ref(), &events).await?;
        let known = Known {
            id,
            session: session.as_ref(),
            account: account.as_ref(),
            events: &events,
            ending: ending.as_ref(),
        };
        Ok(self.story(&known))
    }

    /// The story of a session of which only its own events are known.
    fn tell(&self, id: SessionId, events: &[Recorded]) -> SessionStory {
        self.story(&Known { id, session: None, account: None, events, ending: None })
    }

    /// The event that tells the end of a session.
    async fn ending(
        &self,
        user: UserId,
        id: SessionId,
        session: Option<&Session>,
        events: &[Recorded],
    ) -> Result<Option<Recorded>, Error> {
        let end = session.and_then(|session| session.ended);
        let own = events.iter().rev().find(|row| is_own_ending(&row.event));
        if own.is_some() || (session.is_some() && end.is_none()) {
            return Ok(own.cloned());
        }
        // Without its record: the first one after it was opened that it can't have outlived.
        let opened_at = id.made_at();
        let (since, until) = match end {
            Some(End { at, .. }) => (at, at.after(std::time::Duration::from_millis(1))),
            None => (opened_at, opened_at.after(self.settings.policy.absolute_ttl)),
        };
        let mut first: Option<Recorded> = None;
        for kind in FROM_OUTSIDE {
            let users: &[Option<UserId>] =
                if kind == EventType::SessionRevoked { &[Some(user), None] } else { &[Some(user)] };
            for user in users {
                let query = EventQuery {
                    user: *user,
                    kind: Some(kind),
                    since: Some(since),
                    until: Some(until),
                    limit: ENDINGS,
                    ..EventQuery::default()
                };
                let found = self.store.events(query).await?.events;
                let ends = |row: &Recorded| row.event.user == *user && ends_from_outside(&row.event, id);
                let earliest = found.into_iter().filter(ends).min_by_key(|row| row.event.id);
                first = earliest.into_iter().chain(first).min_by_key(|row| row.event.id);
            }
        }
        Ok(first)
    }

    fn story(&self, known: &Known<'_>) -> SessionStory {
        let now = self.clock.now();
        let policy = &self.settings.policy;
        let refusal = known.session.and_then(|session| {
            session.over(known.account.is_some_and(|account| account.is_active), now, policy)
        });
        let state = self.state(known, refusal);
        let mut history: Vec<&Recorded> = known.events.iter().collect();
        history.extend(known.ending.filter(|ending| !known.events.iter().any(|row| row == *ending)));
        history.sort_by_key(|row| row.event.id);
        SessionStory {
            explanation: words::explanation(known, &state, refusal, policy),
            history: history
                .into_iter()
                .map(|row| Happening { text: words::sentence(row, known.id), event: row.clone().into() })
                .collect(),
            session: state,
        }
    }

    fn state(&self, known: &Known<'_>, refusal: Option<Refusal>) -> SessionState {
        let policy = &self.settings.policy;
        let session = known.session;
        let progress = session.and_then(|session| session.progress);
        let opening = known.events.iter().map(|row| &row.event).find(|event| is_opening(event));
        let ending = known.ending.map(|row| &row.event);
        let ended = session.and_then(|session| session.ended);
        let user_agent = session
            .map(|session| session.user_agent.clone())
            .or_else(|| opening.and_then(|event| event.user_agent.clone()));
        let by_event = ending.filter(|_| session.is_none());
        SessionState {
            id: known.id,
            user_id: session
                .map(|session| session.user)
                .or_else(|| known.events.iter().find_map(|row| row.event.user)),
            email: known.account.map(|account| account.email.to_string()),
            state: match (session, refusal) {
                (None, _) => "forgotten",
                (Some(_), None) => "open",
                (_, Some(Refusal::Inactive)) if ended.is_none() => "account_inactive",
                (_, Some(Refusal::Inactive | Refusal::Ended(_))) => "ended",
                (_, Some(Refusal::Expired)) => "expired",
                (_, Some(Refusal::Idle)) => "idle",
            },
            transport: session.map(|session| session.transport.as_str().to_owned()).or_else(|| {
                opening.and_then(|event| event.details.get("transport")?.as_str().map(str::to_owned))
            }),
            device: user_agent.as_deref().map(device),
            ip_address: session
                .map(|session| session.ip.clone())
                .or_else(|| opening.and_then(|event| event.ip.clone())),
            user_agent,
            created_at: session.map(|session| session.opened_at).or(opening.map(|event| event.at)),
            auth_time: session.map(|session| session.auth_time),
            last_active_at: progress.map(|progress| progress.last_active_at),
            generation: progress.map(|progress| progress.newest),
            refreshed_at: progress.map(|progress| progress.made_at),
            ended_at: ended.map(|end| end.at).or(by_event.map(|event| event.at)),
            end_reason: ended
                .map(|end| end.why)
                .or_else(|| by_event.and_then(reason_of))
                .map(EndReason::as_str),
            idle_expires_at: session
                .zip(progress.as_ref())
                .and_then(|(session, progress)| session.idle_deadline(progress, policy)),
            refresh_expires_at: progress.map(|progress| progress.refresh_deadline(policy)),
            absolute_expires_at: session.map(|session| session.absolute_deadline(policy)),
        }
    }
}

/// What ends sessions without naming each of them.
const FROM_OUTSIDE: [EventType; 6] = [
    EventType::LogoutAll,
    EventType::PasswordChanged,
    EventType::PasswordReset,
    EventType::UserDeactivated,
    EventType::UserDeleted,
    EventType::SessionRevoked,
];

fn is_opening(event: &Event) -> bool {
    matches!(event.kind, EventType::Login | EventType::Signup) && !event.details.contains_key("again")
}

/// Whether it tells the end of the session that it names.
fn is_own_ending(event: &Event) -> bool {
    use EventType::{Logout, LogoutAll, RefreshReused, SessionIdle, SessionRevoked};
    matches!(event.kind, Logout | LogoutAll | RefreshReused | SessionIdle | SessionRevoked)
}

/// Whether it ended this session among others. A change of password keeps the session it was made in.
fn ends_from_outside(event: &Event, session: SessionId) -> bool {
    match event.kind {
        EventType::SessionRevoked => event.session.is_none(),
        EventType::LogoutAll => true,
        _ => event.session != Some(session),
    }
}

/// Why a session ended that this event tells the end of.
fn reason_of(event: &Event) -> Option<EndReason> {
    let why = || EndReason::parse(event.details.get("why")?.as_str()?);
    Some(match event.kind {
        EventType::Logout => EndReason::Logout,
        EventType::LogoutAll => EndReason::LogoutAll,
        EventType::RefreshReused => EndReason::Theft,
        EventType::SessionIdle => EndReason::Idle,
        EventType::PasswordChanged | EventType::PasswordReset => EndReason::PasswordChanged,
        EventType::UserDeactivated => EndReason::Deactivated,
        EventType::UserDeleted => EndReason::Revoked,
        EventType::SessionRevoked => why().unwrap_or(EndReason::Revoked),
        _ => return None,
    })
}
