//! How do the accounts of another system come in, with the hashes of their passwords?

use std::collections::HashSet;
use std::fmt::Display;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use keyward_core::account::Account;
use keyward_core::change::{Change, Write};
use keyward_core::email::Email;
use keyward_core::event::EventType;
use keyward_core::id::UserId;
use keyward_core::password::PasswordHash;
use keyward_core::phone::Phone;
use keyward_core::policy::CLOCK_SKEW;
use keyward_core::role::{self, Roles};
use keyward_core::time::Timestamp;
use serde_json::Value;

use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::{Error, FieldError};
use crate::store::{Name, NotCommitted};
use crate::{Fault, Keyward};

/// An account of another system, as one line of an import describes it.
#[derive(Debug, Clone)]
pub struct ImportedUser {
    email: Email,
    email_verified: bool,
    phone_number: Option<Phone>,
    password: PasswordHash,
    roles: Vec<String>,
    is_active: bool,
    created_at: Option<Timestamp>,
}

/// What became of one account of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// It was made; of a check: it can be.
    Made,
    /// It came in with an earlier import.
    AlreadyThere,
    /// It was not made, for these reasons.
    Refused(Vec<FieldError>),
}

/// The fields of a line. Another one is a mistake: `active: false` taken for nothing would let
/// somebody in.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    email: Option<Value>,
    email_verified: Option<Value>,
    phone_number: Option<Value>,
    password_hash: Option<Value>,
    roles: Option<Value>,
    is_active: Option<Value>,
    created_at: Option<Value>,
}

impl ImportedUser {
    /// Reads `{email, phone_number?, password_hash, roles?, is_active?, email_verified?,
    /// created_at?}`: without roles it is a `user`, without more it is active and its address not
    /// confirmed.
    ///
    /// # Errors
    /// Everything that is wrong with it, by field; never with a part of the hash.
    pub fn from_json(line: &[u8]) -> Result<Self, Vec<FieldError>> {
        let line: Line = serde_json::from_slice(line).map_err(|error| vec![no_line(&error)])?;
        let mut wrong = Vec::new();
        let email = text("email", line.email, &mut wrong);
        let email = parsed("email", email, &mut wrong);
        let phone = text("phone_number", line.phone_number, &mut wrong);
        let phone_number = parsed("phone_number", phone, &mut wrong);
        let hash = text("password_hash", line.password_hash, &mut wrong);
        let password = parsed("password_hash", hash, &mut wrong);
        let created = text("created_at", line.created_at, &mut wrong);
        let created_at = parsed("created_at", created, &mut wrong);
        let is_active = flag("is_active", line.is_active, true, &mut wrong);
        let email_verified = flag("email_verified", line.email_verified, false, &mut wrong);
        let roles = roles(line.roles, &mut wrong);
        for (field, there) in [("email", email.is_some()), ("password_hash", password.is_some())] {
            if !there && !wrong.iter().any(|w| w.field == field) {
                wrong.push(FieldError::new(field, "this field is missing"));
            }
        }
        match (email, password) {
            (Some(email), Some(password)) if wrong.is_empty() => {
                Ok(Self { email, email_verified, phone_number, password, roles, is_active, created_at })
            }
            _ => Err(wrong),
        }
    }

    /// The names that no other account may have.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.email.as_str()).chain(self.phone_number.as_ref().map(Phone::as_str))
    }

    /// By what it is known again.
    fn digest(&self) -> [u8; 16] {
        let whole = digest(&SHA256, self.password.as_str().as_bytes());
        std::array::from_fn(|i| whole.as_ref()[i])
    }

    fn account(&self, now: Timestamp) -> Account {
        Account {
            id: UserId::new(now, clock::random()),
            email: self.email.clone(),
            email_verified: self.email_verified,
            phone_number: self.phone_number.clone(),
            phone_number_verified: false,
            password: self.password.clone().into(),
            roles: self.roles.clone(),
            is_active: self.is_active,
            roles_version: 0,
            version: 0,
            created_at: self.created_at.unwrap_or(now),
            last_login_at: None,
        }
    }
}

