//! Is this the right password? What is kept of one, and how it is found again.

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::argon::{Argon, Memory};
use super::bcrypt::Bcrypt;
use super::pbkdf2::Pbkdf2;
use super::scrypt::Scrypt;
use super::{Cost, Password};

pub(super) const SALT: usize = 16;
const OUTPUT: usize = 32;

/// What is kept of a password: a PHC string, such as
/// `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<output>`. It does not show itself.
///
/// It can also be what another system kept, good until the next login: argon2 of any variant and
/// version, scrypt (PHC), bcrypt, and Django's `pbkdf2_sha256`, `pbkdf2_sha1`, `argon2`, `bcrypt`,
/// `bcrypt_sha256` and `scrypt`. Wherever it comes from, it is never more work than some thread
/// can be kept busy with while somebody waits.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    scheme: Scheme,
}

#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    Argon(Argon),
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    Pbkdf2(Pbkdf2),
}

/// Why a text is no [`PasswordHash`]; it repeats nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidHash {
    /// It is of no scheme that is known.
    Unknown,
    /// It is Django's mark of an account without a password.
    Unusable,
    /// It is not as this scheme has it.
    Malformed(&'static str),
    /// It can't be verified safely: it would keep a thread, or its memory, for too long.
    OutOfBounds {
        /// The scheme.
        scheme: &'static str,
        /// What is allowed.
        allowed: String,
    },
}

impl InvalidHash {
    pub(super) fn out_of_bounds(scheme: &'static str, allowed: String) -> Self {
        Self::OutOfBounds { scheme, allowed }
    }
}

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(
                "of no scheme that is known: argon2, bcrypt, scrypt (PHC), or Django's pbkdf2_sha256, \
                 pbkdf2_sha1, argon2, bcrypt, bcrypt_sha256 and scrypt",
            ),
            Self::Unusable => f.write_str("Django's mark of an account without a password"),
            Self::Malformed(form) => write!(f, "not well-formed; it has to be {form}"),
            Self::OutOfBounds { scheme, allowed } => {
                write!(f, "of a cost that can't be verified safely; allowed for {scheme}: {allowed}")
            }
        }
    }
}

impl std::error::Error for InvalidHash {}

impl PasswordHash {
    /// A hash of this cost that no password is known for: whoever verifies against it where there
    /// is no account works as long as for one that there is.
    pub fn dummy(cost: &Cost) -> Self {
        Self::made(cost, [0; SALT], &[0; OUTPUT])
    }

    /// Whether this is such a hash: of an account that has no password yet.
    pub fn is_nobodys(&self) -> bool {
        Self::dummy_of(&self.cost_class()).is_ok_and(|dummy| dummy == *self)
    }

    /// The same of a [`PasswordHash::cost_class`], to learn how long that takes.
    ///
    /// # Errors
    /// Where there is no such class.
    pub fn dummy_of(class: &str) -> Result<Self, InvalidHash> {
        let end = if class.starts_with("pbkdf2") {
            Pbkdf2::dummy_end(class)
        } else if class.starts_with("$2b$") {
            Bcrypt::dummy_end()
        } else {
            format!("${}${}", STANDARD_NO_PAD.encode([0; SALT]), STANDARD_NO_PAD.encode([0; OUTPUT]))
        };
        format!("{class}{end}").parse()
    }

    /// What a store keeps.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What its work depends on: hashes of one class take equally long. The beginning of the hash
    /// in its shortest form, such as `$2b$12`; no salt, no output.
    pub fn cost_class(&self) -> String {
        match &self.scheme {
            Scheme::Argon(argon) => argon.class(),
            Scheme::Bcrypt(bcrypt) => bcrypt.class(),
            Scheme::Scrypt(scrypt) => scrypt.class(),
            Scheme::Pbkdf2(pbkdf2) => pbkdf2.class(),
        }
    }

    /// Its scheme, and how much work it is compared with others of that scheme.
    pub fn work(&self) -> (&'static str, u64) {
        match &self.scheme {
            Scheme::Argon(argon) => ("argon2", argon.work()),
            Scheme::Bcrypt(bcrypt) => ("bcrypt", bcrypt.work()),
            Scheme::Scrypt(scrypt) => ("scrypt", scrypt.work()),
            Scheme::Pbkdf2(pbkdf2) => (pbkdf2.scheme(), pbkdf2.work()),
        }
    }

