//! How does a test ask a node, and what is its answer?

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{EMAIL, PASSWORD, PATIENCE, text, until};

/// How long an answer may take before a client gives it up for lost: each wait for the store ends
/// before.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(20);

/// Asks a node once; an error is a connection that was refused, broke, or brought nothing in time.
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

    /// Whether this node can't say now: it is to be asked again, or another one is.
    pub(crate) fn is_to_come_again(&self) -> bool {
        self.status == 503 && self.retry_after
    }
}

/// Asks a node as a client does, until it answers with something else than to come again.
#[track_caller]
pub(crate) fn settled(
    address: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Told {
    let mut told = None;
    until(PATIENCE, path, || {
        let answer = ask(address, method, path, token, body).expect("an answer");
        !told.insert(answer).is_to_come_again()
    });
    told.expect("asked")
}

/// A new session of the one account.
pub(crate) fn login(address: &str) -> Value {
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let told = settled(address, "POST", "/api/auth/login", None, Some(&body));
    assert_eq!(told.status, 200, "{}", told.body);
    told.body
}

pub(crate) fn sign_out(address: &str, tokens: &Value) {
    let told = settled(address, "POST", "/api/auth/logout", Some(&text(&tokens["token"])), None);
    assert_eq!(told.status, 200, "{}", told.body);
}

pub(crate) fn refresh(address: &str, tokens: &Value) -> Told {
    settled(address, "POST", REFRESH, None, Some(&refresh_token(tokens)))
}

/// What a node says to the refresh token of these: 200, or the code of its refusal.
pub(crate) fn refreshed(address: &str, tokens: &Value) -> String {
    refresh(address, tokens).verdict()
}

/// The same asked once, where it may be that the node can't say.
pub(crate) fn refreshed_once(address: &str, tokens: &Value) -> String {
    ask(address, "POST", REFRESH, None, Some(&refresh_token(tokens))).expect("an answer").verdict()
}

const REFRESH: &str = "/api/auth/refresh";

fn refresh_token(tokens: &Value) -> Value {
    json!({ "refresh_token": tokens["refresh_token"] })
}

/// What a node says of this access token to a proxy's question, from memory: 200, or the code of its
/// refusal.
pub(crate) fn verified(address: &str, token: &Value) -> String {
    settled(address, "GET", VERIFY, Some(&text(token)), None).verdict()
}

/// The same asked once, where it may be that the node can't say.
pub(crate) fn verified_once(address: &str, token: &Value) -> String {
    ask(address, "GET", VERIFY, Some(&text(token)), None).expect("an answer").verdict()
}

const VERIFY: &str = "/api/auth/verify";

/// What a node says to this access token: 200, or the code of its refusal.
pub(crate) fn verdict(address: &str, token: &Value) -> String {
    settled(address, "GET", "/api/auth/session", Some(&text(token)), None).verdict()
}
