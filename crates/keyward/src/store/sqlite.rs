//! How does everything rest in one SQLite file?
//!
//! One thread writes: it takes all changes that are waiting into one transaction, commits, and
//! only then answers each (group commit), so that durability on every answer costs one flush for
//! many. Reads are of single rows by their key, done in place on a small pool of connections; in
//! WAL mode they never wait for the writer. Another process (the command line) may write beside
//! this one; only one may serve.

mod migrate;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keyward_core::account::Account;
use keyward_core::change::{Change, Committed, Conflict};
use keyward_core::id::{SessionId, UserId};
use keyward_core::role::Roles;
use keyward_core::session::Session;
use keyward_core::time::Timestamp;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::sql::{self, Expect, Statement, Value};
use super::{
    Answer, Fault, Loaded, NEWS_LIMIT, Name, News, NotCommitted, Store, StoredKeys, StoredMacKey, Sweep,
    Swept,
};

/// How many connections read.
const READERS: usize = 4;
/// How many changes are taken into one transaction at most.
const BATCH: usize = 512;
/// How many changes may wait; more is answered as unavailable instead of piling up.
const QUEUE: usize = 8_192;
/// How long one process waits for another one's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// Why a database file can't be used. Each message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file can't be made, read or written.
    #[error("{path}: {message}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        message: String,
    },
    /// Another process serves from this file.
    #[error(
        "{0}: another `keyward serve` is running on this database; stop it first, or give this one a database of its own"
    )]
    Served(PathBuf),
    /// It is no database of Keyward, or it is damaged.
    #[error("{path}: {message}; nothing was changed")]
    Foreign {
        /// Which.
        path: PathBuf,
        /// What was found.
        message: String,
    },
    /// It was written by a newer release, which this one can't stand in for.
    #[error(
        "{path}: the data was written by a newer Keyward (schema {found}, this one knows {known}); run that release or a later one"
    )]
    TooNew {
        /// Which.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema known here.
        known: u32,
    },
}

/// A SQLite file, open.
pub(crate) struct Sqlite {
    readers: Vec<Mutex<Connection>>,
    next_reader: AtomicUsize,
    reads: AtomicU64,
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
    _served: Option<File>,
}

struct Job {
    statements: Vec<Statement>,
    answer: oneshot::Sender<Result<Committed, NotCommitted>>,
}

impl Sqlite {
    /// Opens the file, making it and its folder where they are not there (modes 0600 and 0700),
    /// and brings its schema up to date. With `serve` no other process may serve from it.
    pub(crate) fn open(path: &Path, serve: bool, now: Timestamp) -> Result<Self, OpenError> {
        create(path)?;
        let mut writer = connect(path, false)?;
        migrate::check(&writer, path)?;
        // From here on it is known to be ours, or new: only now may anything about it change.
        keep_private(path)?;
        let served = if serve { Some(lock(path)?) } else { None };
        share(&writer, path)?;
        migrate::run(&mut writer, path, now)?;
        let readers = (0..READERS).map(|_| connect(path, true).map(Mutex::new)).collect::<Result<_, _>>()?;
        let (jobs, waiting) = sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("keyward-sqlite".to_owned())
            .spawn(move || write_all(&mut writer, &waiting))
            .map_err(|e| file_error(path, &e))?;
        Ok(Self {
            readers,
            next_reader: AtomicUsize::new(0),
            reads: AtomicU64::new(0),
            jobs: Some(jobs),
            writer: Some(thread),
            _served: served,
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let start = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let free = (0..READERS).find_map(|i| self.readers[(start + i) % READERS].try_lock().ok());
        let connection = match free {
            Some(connection) => connection,
            None => self.readers[start % READERS].lock().unwrap_or_else(PoisonError::into_inner),
        };
        read(&connection).map_err(|e| fault(&e))?
    }

    fn one<T>(
        &self,
        sql: &str,
        params: &[Value],
        parse: impl FnOnce(&rusqlite::Row<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            bind(&mut statement, params)?;
            let mut rows = statement.raw_query();
            Ok(rows.next()?.map(parse).transpose())
        })
    }

    fn all<T>(
        &self,
        sql: &str,
        params: &[Value],
        parse: impl Fn(&rusqlite::Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            bind(&mut statement, params)?;
            let mut rows = statement.raw_query();
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                match parse(row) {
                    Ok(one) => all.push(one),
                    Err(fault) => return Ok(Err(fault)),
                }
            }
            Ok(Ok(all))
        })
    }

    async fn write(&self, statements: Vec<Statement>) -> Result<Committed, NotCommitted> {
        let (answer, answered) = oneshot::channel();
        let gone = || NotCommitted::Fault(Fault::Unavailable("the database is closed".to_owned()));
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        match jobs.try_send(Job { statements, answer }) {
            Ok(()) => answered.await.map_err(|_| gone())?,
            Err(TrySendError::Full(_)) => {
                Err(Fault::Unavailable("too many changes are waiting to be written".to_owned()).into())
            }
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }
}

