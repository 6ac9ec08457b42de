//! What does a store of SQL ask and write? One text for every engine.
//!
//! Parameters are written `?N`. A [`Change`] becomes a list of [`Statement`]s, each with what it
//! expects; an engine runs them in one transaction and needs to know nothing else. Rows are read
//! through [`Row`], and a row that no Keyward can have written is a fault, never a guess.

pub(super) mod trail;

use keyward_core::account::Account;
use keyward_core::change::{Change, Conflict, Sealed, Write};
use keyward_core::id::{SessionId, UserId};
use keyward_core::password::StoredHash;
use keyward_core::revocation::{Entry, Revocation};
use keyward_core::session::{End, EndReason, LEAP, MadeBy, Progress, Session, Transport};
use keyward_core::time::Timestamp;

use super::{Fault, Loaded};

macro_rules! account_columns {
    () => {
        "a.id, a.email, a.email_verified, a.phone_number, a.phone_number_verified, a.password, a.roles, \
         a.is_active, a.roles_version, a.version, a.created_at, a.last_login_at"
    };
}

mod accounts;
mod agent;
pub(super) mod figures;
pub(super) mod keys;
pub(super) mod search;
pub(super) mod service_keys;

macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.transport, s.opened_at, s.auth_time, s.amr, s.ip, s.user_agent, s.ended_at, \
         s.ended_why, s.newest, s.parent, s.made_by, s.made_at, s.seen, s.last_active_at"
    };
}

pub(super) mod explorer;
pub(super) mod mail;
mod sessions;
pub(super) mod sweep;

pub(super) use self::sessions::ADVANCE_EACH;

/// How many columns a session has: where the columns after it begin.
const SESSION_WIDTH: usize = 16;
const ACCOUNT_WIDTH: usize = 12;

pub(super) const ACCOUNT_BY_ID: &str =
    concat!("SELECT ", account_columns!(), " FROM account a WHERE a.id = ?1");
pub(super) const ACCOUNT_BY_EMAIL: &str =
    concat!("SELECT ", account_columns!(), " FROM account a WHERE a.email = ?1");
pub(super) const ACCOUNT_BY_PHONE: &str =
    concat!("SELECT ", account_columns!(), " FROM account a WHERE a.phone_number = ?1");
/// The classes one after the other, each by the index: a list of few, however many accounts there are.
pub(super) const COST_CLASSES: &str = "WITH RECURSIVE class (name) AS (SELECT min(cost_class) FROM account \
     UNION ALL SELECT (SELECT min(a.cost_class) FROM account a WHERE a.cost_class > class.name) \
     FROM class WHERE class.name IS NOT NULL) SELECT name FROM class WHERE name <> '' LIMIT ?1";
pub(super) const IMPORTED: &str = "SELECT digest FROM imported WHERE user_id = ?1";

macro_rules! loaded_sessions {
    () => {
        concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            account_columns!(),
            ", (SELECT value FROM counter WHERE name = 'roles_version') \
             FROM session s JOIN account a ON a.id = s.user_id"
        )
    };
}

pub(super) const SESSION: &str = concat!(loaded_sessions!(), " WHERE s.id = ?1");
/// For an engine that has lists.
pub(super) const EACH_SESSION: &str = concat!(loaded_sessions!(), " WHERE s.id = ANY (CAST(?1 AS UUID[]))");
pub(super) const SESSIONS_OF: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM session s WHERE s.user_id = ?1 AND s.ended_at IS NULL \
     ORDER BY s.last_active_at DESC, s.id DESC LIMIT ?2"
);
pub(super) const SESSIONS: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM session s WHERE s.id > ?1 AND s.ended_at IS NULL ORDER BY s.id LIMIT ?2"
);
/// The open sessions of the users from there on up to the one who has the last of so many: whole
/// users, from the index of open sessions alone.
pub(super) const COUNT_OPEN: &str = "WITH slice AS (SELECT user_id FROM session WHERE ended_at IS NULL AND user_id > ?1 \
                    ORDER BY user_id LIMIT ?2), \
          last AS (SELECT user_id FROM slice ORDER BY user_id DESC LIMIT 1) \
     SELECT COUNT(*), last.user_id FROM last JOIN session \
     ON session.user_id > ?1 AND session.user_id <= last.user_id \
     WHERE session.ended_at IS NULL GROUP BY last.user_id";

