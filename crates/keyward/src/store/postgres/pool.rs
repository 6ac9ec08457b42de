//! How is the database asked, and written to, in bounded time and with bounded connections?
//!
//! A connection is taken for one question or one transaction and given back. Whatever takes too
//! long, and whatever ends in a state that nobody knows, gives no connection back: it is closed,
//! and the database rolls back what it had begun.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use keyward_core::change::Committed;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Statement as Prepared};

use super::error::{PostgresError, fault, is_lost, not_committed, told};
use super::moves::Agreement;
use super::options::{Endpoint, READY};
use crate::store::sql::{self, Expect, Statement, Value};
use crate::store::{Fault, NotCommitted, WORTH};

/// How long, and how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long is waited for a connection that is free.
    pub(super) wait: Duration,
    /// How long the database may take for one statement.
    pub(super) statement: Duration,
    /// How long one transaction waits for another's.
    pub(super) lock: Duration,
    /// How long a transaction may rest: its node may have gone away with a lock in its hands, for
    /// which all others wait.
    pub(super) rest: Duration,
    /// How long is waited for an answer: longer than the database goes on with one.
    pub(super) answer: Duration,
    /// How long any of it may take for what every node has to know each second: later than that, an
    /// answer is worth nothing, and whoever waits for it keeps all others waiting.
    pub(super) news: Duration,
    /// How many may wait for each connection there is; more is answered as unavailable at once.
    pub(super) waiting: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(2),
            statement: Duration::from_secs(5),
            lock: Duration::from_secs(3),
            rest: Duration::from_secs(2),
            answer: Duration::from_secs(6),
            news: WORTH,
            waiting: 64,
        }
    }
}

impl Patience {
    /// So long for everything.
    pub(crate) fn of(long: Duration) -> Self {
        Self {
            wait: long,
            statement: long,
            lock: long,
            rest: long,
            answer: long,
            news: long,
            ..Self::default()
        }
    }

    /// For what every node has to know each second.
    pub(super) fn for_news(self) -> Self {
        let Self { news, .. } = self;
        Self { wait: news, statement: news, lock: news, answer: news, ..self }
    }

    /// What the database is told of it.
    fn limits(&self) -> [(&'static str, u128); 3] {
        [
            ("statement_timeout", self.statement.as_millis()),
            ("lock_timeout", self.lock.as_millis()),
            ("idle_in_transaction_session_timeout", self.rest.as_millis()),
        ]
    }

    /// What each connection is set to. What is answered is durable, whatever the role or the
    /// database says; and a condition is decided anew for a row that somebody else changed, which
    /// `read committed` does.
    fn settings(&self) -> String {
        let limits = self.limits().map(|(name, millis)| format!("set_config('{name}', '{millis}', false)"));
        format!(
            "SELECT {}, set_config('default_transaction_isolation', 'read committed', false), \
             set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
             WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)",
            limits.join(", ")
        )
    }

    /// How a transaction begins where no connection remembers what it was set to.
    pub(super) fn begin(&self) -> String {
        let limits = self.limits().map(|(name, millis)| format!("; SET LOCAL {name} = {millis}"));
        format!("BEGIN{}", limits.concat())
    }
}

/// How often something is asked anew whose connection was gone.
const ANEW: usize = 2;

/// Connections to one database. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    connections: deadpool_postgres::Pool,
    /// Who may wait for a connection.
    queue: Semaphore,
    /// Who may ask what takes longer: never all connections at once.
    searches: Semaphore,
    patience: Patience,
    /// What has to hold for anything to be asked.
    agreement: Option<Arc<Agreement>>,
    /// Whether the other end is a transaction pooler, where no connection remembers anything.
    pooled: bool,
    /// What begins a transaction.
    begin: String,
    /// The texts as Postgres reads them.
    texts: RwLock<HashMap<String, Arc<str>>>,
}

