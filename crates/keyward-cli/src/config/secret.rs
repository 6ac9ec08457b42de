//! What must nobody see?

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keyward::core::key::check_hs256_secret;
use serde_json::json;
use zeroize::{Zeroize, Zeroizing};

use super::rule::{Refusal, Rule};

/// A value that is not printed, and is wiped when it goes.
#[derive(Clone)]
pub(crate) struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes the value into custody.
    pub(crate) fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value.
    pub(crate) fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The key that encrypts the private ones.
pub(super) fn master_key() -> Rule<Option<Secret<[u8; 32]>>> {
    let read = |text: &str| {
        let bytes = BASE64_STANDARD.decode(text).map(Zeroizing::new).map_err(|_| Refusal::default())?;
        match <[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(key) => Ok(Secret::new(key)),
            Err(_) => Err(Refusal::because("it is not 32 bytes")),
        }
    };
    Rule::new(
        "base64 of exactly 32 bytes, which `openssl rand -base64 32` makes",
        json!({ "type": "string" }),
        move |raw| read(raw.text().ok_or_else(Refusal::default)?),
        |_| json!("***"),
    )
    .secret()
    .or_empty()
}

/// The secret that HS256 signs with.
pub(super) fn hs256_secret() -> Rule<Option<Secret<String>>> {
    let read = |text: &str| match check_hs256_secret(text.as_bytes()) {
        Ok(()) => Ok(Secret::new(text.to_owned())),
        Err(weak) => Err(Refusal::because(weak.to_string())),
    };
    Rule::text("32 bytes or more that nobody can guess", read, |_| "***".to_owned()).secret().or_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::Raw;

    #[test]
    fn a_master_key_is_32_bytes_in_base64() {
        let read = |text: &str| master_key().read(&Raw::Word(text.into()));
        assert_eq!(
            read("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=").ok().flatten().map(|key| *key.expose()),
            Some([b'A'; 32])
        );
        assert!(read("").expect("unset").is_none());
        for text in ["QUFB", "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE", "not base64!", &"A".repeat(44)] {
            let said = read(text).expect_err(text);
            assert!(said.contains("openssl rand -base64 32") && !said.contains(text), "{said}");
        }
    }

    #[test]
    fn an_hs256_secret_can_not_be_guessed() {
        let read = |text: &str| hs256_secret().read(&Raw::Word(text.into()));
        assert!(read("3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLdGoWeA7iB9y0=").is_ok());
        for (secret, why) in [
            ("0123456789abcdef0123456789abcde", "31 bytes instead of 32 or more"),
            ("0123456789abcdef0123456789abcdef", "repeats itself"),
            ("change-me-please-change-me-secret", "familiar words"),
        ] {
            let said = read(secret).expect_err(secret);
            assert!(said.contains(why) && !said.contains(secret), "{said}");
            assert!(said.contains("openssl rand -base64 32"), "{said}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("canary".to_owned())), "Secret(***)");
    }
}
