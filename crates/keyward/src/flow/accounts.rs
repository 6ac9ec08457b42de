//! How is an account made, changed and deleted?

use std::collections::{BTreeMap, BTreeSet};

use keyward_core::account::Account;
use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::email::Email;
use keyward_core::event::EventType;
use keyward_core::id::{SessionId, UserId};
use keyward_core::mail::Purpose;
use keyward_core::password::Password;
use keyward_core::phone::Phone;
use keyward_core::revocation::Revocation;
use keyward_core::role;
use keyward_core::session::{End, EndReason, Session};
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;
use serde_json::json;

use super::links::New;
use super::sign_up::{self, account};
use super::{ATTEMPTS, crowded};
use crate::Keyward;
use crate::access::Access;
use crate::client::Client;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error};
use crate::store::{Name, NotCommitted};

/// What is to be otherwise about an account; what is not said stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Whether it may sign in. Whoever may not has no session.
    pub is_active: Option<bool>,
    /// All its roles.
    pub roles: Option<Vec<String>>,
    /// Its e-mail address; not verified yet.
    pub email: Option<String>,
    /// Its phone number, or none; not verified yet.
    pub phone_number: Option<Option<String>>,
}

/// The same once it is known to be valid.
struct Valid {
    is_active: Option<bool>,
    roles: Option<Vec<String>>,
    email: Option<Email>,
    phone_number: Option<Option<Phone>>,
}

impl AccountChange {
    /// Whether it asks for the roles or the e-mail address: who can change those can take an
    /// account over.
    pub fn is_grave(&self) -> bool {
        self.roles.is_some() || self.email.is_some()
    }
}

impl Keyward {
    /// Makes an account without signing anybody in. Each of the roles has to be there. Without a
    /// password its person gets an invitation by mail to choose one.
    ///
    /// # Errors
    /// `validation_failed`, `email_taken`, `phone_taken`.
    pub async fn create_account(
        &self,
        email: &str,
        phone_number: Option<&str>,
        password: Option<Password>,
        roles: Vec<String>,
        client: &Client,
    ) -> Result<Account, Error> {
        self.engine.create_account(email, phone_number, password, roles, client).await
    }

    /// Makes sure that there is an active administrator of this name with this password.
    ///
    /// # Errors
    /// `validation_failed`.
    pub async fn upsert_admin(
        &self,
        email: &str,
        password: Password,
        client: &Client,
    ) -> Result<Account, Error> {
        self.engine.upsert_admin(email, password, client).await
    }

