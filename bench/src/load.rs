//! How is a server asked as fast as it answers? Over kept connections, by a client that does as
//! little as it can: it shares the cores with what it measures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A GET of this path with these cookies.
pub(crate) fn get(path: &str, cookies: &str) -> Vec<u8> {
    let cookie = if cookies.is_empty() { String::new() } else { format!("Cookie: {cookies}\r\n") };
    // As a proxy asks; the session's own routes don't look at it.
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Method: GET\r\n{cookie}\r\n").into_bytes()
}

/// A POST of this JSON.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    post_with("", path, body)
}

/// The same with these header lines.
fn post_with(headers: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

const REFRESH: &str = "/api/auth/refresh";

/// A session whose refresh tokens follow one another.
#[derive(Clone)]
pub(crate) struct Chain {
    token: String,
    refresh_token: String,
}

impl Chain {
    /// Signs up a person of that number and opens their session.
    pub(crate) async fn open(port: u16, number: usize) -> Self {
        Self::open_from(port, number, "").await
    }

    /// The same with these header lines.
    pub(crate) async fn open_from(port: u16, number: usize, headers: &str) -> Self {
        let mut connection = Connection::open(port).await;
        let email = format!("chain{number}-{}@example.com", std::process::id());
        let account = format!(r#"{{"email":"{email}","password":"Password1"}}"#);
        let mut answer = connection.ask(&post_with(headers, "/api/auth/signup", &account)).await;
        if answer.0 == 409 {
            answer = connection.ask(&post_with(headers, "/api/auth/login", &account)).await;
        }
        Self::granted(answer)
    }

    /// Opens a session of this account.
    pub(crate) async fn sign_in(port: u16, email: &str, password: &str) -> Self {
        let account = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
        Self::granted(Connection::open(port).await.ask(&post("/api/auth/login", &account)).await)
    }

    fn granted((status, body): (u16, &[u8])) -> Self {
        assert!(status < 300, "{}", String::from_utf8_lossy(body));
        Self {
            token: member(body, "token").expect("a token"),
            refresh_token: member(body, "refresh_token").expect("a refresh token"),
        }
    }

    /// The cookies by which a browser would present the session's access token: one opened for an
    /// app is good there, too, beside its hint.
    pub(crate) fn cookies(&self) -> String {
        format!("keyward_access={}; keyward_hint=v1.{}.4102444800.4102444800", self.token, self.tag())
    }

    fn tag(&self) -> String {
        session_of(&self.token).tag()
    }

    /// The logout of its session.
    pub(crate) fn logout(&self) -> Vec<u8> {
        post_with(&format!("Authorization: Bearer {}\r\n", self.token), "/api/auth/logout", "{}")
    }

    /// A POST of its refresh token with the end of another MAC: version, key and session are right, so
    /// that nothing but the MAC tells.
    pub(crate) fn forged(&self) -> Vec<u8> {
        let (rest, end) = self.refresh_token.split_at(self.refresh_token.len() - 8);
        // The last character holds two bits: of the 64 only A, Q, g and w are base64url there.
        let other = if end == "AAAAAAAA" { "AAAAAAAQ" } else { "AAAAAAAA" };
        post(REFRESH, &format!(r#"{{"refresh_token":"{rest}{other}"}}"#))
    }

    /// A POST of the refresh token there.
    pub(crate) fn request(&self, path: &str) -> Vec<u8> {
        post(path, &format!(r#"{{"refresh_token":"{}"}}"#, self.refresh_token))
    }
}

/// The `sid` of an access token.
fn session_of(token: &str) -> keyward::core::id::SessionId {
    keyward::core::access_token::peek_session(token).expect("an access token").0
}

/// What is asked, again and again.
pub(crate) struct Load {
    port: u16,
    what: What,
    any_status: bool,
    times: u64,
}

enum What {
    Same(Vec<Vec<u8>>),
    Chains(Vec<Chain>),
}

/// How long each answer took.
#[derive(Default)]
pub(crate) struct Outcome {
    sorted: Vec<u32>,
    elapsed: Duration,
    /// How many answers there were, with those of the time to get warm.
    pub(crate) answers: u64,
    /// The chains, as far as they have come.
    pub(crate) chains: Vec<Chain>,
}

impl Outcome {
    /// What came of asking on: the chains are as far as they have come there.
    pub(crate) fn add(&mut self, later: Self) {
        self.sorted.extend(later.sorted);
        self.sorted.sort_unstable();
        self.elapsed += later.elapsed;
        self.answers += later.answers;
        self.chains = later.chains;
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.sorted.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// In milliseconds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let at =
            ((self.sorted.len() as f64 * percent / 100.0) as usize).min(self.sorted.len().saturating_sub(1));
        f64::from(self.sorted[at]) / 1_000.0
    }
}

impl Load {
    /// One request by everybody.
    pub(crate) fn repeat(port: u16, request: Vec<u8>) -> Self {
        Self::each(port, vec![request])
    }

    /// A request of its own for each connection.
    pub(crate) fn each(port: u16, requests: Vec<Vec<u8>>) -> Self {
        Self { port, what: What::Same(requests), any_status: false, times: u64::MAX }
    }

    /// Each connection refreshes a chain, always with the newest token.
    pub(crate) fn refreshing(port: u16, chains: Vec<Chain>) -> Self {
        Self { port, what: What::Chains(chains), any_status: false, times: u64::MAX }
    }

    /// Refusals count, too.
    pub(crate) fn any_status(mut self) -> Self {
        self.any_status = true;
        self
    }

    /// At most so often on each connection.
    pub(crate) fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Asks over so many connections for so long, after a sixth of that to get warm.
    pub(crate) async fn run(self, connections: usize, run: Duration) -> Outcome {
        let load = Arc::new(self);
        let warm = if load.times == u64::MAX { run / 6 } else { Duration::ZERO };
        let begun = Instant::now();
        let tasks: Vec<_> = (0..connections)
            .map(|i| {
                let load = Arc::clone(&load);
                tokio::spawn(async move { load.ask(i, begun + warm, begun + warm + run).await })
            })
            .collect();
        let (mut sorted, mut chains, mut answers) = (Vec::new(), Vec::new(), 0);
        for task in tasks {
            let (took, chain, answered) = task.await.expect("a connection");
            sorted.extend(took);
            answers += answered;
            chains.extend(chain);
        }
        sorted.sort_unstable();
        let elapsed = if load.times == u64::MAX { run } else { begun.elapsed() };
        Outcome { sorted, elapsed, answers, chains }
    }

    /// How long each answer took that was asked for from then on, the chain, and how many answers there
    /// were in all.
    async fn ask(&self, i: usize, from: Instant, until: Instant) -> (Vec<u32>, Option<Chain>, u64) {
        let mut connection = Connection::open(self.port).await;
        let mut took = Vec::with_capacity(1 << 16);
        let (mut request, mut chain) = match &self.what {
            What::Same(requests) => (requests[i % requests.len()].clone(), None),
            What::Chains(chains) => (chains[i].request(REFRESH), Some(chains[i].clone())),
        };
        let mut answers = 0;
        for _ in 0..self.times {
            let asked = Instant::now();
            if asked >= until {
                break;
            }
            let (status, body) = connection.ask(&request).await;
            let answered = Instant::now();
            answers += 1;
            assert!(self.any_status || status < 300, "{status} {}", String::from_utf8_lossy(body));
            if let Some(chain) = &mut chain {
                chain.refresh_token = member(body, "refresh_token").expect("each refresh rotates");
                request = chain.request(REFRESH);
            }
            if asked >= from {
                took.push(u32::try_from((answered - asked).as_micros()).unwrap_or(u32::MAX));
            }
        }
        (took, chain, answers)
    }
}

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, buffer: vec![0; 16 << 10] }
    }

    /// Asks, and gives the status and the body of the answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> (u16, &[u8]) {
        self.stream.write_all(request).await.expect("written");
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..]).await.expect("an answer");
            assert!(read > 0, "the server hung up");
            filled += read;
            let Some(head) = find(&self.buffer[..filled], b"\r\n\r\n") else { continue };
            let length = content_length(&self.buffer[..head]);
            let body = head + 4;
            if filled < body + length {
                continue;
            }
            let status =
                std::str::from_utf8(&self.buffer[9..12]).expect("a status").parse().expect("a number");
            return (status, &self.buffer[body..body + length]);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let at = find(head, b"content-length: ").expect("a length") + 16;
    head[at..].iter().take_while(|b| b.is_ascii_digit()).fold(0, |n, b| n * 10 + usize::from(b - b'0'))
}

/// The text of a member of a JSON object, which has no escapes in it.
pub(crate) fn member(body: &[u8], name: &str) -> Option<String> {
    let key = format!("\"{name}\":\"");
    let at = find(body, key.as_bytes())? + key.len();
    let end = at + body[at..].iter().position(|b| *b == b'"')?;
    String::from_utf8(body[at..end].to_vec()).ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}