/// What was accepted is written before the file is closed.
impl Drop for Sqlite {
    fn drop(&mut self) {
        // The last connection that closes folds the write-ahead log into the file, and one that
        // only reads can't.
        self.readers.clear();
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // The thread ends by itself once the channel is closed and empty.
            let _ = writer.join();
        }
    }
}

impl Store for Sqlite {
    fn account<'a>(&'a self, name: &'a Name) -> Answer<'a, Option<Account>> {
        let (sql, param) = match name {
            Name::Id(id) => (sql::ACCOUNT_BY_ID, sql::id(*id)),
            Name::Email(email) => (sql::ACCOUNT_BY_EMAIL, sql::text(email.as_str())),
            Name::Phone(phone) => (sql::ACCOUNT_BY_PHONE, sql::text(phone.as_str())),
        };
        Box::pin(async move { self.one(sql, &[param], |row| sql::account(row)) })
    }

    fn session(&self, id: SessionId) -> Answer<'_, Option<Loaded>> {
        Box::pin(async move { self.one(sql::SESSION, &[sql::id(id)], |row| sql::loaded(row)) })
    }

    fn sessions_of(&self, user: UserId, limit: u32) -> Answer<'_, Vec<Session>> {
        let params = [sql::id(user), Value::Int(limit.into())];
        Box::pin(async move { self.all(sql::SESSIONS_OF, &params, |row| sql::session(row)) })
    }

    fn sessions(&self, after: SessionId, limit: u32) -> Answer<'_, Vec<Session>> {
        let params = [sql::id(after), Value::Int(limit.into())];
        Box::pin(async move { self.all(sql::SESSIONS, &params, |row| sql::session(row)) })
    }

    fn accounts(&self, after: UserId, limit: u32) -> Answer<'_, Vec<Account>> {
        let params = [sql::id(after), Value::Int(limit.into())];
        Box::pin(async move { self.all(sql::ACCOUNTS, &params, |row| sql::account(row)) })
    }

    fn signed_in_from<'a>(&'a self, user: UserId, network: &'a str, since: Timestamp) -> Answer<'a, bool> {
        let params = [sql::id(user), sql::text(network), sql::time(since)];
        Box::pin(async move { Ok(self.one(sql::SIGNED_IN_FROM, &params, |_| Ok(()))?.is_some()) })
    }

    fn has_role<'a>(&'a self, role: &'a str) -> Answer<'a, bool> {
        Box::pin(async move { Ok(self.one(sql::HAS_ROLE, &[sql::text(role)], |_| Ok(()))?.is_some()) })
    }

    fn roles(&self) -> Answer<'_, Roles> {
        Box::pin(async move {
            let version = self.counters()?.remove("roles_version").unwrap_or_default();
            let roles = self.all(sql::ROLES, &[], |row| sql::role(row))?;
            Ok(Roles { version, permissions: roles.into_iter().collect() })
        })
    }

    fn keys(&self) -> Answer<'_, StoredKeys> {
        Box::pin(async move {
            let version = self.counters()?.remove("keys_version").unwrap_or_default();
            Ok(StoredKeys { version, keys: self.all(sql::KEYS, &[], |row| sql::key(row))? })
        })
    }

    fn mac_keys(&self) -> Answer<'_, Vec<StoredMacKey>> {
        Box::pin(async move { self.all(sql::MAC_KEYS, &[], |row| sql::mac_key(row)) })
    }

    fn access_ttls(&self) -> Answer<'_, Vec<(u64, Timestamp)>> {
        Box::pin(async move { self.all(sql::ACCESS_TTLS, &[], |row| sql::access_ttl(row)) })
    }

    fn news(&self, position: u64) -> Answer<'_, News> {
        let params = [sql::number(position), Value::Int(i64::try_from(NEWS_LIMIT).unwrap_or(i64::MAX))];
        Box::pin(async move {
            Ok(News {
                keys_version: self.counters()?.remove("keys_version").unwrap_or_default(),
                revocations: self.all(sql::REVOCATIONS, &params, |row| sql::revocation(row))?,
            })
        })
    }

    fn commit(&self, change: Change) -> Answer<'_, Committed, NotCommitted> {
        Box::pin(async move { self.write(sql::plan(change)).await })
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            let batch = [sql::id(sweep.after), Value::Int(sweep.limit.into())];
            let seen = self.all(sql::SWEEP_SESSIONS, &batch, |row| sql::session(row))?;
            let past = |s: &Session| s.progress.is_none_or(|p| p.made_at < sweep.sessions_before);
            let gone: Vec<SessionId> = seen.iter().filter(|s| past(s)).map(|s| s.id).collect();
            let mut statements: Vec<Statement> = gone
                .iter()
                .map(|id| unconditional(sql::SWEEP_SESSION, [sql::id(*id), sql::time(sweep.sessions_before)]))
                .collect();
            statements.push(unconditional(sql::SWEEP_REVOCATIONS, [sql::time(sweep.now)]));
            // An id begins with the moment it was made: the first one of that moment bounds the rest.
            let first = keyward_core::id::EventId::new(sweep.events_before, [0; 10]);
            statements
                .push(unconditional(sql::SWEEP_EVENTS, [sql::id(first), Value::Int(sweep.limit.into())]));
            self.write(statements).await.map_err(|e| match e {
                NotCommitted::Fault(fault) => fault,
                NotCommitted::Conflict(_) => Fault::Unavailable("the sweep met a conflict".to_owned()),
            })?;
            let full = seen.len() >= usize::try_from(sweep.limit).unwrap_or(usize::MAX);
            let next = if full { seen.last().map(|s| s.id) } else { None };
            let sessions = gone.len();
            let open = seen.into_iter().filter(|s| s.ended.is_none() && !gone.contains(&s.id)).collect();
            Ok(Swept { sessions, open, next })
        })
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.one(sql::PING, &[], |_| Ok(())).map(drop) })
    }

    fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}

