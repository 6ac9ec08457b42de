//! Sign up, log in and stay signed in: sessions for axum applications.
//!
//! ```no_run
//! use keyward::{Keyward, MasterKey, Settings};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let keyward = Keyward::builder(Settings::default())
//!     .sqlite("keyward.db")
//!     .master_key(MasterKey::from_base64(&std::env::var("MASTER_KEY")?)?)
//!     .open()
//!     .await?;
//! let app = axum::Router::new().merge(keyward.router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! keyward.serve(listener, app, std::future::pending(), std::time::Duration::from_secs(10)).await;
//! keyward.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The rules are in [`core`]; start reading at [`core::session`].

mod access;
mod background;
mod bounce;
mod client;
pub mod clock;
mod edge;
mod engine;
mod error;
mod feed;
mod figures;
mod flow;
mod hashing;
mod http;
mod mail;
pub mod master_key;
mod metrics;
mod notes;
mod pace;
mod page;
mod schema;
mod service_keys;
mod settings;
mod store;
mod tally;
mod throttle;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub use keyward_core as core;
use keyward_core::account::Account;
use keyward_core::id::{SessionId, UserId};
use keyward_core::password::Password;
pub use keyward_core::seal::{InvalidMasterKey, MasterKey};
use keyward_core::session::Session;
use tokio::net::TcpListener;

pub use crate::client::Client;
use crate::clock::Clock;
use crate::engine::{Engine, Parts};
pub use crate::error::{Denied, Error, FieldError};
pub use crate::flow::accounts::AccountChange;
pub use crate::flow::audit::chain::Verified;
use crate::flow::audit::chain::{Chain, chain_key};
pub use crate::flow::audit::events::{
    Cursor, EVENTS, EventFilter, EventList, EventView, Findings, InvalidCursor, InvalidPlace, MOST_EVENTS,
    MOST_THRESHOLD, Place, THRESHOLD, WINDOW, WINDOWS,
};
pub use crate::flow::audit::explain::{Happening, SessionState, SessionStory};
pub use crate::flow::audit::statistics::{Counts, Span, Statistics, Window};
pub use crate::flow::explorer::{
    EndedSessions, MOST_SESSIONS, SESSIONS, SessionCursor, SessionFilter, SessionList, SessionView,
};
pub use crate::flow::import::{Imported, ImportedUser};
pub use crate::flow::keys::KeyView;
use crate::flow::keys::{MacKeysError, mac_keys};
pub use crate::flow::roles::RoleView;
pub use crate::flow::search::{AccountPage, AccountQuery, AccountView, LONGEST_PAGE};
pub use crate::flow::service_keys::{NewServiceKey, ServiceKeyView};
use crate::hashing::Hashing;
use crate::mail::deliver::Delivery;
use crate::metrics::Metrics;
pub use crate::settings::branding::{
    BrandName, Branding, Color, InvalidBrandName, InvalidColor, InvalidLogo, Logo,
};
pub use crate::settings::{
    InvalidOrigin, InvalidSender, Origin, PersonalClaims, Secret, Sender, Settings, Smtp,
};
pub use crate::store::Fault;
pub use crate::store::sqlite::OpenError;
use crate::store::sqlite::Sqlite;
pub use crate::store::sqlite::inspect::{DatabaseReport, inspect as inspect_database};
pub use crate::store::trail::{Suspect, SuspicionKind};
use crate::store::{Name, Store};

/// How many password hashes may wait to be made.
const HASHING_QUEUE: usize = 128;

/// A running Keyward. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Keyward {
    engine: Arc<Engine>,
    background: Arc<background::Tasks>,
}

/// Why Keyward can't start. Each message is one line that says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database can't be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No master key was given.
    #[error("no master key was given")]
    NoMasterKey,
    /// No database was named.
    #[error("no database was named")]
    NoStore,
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
    path: Option<PathBuf>,
    exclusive: bool,
    master: Option<MasterKey>,
    previous_master: Option<MasterKey>,
    log_drops: Arc<AtomicU64>,
}

