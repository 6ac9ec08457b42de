//! What stands in the database? Read from the database itself, beside the Keyward that serves it.

use std::error::Error;
use std::path::PathBuf;

use keyward::core::id::SessionId;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use tokio_postgres::types::{FromSql, Type};

use super::App;

/// An event as far as it was told: its name, and how often it counts.
pub(super) type Row = (Vec<u8>, i64);

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What a value of the database can be read as.
pub(crate) trait Read: Sized {
    fn read(cell: &Cell) -> Option<Self>;
}

impl App {
    /// The events since this was asked last, sorted: `login`, `login_failed: invalid_credentials`,
    /// `rate_limited: rate_limited x3`.
    pub(crate) fn events(&self) -> Vec<String> {
        let rows = self.rows("SELECT id, type, success, reason, count FROM event");
        let rows = rows.iter().map(|row| {
            let (id, count): (Vec<u8>, i64) = (get(row, 0), get(row, 4));
            let mut text: String = get(row, 1);
            if !get::<bool>(row, 2) {
                text.push_str(": ");
            }
            text.push_str(get::<Option<String>>(row, 3).as_deref().unwrap_or_default());
            if count != 1 {
                text.push_str(&format!(" x{count}"));
            }
            ((id, count), text)
        });
        let mut told = self.told.lock().expect("no panic");
        let mut new: Vec<String> = rows
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
        let rows = self.rows(&format!("SELECT details FROM event WHERE type = '{kind}' ORDER BY id"));
        rows.iter().map(|row| serde_json::from_str(&get::<String>(row, 0)).expect("JSON")).collect()
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
        self.dump_without(&["event"])
    }

    /// [`App::dump`] without these tables.
    pub(crate) fn dump_without(&self, tables: &[&str]) -> String {
        let others = self.tables().into_iter().filter(|name| !tables.contains(&name.as_str()));
        self.dump_of(&others.collect::<Vec<_>>())
    }

    /// Which transactions wrote the rows of this table last; none where a store has no such table.
    pub(crate) fn writers_of(&self, table: &str) -> Vec<String> {
        if !self.tables().iter().any(|name| name == table) {
            return vec![];
        }
        let rows = self.rows(&format!("SELECT xmin::text FROM {table} ORDER BY 1"));
        rows.iter().map(|row| get(row, 0)).collect()
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> i64 {
        get(&self.rows(&format!("SELECT count(*) FROM {table}"))[0], 0)
    }

    /// How long the mails are that wait, as they rest.
    pub(crate) fn sealed_bytes(&self) -> Vec<i64> {
        self.rows("SELECT length(sealed) FROM outbox ORDER BY 1").iter().map(|row| get(row, 0)).collect()
    }

    /// The mails that wait: how often each was tried, when it is due, and what went wrong.
    pub(crate) fn outbox(&self) -> Vec<(i64, Option<i64>, Option<String>)> {
        let rows = self.rows("SELECT attempts, due_at, failure FROM outbox ORDER BY id");
        rows.iter().map(|row| (get(row, 0), get(row, 1), get(row, 2))).collect()
    }

    /// All that the database holds, to the byte: its files, or of a server each value.
    pub(crate) fn database_bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let places: Vec<(PathBuf, Vec<u8>)> = match self.place.server() {
            None => {
                let entries = std::fs::read_dir(self.place.folder()).expect("a folder");
                let paths = entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file());
                paths.map(|path| (path.clone(), std::fs::read(path).expect("bytes"))).collect()
            }
            Some(_) => self.tables().iter().map(|table| (table.into(), self.bytes_of(table))).collect(),
        };
        assert!(places.iter().any(|(_, bytes)| bytes.len() > 200), "there is something to look at");
        places
    }

    fn bytes_of(&self, table: &str) -> Vec<u8> {
        let rows = self.rows(&format!("SELECT * FROM {table}"));
        let bytes = rows.into_iter().flatten().map(|cell| match cell {
            Cell::Bytes(bytes) => bytes,
            cell => written(&cell).into_bytes(),
        });
        bytes.collect::<Vec<_>>().join(&b'|')
    }

    /// How many sessions are open.
    pub(crate) fn open_sessions(&self) -> i64 {
        self.count("session WHERE ended_at IS NULL")
    }

    /// One column of a session: of what moves in it, as Redis has it where that is there.
    pub(crate) fn of_session<T: Read>(&self, session: &str, column: &str) -> T {
        let moving = ["newest", "parent", "made_by", "made_at", "seen", "last_active_at"];
        if let Some(at) = moving.iter().position(|name| *name == column)
            && let Some(said) = self.place.in_redis(&format!("keyward:{{{session}}}"))
        {
            let word = said.split(' ').nth(at).expect("a record");
            return get(&[word.parse().map_or_else(|_| Cell::Text(word.to_owned()), Cell::Int)], 0);
        }
        let id: SessionId = session.parse().expect("an id");
        let id = self.literal(id.as_bytes());
        get(&self.rows(&format!("SELECT {column} FROM session WHERE id = {id}"))[0], 0)
    }

    /// These bytes, as a statement writes them.
    pub(crate) fn literal(&self, bytes: &[u8]) -> String {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self.place.server() {
            None => format!("x'{hex}'"),
            // Postgres reads it as what it stands for.
            Some(_) if bytes.len() == 16 => format!("'{hex}'"),
            Some(_) => format!("'\\x{hex}'"),
        }
    }

    /// The bytes of this column in digits, as a statement asks for them.
    pub(crate) fn hex(&self, column: &str) -> String {
        match self.place.server() {
            None => format!("hex({column})"),
            Some(_) => format!("upper(encode({column}, 'hex'))"),
        }
    }

    /// Changes the database by hand, as an accident or a former version might have.
    pub(crate) fn write(&self, sql: &str) -> usize {
        match self.place.server() {
            None => {
                let db = Connection::open(self.place.file()).expect("opens");
                db.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout");
                db.execute(sql, []).expect(sql)
            }
            Some(server) => server.execute(sql),
        }
    }

    /// From now on this table takes no row more.
    pub(crate) fn fill(&self, table: &str) {
        self.write(&match self.place.server() {
            None => format!(
                "CREATE TRIGGER full_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
            ),
            Some(_) => format!("ALTER TABLE {table} ADD CONSTRAINT full_{table} CHECK (FALSE) NOT VALID"),
        });
    }

    /// What was filled takes rows again.
    pub(crate) fn make_room(&self, table: &str) {
        self.write(&match self.place.server() {
            None => format!("DROP TRIGGER full_{table}"),
            Some(_) => format!("ALTER TABLE {table} DROP CONSTRAINT full_{table}"),
        });
    }

    /// Leaves a row of a session that no release can have written.
    pub(crate) fn spoil(&self, session: &str) {
        let id: SessionId = session.parse().expect("an id");
        let spoilt = format!("UPDATE session SET transport = 'x' WHERE id = {}", self.literal(id.as_bytes()));
        match self.place.server() {
            None => {
                let db = Connection::open(self.place.file()).expect("opens");
                db.execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {spoilt}")).expect("spoilt");
            }
            Some(_) => {
                self.write("ALTER TABLE session DROP CONSTRAINT session_transport_check");
                self.write(&spoilt);
            }
        }
    }

    /// What tables there are.
    pub(crate) fn tables(&self) -> Vec<String> {
        let names = match self.place.server() {
            None => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1"
            }
            Some(_) => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
        };
        self.rows(names).iter().map(|row| get(row, 0)).collect()
    }

    fn dump_of(&self, tables: &[String]) -> String {
        let statements: Vec<String> = tables.iter().map(|table| format!("SELECT * FROM {table}")).collect();
        let mut out = String::new();
        for (table, rows) in tables.iter().zip(self.rows_of(&statements)) {
            let mut lines: Vec<String> = rows
                .iter()
                .map(|row| format!("{table}: {}", row.iter().map(written).collect::<Vec<_>>().join("|")))
                .collect();
            lines.sort_unstable();
            out.push_str(&lines.join("\n"));
            out.push('\n');
        }
        out
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Cell>> {
        self.rows_of(&[sql.to_owned()]).pop().expect("one")
    }

    /// The rows of each of these statements.
    fn rows_of(&self, statements: &[String]) -> Vec<Vec<Vec<Cell>>> {
        match self.place.server() {
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
                let db = Connection::open_with_flags(self.place.file(), flags).expect("opens");
                statements.iter().map(|sql| rows_of_file(&db, sql)).collect()
            }
            Some(server) => {
                let cells = |row: &tokio_postgres::Row| (0..row.len()).map(|at| row.get(at)).collect();
                server.query(statements).iter().map(|rows| rows.iter().map(cells).collect()).collect()
            }
        }
    }
}

