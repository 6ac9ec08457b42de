//! How does everything rest in one SQLite file?
//!
//! One thread writes: it takes all changes that are waiting into one transaction, commits, and
//! only then answers each (group commit), so that durability on every answer costs one flush for
//! many. Reads are of single rows by their key, done in place on a small pool of connections; in
//! WAL mode they never wait for the writer. Another process (the command line) may write beside
//! this one; only one may serve.

mod file;
pub(crate) mod inspect;
mod migrate;
pub(crate) mod moved;
mod queue;
mod row;
#[cfg(test)]
pub(super) mod tests;
mod trail;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keyward_core::account::Account;
use keyward_core::change::{Change, Committed};
use keyward_core::id::{SessionId, UserId};
use keyward_core::mail::{Link, Mail, SecretHash};
use keyward_core::role::Roles;
use keyward_core::session::Session;
use keyward_core::time::Timestamp;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use self::file::{Opened, Served, file_error, said};
use self::queue::{Refused, Sender, queue};
use self::writer::{Job, bind};
use super::sql::{self, Statement, Value, explorer, search};
use super::{
    Answer, CLASSES, Counted, Fault, Loaded, NEWS_LIMIT, Name, News, NotCommitted, Page, Search, SessionPage,
    SessionSearch, Store, StoredKeys, StoredMacKey, StoredServiceKeys, Sweep, Swept,
};

/// How many connections read.
const READERS: usize = 4;

/// How much may wait, and for how long.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// How many changes may wait; more is answered as unavailable instead of piling up.
    queue: usize,
    /// How long one process waits for another one's transaction.
    busy: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { queue: 8_192, busy: Duration::from_secs(5) }
    }
}

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
    /// Everything of it was moved to a Postgres.
    #[error(
        "{path}: this database was moved to {to} at {at}: set database.url to that; `keyward migrate --take-back` \
         makes it good again, as it was then"
    )]
    Moved {
        /// Which.
        path: PathBuf,
        /// Where everything is.
        to: String,
        /// Since when.
        at: Timestamp,
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
    /// The SQLite that is linked into this program can damage a database.
    #[error(
        "this program is linked with SQLite {found}, which can damage a database under load; build it with {needed} or later"
    )]
    Library {
        /// Its version.
        found: String,
        /// The oldest that will do.
        needed: String,
    },
}

/// A SQLite file, open.
pub(crate) struct Sqlite {
    readers: Vec<Mutex<Connection>>,
    /// For what may take longer than the reading of a row by its key.
    searcher: Option<Arc<Mutex<Connection>>>,
    next_reader: AtomicUsize,
    reads: AtomicU64,
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    served: Option<Served>,
}

impl Sqlite {
    /// Opens the file, making it and its folder where they are not there (modes 0600 and 0700),
    /// and brings its schema up to date. With `serve` no other process may serve from it.
    pub(crate) fn open(path: &Path, serve: bool, now: Timestamp) -> Result<Self, OpenError> {
        Self::open_with(path, serve, now, Patience::default())
    }

    fn open_with(path: &Path, serve: bool, now: Timestamp, patience: Patience) -> Result<Self, OpenError> {
        let Opened { mut writer, readers, searcher, served } =
            file::open(path, serve, now, READERS, patience.busy)?;
        let (jobs, waiting) = queue(patience.queue);
        let workers = writer::workers();
        let thread = thread::Builder::new()
            .name("keyward-sqlite".to_owned())
            .spawn(move || writer::run(&mut writer, &waiting, writer::GATHER, workers.as_ref()))
            .map_err(|e| file_error(path, &e))?;
        Ok(Self {
            readers: readers.into_iter().map(Mutex::new).collect(),
            searcher: Some(Arc::new(Mutex::new(searcher))),
            next_reader: AtomicUsize::new(0),
            reads: AtomicU64::new(0),
            jobs: Some(jobs),
            writer: Some(thread),
            served,
        })
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        // Always the first that is free: a commit makes each connection read its pages anew, so the
        // fewer take part, the less is read.
        let free = self.readers.iter().find_map(|reader| reader.try_lock().ok());
        let connection = free.unwrap_or_else(|| {
            let next = self.next_reader.fetch_add(1, Ordering::Relaxed);
            self.readers[next % READERS].lock().unwrap_or_else(PoisonError::into_inner)
        });
        read(&connection).map_err(|e| fault(&e))?
    }

