//! What is a Keyward made of, and what keeps one from starting?

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use keyward_core::password::PasswordHash;
use keyward_core::seal::{self, MasterKey};

use crate::clock::Clock;
use crate::engine::{Engine, Parts};
use crate::error::Error;
use crate::feed::TRUST;
use crate::flow::audit::chain::{Chain, chain_key};
use crate::flow::refresh_keys::{MacKeysError, mac_keys};
use crate::hashing::Hashing;
use crate::mail::deliver::Delivery;
use crate::master_key::{self, MasterKeyError};
use crate::metrics::Metrics;
use crate::settings::{Origin, Settings};
use crate::signing;
use crate::store::Store;
use crate::store::postgres::{self, Moves, Postgres, PostgresError, PostgresOptions};
use crate::store::redis::{self, Redis, RedisOpenError, Terms};
use crate::store::sqlite::{OpenError, Sqlite};
use crate::{Keyward, background};

/// Where everything rests unless told otherwise: in a folder beside the program.
pub const DATABASE: &str = "keyward-data/keyward.db";
/// What the names of all keys in Redis begin with.
const REDIS_PREFIX: &str = "keyward";
/// How many password hashes may wait to be made.
const HASHING_QUEUE: usize = 128;

/// Why Keyward can't start. Each message is one line that says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The database can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The Postgres can't be used.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The Redis can't be used.
    #[error(transparent)]
    Redis(#[from] RedisOpenError),
    /// Redis is for what moves in a session: what has to be kept needs a Postgres beneath it.
    #[error("Redis needs a Postgres beneath it, which keeps what has to be kept; give one, or no Redis")]
    RedisAlone,
    /// The master key in the data folder can't be read or made, or is gone.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// No master key was given. One is made only for development on this machine.
    #[error(
        "no master key was given: at {0} none is made by itself; give one (openssl rand -base64 32, then \
         Builder::master_key)"
    )]
    NoMasterKey(Origin),
    /// The master key is not the one that the database was sealed under.
    #[error(
        "the master key is not the one this database was made with; give that one (keys.master_key), nothing was changed"
    )]
    WrongMasterKey,
    /// People would reach it without encryption.
    #[error("{0}: plain HTTP is for development on this machine alone; give a public URL of https://")]
    PlainHttp(Origin),
    /// Something went wrong on the way.
    #[error("{0}")]
    Failed(String),
}

/// What a Keyward is to be made of.
#[must_use]
pub struct Builder {
    settings: Settings,
    clock: Clock,
    place: Place,
    redis: Vec<String>,
    leaves_redis: bool,
    patience: Option<Duration>,
    folder: PathBuf,
    exclusive: bool,
    master: Option<MasterKey>,
    previous_master: Option<MasterKey>,
    log_drops: Arc<AtomicU64>,
}

/// Where everything rests.
enum Place {
    Sqlite(PathBuf),
    Postgres(PostgresOptions),
}

impl Place {
    /// What stands beside a database that is a file, and else in that folder.
    fn beside(&self, folder: &Path, name: &str) -> PathBuf {
        match self {
            Self::Sqlite(path) => path.with_file_name(name),
            Self::Postgres(_) => folder.join(name),
        }
    }

    /// The master key that is made for development on this machine; `None` where the data is
    /// elsewhere, and another node may make another one.
    fn master_key(&self, folder: &Path) -> Result<Option<MasterKey>, StartError> {
        Ok(match self {
            Self::Sqlite(path) => Some(master_key::beside(path)?),
            Self::Postgres(options) if options.is_local()? => {
                Some(master_key::load_or_make(&self.beside(folder, master_key::FILE))?)
            }
            Self::Postgres(_) => None,
        })
    }

    async fn open(
        &self,
        exclusive: bool,
        moves: Moves,
        patience: Option<Duration>,
        clock: &Clock,
    ) -> Result<Arc<dyn Store>, StartError> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(Sqlite::open(path, exclusive, clock.now())?),
            Self::Postgres(options) => {
                let patience = patience.map_or_else(postgres::Patience::default, postgres::Patience::of);
                let options = options.clone().moving(moves).patience(patience);
                let postgres = Postgres::open(&options, exclusive, clock).await?;
                if postgres.has_moved_sessions() {
                    // Until every other node knows it, or knows that it knows nothing any more.
                    tokio::time::sleep(TRUST).await;
                }
                Arc::new(postgres)
            }
        })
    }
}

