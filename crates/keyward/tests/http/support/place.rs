//! Where does everything rest? `KEYWARD_TEST_STORE` says over which store the tests are run:
//! `sqlite`, which it is where nothing is said, `postgres`, or over Postgres `redis` or `cluster`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use keyward::{Builder, Keyward, PostgresOptions, Settings, StartError};
use tempfile::TempDir;

use super::asked::{Asked, apart};
use super::master_key;
use crate::servers::{postgres, redis};

/// Longer than anything takes, on a machine that has much to do.
const LONG: Duration = Duration::from_secs(60);

/// Where one installation keeps what it keeps. Gone with it.
pub(crate) struct Place {
    folder: TempDir,
    kept: Kept,
}

enum Kept {
    Sqlite,
    Postgres { server: Box<Asked>, redis: Option<Over> },
}

/// The Redis over a Postgres.
enum Over {
    One(String),
    Cluster(Lent),
}

impl Over {
    fn urls(&self) -> Vec<String> {
        match self {
            Self::One(url) => vec![url.clone()],
            Self::Cluster(lent) => lent.cluster().urls(),
        }
    }
}

/// A cluster that nobody else has meanwhile, and nothing in it at first: a cluster has one database.
struct Lent(Option<redis::Cluster>);

static FREE: Mutex<Vec<redis::Cluster>> = Mutex::new(Vec::new());

impl Lent {
    fn new() -> Self {
        let free = FREE.lock().expect("no panic").pop();
        let cluster = free.unwrap_or_else(|| redis::Cluster::start(3, 0));
        cluster.0.iter().for_each(|server| drop(server.say("FLUSHALL")));
        Self(Some(cluster))
    }

    fn cluster(&self) -> &redis::Cluster {
        self.0.as_ref().expect("it is there until this is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        FREE.lock().expect("no panic").extend(self.0.take());
    }
}

impl Place {
    pub(super) fn new() -> Self {
        let postgres = |redis| Kept::Postgres { server: Box::new(Asked::new(database())), redis };
        let kept = match std::env::var("KEYWARD_TEST_STORE").as_deref() {
            Err(_) | Ok("sqlite") => Kept::Sqlite,
            Ok("postgres") => postgres(None),
            Ok("redis") => postgres(Some(Over::One(redis::server().database()))),
            Ok("cluster") => postgres(Some(Over::Cluster(Lent::new()))),
            Ok(other) => panic!("KEYWARD_TEST_STORE={other}: there is sqlite, postgres, redis and cluster"),
        };
        Self { folder: folder(), kept }
    }

    /// The same without the Redis over it, if there was one: for what goes by a clock that is moved by
    /// hand, which Redis' own is not, or by what the database knows of a session, which it is told later.
    pub(super) fn without_redis() -> Self {
        let mut place = Self::new();
        if let Kept::Postgres { redis, .. } = &mut place.kept {
            *redis = None;
        }
        place
    }

    /// An SQLite file, whatever the others are run over: for what only that can do.
    pub(super) fn file_of_its_own() -> Self {
        Self { folder: folder(), kept: Kept::Sqlite }
    }

    /// A Postgres, under the Redis at this address: for what only that can do.
    pub(super) fn under_redis(url: String) -> Self {
        Self {
            folder: folder(),
            kept: Kept::Postgres { server: Box::new(Asked::new(database())), redis: Some(Over::One(url)) },
        }
    }

    /// A Keyward that has this place for its data.
    pub(super) fn builder(&self, settings: Settings) -> Builder {
        let builder = Keyward::builder(settings).data_folder(self.folder.path());
        match &self.kept {
            Kept::Sqlite => builder.sqlite(self.file()),
            Kept::Postgres { server, redis } => {
                let options = PostgresOptions::new(server.database.url()).max_connections(4);
                let builder = builder.postgres(options).patience(LONG);
                match redis {
                    Some(over) => builder.redis(over.urls()),
                    None => builder,
                }
            }
        }
    }

    /// The database, where that is a server.
    pub(super) fn server(&self) -> Option<&Asked> {
        match &self.kept {
            Kept::Sqlite => None,
            Kept::Postgres { server, .. } => Some(server),
        }
    }

    /// What Redis has under this key, where that is over the database.
    pub(super) fn in_redis(&self, key: &str) -> Option<String> {
        let Kept::Postgres { redis: Some(over), .. } = &self.kept else { return None };
        let asked = format!("GET {key}");
        match over {
            Over::One(url) => {
                let number = url.rsplit('/').next().expect("the number of its database");
                redis::server().say_in(number, &asked).pop()
            }
            Over::Cluster(lent) => lent.cluster().of(key).say(&asked).pop(),
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

/// A database with Keyward's tables and nothing in them.
fn database() -> postgres::Database {
    postgres::server().made(|url| {
        // Without its Redis it gets as far as to make the tables, and puts nothing of its own there.
        let keyward = Keyward::builder(super::settings())
            .postgres(PostgresOptions::new(url).max_connections(1))
            .redis(["redis://127.0.0.1:1"])
            .master_key(master_key());
        let opened = apart(async || keyward.open().await);
        assert!(matches!(opened, Err(StartError::Redis(_))), "it can be made");
        let name = url.rsplit('/').next().expect("the name of the database");
        postgres::server().sql(name, "DELETE FROM counter WHERE name = 'redis'");
    })
}