impl Sqlite {
    fn counters(&self) -> Result<BTreeMap<String, u64>, Fault> {
        Ok(self.all(sql::COUNTERS, &[], |row| sql::counter(row))?.into_iter().collect())
    }
}

fn unconditional(sql: &'static str, params: impl Into<Vec<Value>>) -> Statement {
    Statement { sql, params: params.into(), expect: Expect::Anything }
}

/// Makes the file and its folder where they are not there, readable by their owner alone.
fn create(path: &Path) -> Result<(), OpenError> {
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| file_error(folder, &e))?;
    }
    // Closed again before SQLite opens it: closing it later would let go of SQLite's locks.
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map(drop).map_err(|e| file_error(path, &e))
}

fn keep_private(path: &Path) -> Result<(), OpenError> {
    let mode = fs::metadata(path).map_err(|e| file_error(path, &e))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|e| file_error(path, &e))?;
    }
    Ok(())
}

/// Holds the file for this process as the one that serves, until it is dropped.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(|e| file_error(&name, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Served(path.to_owned())),
        Err(TryLockError::Error(e)) => Err(file_error(&name, &e)),
    }
}

fn connect(path: &Path, read_only: bool) -> Result<Connection, OpenError> {
    let foreign = |e: rusqlite::Error| foreign(path, &e);
    let flags = if read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(foreign)?;
    connection.busy_timeout(BUSY).map_err(foreign)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch("PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;").map_err(foreign)?;
    Ok(connection)
}

/// Makes ready for several processes, and for commits that outlive a power cut.
fn share(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let foreign = |e: rusqlite::Error| foreign(path, &e);
    // Two processes that turn a new file to WAL at once are in each other's way, and SQLite then
    // gives up without waiting: one at a time.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let alone = File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    let _alone = alone.map_err(|e| file_error(folder, &e))?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(foreign)?;
    if mode != "wal" {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
            message: "this file system can't hold a database that is shared between processes (WAL)"
                .to_owned(),
        });
    }
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(foreign)
}

fn file_error(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::File { path: path.to_owned(), message: error.to_string() }
}

fn foreign(path: &Path, error: &rusqlite::Error) -> OpenError {
    let message = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "this is no database, or it is damaged".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => "the database is damaged; restore a backup".to_owned(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the database and does not let go".to_owned()
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "the file, or its folder, can't be written".to_owned()
        }
        Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
        _ => error.to_string(),
    };
    OpenError::Foreign { path: path.to_owned(), message }
}