    /// The account of this e-mail address or id.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn account(&self, name: &str) -> Result<Option<Account>, Error> {
        let name = match (name.parse(), name.parse()) {
            (Ok(id), _) => Name::Id(id),
            (_, Ok(email)) => Name::Email(email),
            _ => return Ok(None),
        };
        self.engine.account(&name).await
    }

    /// The secret of the link by which the first administrator is made; `None` where there is one.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn setup_token(&self) -> Result<Option<String>, Error> {
        Ok(if self.engine.has_admin().await? { None } else { Some(self.engine.setup_token()) })
    }

    /// Changes an account. What it loses is in force before this returns: a deactivated account has
    /// no session, and no token says roles or an address that it no longer has.
    ///
    /// # Errors
    /// `not_found`; `validation_failed`; `email_taken`, `phone_taken`; `last_admin`.
    pub async fn change_account(
        &self,
        user: UserId,
        change: AccountChange,
        client: &Client,
    ) -> Result<Account, Error> {
        self.engine.change_account(user, change, client).await
    }

    /// Deletes an account with its sessions. What the audit trail says of it stays.
    ///
    /// # Errors
    /// `not_found`; `last_admin`.
    pub async fn delete_account(&self, user: UserId, client: &Client) -> Result<(), Error> {
        self.engine.delete_account(user, client).await
    }
}

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
        let password = self.hash_of(&new).await?;
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let account = account(&new, password.clone(), roles.clone(), now);
            let purpose = if new.password.is_some() { Purpose::Verification } else { Purpose::Invitation };
            let event = self.event(EventType::Signup, client, now).about(&account);
            let mut change = Change::of([Write::CreateAccount(Box::new(account.clone()))])
                .with(event.saying("mail", purpose.as_str()));
            let new_link = New { purpose, user: account.id, to: &account.email, client, now };
            change.writes.extend(self.link(new_link)?);
            if self.decided(change).await?.is_some() {
                return Ok(account);
            }
            // A role was deleted meanwhile.
            self.are_there(&roles).await?;
        }
        Err(crowded())
    }

    /// Changes an account.
    ///
    /// # Errors
    /// `validation_failed`; `not_found`; `email_taken`, `phone_taken`; `last_admin`; `overloaded`.
    pub(crate) async fn change_account(
        &self,
        user: UserId,
        change: AccountChange,
        client: &Client,
    ) -> Result<Account, Error> {
        let valid = valid(change)?;
        for _ in 0..ATTEMPTS {
            if let Some(roles) = &valid.roles {
                self.are_there(roles).await?;
            }
            let account = self.store.account(&Name::Id(user)).await?.ok_or(Denial::NotFound)?;
            let (after, change) = self.decide_change(account, &valid, client, self.clock.now())?;
            if change.is_empty() || self.decided(change).await?.is_some() {
                return Ok(after);
            }
        }
        Err(crowded())
    }

    /// Replaces the phone number of a session's person.
    ///
    /// # Errors
    /// `validation_failed`; `rate_limited`; `phone_taken`; `session_revoked`; `overloaded`.
    pub(crate) async fn change_own_phone(
        &self,
        access: &Access,
        phone_number: Option<String>,
        client: &Client,
    ) -> Result<(), Error> {
        let valid = valid(AccountChange { phone_number: Some(phone_number), ..AccountChange::default() })?;
        // Whose number it is that is taken is not for everybody to try out.
        let session = access.session();
        self.limit(Throttle::Password, &format!("profile {session}"), client, Some(session)).await?;
        for _ in 0..ATTEMPTS {
            let account = self.live(access).await?.account;
            let (_, mut change) = self.decide_change(account, &valid, client, self.clock.now())?;
            for event in &mut change.events {
                event.session = Some(access.session());
            }
            if change.is_empty() || self.decided(change).await?.is_some() {
                access.forget_view();
                return Ok(());
            }
        }
        Err(crowded())
    }

    /// What the account will be, and what brings that about; nothing where it is so already.
    fn decide_change(
        &self,
        before: Account,
        wanted: &Valid,
        client: &Client,
        now: Timestamp,
    ) -> Result<(Account, Change), Error> {
        let mut after = before.clone();
        let mut change = Change::default();
        let until = self.matters_until(now);
        let user = before.id;
        // Deactivated first and activated last, so that whoever administers is judged as they were.
        if wanted.is_active == Some(false) && before.is_active {
            let end = End { at: now, why: EndReason::Deactivated };
            change.writes.push(Write::SetActive { user, version: after.version, is_active: false });
            change.writes.push(Write::EndSessionsOf { user, except: None, end, until });
            change.events.push(self.event(EventType::UserDeactivated, client, now).about(&before));
            after = Account { is_active: false, version: after.version + 1, ..after };
        }
        if let Some(roles) = wanted.roles.as_ref().filter(|roles| **roles != before.roles) {
            change.writes.push(Write::SetRoles { user, version: after.version, roles: roles.clone() });
            let event = self.event(EventType::RolesChanged, client, now).about(&before);
            change.events.push(event.saying("before", before.roles.clone()).saying("after", roles.clone()));
            after.roles.clone_from(roles);
            after.roles_version += 1;
            after.version += 1;
        }
        let mut renamed = None;
        if let Some(email) = wanted.email.as_ref().filter(|email| **email != before.email) {
            change.writes.push(Write::SetEmail { user, version: after.version, email: email.clone() });
            let event = self.event(EventType::UserChanged, client, now).about(&before);
            let (from, to) = (before.email.as_str(), email.as_str());
            renamed = Some(event.saying("email", json!({ "before": from, "after": to })));
            after.email = email.clone();
            after.email_verified = false;
            after.roles_version += 1;
            after.version += 1;
            // After the address is another one, which ends every link.
            change.writes.extend(self.email_changed(&after, &before.email, client, now)?);
        }
        if let Some(phone) = wanted.phone_number.as_ref().filter(|phone| **phone != before.phone_number) {
            change.writes.push(Write::SetPhone { user, version: after.version, phone_number: phone.clone() });
            let event =
                renamed.unwrap_or_else(|| self.event(EventType::UserChanged, client, now).about(&before));
            let (from, to) = (&before.phone_number, phone);
            renamed = Some(event.saying("phone_number", json!({ "before": from, "after": to })));
            after.phone_number.clone_from(phone);
            after.phone_number_verified = false;
            after.version += 1;
        }
        change.events.extend(renamed);
        if after.roles_version != before.roles_version {
            let revocation = Revocation::User(user, after.roles_version);
            change.writes.push(Write::Revoke { revocation, until });
        }
        if wanted.is_active == Some(true) && !before.is_active {
            change.writes.push(Write::SetActive { user, version: after.version, is_active: true });
            change.events.push(self.event(EventType::UserActivated, client, now).about(&before));
            after = Account { is_active: true, version: after.version + 1, ..after };
        }
        Ok((after, change))
    }

    /// Deletes an account.
    ///
    /// # Errors
    /// `not_found`; `last_admin`; `overloaded`.
    pub(crate) async fn delete_account(&self, user: UserId, client: &Client) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let account = self.store.account(&Name::Id(user)).await?.ok_or(Denial::NotFound)?;
            let now = self.clock.now();
            // The sessions go with the account; ended first, their tokens are known to be over.
            let end = End { at: now, why: EndReason::Revoked };
            let change = Change::of([
                Write::EndSessionsOf { user, except: None, end, until: self.matters_until(now) },
                Write::DeleteAccount { user, version: account.version },
            ])
            .with(self.event(EventType::UserDeleted, client, now).about(&account));
            if self.decided(change).await?.is_some() {
                return Ok(());
            }
        }
        Err(crowded())
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
        self.make_admin(email, password, false, client).await
    }

    /// The same, for `the_first` on condition that nobody administers.
    ///
    /// # Errors
    /// `not_found` where somebody does.
    pub(super) async fn make_admin(
        &self,
        email: &str,
        password: Password,
        the_first: bool,
        client: &Client,
    ) -> Result<Account, Error> {
        let condition = the_first.then_some(Write::NobodyAdministers);
        let new = self.new_account(email, None, Some(password))?;
        let hash = self.hash_of(&new).await?;
        for _ in 0..ATTEMPTS {
            if the_first && self.has_admin().await? {
                return Err(Denial::NotFound.into());
            }
            let now = self.clock.now();
            let Some(known) = self.store.account(&Name::Email(new.email.clone())).await? else {
                let roles = vec![role::ADMIN.to_owned(), role::USER.to_owned()];
                let account = Account { email_verified: true, ..account(&new, hash.clone(), roles, now) };
                let event = self.event(EventType::Signup, client, now).about(&account);
                let create = Write::CreateAccount(Box::new(account.clone()));
                let change = Change::of(condition.clone().into_iter().chain([create])).with(event);
                match self.commit(change).await {
                    Ok(_) => return Ok(account),
                    Err(NotCommitted::Conflict(_)) => continue,
                    Err(fault) => return Err(fault.into()),
                }
            };
            let mut roles = known.roles.clone();
            self.load_roles().await?.retain_known(&mut roles);
            roles.push(role::ADMIN.to_owned());
            roles.sort();
            roles.dedup();
            let end = End { at: now, why: EndReason::PasswordChanged };
            let until = self.matters_until(now);
            let event = |kind| self.event(kind, client, now).about(&known);
            let writes = [
                Write::SetPassword { user: known.id, version: known.version, password: hash.clone() },
                Write::SetRoles { user: known.id, version: known.version + 1, roles: roles.clone() },
                Write::SetActive { user: known.id, version: known.version + 2, is_active: true },
                Write::ConfirmEmail { user: known.id, email: known.email.clone() },
                Write::EndSessionsOf { user: known.id, except: None, end, until },
                self.password_notice(&known, client, now)?,
            ];
            let mut change = Change::of(condition.clone().into_iter().chain(writes))
                .with(event(EventType::PasswordChanged));
            if roles != known.roles {
                let (before, after) = (known.roles.clone(), roles.clone());
                let changed = event(EventType::RolesChanged).saying("before", before).saying("after", after);
                change.events.push(changed);
            }
            if !known.email_verified {
                change.events.push(event(EventType::EmailVerified));
            }
            if !known.is_active {
                change.events.push(event(EventType::UserActivated));
            }
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

    /// The addresses of those of these accounts that there are.
    pub(crate) async fn addresses(
        &self,
        users: impl Iterator<Item = UserId>,
    ) -> Result<BTreeMap<UserId, String>, Error> {
        let mut addresses = BTreeMap::new();
        for user in users.collect::<BTreeSet<_>>() {
            if let Some(account) = self.account(&Name::Id(user)).await? {
                addresses.insert(user, account.email.to_string());
            }
        }
        Ok(addresses)
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

/// Reads what an account is to be.
fn valid(change: AccountChange) -> Result<Valid, Error> {
    let AccountChange { is_active, roles, email, phone_number } = change;
    let mut wrong = Vec::new();
    let email = email.and_then(|text| sign_up::email(&text, &mut wrong));
    let phone_number = phone_number.map(|text| text.and_then(|text| sign_up::phone(&text, &mut wrong)));
    let roles = roles.map(|mut roles| {
        roles.sort_unstable();
        roles.dedup();
        roles
    });
    if wrong.is_empty() {
        Ok(Valid { is_active, roles, email, phone_number })
    } else {
        Err(Denied::invalid(wrong).into())
    }
}