pub(super) const SIGNED_IN_FROM: &str = "SELECT 1 FROM event WHERE user_id = ?1 AND type IN ('login', 'signup') \
     AND network = ?2 AND at >= ?3 AND session_id IS NOT NULL LIMIT 1";
pub(super) const HAS_ROLE: &str = "SELECT 1 FROM account_role r JOIN account a ON a.id = r.user_id \
     WHERE r.role = ?1 AND a.is_active = TRUE LIMIT 1";

pub(super) const ROLES: &str = "SELECT name, permissions FROM role ORDER BY name";
pub(super) const COUNTERS: &str = "SELECT name, value FROM counter";
pub(super) const ACCESS_TTLS: &str = "SELECT ttl, last_in_force FROM access_ttl";
pub(super) const LONGEST_ACCESS_TTL: &str = "SELECT max(ttl) FROM access_ttl";
pub(super) const REVOCATIONS: &str = "SELECT position, kind, subject, value, until FROM revocation \
     WHERE position > ?1 ORDER BY position LIMIT ?2";
pub(super) const PING: &str = "SELECT 1";

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Id([u8; 16]),
    Text(String),
    Bytes(Vec<u8>),
    /// Several of one kind, for an engine that has lists.
    List(Vec<Self>),
}

/// What a statement must do for its change to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// Nothing in particular.
    Anything,
    /// Touch exactly one row; otherwise this is the conflict.
    OneRow(Conflict),
    /// Return revocations with their positions.
    Revocations,
}

/// One statement of a change.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sql: &'static str,
    pub(super) params: Vec<Value>,
    pub(super) expect: Expect,
}

/// A row that was read.
pub(super) trait Row {
    fn int(&self, column: usize) -> Result<i64, Fault>;
    fn optional_int(&self, column: usize) -> Result<Option<i64>, Fault>;
    fn bool(&self, column: usize) -> Result<bool, Fault>;
    fn text(&self, column: usize) -> Result<String, Fault>;
    fn optional_text(&self, column: usize) -> Result<Option<String>, Fault>;
    fn bytes(&self, column: usize) -> Result<Vec<u8>, Fault>;
    fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Fault>;

    /// What a text says, where the text itself is not kept.
    fn read<T>(&self, column: usize, read: impl FnOnce(&str) -> T) -> Result<T, Fault> {
        Ok(read(&self.text(column)?))
    }

    /// The sixteen bytes of an id.
    fn id(&self, column: usize) -> Result<[u8; 16], Fault> {
        self.bytes(column)?.try_into().map_err(|_| corrupt("an id"))
    }
}

/// The statements that write a change, in order. On an engine with several writers, who waits for
/// whom is decided by what is locked first, so every change goes the same way: who administers,
/// accounts, sessions, and at last the position of what is revoked, for which all others wait.
pub(super) fn plan(mut change: Change) -> Vec<Statement> {
    let mut plan = Plan::default();
    plan.lock_accounts(&change.writes);
    for write in change.writes {
        plan.write(write);
    }
    // In one order, too: nodes count into the same rows.
    change.events.sort_by(|a, b| a.tally.cmp(&b.tally));
    for event in change.events {
        plan.event(event);
    }
    let Plan { mut locks, writes, revocations } = plan;
    locks.extend(writes);
    locks.extend(revocations);
    locks
}

/// What is locked first, what is written, and what it revokes.
#[derive(Default)]
struct Plan {
    locks: Vec<Statement>,
    writes: Vec<Statement>,
    revocations: Vec<Statement>,
}

impl Plan {
    fn push(&mut self, sql: &'static str, expect: Expect, params: impl Into<Vec<Value>>) {
        self.writes.push(Statement { sql, params: params.into(), expect });
    }

