//! How does everything rest in one Postgres, for any number of nodes?
//!
//! Every node reads and writes for itself; what keeps them from each other's way are the conditions
//! that each write carries, and rows that are locked in one order (see [`sql::plan`]). A transaction
//! is `READ COMMITTED`: a statement that waited for a row decides anew by what it is then. Positions
//! of revocations are in commit order, because they are taken from one row that stays locked until
//! the commit. Time is the database's.

mod budget;
mod error;
mod gather;
pub(crate) mod inspect;
mod listen;
mod migrate;
mod moves;
mod options;
mod pool;
mod row;
pub(crate) mod take_over;
#[cfg(test)]
mod tests;
mod trail;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyward_core::account::Account;
use keyward_core::change::{Change, Committed, Write};
use keyward_core::id::{SessionId, UserId};
use keyward_core::mail::{Link, Mail, SecretHash};
use keyward_core::role::Roles;
use keyward_core::session::Session;
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::Row;

pub use self::error::PostgresError;
use self::gather::{Advances, Loads};
use self::moves::Agreement;
pub(crate) use self::moves::Moves;
use self::options::Endpoint;
pub use self::options::PostgresOptions;
pub(crate) use self::pool::Patience;
use self::pool::{Pool, Question};
use super::budget::Budgets;
use super::sql::{self, Value, explorer, search};
use super::{
    Answer, CLASSES, Counted, Fault, Loaded, NEWS_LIMIT, Name, News, NotCommitted, Page, Search, SessionPage,
    SessionSearch, Store, StoredKeys, StoredMacKey, StoredServiceKeys, Sweep, Swept,
};
use crate::clock::Clock;

/// What time it is, in microseconds since 1970.
const NOW: &str = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)";
/// Whether what is known here may be from before.
const IS_STANDBY: &str = "SELECT pg_is_in_recovery()";
/// What of it a transaction pooler must not have turned off, since it lets nobody turn it on.
const SETTLED: &str = "SELECT current_setting('synchronous_commit') <> 'off' \
     AND current_setting('default_transaction_isolation') = 'read committed'";

/// How long the way past a pooler is tried for what every node has to know each second: it may be
/// closed, and the pooler has to be asked in time then.
const PAST: Duration = Duration::from_millis(250);

/// A Postgres, open.
pub(crate) struct Postgres {
    pool: Pool,
    loads: Loads,
    advances: Option<Advances>,
    /// A connection for what every node has to know each second, whoever holds the others up.
    known: Pool,
    /// The same past the pooler, where nobody at all waits before it.
    known_past: Option<Pool>,
    agreement: Arc<Agreement>,
    /// Whether there were sessions that moved elsewhere until this opened it.
    moved: bool,
    clock: Clock,
    reads: AtomicU64,
    news: Arc<Notify>,
    listening: Option<JoinHandle<()>>,
}

impl Postgres {
    /// Connects, brings the schema up to date, and sets the clock by the database's. With `serve`
    /// it listens for what other nodes do.
    pub(crate) async fn open(
        options: &PostgresOptions,
        serve: bool,
        clock: &Clock,
    ) -> Result<Self, PostgresError> {
        let endpoint = Endpoint::of(&options.url)?;
        let direct = options.direct_url.as_deref().map(Endpoint::of).transpose()?;
        let pooled = match &direct {
            Some(direct) => {
                inspect::lead_to_one_place(&endpoint, direct).await?;
                true
            }
            None => !inspect::is_direct(&endpoint).await?,
        };
        let moved = migrate::run(&endpoint, clock, options.moves).await?;
        let agreement = Arc::new(Agreement::on(options.moves));
        // Through a pooler nothing is heard.
        let heard = direct.clone().or_else(|| (!pooled).then(|| endpoint.clone()));
        let news = Arc::new(Notify::new());
        let pool = Pool::new(
            &endpoint,
            options.max_connections.max(1),
            pooled,
            options.patience,
            Some(Arc::clone(&agreement)),
        )?;
        let store = Self {
            loads: Loads::by(&pool),
            advances: Advances::to(&pool),
            pool,
            known: Pool::new(&endpoint, 1, pooled, options.patience.for_news(), None)?,
            known_past: match &direct {
                Some(direct) => Some(Pool::new(direct, 1, false, options.patience.for_news(), None)?),
                None => None,
            },
            agreement,
            moved,
            clock: clock.clone(),
            reads: AtomicU64::new(0),
            listening: heard
                .filter(|_| serve)
                .map(|direct| tokio::spawn(listen::listen(direct, Arc::clone(&news)))),
            news,
        };
        let unfit = |message: String| PostgresError::Unfit { at: endpoint.name.clone(), message };
        let fault = |fault: Fault| unfit(fault.to_string());
        if store.one(SETTLED, vec![], |row| sql::Row::bool(row, 0)).await.map_err(fault)? != Some(true) {
            return Err(unfit(
                "behind a pooler, what is answered must be durable by itself: ALTER ROLE … SET synchronous_commit = on, \
                 and SET default_transaction_isolation = 'read committed'"
                    .to_owned(),
            ));
        }
        Ok(store)
    }

