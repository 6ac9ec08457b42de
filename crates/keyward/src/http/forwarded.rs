//! What does a proxy say of the request that it asks about? Its method, and where it goes.
//!
//! Believed from a trusted proxy alone, and only where it says so once. Each proxy in its own way:
//! nginx, HAProxy, Traefik and Caddy in headers, beside a method and a path of their own; Envoy asks
//! by the original method, and appends the original path to ours, or to a parameter `path` at the
//! end of the query.

use http::header::{HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::csrf::{Twice, one};
use super::next;
use crate::edge::Complaint;
use crate::settings::{Origin, Settings};

const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");

/// What stands at the end of the query where the original path is appended to that.
pub(crate) const APPENDED: &str = "path=";

/// A request as a proxy asks about it.
pub(crate) struct Forwarded<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// The method by which the proxy asks.
    pub(crate) method: &'a Method,
    /// What stands behind the path of the route, with its query, or behind `path=`; where the
    /// original path is appended.
    pub(crate) appended: Option<String>,
    /// Whether it comes from a trusted proxy.
    pub(crate) is_trusted: bool,
}

impl<'a> Forwarded<'a> {
    pub(crate) fn new(
        (method, uri, headers): (&'a Method, &Uri, &'a HeaderMap),
        route: &str,
        is_trusted: bool,
    ) -> Self {
        Self { headers, method, appended: appended(uri, route), is_trusted }
    }

    /// The method of the original request.
    ///
    /// # Errors
    /// Why that is not known.
    pub(crate) fn method(&self) -> Result<Method, Complaint> {
        if !self.is_trusted {
            return Err(Complaint::NotTrusted);
        }
        match one_of(self.headers, &[X_FORWARDED_METHOD, X_ORIGINAL_METHOD]) {
            Ok(Some(method)) => Method::from_bytes(method.as_bytes()).map_err(|_| Complaint::NoMethod),
            Ok(None) if self.appended.is_some() => Ok(self.method.clone()),
            Ok(None) => Err(Complaint::NoMethod),
            Err(Twice) => Err(Complaint::TwoMethods),
        }
    }

    /// The path and query of the original request, where it goes to the public origin.
    pub(crate) fn path(&self, settings: &Settings) -> Option<String> {
        if !self.is_trusted {
            return None;
        }
        let (forwarded, original) =
            (one(self.headers, &X_FORWARDED_URI).ok()?, one(self.headers, &X_ORIGINAL_URL).ok()?);
        let mut paths = Vec::with_capacity(2);
        for said in [forwarded, original].into_iter().flatten() {
            paths.push(self.path_of(said.as_bytes(), settings)?);
        }
        if let (true, Some(appended)) = (paths.is_empty(), &self.appended) {
            let host = one(self.headers, &HOST).ok()?;
            let is_here = host.is_none_or(|host| self.is_public(Some(host), settings));
            paths.extend(Some(appended.clone()).filter(|_| is_here));
        }
        paths.dedup();
        match paths.as_slice() {
            [path] => next::of_text(path),
            _ => None,
        }
    }

