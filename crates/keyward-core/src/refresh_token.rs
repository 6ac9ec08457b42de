//! Is this refresh token ours, and what does it say?
//!
//! A refresh token authenticates itself: `kwr_` and the base64url (RFC 4648 §5, no padding) of
//!
//! ```text
//! version 1 | key id 2 | session 16 | generation 8 | made_at 8 | HMAC-SHA-256 of all that 32
//! ```
//!
//! so a forged one costs no store a read, any genuine one is known as such for ever, and nothing
//! in a store can be used as one. What a genuine one brings is not decided here but in
//! [`crate::session`].

mod keys;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

pub use keys::{MacKey, MacKeys, PUBLISH_AHEAD};

use crate::id::SessionId;
use crate::session::Generation;
use crate::time::Timestamp;

/// What every refresh token begins with, so that secret scanners recognise one.
pub const PREFIX: &str = "kwr_";

const VERSION: u8 = 1;
const CLAIMS: usize = 1 + 2 + 16 + 8 + 8;
const MAC: usize = 32;

/// What a refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefreshToken {
    /// The session it belongs to.
    pub session: SessionId,
    /// Its number within the session.
    pub generation: Generation,
    /// When it was made.
    pub made_at: Timestamp,
}

impl MacKeys {
    /// Writes the token out, authenticated by the key that seals at the moment when it was made: so
    /// no token of a key is younger than the moment when another takes its place.
    pub fn seal(&self, token: &RefreshToken) -> Zeroizing<String> {
        let key = self.sealing(token.made_at);
        let mut bytes = Zeroizing::new([0u8; CLAIMS + MAC]);
        bytes[0] = VERSION;
        bytes[1..3].copy_from_slice(&key.id().to_be_bytes());
        bytes[3..19].copy_from_slice(token.session.as_bytes());
        bytes[19..27].copy_from_slice(&token.generation.to_be_bytes());
        bytes[27..35].copy_from_slice(&token.made_at.micros().to_be_bytes());
        let mac = hmac::sign(&key.key, &bytes[..CLAIMS]);
        bytes[CLAIMS..].copy_from_slice(mac.as_ref());
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + (CLAIMS + MAC).div_ceil(3) * 4));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&bytes[..], &mut text);
        text
    }

    /// Reads a token; `None` unless one of the keys made it, to the letter.
    pub fn open(&self, text: &str) -> Option<RefreshToken> {
        let bytes = decode(text)?;
        let key = self.get(key_id(&bytes))?;
        hmac::verify(&key.key, &bytes[..CLAIMS], &bytes[CLAIMS..]).ok()?;
        Some(RefreshToken {
            session: SessionId::from_bytes(field(&bytes[..], 3)),
            generation: Generation::from_be_bytes(field(&bytes[..], 19)),
            made_at: Timestamp::from_micros(i64::from_be_bytes(field(&bytes[..], 27))),
        })
    }

    /// Whether a text that looks like a token names a key that was made after all of these.
    pub fn names_newer(&self, text: &str) -> bool {
        decode(text).is_some_and(|bytes| key_id(&bytes) > self.newest().id())
    }
}

/// The bytes of a text that looks like a token, by whoever it was made.
fn decode(text: &str) -> Option<Zeroizing<[u8; CLAIMS + MAC]>> {
    let encoded = text.strip_prefix(PREFIX)?;
    let mut bytes = Zeroizing::new([0u8; CLAIMS + MAC]);
    // The engine takes no padding, no other alphabet and no stray low bits: one spelling.
    let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes[..]).ok()?;
    (length == bytes.len() && bytes[0] == VERSION).then_some(bytes)
}

fn key_id(bytes: &[u8; CLAIMS + MAC]) -> u16 {
    u16::from_be_bytes(field(&bytes[..], 1))
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(ids: &[u16]) -> MacKeys {
        let key = |id: &u16| MacKey::new(*id, &[*id as u8; 32], Timestamp::default());
        MacKeys::new(ids.iter().map(key).collect()).expect("keys")
    }

    fn token() -> RefreshToken {
        RefreshToken {
            session: SessionId::from_bytes([9; 16]),
            generation: 7,
            made_at: Timestamp::from_seconds(1_795_216_671),
        }
    }

    #[test]
    fn a_former_key_still_verifies_and_a_foreign_one_does_not() {
        let sealed = keys(&[1]).seal(&token());
        assert_eq!(keys(&[2, 1]).open(&sealed), Some(token()));
        assert_eq!(keys(&[2]).open(&sealed), None);
        let key = MacKey::new(1, &[42; 32], Timestamp::default());
        assert_eq!(MacKeys::new(vec![key]).expect("keys").open(&sealed), None);
    }

    #[test]
    fn only_what_looks_like_a_token_can_be_of_a_key_that_is_not_known_yet() {
        let sealed = keys(&[3]).seal(&token());
        assert!(keys(&[2, 1]).names_newer(&sealed));
        assert!(!keys(&[3]).names_newer(&sealed) && !keys(&[4, 1]).names_newer(&sealed));
        for text in ["", "kwr_", &sealed[..sealed.len() - 1], &sealed[4..], &format!("{}A", *sealed)] {
            assert!(!keys(&[1]).names_newer(text), "{text}");
        }
    }

    #[test]
    fn its_text_can_stand_in_a_cookie_and_be_found_by_scanners() {
        let sealed = keys(&[1]).seal(&token());
        assert!(sealed.starts_with("kwr_"));
        assert!(sealed[4..].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }

    #[test]
    fn a_key_shows_no_secret() {
        assert_eq!(format!("{:?}", keys(&[1])), "MacKeys([MacKey { id: 1, .. }])");
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_read_again(session: [u8; 16], generation: u64, made_at: i64) {
            let token = RefreshToken {
                session: SessionId::from_bytes(session),
                generation,
                made_at: Timestamp::from_micros(made_at),
            };
            let keys = keys(&[1]);
            prop_assert_eq!(keys.open(&keys.seal(&token)), Some(token));
        }

        #[test]
        fn no_changed_character_passes(at in 0usize..94, to in proptest::char::range('!', '~')) {
            let keys = keys(&[1]);
            let sealed = keys.seal(&token()).to_string();
            let mut changed: Vec<char> = sealed.chars().collect();
            let at = at % changed.len();
            prop_assume!(changed[at] != to);
            changed[at] = to;
            prop_assert_eq!(keys.open(&changed.into_iter().collect::<String>()), None);
        }

        #[test]
        fn no_other_text_passes(text in "(kwr_)?[A-Za-z0-9_=-]{0,120}|.{0,200}") {
            prop_assert_eq!(keys(&[1]).open(&text), None);
        }
    }
}
