//! How does everything that rests in an SQLite file come into a Postgres?
//!
//! Row by row as it is, in one transaction behind the lock that migrations take: ids, seals, marks
//! and what is sealed under the master key stay the same bytes, so every token, every link and the
//! audit trail go on. Which tables and columns there are is asked of both, so that none can be left
//! out; what was written is counted before it stands. The file is then marked as moved.

use std::path::Path;
use std::pin::pin;

use keyward_core::time::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::error::{PostgresError, told};
use super::options::Endpoint;
use super::{Moves, PostgresOptions, inspect, migrate};
use crate::clock::Clock;
use crate::store::sql::Value;
use crate::store::sqlite::moved;

/// Tables in which a migration itself puts rows.
const SEEDED: [&str; 2] = ["role", "counter"];
/// How many rows are read before others have a turn, and before progress is told.
const BATCH: usize = 1_000;

/// Why nothing was moved. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The Postgres can't be used.
    #[error(transparent)]
    Target(#[from] PostgresError),
    /// It holds something already.
    #[error(
        "{at} holds data of Keyward already (table {table:?}); give a database, or a schema, where it has none; nothing was changed"
    )]
    NotEmpty {
        /// Where.
        at: String,
        /// The table that is not empty.
        table: String,
    },
    /// The file can't be read.
    #[error("{file}: {message}; nothing was moved")]
    Source {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// Everything was moved, and the file can't be told so.
    #[error(
        "everything is in {at}, and {file} can't be marked as moved ({message}): set database.url to that, and never \
         serve the file again"
    )]
    NotMarked {
        /// Where everything is.
        at: String,
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// A row of the file is none that the Postgres takes.
    #[error("table {table:?}: {message}; nothing was moved")]
    Row {
        /// The table.
        table: String,
        /// What is wrong.
        message: String,
    },
}

/// How many rows of a table were moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
}

/// Moves everything of the SQLite file into a Postgres where Keyward has nothing yet. Nobody else
/// writes to the file meanwhile, and nobody opens it afterwards ([`take_back`](crate::take_back)
/// makes it good again). `progress` is told the table, the rows that are
/// there by now, and all that it will have.
///
/// # Errors
/// [`MoveError`]; in the Postgres there is then nothing, but for empty tables, unless it is
/// [`MoveError::NotMarked`].
pub async fn move_to_postgres(
    file: &Path,
    options: &PostgresOptions,
    clock: &Clock,
    mut progress: impl FnMut(&'static str, u64, u64),
) -> Result<Vec<Moved>, MoveError> {
    let direct = options.direct_url.as_deref().unwrap_or(&options.url);
    let endpoint = Endpoint::of(direct)?;
    let source = Source::open(file)?;
    if !inspect::is_direct(&endpoint).await? {
        let message = "a pooler answers there; a move needs Postgres itself: give its address".to_owned();
        return Err(PostgresError::Unfit { at: endpoint.name, message }.into());
    }
    migrate::run(&endpoint, clock, Moves::HereFromNowOn).await?;
    let (client, connection) = endpoint.connect().await?;
    // That it broke is told to whoever asks.
    let connection = tokio::spawn(connection);
    let moving = Move { source, client: &client, at: endpoint.name.clone(), now: clock.now() };
    let done = moving.run(&mut progress).await;
    // A transaction that was not committed ends with its connection.
    drop(client);
    let _ = connection.await;
    done
}

struct Move<'a> {
    source: Source,
    client: &'a Client,
    at: String,
    now: Timestamp,
}

