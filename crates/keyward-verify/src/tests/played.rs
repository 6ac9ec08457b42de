//! What does a verifier see of Keyward? Played here, byte by byte, so that it can be anything at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A feed that tells nothing is revoked, and lives.
pub(super) const LIVE: &str = "id: 1\nevent: ready\ndata: {}\n\nevent: heartbeat\ndata: {}\n\n";
pub(super) const SERVICE_KEY: &str = "kws_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(super) const JWKS: &str = "/.well-known/jwks.json";
pub(super) const FEED: &str = "/api/auth/revocations";
pub(super) const INTROSPECT: &str = "/api/auth/introspect";

#[derive(Clone)]
pub(super) struct Played(Arc<State>);

struct State {
    address: String,
    /// The bytes of the answer to each path. That of the feed stays open, and what is added follows.
    answers: watch::Sender<HashMap<&'static str, String>>,
    asked: Mutex<Vec<String>>,
}

impl Played {
    /// One that has the keys of the vectors, and a feed that is live with nothing revoked.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let played = Self(Arc::new(State {
            address: listener.local_addr().expect("an address").to_string(),
            answers: watch::Sender::new(HashMap::new()),
            asked: Mutex::default(),
        }));
        played.answers(JWKS, &whole(200, &vectors()["jwks"].to_string()));
        played.answers(FEED, &feed(LIVE));
        played.answers(INTROSPECT, &whole(503, "{}"));
        let here = played.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let played = here.clone();
                tokio::spawn(async move { played.serve(stream).await });
            }
        });
        played
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(super) fn answers(&self, path: &'static str, bytes: &str) {
        self.0.answers.send_modify(|answers| drop(answers.insert(path, bytes.to_owned())));
    }

    /// Adds this to the feed, on every connection that is open.
    pub(super) fn tells(&self, bytes: &str) {
        self.0.answers.send_modify(|answers| answers.entry(FEED).or_default().push_str(bytes));
    }

    /// The heads of the requests to this path so far.
    pub(super) fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.0.asked.lock().expect("no panic");
        asked.iter().filter(|head| head.split(' ').nth(1) == Some(path)).cloned().collect()
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let start = head.len();
            if stream.read_line(&mut head).await.ok()? == 0 || &head[start..] == "\r\n" {
                break;
            }
            if let Some(value) = head[start..].to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        stream.read_exact(&mut vec![0; length]).await.ok()?;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.0.asked.lock().expect("no panic").push(head);
        let mut answers = self.0.answers.subscribe();
        let mut sent = 0;
        loop {
            let answer = answers.borrow_and_update().get(path.as_str()).cloned().unwrap_or_default();
            stream.get_mut().write_all(answer.get(sent..)?.as_bytes()).await.ok()?;
            sent = answer.len();
            if path != FEED || !answer.contains("text/event-stream") {
                return Some(());
            }
            // Another answer altogether ends this one.
            answers.changed().await.ok()?;
            let follows = answers.borrow().get(FEED).is_some_and(|now| now.starts_with(&answer));
            if !follows {
                return None;
            }
        }
    }
}

/// An answer that ends with its body.
pub(super) fn whole(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The beginning of a feed.
pub(super) fn feed(events: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{events}")
}

pub(super) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../examples/conformance/vectors.json")).expect("JSON")
}

pub(super) fn token(name: &str) -> String {
    let vectors = vectors();
    let all = vectors["vectors"].as_array().expect("a list");
    let found = all.iter().find(|vector| vector["name"] == name).expect("a vector of that name");
    found["token"].as_str().expect("a text").to_owned()
}
