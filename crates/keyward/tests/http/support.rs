//! A Keyward to ask: over a real store, by a clock that is moved by hand.

mod ask;
mod asked;
mod browser;
mod database;
mod described;
mod ears;
mod mail;
mod place;
mod smtp;
mod socket;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use http_body_util::BodyExt as _;
use keyward::clock::Clock;
use keyward::core::key::Algorithm;
use keyward::core::password::Cost;
use keyward::core::throttle::{Limit, Limits};
use keyward::core::time::Timestamp;
use keyward::{Builder, Keyward, MasterKey, Settings};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) use self::ask::{Ask, Reply, delete, get, patch, post, put};
pub(crate) use self::browser::Browser;
pub(crate) use self::described::Described;
pub(crate) use self::ears::{Ears, Heard};
pub(crate) use self::mail::{Mail, forgot, form, reset};
use self::place::Place;
pub(crate) use self::smtp::SmtpServer;
pub(crate) use self::socket::{Kept, Served};

/// When every test begins: 2027-01-15T08:00:00Z.
pub(crate) const START: i64 = 1_800_000_000;
pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const BOB: &str = "bob@example.com";
/// The administrator.
pub(crate) const ROOT: &str = "root@example.com";
pub(crate) const PASSWORD: &str = "Correct-Horse-7";
pub(crate) const OTHER_PASSWORD: &str = "Battery-Staple-8";
pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
/// The rotation window, in seconds.
pub(crate) const WINDOW: u64 = 30;

/// An installation under test.
pub(crate) struct App {
    pub(crate) keyward: Keyward,
    pub(crate) clock: Clock,
    router: Router,
    /// Whether there are routes besides Keyward's.
    is_embedded: bool,
    settings: Settings,
    place: Place,
    told: Mutex<Vec<database::Row>>,
    read: Mutex<BTreeSet<PathBuf>>,
}

/// Tokens as an app holds them.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) user: String,
    pub(crate) session: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// What the tests go by unless they say otherwise: no limits, cheap hashes and signatures, nothing
/// in the background.
pub(crate) fn settings() -> Settings {
    Settings {
        background: false,
        algorithm: Algorithm::EdDsa,
        cost: Cost::new(8, 1, 1).expect("a cost"),
        limits: Limits::OFF,
        hashing_threads: 2,
        ..Settings::default()
    }
}

pub(crate) fn limit(text: &str) -> Option<Limit> {
    Some(text.parse().expect("a limit"))
}

pub(crate) fn master_key() -> MasterKey {
    MasterKey::from_bytes(&[7; 32])
}

