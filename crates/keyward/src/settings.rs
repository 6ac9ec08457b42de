//! What may an installation choose?

pub(crate) mod branding;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use keyward_core::key::Algorithm;
use keyward_core::password::{Cost, PasswordPolicy};
use keyward_core::policy::Policy;
use keyward_core::throttle::Limits;
use lettre::Address;
use lettre::message::Mailbox;
use zeroize::Zeroizing;

use crate::diagnosis::SettingInForce;

use self::branding::Branding;

/// Everything that an installation may choose. The defaults are those of the configuration file.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where people reach Keyward (`server.public_url`).
    pub public_url: Origin,
    /// The origins besides that whose pages may call (`server.allowed_origins`).
    pub allowed_origins: Vec<Origin>,
    /// The proxies whose forwarding headers are believed (`server.trusted_proxies`).
    pub trusted_proxies: Vec<IpNet>,
    /// The lengths that govern sessions and tokens (`tokens.*`, `sessions.*`).
    pub policy: Policy,
    /// `iss` of tokens (`tokens.issuer`); `None`: the public URL.
    pub issuer: Option<String>,
    /// `aud` of tokens (`tokens.audience`).
    pub audience: String,
    /// What signs access tokens (`tokens.algorithm`).
    pub algorithm: Algorithm,
    /// The secret of HS256, where it is not made by Keyward (`tokens.hs256_secret`).
    pub hs256_secret: Option<Secret>,
    /// Which personal claims access tokens carry (`tokens.claims`).
    pub claims: PersonalClaims,
    /// Whether script in a browser may hold tokens (`sessions.browser_bearer`).
    pub browser_bearer: bool,
    /// Whether anyone may sign up (`accounts.signup`).
    pub open_signup: bool,
    /// Whether nobody signs in before they have confirmed their address
    /// (`accounts.require_verified_email`).
    pub require_verified_email: bool,
    /// The server that mails go through (`email.smtp_url`); `None`: each is written into the folder
    /// `outbox` beside the database.
    pub smtp: Option<Smtp>,
    /// Whom mails are from (`email.from`).
    pub mail_from: Sender,
    /// Whether the mails in that folder are shown at `/dev/mailbox`. Only for where nobody but
    /// people on this machine can reach it: they hold the secrets of links.
    pub mailbox_page: bool,
    /// What pages are called and look like (`branding.*`).
    pub branding: Branding,
    /// What a password must be (`passwords.*`).
    pub passwords: PasswordPolicy,
    /// What hashing one costs (`passwords.argon2_*`).
    pub cost: Cost,
    /// How much may be asked (`rate_limits.*`).
    pub limits: Limits,
    /// How long a key signs (`keys.rotation`).
    pub key_rotation: Duration,
    /// `aud` of what a service behind a proxy is told (`edge.audience`); `None`: the public URL.
    pub edge_audience: Option<String>,
    /// How long events are kept (`events.retention`).
    pub events_retention: Duration,
    /// Whether each rotation of a refresh token is an event (`events.log_refresh`).
    pub log_refresh: bool,
    /// What is in force as an operator chose it, without secrets: what the console shows.
    pub shown: Vec<SettingInForce>,
    /// How many threads hash passwords; each uses the memory of one hash for ever.
    pub hashing_threads: usize,
    /// Whether flushing, sweeping and polling run by themselves. Off in commands and in tests,
    /// which call [`crate::Keyward::tick`].
    pub background: bool,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            public_url: Origin::default(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            policy: Policy::default(),
            issuer: None,
            audience: "keyward".to_owned(),
            algorithm: Algorithm::Rs256,
            hs256_secret: None,
            claims: PersonalClaims::default(),
            browser_bearer: false,
            open_signup: true,
            require_verified_email: false,
            smtp: None,
            mail_from: Sender::default(),
            mailbox_page: false,
            branding: Branding::default(),
            passwords: PasswordPolicy::default(),
            cost: Cost::default(),
            limits: Limits::default(),
            key_rotation: 30 * DAY,
            edge_audience: None,
            events_retention: 90 * DAY,
            log_refresh: false,
            shown: Vec::new(),
            hashing_threads: (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1),
            background: true,
        }
    }
}

