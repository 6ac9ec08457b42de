//! What does a configuration come to for the library?

use keyward::core::password::{InvalidCost, PasswordPolicy};
use keyward::core::policy::Policy;
use keyward::core::throttle::Limits;
use keyward::{Branding, PersonalClaims, Settings, Smtp};

use crate::config::{Claim, Config, Signup};

/// The settings of the library that this configuration stands for.
///
/// # Errors
/// Where the cost of hashing is out of range. A configuration that was loaded has none.
pub(crate) fn settings(config: &Config) -> Result<Settings, InvalidCost> {
    let Config {
        server,
        keys,
        accounts,
        tokens,
        sessions,
        passwords,
        rate_limits,
        email,
        events,
        branding,
        edge,
        ..
    } = config;
    let claims = |claim| tokens.claims.contains(&claim);
    Ok(Settings {
        public_url: server.public_url.clone(),
        allowed_origins: server.allowed_origins.clone(),
        trusted_proxies: config.trusted_proxies(),
        policy: Policy {
            access_ttl: tokens.access_ttl,
            refresh_ttl: tokens.refresh_ttl,
            leeway: tokens.leeway,
            absolute_ttl: sessions.absolute_ttl,
            idle_timeout: sessions.idle_timeout,
            idle_timeout_bearer: sessions.idle_timeout_bearer,
            refresh_before: sessions.refresh_before,
            rotation_window: sessions.rotation_window,
            reauth_after: sessions.reauth_after,
            max_per_user: sessions.max_per_user,
        },
        issuer: tokens.issuer.clone(),
        audience: tokens.audience.clone(),
        algorithm: tokens.algorithm,
        hs256_secret: tokens.hs256_secret.as_ref().map(|secret| secret.expose().as_bytes().to_vec().into()),
        claims: PersonalClaims {
            email: claims(Claim::Email),
            phone_number: claims(Claim::PhoneNumber),
            roles: claims(Claim::Roles),
            permissions: claims(Claim::Permissions),
        },
        browser_bearer: sessions.browser_bearer,
        open_signup: accounts.signup == Signup::Open,
        require_verified_email: accounts.require_verified_email,
        smtp: email.smtp_url.as_ref().map(|server| Smtp {
            implicit_tls: server.implicit_tls,
            host: server.host.clone(),
            port: server.port,
            credentials: server
                .credentials
                .as_ref()
                .map(|(user, password)| (user.clone(), password.expose().as_bytes().to_vec().into())),
        }),
        mail_from: email.from.clone(),
        mailbox_page: config.is_local(),
        branding: Branding {
            name: branding.name.clone(),
            logo: branding.logo.as_ref().map(|file| file.logo.clone()),
            color: branding.color,
        },
        passwords: PasswordPolicy {
            min_length: usize::try_from(passwords.min_length).unwrap_or(usize::MAX),
            require: passwords.require.clone(),
        },
        cost: config.cost()?,
        limits: Limits {
            login: rate_limits.login,
            login_failures: rate_limits.login_failures,
            signup: rate_limits.signup,
            password: rate_limits.password,
            password_forgot: rate_limits.password_forgot,
            refresh: rate_limits.refresh,
        },
        key_rotation: keys.rotation,
        edge_audience: edge.audience.clone(),
        events_retention: events.retention,
        log_refresh: events.log_refresh,
        ..Settings::default()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::sections;

    /// Keys that are not for the library: where it is served, what with, and how that is told.
    const OURS: [&str; 11] = [
        "server.listen",
        "server.metrics_listen",
        "server.shutdown_grace",
        "database.url",
        "database.direct_url",
        "database.connections",
        "redis.urls",
        "keys.master_key",
        "keys.previous_master_key",
        "log.format",
        "log.level",
    ];

    fn of(variables: &[(&str, &str)]) -> String {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let folder = tempfile::tempdir().expect("a folder");
        let loaded = Config::load(None, variables, folder.path()).expect("a configuration");
        format!("{:?}", settings(&loaded.config).expect("settings"))
    }

    #[test]
    fn the_defaults_of_both_are_the_same() {
        // Only who knows where it listens can say that nobody else reaches the mailbox.
        let settings = Settings { mailbox_page: true, ..Settings::default() };
        assert_eq!(of(&[]), format!("{settings:?}"));
    }

    #[test]
    fn every_key_arrives() {
        const SECRET: &str = "3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLdGoWeA7iB9y0=";
        let values = [
            ("server.public_url", "http://localhost:3000"),
            ("server.allowed_origins", "https://app.example.com"),
            ("server.trusted_proxies", "10.0.0.0/8"),
            ("keys.rotation", "7d"),
            ("accounts.signup", "closed"),
            ("accounts.require_verified_email", "true"),
            ("email.smtp_url", "smtps://ada:secret@mail.example.com"),
            ("email.from", "Auth <auth@example.com>"),
            ("branding.name", "Acme"),
            ("branding.logo", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logo.svg")),
            ("branding.color", "#0a7"),
            ("tokens.algorithm", "EdDSA"),
            ("tokens.issuer", "https://auth.example.com"),
            ("tokens.audience", "jobs"),
            ("tokens.access_ttl", "10m"),
            ("tokens.refresh_ttl", "9d"),
            ("tokens.hs256_secret", SECRET),
            ("tokens.claims", "roles"),
            ("tokens.leeway", "5s"),
            ("sessions.idle_timeout", "off"),
            ("sessions.idle_timeout_bearer", "1d"),
            ("sessions.absolute_ttl", "90d"),
            ("sessions.refresh_before", "1m"),
            ("sessions.rotation_window", "0s"),
            ("sessions.reauth_after", "5m"),
            ("sessions.browser_bearer", "true"),
            ("sessions.max_per_user", "5"),
            ("passwords.min_length", "12"),
            ("passwords.require", ""),
            ("passwords.argon2_memory_kib", "65536"),
            ("passwords.argon2_iterations", "3"),
            ("passwords.argon2_parallelism", "2"),
            ("rate_limits.login", "off"),
            ("rate_limits.login_failures", "7/1m"),
            ("rate_limits.signup", "8/1m"),
            ("rate_limits.password", "9/1m"),
            ("rate_limits.password_forgot", "10/1m"),
            ("rate_limits.refresh", "11/1m"),
            ("events.retention", "30d"),
            ("events.log_refresh", "true"),
            ("edge.audience", "https://jobs.example.com"),
        ];
        let mut seen = vec![of(&[])];
        for key in sections().into_iter().flat_map(|section| section.keys) {
            let path = key.path.as_str();
            let left_out = OURS.contains(&path);
            let Some((_, value)) = values.iter().find(|(known, _)| *known == path) else {
                let refused = Config::load(
                    None,
                    std::iter::once((key.variable.clone(), "smtp://localhost:1".to_owned())),
                    Path::new("."),
                );
                assert!(left_out || refused.is_err(), "{path} has no effect");
                continue;
            };
            let settings = of(&[(&key.variable, value)]);
            assert!(!seen.contains(&settings), "{path} does not arrive");
            seen.push(settings);
        }
    }
}
