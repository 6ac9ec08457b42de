//! Which keys are there? This table is the one place that says it: the structs, the default file,
//! the error messages and the schema are made of it.
//!
//! A line is `key: Type = default, rule`. The comment above it is the documentation in all of
//! them; the default is written as it stands in the file.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use keyward::core::key::Algorithm;
use keyward::core::password::Require;
use keyward::core::throttle::Limit;
use keyward::{BrandName, Color, Origin, Sender};

use super::address::{address, trusted_proxies};
use super::brand::{LogoFile, brand_name, color, logo};
use super::choice::{Claim, LogFormat, LogLevel, Signup};
use super::length::{DAY, HOUR, MINUTE, SECOND, duration, limit};
use super::mail::{SmtpServer, sender, smtp_url};
use super::origin::{exact_origin, public_origin};
use super::reader::Reader;
use super::rule::{choice, flag, integer, list, name};
use super::secret::{Secret, hs256_secret, master_key};
use super::store::{DatabaseUrl, ServerUrl, database_url, direct_url, redis_urls};
use super::table::{Key, Section, sections};

const ZERO: Duration = Duration::ZERO;

sections! {
    /// Where it is reached, and whom it believes.
    server: Server {
        /// The address it listens on. Port 0 takes a free one.
        listen: SocketAddr = "127.0.0.1:8080", address();

        /// The origin that people and browsers see. Plain http:// is for development on one machine.
        /// Where it is not set it follows server.listen, if that is reached on this machine:
        /// listening on 127.0.0.1:9000 makes it http://127.0.0.1:9000.
        public_url: Origin = "http://127.0.0.1:8080", public_origin();

        /// Other origins whose pages may call it, for CORS and CSRF.
        allowed_origins: Vec<Origin> = [], list(exact_origin());

        /// Networks whose forwarding headers are believed. "auto": loopback where public_url is
        /// https and listen is loopback, else none.
        trusted_proxies: Option<Vec<IpNet>> = "auto", trusted_proxies();

        /// The address of /metrics, /healthz and /readyz for monitors, apart from what the public
        /// reaches; "" serves none.
        metrics_listen: Option<SocketAddr> = "", address().or_empty();

        /// How long requests that are under way may take at a stop.
        shutdown_grace: Duration = "10s", duration(ZERO..=10 * MINUTE);
    }

    /// Where accounts, keys and sessions are kept.
    database: Database {
        /// The database. Postgres is for several nodes: to another machine it is reached by TLS, unless
        /// the address ends with ?sslmode=disable; ?sslrootcert=FILE names an authority of your own.
        /// The folder of an SQLite file is the data folder: it holds the master key, too, where that is
        /// made. With Postgres it is ./keyward-data.
        url: DatabaseUrl = "sqlite://keyward-data/keyward.db", database_url();

        /// The way past a transaction pooler such as PgBouncer, for LISTEN, for what was revoked and for
        /// locks; "" is url itself, and nodes ask five times a second where LISTEN can't be had.
        direct_url: Option<ServerUrl> = "", direct_url();

        /// How many connections a node makes to Postgres at most, besides two or three for what every
        /// node has to know each second.
        connections: u32 = 16, integer(2..=200);
    }

    /// Where sessions and rate limits move to at the highest rates. It needs a database.url of Postgres.
    redis: Redis {
        /// One node, or several of a Redis Cluster, from which the others are learnt.
        urls: Vec<ServerUrl> = [], redis_urls();
    }

    /// What signs and encrypts.
    keys: Keys {
        /// Encrypts the private keys at rest. Where listen and public_url are loopback, "" has one
        /// made in the data folder.
        master_key: Option<Secret<[u8; 32]>> = "", master_key();

        /// The one before, while `keyward key rotate --master` is under way.
        previous_master_key: Option<Secret<[u8; 32]>> = "", master_key();

        /// How long a signing key signs before the next one does.
        rotation: Duration = "30d", duration(SECOND..=3650 * DAY);
    }

    /// Who may have an account.
    accounts: Accounts {
        /// "closed": administrators make accounts and invite by mail.
        signup: Signup = "open", choice();

        /// Whether nobody signs in before they have confirmed their address.
        require_verified_email: bool = false, flag();
    }

    /// Access and refresh tokens.
    tokens: Tokens {
        /// What access tokens are signed with. HS256 needs hs256_secret.
        algorithm: Algorithm = "RS256", choice();

        /// The claim `iss`; "" is server.public_url.
        issuer: Option<String> = "", name().or_empty();

        /// The claim `aud`.
        audience: String = "keyward", name();

        /// How long an access token is good for.
        access_ttl: Duration = "15m", duration(SECOND..=24 * HOUR);

        /// How long a session can be refreshed after its last refresh token was made. Not less
        /// than access_ttl.
        refresh_ttl: Duration = "7d", duration(SECOND..=365 * DAY);

        /// What HS256 signs with; `openssl rand -base64 32` makes one.
        hs256_secret: Option<Secret<String>> = "", hs256_secret();

        /// What an access token says of its user. Leave out what its readers need not know.
        claims: Vec<Claim> = ["email", "phone_number", "roles", "permissions"], list(choice());

        /// How long past `exp` an access token is still taken. `iat` and `nbf` may always lie 60 s
        /// ahead.
        leeway: Duration = "0s", duration(ZERO..=MINUTE);
    }

    /// How long one stays signed in.
    sessions: Sessions {
        /// When a browser's session ends without activity.
        idle_timeout: Option<Duration> = "60m", duration(SECOND..=365 * DAY).or_off();

        /// The same for mobile apps, the command line and services.
        idle_timeout_bearer: Option<Duration> = "off", duration(SECOND..=365 * DAY).or_off();

        /// When a session ends, whatever happens. Not less than tokens.access_ttl.
        absolute_ttl: Duration = "30d", duration(SECOND..=3650 * DAY);

        /// How long before the end of its access token a client should refresh. Of a token shorter
        /// than twice this it is half its life.
        refresh_before: Duration = "5m", duration(ZERO..=24 * HOUR);

        /// How long a request and its answer may take together: within it a refresh makes no
        /// further refresh token. "0s" is strict. At most half of tokens.refresh_ttl.
        rotation_window: Duration = "30s", duration(ZERO..=10 * MINUTE);

        /// How old a login may be for what is grave; then one signs in again.
        reauth_after: Duration = "10m", duration(SECOND..=30 * DAY);

        /// Whether script in a page may ask for tokens that it can read.
        browser_bearer: bool = false, flag();

        /// How many sessions a user may have; the least recently active one is ended.
        max_per_user: u32 = 100, integer(1..=10_000);
    }

    /// What a password has to be, and what it costs to try one.
    passwords: Passwords {
        /// Its least length in characters. The most is 128.
        min_length: u32 = 8, integer(1..=128);

        /// What it has to contain.
        require: Vec<Require> = ["uppercase", "lowercase", "digit"], list(choice());

        /// The memory of one hash in KiB. At least 8 for each of argon2_parallelism.
        argon2_memory_kib: u32 = 19456, integer(8..=1_048_576);

        /// The passes over that memory. Times argon2_memory_kib they come to at most 4194304.
        argon2_iterations: u32 = 2, integer(1..=64);

        /// The lanes of that memory.
        argon2_parallelism: u32 = 1, integer(1..=64);
    }

    /// How often one may try.
    rate_limits: RateLimits {
        /// Logins of one client address.
        login: Option<Limit> = "5/1m", limit();

        /// Failed logins of one account, over all addresses.
        login_failures: Option<Limit> = "20/1h", limit();

        /// Signups of one address.
        signup: Option<Limit> = "5/1m", limit();

        /// Changes, resets, verifications and reauthentications, each, of one session or address.
        password: Option<Limit> = "5/1m", limit();

        /// Mails for a forgotten password, and for verification, of one address and one account.
        password_forgot: Option<Limit> = "3/1h", limit();

        /// Refreshes of one session.
        refresh: Option<Limit> = "60/1m", limit();
    }

    /// How mails go out.
    email: Email {
        /// The server that takes them: smtps:// begins with TLS, smtp:// with STARTTLS. "" writes each
        /// one as a file into the data folder's outbox/; where listen and public_url are loopback,
        /// /dev/mailbox shows them.
        smtp_url: Option<SmtpServer> = "", smtp_url();

        /// Whom they are from.
        from: Sender = "Keyward <no-reply@localhost>", sender();
    }

    /// What pages are called and look like.
    branding: Branding {
        /// What the installation is called.
        name: BrandName = "Keyward", brand_name();

        /// The picture above every page: a file of SVG or PNG, relative to where this is started. ""
        /// shows the name alone.
        logo: Option<LogoFile> = "", logo();

        /// The colour of buttons and links. What is written on it, and the shades in which links can
        /// be read, follow from it.
        color: Color = "#3451d1", color();
    }

    /// The record of what happened.
    events: Events {
        /// How long an event is kept.
        retention: Duration = "90d", duration(DAY..=3650 * DAY);

        /// Whether a refresh is an event, too. It is counted in the metrics anyway.
        log_refresh: bool = false, flag();
    }

    /// What a proxy is told of a request (`/api/auth/verify`).
    edge: Edge {
        /// The claim `aud` of X-Auth-Assertion; "" is server.public_url.
        audience: Option<String> = "", name().or_empty();
    }

    /// The log, on standard error.
    log: Log {
        /// "text" for people, "json" for machines.
        format: LogFormat = "text", choice();

        /// The least that is logged.
        level: LogLevel = "info", choice();
    }
}