impl Settings {
    /// `iss` of tokens.
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or(self.public_url.as_str())
    }

    /// `aud` of what a service behind a proxy is told.
    pub fn edge_audience(&self) -> &str {
        self.edge_audience.as_deref().unwrap_or(self.public_url.as_str())
    }
}

/// A secret that an installation chose. It never shows itself and is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// The secret as text, where it was made of text.
    #[cfg(feature = "smtp")]
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(String::from_utf8_lossy(&self.0).into_owned())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The server that mails go through. What it is told goes through TLS, from the start or by
/// STARTTLS, unless the server or Keyward itself is for this machine alone.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Whether the connection begins with TLS; else STARTTLS begins it.
    pub implicit_tls: bool,
    /// Its host, an IPv6 address in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who signs in there, and with which password; `None`: nobody does.
    pub credentials: Option<(String, Secret)>,
}

/// Whom mails are from (RFC 5322 §3.4): an address, with a name or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(Mailbox);

/// A text that names no sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as \"Example <no-reply@example.com>\"")]
pub struct InvalidSender;

impl Sender {
    /// The address without the name.
    pub fn address(&self) -> &str {
        self.0.email.as_ref()
    }

    pub(crate) const fn mailbox(&self) -> &Mailbox {
        &self.0
    }
}

impl Default for Sender {
    fn default() -> Self {
        let address = Address::new("no-reply", "localhost").expect("this is one");
        Self(Mailbox::new(Some("Keyward".to_owned()), address))
    }
}

impl FromStr for Sender {
    type Err = InvalidSender;

    fn from_str(text: &str) -> Result<Self, InvalidSender> {
        // A line break would let the name write headers of its own.
        if text.chars().any(char::is_control) {
            return Err(InvalidSender);
        }
        let mailbox: Mailbox = text.trim().parse().map_err(|_| InvalidSender)?;
        let address: &str = mailbox.email.as_ref();
        if address.is_ascii() { Ok(Self(mailbox)) } else { Err(InvalidSender) }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which personal claims access tokens carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonalClaims {
    /// `email` and `email_verified`.
    pub email: bool,
    /// `phone_number` and `phone_number_verified`.
    pub phone_number: bool,
    /// `roles`.
    pub roles: bool,
    /// `permissions`.
    pub permissions: bool,
}

impl Default for PersonalClaims {
    fn default() -> Self {
        Self { email: true, phone_number: true, roles: true, permissions: true }
    }
}

/// An origin (RFC 6454 §6.2): `https://host` or `https://host:port`, in lower case, without a
/// default port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    text: String,
    host: usize,
    host_end: usize,
}

/// A text that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an origin such as https://app.example.com")]
pub struct InvalidOrigin;

impl Origin {
    /// The origin as text, as browsers send it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is reached by HTTPS.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }

    /// The host, with brackets where it is an IPv6 address.
    pub fn host(&self) -> &str {
        &self.text[self.host..self.host_end]
    }