    /// Whether its sessions moved elsewhere until this opened it: other nodes may still have them there.
    pub(crate) const fn has_moved_sessions(&self) -> bool {
        self.moved
    }

    async fn all<T>(
        &self,
        sql: &str,
        params: Vec<Value>,
        parse: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.pool.read(sql, &params).await?.iter().map(parse).collect()
    }

    async fn one<T>(
        &self,
        sql: &str,
        params: Vec<Value>,
        parse: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        Ok(self.all(sql, params, parse).await?.into_iter().next())
    }

    /// Reads what may take longer.
    async fn search<T>(
        &self,
        sql: &str,
        params: &[Value],
        parse: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.pool.search(sql, params).await?.iter().map(parse).collect()
    }

    /// The versions of everything, and these rows read after them.
    async fn versions_and(&self, sql: &str) -> Result<(BTreeMap<String, u64>, Vec<Row>), Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.pool.read_each(&[(sql::COUNTERS, &[]), (sql, &[])]).await?;
        let rows = answers.pop().unwrap_or_default();
        Ok((counters(&answers.pop().unwrap_or_default())?, rows))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

impl Store for Postgres {
    fn account<'a>(&'a self, name: &'a Name) -> Answer<'a, Option<Account>> {
        let (sql, param) = match name {
            Name::Id(id) => (sql::ACCOUNT_BY_ID, sql::id(*id)),
            Name::Email(email) => (sql::ACCOUNT_BY_EMAIL, sql::text(email.as_str())),
            Name::Phone(phone) => (sql::ACCOUNT_BY_PHONE, sql::text(phone.as_str())),
        };
        Box::pin(self.one(sql, vec![param], sql::account))
    }