    /// Locks the accounts that are written only after sessions of theirs have ended.
    fn lock_accounts(&mut self, writes: &[Write]) {
        let ends = |w: &&Write| !matches!(w, Write::EndSession { .. } | Write::EndSessionsOf { .. });
        for write in writes.iter().skip_while(ends) {
            let user = match write {
                Write::OpenSession { session, .. } => session.user,
                Write::DeleteAccount { user, .. } => *user,
                _ => continue,
            };
            let sql = "UPDATE account SET version = version WHERE id = ?1";
            self.locks.push(Statement { sql, params: vec![id(user)], expect: Expect::Anything });
        }
    }

    fn write(&mut self, write: Write) {
        use Expect::{Anything, OneRow};
        let changed = OneRow(Conflict::Changed);
        match write {
            Write::CreateAccount(account) => self.create_account(*account),
            Write::NoteImport { user, digest } => self.push(
                "INSERT INTO imported (user_id, digest) SELECT id, ?2 FROM account WHERE id = ?1 \
                 ON CONFLICT DO NOTHING",
                changed,
                [id(user), Value::Bytes(digest.to_vec())],
            ),
            Write::SetPassword { user, version, password } => {
                self.push(
                    "UPDATE account SET password = ?3, cost_class = ?4, version = version + 1 \
                 WHERE id = ?1 AND version = ?2",
                    changed,
                    [id(user), number(version), text(password.as_str()), text(password.cost_class())],
                );
                self.end_links_of(user);
            }
            Write::Rehash { user, version, password } => self.push(
                "UPDATE account SET password = ?3, cost_class = ?4 WHERE id = ?1 AND version = ?2",
                changed,
                [id(user), number(version), text(password.as_str()), text(password.cost_class())],
            ),
            Write::SetPhone { user, version, phone_number } => self.push(
                "UPDATE account SET phone_number = ?3, phone_number_verified = FALSE, version = version + 1 \
                 WHERE id = ?1 AND version = ?2",
                changed,
                [id(user), number(version), phone_number.map_or(Value::Null, |p| text(p.as_str()))],
            ),
            Write::SetEmail { user, version, email } => {
                self.set_email(user, version, &email);
                self.end_links_of(user);
            }
            Write::SetRoles { user, version, roles } => self.set_roles(user, version, roles),
            Write::SetActive { user, version, is_active } => self.set_active(user, version, is_active),
            Write::DeleteAccount { user, version } => {
                self.delete_account(user, version);
                self.end_links_of(user);
            }
            Write::NobodyAdministers => self.nobody_administers(),
            Write::SetRole { version, name, permissions } => self.set_role(version, name, &permissions),
            Write::DeleteRole { version, name } => self.delete_role(version, name),
            Write::TakeRole { name, limit } => self.take_role(&name, limit),
            Write::OpenSession { session, account_version, limit } => {
                self.open_session(*session, account_version, limit);
            }
            Write::Advance { session, newest, unseen, after, .. } => {
                self.advance(session, newest, unseen, after);
            }
            Write::Note { session, seen, active_at } => self.push(
                "UPDATE session SET seen = (seen OR newest = ?2), \
                 last_active_at = CASE WHEN last_active_at < ?3 THEN ?3 ELSE last_active_at END \
                 WHERE id = ?1 AND ended_at IS NULL",
                Anything,
                [
                    id(session),
                    seen.map_or(Value::Int(-1), number),
                    active_at.map_or(Value::Int(i64::MIN), time),
                ],
            ),
            Write::NoteAtRest { session, active_at } => self.push(
                "UPDATE session SET last_active_at = ?2 \
                 WHERE id = ?1 AND ended_at IS NULL AND last_active_at < ?2",
                Anything,
                [id(session), time(active_at)],
            ),
            Write::Reauthenticate { session, auth_time, amr } => self.push(
                "UPDATE session SET auth_time = ?2, amr = ?3 WHERE id = ?1 AND ended_at IS NULL",
                changed,
                [id(session), time(auth_time), text(amr)],
            ),
            Write::EndSession { session, end, until } => {
                self.push(
                    "UPDATE session SET ended_at = ?2, ended_why = ?3 WHERE id = ?1 AND ended_at IS NULL",
                    changed,
                    [id(session), time(end.at), text(end.why.as_str())],
                );
                self.revoke(Revocation::Session(session), until);
            }
            Write::EndSessionsOf { user, except, end, until } => {
                // What is revoked is exactly what ended here: an engine with several writers may
                // find more sessions with each further statement. So they are marked by an end that
                // has no reason yet.
                let except = except.map_or(Value::Id([0; 16]), id);
                self.push(
                    "UPDATE session SET ended_at = ?3, ended_why = '' \
                     WHERE user_id = ?1 AND id <> ?2 AND ended_at IS NULL",
                    Anything,
                    [id(user), except, time(end.at)],
                );
                self.push(
                    "INSERT INTO revocation (kind, subject, value, until) \
                     SELECT 'session', CAST(id AS BLOB), 0, CAST(?2 AS BIGINT) FROM session \
                     WHERE user_id = ?1 AND ended_at = ?3 AND ended_why = '' \
                     RETURNING position, kind, subject, value, until",
                    Expect::Revocations,
                    [id(user), time(until), time(end.at)],
                );
                self.push(
                    "UPDATE session SET ended_why = ?2 WHERE user_id = ?1 AND ended_at = ?3 AND ended_why = ''",
                    Anything,
                    [id(user), text(end.why.as_str()), time(end.at)],
                );
            }
            Write::EndSessionsBetween { after, to, end } => self.push(
                "UPDATE session SET ended_at = ?3, ended_why = ?4 \
                 WHERE user_id > ?1 AND user_id <= ?2 AND ended_at IS NULL AND opened_at <= ?3",
                Anything,
                [id(after), id(to), time(end.at), text(end.why.as_str())],
            ),
            Write::CutEverybodyOff { until } => {
                // A leap: a restored backup must not come to a number that was given out before.
                self.push(
                    "UPDATE counter SET value = value + ?1 WHERE name = 'roles_version'",
                    changed,
                    [number(LEAP)],
                );
                self.push(
                    "INSERT INTO revocation (kind, subject, value, until) \
                     SELECT 'roles', ?1, value, CAST(?2 AS BIGINT) FROM counter WHERE name = 'roles_version' \
                     RETURNING position, kind, subject, value, until",
                    Expect::Revocations,
                    [Value::Bytes(Vec::new()), time(until)],
                );
            }
            Write::Revoke { revocation, until } => self.revoke(revocation, until),
            Write::SetKeys { version, keys } => self.set_keys(version, keys),
            Write::AddMacKey { id, sealed, created_at } => self.add_mac_key(id, sealed, created_at),
            Write::ForgetMacKey { id } => self.forget_mac_key(id),
            Write::IssueLink(link) => self.issue_link(*link),
            Write::SpendLink { hash, at } => self.spend_link(hash, at),
            Write::ConfirmEmail { user, email } => self.push(
                "UPDATE account SET email_verified = TRUE WHERE id = ?1 AND email = ?2",
                changed,
                [id(user), text(email.as_str())],
            ),
            Write::QueueMail(mail) => self.queue_mail(*mail),
            Write::ClaimMail { id, attempts, until } => self.claim_mail(id, attempts, until),
            Write::ForgetMail { id } => self.forget_mail(id),
            Write::PostponeMail { id, attempts, due_at, failure } => {
                self.postpone_mail(id, attempts, due_at, failure);
            }
            Write::AddChainKey { sealed, since } => self.add_chain_key(sealed, since),
            Write::Reseal { secret, former, sealed } => {
                let (sql, id) = match secret {
                    Sealed::MacKey(number) => (
                        "UPDATE mac_key SET sealed = ?3 WHERE id = ?1 AND sealed = ?2",
                        Value::Int(number.into()),
                    ),
                    Sealed::ChainKey => {
                        ("UPDATE event_key SET sealed = ?3 WHERE id = ?1 AND sealed = ?2", Value::Int(1))
                    }
                    Sealed::Mail(mail) => {
                        ("UPDATE outbox SET sealed = ?3 WHERE id = ?1 AND sealed = ?2", self::id(mail))
                    }
                };
                self.push(sql, changed, [id, Value::Bytes(former), Value::Bytes(sealed)]);
            }
            Write::SealEvents { seal, counts } => self.seal_events(&seal, counts),
            Write::RemoveEvents { number, removal } => self.remove_events(number, &removal),
            Write::AddServiceKey { version, key } => self.add_service_key(version, *key),
            Write::RemoveServiceKey { version, id } => self.remove_service_key(version, id),
            Write::NoteServiceKey { id, used_at } => self.note_service_key(id, used_at),
            Write::Count { figure, at, count } => self.count(figure, at, count),
            Write::NoteAccessTtl { ttl, at } => self.push(
                "INSERT INTO access_ttl (ttl, last_in_force) VALUES (?1, ?2) \
                 ON CONFLICT (ttl) DO UPDATE SET last_in_force = excluded.last_in_force",
                Anything,
                [number(ttl.as_secs()), time(at)],
            ),
        }
    }

