//! Sign up, log in and stay signed in: sessions for axum applications.
//!
//! The whole system in one program. It makes its database and its keys at the first start, in the
//! folder `keyward-data`; no configuration, no mail server, no certificate:
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use keyward::{Keyward, Session, Settings};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let keyward = Keyward::builder(Settings::default()).open().await?;
//!     let app = Router::new()
//!         .route("/hello", get(|who: Session| async move { format!("Hello, {}!", who.email()) }))
//!         .layer(keyward.layer())
//!         .merge(keyward.router());
//!     Ok(keyward.run("127.0.0.1:8080", app).await?)
//! }
//! ```
//!
//! [`Keyward::router`] brings everything below `/api/auth` and `/api/admin`, and the pages;
//! [`Keyward::layer`] tells the application's own routes who asks. Access tokens are verified from
//! memory, and a session that ended is refused on the very next request. What happens is logged by
//! `tracing`: without a subscriber (`tracing_subscriber::fmt::init()`) nothing is seen of it.
//!
//! # Transports
//! A session is bound to the transport it was opened with. A browser has its tokens in `HttpOnly`
//! cookies, which no script can read; an app has them in the body of the answer and presents
//! `Authorization: Bearer`. The application's routes need not care: [`Session`] is the same. What a
//! browser asks by cookie and could change something has to come from a page of
//! [`Settings::public_url`], or the layer answers `403 cross_site_request`: there is no CSRF token to
//! carry along.
//!
//! # Who may do what
//! | argument of the handler | lets in | else |
//! |---|---|---|
//! | [`Session`] | whoever is signed in | 401 |
//! | `Option<Session>` | anybody; tells who it is | |
//! | [`Owner`] | whom the path names: `/api/{user_id}/…` | 401, 403 |
//! | [`Admin`] | people of the role `admin` | 401, 403 |
//! | [`RecentLogin`] | who proved a moment ago who they are | 401, 403 |
//! | [`Client`], [`Keyward`] | anybody: from where it is asked, and what to ask further | |
//!
//! For roles and permissions of the application there are [`Layer::role`] and
//! [`Layer::permission`] around many routes, [`Session::require_role`] and
//! [`Session::require_permission`] within a handler. Roles are made with [`Keyward::set_role`] and
//! given with [`Keyward::change_account`]; both are in force on the next request of whoever has them.
//!
//! A handler may answer with [`Error`], which is `application/problem+json` (RFC 9457) as at
//! Keyward's own routes:
//!
//! ```
//! use keyward::{Denial, Error, FieldError, Owner};
//!
//! async fn rename(owner: Owner, title: String) -> Result<String, Error> {
//!     if title.is_empty() {
//!         return Err(FieldError::new("title", "give 1 to 200 characters").into()); // 422
//!     }
//!     Err(Denial::NotFound.into()) // 404
//! }
//! # let _ = axum::Router::<()>::new().route("/api/{user_id}/title", axum::routing::post(rename));
//! ```
//!
//! # Without HTTP
//! Every use case is a method of [`Keyward`]: [`sign_up`](Keyward::sign_up),
//! [`sign_in`](Keyward::sign_in), [`refresh`](Keyward::refresh), [`verify`](Keyward::verify),
//! [`sign_out`](Keyward::sign_out), [`change_password`](Keyward::change_password),
//! [`revoke_sessions_of`](Keyward::revoke_sessions_of), [`change_account`](Keyward::change_account)
//! and so on, for gRPC, jobs and tests. Each is told the [`Client`] that asks, as the audit trail
//! keeps from where.
//!
//! # Events
//! [`Keyward::subscribe`] brings what happens, once it is committed: greet who signs up, tell who
//! signs in from somewhere new. [`Keyward::events`] searches what happened.
//!
//! # The database
//! Everything rests in one SQLite file. An application that uses SQLite may keep its own tables in
//! the same file:
//!
//! - Open Keyward first, which makes the file. It goes into no file that holds others' tables alone:
//!   a path that was mistaken must not get tables that nobody asked for.
//! - Use a connection of your own, with a time-out for a file that is busy (`PRAGMA busy_timeout =
//!   5000`) and `PRAGMA foreign_keys = ON`. The file is in WAL mode, which stays with it: who reads
//!   waits for nobody, and who writes waits for who writes, so keep transactions short, and begin
//!   them with `BEGIN IMMEDIATE`. Where Keyward waits for more than five seconds it answers `503
//!   store_unavailable`.
//! - Refer to a person by `account (id)`, sixteen bytes ([`UserId::as_bytes`]); of Keyward's tables
//!   rely on nothing else, and write to none of them.
//! - These names are taken: `access_ttl`, `account`, `account_role`, `counter`, `event`, `event_key`,
//!   `event_seal`, `figure`, `imported`, `mac_key`, `mail_link`, `moved`, `outbox`, `revocation`, `role`,
//!   `schema`, `service_key`, `session`, `signing_key`. A release may add some: a prefix of your own,
//!   such as `app_`, never meets them.
//!
//! ```sql
//! CREATE TABLE app_task (id INTEGER PRIMARY KEY, title TEXT NOT NULL,
//!     user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE);
//! ```
//!
//! # Tests
//! Time is an argument. With a [clock](clock::Clock::manual) that is moved by hand an hour passes
//! in no time, and nothing runs in the background but [`Keyward::tick`]:
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use std::time::Duration;
//!
//! use keyward::{Client, Denial, Keyward, MasterKey, Password, Settings, Timestamp, clock::Clock};
//!
//! let folder = tempfile::tempdir()?;
//! let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
//! let keyward = Keyward::builder(Settings { background: false, ..Settings::default() })
//!     .sqlite(folder.path().join("test.db"))
//!     .master_key(MasterKey::from_bytes(&[7; 32]))
//!     .clock(clock.clone())
//!     .open()
//!     .await?;
//! let client = Client::new([127, 0, 0, 1].into(), "a test");
//! let password = Password::try_from("Correct-Horse-7".to_owned())?;
//! keyward.create_account("ada@example.com", None, Some(password.clone()), vec![], &client).await?;
//! let grant = keyward.sign_in("ada@example.com", password, &client).await?;
//!
//! assert!(keyward.verify(grant.access_token(), &client).await.is_ok());
//! clock.advance(Duration::from_secs(15 * 60));
//! let expired = keyward.verify(grant.access_token(), &client).await.expect_err("15 minutes later");
//! assert!(expired.is(Denial::TokenExpired));
//! # Ok::<_, Box<dyn std::error::Error>>(()) })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Behind a proxy, in production
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use keyward::{Keyward, MasterKey, Settings};
//!
//! let settings = Settings {
//!     public_url: "https://app.example.com".parse()?, // where people reach it: cookies, links, CSRF
//!     trusted_proxies: vec!["127.0.0.0/8".parse()?],  // whose X-Forwarded-For is believed
//!     ..Settings::default()
//! };
//! let keyward = Keyward::builder(settings)
//!     .sqlite("/var/lib/app/keyward.db")
//!     .master_key(MasterKey::from_base64(&std::env::var("MASTER_KEY")?)?) // openssl rand -base64 32
//!     .open()
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! The master key seals the private keys at rest: keep it elsewhere than the backups. One process
//! serves from one file, and any number from one Postgres ([`Builder::postgres`]); commands of the binary `keyward` work beside it. [`Keyward::run`] and
//! [`Keyward::serve`] bound whatever a client could make large or slow; with `axum::serve` give the
//! addresses of clients along (`into_make_service_with_connect_info::<SocketAddr>()`) and call
//! [`Keyward::close`] at the end.
//!
//! # Features
//! There is one, and it is on: `smtp` lets mails go through a server ([`Settings::smtp`]), with all
//! that TLS takes. Without it each is written into a file, and a server in the settings is an error
//! at the start. Nothing else can be left out: Cargo gives a crate the features that any other in the
//! program asks for, so routes, pages or checks that hung on one would come and go by somebody
//! else's doing.
//!
//! # What it does not do
//! It is no OpenID provider for others' applications, and no login by somebody else's. There is no
//! CORS for the application's own routes (`tower-http` has that).
//!
//! The rules are in [`core`], pure and without I/O; start reading at [`core::session`].