/// The writer: all that waits goes into one transaction, and is answered once that is on disk.
fn write_all(connection: &mut Connection, waiting: &Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = waiting.recv() {
        batch.push(first);
        while batch.len() < BATCH {
            let Ok(job) = waiting.try_recv() else { break };
            batch.push(job);
        }
        match write_batch(connection, &batch) {
            Ok(results) => {
                for (job, result) in batch.drain(..).zip(results) {
                    // Whoever asked may have gone: what is written stays written.
                    let _ = job.answer.send(result);
                }
            }
            // Something the whole transaction can't survive: each change on its own, so that one
            // that can't be written takes no other with it.
            Err(_) => {
                for job in batch.drain(..) {
                    let alone = write_batch(connection, std::slice::from_ref(&job));
                    let result = match alone {
                        Ok(mut results) => {
                            results.pop().unwrap_or_else(|| Err(Fault::Unavailable(String::new()).into()))
                        }
                        Err(error) => Err(fault(&error).into()),
                    };
                    let _ = job.answer.send(result);
                }
            }
        }
    }
}

type Written = Result<Committed, NotCommitted>;

fn write_batch(connection: &mut Connection, batch: &[Job]) -> rusqlite::Result<Vec<Written>> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(batch.len());
    for job in batch {
        results.push(write_one(&mut transaction, &job.statements)?);
    }
    transaction.commit()?;
    Ok(results)
}

fn write_one(transaction: &mut Transaction<'_>, statements: &[Statement]) -> rusqlite::Result<Written> {
    // A single statement is undone by itself where it fails.
    if let [only] = statements {
        let mut committed = Committed::default();
        return Ok(execute(transaction, only, &mut committed)?
            .map_or(Ok(committed), |c| Err(NotCommitted::Conflict(c))));
    }
    let savepoint = transaction.savepoint()?;
    let mut committed = Committed::default();
    for statement in statements {
        if let Some(conflict) = execute(&savepoint, statement, &mut committed)? {
            // Dropped, a savepoint rolls back.
            return Ok(Err(NotCommitted::Conflict(conflict)));
        }
    }
    savepoint.commit()?;
    Ok(Ok(committed))
}

/// Runs one statement; what it gives back is the conflict that it met.
fn execute(
    connection: &Connection,
    statement: &Statement,
    committed: &mut Committed,
) -> rusqlite::Result<Option<Conflict>> {
    let mut prepared = connection.prepare_cached(statement.sql)?;
    bind(&mut prepared, &statement.params)?;
    match statement.expect {
        Expect::Revocations => {
            let mut rows = prepared.raw_query();
            while let Some(row) = rows.next()? {
                let entry =
                    sql::revocation(row).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                committed.revocations.push(entry);
            }
            Ok(None)
        }
        Expect::Anything => prepared.raw_execute().map(|_| None),
        Expect::OneRow(conflict) => match prepared.raw_execute() {
            Ok(1) => Ok(None),
            Ok(_) => Ok(Some(conflict)),
            Err(rusqlite::Error::SqliteFailure(e, Some(message)))
                if e.code == ErrorCode::ConstraintViolation && message.starts_with("UNIQUE") =>
            {
                Ok(Some(sql::conflict_of(&message)))
            }
            Err(error) => Err(error),
        },
    }
}

fn bind(statement: &mut CachedStatement<'_>, params: &[Value]) -> rusqlite::Result<()> {
    for (i, param) in params.iter().enumerate() {
        statement.raw_bind_parameter(i + 1, param)?;
    }
    Ok(())
}

fn fault(error: &rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Corrupt(error.to_string()),
        _ => Fault::Unavailable(error.to_string()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Bool(yes) => ValueRef::Integer(i64::from(*yes)),
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Id(id) => ValueRef::Blob(id),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl sql::Row for rusqlite::Row<'_> {
    fn int(&self, column: usize) -> Result<i64, Fault> {
        self.get(column).map_err(|e| Fault::Corrupt(e.to_string()))
    }

    fn optional_int(&self, column: usize) -> Result<Option<i64>, Fault> {
        self.get(column).map_err(|e| Fault::Corrupt(e.to_string()))
    }

    fn bool(&self, column: usize) -> Result<bool, Fault> {
        self.get(column).map_err(|e| Fault::Corrupt(e.to_string()))
    }

    fn text(&self, column: usize) -> Result<String, Fault> {
        self.get(column).map_err(|e| Fault::Corrupt(e.to_string()))
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, Fault> {
        self.get(column).map_err(|e| Fault::Corrupt(e.to_string()))
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, Fault> {
        self.get(column).map_err(|e| Fault::Corrupt(e.to_string()))
    }
}
