//! Which key signs, which verify, and until when?
//!
//! A [`KeyRecord`] is what a store holds, a [`Key`] is one that was opened and parsed, once, and a
//! [`KeyRing`] is all of them at a moment. What has to be done about them is decided by [`due`].
//! The key fixes the algorithm: no token can choose one (RFC 8725 §3.1).
//!
//! Nothing here makes keys. The bytes of a new one come from aws-lc-rs in the library's `clock.rs`,
//! where randomness comes in: PKCS#8 for RSA (2048 bits), P-256 and Ed25519, 32 bytes for HS256.

mod life;
mod material;
mod public;
mod ring;
mod secret;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use life::{CannotRotate, KeyPolicy, PUBLISH_AHEAD, Step, apply, due, revoke, ripe, rotate};
pub(crate) use material::Verifier;
#[cfg(test)]
pub(crate) use material::pkcs1;
use material::{Public, Signer};
pub use public::{InvalidJwks, PublicKeys};
pub use ring::KeyRing;
pub use secret::{WeakSecret, check_hs256_secret};

use crate::seal::{MasterKey, OpenError};
use crate::time::Timestamp;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). The names are those of `tokens.algorithm`
/// and of the header of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits or more.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256: who verifies can sign.
    Hs256,
}

impl Algorithm {
    /// Every algorithm there is.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Es256, Self::EdDsa, Self::Hs256];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of that name, to the letter.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == text)
    }

    /// Whether a signature takes a core for long: RSA's, 0.2 ms and more; the others' take 30 µs at
    /// most.
    pub const fn is_slow_to_sign(self) -> bool {
        matches!(self, Self::Rs256)
    }

    /// Whether its keys stand in the JWKS. A secret one never does.
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::Hs256)
    }
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published ahead of its first signature, so that no verifier meets it unprepared.
    Next,
    /// It signs. There is one.
    Active,
    /// It signed, and its tokens may still live.
    Retiring,
    /// An operator took it out: all its tokens died at once.
    Revoked,
}

impl KeyState {
    const ALL: [Self; 4] = [Self::Next, Self::Active, Self::Retiring, Self::Revoked];

    /// The word that stores and answers use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Revoked => "revoked",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// A key as a store holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its name, `kid` in the header of its tokens.
    pub kid: String,
    /// What it signs by.
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made, and with that published.
    pub created_at: Timestamp,
    /// When it last became the one that signs; `None` where it never did.
    pub active_from: Option<Timestamp>,
    /// When another took its place.
    pub retired_at: Option<Timestamp>,
    /// When an operator took it out.
    pub revoked_at: Option<Timestamp>,
    /// Its private bytes, sealed under the master key.
    pub secret: Vec<u8>,
}

impl KeyRecord {
    /// The record of a new key, `next` or `active` from `now` on, with the same private bytes
    /// that the key was parsed from. The nonce is 12 fresh random bytes.
    pub fn new(
        key: &Key,
        private: &[u8],
        state: KeyState,
        now: Timestamp,
        master: &MasterKey,
        nonce: [u8; 12],
    ) -> Self {
        Self {
            kid: key.kid().to_owned(),
            algorithm: key.algorithm(),
            state,
            created_at: now,
            active_from: (state == KeyState::Active).then_some(now),
            retired_at: None,
            revoked_at: None,
            secret: master.seal(&purpose(key.kid()), private, nonce),
        }
    }

    /// Opens and parses the key.
    ///
    /// # Errors
    /// [`OpenKeyError`], which says whether the master key is wrong or the record damaged.
    pub fn open(&self, master: &MasterKey) -> Result<Key, OpenKeyError> {
        let private = master.open(&purpose(&self.kid), &self.secret).map_err(OpenKeyError::Sealed)?;
        // A secret that was strong enough when it was taken in stays usable, whatever a later
        // release thinks of it: else an upgrade would not start.
        let key = Key::parse(self.algorithm, &private).map_err(OpenKeyError::Invalid)?;
        if key.kid() == self.kid { Ok(key) } else { Err(OpenKeyError::Sealed(OpenError::Corrupt)) }
    }

    /// Seals the private bytes anew where the key sealed them that `master` replaces; gives whether
    /// it did. The nonce is 12 fresh random bytes.
    ///
    /// # Errors
    /// [`OpenError`], as the master key opens it.
    pub fn reseal(&mut self, master: &MasterKey, nonce: [u8; 12]) -> Result<bool, OpenError> {
        let resealed = master.reseal(&purpose(&self.kid), &self.secret, nonce)?;
        let done = resealed.is_some();
        self.secret = resealed.unwrap_or_else(|| std::mem::take(&mut self.secret));
        Ok(done)
    }
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRecord")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("state", &self.state)
            .field("created_at", &self.created_at)
            .field("active_from", &self.active_from)
            .field("retired_at", &self.retired_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

fn purpose(kid: &str) -> String {
    format!("signing-key:{kid}")
}

/// The keys that a token may be signed by.
pub(crate) trait VerifyingKeys {
    /// The one of that name, to the letter.
    fn verifying(&self, kid: &str) -> Option<VerifyingKey<'_>>;
}

/// What verifying asks of a key.
#[derive(Clone, Copy)]
pub(crate) struct VerifyingKey<'a> {
    pub(crate) kid: &'a Arc<str>,
    pub(crate) algorithm: Algorithm,
    pub(crate) verifier: &'a Verifier,
    pub(crate) is_revoked: bool,
}

/// What a key signs. The `typ` of the header keeps one from passing for the other (RFC 8725 §3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// An access token (RFC 9068 §2.1).
    Access,
    /// What the edge tells the service behind it of a verified request.
    Assertion,
}