mod access;
mod background;
mod bounce;
mod builder;
mod client;
pub mod clock;
pub mod diagnosis;
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
mod session;
mod settings;
mod signing;
mod store;
mod subscription;
mod tally;
mod threads;
mod throttle;

use std::sync::Arc;

pub use keyward_core as core;
pub use keyward_core::account::Account;
pub use keyward_core::denial::Denial;
pub use keyward_core::event::EventType;
pub use keyward_core::id::{SessionId, UserId};
pub use keyward_core::password::Password;
pub use keyward_core::seal::{InvalidMasterKey, MasterKey};
pub use keyward_core::time::Timestamp;

pub use crate::builder::{Builder, DATABASE, StartError};
pub use crate::client::Client;
use crate::engine::Engine;
pub use crate::error::{Denied, Error, FieldError};
pub use crate::flow::Grant;
pub use crate::flow::accounts::AccountChange;
pub use crate::flow::audit::chain::Verified;
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
pub use crate::flow::refresh_keys::RefreshKeyView;
pub use crate::flow::roles::RoleView;
pub use crate::flow::search::{AccountPage, AccountQuery, AccountView, LONGEST_PAGE};
pub use crate::flow::service_keys::{NewServiceKey, ServiceKeyView};
pub use crate::flow::sign_up::SignedUp;
pub use crate::http::extract::{Admin, Owner, RecentLogin};
pub use crate::http::layer::{Guarded, Layer};
pub use crate::session::Session;
pub use crate::settings::branding::{
    BrandName, Branding, Color, InvalidBrandName, InvalidColor, InvalidLogo, Logo,
};
pub use crate::settings::{
    InvalidOrigin, InvalidSender, Origin, PersonalClaims, Secret, Sender, Settings, Smtp,
};
pub use crate::store::Fault;
pub use crate::store::postgres::inspect::{PostgresReport, inspect as inspect_postgres};
pub use crate::store::postgres::take_over::{MoveError, Moved, move_to_postgres};
pub use crate::store::postgres::{PostgresError, PostgresOptions};
pub use crate::store::redis::RedisOpenError;
pub use crate::store::redis::inspect::inspect as inspect_redis;
pub use crate::store::sqlite::OpenError;
pub use crate::store::sqlite::inspect::{DatabaseReport, inspect as inspect_database};
pub use crate::store::sqlite::moved::take_back;
pub use crate::store::trail::{Suspect, SuspicionKind};
pub use crate::subscription::{Missed, Subscription};

/// A running Keyward. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Keyward {
    engine: Arc<Engine>,
    background: Arc<background::Tasks>,
}