    fn made(cost: &Cost, salt: [u8; SALT], output: &[u8; OUTPUT]) -> Self {
        let (salt_text, output_text) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
        Self {
            text: format!("{}${salt_text}${output_text}", class_of(cost)),
            scheme: Scheme::Argon(Argon {
                algorithm: Algorithm::Argon2id,
                version: Version::V0x13,
                cost: *cost,
                salt: salt.to_vec(),
                output: output.to_vec(),
            }),
        }
    }
}

/// The text of a [`PasswordHash`] as a store has it. It is loaded with every session, and read where
/// somebody gives a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash(String);

impl StoredHash {
    /// What a store has.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// What a store keeps.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says.
    ///
    /// # Errors
    /// Where it is none, which no release can have written.
    pub fn read(&self) -> Result<PasswordHash, InvalidHash> {
        self.0.parse()
    }

    /// Whether a new hash should take its place at the next login: it isn't argon2id of version 19
    /// at just this cost.
    pub fn needs_rehash(&self, today: &Cost) -> bool {
        !self.0.strip_prefix(&class_of(today)).is_some_and(|rest| rest.starts_with('$'))
    }
}

impl From<PasswordHash> for StoredHash {
    fn from(hash: PasswordHash) -> Self {
        Self(hash.text)
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHash")
    }
}

/// How every hash begins that is made today.
fn class_of(cost: &Cost) -> String {
    format!("$argon2id$v=19$m={},t={},p={}", cost.memory_kib(), cost.iterations(), cost.parallelism())
}

impl FromStr for PasswordHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let (first, rest) = text.split_once('$').unwrap_or((text, ""));
        let scheme = match first {
            "" if text.starts_with("$argon2") => Argon::parse(text).map(Scheme::Argon),
            "" if text.starts_with("$2") => Bcrypt::parse(text, false).map(Scheme::Bcrypt),
            "" if text.starts_with("$scrypt$") => Scrypt::parse(text).map(Scheme::Scrypt),
            "pbkdf2_sha256" | "pbkdf2_sha1" => Pbkdf2::parse(text).map(Scheme::Pbkdf2),
            "argon2" => Argon::parse(&text["argon2".len()..]).map(Scheme::Argon),
            "bcrypt" => Bcrypt::parse(rest, false).map(Scheme::Bcrypt),
            "bcrypt_sha256" => Bcrypt::parse(rest, true).map(Scheme::Bcrypt),
            "scrypt" => Scrypt::parse_django(text).map(Scheme::Scrypt),
            _ if text.starts_with('!') => Err(InvalidHash::Unusable),
            _ => Err(InvalidHash::Unknown),
        }?;
        Ok(Self { text: text.to_owned(), scheme })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// The hash of a password, by argon2id at this cost, with a salt that must be fresh and random.
pub fn hash(password: &Password, salt: [u8; SALT], cost: &Cost, memory: &mut Memory) -> PasswordHash {
    let mut output = Zeroizing::new([0; OUTPUT]);
    memory
        .run((Algorithm::Argon2id, Version::V0x13, cost), password, &salt, &mut output[..])
        .expect("argon2 takes every Cost, Password and salt of sixteen bytes");
    PasswordHash::made(cost, salt, &output)
}

/// Whether this is the password that the hash was made of. It takes as long for a wrong one as for
/// the right one.
pub fn verify(password: &Password, hash: &PasswordHash, memory: &mut Memory) -> bool {
    match &hash.scheme {
        Scheme::Argon(argon) => argon.is_of(password, memory),
        Scheme::Bcrypt(bcrypt) => bcrypt.is_of(password),
        Scheme::Scrypt(scrypt) => scrypt.is_of(password),
        Scheme::Pbkdf2(pbkdf2) => pbkdf2.is_of(password),
    }
}

/// A number without sign or leading zero, as hashes write them.
pub(super) fn natural(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests;
