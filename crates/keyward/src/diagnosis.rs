//! What would bite in production, of the settings and of a request as it arrived?
//!
//! `keyward doctor` tells the same of the settings that the console does.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use ipnet::IpNet;
use keyward_core::duration::display;
use keyward_core::key::Algorithm;
use keyward_core::policy::CLOCK_SKEW;
use keyward_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema::Moment;
use crate::settings::Settings;

/// More than clocks that are kept in time are off by.
const LARGE_LEEWAY: Duration = Duration::from_secs(10);
/// What OWASP takes for enough, by memory in KiB and passes over it.
const ENOUGH: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
/// The headers by which proxies say what came to them, and whether Keyward reads them.
const FORWARDING: [(&str, bool); 10] = [
    ("forwarded", false),
    ("x-forwarded-for", true),
    ("x-forwarded-proto", true),
    ("x-forwarded-host", true),
    ("x-forwarded-port", false),
    ("x-forwarded-method", true),
    ("x-forwarded-uri", true),
    ("x-original-method", true),
    ("x-original-url", true),
    ("x-real-ip", false),
];
/// How much of a header is shown, in characters.
const SHOWN: usize = 200;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FindingLevel)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It may bite.
    Warning,
    /// It bites.
    Error,
}

impl Level {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DiagnosisFinding)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What: a key of the configuration, a file, or a word.
    pub subject: String,
    /// How it is.
    pub message: String,
    /// What to do about it.
    #[schema(required)]
    pub next: Option<String>,
}

impl Finding {
    /// That all is well.
    pub fn ok(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject: subject.into(), message: message.into(), next: None }
    }

    /// That something may bite, and what to do.
    pub fn warning(subject: impl Into<String>, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { level: Level::Warning, next: Some(next.into()), ..Self::ok(subject, message) }
    }

    /// That something bites, and what to do.
    pub fn error(subject: impl Into<String>, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { level: Level::Error, next: Some(next.into()), ..Self::ok(subject, message) }
    }
}

/// What the server sees of a request, and what follows from that and from its settings.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Diagnosis {
    /// The findings: of the request first, then of the settings.
    pub findings: Vec<Finding>,
    /// Who is at the other end of the connection.
    #[schema(value_type = Option<String>, required)]
    pub peer: Option<IpAddr>,
    /// The address that counts as the caller's.
    #[schema(value_type = String)]
    pub client: IpAddr,
    /// The header `Host`.
    #[schema(required)]
    pub host: Option<String>,
    /// The headers of proxies that came with it.
    pub forwarding: Vec<ForwardingHeader>,
    /// The server's clock.
    #[schema(value_type = Moment)]
    pub server_time: Timestamp,
    /// The cookies of a session.
    pub cookies: Vec<DiagnosedCookie>,
    /// What is in force, without secrets.
    pub settings: Vec<SettingInForce>,
}

/// A header by which a proxy says what came to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ForwardingHeader {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub value: String,
    /// Whether that is believed: it comes from a trusted proxy, and is one that Keyward reads.
    pub believed: bool,
}

/// A cookie as a login sets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DiagnosedCookie {
    /// Its name.
    pub name: &'static str,
    /// Its attributes.
    pub attributes: String,
}

/// A setting as an operator chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SettingInForce {
    /// `section.key`.
    pub key: String,
    /// Its value, a secret masked.
    pub value: String,
    /// Where it comes from.
    pub source: String,
}

/// A request, as far as it is looked at.
pub(crate) struct Arrived<'a> {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) client: IpAddr,
    pub(crate) headers: &'a HeaderMap,
    /// The caller's clock, where it was told.
    pub(crate) browser_time: Option<Timestamp>,
    pub(crate) now: Timestamp,
}

/// What a request shows.
pub(crate) fn of_request(
    arrived: &Arrived<'_>,
    settings: &Settings,
) -> (Vec<Finding>, Vec<ForwardingHeader>) {
    let peer = arrived.peer.map(|peer| peer.ip().to_canonical());
    let trusted = peer.is_some_and(|peer| settings.trusted_proxies.iter().any(|net| net.contains(&peer)));
    let forwarding: Vec<ForwardingHeader> = FORWARDING
        .into_iter()
        .flat_map(|(name, read)| arrived.headers.get_all(name).iter().map(move |value| (name, read, value)))
        .map(|(name, read, value)| ForwardingHeader {
            name,
            value: String::from_utf8_lossy(value.as_bytes()).chars().take(SHOWN).collect(),
            believed: trusted && read,
        })
        .collect();
    let mut findings = vec![proxy(arrived, peer, trusted, &forwarding, settings)];
    findings.extend(host(arrived, settings));
    findings.extend(scheme(arrived, settings));
    findings.extend(browser_clock(arrived));
    (findings, forwarding)
}