    /// The path of a URL, or of a path beside which other headers say the host.
    fn path_of(&self, said: &[u8], settings: &Settings) -> Option<String> {
        let said = printable(said);
        if said.starts_with('/') {
            let host = one(self.headers, &X_FORWARDED_HOST).ok()?;
            return self.is_public(host, settings).then_some(said);
        }
        let begins = said.find("://")? + 3;
        let ends = said[begins..].find(['/', '?']).map_or(said.len(), |at| begins + at);
        let (origin, path) = said.split_at(ends);
        if origin.parse::<Origin>().ok()? != settings.public_url {
            return None;
        }
        Some(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
    }

    /// Whether host and scheme, as far as they are told, are those of the public origin.
    fn is_public(&self, host: Option<&HeaderValue>, settings: &Settings) -> bool {
        let Ok(scheme) = one(self.headers, &X_FORWARDED_PROTO) else { return false };
        let public = settings.public_url.as_str();
        let (public_scheme, public_host) = public.split_once("://").unwrap_or_default();
        let text = |value: Option<&HeaderValue>, otherwise: &str| match value {
            Some(value) => value.to_str().map(str::to_owned).ok(),
            None => Some(otherwise.to_owned()),
        };
        let said = text(scheme, public_scheme).zip(text(host, public_host));
        said.is_some_and(|(scheme, host)| {
            format!("{scheme}://{host}").parse::<Origin>().is_ok_and(|origin| origin == settings.public_url)
        })
    }
}

/// The original path with its query, where a proxy appends it to the path of the route or behind
/// `path=`.
fn appended(uri: &Uri, route: &str) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    let Some(path) = below(uri, route) else {
        return split_appended(query).map(|(_, path)| path.to_owned());
    };
    // All of the query is the client's, also a `path=` in it.
    Some(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
}

/// What stands behind the path of the route.
pub(crate) fn below<'a>(uri: &'a Uri, route: &str) -> Option<&'a str> {
    uri.path().strip_prefix(route).filter(|path| path.starts_with('/'))
}

/// A query that a proxy appends the original path to: its own part, and that.
pub(crate) fn split_appended(query: &str) -> Option<(&str, &str)> {
    let at = match query.starts_with(APPENDED) {
        true => 0,
        false => query.find("&path=")? + 1,
    };
    Some((&query[..at], &query[at + APPENDED.len()..]))
}

/// Every byte that is no ASCII percent-encoded (RFC 3986 §2.1), as a browser would have done it.
fn printable(bytes: &[u8]) -> String {
    let one = |b: &u8| if b.is_ascii() { char::from(*b).to_string() } else { format!("%{b:02X}") };
    bytes.iter().map(one).collect()
}

