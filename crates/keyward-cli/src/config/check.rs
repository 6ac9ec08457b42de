//! Which values are fine each by itself, and wrong or dangerous together?

use keyward::core::duration::display;
use keyward::core::key::Algorithm;
use keyward::core::password::InvalidCost;

use super::address::{collide, is_loopback};
use super::keys::Config;
use super::source::{Problem, Setting, Source};
use super::store::{DatabaseUrl, ServerUrl};

/// What speaks against these values together. `settings` says where each comes from; a key that
/// one of the `known` problems names has a stand-in for a value, so nothing is said of it.
pub(super) fn combinations(config: &Config, settings: &[Setting], known: &[Problem]) -> Vec<Problem> {
    let mut check = Check { settings, known, found: Vec::new() };
    check.server(config);
    check.store(config);
    check.keys(config);
    check.lifetimes(config);
    check.passwords(config);
    check.found
}

struct Check<'a> {
    settings: &'a [Setting],
    known: &'a [Problem],
    found: Vec<Problem>,
}

impl Check<'_> {
    fn server(&mut self, config: &Config) {
        let server = &config.server;
        if let Some(metrics) = server.metrics_listen.filter(|metrics| collide(*metrics, server.listen)) {
            self.refuse(
                &["server.metrics_listen", "server.listen"],
                format!("{metrics} is taken by server.listen ({}); allowed: another port", server.listen),
            );
        }
    }

    fn store(&mut self, config: &Config) {
        const URL: &str = "database.url";
        const DIRECT: &str = "database.direct_url";
        const REDIS: &str = "redis.urls";
        let (database, redis) = (&config.database, &config.redis.urls);
        if matches!(database.url, DatabaseUrl::Sqlite(_)) {
            if database.direct_url.is_some() {
                let message = "database.direct_url is the way past a pooler in front of Postgres, and database.url \
                               is SQLite; allowed: \"\", or a database.url of postgres://";
                self.refuse(&[DIRECT, URL], message.into());
            }
            if !redis.is_empty() {
                let message = "redis.urls needs a database.url of postgres://: what has to be kept is kept there, \
                               and SQLite serves one node, which needs no Redis; allowed: [] beside SQLite";
                self.refuse(&[REDIS, URL], message.into());
            }
        }
        if redis.len() < 2 {
            return;
        }
        let mut servers: Vec<&str> = redis.iter().map(ServerUrl::server).collect();
        servers.sort_unstable();
        if servers.windows(2).any(|pair| pair[0] == pair[1]) {
            self.refuse(
                &[REDIS],
                "redis.urls names a node twice; allowed: each node of a Redis Cluster once".into(),
            );
        }
        if redis.iter().any(|node| node.is_tls() != redis[0].is_tls()) {
            let message =
                "redis.urls mixes redis:// and rediss://; allowed: one of both for all nodes of a cluster";
            self.refuse(&[REDIS], message.into());
        }
        if redis.iter().any(ServerUrl::names_a_database) {
            let message = "redis.urls names the number of a database; several addresses are a Redis Cluster, \
                           which has none";
            self.refuse(&[REDIS], message.into());
        }
    }

    fn keys(&mut self, config: &Config) {
        let (server, keys, tokens) = (&config.server, &config.keys, &config.tokens);
        let told = "make one with `openssl rand -base64 32`";
        let master = keys.master_key.as_ref().map(|key| key.expose());
        let previous = keys.previous_master_key.as_ref().map(|key| key.expose());
        if master.is_none() && !config.is_local() {
            let (key, value) = if is_loopback(server.listen) {
                ("server.public_url", server.public_url.to_string())
            } else {
                ("server.listen", server.listen.to_string())
            };
            self.refuse(
                &["keys.master_key", key],
                format!("keys.master_key must be set where {key} ({value}) isn't loopback; {told}"),
            );
        }
        if let DatabaseUrl::Postgres(url) = &config.database.url
            && master.is_none()
            && !url.is_local()
        {
            self.refuse(
                &["keys.master_key", "database.url"],
                format!(
                    "keys.master_key must be set where database.url is on another machine: every node needs the same \
                     one; {told}"
                ),
            );
        }
        if previous.is_some() && master.is_none() {
            self.refuse(
                &["keys.previous_master_key", "keys.master_key"],
                format!("keys.previous_master_key needs the keys.master_key that takes its place; {told}"),
            );
        }
        if previous.is_some() && previous == master {
            self.refuse(
                &["keys.previous_master_key", "keys.master_key"],
                "keys.previous_master_key is keys.master_key; allowed: the one before it, or \"\"".into(),
            );
        }
        if tokens.algorithm == Algorithm::Hs256 && tokens.hs256_secret.is_none() {
            self.refuse(
                &["tokens.algorithm", "tokens.hs256_secret"],
                format!("HS256 needs tokens.hs256_secret; {told}"),
            );
        }
    }

    fn lifetimes(&mut self, config: &Config) {
        let (tokens, sessions) = (&config.tokens, &config.sessions);
        let (access, refresh) = (display(tokens.access_ttl), display(tokens.refresh_ttl));
        if tokens.refresh_ttl < tokens.access_ttl {
            self.refuse(
                &["tokens.refresh_ttl", "tokens.access_ttl"],
                format!("tokens.refresh_ttl ({refresh}) must not be less than tokens.access_ttl ({access})"),
            );
        }
        if sessions.absolute_ttl < tokens.access_ttl {
            let absolute = display(sessions.absolute_ttl);
            self.refuse(
                &["sessions.absolute_ttl", "tokens.access_ttl"],
                format!(
                    "sessions.absolute_ttl ({absolute}) must not be less than tokens.access_ttl ({access})"
                ),
            );
        }
        if sessions.rotation_window > tokens.refresh_ttl / 2 {
            let window = display(sessions.rotation_window);
            self.refuse(
                &["sessions.rotation_window", "tokens.refresh_ttl"],
                format!(
                    "sessions.rotation_window ({window}) must be at most half of tokens.refresh_ttl ({refresh})"
                ),
            );
        }
    }

    fn passwords(&mut self, config: &Config) {
        const MEMORY: &str = "passwords.argon2_memory_kib";
        const ITERATIONS: &str = "passwords.argon2_iterations";
        const PARALLELISM: &str = "passwords.argon2_parallelism";
        let Err(invalid) = config.cost() else { return };
        let passwords = &config.passwords;
        let (keys, value) = match invalid {
            InvalidCost::Memory { .. } => ([MEMORY, PARALLELISM, ITERATIONS], passwords.argon2_memory_kib),
            InvalidCost::Iterations { .. } => {
                ([ITERATIONS, MEMORY, PARALLELISM], passwords.argon2_iterations)
            }
            InvalidCost::Parallelism => ([PARALLELISM, MEMORY, ITERATIONS], passwords.argon2_parallelism),
        };
        self.refuse(&keys, format!("{} ({value}) {invalid}", keys[0]));
    }

    /// Notes a problem between these keys, at the first that somebody wrote.
    fn refuse(&mut self, keys: &[&'static str], message: String) {
        let twin_of = |key: &str, name: &str| name.strip_prefix(key) == Some("_file");
        if self.known.iter().any(|p| keys.iter().any(|key| p.key == *key || twin_of(key, &p.key))) {
            return;
        }
        let source = |key: &&'static str| {
            let setting = self.settings.iter().find(|setting| setting.key == *key);
            setting.map_or(Source::Default, |setting| setting.source.clone())
        };
        let mut sources = keys.iter().map(|key| (*key, source(key)));
        if let Some((key, source)) = sources.find(|(_, source)| *source != Source::Default) {
            self.found.push(Problem::new(key, source, message));
        }
    }
}