impl Builder {
    /// Everything rests in this SQLite file, which is made where it is not there; in
    /// [`DATABASE`] unless told otherwise. What else Keyward writes stands beside it.
    pub fn sqlite(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Sqlite(path.into());
        self
    }

    /// Everything rests in this Postgres, beside any number of other nodes that share the master key
    /// and the settings. What else Keyward writes stands in [`Builder::data_folder`]; there a master
    /// key is made only where the public URL and the database are both loopback.
    pub fn postgres(mut self, options: PostgresOptions) -> Self {
        self.place = Place::Postgres(options);
        self
    }

    /// The part of a session that moves rests in this Redis, over a Postgres: one node, or several of
    /// a Redis Cluster, as `redis://user:password@host:port`, or `rediss://` for TLS.
    pub fn redis(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.redis = urls.into_iter().map(Into::into).collect();
        self
    }

    /// How long is waited for Postgres and Redis. For tests of what is not about that: their machine may
    /// have much to do.
    #[doc(hidden)]
    pub fn patience(mut self, long: Duration) -> Self {
        self.patience = Some(long);
        self
    }

    /// The sessions of this Postgres moved in a Redis until now, and from now on do so in it: without
    /// this, a Postgres whose sessions move in Redis is not opened without one, as it would be told
    /// of nothing that they did lately. Every session counts as active at this moment, so that none is
    /// ended that lives. Nodes that run with Redis notice it, and answer `store_unavailable` until they
    /// are started without.
    pub fn leave_redis(mut self) -> Self {
        self.leaves_redis = true;
        self
    }

    /// With Postgres, the folder of what Keyward writes into files: mails where no server takes them,
    /// and the master key where it makes one. That of [`DATABASE`] unless told otherwise.
    pub fn data_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// The key that private parts are sealed under: 32 bytes that are kept apart from the database.
    /// Where none is given and the public URL is loopback, one is made beside the database
    /// ([`master_key::FILE`]); anywhere else that is [`StartError::NoMasterKey`]. With that one
    /// [`Keyward::run`] serves on a loopback address alone.
    pub fn master_key(mut self, master: MasterKey) -> Self {
        self.master = Some(master);
        self
    }

    /// The master key before that one, while it is being replaced: what it sealed is opened, too,
    /// until [`Keyward::rotate_master_key`] has sealed it anew.
    pub fn previous_master_key(mut self, master: MasterKey) -> Self {
        self.previous_master = Some(master);
        self
    }

    /// The clock to go by; the system's unless told otherwise.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where the application counts the lines that its log could not take; the metrics tell it.
    pub fn log_drops(mut self, count: Arc<AtomicU64>) -> Self {
        self.log_drops = count;
        self
    }

    /// What is in force as an operator chose it, without secrets, for the console to show.
    pub fn shown(mut self, settings: Vec<crate::diagnosis::SettingInForce>) -> Self {
        self.settings.shown = settings;
        self
    }

    /// Works beside another process that serves from the same file, as a command does.
    pub fn beside(mut self) -> Self {
        self.exclusive = false;
        self.settings.background = false;
        self
    }