impl Keyward {
    /// What would become of these accounts. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn check_import(&self, users: &[ImportedUser]) -> Result<Vec<Imported>, Error> {
        let roles = self.engine.load_roles().await?;
        let mut outcomes = Vec::with_capacity(users.len());
        for user in users {
            outcomes.push(self.engine.look_at(user, &roles).await?.unwrap_or(Imported::Made));
        }
        Ok(outcomes)
    }

    /// Makes accounts of these, as many at once as can be: what is refused takes no other with it.
    /// Whoever uses one signs in with the password they have, which is then hashed anew.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer. Some may have been made; asked again,
    /// they are there already.
    pub async fn import(&self, users: &[ImportedUser], client: &Client) -> Result<Vec<Imported>, Error> {
        let engine = &self.engine;
        let roles = engine.load_roles().await?;
        let mut outcomes = Vec::with_capacity(users.len());
        let mut batch: Vec<(usize, &ImportedUser)> = Vec::new();
        let mut names = HashSet::new();
        for user in users {
            // One that has a name of this batch can only be judged when that is written.
            if user.names().any(|name| names.contains(name)) {
                engine.make(&mut batch, &mut outcomes, &roles, client).await?;
                names.clear();
            }
            match engine.look_at(user, &roles).await? {
                Some(outcome) => outcomes.push(outcome),
                None => {
                    names.extend(user.names());
                    batch.push((outcomes.len(), user));
                    outcomes.push(Imported::Made);
                }
            }
        }
        engine.make(&mut batch, &mut outcomes, &roles, client).await?;
        Ok(outcomes)
    }
}

impl Engine {
    /// What is to be said of an account that was not made yet; `None`: it can be.
    async fn look_at(&self, user: &ImportedUser, roles: &Roles) -> Result<Option<Imported>, Fault> {
        if let Some(there) = self.store.account(&Name::Email(user.email.clone())).await? {
            let same = there.password.as_str() == user.password.as_str()
                || self.store.imported(there.id).await? == Some(user.digest());
            return Ok(Some(if same {
                Imported::AlreadyThere
            } else {
                refused("email", "another account has this e-mail address, with another password")
            }));
        }
        if user.roles.len() > role::MOST_OF_ACCOUNT {
            let message = format!("an account can have {} roles at most", role::MOST_OF_ACCOUNT);
            return Ok(Some(refused("roles", &message)));
        }
        let unknown: Vec<FieldError> = user
            .roles
            .iter()
            .filter(|role| !roles.permissions.contains_key(*role))
            .map(|role| {
                let names = roles.permissions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                FieldError::new("roles", format!("{role:?} is no role; the roles are: {names}"))
            })
            .collect();
        if !unknown.is_empty() {
            return Ok(Some(Imported::Refused(unknown)));
        }
        if user.created_at.is_some_and(|at| at > self.clock.now().after(CLOCK_SKEW)) {
            return Ok(Some(refused("created_at", "this lies ahead of now")));
        }
        if let Some(phone) = &user.phone_number
            && self.store.account(&Name::Phone(phone.clone())).await?.is_some()
        {
            return Ok(Some(refused("phone_number", "another account has this phone number")));
        }
        Ok(None)
    }

