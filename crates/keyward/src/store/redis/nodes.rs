//! How is Redis asked, and what if it does not answer?
//!
//! One connection that many share, to one node or to each of a cluster. Whoever asks waits a
//! bounded time, and only so many wait at once: a Redis that is gone, slow or in the midst of a
//! failover is [`Fault::Unavailable`], not a pile-up. Reconnecting and following the topology of a
//! cluster are the client library's.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    Client, Cmd, ConnectionInfo, FromRedisValue, InfoDict, IntoConnectionInfo as _, Pipeline, RedisError,
    RedisFuture, RedisResult, ScriptInvocation, Value,
};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::store::Fault;

/// How long a connection may take to be made, and one answer to come.
const ATTEMPT: Duration = Duration::from_secs(1);
/// How long a question may take with everything: reconnecting, a redirection, asking once more.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many questions may wait for their answer; more is answered as unavailable.
const WAITING: usize = 8_192;

/// Why Redis can't be used. Each message says what to do next, and none says a password.
#[derive(Debug, thiserror::Error)]
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

/// The nodes of Redis, connected.
pub(super) struct Nodes {
    link: Link,
    waiting: Semaphore,
    asked: AtomicU64,
}

/// A connection to all there is.
#[derive(Clone)]
enum Link {
    One(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Nodes {
    /// Connects. One url may name a single node, or any one of a cluster; several name a cluster.
    ///
    /// # Errors
    /// [`RedisOpenError`] where none of them answers.
    pub(super) async fn connect(urls: &[String]) -> Result<Self, RedisOpenError> {
        let infos = urls.iter().map(|url| read(url)).collect::<Result<Vec<_>, _>>()?;
        let mut failed = RedisOpenError::Url("it names no node".to_owned());
        // Of a cluster any node will do that answers.
        for info in &infos {
            match single(info).await {
                Ok((_, true)) => return Self::cluster(infos).await,
                Ok((node, false)) if infos.len() == 1 => return Ok(Self::over(Link::One(node))),
                Ok((_, false)) => return Err(RedisOpenError::NoCluster(info.addr().to_string())),
                Err(error) => failed = unreachable(info, &error),
            }
        }
        Err(failed)
    }

    async fn cluster(infos: Vec<ConnectionInfo>) -> Result<Self, RedisOpenError> {
        let first = infos[0].clone();
        let connect = async {
            ClusterClientBuilder::new(infos)
                .connection_timeout(ATTEMPT)
                .response_timeout(ATTEMPT)
                .overall_response_timeout(Some(PATIENCE))
                .build()?
                .get_async_connection()
                .await
        };
        let connected = connect.await.map_err(|error| unreachable(&first, &error))?;
        Ok(Self::over(Link::Cluster(connected)))
    }

    fn over(link: Link) -> Self {
        Self { link, waiting: Semaphore::new(WAITING), asked: AtomicU64::new(0) }
    }

    /// What the command answers.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        let mut link = self.link.clone();
        self.within(command.query_async(&mut link)).await
    }

    /// What the script answers. A node that does not know it yet is told.
    pub(super) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Fault> {
        let mut link = self.link.clone();
        self.within(script.invoke_async(&mut link)).await
    }

    async fn within<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> Result<T, Fault> {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(Fault::Unavailable("too many questions are waiting for Redis".to_owned()));
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| Fault::Unavailable(format!("Redis: {error}"))),
            Err(_) => Err(Fault::Unavailable("Redis does not answer in time".to_owned())),
        }
    }

    /// How often it was asked anything.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

fn read(url: &str) -> Result<ConnectionInfo, RedisOpenError> {
    url.into_connection_info().map_err(|error| RedisOpenError::Url(error.to_string()))
}

/// The node of this url alone, and whether it is of a cluster.
///
/// # Errors
/// [`RedisOpenError`] where it does not answer.
pub(super) async fn node(url: &str) -> Result<(ConnectionInfo, ConnectionManager, bool), RedisOpenError> {
    let info = read(url)?;
    match single(&info).await {
        Ok((node, is_of_cluster)) => Ok((info, node, is_of_cluster)),
        Err(error) => Err(unreachable(&info, &error)),
    }
}

/// A connection to this node alone, and whether that is of a cluster.
async fn single(info: &ConnectionInfo) -> RedisResult<(ConnectionManager, bool)> {
    // A connection that is lost is made anew when somebody asks, not in a row of attempts for which
    // everybody would wait.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(ATTEMPT))
        .set_response_timeout(Some(ATTEMPT));
    let mut node = ConnectionManager::new_with_config(Client::open(info.clone())?, config).await?;
    let cluster: InfoDict = redis::cmd("INFO").arg("cluster").query_async(&mut node).await?;
    let is_of_one = cluster.get::<u8>("cluster_enabled") == Some(1);
    Ok((node, is_of_one))
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