impl Builder {
    /// Everything rests in this SQLite file, which is made where it is not there.
    pub fn sqlite(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The key that private parts are sealed under.
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
        let master = self.master.ok_or(StartError::NoMasterKey)?;
        let master = match self.previous_master {
            Some(former) => master.replacing(former),
            None => master,
        };
        let path = self.path.ok_or(StartError::NoStore)?;
        let now = self.clock.now();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(Path::new(&path), self.exclusive, now)?);
        let mac_keys = mac_keys(&*store, &master, now).await.map_err(|error| match error {
            MacKeysError::Sealed(core::seal::OpenError::WrongMasterKey) => StartError::WrongMasterKey,
            MacKeysError::Sealed(error) => StartError::Failed(format!("a key for refresh tokens: {error}")),
            MacKeysError::Fault(fault) => StartError::Failed(fault.to_string()),
        })?;
        let delivery = match &self.settings.smtp {
            Some(server) => Delivery::smtp(server, public_url)
                .map_err(|e| StartError::Failed(format!("no mail can go through {}: {e}", server.host)))?,
            None => Delivery::Folder(path.with_file_name("outbox")),
        };
        let metrics = Metrics::new();
        let hash_seconds = metrics.hash_seconds.clone();
        let cannot_open = |error| match error {
            MacKeysError::Sealed(core::seal::OpenError::WrongMasterKey) => StartError::WrongMasterKey,
            MacKeysError::Sealed(error) => StartError::Failed(format!("the key of the audit trail: {error}")),
            MacKeysError::Fault(fault) => StartError::Failed(fault.to_string()),
        };
        let chain = Chain::new(chain_key(&*store, &master, now).await.map_err(cannot_open)?);
        let hashing =
            Hashing::new(self.settings.hashing_threads, HASHING_QUEUE, self.clock.clone(), hash_seconds)
                .map_err(|e| StartError::Failed(format!("no thread for passwords: {e}")))?;
        let nobody = core::password::PasswordHash::dummy(&self.settings.cost);
        let background = self.settings.background;
        let engine = Arc::new(Engine::new(Parts {
            store,
            clock: self.clock,
            settings: self.settings,
            master,
            mac_keys,
            chain,
            hashing,
            nobody,
            delivery,
            metrics,
            log_drops: self.log_drops,
        }));
        engine.note_access_ttl(now).await.map_err(failed)?;
        engine.poll().await.map_err(|fault| StartError::Failed(fault.to_string()))?;
        // Beside a server its keys are its own affair: a command's configuration may lack what the
        // server has in its environment, such as another algorithm.
        if self.exclusive || engine.ring().active().is_none() {
            engine.care_for_keys().await.map_err(failed)?;
        }
        let tasks = if background { background::Tasks::start(&engine) } else { background::Tasks::none() };
        Ok(Keyward { engine, background: Arc::new(tasks) })
    }
}

impl Keyward {
    /// Begins to make a Keyward of these settings.
    pub fn builder(settings: Settings) -> Builder {
        Builder {
            settings,
            clock: Clock::system(),
            path: None,
            exclusive: true,
            master: None,
            previous_master: None,
            log_drops: Arc::default(),
        }
    }

    /// Every route of Keyward, to merge into an application's own router. Behind anything but
    /// [`Keyward::serve`] it has to be served with connect info
    /// (`into_make_service_with_connect_info::<SocketAddr>`), or every client has one address.
    pub fn router(&self) -> axum::Router {
        http::router(&self.engine)
    }

    /// The same, which answers whatever else is asked with `not_found`: to serve alone.
    pub fn app(&self) -> axum::Router {
        http::app(&self.engine)
    }

    /// What monitors ask, `/metrics`, `/healthz` and `/readyz`, for a listener of its own: the
    /// routers above don't have `/metrics`.
    pub fn monitor(&self) -> axum::Router {
        http::monitor::router(self)
    }

    /// Serves `router` over HTTP/1.1, with limits on whatever a client could make large or slow,
    /// until `shutdown`; what runs then is finished within `grace`.
    pub async fn serve(
        &self,
        listener: TcpListener,
        router: axum::Router,
        shutdown: impl Future<Output = ()>,
        grace: Duration,
    ) {
        http::serve::serve(listener, router, shutdown, grace).await;
    }

