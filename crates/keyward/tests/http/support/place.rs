//! Where does everything rest? `KEYWARD_TEST_STORE` says over which store the tests are run:
//! `sqlite`, which it is where nothing is said, `postgres`, or `redis` over Postgres.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use keyward::{Builder, Keyward, PostgresOptions, Settings};
use tempfile::TempDir;

use super::database::apart;
use super::master_key;
use crate::servers::{postgres, redis};

/// Where one installation keeps what it keeps. Gone with it.
pub(crate) struct Place {
    folder: TempDir,
    kept: Kept,
}

enum Kept {
    Sqlite,
    Postgres { database: Option<postgres::Database>, redis: Option<String> },
}

impl Place {
    pub(super) fn new() -> Self {
        let kept = match std::env::var("KEYWARD_TEST_STORE").as_deref() {
            Err(_) | Ok("sqlite") => Kept::Sqlite,
            Ok("postgres") => Kept::Postgres { database: Some(database()), redis: None },
            Ok("redis") => {
                Kept::Postgres { database: Some(database()), redis: Some(redis::server().database()) }
            }
            Ok(other) => panic!("KEYWARD_TEST_STORE={other}: there is sqlite, postgres and redis"),
        };
        Self { folder: folder(), kept }
    }

    /// An SQLite file, whatever the others are run over: for what only that can do.
    pub(super) fn file_of_its_own() -> Self {
        Self { folder: folder(), kept: Kept::Sqlite }
    }

    /// A Postgres, under the Redis at this address: for what only that can do.
    pub(super) fn under_redis(url: String) -> Self {
        Self { folder: folder(), kept: Kept::Postgres { database: Some(database()), redis: Some(url) } }
    }

    /// A Keyward that has this place for its data.
    pub(super) fn builder(&self, settings: Settings) -> Builder {
        let builder = Keyward::builder(settings).data_folder(self.folder.path());
        match &self.kept {
            Kept::Sqlite => builder.sqlite(self.file()),
            Kept::Postgres { database, redis } => {
                let database = database.as_ref().expect("until it is dropped");
                let options = PostgresOptions::new(database.url()).max_connections(4);
                let builder = builder.postgres(options);
                match redis {
                    Some(url) => builder.redis([url]),
                    None => builder,
                }
            }
        }
    }

    /// The database, where that is a server.
    pub(super) fn server(&self) -> Option<&postgres::Database> {
        match &self.kept {
            Kept::Sqlite => None,
            Kept::Postgres { database, .. } => database.as_ref(),
        }
    }

    /// The file of the database, where that is a file.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("keyward.db")
    }

    /// The folder of what Keyward writes into files.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Databases that nobody uses now. To empty one is a hundred times faster than to make one.
static IDLE: Mutex<Vec<postgres::Database>> = Mutex::new(Vec::new());

/// A database with Keyward's tables and nothing in them.
fn database() -> postgres::Database {
    let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let database = idle().unwrap_or_else(|| {
        let database = postgres::server().database();
        let options = PostgresOptions::new(database.url()).max_connections(1);
        let made = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let keyward = Keyward::builder(super::settings()).postgres(options).master_key(master_key());
                keyward.beside().open().await.expect("opens").close().await.expect("closed");
            });
        });
        made.join().expect("made");
        database
    });
    // Whoever had it may not be quite gone.
    let mut empty = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid(); "
        .to_owned();
    empty.push_str(
        "DO $$ DECLARE t TEXT; BEGIN FOR t IN SELECT tablename FROM pg_tables \
         WHERE schemaname = 'public' AND tablename NOT IN ('schema', 'counter') \
         LOOP EXECUTE format('DELETE FROM %I', t); END LOOP; END $$; ",
    );
    empty.push_str("INSERT INTO role (name, permissions) VALUES ('admin', ''), ('user', ''); ");
    empty.push_str("UPDATE counter SET value = 0; ");
    // Where a test had to have a row that none can be.
    empty.push_str(
        "ALTER TABLE session DROP CONSTRAINT IF EXISTS session_transport_check, \
         ADD CONSTRAINT session_transport_check CHECK (transport IN ('cookie', 'bearer'))",
    );
    apart(&database.url(), async |client| client.batch_execute(&empty).await.expect("emptied"));
    database
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Kept::Postgres { database, .. } = &mut self.kept
            && let Some(database) = database.take()
        {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(database);
        }
    }
}