    fn session(&self, id: SessionId) -> Answer<'_, Option<Loaded>> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.loads.ask(id).await?
        })
    }

    fn sessions_of(&self, user: UserId, limit: u32) -> Answer<'_, Vec<Session>> {
        let params = vec![sql::id(user), Value::Int(limit.into())];
        Box::pin(self.all(sql::SESSIONS_OF, params, sql::session))
    }

    fn sessions(&self, after: SessionId, limit: u32) -> Answer<'_, Vec<Session>> {
        let params = vec![sql::id(after), Value::Int(limit.into())];
        Box::pin(self.all(sql::SESSIONS, params, sql::session))
    }

    fn all_sessions<'a>(&'a self, search: &'a SessionSearch) -> Answer<'a, SessionPage> {
        Box::pin(async move {
            let down_to = match explorer::cut(search) {
                Some(cut) => {
                    self.search(cut.sql, &cut.params, |row| explorer::place(search, row)).await?.pop()
                }
                None => None,
            };
            let page = explorer::page(search, down_to);
            let sessions = self.search(page.sql, &page.params, explorer::found).await?;
            Ok(explorer::paged(search, sessions, down_to))
        })
    }

    fn count_open(&self, after: UserId, limit: u32) -> Answer<'_, (u64, Option<UserId>)> {
        let params = vec![sql::id(after), Value::Int(limit.into())];
        Box::pin(
            async move { Ok(self.one(sql::COUNT_OPEN, params, sql::open_count).await?.unwrap_or_default()) },
        )
    }

    fn accounts<'a>(&'a self, search: &'a Search) -> Answer<'a, Page> {
        Box::pin(async move {
            let cut = match search::cut(search) {
                Some(cut) => {
                    self.search(cut.sql, &cut.params, |row| search::cut_key(search, row)).await?.pop()
                }
                None => None,
            };
            let page = search::page(search, cut.as_ref());
            let accounts = self.search(page.sql, &page.params, search::found).await?;
            Ok(search::paged(search, accounts, cut))
        })
    }

    fn cost_classes(&self) -> Answer<'_, Vec<String>> {
        let limit = vec![Value::Int(i64::try_from(CLASSES).unwrap_or(i64::MAX))];
        Box::pin(self.all(sql::COST_CLASSES, limit, |row| sql::Row::text(row, 0)))
    }

    fn imported(&self, user: UserId) -> Answer<'_, Option<[u8; 16]>> {
        Box::pin(self.one(sql::IMPORTED, vec![sql::id(user)], sql::imported))
    }

    fn signed_in_from<'a>(&'a self, user: UserId, network: &'a str, since: Timestamp) -> Answer<'a, bool> {
        let params = vec![sql::id(user), sql::text(network), sql::time(since)];
        Box::pin(async move { Ok(self.one(sql::SIGNED_IN_FROM, params, |_| Ok(())).await?.is_some()) })
    }

    fn link(&self, hash: SecretHash) -> Answer<'_, Option<(Link, Account)>> {
        let params = vec![Value::Bytes(hash.as_bytes().to_vec())];
        Box::pin(self.one(sql::mail::LINK, params, sql::mail::link))
    }

    fn due_mails(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<Mail>> {
        let params = vec![sql::time(now), Value::Int(limit.into())];
        Box::pin(self.all(sql::mail::DUE_MAILS, params, sql::mail::mail))
    }

    fn has_role<'a>(&'a self, role: &'a str) -> Answer<'a, bool> {
        let params = vec![sql::text(role)];
        Box::pin(async move { Ok(self.one(sql::HAS_ROLE, params, |_| Ok(())).await?.is_some()) })
    }

    fn roles(&self) -> Answer<'_, Roles> {
        Box::pin(async move {
            let (mut versions, rows) = self.versions_and(sql::ROLES).await?;
            let permissions = rows.iter().map(sql::role).collect::<Result<_, _>>()?;
            Ok(Roles { version: versions.remove("roles_version").unwrap_or_default(), permissions })
        })
    }

    fn keys(&self) -> Answer<'_, StoredKeys> {
        Box::pin(async move {
            let (mut versions, rows) = self.versions_and(sql::keys::KEYS).await?;
            let keys = rows.iter().map(sql::keys::key).collect::<Result<_, _>>()?;
            Ok(StoredKeys { version: versions.remove("keys_version").unwrap_or_default(), keys })
        })
    }

    fn mac_keys(&self) -> Answer<'_, Vec<StoredMacKey>> {
        Box::pin(self.all(sql::keys::MAC_KEYS, vec![], sql::keys::mac_key))
    }

    fn service_keys(&self) -> Answer<'_, StoredServiceKeys> {
        Box::pin(async move {
            let (mut versions, rows) = self.versions_and(sql::service_keys::SERVICE_KEYS).await?;
            let keys = rows.iter().map(sql::service_keys::service_key).collect::<Result<_, _>>()?;
            let version = versions.remove("service_keys_version").unwrap_or_default();
            Ok(StoredServiceKeys { version, keys })
        })
    }

    fn access_ttls(&self) -> Answer<'_, Vec<(u64, Timestamp)>> {
        Box::pin(self.all(sql::ACCESS_TTLS, vec![], sql::access_ttl))
    }

    fn figures(&self, since: Timestamp, until: Timestamp, step: Duration) -> Answer<'_, Vec<Counted>> {
        let params = sql::figures::range(since, until, step);
        Box::pin(async move { self.search(sql::figures::FIGURES, &params, sql::figures::counted).await })
    }

    fn news(&self, position: u64) -> Answer<'_, News> {
        Box::pin(async move {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if let Some(known) = self.known_past.clone() {
                // Of its own: a connection that takes longer to make is there for the next question.
                let asked = tokio::spawn(async move { news_of(&known, position).await });
                if let Ok(Ok(Ok((news, is_marked)))) = timeout(PAST, asked).await {
                    self.agreement.heard(is_marked);
                    return Ok(news);
                }
            }
            let (news, is_marked) = news_of(&self.known, position).await?;
            self.agreement.heard(is_marked);
            Ok(news)
        })
    }

    fn may_have_news(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.news.notified())
    }

    fn commit(&self, change: Change) -> Answer<'_, Committed, NotCommitted> {
        let moves = match change.writes.as_slice() {
            [Write::Advance { session, .. }] if change.events.is_empty() => Some(*session),
            _ => None,
        };
        Box::pin(async move {
            let mut statements = sql::plan(change);
            if let (Some(session), Some(advances)) = (moves, &self.advances)
                && let Some(statement) = statements.pop()
            {
                return advances.ask((session, statement)).await?;
            }
            self.pool.write(statements).await
        })
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            let look = sql::sweep::look(&sweep);
            let seen = self.all(look.sql, look.params, sql::session).await?;
            let (statements, swept) = sql::sweep::take(&sweep, seen);
            self.pool.write(statements).await.map_err(NotCommitted::fault)?;
            // What went is told, whatever becomes of the budgets.
            if let Err(fault) = budget::sweep(&self.pool, sweep.now, sweep.limit).await {
                tracing::warn!("budgets that have come back stay for a while: {fault}");
            }
            Ok(swept)
        })
    }

    fn ping(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.one(sql::PING, vec![], |_| Ok(())).await.map(drop) })
    }

    fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    fn budgets(&self, throttle: Throttle) -> Option<&dyn Budgets> {
        budget::is_shared(throttle).then_some(self)
    }
}

