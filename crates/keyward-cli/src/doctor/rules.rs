//! Which values of the configuration are allowed, and yet would bite in production?

use std::time::Duration;

use ipnet::IpNet;
use keyward::core::duration::display;
use keyward::core::key::Algorithm;

use super::Finding;
use crate::config::{Config, LogLevel, Signup, is_loopback};

/// More than clocks that are kept in time are off by.
const LARGE_LEEWAY: Duration = Duration::from_secs(10);
/// What OWASP takes for enough, by memory in KiB and passes over it.
const ENOUGH: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![public_url(config), trusted_proxies(config), algorithm(config), argon2(config)];
    findings.extend(limits(config));
    findings.extend([leeway(config), mail(config), log_level(config)]);
    findings
}

fn public_url(config: &Config) -> Finding {
    const KEY: &str = "server.public_url";
    let (url, listen) = (&config.server.public_url, config.server.listen);
    if url.is_https() {
        return Finding::ok(KEY, url.as_str());
    }
    let next = "set server.public_url to the https:// address that people use";
    if is_loopback(listen) {
        Finding::warning(KEY, format!("{url} is plain HTTP, for development on this machine alone"), next)
    } else {
        let message = format!(
            "other machines reach {listen}, but people are told {url}: passwords travel in the open, and \
             no browser there can stay signed in"
        );
        Finding::error(KEY, message, next)
    }
}

fn trusted_proxies(config: &Config) -> Finding {
    const KEY: &str = "server.trusted_proxies";
    let proxies: Vec<String> = config.trusted_proxies().iter().map(IpNet::to_string).collect();
    if !proxies.is_empty() {
        return Finding::ok(KEY, format!("{} are believed", proxies.join(", ")));
    }
    if !config.server.public_url.is_https() {
        return Finding::ok(KEY, "none, as nothing ends TLS in front");
    }
    Finding::warning(
        KEY,
        "none is believed, though a proxy ends TLS in front: everybody has its address, and shares one \
         budget of logins",
        "set server.trusted_proxies to the network that the proxy comes from",
    )
}

fn algorithm(config: &Config) -> Finding {
    const KEY: &str = "tokens.algorithm";
    match config.tokens.algorithm {
        Algorithm::Hs256 => Finding::warning(
            KEY,
            "HS256: whoever can verify a token can make one, too",
            "take RS256, ES256 or EdDSA unless no other program verifies tokens",
        ),
        algorithm => Finding::ok(KEY, algorithm.as_str()),
    }
}

fn argon2(config: &Config) -> Finding {
    const KEY: &str = "passwords.argon2_*";
    let passwords = &config.passwords;
    let (memory, iterations) = (passwords.argon2_memory_kib, passwords.argon2_iterations);
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

fn limits(config: &Config) -> Vec<Finding> {
    let limits = &config.rate_limits;
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

fn leeway(config: &Config) -> Finding {
    const KEY: &str = "tokens.leeway";
    let leeway = config.tokens.leeway;
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

fn mail(config: &Config) -> Finding {
    const KEY: &str = "email.smtp_url";
    let next = "set email.smtp_url to your mail server";
    let accounts = &config.accounts;
    match (&config.email.smtp_url, accounts.require_verified_email, accounts.signup) {
        (Some(_), ..) => Finding::ok(KEY, "mail goes out by SMTP"),
        (None, ..) if config.is_local() => Finding::ok(KEY, "not set; mails are shown at /dev/mailbox"),
        (None, true, _) => Finding::error(
            KEY,
            "nothing sends mail, and nobody can sign in before they followed a link from one",
            next,
        ),
        (None, false, Signup::Closed) => {
            Finding::warning(KEY, "nothing sends mail, and people come in by invitations alone", next)
        }
        (None, false, Signup::Open) => Finding::ok(KEY, "not set; nobody depends on a mail to sign in"),
    }
}

fn log_level(config: &Config) -> Finding {
    const KEY: &str = "log.level";
    match config.log.level {
        level @ (LogLevel::Debug | LogLevel::Trace) => Finding::warning(
            KEY,
            format!("{}: the log grows fast, and slows what it tells of", word(level)),
            "set log.level to info once you have found what you look for",
        ),
        level => Finding::ok(KEY, word(level)),
    }
}

fn word(level: LogLevel) -> String {
    format!("{level:?}").to_lowercase()
}
