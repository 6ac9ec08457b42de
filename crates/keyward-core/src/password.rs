//! May this be a password, and is this the right one?
//!
//! What a person may choose is said by [`PasswordPolicy`], what is kept of it is a
//! [`PasswordHash`] by argon2id (RFC 9106). Every password counts as it is: no character of it is
//! cut off, trimmed, folded or normalised, and NUL is one like any other.

mod argon;
mod bcrypt;
mod cost;
mod hash;
mod pbkdf2;
mod scrypt;

use std::fmt;

use zeroize::Zeroizing;

pub use argon::Memory;
pub use cost::{Cost, InvalidCost};
pub use hash::{InvalidHash, PasswordHash, StoredHash, hash, verify};

/// How long a password may be at most, in Unicode scalar values.
pub const MAX_LENGTH: usize = 128;

/// How long a text may be that is hashed as a password at all, in bytes: more than the longest
/// password of any policy, and little enough that nobody is kept busy with it.
pub const MAX_LOGIN_BYTES: usize = 4096;

/// A password that a person gave, of at most [`MAX_LOGIN_BYTES`]. It never shows itself and is
/// wiped when it is dropped.
#[derive(Clone, Default)]
pub struct Password(Zeroizing<String>);

/// A text of more than [`MAX_LOGIN_BYTES`]: it is nobody's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordTooLong;

impl fmt::Display for PasswordTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must have at most {MAX_LENGTH} characters")
    }
}

impl std::error::Error for PasswordTooLong {}

impl Password {
    /// The password as text, for [`PasswordPolicy::check`].
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Password {
    type Error = PasswordTooLong;

    fn try_from(text: String) -> Result<Self, PasswordTooLong> {
        let text = Zeroizing::new(text);
        if text.len() <= MAX_LOGIN_BYTES { Ok(Self(text)) } else { Err(PasswordTooLong) }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A kind of character that a password has to have (`passwords.require`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Require {
    /// An upper-case letter of any script.
    Uppercase,
    /// A lower-case letter of any script.
    Lowercase,
    /// One of `0` to `9`: what every keyboard has and a page can check alike (`\d`).
    Digit,
}

impl Require {
    /// Every kind there is.
    pub const ALL: [Self; 3] = [Self::Uppercase, Self::Lowercase, Self::Digit];

    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uppercase => "uppercase",
            Self::Lowercase => "lowercase",
            Self::Digit => "digit",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Uppercase => "an upper-case letter",
            Self::Lowercase => "a lower-case letter",
            Self::Digit => "a digit",
        }
    }

    fn is(self, c: char) -> bool {
        match self {
            Self::Uppercase => c.is_uppercase(),
            Self::Lowercase => c.is_lowercase(),
            Self::Digit => c.is_ascii_digit(),
        }
    }
}

/// What a person may choose as a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// How many Unicode scalar values it has at least (`passwords.min_length`), 1 to
    /// [`MAX_LENGTH`].
    pub min_length: usize,
    /// What it has to have, each once.
    pub require: Vec<Require>,
}

impl PasswordPolicy {
    /// Whether a person may choose this; else every rule that it breaks.
    pub fn check(&self, password: &str) -> Result<(), Vec<BrokenRule>> {
        let length = password.chars().count();
        let mut broken = Vec::new();
        if length < self.min_length {
            broken.push(BrokenRule::TooShort { min: self.min_length });
        }
        if length > MAX_LENGTH {
            broken.push(BrokenRule::TooLong);
        }
        let missing = self.require.iter().filter(|kind| !password.chars().any(|c| kind.is(c)));
        broken.extend(missing.map(|kind| BrokenRule::Missing(*kind)));
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_length: 8, require: Require::ALL.to_vec() }
    }
}

/// The rules in words: `8 to 128 characters, with an upper-case letter and a digit`.
impl fmt::Display for PasswordPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {MAX_LENGTH} characters", self.min_length)?;
        let last = self.require.len().saturating_sub(1);
        for (at, kind) in self.require.iter().enumerate() {
            f.write_str(match at {
                0 => ", with ",
                at if at == last => " and ",
                _ => ", ",
            })?;
            f.write_str(kind.in_words())?;
        }
        Ok(())
    }
}

