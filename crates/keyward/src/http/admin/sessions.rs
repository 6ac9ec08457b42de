//! `GET /admin/sessions`, `GET /admin/sessions/{id}`, and the forms that end sessions.

use std::net::IpAddr;

use super::{done, frame, next_page, notice, shown};
use crate::error::{Denied, Error, FieldError};
use crate::flow::explorer::{SESSIONS, SessionFilter, SessionList};
use crate::http::api::admin::sessions::{filter, is_open, session};
use crate::http::body::Fields;
use crate::http::html::{go_on, query_field};
use crate::http::operation::{CURSOR, Field, Operation};
use crate::http::query::Query;
use crate::http::{Answer, Call};
use crate::page::admin::people::{Session, Sessions};
use crate::page::field;
use crate::page::notice::Wrong;

const HERE: &str = "/admin/sessions";

pub(crate) const GET: Operation = Operation {
    query: &[
        Field::text("user_id", "Whose", "019a9f5e-7c1b-7d3e-9a54-0d5b1c2e3f40").optional(),
        Field::text("ip_address", "From which address", "203.0.113.7").optional(),
        Field::text("state", "open or ended", "open").optional(),
        Field::text("transport", "cookie or bearer", "cookie").optional(),
        CURSOR,
    ],
    ..shown("The console: which sessions there are")
};

pub(crate) async fn list(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let asked = SessionFilter { is_open: query.read("state", is_open), ..filter(&mut query) };
    let cursor = query.parsed("cursor");
    let end_of = asked.ip.filter(|_| asked.user.is_none()).map(|ip| ip.to_string()).unwrap_or_default();
    let ended = asked.is_open == Some(false);
    let (page, denied) = match query.finish() {
        Ok(()) => (call.engine.all_sessions(asked, SESSIONS, cursor).await?, None),
        Err(Error::Denied(denied)) => (SessionList { sessions: Vec::new(), next_cursor: None }, Some(denied)),
        Err(fault) => return Err(fault),
    };
    let wrong = denied.as_ref().map(|denied| Wrong::told_by(denied)).unwrap_or_default();
    let field = |name| query_field(call.uri.query(), name).unwrap_or_default();
    let shown = Sessions {
        frame: frame(&call, "Sessions").wrong_if(!wrong.is_empty()),
        here: HERE,
        notice: notice(&call, &wrong, "The sessions are ended."),
        ip: field::Field::new("ip_address", "IP address", "text")
            .value(field("ip_address"))
            .optional()
            .judged(&wrong)
            .done(),
        state: field("state"),
        transport: field("transport"),
        user: field("user_id"),
        heading: if ended { "By when they ended" } else { "The newest first" },
        end_of,
        sessions: page.sessions,
        next: next_page(&call.uri, page.next_cursor.map(|cursor| cursor.to_string())),
    };
    match denied {
        Some(denied) => call.refusal(&denied, &shown),
        None => call.page(&shown),
    }
}

pub(crate) const ONE: Operation = shown("The console: why a session is in its state");

pub(crate) async fn get(call: Call) -> Answer {
    let story = call.engine.explain_session(session(&call)?).await?;
    call.page(&Session {
        frame: frame(&call, "Session"),
        here: HERE,
        notice: notice(&call, &Wrong::default(), "The session is ended."),
        facts: Session::facts(&story),
        moments: Session::moments(&story),
        story,
    })
}

/// `POST /admin/sessions/{id}/end`
pub(crate) mod end {
    use super::*;

    pub(crate) const POST: Operation = done("The console: end a session");

    pub(crate) async fn post(call: Call) -> Answer {
        let session = session(&call)?;
        call.engine.end_any(session, &call.client()).await?;
        go_on(&format!("{HERE}/{session}?done=1"))
    }
}

/// `POST /admin/sessions/end`
pub(crate) mod end_all {
    use super::*;

    pub(crate) const POST: Operation = Operation {
        takes: &[Field::text("ip_address", "From which address", "203.0.113.7")],
        ..done("The console: end all sessions from an address")
    };

    pub(crate) async fn post(call: Call) -> Answer {
        let mut fields = Fields::of_form(&call.headers, &call.body)?;
        let text = fields.text("ip_address");
        fields.finish()?;
        let not_one = || Denied::invalid(vec![FieldError::new("ip_address", "this is no IP address")]);
        let ip: IpAddr = text.parse().map_err(|_| not_one())?;
        let filter = SessionFilter { ip: Some(ip), ..SessionFilter::default() };
        call.engine.end_where(filter, call.session(), &call.client()).await?;
        let ip: String = form_urlencoded::byte_serialize(ip.to_string().as_bytes()).collect();
        go_on(&format!("{HERE}?ip_address={ip}&done=1"))
    }
}
