//! `keyward doctor`: what would bite in production? It changes nothing.

mod data;
mod files;
mod postgres;
mod proxy;
mod rules;

use std::path::Path;

use clap::Args;
use keyward::clock::Clock;
use keyward::diagnosis::{self, Finding, Level};
use keyward::inspect_redis;
use serde_json::json;

use crate::config::DatabaseUrl;
use crate::failure::Failure;
use crate::settings::settings;
use crate::{open, print};

/// How the findings are printed.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    proxy: proxy::Proxy,
}

impl Doctor {
    /// Looks at everything and prints what it found.
    ///
    /// # Errors
    /// Where an error is among it, and where the configuration is refused.
    pub(crate) async fn run(&self, file: Option<&Path>) -> Result<(), Failure> {
        let findings = match self.proxy.is_asked_for() {
            // Perhaps from another machine, where no configuration is.
            true => self.proxy.look().await?,
            false => look(file).await?,
        };
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        let (errors, warnings) = (count(Level::Error), count(Level::Warning));
        if self.json {
            print::json(&json!({ "findings": findings, "errors": errors, "warnings": warnings }))?;
        } else {
            print::text(&text(&findings))?;
            print::line(&format!("\n{}, {}.", counted(errors, "error"), counted(warnings, "warning")))?;
        }
        match errors {
            0 => Ok(()),
            _ => Err(Failure::new(format!(
                "{} found; do what is said beside each, then run `keyward doctor` again",
                counted(errors, "error")
            ))),
        }
    }
}

/// What is found here: in the configuration, the files and the data.
async fn look(file: Option<&Path>) -> Result<Vec<Finding>, Failure> {
    let loaded = open::configuration(file)?;
    let now = Clock::system().now();
    let settings =
        settings(&loaded.config).map_err(|e| Failure::usage(format!("passwords.argon2_*: {e}")))?;
    let mut findings = diagnosis::of_settings(&settings);
    findings.push(rules::log_level(&loaded.config));
    findings.extend(files::look(&loaded));
    findings.extend(match &loaded.config.database.url {
        DatabaseUrl::Sqlite(path) => data::look(path, &loaded.config, now),
        DatabaseUrl::Postgres(url) => postgres::look(url, &loaded.config).await,
    });
    let redis: Vec<String> = loaded.config.redis.urls.iter().map(|url| url.expose().to_owned()).collect();
    if !redis.is_empty() {
        findings.extend(inspect_redis(&redis).await);
    }
    Ok(findings)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { level, subject, message, next } in findings {
        let level = level.as_str();
        text.push_str(&format!("{level:<9}{subject}: {message}\n"));
        if let Some(next) = next {
            text.push_str(&format!("{:9}-> {next}\n", ""));
        }
    }
    text
}
