//! What does the application serve?
//!
//! Everything under `/app/`, under a policy that allows no inline script: pages and scripts that a
//! test gives it; `/app/data`, an API that asks Keyward who is there; and private pages, which send
//! whom Keyward does not know to the login page.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::message::Request;

const POLICY: &str = "Content-Security-Policy: default-src 'self'\r\n";

/// What `/app/data` and private pages hold.
pub(crate) const SECRET: &str = "the-private-content";

/// The pages of an application, which may change while it is visited.
#[derive(Default)]
pub(crate) struct App(Mutex<BTreeMap<String, Resource>>);

#[derive(Clone)]
struct Resource {
    kind: &'static str,
    headers: String,
    body: String,
    private: bool,
}

impl App {
    /// A page at this path under `/app/`, for everybody. Its body is put into a whole document;
    /// `scripts` are the modules it loads.
    pub(crate) fn page(&self, path: &str, scripts: &[&str], body: &str) {
        self.put(path, "text/html; charset=utf-8", "", document(scripts, body), false);
    }

    /// A page that Keyward has to know its visitor for, not to be kept by any cache.
    pub(crate) fn private_page(&self, path: &str, scripts: &[&str], body: &str) {
        let headers = "Cache-Control: no-store\r\n";
        self.put(path, "text/html; charset=utf-8", headers, document(scripts, body), true);
    }

    /// The same by an application that forgot to forbid keeping it.
    pub(crate) fn careless_private_page(&self, path: &str, scripts: &[&str], body: &str) {
        self.put(path, "text/html; charset=utf-8", "", document(scripts, body), true);
    }

    /// A script at this path under `/app/`.
    pub(crate) fn script(&self, path: &str, text: &str) {
        self.put(path, "text/javascript; charset=utf-8", "", text.to_owned(), false);
    }

    fn put(&self, path: &str, kind: &'static str, headers: &str, body: String, private: bool) {
        assert!(path.starts_with("/app/"), "{path} is Keyward's");
        let resource = Resource { kind, headers: headers.to_owned(), body, private };
        self.0.lock().expect("whole").insert(path.to_owned(), resource);
    }

    /// The answer, if this is the application's; `ask` sends bytes to Keyward.
    pub(super) fn answer(&self, request: &Request, ask: &dyn Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
        let path = request.path();
        if path == "/favicon.ico" {
            return Some(answer(204, "image/x-icon", "", b""));
        }
        if !path.starts_with("/app/") {
            return None;
        }
        // An unsafe request counts as activity, as it would if it were Keyward's own.
        let (method, asked) = match request.method.as_str() {
            "GET" | "HEAD" => ("GET", "/api/auth/session"),
            _ => ("POST", "/api/auth/activity"),
        };
        let verdict = || ask(&request.bytes(method, asked, b""));
        let known = |verdict: &[u8]| verdict.starts_with(b"HTTP/1.1 200");
        if path == "/app/data" {
            let verdict = verdict();
            let body = format!(r#"{{"data":"{SECRET}","bytes":{}}}"#, request.body.len());
            let own = || answer(200, "application/json", "Cache-Control: no-store\r\n", body.as_bytes());
            return Some(if known(&verdict) { own() } else { verdict });
        }
        let resource = self.0.lock().expect("whole").get(path).cloned();
        let Some(resource) = resource else {
            return Some(answer(404, "text/plain", "", b"no such page"));
        };
        if resource.private && !known(&verdict()) {
            let next: String = form_urlencode(&request.target);
            return Some(answer(303, "text/plain", &format!("Location: /login?next={next}\r\n"), b""));
        }
        let headers = format!("{POLICY}{}", resource.headers);
        Some(answer(200, resource.kind, &headers, resource.body.as_bytes()))
    }
}

fn document(scripts: &[&str], body: &str) -> String {
    let scripts: String =
        scripts.iter().map(|path| format!(r#"<script type="module" src="{path}"></script>"#)).collect();
    format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>App</title>{scripts}</head><body>{body}</body></html>"#
    )
}

fn form_urlencode(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// An answer after which the connection closes.
pub(super) fn answer(status: u16, kind: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: {kind}\r\n{lines}Content-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
