//! How does a store of SQL open a session and move it on?

use keyward_core::change::Conflict;
use keyward_core::id::SessionId;
use keyward_core::session::{Progress, Session};

use super::{Expect, Plan, Value, agent, id, number, text, time};

/// Moves one session on.
const ADVANCE: &str = "UPDATE session SET newest = ?2, parent = ?3, made_by = ?4, made_at = ?5, seen = ?6, \
     last_active_at = CASE WHEN last_active_at < ?7 THEN ?7 ELSE last_active_at END \
     WHERE id = ?1 AND newest = ?8 AND ended_at IS NULL AND (seen = FALSE OR ?9 = FALSE)";
/// The same of several, no two of one session, for an engine that has lists and lets what is locked be
/// passed over; gives which were moved.
pub(in crate::store) const ADVANCE_EACH: &str = "WITH free AS (SELECT id FROM session \
     WHERE id = ANY (CAST(?1 AS UUID[])) FOR NO KEY UPDATE SKIP LOCKED) \
     UPDATE session s SET newest = n.newest, parent = n.parent, made_by = n.made_by, made_at = n.made_at, \
     seen = n.seen, \
     last_active_at = CASE WHEN s.last_active_at < n.active_at THEN n.active_at ELSE s.last_active_at END \
     FROM free JOIN unnest(CAST(?1 AS UUID[]), CAST(?2 AS BIGINT[]), CAST(?3 AS BIGINT[]), \
     CAST(?4 AS TEXT[]), CAST(?5 AS BIGINT[]), CAST(?6 AS BOOLEAN[]), CAST(?7 AS BIGINT[]), \
     CAST(?8 AS BIGINT[]), CAST(?9 AS BOOLEAN[])) \
     AS n (id, newest, parent, made_by, made_at, seen, active_at, former, unseen) ON n.id = free.id \
     WHERE s.id = free.id AND s.newest = n.former AND s.ended_at IS NULL \
     AND (s.seen = FALSE OR n.unseen = FALSE) RETURNING s.id";

impl Plan {
    pub(super) fn open_session(&mut self, session: Session, account_version: u64, limit: u32) {
        // The condition stands on the row of the account, so that two logins at once, and a login
        // beside a change of password, wait for one another on every engine. They are counted by
        // a statement that begins when the lock is held: before, it might not see the other's.
        self.push(
            "UPDATE account SET last_login_at = ?3 WHERE id = ?1 AND version = ?2 AND is_active = TRUE",
            Expect::OneRow(Conflict::Changed),
            [id(session.user), number(account_version), time(session.opened_at)],
        );
        let progress = session.progress.unwrap_or(Progress::opened(session.opened_at));
        self.push(
            "INSERT INTO session (id, user_id, transport, opened_at, auth_time, amr, ip, user_agent, newest, \
             parent, made_by, made_at, seen, last_active_at) \
             SELECT ?1, ?2, ?3, CAST(?4 AS BIGINT), CAST(?5 AS BIGINT), ?6, ?7, ?8, CAST(?9 AS BIGINT), \
             CAST(?10 AS BIGINT), ?11, CAST(?12 AS BIGINT), ?13, CAST(?14 AS BIGINT) \
             WHERE (SELECT count(*) FROM session WHERE user_id = ?2 AND ended_at IS NULL) < ?15",
            Expect::OneRow(Conflict::Changed),
            [
                id(session.id),
                id(session.user),
                text(session.transport.as_str()),
                time(session.opened_at),
                time(session.auth_time),
                text(session.amr),
                text(session.ip),
                text(agent::short(session.user_agent)),
                number(progress.newest),
                progress.parent.map_or(Value::Null, number),
                text(progress.made_by.as_str()),
                time(progress.made_at),
                Value::Bool(progress.seen),
                time(progress.last_active_at),
                Value::Int(i64::from(limit)),
            ],
        );
    }

    pub(super) fn advance(&mut self, session: SessionId, newest: Option<u64>, unseen: bool, after: Progress) {
        self.push(
            ADVANCE,
            Expect::OneRow(Conflict::Changed),
            [
                id(session),
                number(after.newest),
                after.parent.map_or(Value::Null, number),
                text(after.made_by.as_str()),
                time(after.made_at),
                Value::Bool(after.seen),
                time(after.last_active_at),
                newest.map_or(Value::Int(-1), number),
                Value::Bool(unseen),
            ],
        );
    }
}
