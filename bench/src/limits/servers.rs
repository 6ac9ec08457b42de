//! The bare write, and the read by key before it, by the libraries that Keyward asks Postgres and
//! Redis by.

use std::sync::LazyLock;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio_postgres::NoTls;

use super::{ROWS, each};
use crate::servers::postgres::Database;
use crate::servers::redis::Server;

const TABLE: &str = "CREATE TABLE s (id BIGINT PRIMARY KEY, gen BIGINT NOT NULL, hash BYTEA NOT NULL, used_at BIGINT NOT NULL) \
     WITH (fillfactor = 90)";
const READ: &str = "SELECT gen, hash, used_at FROM s WHERE id = $1";
const UPDATE: &str = "UPDATE s SET gen = gen + 1, hash = $3, used_at = $4 WHERE id = $1 AND gen = $2";

/// As many as Keyward has.
const CONNECTIONS: usize = 16;

/// A read by key and a conditional update, which is on disk when it is answered.
pub(super) async fn postgres(database: &Database, callers: usize, run: Duration) -> f64 {
    let table = Table::make(database);
    let rate = each(callers, run, move |id, generation| {
        let table = table.clone();
        async move {
            table.read(id).await;
            table.update(id, generation).await;
        }
    });
    let rate = rate.await;
    database.sql("DROP TABLE s");
    rate
}

/// A read by key in Postgres and a compare-and-set in Redis, by a script.
pub(super) async fn redis(database: &Database, redis: &Server, callers: usize, run: Duration) -> f64 {
    static SET: LazyLock<Script> = LazyLock::new(|| {
        Script::new(
            "local known = redis.call('GET', KEYS[1])
            if known and known ~= ARGV[1] then return 0 end
            redis.call('SET', KEYS[1], ARGV[2])
            return 1",
        )
    });
    let table = Table::make(database);
    let shared = connect(redis).await;
    let keys: Vec<String> = (0..ROWS).map(|id| format!("bare:{id}")).collect();
    let unlinked = redis::cmd("UNLINK").arg(&keys).exec_async(&mut shared.clone()).await;
    unlinked.expect("none is left of the last time");
    let rate = each(callers, run, move |id, generation| {
        let (table, mut connection) = (table.clone(), shared.clone());
        async move {
            table.read(id).await;
            let mut set = SET.key(format!("bare:{id}"));
            set.arg(format!("{generation:064}")).arg(format!("{:064}", generation + 1));
            let done: bool = set.invoke_async(&mut connection).await.expect("an answer");
            assert!(done, "nobody else writes this key");
        }
    });
    let rate = rate.await;
    database.sql("DROP TABLE s");
    rate
}

/// The one connection that all share.
pub(crate) async fn connect(redis: &Server) -> MultiplexedConnection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).expect("an address");
    client.get_multiplexed_async_connection().await.expect("a connection")
}

/// A bare table.
#[derive(Clone)]
struct Table(Pool);

impl Table {
    fn make(database: &Database) -> Self {
        database.sql(TABLE);
        database.sql(&format!(
            "INSERT INTO s SELECT id, 0, decode(repeat('00', 32), 'hex'), 0 FROM generate_series(0, {ROWS} - 1) id"
        ));
        database.sql("VACUUM ANALYZE s");
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(database.url().parse().expect("an address"), NoTls, recycling);
        Self(Pool::builder(manager).max_size(CONNECTIONS).build().expect("a pool"))
    }

    async fn connection(&self) -> Object {
        self.0.get().await.expect("a connection")
    }

    async fn read(&self, id: i64) {
        let connection = self.connection().await;
        let read = connection.prepare_cached(READ).await.expect("prepared");
        connection.query_one(&read, &[&id]).await.expect("a row");
    }

    async fn update(&self, id: i64, generation: i64) {
        let connection = self.connection().await;
        let update = connection.prepare_cached(UPDATE).await.expect("prepared");
        let hash = [7u8; 32].as_slice();
        let changed = connection.execute(&update, &[&id, &generation, &hash, &id]).await.expect("an update");
        assert_eq!(changed, 1, "nobody else writes this row");
    }
}