impl Pool {
    pub(super) fn new(
        endpoint: &Endpoint,
        size: usize,
        pooled: bool,
        patience: Patience,
        agreement: Option<Arc<Agreement>>,
    ) -> Result<Self, PostgresError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(endpoint.config.clone(), endpoint.tls.clone(), recycling);
        let mut pool = deadpool_postgres::Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(patience.wait))
            .create_timeout(Some(READY));
        if !pooled {
            let settings: Arc<str> = patience.settings().into();
            pool = pool.post_create(Hook::async_fn(move |client, _| {
                let settings = Arc::clone(&settings);
                Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
            }));
        }
        let connections = pool.build().map_err(|e| PostgresError::Address(e.to_string()))?;
        Ok(Self(Arc::new(Inner {
            connections,
            queue: Semaphore::new(size * patience.waiting),
            searches: Semaphore::new(size.div_ceil(4)),
            begin: if pooled { patience.begin() } else { "BEGIN".to_owned() },
            patience,
            agreement,
            pooled,
            texts: RwLock::default(),
        })))
    }

    /// How many may wait for a connection, and how long for an answer.
    pub(super) fn room_and_patience(&self) -> (usize, Duration) {
        let Patience { wait, answer, waiting, .. } = self.0.patience;
        (self.0.connections.status().max_size * waiting, wait + answer)
    }

    /// Whether the other end is a transaction pooler.
    pub(super) fn is_pooled(&self) -> bool {
        self.0.pooled
    }

    /// The rows that answer this question.
    pub(super) async fn read(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Fault> {
        let mut answers = self.read_each(&[(sql, params)]).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// The rows that a statement answers which writes. It is sent once: where its connection is lost
    /// nobody knows whether it was done.
    pub(super) async fn once(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Fault> {
        let mut answers = self.ask(&[(sql, params)], Way::Kept, 0).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// The rows that answer each of these questions, which are asked in one go and in this order.
    pub(super) async fn read_each(&self, questions: &[Question<'_>]) -> Result<Vec<Vec<Row>>, Fault> {
        self.ask(questions, Way::Kept, ANEW).await
    }

    /// The rows that answer a question that may take longer; few of them are asked at once, and the
    /// way to the answer is chosen anew for what is asked.
    pub(super) async fn search(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Fault> {
        let waited = timeout(self.0.patience.wait, self.0.searches.acquire()).await;
        let _turn = waited.map_err(|_| Fault::Unavailable("too many searches are under way".to_owned()))?;
        let mut answers = self.ask(&[(sql, params)], Way::ChosenAnew, ANEW).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// A connection that is gone costs one of so many more tries. One whose answer nobody waits for any
    /// more is closed: the next one to take it would wait for that answer first.
    async fn ask(
        &self,
        questions: &[Question<'_>],
        way: Way,
        mut anew: usize,
    ) -> Result<Vec<Vec<Row>>, Fault> {
        loop {
            let mut lease = Lease(Some(self.get().await?));
            let connection = lease.connection()?;
            let asked = async {
                let mut asks: Vec<Later<'_, Result<Vec<Row>, Error>>> = Vec::with_capacity(questions.len());
                for (sql, params) in questions {
                    let ready = self.prepare(connection, sql, way).await?;
                    asks.push(Box::pin(ready.query(connection, params)));
                }
                together(asks).await.into_iter().collect()
            };
            match timeout(self.0.patience.answer, asked).await {
                Ok(Ok(rows)) => {
                    lease.give_back();
                    return Ok(rows);
                }
                Ok(Err(error)) if is_lost(&error) => {
                    self.lost(lease);
                    if anew == 0 {
                        return Err(fault(&error));
                    }
                    anew -= 1;
                }
                Ok(Err(error)) => {
                    lease.give_back();
                    return Err(fault(&error));
                }
                Err(_) => return Err(no_answer()),
            }
        }
    }

    /// Writes all of these or none. It goes on to its end even where nobody waits for it any more:
    /// what is written is then written, and the connection is as it was.
    pub(super) async fn write(&self, statements: Vec<Statement>) -> Result<Committed, NotCommitted> {
        if statements.is_empty() {
            return Ok(Committed::default());
        }
        let pool = self.clone();
        let written = tokio::spawn(async move { pool.write_through(&statements).await });
        written.await.unwrap_or_else(|e| Err(Fault::Unavailable(e.to_string()).into()))
    }

    async fn write_through(&self, statements: &[Statement]) -> Result<Committed, NotCommitted> {
        let mut anew = 0;
        loop {
            let mut lease = Lease(Some(self.get().await?));
            let connection = lease.connection()?;
            let written = match statements {
                // Behind a pooler only a transaction can be told how long it may wait.
                [only] if !self.0.pooled => {
                    timeout(self.0.patience.answer, self.write_one(connection, only)).await
                }
                all => timeout(self.0.patience.answer, self.write_all(connection, all)).await,
            };
            match written {
                Ok(Ok(result)) => {
                    lease.give_back();
                    return result;
                }
                Ok(Err(Broken { error, before_commit })) => {
                    self.lost(lease);
                    if !before_commit || anew == ANEW {
                        return Err(fault(&error).into());
                    }
                    anew += 1;
                }
                Err(_) => return Err(no_answer().into()),
            }
        }
    }

    /// One statement is a transaction of its own: one message there and one back.
    async fn write_one(&self, connection: &Object, statement: &Statement) -> Result<Written, Broken> {
        let ran = match self.prepare(connection, statement.sql, Way::Kept).await {
            Err(error) if is_lost(&error) => return Err(Broken { error, before_commit: true }),
            Err(error) => Err(error),
            Ok(prepared) => match prepared.run(connection, statement).await {
                Err(error) if is_lost(&error) => return Err(Broken { error, before_commit: false }),
                ran => ran,
            },
        };
        let mut committed = Committed::default();
        Ok(take(ran, statement.expect, &mut committed).map(|()| committed))
    }

    /// Several statements go out together, are looked at together, and then stand or fall.
    async fn write_all(&self, connection: &Object, statements: &[Statement]) -> Result<Written, Broken> {
        let broken = |error| Broken { before_commit: is_lost(&error), error };
        let mut runs: Vec<Later<'_, Result<Ran, Error>>> = Vec::with_capacity(statements.len() + 1);
        runs.push(Box::pin(async { connection.batch_execute(&self.0.begin).await.map(|()| Ran::Rows(0)) }));
        for statement in statements {
            let ready = self.prepare(connection, statement.sql, Way::Kept).await.map_err(broken)?;
            runs.push(Box::pin(ready.run(connection, statement)));
        }
        let mut ran = together(runs).await.into_iter();
        if let Some(Err(error)) = ran.next() {
            return Err(broken(error));
        }
        let mut committed = Committed::default();
        for (ran, statement) in ran.zip(statements) {
            match ran {
                Err(error) if is_lost(&error) => return Err(broken(error)),
                // What comes after it says only that it was the end.
                ran => {
                    if let Err(refused) = take(ran, statement.expect, &mut committed) {
                        connection.batch_execute("ROLLBACK").await.map_err(broken)?;
                        return Ok(Err(refused));
                    }
                }
            }
        }
        match connection.batch_execute("COMMIT").await {
            Ok(()) => Ok(Ok(committed)),
            Err(error) if is_lost(&error) => Err(Broken { error, before_commit: false }),
            Err(error) => Ok(Err(not_committed(&error, Expect::Anything))),
        }
    }

    /// Closes a connection that is gone, and with it those that nobody uses: where the database was
    /// restarted they are gone as well.
    fn lost(&self, connection: Lease) {
        drop(connection);
        self.0.connections.retain(|_, _| false);
    }

    async fn get(&self) -> Result<Object, Fault> {
        self.0.agreement.as_ref().map_or(Ok(()), |agreement| agreement.check())?;
        let Ok(_place) = self.0.queue.try_acquire() else {
            return Err(crowded());
        };
        self.0.connections.get().await.map_err(|error| {
            Fault::Unavailable(match error {
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                    told(&error)
                }
                PoolError::Timeout(TimeoutType::Wait) => {
                    "no connection to the database was free in time".to_owned()
                }
                error => error.to_string(),
            })
        })
    }

    /// The statement, ready to run on this connection. Behind a transaction pooler no connection
    /// keeps one: there its text goes along each time.
    async fn prepare(&self, connection: &Object, sql: &str, way: Way) -> Result<Ready, Error> {
        let text = self.text(sql);
        match way {
            Way::Kept if !self.0.pooled => connection.prepare_cached(&text).await.map(Ready::Prepared),
            _ => Ok(Ready::Text(text)),
        }
    }

    /// The text as Postgres reads it.
    fn text(&self, sql: &str) -> Arc<str> {
        if let Some(text) = self.0.texts.read().unwrap_or_else(PoisonError::into_inner).get(sql) {
            return Arc::clone(text);
        }
        let text: Arc<str> = translated(sql).into();
        self.0
            .texts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql.to_owned(), Arc::clone(&text));
        text
    }
}

/// What the common text says otherwise in Postgres: parameters, and an id as bytes.
pub(super) fn translated(sql: &str) -> String {
    sql.replace('?', "$").replace("CAST(id AS BLOB)", "uuid_send(id)")
}

/// A text and what it is asked with.
pub(super) type Question<'a> = (&'a str, &'a [Value]);

/// How the database finds its way to an answer.
#[derive(Clone, Copy)]
enum Way {
    /// As it did the last time, on a connection that keeps it.
    Kept,
    /// By what it is asked with.
    ChosenAnew,
}

type Written = Result<Committed, NotCommitted>;

/// Why a connection is of no use any more.
struct Broken {
    error: Error,
    /// Whether nothing can have been committed: then it may be tried on another one.
    before_commit: bool,
}

/// A connection that may be in the midst of something. Dropped, it is closed.
struct Lease(Option<Object>);

impl Lease {
    fn connection(&self) -> Result<&Object, Fault> {
        self.0.as_ref().ok_or_else(no_answer)
    }

    fn give_back(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

pub(super) fn crowded() -> Fault {
    Fault::Unavailable("too many requests wait for the database".to_owned())
}

pub(super) fn no_answer() -> Fault {
    Fault::Unavailable("the database did not answer in time".to_owned())
}

/// A statement that is ready to run.
enum Ready {
    Prepared(Prepared),
    Text(Arc<str>),
}

/// What came of a statement.
enum Ran {
    /// So many rows were written.
    Rows(u64),
    /// This was revoked.
    Revoked(Vec<Row>),
}

impl Ready {
    async fn query(self, connection: &Object, params: &[Value]) -> Result<Vec<Row>, Error> {
        match self {
            Self::Prepared(prepared) => connection.query(&prepared, &untyped(params)).await,
            Self::Text(text) => connection.query_typed(&text, &typed(params)).await,
        }
    }

    async fn run(self, connection: &Object, statement: &Statement) -> Result<Ran, Error> {
        if statement.expect == Expect::Revocations {
            return self.query(connection, &statement.params).await.map(Ran::Revoked);
        }
        let rows = match self {
            Self::Prepared(prepared) => connection.execute(&prepared, &untyped(&statement.params)).await,
            Self::Text(text) => connection.execute_typed(&text, &typed(&statement.params)).await,
        };
        rows.map(Ran::Rows)
    }
}

fn untyped(params: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    params.iter().map(|param| param as _).collect()
}

fn typed(params: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    params.iter().map(|param| (param as _, param.type_of())).collect()
}

/// Whether it did what was expected, with what it revoked.
fn take(ran: Result<Ran, Error>, expect: Expect, committed: &mut Committed) -> Result<(), NotCommitted> {
    match (ran.map_err(|error| not_committed(&error, expect))?, expect) {
        (Ran::Revoked(rows), _) => {
            for row in &rows {
                committed.revocations.push(sql::revocation(row)?);
            }
            Ok(())
        }
        (Ran::Rows(rows), Expect::OneRow(conflict)) if rows != 1 => Err(NotCommitted::Conflict(conflict)),
        (Ran::Rows(_), _) => Ok(()),
    }
}

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Begins all of these in their order before any is waited for: what they send goes out in one go,
/// and is answered in the same order.
async fn together<T>(mut all: Vec<Later<'_, T>>) -> Vec<T> {
    let mut done = Vec::with_capacity(all.len());
    let mut ready: Vec<Option<T>> = Vec::with_capacity(all.len());
    poll_fn(|cx| {
        for later in all.iter_mut().skip(ready.len()) {
            ready.push(match later.as_mut().poll(cx) {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            });
        }
        while done.len() < all.len() {
            let at = done.len();
            match ready[at].take() {
                Some(result) => done.push(result),
                None => match all[at].as_mut().poll(cx) {
                    Poll::Ready(result) => done.push(result),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
        Poll::Ready(())
    })
    .await;
    done
}
