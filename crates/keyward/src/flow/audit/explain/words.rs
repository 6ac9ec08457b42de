//! What is said of each thing that can happen to a session?

use std::time::Duration;

use keyward_core::denial::Denial;
use keyward_core::event::{Event, EventType, Recorded};
use keyward_core::id::SessionId;
use keyward_core::policy::Policy;
use keyward_core::session::{EndReason, Refusal, Session};
use keyward_core::throttle::Throttle;
use serde_json::Value;

use super::{Known, SessionState, is_opening, reason_of};
use crate::client::{OPERATOR, device};

/// Why a session is in its state.
pub(super) fn explanation(
    known: &Known<'_>,
    state: &SessionState,
    refusal: Option<Refusal>,
    policy: &Policy,
) -> Vec<String> {
    let mut said = vec![opening(known, state)];
    said.extend(known.events.iter().filter(|row| is_worth_telling(row)).map(|row| sentence(row, known.id)));
    let reason = known.session.and_then(|session| session.ended).map(|end| end.why);
    match (known.session, refusal) {
        (None, _) => said.extend(forgotten(known)),
        (Some(session), None) => said.push(open(session, policy)),
        (Some(_), Some(Refusal::Ended(_) | Refusal::Inactive)) if reason.is_some() => {
            said.extend(ended(known, state, reason.unwrap_or(EndReason::Revoked), policy));
        }
        (Some(_), Some(Refusal::Inactive)) => {
            said.push("It brings nothing: the account is deactivated.".to_owned());
        }
        (Some(session), Some(Refusal::Expired)) => said.push(expired(session, policy)),
        (Some(session), Some(Refusal::Idle | Refusal::Ended(_))) => said.push(idle(session, policy)),
    }
    said
}

/// One event in words.
pub(super) fn sentence(row: &Recorded, session: SessionId) -> String {
    let event = &row.event;
    let (at, from) = (event.at, whence(event));
    let again = event.details.contains_key("again");
    let times = match (row.count, row.last_at) {
        (0 | 1, _) | (_, None) => String::new(),
        (count, Some(last_at)) => format!(" {count} times until {last_at}"),
    };
    let reason = event.reason.as_deref().map_or("no reason is known", reason_in_words);
    match event.kind {
        EventType::Login if again => format!("{at}: the person proved again who they are, {from}."),
        EventType::Login => format!("{at}: it was opened by a login {from}."),
        EventType::Signup => format!("{at}: it was opened by a signup {from}."),
        EventType::LoginFailed => {
            let what = match event.details.get("at").and_then(Value::as_str) {
                Some("change") => "for a change of password",
                _ => "to prove again who they are",
            };
            format!("{at}: a wrong password was given{times} {what}, {from}.")
        }
        EventType::Refresh => format!("{at}: it was refreshed {from}."),
        EventType::RefreshFailed => format!("{at}: a refresh {from} was refused{times}: {reason}."),
        EventType::RefreshForgiven => format!(
            "{at}: the answer to a refresh had been lost; asked again {from}, and it went on with a new token."
        ),
        EventType::RefreshReused => format!("{at}: a copy of one of its tokens was presented {from}."),
        EventType::RateLimited => {
            let limit = event.details.get("limit").and_then(Value::as_str);
            let what = if limit == Some(Throttle::Refresh.as_str()) { "refreshes" } else { "passwords" };
            format!("{at}: too many {what} in too short a time {from} were refused{times}.")
        }
        EventType::PasswordChanged if event.session == Some(session) => {
            format!("{at}: the password was changed in this session, {from}; every other session ended.")
        }
        kind => match reason_of(event) {
            Some(reason) => format!("{at}: it ended: {}.", because(reason, event)),
            None => format!("{at}: {} {from}.", kind.as_str()),
        },
    }
}

/// What tells more than that the session was used.
fn is_worth_telling(row: &Recorded) -> bool {
    use EventType::{LoginFailed, RateLimited, RefreshFailed, RefreshForgiven};
    matches!(row.event.kind, LoginFailed | RateLimited | RefreshFailed | RefreshForgiven)
}