impl TokenType {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Assertion => "kw-assertion+jwt",
        }
    }
}

/// A key, parsed once: it signs and verifies, and never shows its bytes.
pub struct Key {
    kid: Arc<str>,
    algorithm: Algorithm,
    signer: Signer,
    verifier: Verifier,
    public: Option<Public>,
    access_header: String,
    assertion_header: String,
}

impl Key {
    /// The key of these private bytes: PKCS#8 in DER for RS256, ES256 and EdDSA, the secret itself
    /// for HS256. Its `kid` follows from them: the thumbprint of its public part (RFC 7638 §3), or
    /// an HMAC by the secret over a fixed text.
    ///
    /// # Errors
    /// [`InvalidKey`], where they are no such key or one too weak to sign with.
    pub fn from_private(algorithm: Algorithm, private: &[u8]) -> Result<Self, InvalidKey> {
        if algorithm == Algorithm::Hs256 {
            check_hs256_secret(private).map_err(InvalidKey::Weak)?;
        }
        Self::parse(algorithm, private)
    }

    fn parse(algorithm: Algorithm, private: &[u8]) -> Result<Self, InvalidKey> {
        let (signer, verifier, public) = material::parse(algorithm, private)?;
        let kid: Arc<str> = match (&signer, &public) {
            (_, Some(public)) => public.thumbprint().into(),
            (signer, None) => signer.name().into(),
        };
        let header = |typ: TokenType| {
            URL_SAFE_NO_PAD.encode(format!(
                r#"{{"alg":"{}","typ":"{}","kid":"{kid}"}}"#,
                algorithm.as_str(),
                typ.as_str()
            ))
        };
        let (access_header, assertion_header) = (header(TokenType::Access), header(TokenType::Assertion));
        Ok(Self { kid, algorithm, signer, verifier, public, access_header, assertion_header })
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs by. No token can choose otherwise.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its public part as a JWK (RFC 7517 §4); `None` where there is none, as with HS256.
    pub fn jwk(&self) -> Option<serde_json::Value> {
        self.public.as_ref().map(|public| public.jwk(&self.kid, self.algorithm))
    }

    /// The first segment of every token of this type that the key signs.
    pub(crate) fn header(&self, typ: TokenType) -> &str {
        match typ {
            TokenType::Access => &self.access_header,
            TokenType::Assertion => &self.assertion_header,
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.signer.sign(message)
    }

    /// How long its signatures are, in bytes.
    pub(crate) fn signature_len(&self) -> usize {
        self.signer.signature_len()
    }

    pub(crate) const fn verifying(&self, is_revoked: bool) -> VerifyingKey<'_> {
        VerifyingKey { kid: &self.kid, algorithm: self.algorithm, verifier: &self.verifier, is_revoked }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Why bytes are no key to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidKey {
    /// They are no private key of that algorithm.
    Rejected(Algorithm),
    /// An RSA key of under 2048 bits (RFC 7518 §3.3).
    ShortRsa,
    /// An RSA key with a public exponent under 65537.
    SmallExponent,
    /// A secret that can be guessed.
    Weak(WeakSecret),
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(algorithm) => write!(f, "not a private key for {}", algorithm.as_str()),
            Self::ShortRsa => f.write_str("an RSA key of under 2048 bits"),
            Self::SmallExponent => f.write_str("an RSA key with a public exponent under 65537"),
            Self::Weak(weak) => weak.fmt(f),
        }
    }
}

impl std::error::Error for InvalidKey {}

/// Why a stored key can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenKeyError {
    /// Its seal does not open.
    Sealed(OpenError),
    /// What was sealed is no key.
    Invalid(InvalidKey),
}

impl fmt::Display for OpenKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(error) => error.fmt(f),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenKeyError {}

#[cfg(test)]
pub(crate) mod fixture;