impl Move<'_> {
    async fn run(self, progress: &mut impl FnMut(&'static str, u64, u64)) -> Result<Vec<Moved>, MoveError> {
        self.statement("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        // Nodes that start meanwhile wait for it, and then find what was moved.
        self.statement(migrate::LOCK).await?;
        self.statement("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
            .await?;
        for table in migrate::TABLES.iter().filter(|table| !SEEDED.contains(table)) {
            if self
                .number(&format!("SELECT count(*) FROM (SELECT FROM {table} LIMIT 1) AS first_row"))
                .await?
                > 0
            {
                return Err(MoveError::NotEmpty { at: self.at.clone(), table: (*table).to_owned() });
            }
        }
        for table in SEEDED {
            self.statement(&format!("DELETE FROM {table}")).await?;
        }
        let mut moved = Vec::with_capacity(migrate::TABLES.len());
        for table in migrate::TABLES {
            let rows = self.table(table, progress).await?;
            let there = self.number(&format!("SELECT count(*) FROM {table}")).await?;
            if there != rows {
                let message = format!("{rows} rows were read and {there} have arrived");
                return Err(MoveError::Row { table: table.to_owned(), message });
            }
            moved.push(Moved { table, rows });
        }
        // SQLite counts positions by itself.
        let position = self.source.position()?;
        let value = i64::try_from(position).unwrap_or(i64::MAX);
        let position = "INSERT INTO counter (name, value) VALUES ('position', $1)";
        self.client.execute(position, &[&value]).await.map_err(|e| self.failed(&e))?;
        // All that can go wrong with it goes wrong before there are two that could be served.
        moved::mark(&self.source.connection, &self.at, self.now).map_err(|e| self.source.failed(&e))?;
        self.statement("COMMIT").await?;
        if let Err(error) = self.source.connection.execute_batch("COMMIT") {
            let (at, file) = (self.at.clone(), self.source.file.clone());
            return Err(MoveError::NotMarked { at, file, message: error.to_string() });
        }
        // So that the first questions find their way; it would be done some minutes later anyway.
        if let Err(error) = self.statement(&format!("ANALYZE {}", migrate::TABLES.join(", "))).await {
            tracing::debug!("no statistics were made: {error}");
        }
        Ok(moved)
    }

    /// Moves the rows of one table; gives how many those were.
    async fn table(
        &self,
        table: &'static str,
        progress: &mut impl FnMut(&'static str, u64, u64),
    ) -> Result<u64, MoveError> {
        let wrong = |message: String| MoveError::Row { table: table.to_owned(), message };
        let empty =
            self.client.prepare(&format!("SELECT * FROM {table}")).await.map_err(|e| self.failed(&e))?;
        let columns: Vec<(&str, Type)> =
            empty.columns().iter().map(|column| (column.name(), column.type_().clone())).collect();
        let mut names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let types: Vec<Type> = columns.iter().map(|(_, kind)| kind.clone()).collect();
        let list = names.join(", ");
        names.sort_unstable();
        if self.source.columns(table)? != names {
            return Err(wrong(
                "the two databases have other columns; run one release of Keyward on both".to_owned(),
            ));
        }
        let all = self.source.count(table)?;
        progress(table, 0, all);
        let copy = format!("COPY {table} ({list}) FROM STDIN (FORMAT binary)");
        let sink = self.client.copy_in(&copy).await.map_err(|e| self.failed(&e))?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        let mut statement = self.source.select(table, &list)?;
        let mut rows = statement.query([]).map_err(|e| self.source.failed(&e))?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(|e| self.source.failed(&e))? {
            let values = (0..).zip(&types).map(|(at, kind)| {
                let value = row.get_ref(at).map_err(|e| self.source.failed(&e))?;
                converted(value, kind)
                    .ok_or_else(|| wrong(format!("column {:?} holds what is no {kind}", columns[at].0)))
            });
            let values: Vec<Value> = values.collect::<Result<_, _>>()?;
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
            writer.as_mut().write(&values).await.map_err(|e| self.failed(&e))?;
            count += 1;
            if count % BATCH as u64 == 0 {
                progress(table, count, all);
                tokio::task::yield_now().await;
            }
        }
        writer.finish().await.map_err(|e| wrong(told(&e)))?;
        progress(table, count, all);
        Ok(count)
    }

    async fn statement(&self, sql: &str) -> Result<(), MoveError> {
        self.client.batch_execute(sql).await.map_err(|e| self.failed(&e))
    }

    async fn number(&self, sql: &str) -> Result<u64, MoveError> {
        let row = self.client.query_one(sql, &[]).await.map_err(|e| self.failed(&e))?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
    }

    fn failed(&self, error: &Error) -> MoveError {
        PostgresError::Unfit { at: self.at.clone(), message: told(error) }.into()
    }
}

/// The file that is read, at one moment of it.
struct Source {
    connection: Connection,
    file: String,
}

impl Source {
    fn open(file: &Path) -> Result<Self, MoveError> {
        let shown = file.display().to_string();
        let failed = |e: rusqlite::Error| MoveError::Source { file: shown.clone(), message: e.to_string() };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
        connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
        // Nobody writes meanwhile: what a command wrote now would be left behind.
        connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        Ok(Self { connection, file: shown })
    }

    /// The names of its columns, sorted.
    fn columns(&self, table: &str) -> Result<Vec<String>, MoveError> {
        let mut statement = self
            .connection
            .prepare("SELECT name FROM pragma_table_info(?1) ORDER BY name")
            .map_err(|e| self.failed(&e))?;
        let names = statement.query_map([table], |row| row.get(0)).map_err(|e| self.failed(&e))?;
        names.collect::<Result<_, _>>().map_err(|e| self.failed(&e))
    }

    fn count(&self, table: &str) -> Result<u64, MoveError> {
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 =
            self.connection.query_row(&count, [], |row| row.get(0)).map_err(|e| self.failed(&e))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn select(&self, table: &str, columns: &str) -> Result<rusqlite::Statement<'_>, MoveError> {
        self.connection.prepare(&format!("SELECT {columns} FROM {table}")).map_err(|e| self.failed(&e))
    }

    /// The last position that was given to a revocation, whether that is still there or not.
    fn position(&self) -> Result<u64, MoveError> {
        let last = "SELECT seq FROM sqlite_sequence WHERE name = 'revocation'";
        let last = self.connection.query_row(last, [], |row| row.get::<_, i64>(0)).optional();
        Ok(last.map_err(|e| self.failed(&e))?.and_then(|last| u64::try_from(last).ok()).unwrap_or_default())
    }

    fn failed(&self, error: &rusqlite::Error) -> MoveError {
        MoveError::Source { file: self.file.clone(), message: error.to_string() }
    }
}

/// The value as one of this type; `None` for what can't be one.
fn converted(value: ValueRef<'_>, kind: &Type) -> Option<Value> {
    Some(match (value, kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(n), &Type::INT8) => Value::Int(n),
        (ValueRef::Integer(n @ (0 | 1)), &Type::BOOL) => Value::Bool(n == 1),
        (ValueRef::Blob(id), &Type::UUID) => Value::Id(id.try_into().ok()?),
        (ValueRef::Blob(bytes), &Type::BYTEA) => Value::Bytes(bytes.to_owned()),
        // Postgres has no text with a NUL in it.
        (ValueRef::Text(text), &Type::TEXT) if !text.contains(&0) => {
            Value::Text(str::from_utf8(text).ok()?.to_owned())
        }
        _ => return None,
    })
}
