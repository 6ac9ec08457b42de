//! How is the first administrator made, by who holds the link that every start prints?

use keyward_core::denial::Denial;
use keyward_core::password::Password;
use keyward_core::session::Transport;

use super::Grant;
use super::sign_in::{Former, SignIn};
use crate::client::Client;
use crate::engine::Engine;
use crate::error::Error;

/// What the first administrator is made of.
#[derive(Debug)]
pub(crate) struct SetUp {
    /// The secret of the link.
    pub(crate) token: String,
    /// The e-mail address, as it was typed.
    pub(crate) email: String,
    /// The password.
    pub(crate) password: Password,
    /// How the session's tokens are to travel.
    pub(crate) transport: Transport,
    /// What this browser held until now; it ends.
    pub(crate) replaces: Former,
}

impl Engine {
    /// Whether this is the secret of the link.
    pub(crate) fn is_setup_token(&self, given: &str) -> bool {
        let token = self.setup_token();
        aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), token.as_bytes()).is_ok()
    }

    /// Makes the first administrator and signs them in. An account of this address becomes one: who
    /// holds the link runs the installation.
    ///
    /// # Errors
    /// `not_found` for another secret, or where there is an administrator; `validation_failed`; those
    /// of a login.
    pub(crate) async fn set_up(&self, set_up: SetUp, client: &Client) -> Result<Grant, Error> {
        let SetUp { token, email, password, transport, replaces } = set_up;
        if !self.is_setup_token(&token) || self.has_admin().await? {
            return Err(Denial::NotFound.into());
        }
        self.make_admin(&email, password.clone(), true, client).await?;
        let sign_in = SignIn { name: email, by_phone: false, password, transport, replaces };
        self.sign_in(sign_in, client).await
    }
}
