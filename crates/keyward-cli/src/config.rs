//! What is in force, where does each value come from, and what keeps Keyward from starting?
//!
//! Defaults, overridden by `keyward.toml`, overridden by the environment. Every mistake is told
//! at once, each in a line that names the key, its source and what is allowed.

mod address;
mod brand;
mod check;
mod choice;
mod document;
mod keys;
mod length;
mod mail;
mod nearest;
mod origin;
mod raw;
mod reader;
mod rule;
mod secret;
mod source;
mod store;
mod table;
pub(crate) mod verbs;

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use keyward::core::password::{Cost, InvalidCost};
use keyward::diagnosis::SettingInForce;
use serde_json::{Map, Value, json};

pub(crate) use self::choice::{Claim, LogFormat, LogLevel, Signup};
pub(crate) use self::document::{default_file, schema};
pub(crate) use self::keys::{Config, Log, sections};
pub(crate) use self::source::{Problem, Setting, Source};
pub(crate) use self::store::{DatabaseUrl, ServerUrl};

pub(crate) use self::address::is_loopback;
use self::address::reached_at;
use self::nearest::Names;
use self::reader::Reader;
use self::source::{Written, from_environment, from_file};

/// The file that is read where none is named.
const FILE: &str = "keyward.toml";
/// The file in the data folder that holds the master key where none is configured.
pub(crate) const MASTER_KEY: &str = keyward::master_key::FILE;

/// A configuration without problems.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// What is in force.
    pub(crate) config: Config,
    /// The same key by key, with sources and without secrets, in the order of the default file.
    pub(crate) settings: Vec<Setting>,
}

impl Config {
    /// Reads the file at `path`, or `keyward.toml` in the folder `cwd` where there is one, and the
    /// variables `env` over it. Paths are relative to `cwd`.
    ///
    /// # Errors
    /// Everything that is wrong; each problem prints as one line without secrets.
    pub(crate) fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        cwd: &Path,
    ) -> Result<Loaded, Vec<Problem>> {
        let names = Names::of(&sections());
        let mut written = Written::new();
        let mut problems = Vec::new();
        if let Some((path, text)) = text_of_file(path, cwd).map_err(|problem| vec![problem])? {
            from_file(&path, &text, &names, &mut written, &mut problems)?;
        }
        from_environment(env, &names, &mut written, &mut problems);

        let mut reader = Reader::new(written, cwd, problems);
        let config = Self::read(&mut reader);
        let Reader { settings, mut problems, .. } = reader;
        let Some(config) = config else { return Err(problems) };
        let mut loaded = Loaded { config, settings };
        loaded.listens_on(loaded.config.server.listen);
        problems.extend(check::combinations(&loaded.config, &loaded.settings, &problems));
        if problems.is_empty() { Ok(loaded) } else { Err(problems) }
    }

    /// The claim `iss` of access tokens.
    pub(crate) fn issuer(&self) -> &str {
        self.tokens.issuer.as_deref().unwrap_or(self.server.public_url.as_str())
    }

    /// The claim `aud` of assertions for upstreams.
    pub(crate) fn edge_audience(&self) -> &str {
        self.edge.audience.as_deref().unwrap_or(self.server.public_url.as_str())
    }

    /// What hashing a password costs.
    ///
    /// # Errors
    /// Where that is out of range. A configuration that was loaded has none.
    pub(crate) fn cost(&self) -> Result<Cost, InvalidCost> {
        let passwords = &self.passwords;
        Cost::new(passwords.argon2_memory_kib, passwords.argon2_iterations, passwords.argon2_parallelism)
    }

    /// The networks whose forwarding headers are believed. "auto": somebody else ends TLS here, and
    /// can only be on this machine.
    pub(crate) fn trusted_proxies(&self) -> Vec<IpNet> {
        let server = &self.server;
        match &server.trusted_proxies {
            Some(networks) => networks.clone(),
            None if server.public_url.is_https() && is_loopback(server.listen) => {
                ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect()
            }
            None => Vec::new(),
        }
    }

    /// Whether nobody but this machine is served: `listen` and `public_url` are both loopback.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(self.server.listen) && self.server.public_url.is_loopback()
    }

    /// The database file, where that is SQLite's.
    pub(crate) fn database_file(&self) -> Option<&Path> {
        match &self.database.url {
            DatabaseUrl::Sqlite(path) => Some(path),
            DatabaseUrl::Postgres(_) => None,
        }
    }

    /// Where the data are, for people: no secret is in it.
    pub(crate) fn data(&self) -> String {
        match &self.database.url {
            DatabaseUrl::Sqlite(path) => path.display().to_string(),
            DatabaseUrl::Postgres(url) => url.to_string(),
        }
    }

    /// The folder that holds what Keyward makes: that of the database file.
    pub(crate) fn data_folder(&self) -> PathBuf {
        let file = self.database_file().unwrap_or(Path::new(keyward::DATABASE));
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new(".")).to_owned()
    }
}

