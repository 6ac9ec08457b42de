//! Which accounts are there, and how does an operator make one?

use keyward_core::account::Account;
use keyward_core::change::{Change, Write};
use keyward_core::event::EventType;
use keyward_core::id::{SessionId, UserId};
use keyward_core::mail::Purpose;
use keyward_core::password::Password;
use keyward_core::role;
use keyward_core::session::{End, EndReason, Session};

use super::links::New;
use super::sign_up::account;
use super::{ATTEMPTS, crowded};
use crate::client::Client;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error, FieldError};
use crate::store::{Name, NotCommitted};

impl Engine {
    /// Makes an account without signing anybody in. Without a password its person gets an invitation
    /// by mail to choose one, else a mail to confirm the address.
    ///
    /// # Errors
    /// `validation_failed`, `email_taken`, `phone_taken`, `overloaded`.
    pub(crate) async fn create_account(
        &self,
        email: &str,
        phone_number: Option<&str>,
        password: Option<Password>,
        mut roles: Vec<String>,
        client: &Client,
    ) -> Result<Account, Error> {
        let new = self.new_account(email, phone_number, password)?;
        roles.sort();
        roles.dedup();
        self.are_there(&roles).await?;
        self.is_free(&new).await?;
        let password = self.first_password(&new).await?;
        let now = self.clock.now();
        let account = account(&new, password, roles, now);
        let purpose = if new.password.is_some() { Purpose::Verification } else { Purpose::Invitation };
        let event =
            self.event(EventType::Signup, client, now).about(&account).saying("mail", purpose.as_str());
        let mut change = Change::of([Write::CreateAccount(Box::new(account.clone()))]).with(event);
        change.writes.extend(self.link(New {
            purpose,
            user: account.id,
            to: &account.email,
            client,
            now,
        })?);
        self.commit(change).await?;
        Ok(account)
    }

    /// Whether there are all of these roles.
    ///
    /// # Errors
    /// `validation_failed`, which says which ones there are.
    async fn are_there(&self, roles: &[String]) -> Result<(), Error> {
        let known = self.load_roles().await?;
        let unknown = roles.iter().filter(|role| !known.permissions.contains_key(*role));
        let names = known.permissions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let wrong: Vec<_> = unknown
            .map(|role| FieldError::new("roles", format!("{role:?} is no role; the roles are: {names}")))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(Denied::invalid(wrong).into()) }
    }

    /// Makes sure that there is an administrator of this name with this password: a new account,
    /// or the one that has the address, active from now on. Its sessions end, for their holders
    /// did not know that password. Who runs the installation vouches for the address.
    pub(crate) async fn upsert_admin(
        &self,
        email: &str,
        password: Password,
        client: &Client,
    ) -> Result<Account, Error> {
        let new = self.new_account(email, None, Some(password))?;
        let hash = self.first_password(&new).await?;
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let Some(known) = self.store.account(&Name::Email(new.email.clone())).await? else {
                let roles = vec![role::ADMIN.to_owned(), role::USER.to_owned()];
                let account = Account { email_verified: true, ..account(&new, hash.clone(), roles, now) };
                let event = self.event(EventType::Signup, client, now).about(&account);
                let create = Write::CreateAccount(Box::new(account.clone()));
                match self.commit(Change::of([create]).with(event)).await {
                    Ok(_) => return Ok(account),
                    Err(NotCommitted::Conflict(_)) => continue,
                    Err(fault) => return Err(fault.into()),
                }
            };
            let mut roles = known.roles.clone();
            roles.push(role::ADMIN.to_owned());
            roles.sort();
            roles.dedup();
            let end = End { at: now, why: EndReason::PasswordChanged };
            let until = self.matters_until(now);
            let change = Change::of([
                Write::SetPassword { user: known.id, version: known.version, password: hash.clone() },
                Write::SetRoles {
                    user: known.id,
                    version: known.version + 1,
                    roles: roles.clone(),
                    is_active: true,
                },
                Write::ConfirmEmail { user: known.id, email: known.email.clone() },
                Write::EndSessionsOf { user: known.id, except: None, end, until },
                self.password_notice(&known, client, now)?,
            ])
            .with(self.event(EventType::PasswordChanged, client, now).about(&known))
            .with(
                self.event(EventType::RolesChanged, client, now).about(&known).saying("roles", roles.clone()),
            );
            if self.decided(change).await?.is_some() {
                return Ok(Account { roles, is_active: true, email_verified: true, ..known });
            }
        }
        Err(crowded())
    }

    /// The account of that id.
    pub(crate) async fn account(&self, name: &Name) -> Result<Option<Account>, Error> {
        Ok(self.store.account(name).await?)
    }

    /// Some accounts by id, after that one.
    pub(crate) async fn accounts(&self, after: UserId, limit: u32) -> Result<Vec<Account>, Error> {
        Ok(self.store.accounts(after, limit).await?)
    }

    /// Some open sessions of everybody by id, after that one.
    pub(crate) async fn sessions(&self, after: SessionId, limit: u32) -> Result<Vec<Session>, Error> {
        Ok(self.store.sessions(after, limit).await?)
    }

    /// Whether anybody can administer the installation.
    pub(crate) async fn has_admin(&self) -> Result<bool, Error> {
        Ok(self.store.has_role(role::ADMIN).await?)
    }
}
