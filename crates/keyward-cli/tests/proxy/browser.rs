//! How does a browser, or whoever plays one, talk to a proxy? Byte for byte, from an address of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use keyward::clock::Clock;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::{PASSWORD, PATIENCE};

/// Where browsers are: no proxy is there.
pub(crate) const ADDRESS: &str = "127.0.0.9";

/// The cookies of one browser, and the proxy that it talks to.
#[derive(Clone)]
pub(crate) struct Browser {
    proxy: String,
    /// Name, value, path.
    pub(crate) jar: Vec<(String, String, String)>,
}

/// A request that is not sent yet.
#[derive(Clone)]
pub(crate) struct Ask {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub(crate) fn ask(method: &str, target: &str) -> Ask {
    Ask { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
}

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// As a click makes a browser ask.
    pub(crate) fn navigation(self) -> Self {
        self.header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("Sec-Fetch-Site", "same-origin")
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-User", "?1")
            .header("Sec-Fetch-Dest", "document")
    }

    /// As a script of a page of that site makes a browser ask.
    pub(crate) fn fetch(self, site: &str, origin: &str) -> Self {
        self.header("Accept", "application/json")
            .header("Sec-Fetch-Site", site)
            .header("Sec-Fetch-Mode", "cors")
            .header("Sec-Fetch-Dest", "empty")
            .header("Origin", origin)
    }

    /// As it opens a WebSocket.
    pub(crate) fn websocket(self, site: &str, origin: &str) -> Self {
        self.header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-Fetch-Site", site)
            .header("Sec-Fetch-Mode", "websocket")
            .header("Origin", origin)
    }

    fn bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
            text.push_str("Connection: close\r\n");
        }
        if !self.body.is_empty() || self.method == "POST" {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The only one of this name.
    #[track_caller]
    pub(crate) fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {self:?}");
        all[0]
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Refused by Keyward, in its own words, with this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.one("x-keyward-error"), code, "{self:?}");
        assert_eq!(self.one("content-type"), "application/problem+json");
        assert_eq!(self.json()["code"], code);
        assert!(self.one("cache-control").contains("no-store"));
        if status == 401 {
            assert!(self.one("www-authenticate").starts_with("Bearer"));
        }
        assert!(self.headers.iter().all(|(name, _)| !name.to_ascii_lowercase().starts_with("x-auth-")));
    }
}

impl Browser {
    pub(crate) fn new(proxy: &str) -> Self {
        Self { proxy: proxy.to_owned(), jar: Vec::new() }
    }

    /// One in which this person has signed in.
    pub(crate) fn signed_in(proxy: &str, email: &str) -> Self {
        let mut browser = Self::new(proxy);
        browser.login(email, |ask| ask);
        browser
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// Signs in, with this changed of the request; gives what Keyward answered.
    pub(crate) fn login(&mut self, email: &str, change: impl FnOnce(Ask) -> Ask) -> Value {
        let body = json!({ "email": email, "password": PASSWORD }).to_string();
        let ask = ask("POST", "/api/auth/login").header("Content-Type", "application/json");
        let ask = ask.fetch("same-origin", &self.origin()).body(body.as_bytes());
        let reply = self.send(change(ask));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// A page that is opened.
    pub(crate) fn navigate(&mut self, target: &str) -> Reply {
        self.send(ask("GET", target).navigation())
    }

    /// A request by a script of a page of ours.
    pub(crate) fn fetch(&mut self, method: &str, target: &str) -> Reply {
        let origin = self.origin();
        self.send(ask(method, target).fetch("same-origin", &origin))
    }

    /// This request with the cookies that belong to it; keeps those that come back.
    pub(crate) fn send(&mut self, ask: Ask) -> Reply {
        let reply = self.open(ask).1;
        let set: Vec<String> = reply.all("set-cookie").into_iter().map(str::to_owned).collect();
        for line in set {
            let mut parts = line.split("; ");
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            let attribute = |wanted: &str| {
                line.split("; ").skip(1).find_map(|part| part.strip_prefix(wanted)?.strip_prefix('='))
            };
            let path = attribute("Path").expect("Path");
            self.jar.retain(|(known, _, at)| (known.as_str(), at.as_str()) != (name, path));
            if attribute("Max-Age") != Some("0") {
                self.jar.push((name.to_owned(), value.to_owned(), path.to_owned()));
            }
        }
        reply
    }

    /// The same with the connection, for what goes on after the answer; of a `101` only the head is
    /// read.
    pub(crate) fn open(&self, ask: Ask) -> (TcpStream, Reply) {
        let line = self.cookies(&ask.target);
        let ask = if line.is_empty() { ask } else { ask.header("Cookie", &line) };
        let mut stream = connect(&self.proxy);
        // A server may refuse before it has read everything.
        let _ = stream.write_all(&ask.bytes(&self.proxy));
        let reply = read(&mut stream);
        (stream, reply)
    }

    /// The cookies that belong to this target.
    pub(crate) fn cookies(&self, target: &str) -> String {
        let belong = |path: &str| path == "/" || target.starts_with(&format!("{path}/"));
        let pairs = self.jar.iter().filter(|(_, _, path)| belong(path));
        pairs.map(|(name, value, _)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// A browser drops the access cookie when the token's time is up.
    pub(crate) fn expire(&mut self) {
        self.jar.retain(|(name, _, _)| !name.ends_with("keyward_access"));
    }
}

/// A connection from where browsers are.
pub(crate) fn connect(to: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(format!("{ADDRESS}:0").parse().expect("an address"))?;
        socket.connect(to.parse().expect("an address")).await?.into_std()
    });
    let stream = stream.unwrap_or_else(|e| panic!("{to}: {e}"));
    stream.set_nonblocking(false).expect("blocking");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn read(stream: &mut TcpStream) -> Reply {
    let start = Clock::system().monotonic();
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let read = stream
            .read(&mut part)
            .unwrap_or_else(|e| panic!("no answer after {:?}: {e}", Clock::system().monotonic() - start));
        assert_ne!(read, 0, "closed without an answer: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&part[..read]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut reply = Reply { status, headers, body: bytes.split_off(end + 4) };
    if status == 101 {
        return reply;
    }
    let length = reply.all("content-length").first().and_then(|length| length.parse::<usize>().ok());
    let is_chunked = reply.all("transfer-encoding").contains(&"chunked");
    loop {
        let is_whole = match length {
            Some(length) => reply.body.len() >= length,
            None => is_chunked && reply.body.ends_with(b"0\r\n\r\n"),
        };
        // A reset after the answer is its end, too.
        match if is_whole { 0 } else { stream.read(&mut part).unwrap_or(0) } {
            0 => break,
            read => reply.body.extend_from_slice(&part[..read]),
        }
    }
    if is_chunked {
        reply.body = unchunked(&reply.body);
    }
    reply
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(at) = body.windows(2).position(|two| two == b"\r\n") {
        let size =
            std::str::from_utf8(&body[..at]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size @ 1..) = size else { break };
        whole.extend_from_slice(&body[at + 2..at + 2 + size]);
        body = &body[at + 4 + size..];
    }
    whole
}
