//! How does somebody sign up?

use keyward_core::account::Account;
use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::email::Email;
use keyward_core::event::EventType;
use keyward_core::id::{SessionId, UserId};
use keyward_core::password::{Password, PasswordHash};
use keyward_core::phone::Phone;
use keyward_core::role;
use keyward_core::session::Transport;
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;

use super::{Grant, crowded};
use crate::Keyward;
use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error, FieldError};
use crate::store::Name;

/// What somebody signs up with.
pub(crate) struct SignUp {
    /// What the account is to be made of.
    pub(crate) new: NewAccount,
    /// How the session's tokens are to travel.
    pub(crate) transport: Transport,
    /// The session that this browser held until now; it ends.
    pub(crate) replaces: Option<SessionId>,
}

/// What an account is made of, once it is known to be valid.
pub(crate) struct NewAccount {
    pub(super) email: Email,
    pub(super) phone_number: Option<Phone>,
    /// `None`: its person is invited to choose one.
    pub(super) password: Option<Password>,
}

/// What a signup brings.
#[derive(Debug, Clone)]
pub enum SignedUp {
    /// A session.
    In(Box<Grant>),
    /// An account whose address has to be confirmed before anybody signs in to it.
    Unconfirmed(Box<Account>),
}

/// The address that somebody typed.
///
/// # Errors
/// `validation_failed` where it is none.
pub(super) fn address(text: &str) -> Result<Email, Error> {
    let mut wrong = Vec::new();
    email(text, &mut wrong).ok_or_else(|| Denied::invalid(wrong).into())
}

impl Keyward {
    /// Makes an account of the role `user`, sends a mail to confirm its address, and opens its
    /// first session, with bearer tokens; where `accounts.require_verified_email` is set it opens
    /// none. A browser signs up at `POST /api/auth/signup`, which sets cookies.
    ///
    /// ```
    /// # async fn run(keyward: keyward::Keyward) -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward::{Client, Password, SignedUp};
    ///
    /// let password = Password::try_from("Correct-Horse-7".to_owned())?;
    /// let client = Client::new([203, 0, 113, 7].into(), "our gRPC server");
    /// match keyward.sign_up("ada@example.com", None, password, &client).await? {
    ///     SignedUp::In(grant) => println!("{} until {}", grant.user_id(), grant.expires_at()),
    ///     SignedUp::Unconfirmed(account) => println!("a mail went to {}", account.email),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` with every field that is wrong; `rate_limited` by the client's address;
    /// `signup_closed`; `email_taken`, `phone_taken`; `overloaded`.
    pub async fn sign_up(
        &self,
        email: &str,
        phone_number: Option<&str>,
        password: Password,
        client: &Client,
    ) -> Result<SignedUp, Error> {
        let new = self.engine.new_account(email, phone_number, Some(password))?;
        self.engine.sign_up(SignUp { new, transport: Transport::Bearer, replaces: None }, client).await
    }
}

impl Engine {
    /// Makes an account, sends a mail to confirm its address, and opens its first session, unless
    /// that has to wait for the address to be confirmed.
    ///
    /// # Errors
    /// `rate_limited`; `signup_closed`; `email_taken`, `phone_taken`; `overloaded`.
    pub(crate) async fn sign_up(&self, sign_up: SignUp, client: &Client) -> Result<SignedUp, Error> {
        let new = sign_up.new;
        self.limit(Throttle::Signup, &client.network(), client, None).await?;
        if !self.settings.open_signup {
            return Err(Denial::SignupClosed.into());
        }
        self.is_free(&new).await?;
        let password = self.hash_of(&new).await?;
        let now = self.clock.now();
        let account = account(&new, password, vec![role::USER.to_owned()], now);
        let mut change = Change::of([Write::CreateAccount(Box::new(account.clone()))]);
        change.writes.extend(self.verification(&account, client, now)?);
        self.replace(sign_up.replaces, &mut change, client, now).await?;
        let event =
            self.event(EventType::Signup, client, now).saying("transport", sign_up.transport.as_str());
        // Nobody else knows the account: only the session it replaces can have ended meanwhile.
        if self.settings.require_verified_email {
            let done = self.decided(change.with(event.about(&account))).await?;
            return done.map(|_| SignedUp::Unconfirmed(Box::new(account))).ok_or_else(crowded);
        }
        let grant = self.open_session(account, sign_up.transport, change, event, client, now).await?;
        grant.map(|grant| SignedUp::In(Box::new(grant))).ok_or_else(crowded)
    }

    /// Reads what an account is to be made of.
    ///
    /// # Errors
    /// `validation_failed`, with everything that is wrong.
    pub(crate) fn new_account(
        &self,
        email: &str,
        phone: Option<&str>,
        password: Option<Password>,
    ) -> Result<NewAccount, Error> {
        let mut wrong = Vec::new();
        let email = self::email(email, &mut wrong);
        let phone_number = phone.and_then(|text| self::phone(text, &mut wrong));
        if let Some(password) = &password {
            wrong.extend(self.broken_rules("password", password));
        }
        match email {
            Some(email) if wrong.is_empty() => Ok(NewAccount { email, phone_number, password }),
            _ => Err(Denied::invalid(wrong).into()),
        }
    }

    /// The hash of a new account's password; of nobody's where it has none.
    pub(super) async fn hash_of(&self, new: &NewAccount) -> Result<PasswordHash, Error> {
        match &new.password {
            Some(password) => {
                Ok(self.hashing.hash(password.clone(), clock::random(), self.settings.cost).await?)
            }
            None => Ok(self.nobody.clone()),
        }
    }

    /// What is wrong with a password that somebody chose.
    pub(super) fn broken_rules(&self, field: &str, password: &Password) -> Vec<FieldError> {
        let broken = self.settings.passwords.check(password.as_str()).err().unwrap_or_default();
        broken.iter().map(|rule| FieldError::new(field, rule.to_string())).collect()
    }

    /// Whether the names of an account are free, before any work is done for it. The store has the
    /// last word when it is made.
    pub(super) async fn is_free(&self, new: &NewAccount) -> Result<(), Error> {
        if self.store.account(&Name::Email(new.email.clone())).await?.is_some() {
            return Err(Denial::EmailTaken.into());
        }
        if let Some(phone) = &new.phone_number
            && self.store.account(&Name::Phone(phone.clone())).await?.is_some()
        {
            return Err(Denial::PhoneTaken.into());
        }
        Ok(())
    }
}

/// The e-mail address that this text is, or what is wrong with it.
pub(super) fn email(text: &str, wrong: &mut Vec<FieldError>) -> Option<Email> {
    let email = text.parse().ok();
    if email.is_none() {
        wrong.push(FieldError::new("email", "give an e-mail address such as ada@example.com"));
    }
    email
}

/// The phone number that this text is, or what is wrong with it.
pub(super) fn phone(text: &str, wrong: &mut Vec<FieldError>) -> Option<Phone> {
    text.parse::<Phone>()
        .map_err(|invalid| wrong.push(FieldError::new("phone_number", invalid.to_string())))
        .ok()
}

/// A new account with these roles.
pub(super) fn account(
    new: &NewAccount,
    password: PasswordHash,
    roles: Vec<String>,
    now: Timestamp,
) -> Account {
    Account {
        id: UserId::new(now, clock::random()),
        email: new.email.clone(),
        email_verified: false,
        phone_number: new.phone_number.clone(),
        phone_number_verified: false,
        password: password.into(),
        roles,
        is_active: true,
        roles_version: 0,
        version: 0,
        created_at: now,
        last_login_at: None,
    }
}
