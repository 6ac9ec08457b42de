//! How does a key sign and verify? By aws-lc-rs, with everything parsed beforehand.

use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{Algorithm, InvalidKey};

/// The half that signs.
pub(super) enum Signer {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac(Arc<hmac::Key>),
}

impl Signer {
    /// The signature as JWS wants it (RFC 7518 §3.2–3.4, RFC 8037 §3.1); `None` where aws-lc
    /// refuses, which a parsed key gives it no cause for.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; self.signature_len()];
                let digest = digest::digest(&SHA256, message);
                pair.sign_digest(&RSA_PKCS1_SHA256, &digest, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ecdsa(pair) => {
                let digest = digest::digest(&SHA256, message);
                Some(pair.sign_digest(&digest).ok()?.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Self::Hmac(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    /// How long a signature is, in bytes.
    pub(super) fn signature_len(&self) -> usize {
        match self {
            Self::Rsa(pair) => pair.public_modulus_len(),
            Self::Ecdsa(_) | Self::Ed25519(_) => 64,
            Self::Hmac(_) => SHA256.output_len(),
        }
    }

    /// A name for a key without a public part. The text is no signing input, as it has no dot: no
    /// name gives a signature away.
    pub(super) fn name(&self) -> String {
        let mac = self.sign(b"keyward key name v1").unwrap_or_default();
        URL_SAFE_NO_PAD.encode(&mac[..mac.len().min(16)])
    }
}

/// The half that verifies.
pub(crate) enum Verifier {
    Public(ParsedPublicKey),
    Hmac(Arc<hmac::Key>),
}

impl Verifier {
    /// One signature operation, in constant time for an HMAC.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    /// The verifier of a public key: PKCS#1 for RSA, the uncompressed point, the 32 bytes of
    /// Ed25519; the secret itself for HMAC.
    pub(crate) fn new(algorithm: Algorithm, public: &[u8]) -> Option<Self> {
        let by: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDsa => &ED25519,
            Algorithm::Hs256 => return Some(Self::Hmac(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, public)))),
        };
        ParsedPublicKey::new(by, public).ok().map(Self::Public)
    }
}

/// The public members of a JWK, in base64url.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Public {
    Rsa { n: String, e: String },
    Ec { x: String, y: String },
    Okp { x: String },
}

impl Public {
    pub(super) fn jwk(&self, kid: &str, algorithm: Algorithm) -> serde_json::Value {
        let alg = algorithm.as_str();
        match self {
            Self::Rsa { n, e } => json!({"kty": "RSA", "kid": kid, "alg": alg, "use": "sig", "n": n, "e": e}),
            Self::Ec { x, y } => {
                json!({"kty": "EC", "kid": kid, "alg": alg, "use": "sig", "crv": "P-256", "x": x, "y": y})
            }
            Self::Okp { x } => {
                json!({"kty": "OKP", "kid": kid, "alg": alg, "use": "sig", "crv": "Ed25519", "x": x})
            }
        }
    }

