//! What does the process do that is going to be killed?

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use keyward::clock::Clock;
use keyward::core::key::Algorithm;
use keyward::core::password::Cost;
use keyward::core::throttle::Limits;
use keyward::core::time::Timestamp;
use keyward::{Keyward, MasterKey, Settings};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::dice::Dice;

pub(crate) const FILE: &str = "KEYWARD_CRASH_FILE";
/// What every line begins with that the child tells.
pub(crate) const TOLD: &str = "told: ";
pub(crate) const WINDOW: Duration = Duration::from_secs(30);
const PASSWORD: &str = "Correct-Horse-7";

pub(crate) async fn open(file: &Path, now: i64) -> (Keyward, Clock) {
    let clock = Clock::manual(Timestamp::from_micros(now));
    let mut settings = Settings {
        algorithm: Algorithm::Es256,
        cost: Cost::new(8, 1, 1).expect("the least"),
        hashing_threads: 1,
        background: false,
        limits: Limits::OFF,
        ..Settings::default()
    };
    settings.policy.rotation_window = WINDOW;
    let keyward = Keyward::builder(settings)
        .sqlite(file)
        .master_key(MasterKey::from_bytes(&[7; 32]))
        .clock(clock.clone())
        .open()
        .await
        .unwrap_or_else(|e| panic!("it opens after any kill: {e}"));
    (keyward, clock)
}

/// Asks the router; the status and the body of the answer.
pub(crate) async fn ask(
    router: &Router,
    what: &str,
    body: Value,
    access_token: Option<&str>,
) -> (u16, Value) {
    let method = if what == "session" { "GET" } else { "POST" };
    let mut request = Request::builder().method(method).uri(format!("/api/auth/{what}"));
    if let Some(token) = access_token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        request = request.header("content-type", "application/json");
        Body::from(body.to_string())
    };
    let response = router.clone().oneshot(request.body(body).expect("a request")).await.expect("an answer");
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// Rounds without an end. In each, every client asks one thing, all of them at once; between two
/// rounds time passes, so that no message is ever under way for long.
pub(crate) async fn storm(file: &Path) {
    let mut state = String::new();
    std::io::stdin().read_to_string(&mut state).expect("a state");
    let state: Value = serde_json::from_str(&state).expect("a state");
    let now = state["now"].as_i64().expect("a moment");
    let mut dice = Dice(state["seed"].as_u64().expect("a seed"));
    let (keyward, clock) = open(file, now).await;
    let mut jars: Vec<Jar> =
        state["clients"].as_array().expect("clients").iter().enumerate().map(Jar::new).collect();
    loop {
        let mut tasks = JoinSet::new();
        for mut jar in jars.drain(..) {
            let (router, dice) = (keyward.app(), Dice(dice.next()));
            tasks.spawn(async move {
                jar.act(&router, dice).await;
                jar
            });
        }
        keyward.tick().await.expect("writable");
        jars = tasks.join_all().await;
        let step = WINDOW.as_secs() * [0, 1, 2, 3][usize::try_from(dice.below(4)).expect("small")] / 2;
        clock.advance(Duration::from_secs(step));
        tell(&json!({ "now": clock.now().micros() }));
    }
}

struct Jar {
    client: usize,
    email: String,
    has_account: bool,
    refresh_token: Option<String>,
    access_token: Option<String>,
}

impl Jar {
    fn new((client, state): (usize, &Value)) -> Self {
        let text = |field: &str| state[field].as_str().map(str::to_owned);
        Self {
            client,
            email: text("email").expect("an address"),
            has_account: state["has_account"] == true,
            refresh_token: text("refresh_token"),
            access_token: text("access_token"),
        }
    }

    async fn act(&mut self, router: &Router, mut dice: Dice) {
        let Some(token) = self.refresh_token.clone() else {
            let sign_in = json!({ "email": self.email, "password": PASSWORD, "transport": "bearer" });
            let what = if self.has_account { "login" } else { "signup" };
            let (status, body) = self.asks(router, what, sign_in).await;
            self.has_account |= status == 409;
            self.keep(&body);
            return;
        };
        let refresh = json!({ "refresh_token": token });
        match dice.below(16) {
            0 => {
                self.asks(router, "logout", refresh).await;
                (self.refresh_token, self.access_token) = (None, None);
            }
            1..4 => drop(self.asks(router, "session", Value::Null).await),
            4..7 => {
                let (one, two) = tokio::join!(
                    self.asks(router, "refresh", refresh.clone()),
                    self.asks(router, "refresh", refresh)
                );
                self.keep(&one.1);
                self.keep(&two.1);
            }
            _ => {
                let (_, body) = self.asks(router, "refresh", refresh).await;
                self.keep(&body);
            }
        }
    }

    /// Tells what it asks, asks, and tells the answer.
    async fn asks(&self, router: &Router, what: &str, body: Value) -> (u16, Value) {
        tell(&json!({ "client": self.client, "asks": what }));
        let access_token = self.access_token.as_deref().filter(|_| what == "session");
        let (status, body) = ask(router, what, body, access_token).await;
        tell(&json!({ "client": self.client, "op": what, "status": status, "body": body }));
        (status, body)
    }

    fn keep(&mut self, body: &Value) {
        for (kept, field) in [(&mut self.refresh_token, "refresh_token"), (&mut self.access_token, "token")] {
            if let Some(new) = body[field].as_str() {
                *kept = Some(new.to_owned());
            }
        }
    }
}

/// One write a line: a pipe takes it whole or, killed before, not at all.
fn tell(what: &Value) {
    let line = format!("{TOLD}{what}\n");
    assert!(line.len() <= 4_096, "a pipe takes so much at once");
    std::io::stderr().lock().write_all(line.as_bytes()).expect("somebody listens");
}
