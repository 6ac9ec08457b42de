//! How does a command get at the configuration and at the data?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use keyward::clock::Clock;
use keyward::master_key::{self, MasterKeyError};
use keyward::{
    Keyward, MasterKey, OpenError, PostgresError, PostgresOptions, RedisOpenError, Settings, StartError,
    inspect_postgres,
};

use crate::config::{self, Config, DatabaseUrl, Loaded, MASTER_KEY, ServerUrl};
use crate::failure::Failure;
use crate::settings::settings;

/// What a command does where there is no database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It makes one.
    Make,
    /// It fails: whoever looks for something, or revokes something, means data that is there. In
    /// another folder than the server's, an empty list or a "done" would be wrong.
    Refuse,
}

/// The configuration: of `file`, or of `keyward.toml` where there is one, and of the environment.
pub(crate) fn configuration(file: Option<&Path>) -> Result<Loaded, Failure> {
    let folder = std::env::current_dir().map_err(|e| {
        Failure::new(format!("the folder this was started in can't be read: {e}; change to another"))
    })?;
    Config::load(file, config::environment(), &folder).map_err(|problems| Failure::configuration(&problems))
}

/// The data, beside a server that may be running on it.
pub(crate) async fn beside(file: Option<&Path>, missing: Missing) -> Result<(Keyward, Config), Failure> {
    let Loaded { config, .. } = configuration(file)?;
    if missing == Missing::Refuse && !has_data(&config).await? {
        return Err(Failure::new(format!(
            "there is no database at {}; run this in the folder and with the configuration of the server, \
             or make one with `keyward migrate`",
            config.data()
        )));
    }
    let keyward = builder(&config)?.beside().open().await.map_err(|e| failure(&e))?;
    Ok((keyward, config))
}

/// The data, to serve it. `log_drops` counts what the log could not take.
pub(crate) async fn to_serve(loaded: &Loaded, log_drops: Arc<AtomicU64>) -> Result<Keyward, Failure> {
    builder(&loaded.config)?.shown(loaded.shown()).log_drops(log_drops).open().await.map_err(|e| failure(&e))
}

/// The data, for this process alone: nobody serves it meanwhile.
pub(crate) async fn to_move(loaded: &Loaded) -> Result<Keyward, Failure> {
    let opened = builder_of(&loaded.config, |settings| settings.background = false)?.open().await;
    opened.map_err(|e| match e {
        StartError::Open(OpenError::Served(path)) => Failure::new(format!(
            "{}: `keyward serve` is running on this database; stop it first, for what it wrote meanwhile would be \
             left behind; nothing was moved",
            path.display()
        )),
        e => failure(&e),
    })
}

/// Brings home what moved in Redis until now.
pub(crate) async fn to_leave_redis(file: Option<&Path>) -> Result<Config, Failure> {
    let Loaded { config, .. } = configuration(file)?;
    if !config.redis.urls.is_empty() {
        return Err(Failure::usage(
            "redis.urls still names Redis: take it out of the configuration of every node, and try again",
        ));
    }
    builder(&config)?.beside().leave_redis().open().await.map_err(|e| failure(&e))?;
    Ok(config)
}

fn builder(config: &Config) -> Result<keyward::Builder, Failure> {
    builder_of(config, |_| {})
}

fn builder_of(config: &Config, change: impl FnOnce(&mut Settings)) -> Result<keyward::Builder, Failure> {
    let mut settings = settings(config).map_err(|e| Failure::usage(format!("passwords.argon2_*: {e}")))?;
    change(&mut settings);
    let builder = Keyward::builder(settings);
    let builder = match &config.database.url {
        DatabaseUrl::Sqlite(path) => builder.sqlite(path),
        DatabaseUrl::Postgres(url) => builder.postgres(postgres(config, url)),
    };
    let builder = builder.redis(config.redis.urls.iter().map(ServerUrl::expose));
    // Without one, the one in the data folder: the configuration allows that for this machine alone.
    let builder = match &config.keys.master_key {
        Some(key) => builder.master_key(MasterKey::from_bytes(key.expose())),
        None => builder,
    };
    Ok(match &config.keys.previous_master_key {
        Some(former) => builder.previous_master_key(MasterKey::from_bytes(former.expose())),
        None => builder,
    })
}

/// The master key that is in force, with the one before it; `None` where none was made yet.
///
/// # Errors
/// Where the file in the data folder can't be read, or holds none.
pub(crate) fn master_key(config: &Config) -> Result<Option<MasterKey>, MasterKeyError> {
    let keys = &config.keys;
    let key = match &keys.master_key {
        Some(key) => Some(MasterKey::from_bytes(key.expose())),
        None => master_key::load(&config.data_folder().join(MASTER_KEY))?,
    };
    let former = keys.previous_master_key.as_ref().map(|former| MasterKey::from_bytes(former.expose()));
    Ok(match (key, former) {
        (Some(key), Some(former)) => Some(key.replacing(former)),
        (key, _) => key,
    })
}

/// How the Postgres at this address is reached.
pub(crate) fn postgres(config: &Config, url: &ServerUrl) -> PostgresOptions {
    let connections = usize::try_from(config.database.connections).unwrap_or(usize::MAX);
    let options = PostgresOptions::new(url.expose()).max_connections(connections);
    match &config.database.direct_url {
        Some(direct) => options.direct_url(direct.expose()),
        None => options,
    }
}

async fn has_data(config: &Config) -> Result<bool, Failure> {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => Ok(std::fs::metadata(path).is_ok_and(|file| file.len() > 0)),
        DatabaseUrl::Postgres(url) => {
            let report = inspect_postgres(&postgres(config, url), &Clock::system()).await;
            Ok(report.map_err(|e| Failure::new(e.to_string()))?.data.schema > 0)
        }
    }
}

fn failure(error: &StartError) -> Failure {
    match error {
        StartError::Open(OpenError::File { .. }) => {
            Failure::new(format!("{error}; let this user write there, or set database.url to another file"))
        }
        // What is set is wrong by itself, whatever rests where.
        StartError::NoMasterKey(_)
        | StartError::PlainHttp(_)
        | StartError::RedisAlone
        | StartError::Postgres(PostgresError::Address(_))
        | StartError::Redis(RedisOpenError::Url(_)) => Failure::usage(error.to_string()),
        _ => Failure::new(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_makes_as_many_connections_as_it_may() {
        let text = "[database]\nurl = 'postgres://localhost/keyward'\nconnections = 3\n";
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keyward.toml");
        std::fs::write(&file, text).expect("written");
        let config =
            Config::load(Some(&file), std::iter::empty(), folder.path()).expect("a configuration").config;
        let DatabaseUrl::Postgres(url) = &config.database.url else { panic!("{}", config.data()) };
        let told = format!("{:?}", postgres(&config, url));
        assert!(told.contains("max_connections: 3"), "{told}");
    }
}
