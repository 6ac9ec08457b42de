//! How does somebody change their password, reset a forgotten one, or prove again that they know it?

use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::mail::{Purpose, SecretHash};
use keyward_core::password::Password;
use keyward_core::session::{End, EndReason};
use keyward_core::throttle::Throttle;

use super::links::New;
use super::sign_up::address;
use super::{ATTEMPTS, Grant, RefreshPart, crowded, unreadable};
use crate::access::Access;
use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error};
use crate::metrics::LoginMethod;
use crate::store::{Loaded, Name};
use crate::{Keyward, Session};

impl Keyward {
    /// Replaces the password of a session's person. Every other session of theirs ends; this one and
    /// its tokens go on.
    ///
    /// # Errors
    /// `validation_failed` with every rule that the new one breaks; `invalid_credentials` for the
    /// present one; `rate_limited` by the session; `overloaded`.
    pub async fn change_password(
        &self,
        session: &Session,
        current: Password,
        new: Password,
        client: &Client,
    ) -> Result<(), Error> {
        self.engine.change_password(session.access(), current, new, client).await
    }

    /// A fresh access token whose `auth_time` is now, for who proves again who they are.
    ///
    /// # Errors
    /// `invalid_credentials`; `rate_limited` by the session; `session_revoked`; `overloaded`.
    pub async fn reauthenticate(
        &self,
        session: &Session,
        password: Password,
        client: &Client,
    ) -> Result<Grant, Error> {
        self.engine.reauthenticate(session.access(), password, client).await
    }

    /// Sends a link to choose a new password, if there is an active account of this address: who
    /// asks is not told, and the answer takes as long.
    ///
    /// # Errors
    /// `validation_failed` for what is no address; `rate_limited` by the client's address.
    pub async fn forgot_password(&self, email: &str, client: &Client) -> Result<(), Error> {
        self.engine.forgot_password(email, client).await
    }

    /// Replaces the password of who received a link by mail, for a forgotten one or an invitation.
    /// Every session of theirs ends, and their address counts as confirmed.
    ///
    /// # Errors
    /// `validation_failed` for the new password, which leaves the link good; `invalid_reset_token`
    /// for a link that is used, past or unknown; `rate_limited`; `overloaded`.
    pub async fn reset_password(&self, token: &str, new: Password, client: &Client) -> Result<(), Error> {
        self.engine.reset_password(token, new, client).await
    }
}

impl Engine {
    /// Replaces the password of a session's person. Every other session of theirs ends, this one
    /// and its tokens go on.
    ///
    /// # Errors
    /// `validation_failed` for the new one; `invalid_credentials` for the present one;
    /// `rate_limited`; `overloaded`.
    pub(crate) async fn change_password(
        &self,
        access: &Access,
        current: Password,
        new: Password,
        client: &Client,
    ) -> Result<(), Error> {
        let broken = self.broken_rules("new_password", &new);
        if !broken.is_empty() {
            return Err(Denied::invalid(broken).into());
        }
        let Loaded { session, account, .. } = self.prove_again(access, "change", &current, client).await?;
        let password = self.hashing.hash(new, clock::random(), self.settings.cost).await?;
        let now = self.clock.now();
        let end = End { at: now, why: EndReason::PasswordChanged };
        let change = Change::of([
            Write::SetPassword { user: account.id, version: account.version, password },
            Write::EndSessionsOf {
                user: account.id,
                except: Some(session.id),
                end,
                until: self.matters_until(now),
            },
            self.password_notice(&account, client, now)?,
        ])
        .with(self.event(EventType::PasswordChanged, client, now).about(&account).in_session(session.id));
        // The account changed since the present password was proven: it has to be proven anew.
        self.decided(change).await?.map(drop).ok_or_else(crowded)
    }

    /// Sends a link to choose a new password, if there is an active account of this address: who
    /// asks is not told. As much is read, made and written for an address that nobody has.
    ///
    /// # Errors
    /// `validation_failed` for what is no address; `rate_limited` for who asks too often.
    pub(crate) async fn forgot_password(&self, email: &str, client: &Client) -> Result<(), Error> {
        let email = address(email)?;
        let key = format!("forgot {}", client.network());
        self.limit(Throttle::PasswordForgot, &key, client, None).await?;
        if !self.may_get_mail("forgot", &email, client).await {
            return Ok(());
        }
        let account = self.store.account(&Name::Email(email.clone())).await?;
        let now = self.clock.now();
        let event = self.event(EventType::PasswordResetRequested, client, now);
        let purpose = Purpose::Reset;
        let (event, writes) = match &account {
            Some(account) if account.is_active => {
                let new = New { purpose, user: account.id, to: &account.email, client, now };
                (event.about(account), self.link(new)?)
            }
            Some(account) => {
                (event.about(account).failed("account_inactive"), self.no_link(purpose, &email, client, now)?)
            }
            None => (event.failed("no_account"), self.no_link(purpose, &email, client, now)?),
        };
        self.commit(Change::of(writes).with(event)).await?;
        Ok(())
    }

