//! What does Keyward itself say of a token (RFC 7662), where the feed is silent?

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::web::{self, Unanswered};

/// How long a request may wait for the verdict.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many are asked at once: Keyward may just be coming back.
const AT_ONCE: usize = 64;
const MAX_ANSWER: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Introspection {
    url: Url,
    web: Client,
    service_key: HeaderValue,
    turns: Semaphore,
}

#[derive(Deserialize)]
struct Said {
    active: bool,
}

impl Introspection {
    pub(crate) fn new(url: Url, web: Client, service_key: HeaderValue) -> Self {
        Self { url, web, service_key, turns: Semaphore::new(AT_ONCE) }
    }

    /// Whether the token is good at this moment. It is one that was verified: three segments of base64url,
    /// which a form carries as they are.
    pub(crate) async fn is_active(&self, token: &str) -> Result<bool, Unanswered> {
        let asked = tokio::time::timeout(PATIENCE, async {
            let Ok(_turn) = self.turns.acquire().await else { return Err(Unanswered::TooLate) };
            let request = self.web.post(self.url.clone()).header(AUTHORIZATION, self.service_key.clone());
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            let response = request.header(CONTENT_TYPE, form).body(format!("token={token}")).send().await?;
            web::body(response, MAX_ANSWER).await
        });
        let body = asked.await.map_err(|_| Unanswered::TooLate)??;
        let said: Said =
            serde_json::from_slice(&body).map_err(|error| Unanswered::Nonsense(error.to_string()))?;
        Ok(said.active)
    }
}