    /// Writes a batch in one change; where somebody else took a name meanwhile, one by one.
    async fn make(
        &self,
        batch: &mut Vec<(usize, &ImportedUser)>,
        outcomes: &mut [Imported],
        roles: &Roles,
        client: &Client,
    ) -> Result<(), Error> {
        let batch = std::mem::take(batch);
        if batch.is_empty() {
            return Ok(());
        }
        match self.commit(self.making(batch.iter().map(|(_, user)| *user), client)).await {
            Ok(_) => return Ok(()),
            Err(NotCommitted::Conflict(_)) => {}
            Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
        }
        for (at, user) in batch {
            match self.commit(self.making([user], client)).await {
                Ok(_) => {}
                Err(NotCommitted::Conflict(_)) => {
                    let gone = || refused("email", "this changed meanwhile; import it again");
                    outcomes[at] = self.look_at(user, roles).await?.unwrap_or_else(gone);
                }
                Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    fn making<'a>(&self, users: impl IntoIterator<Item = &'a ImportedUser>, client: &Client) -> Change {
        let now = self.clock.now();
        let mut change = Change::default();
        for user in users {
            let account = user.account(now);
            let event = self.event(EventType::Signup, client, now).about(&account).saying("imported", true);
            let note = Write::NoteImport { user: account.id, digest: user.digest() };
            change.writes.extend([Write::CreateAccount(Box::new(account)), note]);
            change.events.push(event);
        }
        change
    }
}

fn refused(field: &str, message: &str) -> Imported {
    Imported::Refused(vec![FieldError::new(field, message)])
}

/// Why a line has no fields. What stands in it is not repeated, save the name of a field.
fn no_line(error: &serde_json::Error) -> FieldError {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    if what.starts_with("unknown field") || what.starts_with("duplicate field") {
        return FieldError::new("", what);
    }
    if error.is_data() {
        return FieldError::new("", "this is no JSON object");
    }
    FieldError::new("", format!("this is not well-formed JSON (column {})", error.column()))
}

fn text(field: &str, value: Option<Value>, wrong: &mut Vec<FieldError>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        _ => {
            wrong.push(FieldError::new(field, "this has to be a string"));
            None
        }
    }
}

fn parsed<T: FromStr<Err: Display>>(
    field: &str,
    text: Option<String>,
    wrong: &mut Vec<FieldError>,
) -> Option<T> {
    match text?.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            wrong.push(FieldError::new(field, error.to_string()));
            None
        }
    }
}

fn flag(field: &str, value: Option<Value>, otherwise: bool, wrong: &mut Vec<FieldError>) -> bool {
    match value {
        None => otherwise,
        Some(Value::Bool(flag)) => flag,
        Some(_) => {
            wrong.push(FieldError::new(field, "this has to be true or false"));
            otherwise
        }
    }
}