/// A rule that a chosen password breaks; its text is for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenRule {
    /// It has fewer characters than this.
    TooShort {
        /// How many it needs.
        min: usize,
    },
    /// It has more than [`MAX_LENGTH`] characters.
    TooLong,
    /// It has no character of this kind.
    Missing(Require),
}

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { min: 1 } => f.write_str("must not be empty"),
            Self::TooShort { min } => write!(f, "must have at least {min} characters"),
            Self::TooLong => PasswordTooLong.fmt(f),
            Self::Missing(kind) => write!(f, "must have {}", kind.in_words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(password: &str) -> Vec<BrokenRule> {
        PasswordPolicy::default().check(password).err().unwrap_or_default()
    }

    #[test]
    fn a_policy_is_told_in_words() {
        let words =
            |require: &[Require]| PasswordPolicy { min_length: 12, require: require.to_vec() }.to_string();
        assert_eq!(
            PasswordPolicy::default().to_string(),
            "8 to 128 characters, with an upper-case letter, a lower-case letter and a digit"
        );
        assert_eq!(words(&[]), "12 to 128 characters");
        assert_eq!(words(&[Require::Digit]), "12 to 128 characters, with a digit");
    }

    #[test]
    fn every_broken_rule_is_named() {
        use BrokenRule::{Missing, TooLong, TooShort};
        use Require::{Digit, Lowercase, Uppercase};
        assert_eq!(broken("Passw0rd"), []);
        let all = [TooShort { min: 8 }, Missing(Uppercase), Missing(Lowercase), Missing(Digit)];
        assert_eq!(broken(""), all);
        assert_eq!(broken("password"), [Missing(Uppercase), Missing(Digit)]);
        assert_eq!(broken("PASSW0RD"), [Missing(Lowercase)]);
        assert_eq!(broken(&"a".repeat(129)), [TooLong, Missing(Uppercase), Missing(Digit)]);
        let messages: Vec<String> = all.iter().chain(&[TooLong]).map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "must have at least 8 characters",
                "must have an upper-case letter",
                "must have a lower-case letter",
                "must have a digit",
                "must have at most 128 characters"
            ]
        );
    }

    #[test]
    fn length_is_counted_in_scalar_values() {
        for (filler, bytes) in [('x', 1), ('\u{e9}', 2), ('\u{1f511}', 4)] {
            let of = |length: usize| format!("Aa1{}", filler.to_string().repeat(length - 3));
            assert_eq!(of(8).len(), 3 + 5 * bytes);
            assert_eq!(broken(&of(7)), [BrokenRule::TooShort { min: 8 }]);
            assert_eq!(broken(&of(8)), []);
            assert_eq!(broken(&of(128)), []);
            assert_eq!(broken(&of(129)), [BrokenRule::TooLong]);
            // Whoever may choose a password may log in with it.
            assert!(Password::try_from(of(128)).is_ok());
        }
        // One picture for a person, and seven scalar values.
        assert_eq!(broken("Aa1\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}"), []);
    }

    #[test]
    fn spaces_and_nul_count_like_any_other() {
        assert_eq!(broken("   Aa1  "), []);
        assert_eq!(broken("Aa1\0\0\0\0\0"), []);
    }

    #[test]
    fn letters_of_any_script_count_and_digits_of_one() {
        assert_eq!(broken("\u{416}\u{436}1\u{436}\u{436}\u{436}\u{436}\u{436}"), []);
        assert_eq!(broken("Aaaaaaa\u{661}"), [BrokenRule::Missing(Require::Digit)]);
        assert_eq!(broken("Aaaaaaa\u{bd}"), [BrokenRule::Missing(Require::Digit)]);
    }

    #[test]
    fn a_policy_asks_for_what_it_names() {
        let policy = PasswordPolicy { min_length: 1, require: Vec::new() };
        assert_eq!(policy.check(" "), Ok(()));
        assert_eq!(policy.check("").err().unwrap_or_default()[0].to_string(), "must not be empty");
        for kind in Require::ALL {
            assert_eq!(Require::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Require::parse("symbol"), None);
    }

    #[test]
    fn a_password_has_an_end_and_shows_nothing() {
        let longest = "x".repeat(MAX_LOGIN_BYTES);
        assert_eq!(Password::try_from(longest.clone()).expect("fits").as_str(), longest);
        let longer = Password::try_from(longest + "x");
        assert_eq!(longer.expect_err("too long").to_string(), "must have at most 128 characters");
        let secret = Password::try_from("hunter2".to_owned()).expect("fits");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "Password Some(\n    Password,\n)");
    }
}
