//! `keyward config`: is it right, what is in force, and what can be set?

use std::path::Path;

use clap::Subcommand;

use super::{default_file, schema};
use crate::failure::Failure;
use crate::{open, print};

/// What can be asked of the configuration.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Find mistakes without starting
    Check,
    /// Print what is in force and where each value comes from, secrets masked
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of a configuration file, for editors
    Schema,
    /// Print a file of everything that can be set, explained, with the defaults
    Default,
}

impl Verb {
    pub(crate) fn run(&self, file: Option<&Path>) -> Result<(), Failure> {
        match self {
            Self::Check => {
                open::configuration(file)?;
                print::line("The configuration is in order.")
            }
            Self::Show { json } => print::text(&open::configuration(file)?.show(*json)),
            Self::Schema => print::json(&schema()),
            Self::Default => print::text(&default_file()),
        }
    }
}