/// What the lines of these names say alike, each of them there once at most. A proxy that sets one
/// passes on what a client wrote into the other.
fn one_of<'a>(headers: &'a HeaderMap, names: &[HeaderName]) -> Result<Option<&'a HeaderValue>, Twice> {
    let mut said = None;
    for name in names {
        match (said, one(headers, name)?) {
            (Some(before), Some(value)) if before != value => return Err(Twice),
            (_, Some(value)) => said = Some(value),
            (_, None) => {}
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "/api/auth/verify";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().expect("a value"));
        }
        headers
    }

    fn method(asked: &Method, uri: &str, lines: &[(&'static str, &str)]) -> Result<Method, Complaint> {
        let headers = headers(lines);
        Forwarded::new((asked, &uri.parse().expect("a URI"), &headers), ROUTE, true).method()
    }

    #[test]
    fn the_method_is_what_the_proxy_says_once() {
        const FORWARDED: &str = "x-forwarded-method";
        const ORIGINAL: &str = "x-original-method";
        let get = Method::GET;
        for (lines, expected) in [
            (&[(FORWARDED, "POST")][..], Ok(Method::POST)),
            (&[(ORIGINAL, "DELETE")], Ok(Method::DELETE)),
            (&[(FORWARDED, "PUT"), (ORIGINAL, "PUT")], Ok(Method::PUT)),
            (&[], Err(Complaint::NoMethod)),
            (&[(FORWARDED, "")], Err(Complaint::NoMethod)),
            (&[(FORWARDED, "GET, POST")], Err(Complaint::NoMethod)),
            (&[(FORWARDED, "GET"), (FORWARDED, "GET")], Err(Complaint::TwoMethods)),
            (&[(FORWARDED, "GET"), (ORIGINAL, "POST")], Err(Complaint::TwoMethods)),
            (&[("x_forwarded_method", "GET")], Err(Complaint::NoMethod)),
        ] {
            assert_eq!(method(&get, ROUTE, lines), expected, "{lines:?}");
        }
        assert_eq!(method(&Method::PUT, "/api/auth/verify/a", &[]), Ok(Method::PUT));
        assert_eq!(method(&get, "/api/auth/verify?role=a&path=/a", &[]), Ok(get.clone()));
        assert_eq!(method(&Method::POST, ROUTE, &[]), Err(Complaint::NoMethod));
        let none = HeaderMap::new();
        let uri = ROUTE.parse().expect("a URI");
        let unlisted = Forwarded::new((&get, &uri, &none), ROUTE, false);
        assert_eq!(unlisted.method(), Err(Complaint::NotTrusted));
    }

    #[test]
    fn the_path_is_on_the_public_origin_or_not_told() {
        const URI: &str = "x-forwarded-uri";
        const HOST: &str = "x-forwarded-host";
        const PROTO: &str = "x-forwarded-proto";
        const URL: &str = "x-original-url";
        let settings = Settings {
            public_url: "https://app.example.com".parse().expect("an origin"),
            ..Settings::default()
        };
        let told = |uri: &str, lines: &[(&'static str, &str)]| {
            let headers = headers(lines);
            let uri = uri.parse().expect("a URI");
            Forwarded::new((&Method::GET, &uri, &headers), ROUTE, true).path(&settings)
        };
        for (lines, expected) in [
            (&[(URI, "/a?b=c&d=%23")][..], Some("/a?b=c&d=%23")),
            (&[(URI, "/a"), (HOST, "app.example.com"), (PROTO, "https")], Some("/a")),
            (&[(URI, "/a"), (HOST, "App.Example.com:443")], Some("/a")),
            (&[(URL, "https://app.example.com/a?x")], Some("/a?x")),
            (&[(URL, "https://app.example.com")], Some("/")),
            (&[(URL, "https://app.example.com?x=1")], Some("/?x=1")),
            (&[(URL, "/a")], Some("/a")),
            (&[(URL, "/a"), (URI, "/a")], Some("/a")),
            (&[(URI, "/caf\u{e9}")], Some("/caf%C3%A9")),
            (&[], None),
            (&[(URI, "")], None),
            (&[(URI, "/a"), (HOST, "evil.example")], None),
            (&[(URI, "/a"), (PROTO, "http")], None),
            (&[(URI, "/a"), (HOST, "app.example.com"), (HOST, "app.example.com")], None),
            (&[(URI, "/a"), (HOST, "app.example.com@evil.example")], None),
            (&[(URL, "https://evil.example/a")], None),
            (&[(URL, "https://app.example.com.evil.example/a")], None),
            (&[(URL, "https://app.example.com@evil.example/a")], None),
            (&[(URL, "http://app.example.com/a")], None),
            (&[(URL, "//evil.example/a")], None),
            (&[(URI, "//evil.example/a")], None),
            (&[(URI, "/\\evil.example")], None),
            (&[(URI, "/a b")], Some("/a%20b")),
            (&[(URI, "/a"), (URI, "/a")], None),
            (&[(URI, "/a"), (URL, "/b")], None),
            (&[(URL, "javascript:alert(1)")], None),
        ] {
            assert_eq!(told(ROUTE, lines).as_deref(), expected, "{lines:?}");
        }
        let here = [("host", "app.example.com")];
        assert_eq!(told("/api/auth/verify/a/b?c", &here).as_deref(), Some("/a/b?c"));
        assert_eq!(told("/api/auth/verify/", &here).as_deref(), Some("/"));
        let appended = "/api/auth/verify?role=a&redirect=1&path=/a?role=b&path=/c";
        assert_eq!(told(appended, &here).as_deref(), Some("/a?role=b&path=/c"));
        assert_eq!(told("/api/auth/verify/a?path=/evil", &here).as_deref(), Some("/a?path=/evil"));
        assert_eq!(told("/api/auth/verify?path=/a", &[("host", "evil.example")]), None);
        assert_eq!(told("/api/auth/verify?path=//evil.example", &here), None);
        assert_eq!(told("/api/auth/verify//evil.example", &here), None);
        let headers = headers(&[(URI, "/a")]);
        let uri = ROUTE.parse().expect("a URI");
        let unlisted = Forwarded::new((&Method::GET, &uri, &headers), ROUTE, false);
        assert_eq!(unlisted.path(&settings), None);
    }
}