    /// Whether the host is this machine: `localhost`, a name below it, or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        host == "localhost"
            || host.ends_with(".localhost")
            || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Whether cookies can be bound to HTTPS and the host; not so in plain-HTTP development.
    pub(crate) fn has_secure_cookies(&self) -> bool {
        self.is_https()
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self { text: "http://127.0.0.1:8080".to_owned(), host: 7, host_end: 16 }
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let text = text.to_ascii_lowercase();
        let (scheme, default_port) = if text.starts_with("https://") {
            ("https://", "443")
        } else if text.starts_with("http://") {
            ("http://", "80")
        } else {
            return Err(InvalidOrigin);
        };
        let authority = &text[scheme.len()..];
        let (host, port) = match authority.rfind(':').filter(|at| !authority[*at..].contains(']')) {
            Some(at) => (&authority[..at], Some(&authority[at + 1..])),
            None => (authority, None),
        };
        let host = canonical_host(host).ok_or(InvalidOrigin)?;
        let port = match port {
            None => None,
            Some(port) if port.parse::<u16>().is_ok_and(|p| p > 0) && !port.starts_with(['+', '0']) => {
                Some(port).filter(|port| *port != default_port)
            }
            Some(_) => return Err(InvalidOrigin),
        };
        let host_end = scheme.len() + host.len();
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self { text: format!("{scheme}{host}{port}"), host: scheme.len(), host_end })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The host of an URL in its one spelling, from lower case; an IPv6 address in brackets.
fn canonical_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return None;
    }
    // A browser takes `127.1` and `0x7f.1` for addresses. Here they would be names, which match
    // nothing.
    let last = host.rsplit('.').next().unwrap_or(host);
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        return host.parse::<Ipv4Addr>().ok().map(|address| address.to_string());
    }
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for (text, expected, host) in [
            ("https://App.Example.com", "https://app.example.com", "app.example.com"),
            ("https://app.example.com:443", "https://app.example.com", "app.example.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:80", "http://[::1]", "[::1]"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]", "[2001:db8::1]"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            let origin: Origin = text.parse().expect(text);
            assert_eq!((origin.as_str(), origin.host()), (expected, host));
        }
        for bad in [
            "",
            "*",
            "null",
            "app.example.com",
            "ftp://a.b",
            "https://",
            "https://a.b/",
            "https://a.b/x",
            "https://u@a.b",
            "https://a.b:0",
            "https://a.b:99999",
            "https://a.b:",
            "https://a b",
            "https://a..b",
            "https://[::1",
            "https://a.b?x",
            "https://*.a.b",
            "https://a.b.",
            "https://b\u{fc}cher.example",
            "https://127.1",
            "https://0x7f.1",
            "https://0X7F.1",
            "https://1.2.3.4.5",
            "https://::1",
            "https://a.b:+443",
            "https:\\\\a.b",
        ] {
            assert_eq!(bad.parse::<Origin>(), Err(InvalidOrigin), "{bad}");
        }
        assert_eq!("http://127.0.0.1:8080".parse(), Ok(Origin::default()));
    }

    #[test]
    fn a_sender_has_an_address() {
        let read = |text: &str| {
            let sender: Sender = text.parse().ok()?;
            Some((sender.0.name.clone().unwrap_or_default(), sender.address().to_owned()))
        };
        let is = |name: &str, address: &str| Some((name.to_owned(), address.to_owned()));
        assert_eq!(read("Keyward <no-reply@localhost>"), is("Keyward", "no-reply@localhost"));
        assert_eq!(read("\"Ada, Inc.\" <ada@example.com>"), is("Ada, Inc.", "ada@example.com"));
        assert_eq!(read("ada@example.com"), is("", "ada@example.com"));
        for text in [
            "",
            "Keyward",
            "Keyward <>",
            "ada@",
            "a <b@c> d",
            "A\r\nBcc: x@example.com <a@example.com>",
            "a@example.com, b@example.com",
            "\u{e4}@example.com",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(Sender::default(), "Keyward <no-reply@localhost>".parse().expect("a sender"));
        assert_eq!(Sender::default().to_string(), "Keyward <no-reply@localhost>");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let hs256_secret = Some(Secret::from(b"canary".to_vec()));
        let shown = format!("{:?}", Settings { hs256_secret, ..Settings::default() });
        assert!(shown.contains("hs256_secret: Some(Secret)") && !shown.contains("99, 97, 110"), "{shown}");
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        for (text, loopback) in [
            ("http://localhost:3000", true),
            ("http://app.localhost", true),
            ("http://127.8.8.8", true),
            ("http://[::1]:8080", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.example.com", false),
            ("http://notlocalhost", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(text.parse::<Origin>().expect(text).is_loopback(), loopback, "{text}");
        }
    }
}
