//! Through which server do mails go, and in whose name?

use std::fmt::Write;

use keyward::{Origin, Sender};
use serde_json::json;

use super::rule::{Refusal, Rule};
use super::secret::Secret;

/// The server that takes mails (`email.smtp_url`).
#[derive(Debug, Clone)]
pub(crate) struct SmtpServer {
    /// Whether the connection begins with TLS: `smtps://`.
    pub(crate) implicit_tls: bool,
    /// Its host, an IPv6 address in brackets.
    pub(crate) host: String,
    /// Its port: 465 for `smtps://`, else 587, unless the URL says otherwise.
    pub(crate) port: u16,
    /// Who signs in there, and with which password; `None`: nobody does.
    pub(crate) credentials: Option<(String, Secret<String>)>,
}

/// The server, or none.
pub(super) fn smtp_url() -> Rule<Option<SmtpServer>> {
    Rule::text(
        "smtp://user:password@host:port or smtps://…, with %40 for an @ in user or password",
        |text| SmtpServer::parse(text).ok_or_else(Refusal::default),
        SmtpServer::shown,
    )
    .described(json!({ "type": "string", "pattern": "^smtps?://." }))
    .secret()
    .or_empty()
}

/// The sender.
pub(super) fn sender() -> Rule<Sender> {
    Rule::text(
        "an e-mail address, or a name and an address such as \"Example <no-reply@example.com>\"",
        |text| text.parse().map_err(|_| Refusal::default()),
        Sender::to_string,
    )
}

impl SmtpServer {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let implicit_tls = match scheme {
            "smtps" => true,
            "smtp" => false,
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, server) = match rest.rsplit_once('@') {
            Some((credentials, server)) => (Some(credentials.split_once(':')?), server),
            None => (None, rest),
        };
        let credentials = match credentials {
            Some((user, password)) => Some((decoded(user)?, Secret::new(decoded(password)?))),
            None => None,
        };
        let (host, port) = split_port(server)?;
        let port = port.unwrap_or(if implicit_tls { 465 } else { 587 });
        // What may be the host of an origin may be one here.
        let host = format!("https://{host}").parse::<Origin>().ok()?.host().to_owned();
        Some(Self { implicit_tls, host, port, credentials })
    }

    /// The URL without the password.
    fn shown(&self) -> String {
        let Self { host, port, .. } = self;
        let scheme = if self.implicit_tls { "smtps" } else { "smtp" };
        let user = self.credentials.as_ref().map(|(user, _)| format!("{}:***@", encoded(user)));
        format!("{scheme}://{}{host}:{port}", user.unwrap_or_default())
    }
}

/// Host and port of an URL; `None` where the port is none (RFC 3986 §3.2.3 allows an empty one;
/// nobody means it).
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            let port = digits.then(|| port.parse().ok())??;
            (port != 0).then_some((host, Some(port)))
        }
        _ => Some((text, None)),
    }
}

/// Percent-decodes the part of an URL (RFC 3986 §2.1); `None` where it is not well formed.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match first {
            b'%' => {
                let digits = str::from_utf8(rest.split_off(..2)?).ok()?;
                u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?
            }
            byte if byte.is_ascii_control() || b" /?#".contains(byte) => return None,
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::Raw;

    fn smtp(text: &str) -> Option<SmtpServer> {
        smtp_url().read(&Raw::Word(text.into())).ok().flatten()
    }

    #[test]
    fn an_smtp_url_has_all_that_a_connection_needs() {
        let server = smtp("smtp://ada%40example.com:p%3As%2Fs:x@Mail.example.com:2525").expect("allowed");
        let (user, password) = server.credentials.clone().expect("credentials");
        assert_eq!((user.as_str(), password.expose().as_str()), ("ada@example.com", "p:s/s:x"));
        assert_eq!(server.shown(), "smtp://ada%40example.com:***@mail.example.com:2525");
        for (text, shown) in [
            ("smtps://mail.example.com", "smtps://mail.example.com:465"),
            ("smtp://localhost/", "smtp://localhost:587"),
            ("smtp://[::1]:25", "smtp://[::1]:25"),
        ] {
            assert_eq!(smtp(text).expect(text).shown(), shown);
        }
        for text in [
            "smtp://",
            "http://mail.example.com",
            "mail.example.com",
            "smtp://user@mail.example.com",
            "smtp://u:p@",
            "smtp://u:%zz@mail.example.com",
            "smtp://u:%4@mail.example.com",
            "smtp://u:p/q@mail.example.com",
            "smtp://mail.example.com/path",
            "smtp://mail.example.com:0",
        ] {
            assert!(smtp(text).is_none(), "{text}");
        }
    }
}
