//! What stands in the database? Read from the file itself, beside the Keyward that serves it.

use std::path::PathBuf;

use keyward::core::id::SessionId;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::App;

/// An event as far as it was told: its name, and how often it counts.
pub(super) type Row = (Vec<u8>, i64);

impl App {
    /// The events since this was asked last, sorted: `login`, `login_failed: invalid_credentials`,
    /// `rate_limited: rate_limited x3`.
    pub(crate) fn events(&self) -> Vec<String> {
        let db = self.database();
        let mut statement =
            db.prepare("SELECT id, type, success, reason, count FROM event").expect("a statement");
        let rows = statement
            .query_map([], |row| {
                let (id, count): (Vec<u8>, i64) = (row.get(0)?, row.get(4)?);
                let (kind, success): (String, bool) = (row.get(1)?, row.get(2)?);
                let reason: Option<String> = row.get(3)?;
                let mut text = kind;
                if !success {
                    text.push_str(": ");
                }
                text.push_str(reason.as_deref().unwrap_or_default());
                if count != 1 {
                    text.push_str(&format!(" x{count}"));
                }
                Ok(((id, count), text))
            })
            .expect("rows");
        let mut told = self.told.lock().expect("no panic");
        let mut new: Vec<String> = rows
            .map(|row| row.expect("a row"))
            .filter(|(row, _)| !told.contains(row))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(row, text)| {
                told.push(row);
                text
            })
            .collect();
        new.sort_unstable();
        new
    }

    /// What the events of this type say besides, the oldest first.
    pub(crate) fn details(&self, kind: &str) -> Vec<serde_json::Value> {
        let db = self.database();
        let mut statement =
            db.prepare("SELECT details FROM event WHERE type = ?1 ORDER BY id").expect("a statement");
        let rows = statement.query_map([kind], |row| row.get::<_, String>(0)).expect("rows");
        rows.map(|row| serde_json::from_str(&row.expect("a row")).expect("JSON")).collect()
    }

    /// What the newest event of this type says besides.
    pub(crate) fn last_details(&self, kind: &str) -> serde_json::Value {
        self.details(kind).pop().expect("an event")
    }

    /// Every row of every table, as text. Equal dumps: nothing changed.
    pub(crate) fn dump(&self) -> String {
        self.dump_of(&self.tables())
    }

    /// [`App::dump`] without the audit trail.
    pub(crate) fn dump_without_events(&self) -> String {
        let tables: Vec<String> = self.tables().into_iter().filter(|name| name != "event").collect();
        self.dump_of(&tables)
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> i64 {
        self.database()
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .expect("a count")
    }

    /// How long the mails are that wait, as they rest.
    pub(crate) fn sealed_bytes(&self) -> Vec<i64> {
        let db = self.database();
        let mut statement = db.prepare("SELECT length(sealed) FROM outbox ORDER BY 1").expect("a statement");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|length| length.expect("a length")).collect()
    }

    /// The mails that wait: how often each was tried, when it is due, and what went wrong.
    pub(crate) fn outbox(&self) -> Vec<(i64, Option<i64>, Option<String>)> {
        let db = self.database();
        let mut statement =
            db.prepare("SELECT attempts, due_at, failure FROM outbox ORDER BY id").expect("a statement");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("rows");
        rows.map(|row| row.expect("a mail")).collect()
    }

    /// The files of the database, to the byte.
    pub(crate) fn database_bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(self.path().parent().expect("a folder")).expect("a folder");
        let paths = entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file());
        let files: Vec<_> = paths.map(|path| (path.clone(), std::fs::read(path).expect("bytes"))).collect();
        assert!(files.iter().any(|(_, bytes)| bytes.len() > 4_096), "there is something to look at");
        files
    }

    /// How many sessions are open.
    pub(crate) fn open_sessions(&self) -> i64 {
        self.count("session WHERE ended_at IS NULL")
    }

    /// One column of a session.
    pub(crate) fn of_session<T: rusqlite::types::FromSql>(&self, session: &str, column: &str) -> T {
        let id: SessionId = session.parse().expect("an id");
        self.database()
            .query_row(
                &format!("SELECT {column} FROM session WHERE id = ?1"),
                [id.as_bytes().as_slice()],
                |row| row.get(0),
            )
            .expect("a session")
    }

    /// Changes the file by hand, as an accident or a former version might have.
    pub(crate) fn write(&self, sql: &str) -> usize {
        let db = Connection::open(self.path()).expect("opens");
        db.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout");
        db.execute(sql, []).expect(sql)
    }

    /// What tables there are.
    pub(crate) fn tables(&self) -> Vec<String> {
        let db = self.database();
        let mut statement = db
            .prepare(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1",
            )
            .expect("a statement");
        statement.query_map([], |row| row.get(0)).expect("rows").map(|name| name.expect("a name")).collect()
    }

    fn dump_of(&self, tables: &[String]) -> String {
        let db = self.database();
        let mut out = String::new();
        for table in tables {
            let mut statement = db.prepare(&format!("SELECT * FROM {table}")).expect("a statement");
            let columns = statement.column_count();
            let mut lines = Vec::new();
            let mut rows = statement.query([]).expect("rows");
            while let Some(row) = rows.next().expect("a row") {
                let values: Vec<String> =
                    (0..columns).map(|column| written(row.get_ref(column).expect("a value"))).collect();
                lines.push(format!("{table}: {}", values.join("|")));
            }
            lines.sort_unstable();
            out.push_str(&lines.join("\n"));
            out.push('\n');
        }
        out
    }

    fn database(&self) -> Connection {
        Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("opens")
    }
}

fn written(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(n) => n.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
