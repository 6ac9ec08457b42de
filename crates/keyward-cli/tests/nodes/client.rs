//! A client that goes on whatever happens to its requests, and counts what did.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{EMAIL, PASSWORD, text};

/// How long an answer may take before a client gives it up for lost: each wait for the store ends
/// before.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(20);

/// Asks a node; an error is a connection that was refused, broke, or brought nothing in time.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> io::Result<Told> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, GIVE_UP)?;
    stream.set_read_timeout(Some(GIVE_UP))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nX-Forwarded-Method: GET\r\n{token}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let retry_after = head.lines().any(|line| line.to_ascii_lowercase().starts_with("retry-after: "));
    let body =
        if body.is_empty() { Value::Null } else { serde_json::from_str(body).map_err(|_| broken())? };
    Ok(Told { status, body, retry_after })
}

/// What a node answered.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) retry_after: bool,
}

impl Told {
    /// 200, or the code of the refusal.
    pub(crate) fn verdict(&self) -> String {
        if self.status == 200 { "200".to_owned() } else { text(&self.body["code"]) }
    }
}

/// What clients met, together.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answered: AtomicU64,
    pub(crate) rotated: AtomicU64,
    /// 503: asked again.
    pub(crate) unavailable: AtomicU64,
    /// No answer: asked again.
    pub(crate) lost: AtomicU64,
    /// How long the longest answer took, in milliseconds.
    pub(crate) longest: AtomicU64,
    /// What must not be: a living session that was refused, or any other answer.
    pub(crate) wrong: Mutex<Vec<String>>,
}

/// Clients that refresh and show their tokens until they are told to stop.
pub(crate) struct Load {
    pub(crate) counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients, each signed in at one of these nodes, which they all use in turn.
    pub(crate) fn of(clients: usize, nodes: &[String]) -> Self {
        let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let clients = (0..clients).map(|number| {
            let mut client = Client {
                nodes: nodes.to_vec(),
                at: number,
                tokens: login(&nodes[number % nodes.len()]),
                counts: Arc::clone(&counts),
            };
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    client.step();
                }
                client.goes_on();
            })
        });
        Self { clients: clients.collect(), counts, stop }
    }

    /// How many requests were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more were answered.
    pub(crate) fn until_answered(&self, more: u64) {
        let enough = self.answered() + more;
        crate::support::until(crate::support::PATIENCE, "answers", || self.answered() >= enough);
    }

    /// Stops them, each after it could refresh once more; nobody was signed out. Says what they met.
    pub(crate) fn end(self, what: &str) -> Arc<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().expect("a client"));
        let counts = self.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let wrong = counts.wrong.lock().expect("no panic").clone();
        eprintln!(
            "{what}: {} answered, {} of them new refresh tokens, {} times 503, {} without an answer, \
             {} wrong sign-outs; the longest answer took {} ms",
            of(&counts.answered),
            of(&counts.rotated),
            of(&counts.unavailable),
            of(&counts.lost),
            wrong.len(),
            of(&counts.longest),
        );
        assert_eq!(wrong, Vec::<String>::new(), "{what}");
        counts
    }
}

#[expect(clippy::disallowed_methods, reason = "a client that takes a breath")]
fn pause() {
    thread::sleep(Duration::from_millis(20));
}

struct Client {
    nodes: Vec<String>,
    at: usize,
    tokens: Value,
    counts: Arc<Counts>,
}

impl Client {
    /// Refreshes at one node and shows the access token to the next.
    fn step(&mut self) {
        self.refresh();
        self.show();
    }

    /// What was lost on the way to it is forgiven: it can still go on.
    fn goes_on(&mut self) {
        crate::support::until(crate::support::PATIENCE, "a session that goes on", || self.refresh());
        crate::support::until(crate::support::PATIENCE, "a session that is known", || self.show());
    }

    fn refresh(&mut self) -> bool {
        let body = json!({ "refresh_token": self.tokens["refresh_token"] });
        let Some(told) = self.ask("POST", "/api/auth/refresh", None, Some(&body)) else { return false };
        if told.status != 200 {
            self.wrong("refresh", &told);
            return false;
        }
        if !told.body["refresh_token"].is_null() {
            self.counts.rotated.fetch_add(1, Ordering::Relaxed);
            self.tokens["refresh_token"] = told.body["refresh_token"].clone();
        }
        self.tokens["token"] = told.body["token"].clone();
        true
    }

    fn show(&mut self) -> bool {
        let token = text(&self.tokens["token"]);
        let Some(told) = self.ask("GET", "/api/auth/session", Some(&token), None) else { return false };
        if told.status != 200 {
            self.wrong("session", &told);
        }
        told.status == 200
    }

    /// `None` where it has to be asked again.
    fn ask(&mut self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Option<Told> {
        self.at += 1;
        let clock = keyward::clock::Clock::system();
        let begun = clock.monotonic();
        let told = ask(&self.nodes[self.at % self.nodes.len()], method, path, token, body);
        let took = u64::try_from((clock.monotonic() - begun).as_millis()).unwrap_or(u64::MAX);
        self.counts.longest.fetch_max(took, Ordering::Relaxed);
        let count = match &told {
            Ok(told) if told.status == 503 && told.retry_after => &self.counts.unavailable,
            Ok(_) => &self.counts.answered,
            Err(_) => &self.counts.lost,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if told.is_err() {
            // As a client does: it does not ask as fast as it is refused.
            pause();
        }
        told.ok().filter(|told| told.status != 503 || !told.retry_after)
    }

    fn wrong(&self, what: &str, told: &Told) {
        self.counts.wrong.lock().expect("no panic").push(format!("{what}: {} {}", told.status, told.body));
    }
}

/// A new session of the one account.
pub(crate) fn login(address: &str) -> Value {
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let told = ask(address, "POST", "/api/auth/login", None, Some(&body)).expect("an answer");
    assert_eq!(told.status, 200, "{}", told.body);
    told.body
}

/// What a node says to this access token: 200, or the code of its refusal.
pub(crate) fn verdict(address: &str, token: &Value) -> String {
    ask(address, "GET", "/api/auth/session", Some(&text(token)), None).expect("an answer").verdict()
}
