//! Which database, and which Redis?

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;

use keyward::{PostgresError, PostgresOptions};
use serde_json::json;
use zeroize::Zeroizing;

use super::raw::Raw;
use super::rule::{Refusal, Rule, list};
use super::secret::Secret;

/// What the address of a Postgres is like.
const POSTGRES: &str = "postgres://user:password@host/database";
/// What stands for itself before the host is the end of it to whoever reads an address.
const UNESCAPED: &str = "before its last @ stands a /, ?, # or @; in a user and a password write %2F for /, \
                         %3F for ?, %23 for # and %40 for @";

/// The database that `database.url` names.
#[derive(Debug, Clone)]
pub(crate) enum DatabaseUrl {
    /// SQLite in this file. Its folder is the data folder.
    Sqlite(PathBuf),
    /// Postgres at this address.
    Postgres(ServerUrl),
}

/// The address of a server, which may hold a password. Printed, that is masked: none is made of a text
/// of which it can't be said where its password ends.
#[derive(Debug, Clone)]
pub(crate) struct ServerUrl {
    url: Secret<String>,
    /// The same with `***` for the password.
    masked: String,
    /// The host with its port.
    server: String,
    /// What stands behind the host, from the slash on.
    rest: String,
}

/// The database.
pub(super) fn database_url() -> Rule<DatabaseUrl> {
    let read = |text: &str| match text.split_once("://") {
        Some(("sqlite", path)) => sqlite(path).map(DatabaseUrl::Sqlite),
        Some(("postgres" | "postgresql", _)) => postgres(text).map(DatabaseUrl::Postgres),
        _ => Err(Refusal::default()),
    };
    Rule::text(
        "sqlite://folder/file.db, sqlite:///folder/file.db from the root, or postgres://user:password@host/database",
        read,
        |url| match url {
            DatabaseUrl::Sqlite(path) => format!("sqlite://{}", path.display()),
            DatabaseUrl::Postgres(url) => url.to_string(),
        },
    )
    .described(json!({ "type": "string", "pattern": "^(sqlite|postgres|postgresql)://." }))
    .secret()
}

/// The way past a transaction pooler.
pub(super) fn direct_url() -> Rule<Option<ServerUrl>> {
    Rule::text(POSTGRES, postgres, ServerUrl::to_string)
        .described(json!({ "type": "string", "pattern": "^(postgres|postgresql)://." }))
        .secret()
        .or_empty()
}

/// The nodes of Redis.
pub(super) fn redis_urls() -> Rule<Vec<ServerUrl>> {
    let node =
        Rule::text("redis://user:password@host:port, or rediss:// for TLS", redis, ServerUrl::to_string)
            .described(json!({ "type": "string", "pattern": "^rediss?://." }))
            .secret();
    list(node)
}

impl ServerUrl {
    /// The address of a Postgres, as it is written on a command line.
    ///
    /// # Errors
    /// What is wrong with it, without a secret.
    pub(crate) fn postgres(text: &str) -> Result<Self, String> {
        let rule = Rule::text(POSTGRES, postgres, Self::to_string).secret();
        rule.read(&Raw::Word(text.to_owned()))
    }