fn rows_of_file(db: &Connection, sql: &str) -> Vec<Vec<Cell>> {
    let mut statement = db.prepare(sql).expect(sql);
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        (0..columns).map(|at| row.get_ref(at).map(Cell::from)).collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = statement.query_map([], row).expect(sql);
    rows.map(|row| row.expect("a row")).collect()
}

#[track_caller]
fn get<T: Read>(row: &[Cell], column: usize) -> T {
    T::read(&row[column]).unwrap_or_else(|| panic!("column {column} of {row:?}"))
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Int(n) => n.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(n) => Self::Int(n),
            ValueRef::Real(n) => panic!("no column is of that kind: {n}"),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_owned()),
        }
    }
}

/// As SQLite has it: what is true is 1, and an id is its bytes.
impl<'a> FromSql<'a> for Cell {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *kind {
            Type::BOOL => Self::Int(bool::from_sql(kind, raw)?.into()),
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(kind, raw)?.into()),
            Type::TEXT => Self::Text(String::from_sql(kind, raw)?),
            _ => Self::Bytes(raw.to_owned()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        [Type::BOOL, Type::INT8, Type::INT4, Type::TEXT, Type::UUID, Type::BYTEA].contains(kind)
    }
}

impl Read for i64 {
    fn read(cell: &Cell) -> Option<Self> {
        if let Cell::Int(n) = cell { Some(*n) } else { None }
    }
}

impl Read for bool {
    fn read(cell: &Cell) -> Option<Self> {
        i64::read(cell).map(|n| n != 0)
    }
}

impl Read for String {
    fn read(cell: &Cell) -> Option<Self> {
        if let Cell::Text(text) = cell { Some(text.clone()) } else { None }
    }
}

impl Read for Vec<u8> {
    fn read(cell: &Cell) -> Option<Self> {
        if let Cell::Bytes(bytes) = cell { Some(bytes.clone()) } else { None }
    }
}

impl<T: Read> Read for Option<T> {
    fn read(cell: &Cell) -> Option<Self> {
        if *cell == Cell::Null { Some(None) } else { T::read(cell).map(Some) }
    }
}
