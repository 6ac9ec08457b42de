//! `keyward key`: which keys sign access tokens, and which make refresh tokens?

use std::path::Path;

use clap::Subcommand;
use keyward::core::denial::Denial;
use keyward::core::time::Timestamp;
use keyward::{Client, Error, KeyView, Keyward, RefreshKeyView};
use serde_json::json;

use crate::config::Config;
use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::print;

/// What can be done about the keys.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List the keys that sign access tokens, and those that make refresh tokens
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the next key sign from now on
    ///
    /// Tokens of the former key stay good until they expire.
    Rotate {
        /// Replace the key that makes refresh tokens instead
        ///
        /// A new one makes them as soon as every node knows it, a few seconds from now. Nobody is
        /// signed out: tokens of the former key are taken for tokens.refresh_ttl, and a refresh brings
        /// one of the new key.
        #[arg(long, conflicts_with = "master")]
        refresh: bool,
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
    /// Sessions go on: a refresh brings a token of another key. Not so with --refresh.
    Revoke {
        /// Take out a key that makes refresh tokens, and sign everybody out
        ///
        /// For a key that leaked: whoever has it can make a refresh token of any session, and exchange
        /// it for one of another key, so every session ends and everybody has to sign in again. Where
        /// it is the newest, another one takes over first, which takes some seconds.
        #[arg(long)]
        refresh: bool,
        /// Don't ask whether --refresh is meant
        #[arg(long, requires = "refresh")]
        yes: bool,
        /// The key, as `keyward key list` calls it
        // One key in 64 begins with a hyphen.
        #[arg(value_name = "KEY", allow_hyphen_values = true)]
        key: String,
    },
}

impl Verb {
    pub(crate) async fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let (keyward, config) = open::beside(file, Missing::Refuse).await?;
        match self {
            Self::List { json } => list(&keyward, json).await,
            Self::Rotate { master: true, .. } => rotate_master(&keyward, &config).await,
            Self::Rotate { refresh: true, .. } => {
                let (id, from) = keyward.rotate_refresh_key(&Client::operator()).await?;
                print::line(&format!("Key {id} makes refresh tokens from {from} on."))
            }
            Self::Rotate { .. } => {
                let keys = keyward.rotate_keys(&Client::operator()).await?;
                let active = keys.iter().find(|key| key.state == "active");
                print::line(&format!("{} signs from now on.", active.map_or("no key", |key| &key.kid)))
            }
            Self::Revoke { refresh: true, key, yes } => {
                let id = key.parse().map_err(|_| no_number(&key))?;
                if !yes {
                    print::ask("Everybody will have to sign in again.")?;
                }
                let revoked = keyward.revoke_refresh_key(id, &Client::operator()).await;
                revoked.map_err(|error| not_revoked(error, &key))?;
                print::line(&format!(
                    "Key {id} is revoked, and every session has ended: everybody has to sign in again."
                ))
            }
            Self::Revoke { key, .. } => {
                let revoked = keyward.revoke_key(&key, &Client::operator()).await;
                revoked.map_err(|error| not_revoked(error, &key))?;
                print::line(&format!("{key} is revoked."))
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
    let refresh_keys = keyward.refresh_keys().await?;
    if json {
        return print::json(&json!({ "keys": keys, "refresh_keys": refresh_keys }));
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    print::table(["KID", "ALGORITHM", "STATE", "MADE", "SIGNS FROM", "TO"], &rows)?;
    print::line("")?;
    let rows: Vec<_> = refresh_keys.iter().map(refresh_row).collect();
    print::table(["REFRESH KEY", "STATE", "MADE", "VERIFIES UNTIL"], &rows)
}

fn refresh_row(key: &RefreshKeyView) -> [String; 4] {
    let until = key.verifies_until.map(|until| until.to_string());
    [key.id.to_string(), key.state.to_owned(), key.created_at.to_string(), until.unwrap_or_default()]
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

fn no_number(key: &str) -> Failure {
    Failure::usage(format!(
        "{key:?} is no key for refresh tokens: those have numbers; `keyward key list` shows them"
    ))
}

fn not_revoked(error: Error, key: &str) -> Failure {
    match &error {
        Error::Denied(denied) if denied.denial() == Denial::NotFound => Failure::new(format!(
            "there is no key {key:?} that could be revoked; `keyward key list` shows them"
        )),
        _ => error.into(),
    }
}
