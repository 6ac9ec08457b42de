//! How does the doctor ask? As a browser: with cookies of its own, and following no redirect.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::{Body, Client, Method, Url};

use crate::failure::Failure;

/// Longer than any proxy waits for Keyward.
const PATIENCE: Duration = Duration::from_secs(45);

pub(super) struct Browser {
    client: Client,
    /// The protected page.
    url: Url,
    /// Name, value, path.
    jar: Vec<(String, String, String)>,
}

/// An answer, as far as it is looked at.
pub(super) struct Reply {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What Keyward says, where it is Keyward that says no.
    pub(super) fn code(&self) -> Option<&str> {
        self.header("x-keyward-error")
    }
}

impl Browser {
    /// # Errors
    /// Where this is no URL of a page.
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = parsed.filter(|url| url.has_host()).ok_or_else(|| {
            Failure::usage(format!(
                "--proxy {url} is no URL: give that of a page, such as https://app.example.com/"
            ))
        })?;
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.http1_only().timeout(PATIENCE).build();
        let client = client.map_err(|e| Failure::new(format!("no HTTP client: {}", causes(&e))))?;
        Ok(Self { client, url, jar: Vec::new() })
    }

    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Path and query of the protected page.
    pub(super) fn target(&self) -> String {
        let path = self.url.path();
        self.url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
    }

    pub(super) fn is_far(&self) -> bool {
        !matches!(self.url.host_str(), Some(host) if host == "localhost" || host.starts_with("127.") || host == "[::1]")
    }

    /// A page that is opened.
    pub(super) async fn navigate(&mut self, target: &str, more: &[(&str, &str)]) -> Result<Reply, Failure> {
        let page = [
            ("accept", "text/html,*/*;q=0.8"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-user", "?1"),
        ];
        self.send(Method::GET, target, &[&page[..], more].concat(), "").await
    }

    /// What a script of a page asks for.
    pub(super) async fn fetch(&mut self, target: &str) -> Result<Reply, Failure> {
        let script =
            [("accept", "application/json"), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];
        self.send(Method::GET, target, &script, "").await
    }

    /// # Errors
    /// Where nothing answers.
    pub(super) async fn send(
        &mut self,
        method: Method,
        target: &str,
        lines: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Result<Reply, Failure> {
        let address = format!("{}{target}", self.origin());
        let unheard = |e: reqwest::Error| Failure::new(format!("{address} does not answer: {}", causes(&e)));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                headers.append(name, value);
            }
        }
        if let Some(cookies) = self.cookies(target).and_then(|line| HeaderValue::try_from(line).ok()) {
            headers.insert(reqwest::header::COOKIE, cookies);
        }
        let request = self.client.request(method, &address).headers(headers).body(body);
        let answer = request.send().await.map_err(unheard)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        // Of an answer that breaks off, or of a connection that was upgraded, the head is enough.
        let body = if status == 101 { String::new() } else { answer.text().await.unwrap_or_default() };
        for line in headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok()) {
            self.keep(line);
        }
        Ok(Reply { status, headers, body })
    }

    /// Whether it has a cookie whose name ends like this.
    pub(super) fn has(&self, name: &str) -> bool {
        self.jar.iter().any(|(known, _, _)| known.ends_with(name))
    }

    /// Drops the cookie whose name ends like this.
    pub(super) fn forget(&mut self, name: &str) {
        self.jar.retain(|(known, _, _)| !known.ends_with(name));
    }

    /// All cookies, to go back to.
    pub(super) fn jar(&self) -> Vec<(String, String, String)> {
        self.jar.clone()
    }

    pub(super) fn go_back_to(&mut self, jar: Vec<(String, String, String)>) {
        self.jar = jar;
    }

    /// The values of its cookies: what no application should see.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.jar.iter().map(|(_, value, _)| value.clone()).collect()
    }

    fn cookies(&self, target: &str) -> Option<String> {
        let belong = |path: &str| path == "/" || target.starts_with(&format!("{path}/"));
        let pairs = self.jar.iter().filter(|(_, _, path)| belong(path));
        let line = pairs.map(|(name, value, _)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        (!line.is_empty()).then_some(line)
    }

    /// Keeps a cookie of Keyward's, as RFC 6265 §5.3 says.
    fn keep(&mut self, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let (mut path, mut gone) = ("/", false);
        for part in parts {
            match part.split_once('=') {
                Some((key, value)) if key.eq_ignore_ascii_case("path") => path = value,
                Some((key, "0")) if key.eq_ignore_ascii_case("max-age") => gone = true,
                _ => {}
            }
        }
        self.jar.retain(|(known, _, at)| (known.as_str(), at.as_str()) != (name, path));
        if !gone && name.contains("keyward_") {
            self.jar.push((name.to_owned(), value.to_owned(), path.to_owned()));
        }
    }
}

/// An error with what it comes from: `reqwest` keeps the cause apart.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
