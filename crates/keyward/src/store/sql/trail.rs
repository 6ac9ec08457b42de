//! What is asked of and written to the audit trail in SQL?

use std::time::Duration;

use keyward_core::chain::{Removal, Seal, entries_from_bytes};
use keyward_core::change::Conflict;
use keyward_core::event::{Event, EventType, Recorded};
use keyward_core::id::{EventId, SessionId, UserId};
use keyward_core::time::Timestamp;

use super::{Expect, Plan, Row, Value, corrupt, id, natural, number, text, time};
use crate::store::trail::{EXAMINED, EventPage, EventQuery, Suspect, Suspicion, SuspicionKind};
use crate::store::{Fault, StoredChainKey};

macro_rules! event_columns {
    () => {
        "e.id, e.at, e.type, e.user_id, e.session_id, e.ip, e.network, e.user_agent, e.success, e.reason, \
         e.details, e.tally, e.count, e.name, e.last_at, e.mark, e.batch"
    };
}

macro_rules! seal_columns {
    () => {
        "s.number, s.sealed_at, s.newest, s.row_count, s.digest, s.entries, s.mac, s.removed_at, \
         s.removed_mac"
    };
}

pub(in crate::store) const CHAIN_KEY: &str = "SELECT marked_since, sealed FROM event_key WHERE id = 1";
pub(in crate::store) const LAST_SEAL: &str = "SELECT s.number, s.sealed_at, s.newest, s.row_count, s.digest, \
     NULL, s.mac, s.removed_at, s.removed_mac FROM event_seal s ORDER BY s.number DESC LIMIT 1";
pub(in crate::store) const SEAL_AFTER: &str =
    concat!("SELECT ", seal_columns!(), " FROM event_seal s WHERE s.number > ?1 ORDER BY s.number LIMIT 1");
pub(in crate::store) const BATCH: &str =
    concat!("SELECT ", event_columns!(), " FROM event e WHERE e.batch = ?1 ORDER BY e.id");
pub(in crate::store) const PAST_SEAL: &str = concat!(
    "SELECT ",
    seal_columns!(),
    " FROM event_seal s WHERE s.removed_at IS NULL AND s.newest < ?1 ORDER BY s.newest LIMIT 1"
);
pub(in crate::store) const UNSEALED: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM event e WHERE e.batch IS NULL AND e.id > ?1 AND e.id < ?2 ORDER BY e.id LIMIT ?3"
);
pub(in crate::store) const STRAYS: &str = "SELECT batch, id FROM event WHERE batch < 1 UNION ALL \
     SELECT batch, id FROM event WHERE batch > (SELECT coalesce(max(number), 0) FROM event_seal) LIMIT ?1";

/// A query, as its text and parameters.
#[derive(Debug)]
pub(in crate::store) struct Query {
    pub(in crate::store) sql: String,
    pub(in crate::store) params: Vec<Value>,
}

impl Query {
    fn of(sql: &str) -> Self {
        Self { sql: sql.to_owned(), params: Vec::new() }
    }

    fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    fn bind(&mut self, value: Value) -> &mut Self {
        self.params.push(value);
        self.sql.push_str(&format!("?{}", self.params.len()));
        self
    }

