//! Whose page is it? Scheme, host and port, as browsers compare them (RFC 6454 §4, §6).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::json;

use super::rule::{Refusal, Rule};

/// An `http` or `https` origin in the one form that browsers send: lower case, without the
/// scheme's own port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    https: bool,
    host: Host,
    port: Option<u16>,
}

/// The host of an URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// A name, in lower case and ASCII.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

impl Origin {
    /// Whether its scheme is `https`.
    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// Whether only this machine can be meant.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host.is_loopback()
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let (scheme, rest) = text.split_once("://").ok_or_else(Refusal::default)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(Refusal::default()),
        };
        if rest.contains('@') {
            return Err(Refusal::because("an origin has no user and no password"));
        }
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(Refusal::because("an origin has no path, no query and no trailing slash"));
        }
        let (host, port) = split_port(rest).ok_or_else(Refusal::default)?;
        let host = Host::parse(host).ok_or_else(Refusal::default)?;
        if !https && !host.is_loopback() {
            return Err(Refusal::because(
                "plain http:// can be read and changed on its way and is taken for loopback hosts alone; use https://",
            ));
        }
        let own_port = if https { 443 } else { 80 };
        Ok(Self { https, host, port: port.filter(|port| *port != own_port) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Host {
    /// Whether only this machine can be meant: `localhost` and what is under it (RFC 6761 §6.3),
    /// `127.0.0.0/8`, `::1`.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.to_canonical().is_loopback(),
        }
    }

    /// The host that this text names as an URL does, an IPv6 address in brackets.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return address.parse().ok().map(Self::V6);
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            return None;
        }
        // A browser takes `127.1` and `0x7f.1` for addresses. Here they would be names, which
        // match nothing.
        let last = text.rsplit('.').next().unwrap_or(text);
        if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X") {
            return text.parse().ok().map(Self::V4);
        }
        Some(Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// The origin that people see. A slash at its end is forgiven: it changes nothing.
pub(super) fn public_origin() -> Rule<Origin> {
    Rule::text(
        "an origin such as \"https://auth.example.com\", or http:// on a loopback host",
        |text| Origin::parse(text.strip_suffix('/').unwrap_or(text)),
        Origin::to_string,
    )
    .described(json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+/?$" }))
}

/// An origin of another site, which is compared with what browsers send.
pub(super) fn exact_origin() -> Rule<Origin> {
    let parse = |text: &str| match text {
        "null" => Err(Refusal::because("any sandboxed frame and any local file sends it")),
        _ if text.contains('*') => Err(Refusal::because("each origin has to be named")),
        _ => Origin::parse(text),
    };
    Rule::text(
        "an exact origin such as \"https://app.example.com\", or http:// on a loopback host",
        parse,
        Origin::to_string,
    )
    .described(json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@*]+$" }))
}

/// Host and port of an URL; `None` where the port is none (RFC 3986 §3.2.3 allows an empty one;
/// nobody means it).
pub(super) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            let port = digits.then(|| port.parse().ok())??;
            (port != 0).then_some((host, Some(port)))
        }
        _ => Some((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::Raw;

    fn exact(text: &str) -> Result<String, String> {
        exact_origin().read(&Raw::Text(text.into())).map(|origin| origin.to_string())
    }

    #[test]
    fn an_origin_has_the_form_that_browsers_send() {
        for (text, origin) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.COM:443", "https://app.example.com"),
            ("https://app.example.com:8443", "https://app.example.com:8443"),
            ("http://localhost:80", "http://localhost"),
            ("http://app.localhost:3000", "http://app.localhost:3000"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(exact(text).as_deref(), Ok(origin));
        }
    }

    #[test]
    fn what_is_no_exact_origin_is_refused() {
        for text in [
            "",
            "*",
            "null",
            "https://*.example.com",
            "https://",
            "https:///",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://app.example.com#x",
            "https://user:pass@app.example.com",
            "https://app.example.com:",
            "https://app.example.com:0",
            "https://app.example.com:65536",
            "https://app.example.com:+443",
            "https://app.example.com.",
            "https://app..example.com",
            "https://b\u{fc}cher.example",
            "https://127.1",
            "https://0x7f.1",
            "https://[::1",
            "https://::1",
            "https:\\\\app.example.com",
            "app.example.com",
            "ftp://app.example.com",
            "file://",
            "http://app.example.com",
            "http://localhost.example.com",
            "http://128.0.0.1",
            "http://127.0.0.1.example.com",
            " https://app.example.com",
        ] {
            assert!(exact(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_public_url_may_end_in_a_slash() {
        let read =
            |text: &str| public_origin().read(&Raw::Text(text.into())).map(|origin| origin.to_string());
        assert_eq!(read("https://Auth.example.com:443/").as_deref(), Ok("https://auth.example.com"));
        for text in
            ["https://auth.example.com//", "https://auth.example.com/auth", "http://auth.example.com/"]
        {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
