//! How does a command get at the configuration and at the data?

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use keyward::{Keyward, MasterKey, OpenError, StartError};

use crate::config::{self, Config, Loaded};
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
    if missing == Missing::Refuse && !has_data(&config) {
        return Err(Failure::new(format!(
            "there is no database at {}; run this in the folder and with the configuration of the server, \
             or make one with `keyward migrate`",
            config.database().display()
        )));
    }
    let keyward = builder(&config)?.beside().open().await.map_err(|e| failure(&e))?;
    Ok((keyward, config))
}

/// The data, to serve it. `log_drops` counts what the log could not take.
pub(crate) async fn to_serve(config: &Config, log_drops: Arc<AtomicU64>) -> Result<Keyward, Failure> {
    builder(config)?.log_drops(log_drops).open().await.map_err(|e| failure(&e))
}

fn builder(config: &Config) -> Result<keyward::Builder, Failure> {
    let settings = settings(config).map_err(|e| Failure::usage(format!("passwords.argon2_*: {e}")))?;
    let builder = Keyward::builder(settings).sqlite(config.database());
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

fn has_data(config: &Config) -> bool {
    std::fs::metadata(config.database()).is_ok_and(|file| file.len() > 0)
}

fn failure(error: &StartError) -> Failure {
    Failure::new(match error {
        StartError::Open(OpenError::File { .. }) => {
            format!("{error}; let this user write there, or set database.url to another file")
        }
        _ => error.to_string(),
    })
}
