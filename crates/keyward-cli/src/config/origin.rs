//! Whose page is it? Scheme, host and port, as browsers compare them (RFC 6454 §4, §6).

use keyward::Origin;
use serde_json::json;

use super::rule::{Refusal, Rule};

/// The origin that people see. A slash at its end is forgiven: it changes nothing.
pub(super) fn public_origin() -> Rule<Origin> {
    let parse = |text: &str| {
        let origin = origin(text.strip_suffix('/').unwrap_or(text))?;
        if matches!(origin.host(), "0.0.0.0" | "[::]") {
            return Err(Refusal::because("this is where one listens, nobody can be sent there"));
        }
        Ok(origin)
    };
    Rule::text(
        "an origin such as \"https://auth.example.com\", or http:// on a loopback host",
        parse,
        Origin::to_string,
    )
    .described(json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+/?$" }))
}

/// An origin of another site, which is compared with what browsers send.
pub(super) fn exact_origin() -> Rule<Origin> {
    let parse = |text: &str| match text {
        "null" => Err(Refusal::because("any sandboxed frame and any local file sends it")),
        _ if text.contains('*') => Err(Refusal::because("each origin has to be named")),
        _ => origin(text),
    };
    Rule::text(
        "an exact origin such as \"https://app.example.com\", or http:// on a loopback host",
        parse,
        Origin::to_string,
    )
    .described(json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@*]+$" }))
}

fn origin(text: &str) -> Result<Origin, Refusal> {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    if rest.contains('@') {
        return Err(Refusal::because("an origin has no user and no password"));
    }
    if rest.contains(['/', '?', '#', '\\']) {
        return Err(Refusal::because("an origin has no path, no query and no trailing slash"));
    }
    let origin: Origin = text.parse().map_err(|_| Refusal::default())?;
    if !origin.is_https() && !origin.is_loopback() {
        return Err(Refusal::because(
            "plain http:// can be read and changed on its way and is taken for loopback hosts alone; use https://",
        ));
    }
    Ok(origin)
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
        for text in [
            "https://auth.example.com//",
            "https://auth.example.com/auth",
            "http://auth.example.com/",
            "https://0.0.0.0:8080",
            "https://[::]",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