    /// RFC 7638 §3: the required members alone, in the order of their names, without white space.
    pub(super) fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Ec { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Okp { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(digest::digest(&SHA256, canonical.as_bytes()))
    }
}

/// Parses private bytes into both halves and the public part.
pub(super) fn parse(
    algorithm: Algorithm,
    private: &[u8],
) -> Result<(Signer, Verifier, Option<Public>), InvalidKey> {
    let rejected = InvalidKey::Rejected(algorithm);
    let verifier = |public: &[u8]| Verifier::new(algorithm, public).ok_or(rejected);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match algorithm {
        Algorithm::Rs256 => {
            // Under 2048 bits aws-lc refuses by that one word.
            let pair = RsaKeyPair::from_pkcs8(private).map_err(|error| {
                if error.to_string() == "TooSmall" { InvalidKey::ShortRsa } else { rejected }
            })?;
            let der = pair.public_key().as_ref();
            let (n, e) = rsa_public(der).ok_or(rejected)?;
            if is_small(e) {
                return Err(InvalidKey::SmallExponent);
            }
            let (public, verifier) = (Public::Rsa { n: encode(n), e: encode(e) }, verifier(der)?);
            Ok((Signer::Rsa(pair), verifier, Some(public)))
        }
        Algorithm::Es256 => {
            let pair =
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private).map_err(|_| rejected)?;
            let point = pair.public_key().as_ref();
            // Uncompressed (SEC 1 §2.3.3): a four, then both coordinates.
            let [4, coordinates @ ..] = point else { return Err(rejected) };
            let (x, y) = coordinates.split_at_checked(32).ok_or(rejected)?;
            let (public, verifier) = (Public::Ec { x: encode(x), y: encode(y) }, verifier(point)?);
            Ok((Signer::Ecdsa(pair), verifier, Some(public)))
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8(private).map_err(|_| rejected)?;
            let x = pair.public_key().as_ref();
            let (public, verifier) = (Public::Okp { x: encode(x) }, verifier(x)?);
            Ok((Signer::Ed25519(pair), verifier, Some(public)))
        }
        Algorithm::Hs256 => {
            let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, private));
            Ok((Signer::Hmac(Arc::clone(&key)), Verifier::Hmac(key), None))
        }
    }
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 §A.1.1), without leading zeros: aws-lc-rs
/// hands the DER out, not the numbers.
fn rsa_public(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, rest) = element(der, 0x30)?;
    let (n, more) = element(sequence, 0x02)?;
    let (e, end) = element(more, 0x02)?;
    let bare = |number: &'_ [u8]| number.iter().take_while(|byte| **byte == 0).count();
    (rest.is_empty() && end.is_empty()).then(|| (&n[bare(n)..], &e[bare(e)..]))
}

/// The `RSAPublicKey` of these numbers; `None` for an exponent under 65537, or for what is no number
/// in its shortest form (RFC 7518 §6.3.1). Its size is looked at by aws-lc.
pub(crate) fn pkcs1(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    if is_small(e) {
        return None;
    }
    let number = |bytes: &[u8]| match bytes {
        [] | [0, ..] => None,
        [0x80..=0xff, ..] => der(0x02, &[&[0], bytes].concat()),
        _ => der(0x02, bytes),
    };
    der(0x30, &[number(n)?, number(e)?].concat())
}

/// Whether an exponent is under 65537.
fn is_small(e: &[u8]) -> bool {
    e.len() < 3 || (e.len() == 3 && e < [1, 0, 1].as_slice())
}

/// One element of DER.
fn der(tag: u8, contents: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(contents.len()).ok()?.to_be_bytes();
    let head: &[u8] = match (high, low) {
        (0, 0..=0x7f) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    Some([head, contents].concat())
}

/// The contents of the element that `der` begins with, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let octets = usize::from(first & 0x7f);
    let (length, rest) = match first {
        0..=0x7f => (octets, rest),
        0x81 | 0x82 => {
            let (length, rest) = rest.split_at_checked(octets)?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        // RFC 7638 §3.1 and RFC 8037 §A.3.
        let rsa = Public::Rsa {
            n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP\
                ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY3\
                68QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4\
                lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
                .into(),
            e: "AQAB".into(),
        };
        assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let okp = Public::Okp { x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".into() };
        assert_eq!(okp.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_truncated_or_foreign_structure_is_no_rsa_key() {
        let der = [0x30, 0x08, 0x02, 0x03, 0x00, 0xc5, 0x01, 0x02, 0x01, 0x03];
        assert_eq!(rsa_public(&der), Some(([0xc5, 0x01].as_slice(), [0x03].as_slice())));
        for length in 0..der.len() {
            assert_eq!(rsa_public(&der[..length]), None);
        }
        for at in [0, 1, 2, 3, 7, 8] {
            let mut other = der;
            other[at] ^= 0x41;
            assert_eq!(rsa_public(&other), None, "{at}");
        }
    }
}
