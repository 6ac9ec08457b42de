//! How does somebody show that an e-mail address is theirs?

use keyward_core::account::Account;
use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::mail::{Purpose, SecretHash};
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;

use super::links::New;
use super::sign_up::address;
use super::{ATTEMPTS, crowded};
use crate::Keyward;
use crate::access::Access;
use crate::client::Client;
use crate::engine::{About as _, Engine};
use crate::error::Error;
use crate::store::Name;

/// Whose address is to be confirmed.
pub(crate) enum Whose<'a> {
    /// That of who is signed in.
    Own(&'a Access),
    /// One that somebody names.
    Named(&'a str),
}

impl Keyward {
    /// Takes the secret of a link in a mail as proof that its person receives mail there.
    ///
    /// # Errors
    /// `invalid_verification_token` for a link that is used, past or unknown; `rate_limited`.
    pub async fn verify_email(&self, token: &str, client: &Client) -> Result<(), Error> {
        self.engine.verify_email(token, client).await
    }

    /// Sends another mail by which this address can be confirmed, if there is something to confirm:
    /// who asks is not told.
    ///
    /// # Errors
    /// `validation_failed` for what is no address; `rate_limited` by the client's address.
    pub async fn resend_verification(&self, email: &str, client: &Client) -> Result<(), Error> {
        self.engine.resend_verification(Whose::Named(email), client).await
    }
}

impl Engine {
    /// Takes a link of a mail as proof that its person receives mail there.
    ///
    /// # Errors
    /// `rate_limited`; `invalid_verification_token` for a link that is used, past or unknown.
    pub(crate) async fn verify_email(&self, token: &str, client: &Client) -> Result<(), Error> {
        self.limit(Throttle::Password, &format!("verify {}", client.network()), client, None).await?;
        let invalid = Denial::InvalidVerificationToken;
        let hash = SecretHash::of(token).ok_or(invalid)?;
        for _ in 0..ATTEMPTS {
            let (_, account) = self
                .account_of_link(hash, |purpose| purpose == Purpose::Verification)
                .await?
                .ok_or(invalid)?;
            let now = self.clock.now();
            let change = Change::of([
                Write::SpendLink { hash, at: now },
                Write::ConfirmEmail { user: account.id, email: account.email.clone() },
            ])
            .with(self.event(EventType::EmailVerified, client, now).about(&account));
            if self.decided(change).await?.is_some() {
                return Ok(());
            }
        }
        Err(crowded())
    }

    /// Sends another mail by which an address can be confirmed, if there is something to confirm:
    /// who asks is not told.
    ///
    /// # Errors
    /// `validation_failed` for what is no address; `rate_limited` for who asks too often.
    pub(crate) async fn resend_verification(&self, whose: Whose<'_>, client: &Client) -> Result<(), Error> {
        let email = match whose {
            Whose::Own(access) => self.live(access).await?.account.email,
            Whose::Named(text) => address(text)?,
        };
        let key = format!("verification {}", client.network());
        self.limit(Throttle::PasswordForgot, &key, client, None).await?;
        if !self.may_get_mail("verification", &email, client).await {
            return Ok(());
        }
        let account = self.store.account(&Name::Email(email.clone())).await?;
        let now = self.clock.now();
        let event = self.event(EventType::EmailVerificationRequested, client, now);
        let nothing = || self.no_link(Purpose::Verification, &email, client, now);
        let (event, writes) = match &account {
            Some(account) if account.is_active && !account.email_verified => {
                (event.about(account), self.verification(account, client, now)?)
            }
            Some(account) if account.is_active => (event.about(account).failed("email_verified"), nothing()?),
            Some(account) => (event.about(account).failed("account_inactive"), nothing()?),
            None => (event.failed("no_account"), nothing()?),
        };
        self.commit(Change::of(writes).with(event)).await?;
        Ok(())
    }

    /// The writes that ask an account to confirm its address.
    pub(super) fn verification(
        &self,
        account: &Account,
        client: &Client,
        now: Timestamp,
    ) -> Result<[Write; 2], Error> {
        let (purpose, to) = (Purpose::Verification, &account.email);
        self.link(New { purpose, user: account.id, to, client, now })
    }
}
