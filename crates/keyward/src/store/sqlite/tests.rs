//! What can go wrong with a file, a disk or another process, and what comes of it?

mod faults;
mod files;
mod pages;
mod plans;
mod processes;
mod together;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyward_core::event::{Event, EventType};
use keyward_core::id::{EventId, MailId, SessionId, UserId};
use keyward_core::mail::{Link, Mail, Purpose, SecretHash};
use keyward_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::Sqlite;
use crate::store::Store;
use crate::store::contract::{Later, Place, Row};

/// A statement that makes the writer panic.
pub(super) const PANIC: &str = "PANIC";

crate::store::contract::contract!(super::super::fresh);

/// A file of its own.
pub(in crate::store) struct Folder(TempDir);

async fn fresh() -> Box<dyn Place> {
    Box::new(Folder::new())
}

impl Folder {
    pub(in crate::store) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("keyward.db")
    }

    /// Another program's hands on the file.
    fn raw(&self) -> Connection {
        Connection::open(self.file()).expect("a database")
    }
}

impl Place for Folder {
    fn open(&self) -> Later<'_, Arc<dyn Store>> {
        let store = Sqlite::open(&self.file(), false, Timestamp::default()).expect("it opens");
        Box::pin(std::future::ready(Arc::new(store) as Arc<dyn Store>))
    }

    fn trail(&self) -> Later<'_, Vec<Row>> {
        Box::pin(std::future::ready(trail(&self.file()).expect("it can be read")))
    }

    fn mail(&self) -> Later<'_, (Vec<Link>, Vec<Mail>)> {
        Box::pin(std::future::ready(mail(&self.file()).expect("it can be read")))
    }
}

fn trail(file: &Path) -> rusqlite::Result<Vec<Row>> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare(
        "SELECT id, at, type, user_id, session_id, ip, network, user_agent, success, reason, details, tally, \
         count, mark FROM event ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| {
        let details: String = row.get(10)?;
        let event = Event {
            id: EventId::from_bytes(row.get(0)?),
            at: Timestamp::from_micros(row.get(1)?),
            kind: EventType::parse(&row.get::<_, String>(2)?).expect("a type"),
            user: row.get::<_, Option<_>>(3)?.map(UserId::from_bytes),
            session: row.get::<_, Option<_>>(4)?.map(SessionId::from_bytes),
            ip: row.get(5)?,
            user_agent: row.get(7)?,
            success: row.get(8)?,
            reason: row.get(9)?,
            details: serde_json::from_str(&details).expect("an object"),
            tally: row.get(11)?,
            mark: row.get(13)?,
        };
        Ok(Row { event, network: row.get(6)?, count: row.get(12)? })
    })?;
    rows.collect()
}

fn mail(file: &Path) -> rusqlite::Result<(Vec<Link>, Vec<Mail>)> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut links = connection
        .prepare("SELECT user_id, purpose, hash, email, until FROM mail_link ORDER BY user_id, purpose")?;
    let links = links.query_map([], |row| {
        Ok(Link {
            user: UserId::from_bytes(row.get(0)?),
            purpose: Purpose::parse(&row.get::<_, String>(1)?).expect("a purpose"),
            hash: SecretHash::from_bytes(row.get(2)?),
            email: row.get::<_, String>(3)?.parse().expect("an address"),
            until: Timestamp::from_micros(row.get(4)?),
        })
    })?;
    let mut mails = connection.prepare(
        "SELECT id, kind, sealed, made_at, until, due_at, attempts, failure FROM outbox ORDER BY id",
    )?;
    let mails = mails.query_map([], |row| {
        Ok(Mail {
            id: MailId::from_bytes(row.get(0)?),
            kind: row.get(1)?,
            sealed: row.get(2)?,
            made_at: Timestamp::from_micros(row.get(3)?),
            until: Timestamp::from_micros(row.get(4)?),
            due_at: row.get::<_, Option<_>>(5)?.map(Timestamp::from_micros),
            attempts: row.get(6)?,
            failure: row.get(7)?,
        })
    })?;
    Ok((links.collect::<Result<_, _>>()?, mails.collect::<Result<_, _>>()?))
}
