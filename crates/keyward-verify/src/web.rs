//! How is Keyward asked? Without following it elsewhere, and without reading more than was expected.

use std::time::Duration;

use http::StatusCode;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

/// How long to wait for a connection, and for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Why Keyward's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("no answer from Keyward: {0}")]
    Failed(#[from] reqwest::Error),
    #[error("no answer from Keyward in time")]
    TooLate,
    #[error("Keyward answers {0}")]
    Status(StatusCode),
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    #[error("the answer is not what was asked for: {0}")]
    Nonsense(String),
}

/// A client that follows no redirect: a key or a verdict comes from Keyward itself or not at all. Without
/// TLS no proxy of the environment is asked either: it would see the service key, and could make tokens.
pub(crate) fn client(base: &Url) -> Result<Client, reqwest::Error> {
    let client = Client::builder().redirect(Policy::none()).connect_timeout(PATIENCE);
    if base.scheme() == "http" { client.no_proxy().build() } else { client.build() }
}

/// The body of a good answer, read up to a limit.
pub(crate) async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, Unanswered> {
    if response.status() != StatusCode::OK {
        return Err(Unanswered::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(Unanswered::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