    /// The rows that an index gives for these filters, the latest first, down to that one. What the
    /// index begins with stands in the bounds and in the order: so no engine can take them from
    /// another index that is in order of time, and pass by all that others did meanwhile.
    fn range(
        &mut self,
        filters: &Filters,
        query: &EventQuery,
        down_to: Option<EventId>,
        others: &[(&'static str, Value)],
    ) {
        let until = [query.until.map(first_of), query.before].into_iter().flatten().min();
        let until = id(until.unwrap_or(EventId::from_bytes([0xff; 16])));
        // One bound: of two an engine goes by one, and reads all that only the other keeps away.
        let from = [query.since.map(first_of), down_to].into_iter().flatten().max();
        let from = id(from.unwrap_or(EventId::from_bytes([0; 16])));
        self.push(" FROM event e WHERE ");
        match &filters.driving {
            Some((column, value)) => {
                // Some indexes hold nothing else.
                self.push(&format!("{column} IS NOT NULL AND ({column}, e.id) < ("))
                    .bind(value.clone())
                    .push(", ")
                    .bind(until);
                self.push(&format!(") AND ({column}, e.id) >= (?1, ")).bind(from).push(")");
            }
            None => {
                self.push("e.id < ").bind(until).push(" AND e.id >= ").bind(from);
            }
        }
        for (column, value) in others {
            // Not the bare column: no engine may take another index and sort what that gives.
            self.push(&format!(" AND coalesce({column}, {column}) = ")).bind(value.clone());
        }
        self.push(" ORDER BY ");
        if let Some((column, _)) = &filters.driving {
            self.push(&format!("{column} DESC, "));
        }
        self.push("e.id DESC LIMIT ");
    }
}

/// The filters of a list: the first that is given is a range of an index in order of time; the
/// others are asked of its rows.
struct Filters {
    driving: Option<(&'static str, Value)>,
    others: Vec<(&'static str, Value)>,
}

impl Filters {
    fn of(query: &EventQuery) -> Self {
        let given = [
            query.session.map(|session| ("e.session_id", id(session))),
            query.user.map(|user| ("e.user_id", id(user))),
            query.network.as_deref().map(|network| ("e.network", text(network))),
            query.kind.map(|kind| ("e.type", text(kind.as_str()))),
            query.success.map(|success| ("e.success", Value::Bool(success))),
        ];
        let mut given = given.into_iter().flatten();
        let driving = given.next();
        let mut others: Vec<_> = given.collect();
        others.extend(query.ip.as_deref().map(|ip| ("e.ip", text(ip))));
        Self { driving, others }
    }
}

/// What gives the last event that a list may look at, where no index serves all its filters
/// together and there are that many.
pub(in crate::store) fn event_horizon(query: &EventQuery) -> Option<Query> {
    let filters = Filters::of(query);
    if filters.others.is_empty() {
        return None;
    }
    let mut sql = Query::of("SELECT e.id");
    sql.range(&filters, query, None, &[]);
    sql.push("1 OFFSET ").bind(Value::Int(i64::from(EXAMINED - 1)));
    Some(sql)
}

/// A list of events, down to that one.
pub(in crate::store) fn event_list(query: &EventQuery, down_to: Option<EventId>) -> Query {
    let filters = Filters::of(query);
    let mut sql = Query::of(concat!("SELECT ", event_columns!()));
    sql.range(&filters, query, down_to, &filters.others);
    sql.bind(Value::Int(i64::from(query.limit)));
    sql
}

macro_rules! account_tried {
    () => {
        "coalesce(type, '') IN ('login', 'login_failed', 'signup')"
    };
}

/// What is counted for each kind of finding among the events from ?1 on: those of ?2 or more, ?3 of
/// them. Failed logins and tried accounts are read from an index that holds all of this.
pub(in crate::store) const fn suspicious(kind: SuspicionKind) -> &'static str {
    match kind {
        SuspicionKind::FailedLoginsByIp => {
            "SELECT network, NULL, CAST(sum(count) AS BIGINT), min(at), max(coalesce(last_at, at)) FROM event \
             WHERE type = 'login_failed' AND id >= ?1 AND network IS NOT NULL GROUP BY network \
             HAVING CAST(sum(count) AS BIGINT) >= ?2 ORDER BY 3 DESC, 1 LIMIT ?3"
        }
        SuspicionKind::FailedLoginsByAccount => {
            "SELECT name, user_id, CAST(sum(count) AS BIGINT), min(at), max(coalesce(last_at, at)) FROM event \
             WHERE type = 'login_failed' AND id >= ?1 AND (name IS NOT NULL OR user_id IS NOT NULL) \
             GROUP BY user_id, name HAVING CAST(sum(count) AS BIGINT) >= ?2 ORDER BY 3 DESC, 2, 1 LIMIT ?3"
        }
        SuspicionKind::AccountsPerIp => concat!(
            "SELECT network, NULL, count(*), min(first_at), max(last_at) FROM \
             (SELECT network, min(at) AS first_at, max(coalesce(last_at, at)) AS last_at FROM event WHERE ",
            account_tried!(),
            " AND id >= ?1 AND network IS NOT NULL AND (user_id IS NOT NULL OR name IS NOT NULL) \
             GROUP BY network, user_id, name) f GROUP BY network \
             HAVING count(*) >= ?2 ORDER BY 3 DESC, 1 LIMIT ?3"
        ),
        SuspicionKind::RefreshReuse => {
            "SELECT NULL, user_id, CAST(sum(count) AS BIGINT), min(at), max(coalesce(last_at, at)) FROM event \
             WHERE type = 'refresh_reused' AND id >= ?1 AND user_id IS NOT NULL GROUP BY user_id \
             HAVING CAST(sum(count) AS BIGINT) >= ?2 ORDER BY 3 DESC, 2 LIMIT ?3"
        }
    }
}

/// The last event that may be looked at for it, if there are more than ?2 from ?1 on.
pub(in crate::store) const fn suspicion_horizon(kind: SuspicionKind) -> &'static str {
    match kind {
        SuspicionKind::FailedLoginsByIp | SuspicionKind::FailedLoginsByAccount => {
            "SELECT id FROM event WHERE type = 'login_failed' AND id >= ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2"
        }
        SuspicionKind::AccountsPerIp => concat!(
            "SELECT id FROM event WHERE ",
            account_tried!(),
            " AND id >= ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2"
        ),
        SuspicionKind::RefreshReuse => {
            "SELECT id FROM event WHERE type = 'refresh_reused' AND id >= ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2"
        }
    }
}

/// The first id of that moment: an id begins with when it was made.
pub(in crate::store) fn first_of(at: Timestamp) -> EventId {
    EventId::new(at, [0; 10])
}

/// Since when all events are looked at, where the search goes down to that one.
pub(in crate::store) fn looked_at_since(ask: &Suspicion, horizon: Option<EventId>) -> Timestamp {
    // That one is not looked at any more, and of its very moment not all may be.
    horizon.map_or(ask.since, |last| last.made_at().after(Duration::from_millis(1)))
}

/// The page that these events make: where it is full it goes on after its last one, and where the
/// search went no further than `down_to`, after that.
pub(in crate::store) fn paged(events: Vec<Recorded>, limit: u32, down_to: Option<EventId>) -> EventPage {
    let full = events.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let last = events.last().map(|row| row.event.id).filter(|_| full);
    EventPage { next: last.or(down_to), events }
}

impl Plan {
    pub(super) fn event(&mut self, mut event: Event) {
        let count = event.details.remove("count").and_then(|n| n.as_i64()).unwrap_or(1);
        let (network, name) = (event.network(), event.name().map(str::to_owned));
        let last_at = event.tally.is_some().then_some(event.at);
        self.push(
            "INSERT INTO event (id, at, type, user_id, session_id, ip, network, user_agent, success, reason, \
             details, tally, count, name, last_at, mark) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
             ON CONFLICT (tally) WHERE tally IS NOT NULL DO UPDATE SET count = event.count + excluded.count, \
             last_at = CASE WHEN event.last_at > excluded.last_at THEN event.last_at ELSE excluded.last_at END",
            Expect::Anything,
            [
                Value::Id(*event.id.as_bytes()),
                time(event.at),
                text(event.kind.as_str()),
                event.user.map_or(Value::Null, id),
                event.session.map_or(Value::Null, id),
                event.ip.map_or(Value::Null, text),
                network.map_or(Value::Null, text),
                event.user_agent.map_or(Value::Null, text),
                Value::Bool(event.success),
                event.reason.map_or(Value::Null, text),
                text(serde_json::Value::Object(event.details).to_string()),
                event.tally.map_or(Value::Null, text),
                Value::Int(count),
                name.map_or(Value::Null, text),
                last_at.map_or(Value::Null, time),
                event.mark.map_or(Value::Null, |mark| Value::Bytes(mark.to_vec())),
            ],
        );
    }

    pub(super) fn add_chain_key(&mut self, sealed: Vec<u8>, since: Timestamp) {
        self.push(
            "INSERT INTO event_key (id, marked_since, sealed) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING",
            Expect::OneRow(Conflict::Changed),
            [time(since), Value::Bytes(sealed)],
        );
    }

    pub(super) fn seal_events(&mut self, seal: &Seal, counts: Vec<(EventId, u64)>) {
        let changed = Expect::OneRow(Conflict::Changed);
        self.push(
            "INSERT INTO event_seal (number, sealed_at, newest, row_count, digest, entries, mac) \
             SELECT CAST(?1 AS BIGINT), CAST(?2 AS BIGINT), CAST(?3 AS BIGINT), CAST(?4 AS BIGINT), ?5, ?6, ?7 \
             WHERE (SELECT coalesce(max(number), 0) FROM event_seal) = CAST(?1 AS BIGINT) - 1",
            changed,
            [
                number(seal.number),
                time(seal.sealed_at),
                time(seal.newest),
                number(seal.rows),
                Value::Bytes(seal.digest.to_vec()),
                seal.entries_to_bytes().map_or(Value::Null, Value::Bytes),
                Value::Bytes(seal.mac.to_vec()),
            ],
        );
        for (event, count) in counts {
            // Without its tally a row is not found by what is counted later: that makes a new one.
            self.push(
                "UPDATE event SET batch = ?2, tally = NULL WHERE id = ?1 AND batch IS NULL AND count = ?3",
                changed,
                [id(event), number(seal.number), number(count)],
            );
        }
    }

    pub(super) fn remove_events(&mut self, batch: u64, removal: &Removal) {
        self.push(
            "UPDATE event_seal SET entries = NULL, removed_at = ?2, removed_mac = ?3 \
             WHERE number = ?1 AND removed_at IS NULL",
            Expect::OneRow(Conflict::Changed),
            [number(batch), time(removal.at), Value::Bytes(removal.mac.to_vec())],
        );
        self.push("DELETE FROM event WHERE batch = ?1", Expect::Anything, [number(batch)]);
    }
}

pub(in crate::store) fn event_id(row: &impl Row) -> Result<EventId, Fault> {
    row.id(0).map(EventId::from_bytes)
}

pub(in crate::store) fn recorded(row: &impl Row) -> Result<Recorded, Fault> {
    let name = EventId::from_bytes(row.id(0)?);
    // By name: whoever looks for what was changed has to find it.
    let corrupt = |what: &str| corrupt(&format!("{what} of event {name}"));
    let details = serde_json::from_str(&row.text(10)?).map_err(|_| corrupt("details"))?;
    let serde_json::Value::Object(details) = details else { return Err(corrupt("details")) };
    let optional_id = |column| {
        let bytes = row.optional_bytes(column)?;
        bytes.map(|b| b.try_into().map_err(|_| corrupt("an id"))).transpose()
    };
    let event = Event {
        id: name,
        at: Timestamp::from_micros(row.int(1)?),
        kind: EventType::parse(&row.text(2)?).ok_or_else(|| corrupt("type"))?,
        user: optional_id(3)?.map(UserId::from_bytes),
        session: optional_id(4)?.map(SessionId::from_bytes),
        ip: row.optional_text(5)?,
        user_agent: row.optional_text(7)?,
        success: row.bool(8)?,
        reason: row.optional_text(9)?,
        details,
        tally: row.optional_text(11)?,
        mark: row.optional_bytes(15)?.map(|mark| mark.try_into().map_err(|_| corrupt("mark"))).transpose()?,
    };
    Ok(Recorded {
        event,
        count: natural(row, 12)?,
        last_at: row.optional_int(14)?.map(Timestamp::from_micros),
        batch: row.optional_int(16)?.map(|n| u64::try_from(n).unwrap_or_default()),
    })
}

pub(in crate::store) fn seal(row: &impl Row) -> Result<Seal, Fault> {
    let mac = |column| -> Result<Option<[u8; 32]>, Fault> {
        let bytes = row.optional_bytes(column)?;
        bytes.map(|b| b.try_into().map_err(|_| corrupt("event_seal"))).transpose()
    };
    let there = |mac: Option<[u8; 32]>| mac.ok_or_else(|| corrupt("event_seal"));
    let removed = match (row.optional_int(7)?, mac(8)?) {
        (Some(at), Some(mac)) => Some(Removal { at: Timestamp::from_micros(at), mac }),
        _ => None,
    };
    Ok(Seal {
        number: natural(row, 0)?,
        sealed_at: Timestamp::from_micros(row.int(1)?),
        newest: Timestamp::from_micros(row.int(2)?),
        rows: natural(row, 3)?,
        digest: there(mac(4)?)?,
        entries: row
            .optional_bytes(5)?
            .map(|bytes| entries_from_bytes(&bytes).ok_or_else(|| corrupt("event_seal.entries")))
            .transpose()?,
        mac: there(mac(6)?)?,
        removed,
    })
}

pub(in crate::store) fn stray(row: &impl Row) -> Result<(i64, EventId), Fault> {
    Ok((row.int(0)?, EventId::from_bytes(row.id(1)?)))
}

pub(in crate::store) fn chain_key(row: &impl Row) -> Result<StoredChainKey, Fault> {
    Ok(StoredChainKey { since: Timestamp::from_micros(row.int(0)?), sealed: row.bytes(1)? })
}

pub(in crate::store) fn suspect(row: &impl Row, kind: SuspicionKind) -> Result<Suspect, Fault> {
    let user = row.optional_bytes(1)?.map(|id| id.try_into().map_err(|_| corrupt("an id"))).transpose()?;
    let name = row.optional_text(0)?;
    Ok(Suspect {
        kind,
        subject: user.map(|id| UserId::from_bytes(id).to_string()).or(name).unwrap_or_default(),
        count: natural(row, 2)?,
        first_at: Timestamp::from_micros(row.int(3)?),
        last_at: Timestamp::from_micros(row.int(4)?),
    })
}