    fn revoke(&mut self, revocation: Revocation, until: Timestamp) {
        let (kind, subject, value) = match revocation {
            Revocation::Key(kid) => ("key", kid.into_bytes(), 0),
            Revocation::Session(session) => ("session", session.as_bytes().to_vec(), 0),
            Revocation::Generation(session, generation) => {
                ("generation", session.as_bytes().to_vec(), generation)
            }
            Revocation::User(user, least) => ("user", user.as_bytes().to_vec(), least),
            Revocation::Roles(least) => ("roles", Vec::new(), least),
        };
        self.revocations.push(Statement {
            sql: "INSERT INTO revocation (kind, subject, value, until) VALUES (?1, ?2, ?3, ?4) \
                  RETURNING position, kind, subject, value, until",
            expect: Expect::Revocations,
            params: vec![text(kind), Value::Bytes(subject), number(value), time(until)],
        });
    }
}

/// An id of any kind, as a parameter.
pub(super) fn id(id: impl Into<[u8; 16]>) -> Value {
    Value::Id(id.into())
}

/// What statements of one text are given, as lists: the first parameter of each, the second of each…
pub(super) fn lists<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> Vec<Value> {
    let mut lists: Vec<Vec<Value>> = Vec::new();
    for statement in statements {
        lists.resize_with(statement.params.len(), Vec::new);
        for (list, param) in lists.iter_mut().zip(&statement.params) {
            list.push(param.clone());
        }
    }
    lists.into_iter().map(Value::List).collect()
}