#[cfg(test)]
mod tests {
    use super::fixture::{self, private};
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_216_671);

    #[test]
    fn names_are_those_of_the_configuration() {
        for (algorithm, name) in Algorithm::ALL.into_iter().zip(["RS256", "ES256", "EdDSA", "HS256"]) {
            assert_eq!((algorithm.as_str(), Algorithm::parse(name)), (name, Some(algorithm)));
        }
        for other in ["none", "rs256", "RS512", "Ed25519", ""] {
            assert_eq!(Algorithm::parse(other), None);
        }
        for (state, name) in KeyState::ALL.into_iter().zip(["next", "active", "retiring", "revoked"]) {
            assert_eq!((state.as_str(), KeyState::parse(name)), (name, Some(state)));
        }
    }

    #[test]
    fn bytes_of_one_algorithm_are_no_key_of_another() {
        for ours in Algorithm::ALL {
            let bytes = private(ours);
            for theirs in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
                let parsed = Key::from_private(theirs, &bytes).map(|key| key.algorithm());
                let expected = if ours == theirs { Ok(theirs) } else { Err(InvalidKey::Rejected(theirs)) };
                assert_eq!(parsed, expected, "{ours:?} as {theirs:?}");
                assert_eq!(
                    Key::from_private(theirs, &bytes[..bytes.len() - 1]).err(),
                    Some(InvalidKey::Rejected(theirs))
                );
            }
        }
        assert_eq!(
            Key::from_private(Algorithm::Es256, &fixture::decode(fixture::P384)).err(),
            Some(InvalidKey::Rejected(Algorithm::Es256))
        );
    }

    #[test]
    fn a_weak_key_is_refused_with_its_reason() {
        let rsa = |text| Key::from_private(Algorithm::Rs256, &fixture::decode(text)).err();
        assert_eq!(rsa(fixture::RSA_1024), Some(InvalidKey::ShortRsa));
        assert_eq!(rsa(fixture::RSA_E3), Some(InvalidKey::SmallExponent));
        assert_eq!(
            Key::from_private(Algorithm::Hs256, b"secret").err(),
            Some(InvalidKey::Weak(WeakSecret::TooShort(6)))
        );
    }

    #[test]
    fn a_jwk_holds_public_members_alone_and_its_thumbprint_is_the_kid() {
        for (algorithm, members) in [
            (Algorithm::Rs256, vec!["alg", "e", "kid", "kty", "n", "use"]),
            (Algorithm::Es256, vec!["alg", "crv", "kid", "kty", "use", "x", "y"]),
            (Algorithm::EdDsa, vec!["alg", "crv", "kid", "kty", "use", "x"]),
        ] {
            let key = fixture::key(algorithm);
            let jwk = key.jwk().expect("public");
            let mut names: Vec<&str> = jwk.as_object().expect("object").keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, members);
            assert_eq!((&jwk["alg"], &jwk["use"]), (&algorithm.as_str().into(), &"sig".into()));
            assert_eq!((&jwk["kid"], key.kid().len()), (&key.kid().into(), 43));
            let oracle: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk).expect("a JWK");
            let thumbprint = oracle.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256);
            assert_eq!(thumbprint.as_deref().ok(), Some(key.kid()));
        }
        assert_eq!(fixture::key(Algorithm::Hs256).jwk(), None);
    }

    #[test]
    fn a_signature_is_as_long_as_is_said() {
        for algorithm in Algorithm::ALL {
            let key = fixture::key(algorithm);
            assert_eq!(key.sign(b"a message").map(|signature| signature.len()), Some(key.signature_len()));
        }
    }

    #[test]
    fn the_name_of_a_secret_tells_nothing_and_stays() {
        let (one, other) = (fixture::key(Algorithm::Hs256), fixture::other(Algorithm::Hs256));
        assert_eq!(one.kid().len(), 22);
        assert_ne!(one.kid(), other.kid());
        assert_eq!(one.kid(), fixture::key(Algorithm::Hs256).kid());
    }

    #[test]
    fn a_key_shows_no_secret() {
        let shown = format!("{:?}", fixture::key(Algorithm::Hs256));
        assert!(shown.starts_with("Key { kid: ") && shown.ends_with("algorithm: Hs256, .. }"), "{shown}");
    }

    #[test]
    fn a_record_opens_under_its_master_key_and_its_own_name_alone() {
        let (master, other) = (MasterKey::from_bytes(&[1; 32]), MasterKey::from_bytes(&[2; 32]));
        for algorithm in Algorithm::ALL {
            let key = fixture::key(algorithm);
            let mut record =
                KeyRecord::new(&key, &private(algorithm), KeyState::Active, NOW, &master, [7; 12]);
            assert_eq!((record.active_from, record.retired_at), (Some(NOW), None));
            assert!(!format!("{record:?}").contains("secret"));
            let kid = |r: &KeyRecord, m: &MasterKey| r.open(m).map(|key| key.kid().to_owned());
            assert_eq!(kid(&record, &master), Ok(key.kid().to_owned()));
            assert_eq!(kid(&record, &other), Err(OpenKeyError::Sealed(OpenError::WrongMasterKey)));
            let moved = KeyRecord { kid: "another".into(), ..record.clone() };
            assert_eq!(kid(&moved, &master), Err(OpenKeyError::Sealed(OpenError::Corrupt)));
            // The secret of another algorithm must never be taken for an HMAC key, or as this one.
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(kid(&KeyRecord { algorithm: other, ..record.clone() }, &master).is_err());
            }
            let both = MasterKey::from_bytes(&[2; 32]).replacing(MasterKey::from_bytes(&[1; 32]));
            assert_eq!(record.reseal(&both, [8; 12]), Ok(true));
            assert_eq!(kid(&record, &other), Ok(key.kid().to_owned()));
            let resealed = record.clone();
            assert_eq!((record.reseal(&both, [9; 12]), &record), (Ok(false), &resealed));
        }
    }
}
