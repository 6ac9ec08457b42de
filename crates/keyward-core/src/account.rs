//! Who is this, and may they sign in?

use crate::email::Email;
use crate::id::UserId;
use crate::password::StoredHash;
use crate::phone::Phone;
use crate::time::Timestamp;

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name for ever, `sub` in access tokens.
    pub id: UserId,
    /// Its e-mail address, unique.
    pub email: Email,
    /// Whether the person showed that they receive mail there.
    pub email_verified: bool,
    /// Its phone number, unique where there is one.
    pub phone_number: Option<Phone>,
    /// Whether the person showed that the number is theirs.
    pub phone_number_verified: bool,
    /// The hash of its password.
    pub password: StoredHash,
    /// Its roles, sorted, each once.
    pub roles: Vec<String>,
    /// Whether it may sign in.
    pub is_active: bool,
    /// `uv` of its tokens: rises with every change of its roles.
    pub roles_version: u64,
    /// Rises with every change that a login must not outlive: password, activity, address.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody last signed in to it.
    pub last_login_at: Option<Timestamp>,
}
