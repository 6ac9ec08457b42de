//! How is Redis asked, and what if it does not answer?
//!
//! One connection that many share, to one node or to each of a cluster. Whoever asks waits a
//! bounded time, and only so many wait at once: a Redis that is gone, slow or in the midst of a
//! failover is [`Fault::Unavailable`], not a pile-up.
//!
//! A connection that brought no answer, or that leads to a node which takes no writes any more, is
//! given up for a new one: what is wrong with it is never told otherwise (a machine that lost its
//! power says nothing, and a client of a cluster asks the same node again). Following the topology of
//! a cluster in between is the client library's.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, InfoDict,
    IntoConnectionInfo as _, Pipeline, RedisError, RedisFuture, RedisResult, ScriptInvocation,
    ServerErrorKind, Value,
};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::store::Fault;

/// How long after one attempt to connect the next one begins at the earliest.
const PAUSE: Duration = Duration::from_millis(500);
/// How many questions may wait for their answer; more is answered as unavailable.
const WAITING: usize = 8_192;

/// Why Redis can't be used. Each message says what to do next, and none says a password.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RedisOpenError {
    /// Nothing that names a node.
    #[error(
        "redis.urls: {0}; write redis://host:6379, or rediss:// for TLS, with user:password@ where one is asked for"
    )]
    Url(String),
    /// It does not answer, or not as Redis.
    #[error("Redis at {node} can't be used: {message}")]
    Unreachable {
        /// Which.
        node: String,
        /// What was said.
        message: String,
    },
    /// Several urls, and no cluster.
    #[error(
        "redis.urls names several nodes, but {0} stands alone; name that one, or nodes of one Redis Cluster"
    )]
    NoCluster(String),
}

/// How long is waited for Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How long a connection may take to be made, and one answer to come.
    pub(super) attempt: Duration,
    /// How long a question may take with everything: connecting, a redirection, asking once more.
    pub(super) question: Duration,
}

impl Patience {
    /// So long for everything.
    pub(crate) const fn of(long: Duration) -> Self {
        Self { attempt: long, question: long }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(1), question: Duration::from_secs(2) }
    }
}

/// The nodes of Redis, and the way to them.
pub(super) struct Nodes {
    infos: Arc<[ConnectionInfo]>,
    patience: Patience,
    way: Arc<watch::Sender<Way>>,
    waiting: Semaphore,
    asked: AtomicU64,
}

/// A connection to all there is.
#[derive(Clone)]
enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// How things stand with the connection.
#[derive(Default)]
struct Way {
    link: Option<Link>,
    /// How many there were until this one.
    number: u64,
    is_connecting: bool,
    /// When the last attempt ended, by the monotonic clock.
    tried_at: Option<Duration>,
    /// Why that brought none.
    failed: Option<RedisOpenError>,
}

impl Nodes {
    /// The nodes at these addresses; the first who asks connects. One url may name a single node, or
    /// any one of a cluster; several name a cluster.
    ///
    /// # Errors
    /// [`RedisOpenError::Url`] for one that names nothing.
    pub(super) fn at(urls: &[String], patience: Patience) -> Result<Self, RedisOpenError> {
        let infos = urls.iter().map(|url| read(url)).collect::<Result<Arc<_>, _>>()?;
        let way = Arc::new(watch::Sender::new(Way::default()));
        Ok(Self { infos, patience, way, waiting: Semaphore::new(WAITING), asked: AtomicU64::new(0) })
    }

    /// Connects, if that is not done.
    ///
    /// # Errors
    /// [`RedisOpenError`] where none of them answers.
    pub(super) async fn connect(&self) -> Result<(), RedisOpenError> {
        self.link().await.map(drop)
    }

    /// The connection in use, with its number. Where there is none, whoever asks waits for it to be
    /// made; after an attempt that failed nobody waits for the next.
    async fn link(&self) -> Result<(u64, Link), RedisOpenError> {
        fn known(way: &Way) -> Option<Result<(u64, Link), RedisOpenError>> {
            let link = way.link.clone().map(|link| Ok((way.number, link)));
            link.or_else(|| way.failed.clone().map(Err))
        }
        let stands = known(&self.way.borrow());
        if let Some(Ok(link)) = stands {
            return Ok(link);
        }
        self.begin_to_connect();
        if let Some(failed) = stands {
            return failed;
        }
        let mut way = self.way.subscribe();
        let stands = match way.wait_for(|way| known(way).is_some()).await {
            Ok(way) => known(&way),
            Err(_) => None,
        };
        stands.unwrap_or_else(|| Err(nowhere()))
    }

    /// One attempt at a time, in a task of its own: whoever asks may go away.
    fn begin_to_connect(&self) {
        let begins = self.way.send_if_modified(|way| !std::mem::replace(&mut way.is_connecting, true));
        if !begins {
            return;
        }
        let (infos, way, patience) = (Arc::clone(&self.infos), Arc::clone(&self.way), self.patience);
        let tried_at = way.borrow().tried_at;
        tokio::spawn(async move {
            let clock = Clock::system();
            if let Some(tried_at) = tried_at {
                sleep((tried_at + PAUSE).saturating_sub(clock.monotonic())).await;
            }
            let made = connect(&infos, patience).await;
            way.send_modify(|way| {
                way.is_connecting = false;
                way.tried_at = Some(clock.monotonic());
                way.failed = made.as_ref().err().cloned();
                if let Ok(link) = made {
                    way.number += 1;
                    way.link = Some(link);
                }
            });
        });
    }

