//! `keyward key`: which keys sign access tokens?

use std::path::Path;

use clap::Subcommand;
use keyward::core::denial::Denial;
use keyward::core::time::Timestamp;
use keyward::{Client, Error, KeyView, Keyward};
use serde_json::json;

use crate::config::Config;
use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::print;

/// What can be done about the keys.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List the keys
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the next key sign from now on
    ///
    /// Tokens of the former key stay good until they expire.
    Rotate {
        /// Bring every secret in the database under keys.master_key instead
        ///
        /// Put the new key into keys.master_key and the one before it into
        /// keys.previous_master_key, restart the server, run this, and take the one before out
        /// again. No token and no session notices.
        #[arg(long)]
        master: bool,
    },
    /// Take a key out: every access token that it signed is out of date at once
    ///
    /// Sessions go on: a refresh brings a token of another key.
    Revoke {
        /// The key, as `keyward key list` calls it
        kid: String,
    },
}

impl Verb {
    pub(crate) async fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let (keyward, config) = open::beside(file, Missing::Refuse).await?;
        match self {
            Self::List { json } => list(&keyward, json).await,
            Self::Rotate { master: true } => rotate_master(&keyward, &config).await,
            Self::Rotate { master: false } => {
                let keys = keyward.rotate_keys(&Client::operator()).await?;
                let active = keys.iter().find(|key| key.state == "active");
                print::line(&format!("{} signs from now on.", active.map_or("no key", |key| &key.kid)))
            }
            Self::Revoke { kid } => {
                keyward
                    .revoke_key(&kid, &Client::operator())
                    .await
                    .map_err(|error| not_revoked(error, &kid))?;
                print::line(&format!("{kid} is revoked."))
            }
        }
    }
}

async fn rotate_master(keyward: &Keyward, config: &Config) -> Result<(), Failure> {
    if config.keys.previous_master_key.is_none() {
        return Err(Failure::usage(
            "keys.previous_master_key is not set; put the new key into keys.master_key and the one before it \
             there, restart the server, and run this again",
        ));
    }
    let done = "take keys.previous_master_key out and restart the server.";
    print::line(&match keyward.rotate_master_key(&Client::operator()).await? {
        0 => format!("Nothing is sealed under the master key before: {done}"),
        1 => format!("1 secret is under the new master key now: {done}"),
        n => format!("{n} secrets are under the new master key now: {done}"),
    })
}

async fn list(keyward: &Keyward, json: bool) -> Result<(), Failure> {
    let mut keys = keyward.keys().await?;
    keys.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
    if json {
        return print::json(&json!({ "keys": keys }));
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    print::table(["KID", "ALGORITHM", "STATE", "MADE", "SIGNS FROM", "TO"], &rows)
}

fn row(key: &KeyView) -> [String; 6] {
    let at = |moment: Option<Timestamp>| moment.map(|at| at.to_string()).unwrap_or_default();
    [
        key.kid.clone(),
        key.algorithm.to_owned(),
        key.state.to_owned(),
        key.created_at.to_string(),
        at(key.active_from),
        at(key.revoked_at.or(key.retired_at)),
    ]
}

fn not_revoked(error: Error, kid: &str) -> Failure {
    match &error {
        Error::Denied(denied) if denied.denial() == Denial::NotFound => Failure::new(format!(
            "there is no key {kid:?} that could be revoked; `keyward key list` shows them"
        )),
        _ => error.into(),
    }
}
