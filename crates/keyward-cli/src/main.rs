//! The binary `keyward`: a session system beside any application.
//!
//! One file a noun: what `keyward user …` does is in `user.rs`. Exit codes: 0 done, 1 failed,
//! 2 wrong usage or configuration.

mod admin;
mod browser;
mod completions;
mod config;
mod doctor;
mod event;
mod failure;
mod key;
mod log;
mod migrate;
mod open;
mod openapi;
mod password;
mod print;
mod role;
mod serve;
mod service_key;
mod session;
mod settings;
mod user;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// A request makes some sixty small allocations: this takes half as long for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sign up, log in and stay signed in: a session system beside any application.
#[derive(Parser)]
#[command(name = "keyward", version)]
struct Cli {
    /// The configuration file; without it ./keyward.toml, where there is one
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    noun: Option<Noun>,
}

#[derive(Subcommand)]
enum Noun {
    /// Serve until told to stop; what `keyward` alone does, too
    Serve,
    /// Bring the database up to date, making it where there is none, or move it to Postgres
    Migrate(migrate::Migrate),
    /// Find what would bite in production; changes nothing
    Doctor(doctor::Doctor),
    /// Accounts
    #[command(subcommand)]
    User(user::Verb),
    /// Roles: what people may do
    #[command(subcommand)]
    Role(role::Verb),
    /// Administrators
    #[command(subcommand)]
    Admin(admin::Verb),
    /// Sessions: who is signed in
    #[command(subcommand)]
    Session(session::Verb),
    /// The audit trail: what happened, and is the account of it whole
    #[command(subcommand)]
    Event(event::Verb),
    /// The keys that sign access tokens
    #[command(subcommand)]
    Key(key::Verb),
    /// Service keys: which programs may ask
    #[command(subcommand)]
    ServiceKey(service_key::Verb),
    /// The configuration
    #[command(subcommand)]
    Config(config::verbs::Verb),
    /// Print the description of the HTTP interface (OpenAPI 3.1)
    Openapi,
    /// Print what completes commands in a shell
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help is an error to clap, too. Where nobody reads it there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::USAGE));
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let file = cli.config.as_deref();
    match cli.noun {
        None | Some(Noun::Serve) => serve::run(file),
        Some(Noun::Migrate(migrate)) => to_the_end(migrate.run(file)),
        Some(Noun::Doctor(doctor)) => to_the_end(doctor.run(file)),
        Some(Noun::User(verb)) => to_the_end(verb.run(file)),
        Some(Noun::Role(verb)) => to_the_end(verb.run(file)),
        Some(Noun::Admin(verb)) => to_the_end(verb.run(file)),
        Some(Noun::Session(verb)) => to_the_end(verb.run(file)),
        Some(Noun::Event(verb)) => to_the_end(verb.run(file)),
        Some(Noun::Key(verb)) => to_the_end(verb.run(file)),
        Some(Noun::ServiceKey(verb)) => to_the_end(verb.run(file)),
        Some(Noun::Config(verb)) => verb.run(file),
        Some(Noun::Openapi) => openapi::run(),
        Some(Noun::Completions(completions)) => completions.run(),
    }
}

/// Runs a command that ends by itself.
fn to_the_end(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Failure::new(format!("the system gives no event loop: {e}")))?.block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}
