//! A browser: a cookie jar, and the headers that a page of ours makes it send.

use http::Method;
use serde_json::{Value, json};

use super::{App, Ask, PASSWORD, Reply, get, post};

/// The cookies of one browser (RFC 6265 §5.3), as far as Keyward's need it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jar(Vec<Cookie>);

#[derive(Debug, Clone)]
struct Cookie {
    name: String,
    value: String,
    path: String,
    ends_at: i64,
}

impl Jar {
    /// The `Cookie` line for a request to this path.
    pub(crate) fn line(&self, path: &str, now: i64) -> Option<String> {
        let below = |cookie: &Cookie| {
            cookie.path == "/" || path == cookie.path || path.starts_with(&format!("{}/", cookie.path))
        };
        let sent: Vec<String> = self
            .0
            .iter()
            .filter(|cookie| below(cookie) && now < cookie.ends_at)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!sent.is_empty()).then(|| sent.join("; "))
    }

    pub(crate) fn take(&mut self, reply: &Reply, now: i64) {
        for line in reply.cookies() {
            let mut parts = line.split("; ");
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            let attribute = |wanted: &str| {
                line.split("; ").skip(1).find_map(|part| part.strip_prefix(wanted)?.strip_prefix('='))
            };
            let path = attribute("Path").expect("Path").to_owned();
            let age: i64 = attribute("Max-Age").and_then(|age| age.parse().ok()).expect("Max-Age");
            self.0.retain(|known| (known.name.as_str(), &known.path) != (name, &path));
            if age > 0 {
                self.0.push(Cookie {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    path,
                    ends_at: now + age,
                });
            }
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|cookie| cookie.name == name).map(|cookie| cookie.value.as_str())
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|cookie| cookie.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.0.retain(|cookie| cookie.name != name);
    }
}

/// A browser with a page of ours open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Browser {
    pub(crate) jar: Jar,
}

impl Browser {
    /// A browser in which somebody has just signed up.
    pub(crate) async fn signed_up(app: &App, email: &str) -> Self {
        let mut browser = Self::default();
        let body = json!({"email": email, "password": PASSWORD});
        browser.post(app, "/api/auth/signup", body).await.ok(201);
        browser
    }

    /// A browser in which somebody has just signed in.
    pub(crate) async fn signed_in(app: &App, email: &str) -> Self {
        let mut browser = Self::default();
        browser.login(app, email).await.ok(200);
        browser
    }

    pub(crate) async fn login(&mut self, app: &App, email: &str) -> Reply {
        self.post(app, "/api/auth/login", json!({"email": email, "password": PASSWORD})).await
    }

    pub(crate) async fn refresh(&mut self, app: &App) -> Reply {
        self.send(app, post("/api/auth/refresh")).await
    }

    pub(crate) async fn session(&mut self, app: &App) -> Reply {
        self.get(app, "/api/auth/session").await
    }

    /// A `fetch` by a page of ours.
    pub(crate) async fn get(&mut self, app: &App, path: &str) -> Reply {
        self.send(app, get(path)).await
    }

    /// A `fetch` by a page of ours, with a body.
    pub(crate) async fn post(&mut self, app: &App, path: &str, body: Value) -> Reply {
        self.send(app, post(path).json(body)).await
    }

    /// Somebody clicks on a link.
    pub(crate) async fn navigate(&mut self, app: &App, uri: &str) -> Reply {
        let ask = get(uri)
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-user", "?1")
            .header("accept", "text/html,*/*;q=0.8");
        self.bare(app, ask).await
    }

    /// Somebody sends a form of a page of ours.
    pub(crate) async fn submit(&mut self, app: &App, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.bare(app, super::form(path, fields).header("accept", "text/html,*/*;q=0.8")).await
    }

    /// A request as a page of ours makes it.
    pub(crate) async fn send(&mut self, app: &App, ask: Ask) -> Reply {
        let ask = match *ask.method() {
            Method::GET | Method::HEAD => ask,
            _ => ask.header("origin", app.settings().public_url.as_str()),
        };
        let ask = ask.header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "cors");
        self.bare(app, ask).await
    }

    /// A request with the cookies alone.
    pub(crate) async fn bare(&mut self, app: &App, ask: Ask) -> Reply {
        let line = self.jar.line(ask.path(), app.now());
        let ask = match line {
            Some(line) => ask.header("cookie", line),
            None => ask,
        };
        let reply = app.send(ask).await;
        self.jar.take(&reply, app.now());
        reply
    }
}
