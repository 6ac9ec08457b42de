//! How are servers of Redis started here, and asked what they hold?

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};

use crate::store::servers;
pub(in crate::store::redis) use crate::store::servers::redis::{Cluster, Server};

/// A server that every test may use; each has keys of its own there.
pub(in crate::store::redis) fn one() -> &'static Server {
    servers::redis::server()
}

/// A cluster of three nodes that every test may use.
pub(in crate::store::redis) fn cluster() -> &'static Cluster {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(3, 0));
    &CLUSTER
}

impl Server {
    /// Asks it alone.
    pub(in crate::store::redis) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query_async(&mut self.connection().await).await.expect("it answers")
    }

    pub(in crate::store::redis) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a url");
        client.get_multiplexed_async_connection().await.expect("it answers")
    }

    /// Takes away every key that begins so, as if Redis had lost them.
    pub(in crate::store::redis) async fn forget(&self, prefix: &str) {
        let keys: Vec<String> = self.ask(redis::cmd("KEYS").arg(format!("{prefix}*"))).await;
        self.ask::<()>(&redis::Cmd::del(keys)).await;
    }

    /// How many bytes a key takes.
    pub(in crate::store::redis) async fn memory(&self, key: &str) -> usize {
        self.ask(redis::cmd("MEMORY").arg("USAGE").arg(key)).await
    }
}