fn opening(known: &Known<'_>, state: &SessionState) -> String {
    let who = match (&state.email, state.user_id) {
        (Some(email), _) => email.clone(),
        (None, Some(user)) => format!("User {user} (whose account is not there any more)"),
        (None, None) => "Somebody".to_owned(),
    };
    let Some(at) = state.created_at else {
        return format!("Session {}: how it was opened is not known any more.", state.id);
    };
    let by = known.events.iter().find(|row| is_opening(&row.event)).map(|row| row.event.kind);
    let did = if by == Some(EventType::Signup) { "signed up" } else { "signed in" };
    let place = place(state.ip_address.as_deref(), state.user_agent.as_deref());
    let how = match state.transport.as_deref() {
        Some("cookie") => " (in a browser, with cookies)",
        Some("bearer") => " (an app, with bearer tokens)",
        _ => "",
    };
    format!("{who} {did} on {at} {place}{how}.")
}

fn open(session: &Session, policy: &Policy) -> String {
    let Some(progress) = session.progress else {
        return "It is open.".to_owned();
    };
    let absolute = session.absolute_deadline(policy);
    let refresh = progress.refresh_deadline(policy);
    let idle = session.idle_deadline(&progress, policy);
    let next = idle.map_or(refresh, |idle| idle.min(refresh)).min(absolute);
    let condition = if next == absolute {
        format!(", whatever happens: it is then {} old", length(policy.absolute_ttl))
    } else if Some(next) == idle {
        format!(" unless its person does something; they last did on {}", progress.last_active_at)
    } else {
        format!(" unless it is refreshed; that last happened on {}", progress.made_at)
    };
    format!("It is open. It ends on {next}{condition}.")
}

fn ended(known: &Known<'_>, state: &SessionState, reason: EndReason, policy: &Policy) -> Vec<String> {
    let at = state.ended_at.map(|at| format!(" on {at}")).unwrap_or_default();
    let because = match (known.ending, reason) {
        (Some(row), EndReason::Theft) => return theft(&row.event, state),
        (_, EndReason::Idle) => {
            let last = state.last_active_at.map(|at| format!(" after {at}")).unwrap_or_default();
            let idle = known.session.and_then(|session| policy.idle(session.transport));
            let idle = idle.map(|idle| format!(" for {}", length(idle))).unwrap_or_default();
            format!("nobody did anything with it{idle}{last}")
        }
        (Some(row), reason) => because(reason, &row.event),
        (None, reason) => format!("{} (the event that tells by whom is past its time)", bare(reason)),
    };
    vec![format!("It ended{at}: {because}.")]
}

/// What is said of a session whose record is gone.
fn forgotten(known: &Known<'_>) -> Vec<String> {
    let Some(row) = known.ending else {
        return vec![
            "No event tells of an end: it ran out because it was not refreshed in time, and its record is \
             not kept any more."
                .to_owned(),
        ];
    };
    let reason = reason_of(&row.event).unwrap_or(EndReason::Revoked);
    let mut said = if reason == EndReason::Theft {
        let opening = known.events.iter().map(|row| &row.event).find(|event| is_opening(event));
        theft_between(&row.event, opening.map(whence))
    } else {
        vec![format!("It ended on {}: {}.", row.event.at, because(reason, &row.event))]
    };
    said.push("Its record is not kept any more; this is what its events tell.".to_owned());
    said
}

fn theft(event: &Event, state: &SessionState) -> Vec<String> {
    theft_between(event, Some(place(state.ip_address.as_deref(), state.user_agent.as_deref())))
}

fn theft_between(event: &Event, opened: Option<String>) -> Vec<String> {
    let opened = opened.map(|place| format!("The session was opened {place}. ")).unwrap_or_default();
    vec![
        format!(
            "It ended on {}: a copy of one of its tokens was noticed. {opened}The copy was presented {}.",
            event.at,
            whence(event)
        ),
        "Two had the same token, and which of them is the thief can't be told: the person should sign in \
         again, look through their devices, and change the password if one of these places is not theirs."
            .to_owned(),
    ]
}

fn expired(session: &Session, policy: &Policy) -> String {
    let absolute = session.absolute_deadline(policy);
    match session.progress {
        Some(progress) if progress.refresh_deadline(policy) < absolute => format!(
            "It ran out on {}: it was last refreshed on {}, and a refresh token is good for {}.",
            progress.refresh_deadline(policy),
            progress.made_at,
            length(policy.refresh_ttl)
        ),
        _ => {
            format!("It ran out on {absolute}: no session lasts longer than {}.", length(policy.absolute_ttl))
        }
    }
}

fn idle(session: &Session, policy: &Policy) -> String {
    let idle = policy.idle(session.transport).map(length).unwrap_or_default();
    let last =
        session.progress.map(|progress| format!(" after {}", progress.last_active_at)).unwrap_or_default();
    format!("It is over: nobody did anything with it for {idle}{last}.")
}

