//! How is one page of everybody's sessions read, in bounded work?
//!
//! A page is a range of one index, in its order: of the sessions of a user, of those from an address,
//! of those that ended by when they did, or of all by when they were opened. What that index does not
//! answer is asked of its rows, and of those a page looks at no more than so many.

use keyward_core::id::SessionId;
use keyward_core::session::{Session, Transport};
use keyward_core::time::Timestamp;

use super::{Expect, Row, Statement, Value, id, session, text, time};
use crate::store::{Fault, Place, SessionPage, SessionSearch};

/// What a page is read by.
struct Index {
    /// The last that may be looked at: `?1` and `?2` where the range begins, `?3` what the index is
    /// asked for, `?4` how many.
    cut: &'static str,
    /// The sessions: `?1` to `?4` as above, `?5` and `?6` where the range ends, `?7` to `?9` what
    /// else is asked for, or nothing.
    page: &'static str,
}

macro_rules! index {
    ($driving:literal, $from:literal, $to:literal, $order:literal) => {
        Index {
            cut: concat!(
                "SELECT s.id, s.ended_at FROM session s WHERE ",
                $driving,
                $from,
                " ORDER BY ",
                $order,
                " LIMIT 1 OFFSET ?4"
            ),
            page: concat!(
                "SELECT ",
                session_columns!(),
                ", (SELECT a.email FROM account a WHERE a.id = s.user_id) FROM session s WHERE ",
                $driving,
                $from,
                $to,
                " AND (?7 = '' OR coalesce(s.transport, '') = ?7) \
                 AND (?8 = '' OR (?8 = 'open') = (s.ended_at IS NULL)) \
                 AND (?9 = '' OR coalesce(s.ip, '') = ?9) ORDER BY ",
                $order,
                " LIMIT ?4"
            ),
        }
    };
    ($driving:literal) => {
        index!(
            $driving,
            "s.id < ?1 AND (CAST(?2 AS BIGINT) = ?2)",
            " AND s.id >= ?5 AND (CAST(?6 AS BIGINT) = ?6)",
            "s.id DESC"
        )
    };
}

const BY_ID: Index = index!("(?3 = ?3) AND ");
const BY_USER: Index = index!("s.user_id = ?3 AND ");
const BY_IP: Index = index!("s.ip = ?3 AND ");
const BY_END: Index = index!(
    "(?3 = ?3) AND s.ended_at IS NOT NULL AND ",
    "(s.ended_at, s.id) < (?2, ?1)",
    " AND (s.ended_at, s.id) >= (?6, ?5)",
    "s.ended_at DESC, s.id DESC"
);

/// The statement that finds the last session that a page may look at; `None` where the index answers
/// the whole question.
pub(crate) fn cut(search: &SessionSearch) -> Option<Statement> {
    let [transport, state, ip] = others(search);
    if transport.is_empty() && state.is_empty() && ip.is_empty() {
        return None;
    }
    let (index, driving) = index(search);
    let (session, ended_at) = begin(search);
    let scan = Value::Int(i64::from(search.scan.max(1)) - 1);
    Some(Statement {
        sql: index.cut,
        params: vec![session, ended_at, driving, scan],
        expect: Expect::Anything,
    })
}

/// The statement that reads a page, down to that one.
pub(crate) fn page(search: &SessionSearch, down_to: Option<Place>) -> Statement {
    let (index, driving) = index(search);
    let (session, ended_at) = begin(search);
    let (last, last_end) = match down_to {
        Some(place) => (id(place.session), time(place.ended_at.unwrap_or_default())),
        None => (id(SessionId::from_bytes([0; 16])), Value::Int(i64::MIN)),
    };
    let limit = Value::Int(search.limit.into());
    let [transport, state, ip] = others(search).map(text);
    Statement {
        sql: index.page,
        params: vec![session, ended_at, driving, limit, last, last_end, transport, state, ip],
        expect: Expect::Anything,
    }
}

/// The page that these sessions make: where it is full it goes on after its last one, and where the
/// search went no further than that, from there.
pub(crate) fn paged(
    search: &SessionSearch,
    sessions: Vec<(Session, String)>,
    down_to: Option<Place>,
) -> SessionPage {
    let full = sessions.len() >= usize::try_from(search.limit).unwrap_or(usize::MAX);
    let last = sessions.last().filter(|_| full).map(|(session, _)| Place {
        session: session.id,
        ended_at: session.ended.map(|end| end.at).filter(|_| search.by_end()),
    });
    SessionPage { sessions, next: last.or(down_to) }
}

/// The last that may be looked at.
pub(crate) fn place(search: &SessionSearch, row: &impl Row) -> Result<Place, Fault> {
    let session = SessionId::from_bytes(row.id(0)?);
    let ended_at = row.optional_int(1)?.map(Timestamp::from_micros);
    Ok(Place { session, ended_at: ended_at.filter(|_| search.by_end()) })
}

/// A session with the address of its account.
pub(crate) fn found(row: &impl Row) -> Result<(Session, String), Fault> {
    Ok((session(row)?, row.text(super::SESSION_WIDTH)?))
}

fn index(search: &SessionSearch) -> (&'static Index, Value) {
    match (search.user, &search.ip) {
        (Some(user), _) => (&BY_USER, id(user)),
        (None, Some(ip)) => (&BY_IP, text(ip)),
        (None, None) if search.by_end() => (&BY_END, text("")),
        (None, None) => (&BY_ID, text("")),
    }
}

/// What the rows of the index are asked for: transport, state, address.
fn others(search: &SessionSearch) -> [&str; 3] {
    let state = match search.is_open {
        Some(true) => "open",
        Some(false) if !search.by_end() => "ended",
        Some(false) | None => "",
    };
    let ip = search.ip.as_deref().filter(|_| search.user.is_some());
    [search.transport.map_or("", Transport::as_str), state, ip.unwrap_or_default()]
}

/// Where a page begins: before this session, and where they go by their ends, before this one.
fn begin(search: &SessionSearch) -> (Value, Value) {
    match search.before {
        Some(place) => (id(place.session), time(place.ended_at.unwrap_or_default())),
        None => (id(SessionId::from_bytes([0xff; 16])), Value::Int(i64::MAX)),
    }
}

#[cfg(test)]
pub(crate) const STATEMENTS: [(&str, &str, &str); 4] = [
    ("all", BY_ID.page, BY_ID.cut),
    ("user", BY_USER.page, BY_USER.cut),
    ("address", BY_IP.page, BY_IP.cut),
    ("end", BY_END.page, BY_END.cut),
];
