//! Which keys does a JWK Set publish (RFC 7517 §5), for who verifies without Keyward's store?
//!
//! Taken is what Keyward publishes, to the letter: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA,
//! each with its `kid` and its one `alg`. Any other key in the set is passed over: a newer release may
//! publish one, and a secret (`oct`) or a key for another use is nothing to verify by.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::material::{Verifier, pkcs1};
use super::{Algorithm, VerifyingKey, VerifyingKeys};

/// The largest set that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The most keys that a set may have: Keyward's has three or four.
const MAX_KEYS: usize = 32;
/// The longest name of a key. Ours have 43 characters.
const MAX_KID: usize = 64;

/// The published keys at a moment, parsed once.
#[derive(Default)]
pub struct PublicKeys(HashMap<Arc<str>, (Algorithm, Verifier)>);

impl PublicKeys {
    /// The keys of a JWK Set.
    ///
    /// # Errors
    /// [`InvalidJwks`], where it is no such set, or one without a key to verify by.
    pub fn from_jwks(json: &[u8]) -> Result<Self, InvalidJwks> {
        if json.len() > MAX_BYTES {
            return Err(InvalidJwks::TooLarge);
        }
        let set: Set = serde_json::from_slice(json).map_err(|_| InvalidJwks::NoSet)?;
        if set.keys.len() > MAX_KEYS {
            return Err(InvalidJwks::TooLarge);
        }
        if set.keys.is_empty() {
            return Err(InvalidJwks::Empty);
        }
        let mut keys = HashMap::new();
        for (kid, algorithm, verifier) in set.keys.into_iter().filter_map(read) {
            // Two keys of one name: which one counts would be chance.
            if keys.insert(kid, (algorithm, verifier)).is_some() {
                return Err(InvalidJwks::NamedTwice);
            }
        }
        if keys.is_empty() { Err(InvalidJwks::NoneOfUse) } else { Ok(Self(keys)) }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key of that name.
    pub fn contains(&self, kid: &str) -> bool {
        self.0.contains_key(kid)
    }
}

impl VerifyingKeys for PublicKeys {
    fn verifying(&self, kid: &str) -> Option<VerifyingKey<'_>> {
        let (kid, (algorithm, verifier)) = self.0.get_key_value(kid)?;
        Some(VerifyingKey { kid, algorithm: *algorithm, verifier, is_revoked: false })
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a text gives no keys to verify by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidJwks {
    /// It is larger than any set of keys.
    TooLarge,
    /// It is no JWK Set.
    NoSet,
    /// It has no key at all, as with HS256: whoever could verify could sign.
    Empty,
    /// It has keys, none of which is one that Keyward signs with.
    NoneOfUse,
    /// Two of its keys have one name.
    NamedTwice,
}

impl fmt::Display for InvalidJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the JWKS is larger than any set of keys",
            Self::NoSet => "the answer is no JWKS",
            Self::Empty => {
                "the JWKS has no key. With tokens.algorithm = \"HS256\" none is published, as whoever could \
                 verify could sign: choose RS256, ES256 or EdDSA, or verify at Keyward (/api/auth/verify)"
            }
            Self::NoneOfUse => "the JWKS has no key for RS256, ES256 or EdDSA",
            Self::NamedTwice => "the JWKS has two keys of one name",
        })
    }
}