    /// The same with this password; `None` where there is no user whose it would be.
    pub(crate) fn with_password(&self, password: &str) -> Option<Self> {
        let (scheme, rest) = self.expose().split_once("://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, server) = authority.rsplit_once('@')?;
        let user = user.split_once(':').map_or(user, |(user, _)| user);
        let mut encoded = Zeroizing::new(String::with_capacity(3 * password.len()));
        for byte in password.bytes() {
            // Writing to a String can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        Self::parse(&Zeroizing::new(format!("{scheme}://{user}:{}@{server}{path}", *encoded))).ok()
    }

    /// Whether a password is in it.
    pub(crate) fn has_password(&self) -> bool {
        self.masked.contains(":***@")
    }

    /// The address with its password.
    pub(crate) fn expose(&self) -> &str {
        self.url.expose()
    }

    /// Whether all of its hosts are this machine.
    pub(super) fn is_local(&self) -> bool {
        let options = self.rest.split_once('?').map_or("", |(_, options)| options);
        let named = options.split('&').filter_map(|pair| pair.strip_prefix("host="));
        let hosts = self.server.split(',').chain(named).filter(|host| !host.is_empty());
        hosts.clone().count() > 0
            && hosts.into_iter().all(|host| {
                let name = match host.rsplit_once(':') {
                    Some((name, port)) if !port.contains(']') => name,
                    _ => host,
                };
                let name = name.trim_matches(['[', ']']);
                let is_socket = name.starts_with('/') || name.to_ascii_lowercase().starts_with("%2f");
                is_socket || name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            })
    }

    /// The host with its port, as it was written.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Whether all of it is encrypted (`rediss://`).
    pub(super) fn is_tls(&self) -> bool {
        self.expose().starts_with("rediss:")
    }

    /// Whether it names a database of the server.
    pub(super) fn names_a_database(&self) -> bool {
        self.rest.len() > 1
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let (scheme, rest) = text.split_once("://").ok_or_else(Refusal::default)?;
        if rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(['/', '?', '#', '@'])) {
            return Err(Refusal::because(UNESCAPED));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) || rest.contains('#') {
            return Err(Refusal::default());
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, server) = match authority.rsplit_once('@') {
            Some((user, server)) => (Some(user), server),
            None => (None, authority),
        };
        let user = match user.map(|user| user.split_once(':')) {
            None => String::new(),
            Some(None) => format!("{}@", user.unwrap_or_default()),
            Some(Some((user, _))) => format!("{user}:***@"),
        };
        Ok(Self {
            url: Secret::new(text.to_owned()),
            masked: format!("{scheme}://{user}{server}{path}"),
            server: server.to_owned(),
            rest: path.to_owned(),
        })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

fn sqlite(path: &str) -> Result<PathBuf, Refusal> {
    if path.starts_with(':') {
        return Err(Refusal::because("what is in memory alone would be lost with the process"));
    }
    if path.contains(['?', '#', '\0']) {
        return Err(Refusal::because("there are no options behind the file"));
    }
    if path.is_empty() || path.ends_with(['/', '\\']) {
        return Err(Refusal::because("it names no file"));
    }
    Ok(path.into())
}

fn postgres(text: &str) -> Result<ServerUrl, Refusal> {
    let url = ServerUrl::parse(text)?;
    let (path, query) = url.rest.split_once('?').unwrap_or((&url.rest, ""));
    let names_host = !url.server.is_empty() || query.split('&').any(|pair| pair.starts_with("host="));
    if !matches!(text.split_once("://"), Some(("postgres" | "postgresql", _))) || !names_host {
        return Err(Refusal::default());
    }
    // It would be shown.
    let is_escaped = |pair: &str| pair.split('=').next().is_some_and(|name| name.contains('%'));
    if query.to_ascii_lowercase().contains("password") || query.split('&').any(is_escaped) {
        return Err(Refusal::because("a password stands before the host, user:password@host"));
    }
    if path.len() < 2 {
        return Err(Refusal::because("it names no database"));
    }
    match PostgresOptions::new(text).check() {
        Ok(()) => Ok(url),
        Err(PostgresError::Address(said)) => Err(Refusal::because(said)),
        Err(error) => Err(Refusal::because(error.to_string())),
    }
}

fn redis(text: &str) -> Result<ServerUrl, Refusal> {
    let url = ServerUrl::parse(text)?;
    let (host, port) = match url.server.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (url.server.as_str(), "6379"),
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_redis = matches!(text.split_once("://"), Some(("redis" | "rediss", _)));
    let is_port = number(port) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let database = url.rest.strip_prefix('/').unwrap_or(&url.rest);
    if !is_redis || host.is_empty() || !is_port {
        return Err(Refusal::default());
    }
    if !database.is_empty() && !number(database) {
        return Err(Refusal::because("behind the host there is the number of a database, or nothing"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_url_names_a_file() {
        let read = |text: &str| database_url().read(&Raw::Word(text.into()));
        for (text, path) in [
            ("sqlite://keyward-data/keyward.db", "keyward-data/keyward.db"),
            ("sqlite:///var/lib/keyward/keyward.db", "/var/lib/keyward/keyward.db"),
            ("sqlite://./a b%20c.db", "./a b%20c.db"),
        ] {
            assert!(
                matches!(read(text), Ok(DatabaseUrl::Sqlite(read)) if read == std::path::Path::new(path)),
                "{text}"
            );
            let rule = database_url();
            assert_eq!(rule.show(&rule.read(&Raw::Word(text.into())).expect(text)), json!(text));
        }
        for text in [
            "",
            "sqlite://",
            "sqlite:///",
            "sqlite://data/",
            "sqlite://:memory:",
            "sqlite::memory:",
            "sqlite://a.db?mode=ro",
            "keyward.db",
            "mysql://localhost/keyward",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_postgres_url_names_a_host_and_a_database() {
        let rule = database_url();
        for (text, shown) in [
            ("postgres://localhost/keyward", "postgres://localhost/keyward"),
            ("postgresql://ada@db:5433/keyward", "postgresql://ada@db:5433/keyward"),
            (
                "postgres://ada:p%40ss:w@db/keyward?sslmode=require",
                "postgres://ada:***@db/keyward?sslmode=require",
            ),
            ("postgres://ada:p%40ss@[::1]/keyward", "postgres://ada:***@[::1]/keyward"),
            ("postgres:///keyward?host=/run/postgresql", "postgres:///keyward?host=/run/postgresql"),
            ("postgres://a,b:5433/keyward", "postgres://a,b:5433/keyward"),
        ] {
            let url = rule.read(&Raw::Word(text.into())).expect(text);
            assert_eq!(rule.show(&url), json!(shown));
            assert!(matches!(url, DatabaseUrl::Postgres(url) if url.expose() == text));
        }
        for (text, why) in [
            ("postgres://", "allowed: "),
            ("postgres:///keyward", "allowed: "),
            ("postgres://ada:pw@/keyward", "allowed: "),
            ("postgres://db", "it names no database"),
            ("postgres://db/", "it names no database"),
            ("postgres://db/?sslmode=require", "it names no database"),
            ("postgres://db/keyward?password=pw", "before the host"),
            ("postgres://db/keyward?p%61ssword=pw", "before the host"),
            ("postgres://ada:p@w@db/keyward", "write %2F for /"),
            ("postgres://db:99999/keyward", "port"),
            ("postgres://db/keyward?sslmode=bogus", "sslmode=\"bogus\" is none of disable, prefer"),
            ("postgres://db/keyward?sslrootcert=/none.pem", "sslrootcert=/none.pem: "),
            ("postgres://db/keyward?colour=red", "unknown option `colour`"),
            ("postgres://db/keyward?sslPassword=pw", "before the host"),
            ("postgres://db/key ward", "allowed: "),
            ("postgres://db/key\u{1b}ward", "allowed: "),
            ("postgres://db/keyward#x", "allowed: "),
            ("mysql://db/keyward", "allowed: "),
        ] {
            let said = rule.read(&Raw::Word(text.into())).expect_err(text);
            assert!(said.contains(why) && !said.contains("pw"), "{said}");
        }
    }

    /// Whatever a password is, nothing that is said of its address holds it.
    #[test]
    fn no_password_is_ever_shown() {
        const MADE_OF: &[u8] = b"aZ09+=/@?#:%&,[]!.-_ 25F40";
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |most: usize| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            usize::try_from(random >> 33).unwrap_or_default() % most
        };
        let said = |rule: Rule<ServerUrl>, text: String| {
            let read = rule.read(&Raw::Word(text));
            read.map(|url| (true, url.to_string())).unwrap_or_else(|said| (false, said))
        };
        let [mut taken, mut refused] = [0, 0];
        for _ in 0..10_000 {
            let middle: String = (0..below(6)).map(|_| char::from(MADE_OF[below(MADE_OF.len())])).collect();
            // So that each half of it can be told from everything else.
            let password = format!("HEAD{middle}TAIL");
            let options = ["", "?sslmode=require", "?application_name=k"][below(3)];
            for (rule, text) in [
                (
                    Rule::text(POSTGRES, postgres, ServerUrl::to_string).secret(),
                    format!("postgres://ada:{password}@db:5432/keyward{options}"),
                ),
                (
                    Rule::text("", redis, ServerUrl::to_string).secret(),
                    format!("redis://:{password}@r:6379/1"),
                ),
            ] {
                let (is_taken, said) = said(rule, text.clone());
                *if is_taken { &mut taken } else { &mut refused } += 1;
                assert!(!said.contains("HEAD") && !said.contains("TAIL"), "{text}: {said}");
                assert!(!is_taken || said.contains(":***@"), "{text}: {said}");
            }
        }
        assert!(taken > 1_000 && refused > 1_000, "{taken} {refused}");
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for (text, is_local) in [
            ("postgres://localhost/keyward", true),
            ("postgres://ada:pw@127.0.0.1:5433/keyward", true),
            ("postgres://[::1]:5433/keyward", true),
            ("postgres:///keyward?host=/run/postgresql", true),
            ("postgres://%2Frun%2Fpostgresql/keyward", true),
            ("postgres://localhost,db/keyward", false),
            ("postgres://localhost/keyward?host=db", false),
            ("postgres://localhost.example.com/keyward", false),
            ("postgres://10.0.0.1/keyward", false),
        ] {
            assert_eq!(postgres(text).ok().map(|url| url.is_local()), Some(is_local), "{text}");
        }
    }

    #[test]
    fn a_password_of_its_own_takes_the_place_of_one_in_the_address() {
        let url = |text: &str| ServerUrl::postgres(text).expect(text);
        for (text, with) in [
            ("postgres://ada@db:5433/keyward", "postgres://ada:%70%40%2F%3F@db:5433/keyward"),
            (
                "postgres://ada:old@db/keyward?sslmode=disable",
                "postgres://ada:%70%40%2F%3F@db/keyward?sslmode=disable",
            ),
        ] {
            let given = url(text).with_password("p@/?").expect("somebody's");
            assert_eq!(given.expose(), with);
            assert!(!given.to_string().contains("%70"), "{given}");
        }
        assert!(url("postgres://db/keyward").with_password("pw").is_none(), "nobody's");
    }

    #[test]
    fn a_redis_url_names_a_node() {
        let rule = redis_urls();
        for (text, shown) in [
            ("redis://localhost", json!(["redis://localhost"])),
            ("redis://:secret@r:6380/3", json!(["redis://:***@r:6380/3"])),
            ("rediss://ada:secret@[::1]:1, redis://b/", json!(["rediss://ada:***@[::1]:1", "redis://b/"])),
            ("", json!([])),
        ] {
            assert_eq!(rule.show(&rule.read(&Raw::Word(text.into())).expect(text)), shown);
        }
        for text in [
            "redis://",
            "redis://:6379",
            "redis://host:0",
            "redis://host:65536",
            "redis://host:+1",
            "redis://host/keyward",
            "redis://host?protocol=3",
            "rediss://host/#insecure",
            "unix:///run/redis.sock",
            "localhost:6379",
        ] {
            assert!(rule.read(&Raw::Word(text.into())).is_err(), "{text}");
        }
    }
}