/// The roles, sorted, each once.
fn roles(value: Option<Value>, wrong: &mut Vec<FieldError>) -> Vec<String> {
    let Some(value) = value else { return vec![role::USER.to_owned()] };
    match serde_json::from_value::<Vec<String>>(value) {
        Ok(mut roles) => {
            roles.sort();
            roles.dedup();
            roles
        }
        Err(_) => {
            wrong.push(FieldError::new("roles", "this has to be a list of strings"));
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$04$bpPkOHNBdjPL4VAWWscf1.Bo03DSlXgX.lXMsRxVRP4gmr3bF9iJi";

    #[test]
    fn a_line_is_read_and_what_it_leaves_out_is_the_usual() {
        let line = format!(r#"{{"email": " Ada@Example.com", "password_hash": "{HASH}", "roles": null}}"#);
        let user = ImportedUser::from_json(line.as_bytes()).expect("a line");
        assert_eq!(user.email.as_str(), "ada@example.com");
        assert_eq!((user.is_active, user.email_verified), (true, false));
        assert_eq!((user.roles, user.created_at, user.phone_number), (vec!["user".to_owned()], None, None));
        let line = format!(
            r#"{{"email":"a@b.co","password_hash":"{HASH}","roles":["user","admin","user"],"is_active":false,
                "email_verified":true,"phone_number":"+4915112345678","created_at":"2020-01-02T03:04:05Z"}}"#
        );
        let user = ImportedUser::from_json(line.as_bytes()).expect("a line");
        assert_eq!((user.is_active, user.email_verified), (false, true));
        assert_eq!(user.roles, ["admin", "user"]);
        assert_eq!(user.names().collect::<Vec<_>>(), ["a@b.co", "+4915112345678"]);
        assert_eq!(user.created_at.expect("given").to_string(), "2020-01-02T03:04:05Z");
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_by_field_and_nothing_of_a_hash() {
        let good = format!(r#""email":"a@b.co","password_hash":"{HASH}""#);
        for (line, said) in [
            ("{}".to_owned(), vec!["email: this field is missing", "password_hash: this field is missing"]),
            ("".to_owned(), vec![": this is not well-formed JSON (column 0)"]),
            (format!("{{{good}"), vec![": this is not well-formed JSON (column 96)"]),
            (format!("{{{good}}}}}"), vec![": this is not well-formed JSON (column 98)"]),
            (format!("\"{HASH}\""), vec![": this is no JSON object"]),
            ("7".to_owned(), vec![": this is no JSON object"]),
            (format!("{{{good},{good}}}"), vec![": duplicate field `email`"]),
            (
                format!("{{{good},\"active\":false}}"),
                vec![
                    ": unknown field `active`, expected one of `email`, `email_verified`, `phone_number`, \
                     `password_hash`, `roles`, `is_active`, `created_at`",
                ],
            ),
            (
                r#"{"email":"ada","phone_number":"0151","password_hash":"hunter2","is_active":1,
                    "email_verified":"yes","roles":"admin","created_at":"today"}"#
                    .to_owned(),
                vec![
                    "email: not an e-mail address",
                    "phone_number: not a phone number in E.164, such as +4915112345678",
                    "password_hash: of no scheme that is known: argon2, bcrypt, scrypt (PHC), or Django's \
                     pbkdf2_sha256, pbkdf2_sha1, argon2, bcrypt, bcrypt_sha256 and scrypt",
                    "created_at: not a moment as RFC 3339 writes it, such as 2026-11-20T23:17:51Z",
                    "is_active: this has to be true or false",
                    "email_verified: this has to be true or false",
                    "roles: this has to be a list of strings",
                ],
            ),
            (
                r#"{"email":7,"password_hash":["x"],"roles":[1]}"#.to_owned(),
                vec![
                    "email: this has to be a string",
                    "password_hash: this has to be a string",
                    "roles: this has to be a list of strings",
                ],
            ),
        ] {
            let wrong = ImportedUser::from_json(line.as_bytes()).expect_err(&line);
            let told: Vec<String> = wrong.iter().map(|w| format!("{}: {}", w.field, w.message)).collect();
            assert_eq!(told, said, "{line}");
        }
        assert!(ImportedUser::from_json(b"{\"email\":\"\xff\"}").is_err());
        assert!(ImportedUser::from_json("[".repeat(60_000).as_bytes()).is_err());
    }

    /// As when somebody signs up between the look and the write.
    #[tokio::test]
    async fn a_name_that_was_taken_meanwhile_takes_no_other_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = crate::Settings { background: false, ..crate::Settings::default() };
        let keyward = Keyward::builder(settings)
            .sqlite(folder.path().join("keyward.db"))
            .master_key(crate::MasterKey::from_bytes(&[7; 32]));
        let keyward = keyward.open().await.expect("opens");
        let user = |email: &str| {
            let line = format!(r#"{{"email":"{email}","password_hash":"{HASH}"}}"#);
            ImportedUser::from_json(line.as_bytes()).expect("a line")
        };
        let (a, b, c) = (user("a@example.com"), user("b@example.com"), user("c@example.com"));
        let client = Client::operator();
        keyward.import(std::slice::from_ref(&b), &client).await.expect("imported");
        let other = HASH.replace("$04$", "$05$").parse().expect("a hash");
        keyward
            .import(&[ImportedUser { password: other, ..user("c@example.com") }], &client)
            .await
            .expect("imported");

        let engine = &keyward.engine;
        let roles = engine.load_roles().await.expect("readable");
        let mut outcomes = vec![Imported::Made, Imported::Made, Imported::Made];
        let mut batch = vec![(0, &a), (1, &b), (2, &c)];
        engine.make(&mut batch, &mut outcomes, &roles, &client).await.expect("written");
        let taken = "another account has this e-mail address, with another password";
        assert_eq!(outcomes, [Imported::Made, Imported::AlreadyThere, refused("email", taken)]);
        assert!(keyward.account("a@example.com").await.expect("readable").is_some());
    }
}