impl Loaded {
    /// That it listens on this address: an origin that nobody chose follows it.
    pub(crate) fn listens_on(&mut self, address: SocketAddr) {
        if *self.source("server.public_url") == Source::Default
            && let Some(origin) = reached_at(address)
        {
            self.config.server.public_url = origin;
        }
    }

    /// Where the value of `section.key` comes from.
    pub(crate) fn source(&self, key: &str) -> &Source {
        let setting = self.settings.iter().find(|setting| setting.key == key);
        setting.map_or(&Source::Default, |setting| &setting.source)
    }

    /// What is in force and where each value comes from, without secrets: as TOML with comments,
    /// or as JSON.
    pub(crate) fn show(&self, json: bool) -> String {
        if json { format!("{:#}\n", self.json()) } else { self.toml() }
    }

    /// The same, for the console.
    pub(crate) fn shown(&self) -> Vec<SettingInForce> {
        let told = |setting: &Setting| SettingInForce {
            key: setting.key.to_owned(),
            value: setting.value.to_string(),
            source: match self.derived(setting.key) {
                Some(derived) => format!("{}; {derived}", setting.source),
                None => setting.source.to_string(),
            },
        };
        self.settings.iter().map(told).collect()
    }

    fn toml(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for Setting { key, value, source } in &self.settings {
            let (own, key_name) = key.split_once('.').unwrap_or(("", key));
            if own != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                // Writing to a String can't fail.
                let _ = writeln!(out, "{gap}[{own}]");
                section = own;
            }
            let derived = self.derived(key).map(|value| format!("; {value}")).unwrap_or_default();
            let _ = writeln!(out, "{key_name} = {value}  # {source}{derived}");
        }
        out
    }

    fn json(&self) -> Value {
        let mut out = Map::new();
        for Setting { key, value, source } in &self.settings {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let section = out.entry(section).or_insert_with(|| json!({}));
            section[name] = json!({ "value": value, "source": source.to_string() });
            if let Some(derived) = self.derived(key) {
                section[name]["in_force"] = json!(derived);
            }
        }
        Value::Object(out)
    }

    /// What a value that leaves the choice to Keyward comes to.
    fn derived(&self, key: &str) -> Option<String> {
        let config = &self.config;
        match key {
            "server.trusted_proxies" if config.server.trusted_proxies.is_none() => {
                let networks: Vec<String> = config.trusted_proxies().iter().map(IpNet::to_string).collect();
                Some(if networks.is_empty() { "none".to_owned() } else { networks.join(", ") })
            }
            "server.public_url" if *self.source(key) == Source::Default => {
                match config.server.listen.port() {
                    0 => Some("with the port that it gets".to_owned()),
                    _ => Some(config.server.public_url.to_string()),
                }
            }
            "tokens.issuer" if config.tokens.issuer.is_none() => Some(config.issuer().to_owned()),
            "edge.audience" if config.edge.audience.is_none() => Some(config.edge_audience().to_owned()),
            "keys.master_key" if config.keys.master_key.is_none() => {
                Some(format!("not set: {}", self.config.data_folder().join(MASTER_KEY).display()))
            }
            _ => None,
        }
    }
}

/// The variables of this process that can concern Keyward.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("KEYWARD_"))?;
        Some((name, value.to_string_lossy().into_owned()))
    })
}

/// The configuration file as it is called in messages, and its text; `None` where none is named
/// and none is there.
fn text_of_file(path: Option<&Path>, cwd: &Path) -> Result<Option<(PathBuf, String)>, Problem> {
    let name = path.unwrap_or(Path::new(FILE));
    match std::fs::read_to_string(cwd.join(name)) {
        Ok(text) => Ok(Some((name.to_owned(), text))),
        Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // Whether there is one can't be told.
        Err(error) if path.is_none() && cwd.join(name).symlink_metadata().is_err() => {
            let message = format!("this folder can't be entered: {error}; start in one of this user's own");
            Err(Problem::new("", Source::File(cwd.to_owned(), 0), message))
        }
        Err(error) => {
            Err(Problem::new("", Source::File(name.to_owned(), 0), format!("can't be read: {error}")))
        }
    }
}

#[cfg(test)]
mod tests;
