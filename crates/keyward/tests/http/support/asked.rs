//! How is a Postgres asked beside the Keyward that serves from it? Over one connection, by a runtime
//! of its own: a test's can't wait in place.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Row, Statement};

use crate::servers::postgres::Database;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

/// Does this on another thread.
pub(super) fn apart<T: Send>(what: impl AsyncFnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(what())).join()).expect("it ends")
}

/// A database, and the connection that it is asked over once it was asked.
pub(crate) struct Asked {
    pub(super) database: Database,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Asked {
    pub(super) fn new(database: Database) -> Self {
        Self { database, connection: Mutex::default() }
    }

    /// What each of these gives.
    pub(super) fn query(&self, statements: &[String]) -> Vec<Vec<Row>> {
        self.with(async |connection| {
            let mut all = Vec::with_capacity(statements.len());
            for sql in statements {
                let Connection { client, prepared } = &mut *connection;
                let statement = match prepared.get(sql) {
                    Some(statement) => statement.clone(),
                    None => client.prepare(sql).await.expect(sql),
                };
                all.push(client.query(&statement, &[]).await.expect(sql));
                prepared.insert(sql.clone(), statement);
            }
            all
        })
    }

    /// Does this there; how many rows it changed.
    pub(super) fn execute(&self, sql: &str) -> usize {
        let rows = self.with(async |connection| connection.client.execute(sql, &[]).await.expect(sql));
        usize::try_from(rows).expect("some")
    }

    fn with<T: Send>(&self, ask: impl AsyncFnOnce(&mut Connection) -> T + Send) -> T {
        let mut connection = self.connection.lock().expect("no panic");
        let connection = &mut *connection;
        let url = self.database.url();
        apart(async || {
            if connection.is_none() {
                let (client, answers) = tokio_postgres::connect(&url, NoTls).await.expect("it answers");
                tokio::spawn(answers);
                *connection = Some(Connection { client, prepared: HashMap::new() });
            }
            ask(connection.as_mut().expect("made")).await
        })
    }
}
