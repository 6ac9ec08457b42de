//! A server on a free port with a clock that is moved by hand, and who asks it.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "of a test")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyward::clock::Clock;
use keyward::core::password::Cost;
use keyward::core::throttle::Limits;
use keyward::{Keyward, Settings, Timestamp};
use serde_json::{Value, json};
use tasks::store::Tasks;
use tempfile::TempDir;
use tokio::net::TcpListener;

pub const ADA: &str = "ada@example.com";
pub const BOB: &str = "bob@example.com";
const PASSWORD: &str = "Correct-Horse-7";

#[derive(Clone)]
pub struct Server {
    pub keyward: Keyward,
    url: String,
    clock: Clock,
    http: reqwest::Client,
    folder: Arc<TempDir>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let settings = Settings {
            public_url: url.parse().expect("an origin"),
            // Time passes only where a test says so; hashes and limits are cheap.
            background: false,
            cost: Cost::new(8, 1, 1).expect("a cost"),
            limits: Limits::OFF,
            ..Settings::default()
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tasks.db");
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let keyward =
            Keyward::builder(settings).sqlite(&path).clock(clock.clone()).open().await.expect("opens");
        let app = tasks::app(&keyward, Tasks::open(&path).expect("opens"));
        let serving = keyward.clone();
        tokio::spawn(async move {
            serving.serve(listener, app, std::future::pending(), Duration::ZERO).await;
        });
        Self { keyward, url, clock, http: reqwest::Client::new(), folder: Arc::new(folder) }
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn database(&self) -> rusqlite::Connection {
        let path: PathBuf = self.folder.path().join("tasks.db");
        rusqlite::Connection::open(path).expect("opens")
    }

    /// Who has no credential.
    pub fn nobody(&self) -> Caller {
        let headers = Vec::new();
        Caller { url: self.url.clone(), http: self.http.clone(), headers, user: String::new() }
    }

    /// Somebody who signs up by an app, with bearer tokens.
    pub async fn app(&self, email: &str) -> Caller {
        let body = json!({"email": email, "password": PASSWORD});
        let session = self.nobody().post("/api/auth/signup", body).await.ok(201);
        let user = session["user_id"].as_str().expect("an id").to_owned();
        Caller { user, ..self.nobody() }.with_token(session["token"].as_str().expect("a token"))
    }

    /// Signs in by an app.
    pub async fn login(&self, email: &str) {
        let body = json!({"email": email, "password": PASSWORD});
        self.nobody().post("/api/auth/login", body).await.ok(200);
    }

    /// Somebody who signs up in a browser, with cookies.
    pub async fn browser(&self, email: &str) -> Caller {
        let ours = self.nobody().from(&[("sec-fetch-site", "same-origin"), ("origin", &self.url)]);
        let body = json!({"email": email, "password": PASSWORD});
        let reply = ours.post("/api/auth/signup", body).await;
        let user = reply.ok(201)["user_id"].as_str().expect("an id").to_owned();
        let pairs: Vec<&str> = reply.all("set-cookie").filter_map(|line| line.split(';').next()).collect();
        let mut headers = ours.headers;
        headers.push(("cookie".to_owned(), pairs.join("; ")));
        Caller { user, headers, ..self.nobody() }
    }
}

/// Who asks: the headers that each of their requests carries.
#[derive(Clone)]
pub struct Caller {
    url: String,
    http: reqwest::Client,
    headers: Vec<(String, String)>,
    user: String,
}

impl Caller {
    pub fn user(&self) -> &str {
        &self.user
    }

    pub fn tasks(&self) -> String {
        format!("/api/{}/tasks", self.user)
    }

    pub fn token(&self) -> String {
        let (_, value) = self.headers.iter().find(|(name, _)| name == "authorization").expect("a token");
        value.trim_start_matches("Bearer ").to_owned()
    }

    pub fn without_token(&self) -> Self {
        let mut caller = self.clone();
        caller.headers.retain(|(name, _)| name != "authorization" && name != "cookie");
        caller
    }

    pub fn with_token(&self, token: &str) -> Self {
        let mut caller = self.without_token();
        caller.headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        caller
    }

    /// The same cookies, with these headers of a browser instead of those of a page of ours.
    pub fn from(&self, headers: &[(&str, &str)]) -> Self {
        let mut caller = self.clone();
        caller.headers.retain(|(name, _)| name == "cookie");
        caller.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        caller
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask("POST", path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.ask("PATCH", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.ask("DELETE", path, None).await
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let request = self.request(method, path);
        Reply::of(match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        })
        .await
    }

    /// A body of this type, to the byte.
    pub async fn raw(&self, method: &str, path: &str, kind: &str, body: &str) -> Reply {
        Reply::of(self.request(method, path).header("content-type", kind).body(body.to_owned())).await
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.url));
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub text: String,
    headers: reqwest::header::HeaderMap,
}

impl Reply {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("ASCII"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// The body of an answer of this status, which no cache keeps.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("cache-control"), "no-store");
        serde_json::from_str(&self.text).expect("JSON")
    }

    /// That it is a refusal of this status and code, as `application/problem+json`.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.header("x-keyward-error")), (status, code), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("www-authenticate").starts_with("Bearer"), status == 401);
        let problem: Value = serde_json::from_str(&self.text).expect("JSON");
        assert_eq!(problem["code"], code);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }

    /// The fields that a 422 names.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<String> {
        let problem = self.refused(422, "validation_failed");
        let errors = problem["errors"].as_array().expect("errors").iter();
        errors.map(|error| error["field"].as_str().expect("a name").to_owned()).collect()
    }
}
