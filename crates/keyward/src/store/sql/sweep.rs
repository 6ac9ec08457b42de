//! What is taken away once it is past its time, one small batch after the other?

use keyward_core::session::Session;

use super::{Expect, Statement, Value, figures, id, mail, time};
use crate::store::{Sweep, Swept};

/// A batch of all sessions, ended ones too.
const SESSIONS: &str =
    concat!("SELECT ", session_columns!(), " FROM session s WHERE s.id > ?1 ORDER BY s.id LIMIT ?2");
/// Those of a batch, from one id to another, that nobody moved on since it was looked at.
const SESSION: &str = "DELETE FROM session WHERE id > ?1 AND id <= ?2 AND made_at < ?3";
const REVOCATIONS: &str = "DELETE FROM revocation WHERE position IN \
     (SELECT position FROM revocation WHERE until <= ?1 ORDER BY until LIMIT ?2)";

/// The statement that looks at a batch of sessions.
pub(in crate::store) fn look(sweep: &Sweep) -> Statement {
    unconditional(SESSIONS, [id(sweep.after), Value::Int(sweep.limit.into())])
}

/// The statements that take away what is past its time, these sessions among it, and what is to be
/// told of them.
pub(in crate::store) fn take(sweep: &Sweep, seen: Vec<Session>) -> (Vec<Statement>, Swept) {
    let past = |s: &Session| s.progress.is_none_or(|p| p.made_at < sweep.sessions_before);
    let full = seen.len() >= usize::try_from(sweep.limit).unwrap_or(usize::MAX);
    let next = seen.last().map(|s| s.id).filter(|_| full);
    let (gone, left): (Vec<Session>, Vec<Session>) = seen.into_iter().partition(past);
    let mut statements = Vec::with_capacity(5);
    if let Some(last) = gone.last() {
        let range = [id(sweep.after), id(last.id), time(sweep.sessions_before)];
        statements.push(unconditional(SESSION, range));
    }
    let limit = Value::Int(sweep.limit.into());
    statements.push(unconditional(REVOCATIONS, [time(sweep.now), limit.clone()]));
    statements.push(unconditional(mail::SWEEP_LINKS, [time(sweep.now), limit.clone()]));
    statements.push(unconditional(figures::SWEEP_FIGURES, [time(sweep.figures_before), limit.clone()]));
    statements.push(unconditional(mail::SWEEP_MAILS, [time(sweep.mails_before), limit]));
    let (open, ended): (Vec<Session>, Vec<Session>) = left.into_iter().partition(|s| s.ended.is_none());
    let ended = ended.into_iter().map(|s| s.id).collect();
    (statements, Swept { sessions: gone.len(), open, ended, next })
}

fn unconditional(sql: &'static str, params: impl Into<Vec<Value>>) -> Statement {
    Statement { sql, params: params.into(), expect: Expect::Anything }
}
