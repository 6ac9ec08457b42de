//! A request and its answer.

use std::net::{IpAddr, SocketAddr};

use axum::body::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request};
use serde_json::Value;

/// A request. By itself it is that of an app, with nothing that a browser would send.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: Method,
    uri: String,
    pub(super) headers: HeaderMap,
    body: Bytes,
    peer: SocketAddr,
}

pub(crate) fn get(uri: &str) -> Ask {
    Ask::new(Method::GET, uri)
}

pub(crate) fn post(uri: &str) -> Ask {
    Ask::new(Method::POST, uri)
}

pub(crate) fn delete(uri: &str) -> Ask {
    Ask::new(Method::DELETE, uri)
}

pub(crate) fn put(uri: &str) -> Ask {
    Ask::new(Method::PUT, uri)
}

pub(crate) fn patch(uri: &str) -> Ask {
    Ask::new(Method::PATCH, uri)
}

impl Ask {
    pub(crate) fn new(method: Method, uri: &str) -> Self {
        let peer = SocketAddr::from(([203, 0, 113, 1], 40_000));
        Self { method, uri: uri.to_owned(), headers: HeaderMap::new(), body: Bytes::new(), peer }
    }

    /// From this address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.peer.set_ip(address.parse::<IpAddr>().expect("an address"));
        self
    }

    /// Adds a line; one that is there already stays.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = name.parse().expect("a name");
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).expect("a value"));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    /// A form, to the byte.
    pub(crate) fn form(self, form: &str) -> Self {
        self.raw("application/x-www-form-urlencoded", form.to_owned())
    }

    /// A body of this type, to the byte.
    pub(crate) fn raw(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.headers.remove("content-type");
        self.body(body).header("content-type", content_type)
    }

    /// A body of no type.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.headers.remove("content-length");
        let length = self.body.len().to_string();
        self.header("content-length", length)
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.split('?').next().unwrap_or_default()
    }

    pub(super) fn request(self) -> (Request<Bytes>, SocketAddr) {
        let mut request =
            Request::builder().method(self.method).uri(self.uri).body(self.body).expect("a request");
        *request.headers_mut() = self.headers;
        (request, self.peer)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The body of an answer that has this status. What every answer of the API carries is
    /// checked with it.
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.all("cache-control"), ["no-store"]);
        assert_eq!(self.all("x-request-id").len(), 1);
        assert_eq!(self.all("x-content-type-options"), ["nosniff"]);
        assert_eq!(self.one("x-keyward-error"), None);
        assert_eq!(self.one("www-authenticate"), None);
        if self.body.is_empty() {
            assert_eq!(self.one("content-type"), None);
            return Value::Null;
        }
        assert_eq!(self.all("content-type"), ["application/json"]);
        self.json()
    }

    /// That this is a refusal of this status and code, told to the letter of the contract.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.one("x-keyward-error")), (status, Some(code)), "{}", self.text());
        assert_eq!(self.all("content-type"), ["application/problem+json"]);
        assert_eq!(self.all("cache-control"), ["no-store"]);
        assert_eq!(self.all("x-content-type-options"), ["nosniff"]);
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:keyward:problem:{code}"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code);
        for said in ["title", "detail"] {
            assert!(problem[said].as_str().is_some_and(|text| !text.is_empty()), "{said} in {problem}");
        }
        assert_eq!(problem["request_id"].as_str(), self.one("x-request-id"));
        let named = problem["errors"].as_array().is_some_and(|errors| !errors.is_empty());
        assert_eq!(named, status == 422, "{problem}");
        let challenge = match (status, code) {
            (401, code) if !["missing_token", "invalid_credentials"].contains(&code) => {
                Some("Bearer error=\"invalid_token\"")
            }
            (401, _) => Some("Bearer"),
            _ => None,
        };
        assert_eq!(self.one("www-authenticate"), challenge);
        assert_eq!(self.one("retry-after").is_some(), matches!(status, 429 | 503), "{:?}", self.headers);
        let limited = status == 429;
        assert_eq!(self.one("ratelimit").is_some(), limited);
        assert_eq!(self.one("ratelimit-policy").is_some(), limited);
        assert_eq!(self.cookies(), Vec::<&str>::new(), "a refusal sets no cookie");
        problem
    }

    /// That this is a refusal of this status and code, told by a page that names the request.
    #[track_caller]
    pub(crate) fn refused_by_page(&self, status: u16, code: &str) -> String {
        assert_eq!((self.status, self.one("x-keyward-error")), (status, Some(code)), "{}", self.text());
        assert_eq!(self.all("content-type"), ["text/html; charset=utf-8"]);
        assert_eq!(self.all("cache-control"), ["no-store"]);
        assert!(self.one("content-security-policy").is_some_and(|csp| csp.contains("default-src 'none'")));
        assert_eq!(self.cookies(), Vec::<&str>::new(), "a refusal sets no cookie");
        assert!(self.text().contains(self.one("x-request-id").expect("an id")), "{}", self.text());
        self.text()
    }

    /// The fields that a 422 names, in the order of the answer.
    #[track_caller]
    pub(crate) fn invalid_fields(&self) -> Vec<String> {
        let problem = self.refused(422, "validation_failed");
        let errors = problem["errors"].as_array().expect("errors").iter();
        errors
            .map(|error| {
                assert!(!error["message"].as_str().expect("a message").is_empty());
                error["field"].as_str().expect("a field").to_owned()
            })
            .collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// All lines of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|v| v.to_str().expect("ASCII")).collect()
    }

    /// The only line of this name.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name}: {all:?}");
        all.first().copied()
    }

    /// The `Set-Cookie` lines.
    pub(crate) fn cookies(&self) -> Vec<&str> {
        self.all("set-cookie")
    }

    /// The value that this cookie is set to.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies()
            .into_iter()
            .find_map(|line| line.split(';').next()?.strip_prefix(name)?.strip_prefix('='))
    }

    pub(crate) fn retry_after(&self) -> u64 {
        self.one("retry-after").and_then(|after| after.parse().ok()).expect("Retry-After in seconds")
    }
}
