//! What must nobody see?

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
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
    let read = |text: &str| match weakness(text.as_bytes()) {
        None => Ok(Secret::new(text.to_owned())),
        Some(weakness) => Err(Refusal::because(weakness)),
    };
    Rule::text(
        "32 bytes or more that nobody can guess, such as `openssl rand -base64 32` makes",
        read,
        |_| "***".to_owned(),
    )
    .secret()
    .or_empty()
}

/// Why a secret doesn't do for HS256 (RFC 7518 §3.2).
fn weakness(secret: &[u8]) -> Option<&'static str> {
    (secret.len() < 32).then_some("it is shorter than 32 bytes")
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
    fn an_hs256_secret_has_32_bytes() {
        let read = |text: &str| hs256_secret().read(&Raw::Word(text.into()));
        assert!(read(&"0123456789abcdef".repeat(2)).is_ok());
        let said = read("0123456789abcdef0123456789abcde").expect_err("31 bytes");
        assert!(said.contains("shorter than 32 bytes") && !said.contains("0123456789"), "{said}");
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("canary".to_owned())), "Secret(***)");
    }
}
