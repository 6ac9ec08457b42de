//! `keyward doctor`: what would bite in production? It changes nothing.

mod data;
mod files;
mod proxy;
mod rules;

use std::path::Path;

use clap::Args;
use keyward::clock::Clock;
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
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

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warning,
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    /// What: a key of the configuration, a file, or a word.
    subject: String,
    /// How it is.
    message: String,
    /// What to do about it.
    next: Option<String>,
}

impl Finding {
    fn ok(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject: subject.into(), message: message.into(), next: None }
    }

    fn warning(subject: impl Into<String>, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { level: Level::Warning, next: Some(next.into()), ..Self::ok(subject, message) }
    }

    fn error(subject: impl Into<String>, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { level: Level::Error, next: Some(next.into()), ..Self::ok(subject, message) }
    }
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
            false => look(file)?,
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
fn look(file: Option<&Path>) -> Result<Vec<Finding>, Failure> {
    let loaded = open::configuration(file)?;
    let now = Clock::system().now();
    let mut findings = rules::look(&loaded.config);
    findings.extend(files::look(&loaded));
    findings.extend(data::look(&loaded.config, now));
    Ok(findings)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { level, subject, message, next } in findings {
        let level = match level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        text.push_str(&format!("{level:<9}{subject}: {message}\n"));
        if let Some(next) = next {
            text.push_str(&format!("{:9}-> {next}\n", ""));
        }
    }
    text
}