    /// Does once what otherwise happens in the background: takes over what others revoked, writes
    /// what is noted, looks after the keys, sends what mails are due, sweeps and counts.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn tick(&self) -> Result<(), Error> {
        self.engine.poll().await?;
        self.engine.flush(false).await?;
        self.engine.note_access_ttl(self.engine.clock.now()).await?;
        self.engine.care_for_keys().await?;
        self.engine.send_mails().await?;
        self.engine.seal_events().await?;
        let mut at = Some(SessionId::from_bytes([0; 16]));
        while let Some(after) = at {
            at = self.engine.sweep_step(after).await?;
        }
        self.engine.count_open().await
    }

    /// Stops what runs in the background and writes what is noted.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn close(&self) -> Result<(), Error> {
        self.background.stop().await;
        self.engine.flush(true).await
    }

    /// Every route there is: method, path, and what is demanded of who asks. For the test that each
    /// of them refuses somebody.
    #[doc(hidden)]
    pub fn routes() -> impl Iterator<Item = (::http::Method, &'static str, String)> {
        http::ROUTES.iter().map(|route| {
            let any = || ::http::Method::from_bytes(b"ANY").unwrap_or_default();
            let method = route.method.clone().unwrap_or_else(any);
            (method, route.path, format!("{:?}", route.guard).to_lowercase())
        })
    }

    /// What can be asked over HTTP, how it is answered and how it is refused, as JSON: OpenAPI 3.1.
    pub fn openapi() -> &'static str {
        &http::openapi::DOCUMENT
    }

    /// The folder that mails are written into, where no server takes them.
    pub fn mail_folder(&self) -> Option<&Path> {
        self.engine.delivery.folder()
    }

    /// How often the store was read since it was opened.
    pub fn store_reads(&self) -> u64 {
        self.engine.store.reads()
    }

    /// How many passwords were hashed since the start.
    pub fn password_hashes(&self) -> u64 {
        self.engine.hashing.hashes()
    }

    /// The secret of the link by which the first administrator is made; `None` where there is one.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn setup_token(&self) -> Result<Option<String>, Error> {
        Ok(if self.engine.has_admin().await? { None } else { Some(self.engine.setup_token()) })
    }

    /// Makes an account without signing anybody in. Each of the roles has to be there. Without a
    /// password its person gets an invitation by mail to choose one.
    ///
    /// # Errors
    /// `validation_failed`, `email_taken`, `phone_taken`.
    pub async fn create_account(
        &self,
        email: &str,
        phone_number: Option<&str>,
        password: Option<Password>,
        roles: Vec<String>,
        client: &Client,
    ) -> Result<Account, Error> {
        self.engine.create_account(email, phone_number, password, roles, client).await
    }

    /// Makes sure that there is an active administrator of this name with this password.
    ///
    /// # Errors
    /// `validation_failed`.
    pub async fn upsert_admin(
        &self,
        email: &str,
        password: Password,
        client: &Client,
    ) -> Result<Account, Error> {
        self.engine.upsert_admin(email, password, client).await
    }

    /// The account of this e-mail address or id.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn account(&self, name: &str) -> Result<Option<Account>, Error> {
        let name = match (name.parse(), name.parse()) {
            (Ok(id), _) => Name::Id(id),
            (_, Ok(email)) => Name::Email(email),
            _ => return Ok(None),
        };
        self.engine.account(&name).await
    }

    /// Some open sessions of everybody by id, after that one.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn sessions(&self, after: SessionId, limit: u32) -> Result<Vec<Session>, Error> {
        self.engine.sessions(after, limit).await
    }

    /// Some open sessions of one user, the most recently active first.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn sessions_of(&self, user: UserId, limit: u32) -> Result<Vec<Session>, Error> {
        Ok(self.engine.store.sessions_of(user, limit).await?)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// `not_found` for one that is not open or not there.
    pub async fn revoke_session(&self, session: SessionId, client: &Client) -> Result<(), Error> {
        self.engine.end_any(session, client).await
    }

    /// Ends every session of one user, at once; gives how many there were.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn revoke_sessions_of(&self, user: UserId, client: &Client) -> Result<usize, Error> {
        self.engine.end_all_of(user, client).await
    }

    /// Ends every session of everybody, at once: after a leak, or with a restored backup.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn revoke_every_session(&self, client: &Client) -> Result<(), Error> {
        self.engine.end_all(client).await
    }

    /// The keys that sign and verify access tokens.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn keys(&self) -> Result<Vec<KeyView>, Error> {
        self.engine.keys().await
    }

    /// Lets the next key sign from now on.
    ///
    /// # Errors
    /// `overloaded` with the wait, while a verifier may not have seen the next key yet.
    pub async fn rotate_keys(&self, client: &Client) -> Result<Vec<KeyView>, Error> {
        self.engine.rotate_keys(client).await
    }

    /// Takes a key out: every token that it signed is out of date at once.
    ///
    /// # Errors
    /// `not_found` for a key that there is not, or that is revoked.
    pub async fn revoke_key(&self, kid: &str, client: &Client) -> Result<(), Error> {
        self.engine.revoke_key(kid, client).await
    }
}
