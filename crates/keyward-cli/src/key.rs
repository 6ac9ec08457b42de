//! `keyward key`: which keys sign access tokens?

use std::path::Path;

use clap::Subcommand;
use keyward::core::denial::Denial;
use keyward::core::time::Timestamp;
use keyward::{Client, Error, KeyView, Keyward};
use serde_json::json;

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
    Rotate,
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
        let (keyward, _) = open::beside(file, Missing::Refuse).await?;
        match self {
            Self::List { json } => list(&keyward, json).await,
            Self::Rotate => {
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
