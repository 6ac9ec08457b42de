//! `keyward admin`: who administers this installation?

use std::path::Path;

use clap::Subcommand;
use keyward::Client;

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::{password, print};

/// What can be done about administrators.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make sure that there is an active administrator of this address with this password
    ///
    /// An account that has the address gets the role and the password, and is signed out
    /// everywhere; else one is made.
    Upsert {
        /// The e-mail address
        email: String,
        #[command(flatten)]
        password: password::From,
    },
}

impl Verb {
    pub(crate) async fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let Self::Upsert { email, password } = self;
        let (keyward, config) = open::beside(file, Missing::Make).await?;
        let account = keyward.upsert_admin(&email, password.get()?, &Client::operator()).await?;
        print::line(&format!("{} ({}) is an administrator in {}.", account.email, account.id, config.data()))
    }
}