impl std::error::Error for InvalidJwks {}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// The key of a JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2), where it is one of ours.
fn read(jwk: serde_json::Map<String, serde_json::Value>) -> Option<(Arc<str>, Algorithm, Verifier)> {
    let text = |name: &str| jwk.get(name).and_then(serde_json::Value::as_str);
    let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    if !matches!(text("use"), Some("sig")) || jwk.contains_key("key_ops") || jwk.contains_key("d") {
        return None;
    }
    let kid = text("kid").filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID)?;
    let algorithm = Algorithm::parse(text("alg")?)?;
    let public = match (algorithm, text("kty")?, text("crv")) {
        // 2048 bits (RFC 7518 §3.3): aws-lc looks at that when a signature comes, which is late.
        (Algorithm::Rs256, "RSA", None) => pkcs1(&bytes("n").filter(|n| n.len() >= 256)?, &bytes("e")?)?,
        (Algorithm::Es256, "EC", Some("P-256")) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            if (x.len(), y.len()) != (32, 32) {
                return None;
            }
            [&[4], x.as_slice(), y.as_slice()].concat()
        }
        (Algorithm::EdDsa, "OKP", Some("Ed25519")) => bytes("x").filter(|x| x.len() == 32)?,
        _ => return None,
    };
    Some((kid.into(), algorithm, Verifier::new(algorithm, &public)?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixture;
    use super::*;

    const PUBLISHED: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    fn jwk(algorithm: Algorithm) -> Value {
        fixture::key(algorithm).jwk().expect("public")
    }

    fn parse(keys: &[Value]) -> Result<PublicKeys, InvalidJwks> {
        PublicKeys::from_jwks(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn what_keyward_publishes_verifies_what_it_signs() {
        for algorithm in PUBLISHED {
            let (key, keys) = (fixture::key(algorithm), parse(&[jwk(algorithm)]).expect("a set"));
            let found = keys.verifying(key.kid()).expect("known");
            let signature = key.sign(b"message").expect("signed");
            assert_eq!((found.algorithm, &**found.kid, found.is_revoked), (algorithm, key.kid(), false));
            assert!(found.verifier.verifies(b"message", &signature), "{algorithm:?}");
            assert!(!found.verifier.verifies(b"massage", &signature), "{algorithm:?}");
            assert!(keys.verifying(&key.kid()[1..]).is_none());
        }
    }

    #[test]
    fn a_key_that_is_not_to_the_letter_is_passed_over() {
        let secret = json!({"kty": "oct", "kid": "s", "alg": "HS256", "use": "sig", "k": "AAAA"});
        assert_eq!(parse(std::slice::from_ref(&secret)).err(), Some(InvalidJwks::NoneOfUse));
        let all = PUBLISHED.map(jwk);
        assert_eq!(parse(&[&all[..], &[secret]].concat()).expect("a set").len(), 3);
        for (algorithm, members) in [
            (Algorithm::Rs256, vec!["kty", "kid", "alg", "use", "n", "e"]),
            (Algorithm::Es256, vec!["kty", "kid", "alg", "use", "crv", "x", "y"]),
            (Algorithm::EdDsa, vec!["kty", "kid", "alg", "use", "crv", "x"]),
        ] {
            for member in members {
                let mut other = jwk(algorithm);
                for value in [json!("AAAA"), json!(7), json!(""), Value::Null] {
                    // Any text is a name.
                    if member == "kid" && value == "AAAA" {
                        continue;
                    }
                    other[member] = value.clone();
                    assert_eq!(
                        parse(std::slice::from_ref(&other)).err(),
                        Some(InvalidJwks::NoneOfUse),
                        "{algorithm:?} {member} {value}"
                    );
                }
                other.as_object_mut().expect("an object").remove(member);
                assert_eq!(parse(&[other]).err(), Some(InvalidJwks::NoneOfUse), "{algorithm:?} {member}");
            }
            for named in ["RS256", "ES256", "EdDSA", "HS256", "RS512", "none"] {
                let mut other = jwk(algorithm);
                other["alg"] = named.into();
                assert_eq!(parse(&[other]).is_ok(), named == algorithm.as_str(), "{algorithm:?} as {named}");
            }
            for (name, value) in [("use", json!("enc")), ("key_ops", json!(["verify"])), ("d", json!("AAAA"))]
            {
                let mut other = jwk(algorithm);
                other[name] = value;
                assert_eq!(parse(&[other]).err(), Some(InvalidJwks::NoneOfUse), "{algorithm:?} {name}");
            }
        }
    }

    #[test]
    fn a_weak_rsa_key_verifies_nothing() {
        for (n, e) in [
            // 1024 bits, and an exponent of 3.
            (vec![0xc5; 128], vec![1, 0, 1]),
            (vec![0xc5; 256], vec![3]),
            (vec![0; 256], vec![1, 0, 1]),
            (vec![], vec![1, 0, 1]),
        ] {
            let mut weak = jwk(Algorithm::Rs256);
            weak["n"] = URL_SAFE_NO_PAD.encode(n).into();
            weak["e"] = URL_SAFE_NO_PAD.encode(e).into();
            assert_eq!(parse(&[weak]).err(), Some(InvalidJwks::NoneOfUse));
        }
    }

    #[test]
    fn what_is_no_set_of_keys_is_told_apart() {
        assert_eq!(parse(&[]).err(), Some(InvalidJwks::Empty));
        assert!(InvalidJwks::Empty.to_string().contains("HS256"));
        let key = jwk(Algorithm::EdDsa);
        assert_eq!(parse(&[key.clone(), key.clone()]).err(), Some(InvalidJwks::NamedTwice));
        assert_eq!(parse(&vec![key; MAX_KEYS + 1]).err(), Some(InvalidJwks::TooLarge));
        for garbage in
            ["", "[]", "{}", "null", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, "<html>", "{\"keys\":[\u{7f}"]
        {
            assert_eq!(
                PublicKeys::from_jwks(garbage.as_bytes()).err(),
                Some(InvalidJwks::NoSet),
                "{garbage}"
            );
        }
        let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(MAX_BYTES));
        assert_eq!(PublicKeys::from_jwks(large.as_bytes()).err(), Some(InvalidJwks::TooLarge));
        assert_eq!(PublicKeys::from_jwks(&[0xff; 9]).err(), Some(InvalidJwks::NoSet));
    }
}