    /// Replaces the password of who received a link, be it for a forgotten one or an invitation.
    /// Every session of theirs ends. That they read the mail confirms their address, too.
    ///
    /// # Errors
    /// `validation_failed` for the new password, which leaves the link good; `rate_limited`;
    /// `invalid_reset_token` for a link that is used, past or unknown; `overloaded`.
    pub(crate) async fn reset_password(
        &self,
        token: &str,
        new: Password,
        client: &Client,
    ) -> Result<(), Error> {
        let broken = self.broken_rules("new_password", &new);
        if !broken.is_empty() {
            return Err(Denied::invalid(broken).into());
        }
        self.limit(Throttle::Password, &format!("reset {}", client.network()), client, None).await?;
        let invalid = Denial::InvalidResetToken;
        let hash = SecretHash::of(token).ok_or(invalid)?;
        let load = || self.account_of_link(hash, Purpose::sets_password);
        let (mut link, mut account) = load().await?.ok_or(invalid)?;
        let password = self.hashing.hash(new, clock::random(), self.settings.cost).await?;
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let end = End { at: now, why: EndReason::PasswordChanged };
            let until = self.matters_until(now);
            let mut change = Change::of([
                // First: a new password ends every link of the account, this one too.
                Write::SpendLink { hash, at: now },
                Write::SetPassword { user: account.id, version: account.version, password: password.clone() },
                Write::ConfirmEmail { user: account.id, email: account.email.clone() },
                Write::EndSessionsOf { user: account.id, except: None, end, until },
                self.password_notice(&account, client, now)?,
            ])
            .with(
                self.event(EventType::PasswordReset, client, now)
                    .about(&account)
                    .saying("by", link.purpose.as_str()),
            );
            if !account.email_verified {
                change = change.with(self.event(EventType::EmailVerified, client, now).about(&account));
            }
            if self.decided(change).await?.is_some() {
                return Ok(());
            }
            (link, account) = load().await?.ok_or(invalid)?;
        }
        Err(crowded())
    }

    /// A fresh access token whose `auth_time` is now, for who proves again who they are.
    ///
    /// # Errors
    /// `invalid_credentials`; `rate_limited`; `overloaded`; `session_revoked`.
    pub(crate) async fn reauthenticate(
        &self,
        access: &Access,
        password: Password,
        client: &Client,
    ) -> Result<Grant, Error> {
        let proven = self.prove_again(access, "reauthenticate", &password, client).await;
        self.metrics.signed_in(LoginMethod::Reauthentication, &proven);
        proven?;
        for _ in 0..ATTEMPTS {
            let mut loaded = self.live(access).await?;
            let now = self.clock.now();
            let Loaded { session, account, .. } = &mut loaded;
            session.auth_time = now;
            "pwd".clone_into(&mut session.amr);
            let change = Change::of([
                Write::Reauthenticate { session: session.id, auth_time: now, amr: session.amr.clone() },
                Write::Note { session: session.id, seen: None, active_at: Some(now) },
            ])
            .with(
                self.event(EventType::Login, client, now)
                    .about(account)
                    .in_session(session.id)
                    .saying("again", true),
            );
            if self.decided(change).await?.is_none() {
                continue;
            }
            self.notes.active(session.id, now);
            loaded.session = self.with_notes(loaded.session);
            let (names, issued_at) = (access.token.claims.generation, access.token.claims.issued_at);
            let progress = loaded.session.known_or_proved(names, issued_at, now, &self.settings.policy);
            let roles = self.roles(loaded.role_table_version).await?;
            return self.grant(loaded.into(), &roles, &progress, names, RefreshPart::Kept, now).await;
        }
        Err(crowded())
    }

    async fn prove_again(
        &self,
        access: &Access,
        what: &str,
        password: &Password,
        client: &Client,
    ) -> Result<Loaded, Error> {
        let session = access.session();
        self.limit(Throttle::Password, &format!("{what} {session}"), client, Some(session)).await?;
        let loaded = self.live(access).await?;
        let hash = loaded.account.password.read().map_err(unreadable)?;
        if self.hashing.verify(password.clone(), hash).await?.right {
            return Ok(loaded);
        }
        let denial = Denial::InvalidCredentials;
        let event = self
            .event(EventType::LoginFailed, client, self.clock.now())
            .about(&loaded.account)
            .in_session(session)
            .failed(denial.code())
            .saying("at", what);
        self.write_failure(event, client).await?;
        Err(denial.into())
    }
}