fn proxy(
    arrived: &Arrived<'_>,
    peer: Option<IpAddr>,
    trusted: bool,
    forwarding: &[ForwardingHeader],
    settings: &Settings,
) -> Finding {
    const SUBJECT: &str = "forwarding headers";
    let Some(peer) = peer else {
        return Finding::warning(
            SUBJECT,
            "the server does not know who is at the other end of a connection: everybody has one address",
            "serve the router with connect info (into_make_service_with_connect_info::<SocketAddr>)",
        );
    };
    let told = forwarding.iter().any(|header| header.name == "x-forwarded-for");
    let other = forwarding.iter().find(|header| matches!(header.name, "forwarded" | "x-real-ip"));
    match (trusted, told, other) {
        (true, true, _) => Finding::ok(
            SUBJECT,
            format!("{peer} is a trusted proxy; this request counts as {}", arrived.client),
        ),
        (true, false, Some(header)) => Finding::error(
            SUBJECT,
            format!(
                "{peer} is a trusted proxy, but says who asks in {} alone, which is not read",
                header.name
            ),
            "let it set X-Forwarded-For",
        ),
        (true, false, None) if !settings.public_url.is_https() => {
            Finding::ok(SUBJECT, format!("none; {peer} asks directly"))
        }
        (true, false, None) => Finding::warning(
            SUBJECT,
            format!(
                "{peer} is a trusted proxy and does not say who asks: everybody behind it has its address"
            ),
            "let it set X-Forwarded-For",
        ),
        (false, true, _) | (false, _, Some(_)) => Finding::error(
            SUBJECT,
            format!(
                "{peer} sends them, but is no trusted proxy: they are ignored, and everybody has its address"
            ),
            format!("if that is your proxy, add {peer} to server.trusted_proxies"),
        ),
        (false, false, None) => Finding::ok(SUBJECT, format!("none; {peer} asks directly")),
    }
}

fn host(arrived: &Arrived<'_>, settings: &Settings) -> Option<Finding> {
    let host = arrived.headers.get(HOST)?.to_str().ok()?;
    let public = settings.public_url.as_str();
    let expected = public.split_once("://").map_or(public, |(_, authority)| authority);
    Some(if host.eq_ignore_ascii_case(expected) {
        Finding::ok("host", format!("{host}, that of server.public_url"))
    } else {
        Finding::warning(
            "host",
            format!(
                "the request names {host}, while server.public_url is {public}: links in mails lead there"
            ),
            "set server.public_url to the address that people use, or let the proxy pass Host on",
        )
    })
}

fn scheme(arrived: &Arrived<'_>, settings: &Settings) -> Option<Finding> {
    let said = arrived.headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let origin = arrived.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let scheme = said.or_else(|| origin?.split_once("://").map(|(scheme, _)| scheme))?;
    let expected = if settings.public_url.is_https() { "https" } else { "http" };
    Some(if scheme.eq_ignore_ascii_case(expected) {
        Finding::ok("scheme", format!("{expected}, that of server.public_url"))
    } else {
        Finding::error(
            "scheme",
            format!(
                "the request came by {}, while server.public_url is {}: cookies do not fit",
                scheme.chars().take(SHOWN).collect::<String>(),
                settings.public_url
            ),
            "set server.public_url to the address that people use",
        )
    })
}

fn browser_clock(arrived: &Arrived<'_>) -> Option<Finding> {
    const SUBJECT: &str = "browser clock";
    let theirs = arrived.browser_time?;
    let off = theirs.since(arrived.now).max(arrived.now.since(theirs));
    Some(if off <= CLOCK_SKEW {
        Finding::ok(SUBJECT, format!("within {} of the server's", display(CLOCK_SKEW)))
    } else {
        let seconds = display(Duration::from_secs(off.as_secs()));
        Finding::warning(
            SUBJECT,
            format!("{seconds} off the server's ({theirs} there, {} here)", arrived.now),
            "see which of both is wrong, and keep the server's in time by NTP",
        )
    })
}

/// What of the settings would bite.
pub fn of_settings(settings: &Settings) -> Vec<Finding> {
    let mut findings =
        vec![public_url(settings), trusted_proxies(settings), algorithm(settings), argon2(settings)];
    findings.extend(limits(settings));
    findings.extend([leeway(settings), mail(settings)]);
    findings
}