    /// The connection of this number is no good. That to a cluster stays in use until there is a new
    /// one: its other nodes answer.
    fn give_up(&self, number: u64) {
        let is_in_use = self.way.send_if_modified(|way| {
            let is_in_use = way.number == number && way.link.is_some();
            if is_in_use && matches!(way.link, Some(Link::One(_))) {
                way.link = None;
            }
            is_in_use
        });
        if is_in_use {
            self.begin_to_connect();
        }
    }

    /// What the command answers.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        self.within(|mut link| async move { command.query_async(&mut link).await }).await
    }

    /// What the script answers. A node that does not know it yet is told.
    pub(super) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Fault> {
        self.within(|mut link| async move { script.invoke_async(&mut link).await }).await
    }

    async fn within<T, A>(&self, ask: impl FnOnce(Link) -> A) -> Result<T, Fault>
    where
        A: Future<Output = RedisResult<T>>,
    {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(Fault::Unavailable("too many questions are waiting for Redis".to_owned()));
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut used = None;
        let asked = timeout(self.patience.question, async {
            let (number, link) = self.link().await.map_err(|error| error.to_string())?;
            used = Some(number);
            let answer = ask(link).await;
            if !answer.as_ref().is_err_and(is_of_the_link) {
                used = None;
            }
            answer.map_err(|error| format!("Redis: {error}"))
        });
        let answer = asked.await.unwrap_or_else(|_| Err("Redis does not answer in time".to_owned()));
        // What brought no answer, or leads to where nothing can be written.
        if let Some(number) = used {
            self.give_up(number);
        }
        answer.map_err(Fault::Unavailable)
    }

    /// How often it was asked anything.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// How this url says that a node is reached.
///
/// # Errors
/// [`RedisOpenError::Url`] for one that names nothing.
pub(super) fn read(url: &str) -> Result<ConnectionInfo, RedisOpenError> {
    url.into_connection_info().map_err(|error| RedisOpenError::Url(error.to_string()))
}

/// A connection to whatever these name.
async fn connect(infos: &[ConnectionInfo], patience: Patience) -> Result<Link, RedisOpenError> {
    let mut failed = nowhere();
    // Of a cluster any node will do that answers.
    for info in infos {
        match single(info, patience).await {
            Ok((_, true)) => {
                return cluster(infos, patience).await.map_err(|error| unreachable(info, &error));
            }
            Ok((node, false)) if infos.len() == 1 => return Ok(Link::One(node)),
            Ok((_, false)) => return Err(RedisOpenError::NoCluster(info.addr().to_string())),
            Err(error) => failed = unreachable(info, &error),
        }
    }
    Err(failed)
}

async fn cluster(infos: &[ConnectionInfo], patience: Patience) -> RedisResult<Link> {
    let client = ClusterClientBuilder::new(infos.to_vec())
        .connection_timeout(patience.attempt)
        .response_timeout(patience.attempt)
        .overall_response_timeout(Some(patience.question))
        .build()?;
    client.get_async_connection().await.map(Link::Cluster)
}

/// Whether a connection that brought this is no good any more: there was no answer, or the node behind
/// it has become a replica.
fn is_of_the_link(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// A connection to this node alone, and whether that is of a cluster.
pub(super) async fn single(
    info: &ConnectionInfo,
    patience: Patience,
) -> RedisResult<(MultiplexedConnection, bool)> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience.attempt))
        .set_response_timeout(Some(patience.attempt));
    let client = Client::open(info.clone())?;
    let mut node = client.get_multiplexed_async_connection_with_config(&config).await?;
    let cluster: InfoDict = redis::cmd("INFO").arg("cluster").query_async(&mut node).await?;
    let is_of_one = cluster.get::<u8>("cluster_enabled") == Some(1);
    Ok((node, is_of_one))
}

/// The primary of each range of slots of this node's cluster, as it tells them: reached in the same way,
/// with the same user.
pub(super) async fn primaries(
    info: &ConnectionInfo,
    node: &mut MultiplexedConnection,
) -> RedisResult<Vec<ConnectionInfo>> {
    // After the first and the last slot come the nodes, the primary first.
    let ranges: Vec<Vec<Value>> = redis::cmd("CLUSTER").arg("SLOTS").query_async(node).await?;
    let mut primaries = Vec::with_capacity(ranges.len());
    for range in ranges {
        let Some(Value::Array(primary)) = range.into_iter().nth(2) else { continue };
        let mut told = primary.into_iter();
        let (Some(host), Some(port)) = (told.next(), told.next()) else { continue };
        let host: Option<String> = redis::from_redis_value(host)?;
        let host = host.filter(|host| !host.is_empty());
        primaries.push(elsewhere(info, host, redis::from_redis_value(port)?));
    }
    Ok(primaries)
}

/// The same way to another port, on another host where one is told.
fn elsewhere(info: &ConnectionInfo, host: Option<String>, port: u16) -> ConnectionInfo {
    let addr = match info.addr().clone() {
        ConnectionAddr::Tcp(own, _) => ConnectionAddr::Tcp(host.unwrap_or(own), port),
        ConnectionAddr::TcpTls { host: own, insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host: host.unwrap_or(own), port, insecure, tls_params }
        }
        other => other,
    };
    info.clone().set_addr(addr)
}

fn nowhere() -> RedisOpenError {
    RedisOpenError::Url("it names no node".to_owned())
}

pub(super) fn unreachable(info: &ConnectionInfo, error: &RedisError) -> RedisOpenError {
    RedisOpenError::Unreachable { node: info.addr().to_string(), message: error.to_string() }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(node) => node.req_packed_command(command),
            Self::Cluster(nodes) => nodes.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(node) => node.req_packed_commands(commands, offset, count),
            Self::Cluster(nodes) => nodes.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(node) => node.get_db(),
            Self::Cluster(nodes) => nodes.get_db(),
        }
    }
}
