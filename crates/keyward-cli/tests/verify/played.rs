//! What does a verifier see of Keyward? Its keys, its feed and introspection, played here so that they can
//! fail at will.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

pub(crate) const SERVICE_KEY: &str = "kws_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A Keyward of the file of vectors.
#[derive(Clone)]
pub(crate) struct Played(Arc<State>);

struct State {
    address: String,
    jwks: String,
    revocations: Vec<String>,
    keys_asked: AtomicUsize,
    introspected: AtomicUsize,
    beats: AtomicBool,
    /// What introspection says: 0 nothing, 1 that a token is good, 2 that it is not.
    says: AtomicUsize,
}

impl Played {
    pub(crate) fn start(vectors: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let revocations = vectors["revocations"].as_array().expect("a list");
        let played = Self(Arc::new(State {
            address: listener.local_addr().expect("an address").to_string(),
            jwks: vectors["jwks"].to_string(),
            revocations: revocations.iter().map(Value::to_string).collect(),
            keys_asked: AtomicUsize::new(0),
            introspected: AtomicUsize::new(0),
            beats: AtomicBool::new(true),
            says: AtomicUsize::new(0),
        }));
        let here = played.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let played = here.clone();
                // Who asks may go away whenever it likes.
                std::thread::spawn(move || drop(played.answer(&stream.expect("a connection"))));
            }
        });
        played
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// How often the keys were asked for.
    pub(crate) fn keys_asked(&self) -> usize {
        self.0.keys_asked.load(Ordering::SeqCst)
    }

    /// How often it was asked about a token.
    pub(crate) fn introspected(&self) -> usize {
        self.0.introspected.load(Ordering::SeqCst)
    }

    /// The feed stays open and says nothing any more, or beats again.
    pub(crate) fn beats(&self, beats: bool) {
        self.0.beats.store(beats, Ordering::SeqCst);
    }

    /// What introspection says of every token; `None` where it fails.
    pub(crate) fn says(&self, active: Option<bool>) {
        let says = active.map_or(0, |active| if active { 1 } else { 2 });
        self.0.says.store(says, Ordering::SeqCst);
    }

    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut line, mut length, mut is_service) = (String::new(), 0, false);
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "authorization" => is_service = value.trim() == format!("Bearer {SERVICE_KEY}"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        match path.as_str() {
            "/.well-known/jwks.json" => {
                self.0.keys_asked.fetch_add(1, Ordering::SeqCst);
                say(stream, 200, &self.0.jwks)
            }
            "/api/auth/introspect" if is_service && body.starts_with(b"token=") => {
                self.0.introspected.fetch_add(1, Ordering::SeqCst);
                match self.0.says.load(Ordering::SeqCst) {
                    0 => say(stream, 503, r#"{"code":"store_unavailable"}"#),
                    1 => say(stream, 200, r#"{"active":true}"#),
                    _ => say(stream, 200, r#"{"active":false}"#),
                }
            }
            "/api/auth/revocations" if is_service => self.feed(stream),
            _ => say(stream, 401, "{}"),
        }
    }

    fn feed(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")?;
        for entry in &self.0.revocations {
            write!(stream, "event: revocation\ndata: {entry}\n\n")?;
        }
        write!(stream, "id: {}\nevent: ready\ndata: {{}}\n\n", self.0.revocations.len())?;
        loop {
            if self.0.beats.load(Ordering::SeqCst) {
                stream.write_all(b"event: heartbeat\ndata: {}\n\n")?;
            }
            // The pace of Keyward.
            std::thread::park_timeout(Duration::from_millis(250));
        }
    }
}

fn say(mut stream: &TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