fn public_url(settings: &Settings) -> Finding {
    const KEY: &str = "server.public_url";
    let url = &settings.public_url;
    if url.is_https() {
        return Finding::ok(KEY, url.as_str());
    }
    let next = "set server.public_url to the https:// address that people use";
    if settings.mailbox_page {
        Finding::warning(KEY, format!("{url} is plain HTTP, for development on this machine alone"), next)
    } else {
        let message = format!(
            "other machines may reach it, but people are told {url}: passwords travel in the open, and no \
             browser there can stay signed in"
        );
        Finding::error(KEY, message, next)
    }
}

fn trusted_proxies(settings: &Settings) -> Finding {
    const KEY: &str = "server.trusted_proxies";
    let proxies: Vec<String> = settings.trusted_proxies.iter().map(IpNet::to_string).collect();
    if !proxies.is_empty() {
        return Finding::ok(KEY, format!("{} are believed", proxies.join(", ")));
    }
    if !settings.public_url.is_https() {
        return Finding::ok(KEY, "none, as nothing ends TLS in front");
    }
    Finding::warning(
        KEY,
        "none is believed, though a proxy ends TLS in front: everybody has its address, and shares one \
         budget of logins",
        "set server.trusted_proxies to the network that the proxy comes from",
    )
}

fn algorithm(settings: &Settings) -> Finding {
    const KEY: &str = "tokens.algorithm";
    match settings.algorithm {
        Algorithm::Hs256 => Finding::warning(
            KEY,
            "HS256: whoever can verify a token can make one, too",
            "take RS256, ES256 or EdDSA unless no other program verifies tokens",
        ),
        algorithm => Finding::ok(KEY, algorithm.as_str()),
    }
}

fn argon2(settings: &Settings) -> Finding {
    const KEY: &str = "passwords.argon2_*";
    let (memory, iterations) = (settings.cost.memory_kib(), settings.cost.iterations());
    let found = format!("{memory} KiB, {iterations} passes");
    if ENOUGH.iter().any(|(m, t)| memory >= *m && iterations >= *t) {
        return Finding::ok(KEY, found);
    }
    Finding::error(
        KEY,
        format!("{found}: whoever gets hold of the database guesses passwords quickly"),
        "leave the defaults: 19456 KiB, 2 passes, the least that OWASP recommends",
    )
}

fn limits(settings: &Settings) -> Vec<Finding> {
    let limits = &settings.limits;
    let off: Vec<Finding> = [
        ("login", limits.login.is_none(), "one address may try passwords without end"),
        ("login_failures", limits.login_failures.is_none(), "many addresses may try one account without end"),
        ("signup", limits.signup.is_none(), "one address may make accounts without end"),
        ("password", limits.password.is_none(), "a stolen session may try the password without end"),
        ("password_forgot", limits.password_forgot.is_none(), "anybody may have mails sent without end"),
        ("refresh", limits.refresh.is_none(), "one session may ask for tokens without end"),
    ]
    .into_iter()
    .filter(|(_, off, _)| *off)
    .map(|(name, _, message)| {
        let key = format!("rate_limits.{name}");
        let next = format!("leave {key} out, which has a default, or set one");
        Finding::warning(key, format!("off: {message}"), next)
    })
    .collect();
    if off.is_empty() { vec![Finding::ok("rate_limits", "all are on")] } else { off }
}

fn leeway(settings: &Settings) -> Finding {
    const KEY: &str = "tokens.leeway";
    let leeway = settings.policy.leeway;
    let found = display(leeway);
    if leeway <= LARGE_LEEWAY {
        return Finding::ok(KEY, found.to_string());
    }
    Finding::warning(
        KEY,
        format!("{found}: every token is good for that long after its end"),
        "keep the clocks in time (NTP), and set tokens.leeway to 0s",
    )
}

fn mail(settings: &Settings) -> Finding {
    const KEY: &str = "email.smtp_url";
    let next = "set email.smtp_url to your mail server";
    match (&settings.smtp, settings.require_verified_email, settings.open_signup) {
        (Some(_), ..) => Finding::ok(KEY, "mail goes out by SMTP"),
        (None, ..) if settings.mailbox_page => Finding::ok(KEY, "not set; mails are shown at /dev/mailbox"),
        (None, true, _) => Finding::error(
            KEY,
            "nothing sends mail, and nobody can sign in before they followed a link from one",
            next,
        ),
        (None, false, false) => {
            Finding::warning(KEY, "nothing sends mail, and people come in by invitations alone", next)
        }
        (None, false, true) => Finding::ok(KEY, "not set; nobody depends on a mail to sign in"),
    }
}