/// A moment, as a parameter.
pub(super) fn time(at: Timestamp) -> Value {
    Value::Int(at.micros())
}

/// A number that never falls below zero, as a parameter. SQL has no larger one than `i64::MAX`.
pub(super) fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A text, as a parameter. Postgres has no room for U+0000, and nobody needs it: each becomes the
/// character that says something was there.
pub(super) fn text(text: impl Into<String>) -> Value {
    let text = text.into();
    Value::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text })
}

/// Which conflict it is when a unique constraint of that name, or over that column, is broken.
pub(super) fn conflict_of(constraint: &str) -> Conflict {
    if constraint.contains("account.email") || constraint.contains("account_email") {
        Conflict::EmailTaken
    } else if constraint.contains("account.phone_number") || constraint.contains("account_phone_number") {
        Conflict::PhoneTaken
    } else {
        Conflict::Changed
    }
}

pub(super) fn account(row: &impl Row) -> Result<Account, Fault> {
    account_at(row, 0)
}

fn account_at(row: &impl Row, at: usize) -> Result<Account, Fault> {
    let phone_number = row.optional_text(at + 3)?;
    Ok(Account {
        id: UserId::from_bytes(row.id(at)?),
        email: row.read(at + 1, str::parse)?.map_err(|_| corrupt("account.email"))?,
        email_verified: row.bool(at + 2)?,
        phone_number: phone_number
            .map(|p| p.parse())
            .transpose()
            .map_err(|_| corrupt("account.phone_number"))?,
        phone_number_verified: row.bool(at + 4)?,
        password: StoredHash::new(row.text(at + 5)?),
        roles: row.read(at + 6, list)?,
        is_active: row.bool(at + 7)?,
        roles_version: natural(row, at + 8)?,
        version: natural(row, at + 9)?,
        created_at: Timestamp::from_micros(row.int(at + 10)?),
        last_login_at: row.optional_int(at + 11)?.map(Timestamp::from_micros),
    })
}

