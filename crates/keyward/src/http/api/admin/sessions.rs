//! `GET|DELETE /api/admin/sessions`, `GET|DELETE /api/admin/sessions/{id}`: which sessions are there, of
//! everybody, and why is one in its state?

use std::net::IpAddr;

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;
use keyward_core::session::Transport;

use crate::error::{Denied, Error, FieldError};
use crate::flow::audit::explain::SessionStory;
use crate::flow::explorer::{EndedSessions, MOST_SESSIONS, SESSIONS, SessionFilter, SessionList};
use crate::http::body::Fields;
use crate::http::operation::{CURSOR, Field, LIMIT, Operation, Told};
use crate::http::query::Query;
use crate::http::{Answer, Call, json, no_content};

const USER: Field = Field::id("user_id", "Whose").optional();
const TRANSPORT: Field =
    Field::one_of("transport", "How their tokens travel", &["cookie", "bearer"]).optional();
const ADDRESS: Field =
    Field::text("ip_address", "From which address they were opened", "203.0.113.7").optional();

pub(crate) const LIST: Operation = Operation {
    summary: "Which sessions there are, of everybody",
    about: "The newest first; with `state=ended` by when they ended. One that ended is there, with the reason, until \
        none of its tokens could be good any more. Where several filters are given a list may be short, or empty, \
        and still go on.",
    query: &[
        USER,
        TRANSPORT,
        ADDRESS,
        Field::one_of("state", "Whether they are open", &["open", "ended"]).optional(),
        LIMIT,
        CURSOR,
    ],
    answers: &[Told::json::<SessionList>(200, "Some sessions")],
    refuses: &[Denial::ValidationFailed],
    ..Operation::NONE
};

pub(crate) async fn list(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let filter = SessionFilter { is_open: query.read("state", is_open), ..filter(&mut query) };
    let (limit, cursor) = (limit(&mut query), query.parsed("cursor"));
    query.finish()?;
    Ok(json(StatusCode::OK, &call.engine.all_sessions(filter, limit, cursor).await?))
}

pub(crate) const DELETE_ALL: Operation = Operation {
    summary: "End the open sessions of a user or from an address",
    about: "Every one that passes all the filters that are given, each with an event of its own; never the one that \
        asks. `user_id` or `ip_address` has to be given. Where there are more than one request ends, `more` says so: \
        ask again.",
    query: &[USER, TRANSPORT, ADDRESS],
    answers: &[Told::json::<EndedSessions>(200, "How many ended")],
    refuses: &[Denial::ValidationFailed],
    ..Operation::NONE
};

pub(crate) async fn delete_all(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let mut query = Query::of(&call.uri);
    let filter = filter(&mut query);
    query.finish()?;
    if filter.user.is_none() && filter.ip.is_none() {
        let message = "give ip_address or user_id: this ends everything that passes";
        return Err(Denied::invalid(vec![FieldError::new("ip_address", message)]).into());
    }
    Ok(json(StatusCode::OK, &call.engine.end_where(filter, call.session(), &call.client()).await?))
}

pub(crate) const GET: Operation = Operation {
    summary: "The life of a session",
    about: "Why it is in its state, in sentences: every rotation that was refused, by whom, with the reason.",
    answers: &[Told::json::<SessionStory>(
        200,
        "Its life, as long as its record or any of its events is kept",
    )],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    Ok(json(StatusCode::OK, &call.engine.explain_session(session(&call)?).await?))
}

pub(crate) const DELETE: Operation =
    Operation { summary: "End a session", answers: &[Told::nothing(204, "Ended")], ..Operation::NONE };

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    call.engine.end_any(session(&call)?, &call.client()).await?;
    Ok(no_content())
}

/// The session that the path names.
pub(crate) fn session(call: &Call) -> Result<SessionId, Error> {
    call.param("id")?.parse().map_err(|_| Denial::NotFound.into())
}

/// Whose sessions, of which transport and from where.
pub(crate) fn filter(query: &mut Query<'_>) -> SessionFilter {
    SessionFilter {
        user: query.parsed("user_id"),
        transport: query.read("transport", |text| {
            Transport::parse(text).ok_or_else(|| "this has to be cookie or bearer".to_owned())
        }),
        ip: query.read("ip_address", |text| {
            let address = text.parse::<IpAddr>();
            address.map_err(|_| "not an IP address, such as 203.0.113.7 or 2001:db8::1".to_owned())
        }),
        is_open: None,
    }
}

/// Whether open ones are asked for, or those that ended.
pub(crate) fn is_open(text: &str) -> Result<bool, String> {
    match text {
        "open" => Ok(true),
        "ended" => Ok(false),
        _ => Err("this has to be open or ended".to_owned()),
    }
}

fn limit(query: &mut Query<'_>) -> u32 {
    let limit = query.number("limit", 1..=u64::from(MOST_SESSIONS));
    limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(SESSIONS)
}
