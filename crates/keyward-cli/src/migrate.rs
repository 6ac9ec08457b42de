//! `keyward migrate`: brings the database up to date, as every start does.

use std::path::Path;

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::print;

/// Migrates the database; one that is not there is made.
pub(crate) async fn run(file: Option<&Path>) -> Result<(), Failure> {
    let (_, config) = open::beside(file, Missing::Make).await?;
    print::line(&format!("{} is up to date.", config.database().display()))
}