    fn one<T>(
        &self,
        sql: &str,
        params: &[Value],
        parse: impl FnOnce(&rusqlite::Row<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.read(|connection| first(connection, sql, params, parse))
    }

    fn all<T>(
        &self,
        sql: &str,
        params: &[Value],
        parse: impl Fn(&rusqlite::Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.read(|connection| each(connection, sql, params, parse))
    }

    /// Reads what may take longer, off the threads that answer requests and on a connection that
    /// none of them waits for: one search at a time.
    async fn search<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let closed = || Fault::Unavailable("the database is closed".to_owned());
        let searcher = self.searcher.clone().ok_or_else(closed)?;
        let searched = tokio::task::spawn_blocking(move || {
            let connection = searcher.lock().unwrap_or_else(PoisonError::into_inner);
            read(&connection).map_err(|e| fault(&e))?
        });
        searched.await.map_err(|e| Fault::Unavailable(e.to_string()))?
    }

    async fn write(&self, statements: Vec<Statement>) -> Result<Committed, NotCommitted> {
        let (answer, answered) = oneshot::channel();
        let gone = || NotCommitted::Fault(Fault::Unavailable("the database is closed".to_owned()));
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        match jobs.send(Job { statements, answer }) {
            Ok(()) => answered.await.map_err(|_| gone())?,
            Err(Refused::Full) => {
                Err(Fault::Unavailable("too many changes are waiting to be written".to_owned()).into())
            }
            Err(Refused::Closed) => Err(gone()),
        }
    }
}

/// What was accepted is written before the file is closed, and it is closed before another may serve.
impl Drop for Sqlite {
    fn drop(&mut self) {
        // The writer closes last: only one that may write folds the journal into the file.
        self.readers.clear();
        drop(self.searcher.take());
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // The thread ends by itself once the queue is closed and empty.
            let _ = writer.join();
        }
        drop(self.served.take());
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

    fn all_sessions<'a>(&'a self, search: &'a SessionSearch) -> Answer<'a, SessionPage> {
        let search = search.clone();
        Box::pin(self.search(move |connection| {
            let down_to = match explorer::cut(&search) {
                Some(cut) => first(connection, cut.sql, &cut.params, |row| explorer::place(&search, row))?,
                None => Ok(None),
            };
            let down_to = match down_to {
                Ok(down_to) => down_to,
                Err(fault) => return Ok(Err(fault)),
            };
            let page = explorer::page(&search, down_to);
            let sessions = each(connection, page.sql, &page.params, |row| explorer::found(row))?;
            Ok(sessions.map(|sessions| explorer::paged(&search, sessions, down_to)))
        }))
    }

    fn count_open(&self, after: UserId, limit: u32) -> Answer<'_, (u64, Option<UserId>)> {
        let params = [sql::id(after), Value::Int(limit.into())];
        Box::pin(async move {
            Ok(self.one(sql::COUNT_OPEN, &params, |row| sql::open_count(row))?.unwrap_or_default())
        })
    }

    fn accounts<'a>(&'a self, search: &'a Search) -> Answer<'a, Page> {
        Box::pin(async move {
            let cut = match search::cut(search) {
                Some(Statement { sql, params, .. }) => {
                    self.one(sql, &params, |row| search::cut_key(search, row))?
                }
                None => None,
            };
            let Statement { sql, params, .. } = search::page(search, cut.as_ref());
            let accounts = self.all(sql, &params, |row| search::found(row))?;
            Ok(search::paged(search, accounts, cut))
        })
    }