/// What there is past a position and what time it is, by this connection, and whether sessions move
/// elsewhere.
async fn news_of(known: &Pool, position: u64) -> Result<(News, bool), Fault> {
    let past = [sql::number(position), Value::Int(i64::try_from(NEWS_LIMIT).unwrap_or(i64::MAX))];
    let questions: [Question<'_>; 5] = [
        (IS_STANDBY, &[]),
        (NOW, &[]),
        (sql::COUNTERS, &[]),
        (sql::REVOCATIONS, &past),
        (sql::LONGEST_ACCESS_TTL, &[]),
    ];
    let answers = known.read_each(&questions).await?;
    let [is_standby, now, versions, revocations, longest] = answers.as_slice() else {
        return Err(Fault::Unavailable("it answered less than it was asked".to_owned()));
    };
    if is_standby.first().map(|row| sql::Row::bool(row, 0)).transpose()? != Some(false) {
        return Err(Fault::Unavailable("it is a standby, which knows what was".to_owned()));
    }
    let versions = counters(versions)?;
    let version = |name| versions.get(name).copied().unwrap_or_default();
    let at = now.first().map(|row| sql::Row::int(row, 0)).transpose()?;
    let news = News {
        keys_version: version("keys_version"),
        service_keys_version: version("service_keys_version"),
        revocations: revocations.iter().map(sql::revocation).collect::<Result<_, _>>()?,
        at: at.map(Timestamp::from_micros),
        last: versions.get("position").copied(),
        longest_access_ttl: longest.first().map(sql::longest_access).transpose()?.unwrap_or_default(),
    };
    Ok((news, versions.contains_key(moves::MARKED)))
}

fn counters(rows: &[Row]) -> Result<BTreeMap<String, u64>, Fault> {
    rows.iter().map(sql::counter).collect()
}