/// The reason of an end, with who brought it about.
fn because(reason: EndReason, event: &Event) -> String {
    let (who, from) = (actor(event), whence(event));
    match reason {
        EndReason::Logout => format!("its person signed out {from}"),
        EndReason::LogoutAll => format!("its person signed out everywhere, {from}"),
        EndReason::Revoked if event.kind == EventType::UserDeleted => {
            format!("{who} deleted the account, {from}")
        }
        EndReason::Revoked if event.session.is_some() => format!("{who} ended it, {from}"),
        EndReason::Revoked if event.user.is_some() => {
            format!("{who} ended every session of this person, {from}")
        }
        EndReason::Revoked => format!("{who} ended every session of everybody, {from}"),
        EndReason::Replaced => format!("another sign-in in the same browser took its place, {from}"),
        EndReason::TooMany => format!(
            "the account had as many sessions as it may have, and this one was the least recently active when \
             somebody signed in {from}"
        ),
        EndReason::PasswordChanged if event.kind == EventType::PasswordReset => {
            format!("the password was reset {from}")
        }
        EndReason::PasswordChanged => format!("{who} changed the password, {from}"),
        EndReason::Deactivated => format!("{who} deactivated the account, {from}"),
        EndReason::Theft => format!("a copy of one of its tokens was presented {from}"),
        EndReason::Idle => "nobody did anything with it for too long".to_owned(),
    }
}

/// The reason of an end of which no event is left.
fn bare(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Logout => "its person signed out",
        EndReason::LogoutAll => "its person signed out everywhere",
        EndReason::Revoked => "it was ended from a list of sessions",
        EndReason::Replaced => "another sign-in in the same browser took its place",
        EndReason::TooMany => "the account had more sessions than it may have",
        EndReason::PasswordChanged => "the password was changed",
        EndReason::Deactivated => "the account was deactivated",
        EndReason::Theft => "a copy of one of its tokens was presented",
        EndReason::Idle => "nobody did anything with it for too long",
    }
}

/// Who did it.
fn actor(event: &Event) -> String {
    let by = |name: &str| event.details.get("by").and_then(|by| by.get(name)?.as_str());
    match (by("user_id"), by("service_key")) {
        (Some(user), _) => format!("the administrator {user}"),
        (_, Some(key)) => format!("the service key {key:?}"),
        _ if event.user_agent.as_deref() == Some(OPERATOR) => "an operator".to_owned(),
        _ => "its person".to_owned(),
    }
}

/// From where an event came.
fn whence(event: &Event) -> String {
    place(event.ip.as_deref(), event.user_agent.as_deref())
}

fn place(ip: Option<&str>, user_agent: Option<&str>) -> String {
    let ip = ip.filter(|ip| !ip.is_empty());
    match (ip, user_agent.filter(|agent| !agent.is_empty())) {
        (None, Some(OPERATOR)) => "at the command line".to_owned(),
        (Some(ip), Some(agent)) => format!("from {ip} ({})", named(agent)),
        (Some(ip), None) => format!("from {ip}"),
        (None, Some(agent)) => format!("by {}", named(agent)),
        (None, None) => "from an address that is not known".to_owned(),
    }
}

/// What a user agent calls itself, and where that says little, its own words.
fn named(user_agent: &str) -> String {
    match device(user_agent) {
        unknown if unknown == device("") => user_agent.to_owned(),
        device => device,
    }
}

fn reason_in_words(code: &str) -> &str {
    let denial = Denial::ALL.iter().find(|denial| denial.code() == code);
    match code {
        "session_revoked" => "the session had ended",
        "refresh_token_expired" => "its time was over",
        "account_inactive" => "the account is deactivated",
        "invalid_refresh_token" => "the token came in the place of the other transport",
        _ => denial.map_or(code, |denial| denial.title()),
    }
}

fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let unit = |n: u64, name: &str| format!("{n} {name}{}", if n == 1 { "" } else { "s" });
    match seconds {
        s if s >= 2 * 86_400 && s.is_multiple_of(86_400) => unit(s / 86_400, "day"),
        s if s >= 3_600 && s.is_multiple_of(3_600) => unit(s / 3_600, "hour"),
        s if s >= 60 && s.is_multiple_of(60) => unit(s / 60, "minute"),
        s => unit(s, "second"),
    }
}