pub(super) fn session(row: &impl Row) -> Result<Session, Fault> {
    let ended = match (row.optional_int(8)?, row.optional_text(9)?) {
        (Some(at), Some(why)) => Some(End {
            at: Timestamp::from_micros(at),
            why: EndReason::parse(&why).ok_or_else(|| corrupt("session.ended_why"))?,
        }),
        (None, None) => None,
        _ => return Err(corrupt("session.ended_at")),
    };
    Ok(Session {
        id: SessionId::from_bytes(row.id(0)?),
        user: UserId::from_bytes(row.id(1)?),
        transport: row.read(2, Transport::parse)?.ok_or_else(|| corrupt("session.transport"))?,
        opened_at: Timestamp::from_micros(row.int(3)?),
        auth_time: Timestamp::from_micros(row.int(4)?),
        amr: row.text(5)?,
        ip: row.text(6)?,
        user_agent: agent::whole(row.text(7)?),
        ended,
        progress: Some(Progress {
            newest: natural(row, 10)?,
            parent: match row.optional_int(11)? {
                Some(parent) => Some(u64::try_from(parent).map_err(|_| corrupt("session.parent"))?),
                None => None,
            },
            made_by: row.read(12, MadeBy::parse)?.ok_or_else(|| corrupt("session.made_by"))?,
            made_at: Timestamp::from_micros(row.int(13)?),
            seen: row.bool(14)?,
            last_active_at: Timestamp::from_micros(row.int(15)?),
        }),
        resting: None,
    })
}

pub(super) fn loaded(row: &impl Row) -> Result<Loaded, Fault> {
    Ok(Loaded {
        session: session(row)?,
        account: account_at(row, SESSION_WIDTH)?,
        role_table_version: natural(row, SESSION_WIDTH + ACCOUNT_WIDTH)?,
    })
}

pub(super) fn role(row: &impl Row) -> Result<(String, Vec<String>), Fault> {
    Ok((row.text(0)?, list(&row.text(1)?)))
}

pub(super) fn counter(row: &impl Row) -> Result<(String, u64), Fault> {
    Ok((row.text(0)?, natural(row, 1)?))
}

pub(super) fn open_count(row: &impl Row) -> Result<(u64, Option<UserId>), Fault> {
    let last = <[u8; 16]>::try_from(row.bytes(1)?).map_err(|_| corrupt("session.user_id"))?;
    Ok((natural(row, 0)?, Some(UserId::from_bytes(last))))
}

pub(super) fn access_ttl(row: &impl Row) -> Result<(u64, Timestamp), Fault> {
    Ok((natural(row, 0)?, Timestamp::from_micros(row.int(1)?)))
}

/// Of a table with nothing in it, 0.
pub(super) fn longest_access(row: &impl Row) -> Result<u64, Fault> {
    match row.optional_int(0)? {
        Some(_) => natural(row, 0),
        None => Ok(0),
    }
}

pub(super) fn imported(row: &impl Row) -> Result<[u8; 16], Fault> {
    row.id(0).map_err(|_| corrupt("imported.digest"))
}

pub(super) fn revocation(row: &impl Row) -> Result<Entry, Fault> {
    let bytes = row.bytes(2)?;
    let value = natural(row, 3)?;
    let subject = || <[u8; 16]>::try_from(bytes.as_slice()).map_err(|_| corrupt("revocation.subject"));
    let revocation = match row.text(1)?.as_str() {
        "key" => Revocation::Key(String::from_utf8(bytes).map_err(|_| corrupt("revocation.subject"))?),
        "session" => Revocation::Session(SessionId::from_bytes(subject()?)),
        "generation" => Revocation::Generation(SessionId::from_bytes(subject()?), value),
        "user" => Revocation::User(UserId::from_bytes(subject()?), value),
        "roles" => Revocation::Roles(value),
        _ => return Err(corrupt("revocation.kind")),
    };
    Ok(Entry { position: natural(row, 0)?, revocation, until: Timestamp::from_micros(row.int(4)?) })
}

fn natural(row: &impl Row, column: usize) -> Result<u64, Fault> {
    u64::try_from(row.int(column)?).map_err(|_| corrupt("a number below zero"))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn corrupt(what: &str) -> Fault {
    Fault::Corrupt(what.to_owned())
}
