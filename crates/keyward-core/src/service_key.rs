//! Which programs may ask, and for what? A service key: a secret that is shown once and rests as a
//! hash, with a name for people and the scopes that it was given.
//!
//! The text is `kws_` and the base64url (RFC 4648 §5, no padding) of 32 random bytes. Nothing can be
//! told from it: which key it is, a node looks up by its SHA-256 in the few that there are.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::id::ServiceKeyId;
use crate::time::Timestamp;

/// What every service key begins with, so that secret scanners recognise one.
pub const PREFIX: &str = "kws_";

/// How many service keys there can be: few enough for every node to hold them all.
pub const LIMIT: usize = 1_000;

/// What rests of a service key: the SHA-256 (FIPS 180-4) of its text. A key is 256 random bits, so
/// nobody finds it by trying, and no slower hash is needed.
pub type Hash = [u8; 32];

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What a service key is good for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope {
            $($(#[$doc])* $name,)*
        }

        impl Scope {
            /// Every scope there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word of the contract.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The scope of that name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|scope| scope.as_str() == text)
            }
        }
    };
}

scopes! {
    /// To ask whether a token is good (RFC 7662).
    Introspect = "introspect";
    /// To end the session of a token (RFC 7009).
    Revoke = "revoke";
    /// To follow what is revoked.
    Revocations = "revocations";
    /// To read what administrators see.
    AdminRead = "admin:read";
    /// To do what administrators do.
    Admin = "admin";
}

/// A service key as it rests. It holds nothing to ask with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// Its name for programs.
    pub id: ServiceKeyId,
    /// Its name for people. No other one has it.
    pub name: String,
    /// The hash of its text.
    pub hash: Hash,
    /// What it is good for, sorted, each once.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last, to the minute or so; `None` where it never was.
    pub last_used_at: Option<Timestamp>,
}

impl ServiceKey {
    /// Whether it may do that. Who may administer may read what there is to administer.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || (scope == Scope::AdminRead && self.scopes.contains(&Scope::Admin))
    }
}

/// The text of a new service key, of 32 fresh random bytes.
pub fn text(random: &[u8; 32]) -> Zeroizing<String> {
    // Made at its full length, so that no shorter buffer is left behind unwiped.
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 43));
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(random, &mut text);
    text
}

/// The hash by which a key is known; `None` for a text that can be none.
pub fn hash(text: &str) -> Option<Hash> {
    let mut bytes = Zeroizing::new([0; 32]);
    // The engine takes no padding, no other alphabet and no stray low bits: one spelling.
    let length = URL_SAFE_NO_PAD.decode_slice(text.strip_prefix(PREFIX)?, &mut bytes[..]).ok()?;
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    (length == bytes.len()).then_some(hash)
}

/// Whether a service key may be called that: 1 to 64 letters, digits, spaces and `. _ : @ / ( ) + -`,
/// with no space at either end. So it can be printed, logged and read out anywhere.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || " ._:@/()+-".contains(c);
    (1..=64).contains(&name.chars().count()) && name.trim() == name && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(scopes: &[Scope]) -> ServiceKey {
        ServiceKey {
            id: ServiceKeyId::from_bytes([1; 16]),
            name: "billing".to_owned(),
            hash: [0; 32],
            scopes: scopes.to_vec(),
            created_at: Timestamp::from_seconds(0),
            last_used_at: None,
        }
    }

    #[test]
    fn a_key_may_what_its_scopes_say_and_nothing_else() {
        for held in Scope::ALL {
            for asked in Scope::ALL {
                let reads = (*held, *asked) == (Scope::Admin, Scope::AdminRead);
                assert_eq!(key(&[*held]).may(*asked), held == asked || reads, "{held:?} {asked:?}");
            }
        }
        assert!(Scope::ALL.iter().all(|scope| !key(&[]).may(*scope)), "no scope by default");
    }

    #[test]
    fn its_text_can_be_found_by_scanners_and_has_one_spelling() {
        let text = text(&[0xfb; 32]);
        assert_eq!(text.as_str(), "kws_-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
        let hashed = hash(&text).expect("a key");
        assert_eq!(hashed[..4], [0x56, 0x57, 0xbe, 0x12], "it rests as the SHA-256 of its text");
        for other in [
            "".to_owned(),
            "kws_".to_owned(),
            text[4..].to_owned(),
            text.replace("kws_", "KWS_"),
            text.replace("kws_", "kwr_"),
            format!("{}=", *text),
            format!("{}A", *text),
            format!("{} ", *text),
            text[..46].to_owned(),
            // Stray low bits: the same bytes, spelt another way.
            format!("{}t", &text[..46]),
            text.replace('-', "+"),
        ] {
            assert_eq!(hash(&other), None, "{other}");
        }
    }

    #[test]
    fn a_name_can_be_shown_anywhere() {
        for good in ["a", "billing", "CI (eu-west/2)", "jobs@example.com", "\u{dc}berweisung 3"] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in
            ["", " ", " a", "a ", "a\nb", "a\u{1b}[31m", "a\u{202e}b", "a,b", "<b>", "a\0", &"a".repeat(65)]
        {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn two_keys_are_never_one(a: [u8; 32], b: [u8; 32]) {
            prop_assert_eq!(a == b, hash(&text(&a)) == hash(&text(&b)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(kws_)?[A-Za-z0-9_=-]{0,60}|.{0,80}") {
            let _ = hash(&text);
        }
    }
}