    fn cost_classes(&self) -> Answer<'_, Vec<String>> {
        let limit = [Value::Int(i64::try_from(CLASSES).unwrap_or(i64::MAX))];
        Box::pin(async move { self.all(sql::COST_CLASSES, &limit, |row| sql::Row::text(row, 0)) })
    }

    fn imported(&self, user: UserId) -> Answer<'_, Option<[u8; 16]>> {
        Box::pin(async move { self.one(sql::IMPORTED, &[sql::id(user)], |row| sql::imported(row)) })
    }

    fn signed_in_from<'a>(&'a self, user: UserId, network: &'a str, since: Timestamp) -> Answer<'a, bool> {
        let params = [sql::id(user), sql::text(network), sql::time(since)];
        Box::pin(async move { Ok(self.one(sql::SIGNED_IN_FROM, &params, |_| Ok(()))?.is_some()) })
    }

    fn link(&self, hash: SecretHash) -> Answer<'_, Option<(Link, Account)>> {
        let params = [Value::Bytes(hash.as_bytes().to_vec())];
        Box::pin(async move { self.one(sql::mail::LINK, &params, |row| sql::mail::link(row)) })
    }

    fn due_mails(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<Mail>> {
        let params = [sql::time(now), Value::Int(limit.into())];
        Box::pin(async move { self.all(sql::mail::DUE_MAILS, &params, |row| sql::mail::mail(row)) })
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
            Ok(StoredKeys { version, keys: self.all(sql::keys::KEYS, &[], |row| sql::keys::key(row))? })
        })
    }

    fn mac_keys(&self) -> Answer<'_, Vec<StoredMacKey>> {
        Box::pin(async move { self.all(sql::keys::MAC_KEYS, &[], |row| sql::keys::mac_key(row)) })
    }

    fn service_keys(&self) -> Answer<'_, StoredServiceKeys> {
        Box::pin(async move {
            let version = self.counters()?.remove("service_keys_version").unwrap_or_default();
            Ok(StoredServiceKeys {
                version,
                keys: self
                    .all(sql::service_keys::SERVICE_KEYS, &[], |row| sql::service_keys::service_key(row))?,
            })
        })
    }

    fn access_ttls(&self) -> Answer<'_, Vec<(u64, Timestamp)>> {
        Box::pin(async move { self.all(sql::ACCESS_TTLS, &[], |row| sql::access_ttl(row)) })
    }

    fn figures(&self, since: Timestamp, until: Timestamp, step: Duration) -> Answer<'_, Vec<Counted>> {
        let params = sql::figures::range(since, until, step);
        Box::pin(self.search(move |connection| {
            each(connection, sql::figures::FIGURES, &params, |row| sql::figures::counted(row))
        }))
    }

    fn news(&self, position: u64) -> Answer<'_, News> {
        let params = [sql::number(position), Value::Int(i64::try_from(NEWS_LIMIT).unwrap_or(i64::MAX))];
        Box::pin(async move {
            let counters = self.counters()?;
            let version = |name| counters.get(name).copied().unwrap_or_default();
            Ok(News {
                keys_version: version("keys_version"),
                service_keys_version: version("service_keys_version"),
                at: None,
                last: None,
                longest_access_ttl: self
                    .one(sql::LONGEST_ACCESS_TTL, &[], |row| sql::longest_access(row))?
                    .unwrap_or_default(),
                revocations: self.all(sql::REVOCATIONS, &params, |row| sql::revocation(row))?,
            })
        })
    }

    fn commit(&self, change: Change) -> Answer<'_, Committed, NotCommitted> {
        Box::pin(async move { self.write(sql::plan(change)).await })
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            let look = sql::sweep::look(&sweep);
            let seen = self.all(look.sql, &look.params, |row| sql::session(row))?;
            let (statements, swept) = sql::sweep::take(&sweep, seen);
            self.write(statements).await.map_err(NotCommitted::fault)?;
            Ok(swept)
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

/// The first row of an answer, if it has any.
fn first<T>(
    connection: &Connection,
    sql: &str,
    params: &[Value],
    parse: impl FnOnce(&rusqlite::Row<'_>) -> Result<T, Fault>,
) -> rusqlite::Result<Result<Option<T>, Fault>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    let mut rows = statement.raw_query();
    Ok(rows.next()?.map(parse).transpose())
}

/// Every row of an answer.
fn each<T>(
    connection: &Connection,
    sql: &str,
    params: &[Value],
    parse: impl Fn(&rusqlite::Row<'_>) -> Result<T, Fault>,
) -> rusqlite::Result<Result<Vec<T>, Fault>> {
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
}

fn fault(error: &rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Corrupt(error.to_string()),
        _ => Fault::Unavailable(said(error)),
    }
}