    /// Opens the store, makes or takes over the keys, learns what was revoked.
    ///
    /// # Errors
    /// [`StartError`], with nothing of the data touched.
    pub async fn open(self) -> Result<Keyward, StartError> {
        let failed = |error: Error| StartError::Failed(error.to_string());
        let public_url = &self.settings.public_url;
        if !public_url.is_https() && !public_url.is_loopback() {
            return Err(StartError::PlainHttp(public_url.clone()));
        }
        let has_own_key = self.master.is_some();
        let master = match self.master {
            Some(master) => Some(master),
            None if public_url.is_loopback() => self.place.master_key(&self.folder)?,
            None => None,
        };
        let master = master.ok_or_else(|| StartError::NoMasterKey(public_url.clone()))?;
        let master = match self.previous_master {
            Some(former) => master.replacing(former),
            None => master,
        };
        if !self.redis.is_empty() && matches!(self.place, Place::Sqlite(_)) {
            return Err(StartError::RedisAlone);
        }
        let moves = match (self.redis.is_empty(), self.leaves_redis) {
            (false, _) => Moves::InRedis,
            (true, true) => Moves::HereFromNowOn,
            (true, false) => Moves::Here,
        };
        let mut store = self.place.open(self.exclusive, moves, self.patience, &self.clock).await?;
        if !self.redis.is_empty() {
            let (prefix, refresh_ttl) = (REDIS_PREFIX.to_owned(), self.settings.policy.refresh_ttl);
            let patience = self.patience.map_or_else(redis::Patience::default, redis::Patience::of);
            let terms = Terms { prefix, refresh_ttl, patience };
            let redis = Redis::over(store, &self.redis, terms)?;
            // A command connects when it has something to ask: what it ends is ended without Redis.
            if self.exclusive {
                redis.connect().await?;
            }
            store = Arc::new(redis);
        }
        let now = self.clock.now();
        let mac_keys = mac_keys(&*store, &master, now).await.map_err(|error| match error {
            MacKeysError::Sealed(seal::OpenError::WrongMasterKey) => StartError::WrongMasterKey,
            MacKeysError::Sealed(error) => StartError::Failed(format!("a key for refresh tokens: {error}")),
            MacKeysError::Fault(fault) => StartError::Failed(fault.to_string()),
        })?;
        let delivery = match &self.settings.smtp {
            Some(server) => Delivery::smtp(server, public_url)
                .map_err(|e| StartError::Failed(format!("no mail can go through {}: {e}", server.host)))?,
            None => Delivery::Folder(self.place.beside(&self.folder, "outbox")),
        };
        let metrics = Metrics::new();
        let hash_seconds = metrics.hash_seconds.clone();
        let cannot_open = |error| match error {
            MacKeysError::Sealed(seal::OpenError::WrongMasterKey) => StartError::WrongMasterKey,
            MacKeysError::Sealed(error) => StartError::Failed(format!("the key of the audit trail: {error}")),
            MacKeysError::Fault(fault) => StartError::Failed(fault.to_string()),
        };
        let chain = Chain::new(chain_key(&*store, &master, now).await.map_err(cannot_open)?);
        let hashing =
            Hashing::new(self.settings.hashing_threads, HASHING_QUEUE, self.clock.clone(), hash_seconds)
                .map_err(|e| StartError::Failed(format!("no thread for passwords: {e}")))?;
        let signing =
            signing::start().map_err(|e| StartError::Failed(format!("no thread for signatures: {e}")))?;
        let nobody = PasswordHash::dummy(&self.settings.cost);
        let background = self.settings.background;
        let engine = Arc::new(Engine::new(Parts {
            store,
            clock: self.clock,
            settings: self.settings,
            master,
            has_own_key,
            mac_keys,
            chain,
            hashing,
            signing,
            nobody,
            delivery,
            metrics,
            log_drops: self.log_drops,
        }));
        let is_longer = engine.note_access_ttl(now).await.map_err(failed)?;
        if is_longer && self.exclusive && matches!(self.place, Place::Postgres(_)) {
            // Until every other node knows it: what they revoke has to outlive the tokens made here.
            tokio::time::sleep(TRUST).await;
        }
        engine.poll().await.map_err(|fault| StartError::Failed(fault.to_string()))?;
        // Beside a server its keys are its own affair: a command's configuration may lack what the
        // server has in its environment, such as another algorithm.
        if self.exclusive || engine.ring().active().is_none() {
            engine.care_for_keys().await.map_err(failed)?;
        }
        if self.exclusive {
            engine.forget_refresh_keys().await.map_err(failed)?;
        }
        let tasks = if background { background::Tasks::start(&engine) } else { background::Tasks::none() };
        Ok(Keyward { engine, background: Arc::new(tasks) })
    }
}

impl Keyward {
    /// Begins to make a Keyward of these settings.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("app.db");
    /// use keyward::{Keyward, Settings};
    ///
    /// let keyward = Keyward::builder(Settings::default()).sqlite(path).open().await?;
    /// # keyward.close().await?;
    /// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(settings: Settings) -> Builder {
        Builder {
            settings,
            clock: Clock::system(),
            place: Place::Sqlite(DATABASE.into()),
            redis: Vec::new(),
            leaves_redis: false,
            patience: None,
            folder: Path::new(DATABASE).parent().unwrap_or(Path::new("")).to_owned(),
            exclusive: true,
            master: None,
            previous_master: None,
            log_drops: Arc::default(),
        }
    }
}
