//! Where does what is measured rest? In an SQLite file, in a Postgres, or in a Redis over a Postgres:
//! servers of this run alone, set up as they are to be in earnest.

use tempfile::TempDir;

use crate::server::{Setup, cpu_of};
use crate::servers::{postgres, redis};

/// What sessions rest in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
    /// Over a Postgres.
    Redis,
}

impl Store {
    /// The store of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "sqlite" => Some(Self::Sqlite),
            "postgres" => Some(Self::Postgres),
            "redis" => Some(Self::Redis),
            _ => None,
        }
    }

    /// Behind what was measured: nothing where it is as always.
    pub(crate) fn over(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " over Postgres",
            Self::Redis => " over Redis",
        }
    }
}

/// A place of its own for one installation, gone with it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) database: Option<postgres::Database>,
    pub(crate) redis: Option<redis::Server>,
}

impl Place {
    pub(crate) fn of(store: Store) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            database: (store != Store::Sqlite).then(durable),
            redis: (store == Store::Redis).then(|| {
                let dir = folder.path().to_str().expect("text");
                redis::Server::start(&["--appendonly", "yes", "--appendfsync", "everysec", "--dir", dir])
            }),
            folder,
        }
    }

    /// A server that has this place for its data.
    pub(crate) fn setup(&self) -> Setup<'_> {
        let postgres = self.database.as_ref().map(postgres::Database::url);
        let redis = self.redis.as_ref().map(|redis| format!("redis://127.0.0.1:{}", redis.port));
        Setup { urls: postgres.into_iter().chain(redis).collect(), ..Setup::new(self.folder.path()) }
    }

    /// How many transactions Postgres made there, and how many commands Redis did; those of the last
    /// second may not be among them.
    pub(crate) fn asked(&self) -> u64 {
        let postgres = self.database.iter().flat_map(|database| numbers(&database.sql(TRANSACTIONS)));
        let redis = self.redis.iter().flat_map(|redis| numbers(&value(redis, "stats", COMMANDS)));
        postgres.chain(redis).map(u64::from).sum()
    }

    /// How much the cores have worked so far for Postgres and for Redis, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        let processes = self.database.iter().flat_map(|database| numbers(&database.sql(PROCESSES)));
        let server = self.redis.iter().flat_map(|redis| numbers(&value(redis, "server", "process_id")));
        // One that has just answered may have ended.
        processes.chain(server).filter_map(cpu_of).sum()
    }
}

const TRANSACTIONS: &str =
    "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
const COMMANDS: &str = "total_commands_processed";

/// Those that work for a database, and those that write what it logs.
const PROCESSES: &str = "SELECT pid FROM pg_stat_activity";

/// An empty database of a server that has on disk what it answers; tests do without.
fn durable() -> postgres::Database {
    let server = postgres::server();
    for setting in ["fsync", "full_page_writes"] {
        server.sql("postgres", &format!("ALTER SYSTEM SET {setting} = on"));
    }
    server.sql("postgres", "SELECT pg_reload_conf()");
    server.database()
}

/// What Redis says of itself.
fn value(redis: &redis::Server, section: &str, name: &str) -> String {
    let told = redis.text(&format!("INFO {section}"));
    let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("it tells").trim().to_owned()
}

/// One a line.
fn numbers(lines: &str) -> Vec<u32> {
    lines.lines().map(|line| line.parse().expect("a number")).collect()
}
