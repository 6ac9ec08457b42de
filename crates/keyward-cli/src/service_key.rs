//! `keyward service-key`: which programs may ask, and for what?

use std::io::{self, Write as _};
use std::path::Path;

use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use keyward::core::denial::Denial;
use keyward::core::service_key::Scope;
use keyward::{Client, Error, Keyward, ServiceKeyView};
use serde_json::json;

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::print;

/// What can be done about service keys.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a service key and print it, this once
    Create {
        /// What it is called
        name: String,
        /// What it is good for, separated by commas; without any it is good for nothing
        #[arg(long = "scope", value_name = "SCOPES", value_delimiter = ',', value_parser = scopes())]
        scopes: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List service keys, the most recently used first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a service key: nobody gets in with it any more
    Revoke {
        /// The key, by its name or its id
        // The console makes keys of names that begin with a hyphen, too.
        #[arg(allow_hyphen_values = true)]
        key: String,
    },
}

fn scopes() -> PossibleValuesParser {
    Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().into()
}

impl Verb {
    pub(crate) async fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let (keyward, _) = open::beside(file, Missing::Refuse).await?;
        match self {
            Self::Create { name, scopes, json } => create(&keyward, &name, &scopes, json).await,
            Self::List { json } => list(&keyward, json).await,
            Self::Revoke { key } => revoke(&keyward, &key).await,
        }
    }
}

async fn create(keyward: &Keyward, name: &str, scopes: &[String], json: bool) -> Result<(), Failure> {
    let made = keyward.create_service_key(name, scopes, &Client::operator()).await?;
    if json {
        return print::json(&made);
    }
    let good_for =
        if made.view.scopes.is_empty() { "nothing".to_owned() } else { made.view.scopes.join(", ") };
    // Beside the key, so that a script gets that alone.
    let _ = writeln!(io::stderr().lock(), "{name:?} is good for {good_for}. Keep it: it is not shown again.");
    print::line(&made.key)
}

async fn list(keyward: &Keyward, json: bool) -> Result<(), Failure> {
    let keys = keyward.service_keys().await?;
    if json {
        return print::json(&json!({ "service_keys": keys }));
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    print::table(["ID", "NAME", "SCOPES", "MADE", "LAST USED"], &rows)
}

fn row(key: &ServiceKeyView) -> [String; 5] {
    [
        key.id.to_string(),
        key.name.clone(),
        key.scopes.join(","),
        key.created_at.to_string(),
        key.last_used_at.map(|at| at.to_string()).unwrap_or_default(),
    ]
}

async fn revoke(keyward: &Keyward, name: &str) -> Result<(), Failure> {
    let keys = keyward.service_keys().await?;
    let key = keys.iter().find(|key| key.name == name || key.id.to_string() == name);
    let key = key.ok_or_else(|| unknown(name))?;
    match keyward.revoke_service_key(key.id, &Client::operator()).await {
        Err(Error::Denied(denied)) if denied.denial() == Denial::NotFound => Err(unknown(name)),
        revoked => {
            revoked?;
            print::line(&format!("{:?} is revoked.", key.name))
        }
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(format!("there is no service key {name:?}; `keyward service-key list` shows them"))
}