impl App {
    pub(crate) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::at(Place::new(), settings).await
    }

    /// One without Redis, whatever the others are run over, for what goes by the clock that a test
    /// moves, or by what the database knows of a session.
    pub(crate) async fn without_redis(settings: Settings) -> Self {
        Self::at(Place::without_redis(), settings).await
    }

    /// One whose database is an SQLite file, for what only that can do.
    pub(crate) async fn in_a_file(settings: Settings) -> Self {
        Self::at(Place::file_of_its_own(), settings).await
    }

    /// One whose sessions move in the Redis at this address.
    pub(crate) async fn over_redis(url: String, settings: Settings) -> Self {
        Self::at(Place::under_redis(url), settings).await
    }

    async fn at(place: Place, settings: Settings) -> Self {
        let clock = Clock::manual(Timestamp::from_seconds(START));
        let keyward = open(&place, &settings, &clock).await;
        Self {
            router: keyward.app(),
            is_embedded: false,
            keyward,
            clock,
            settings,
            place,
            told: Mutex::default(),
            read: Mutex::default(),
        }
    }

    /// The same installation after its process was stopped and started again.
    pub(crate) async fn restarted(self) -> Self {
        self.keyward.close().await.expect("closed");
        self.killed().await
    }

    /// The same installation after its process was killed: what was only in memory is gone.
    pub(crate) async fn killed(self) -> Self {
        let Self { keyward, clock, router, settings, place, told, read, .. } = self;
        drop((router, keyward));
        let keyward = open(&place, &settings, &clock).await;
        let is_embedded = false;
        Self { router: keyward.app(), is_embedded, keyward, clock, settings, place, told, read }
    }

    /// The same installation after it was stopped and started with other settings.
    pub(crate) async fn restarted_with(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self.restarted().await
    }

    /// The file of the database, where [`App::in_a_file`] made it.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.file()
    }

    /// The folder that Keyward writes files into.
    pub(crate) fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// Another process of the same installation.
    pub(crate) async fn beside(&self) -> Keyward {
        self.another().open().await.expect("opens")
    }

    /// The same before it opens the store.
    pub(crate) fn another(&self) -> Builder {
        let builder = self.place.builder(self.settings.clone());
        builder.master_key(master_key()).clock(self.clock.clone()).beside()
    }

    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// From now on this is asked: an application that embeds Keyward.
    pub(crate) fn within(mut self, application: impl FnOnce(&Keyward) -> Router) -> Self {
        self.router = application(&self.keyward);
        self.is_embedded = true;
        self
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Lets so many seconds pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Seconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    /// Asks. Whatever is answered has to be described in the API description.
    pub(crate) async fn send(&self, ask: Ask) -> Reply {
        let reply = ask_of(&self.router, ask.clone()).await;
        if !self.is_embedded || Described::default().tells_of(&ask) {
            Described::default().holds(&ask, &reply);
        }
        reply
    }

    /// Asks, for an answer whose body has not come yet.
    async fn begin(&self, ask: Ask) -> (http::response::Parts, Body) {
        begin(&self.router, ask).await
    }

    /// Signs up by an app.
    pub(crate) async fn signup(&self, email: &str) -> Tokens {
        let reply =
            self.send(post("/api/auth/signup").json(json!({"email": email, "password": PASSWORD}))).await;
        Tokens::of(&reply.ok(201))
    }

    /// Signs in by an app.
    pub(crate) async fn login(&self, email: &str) -> Tokens {
        let reply = self.send(login(email, PASSWORD)).await;
        Tokens::of(&reply.ok(200))
    }

    /// The administrator, who has just signed in by an app.
    pub(crate) async fn admin(&self) -> Tokens {
        self.admin_called(ROOT).await
    }

    /// An administrator of this address, who has just signed in by an app.
    pub(crate) async fn admin_called(&self, email: &str) -> Tokens {
        let password = keyward::core::password::Password::try_from(PASSWORD.to_owned()).expect("short");
        self.keyward.upsert_admin(email, password, &keyward::Client::operator()).await.expect("made");
        self.login(email).await
    }

    /// A new service key of these scopes, named after them.
    pub(crate) async fn service_key(&self, scopes: &[&str]) -> String {
        let name = format!("key {} {}", self.count("service_key"), scopes.join(" ")).trim().to_owned();
        let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let made = self.keyward.create_service_key(&name, &scopes, &keyward::Client::operator()).await;
        made.expect("made").key.to_string()
    }

    /// Signs in by an app, as somebody who may have to sign up first.
    pub(crate) async fn login_or_signup(&self, email: &str) -> Tokens {
        if self.count("account") == 0 { self.signup(email).await } else { self.login(email).await }
    }

    /// Presents a refresh token of an app.
    pub(crate) async fn refresh(&self, token: &str) -> Reply {
        self.send(post("/api/auth/refresh").json(json!({"refresh_token": token}))).await
    }

    /// What `GET /api/auth/session` says to this access token.
    pub(crate) async fn session(&self, access: &str) -> Reply {
        self.send(get("/api/auth/session").bearer(access)).await
    }

    pub(crate) async fn tick(&self) {
        self.keyward.tick().await.expect("a tick");
    }
}

/// Asks whatever this router serves.
pub(crate) async fn ask_of(router: &Router, ask: Ask) -> Reply {
    let (head, body) = begin(router, ask).await;
    let body = match head.headers.get("content-type") {
        // Without an end: that it begins is all there is to see.
        Some(events) if events == "text/event-stream" => Bytes::new(),
        _ => body.collect().await.expect("a body").to_bytes(),
    };
    Reply { status: head.status.as_u16(), headers: head.headers, body }
}

async fn begin(router: &Router, ask: Ask) -> (http::response::Parts, Body) {
    let (request, peer) = ask.request();
    let mut request = request.map(Body::from);
    request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
    router.clone().oneshot(request).await.expect("an answer").into_parts()
}

async fn open(place: &Place, settings: &Settings, clock: &Clock) -> Keyward {
    let builder = place.builder(settings.clone()).master_key(master_key()).clock(clock.clone());
    builder.open().await.expect("opens")
}

/// A login by an app.
pub(crate) fn login(email: &str, password: &str) -> Ask {
    post("/api/auth/login").json(json!({"email": email, "password": password}))
}

impl Tokens {
    pub(crate) fn of(body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{name} in {body}")).to_owned();
        Self {
            user: text("user_id"),
            session: text("session_id"),
            access: text("token"),
            refresh: text("refresh_token"),
        }
    }
}

/// The path with this wherever it says `{…}`.
pub(crate) fn filled(path: &str, with: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').map(|part| if part.starts_with('{') { with } else { part }).collect();
    parts.join("/")
}

/// The text of this field.
pub(crate) fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_else(|| panic!("no text {field} in {body}"))
}

/// A moment as answers write it.
pub(crate) fn moment(seconds: i64) -> String {
    Timestamp::from_seconds(seconds).to_string()
}

/// What a JWT says, without a look at its signature.
pub(crate) fn claims(jwt: &str) -> Value {
    segment(jwt, 1)
}

/// What the header of a JWT says.
pub(crate) fn jwt_header(jwt: &str) -> Value {
    segment(jwt, 0)
}

fn segment(jwt: &str, at: usize) -> Value {
    use base64::Engine as _;
    let part = jwt.split('.').nth(at).expect("a segment");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}
