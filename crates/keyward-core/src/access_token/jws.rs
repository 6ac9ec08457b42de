//! Is this text one JWS in compact form (RFC 7515 §7.1), and did a key sign it?
//!
//! What a payload says is no matter here. Everything has one spelling: a token that is changed by
//! one bit is another token, so what was said of one can't be dodged by a twin.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::json::{Text, once};
use super::{Defect, SignError};
use crate::key::{Key, TokenType, Verifier, VerifyingKey, VerifyingKeys};

/// The longest token that is looked at, in bytes.
pub const MAX_LENGTH: usize = 8 * 1024;

/// The longest name of a key. Ours have 43 characters at most.
const MAX_KID: usize = 64;

/// Frames and signs a payload.
pub(super) fn sign(typ: TokenType, payload: &[u8], key: &Key) -> Result<Zeroizing<String>, SignError> {
    let header = key.header(typ);
    // Room for all of it, so that no copy is left behind by growing.
    let length = header.len() + 2 + encoded(payload.len()) + encoded(key.signature_len());
    let mut token = Zeroizing::new(String::with_capacity(length));
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes()).ok_or(SignError::Refused)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    if token.len() > MAX_LENGTH { Err(SignError::TooLong) } else { Ok(token) }
}

const fn encoded(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// The three segments, decoded. Nothing of it is to be believed yet.
pub(super) struct Jws<'a> {
    signed: &'a str,
    header: Vec<u8>,
    pub(super) payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Exactly three segments of base64url (RFC 7515 §2), none of them empty: no padding, no white
    /// space, no stray low bits. Five would be a JWE, which is nothing of ours.
    pub(super) fn parse(token: &'a str) -> Result<Self, Defect> {
        if token.len() > MAX_LENGTH {
            return Err(Defect::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Defect::Framing)?;
        let (header, payload) = signed.split_once('.').ok_or(Defect::Framing)?;
        let decode = |segment: &str| match segment {
            "" => Err(Defect::Framing),
            // The dot of a fourth segment is not in the alphabet.
            _ => URL_SAFE_NO_PAD.decode(segment).map_err(|_| Defect::Framing),
        };
        Ok(Self { signed, header: decode(header)?, payload: decode(payload)?, signature: decode(signature)? })
    }

    /// The header, where it is one of this type.
    pub(super) fn header(&self, typ: TokenType) -> Result<Header<'_>, Defect> {
        let Members { alg, typ: named, kid } = self.members().ok_or(Defect::Header)?;
        let (Some(alg), Some(named), Some(kid)) = (alg, named, kid) else { return Err(Defect::Header) };
        // RFC 7515 §4.1.9: a media type, without regard to case, `application/` left out or not.
        let prefix = named.0.get(..12).filter(|prefix| prefix.eq_ignore_ascii_case("application/"));
        if !named.0[prefix.map_or(0, str::len)..].eq_ignore_ascii_case(typ.as_str()) {
            return Err(Defect::Type);
        }
        Ok(Header { alg: alg.0, kid: kid.0 })
    }

    /// The members of the header that are known, if there is no other.
    pub(super) fn members(&self) -> Option<Members<'_>> {
        serde_json::from_str(std::str::from_utf8(&self.header).ok()?).ok()
    }

    /// The one signature operation.
    pub(super) fn is_signed_by(&self, verifier: &Verifier) -> bool {
        verifier.verifies(self.signed.as_bytes(), &self.signature)
    }
}

/// A header of the right type: which key it names, and by which algorithm it claims to be signed.
pub(super) struct Header<'a> {
    alg: Cow<'a, str>,
    kid: Cow<'a, str>,
}

impl Header<'_> {
    /// What the header claims. It chooses nothing: it has to be what the key does.
    pub(super) fn alg(&self) -> &str {
        &self.alg
    }

    /// The one key of that name. No other is tried (RFC 8725 §3.10 on what a `kid` must not do).
    pub(super) fn key<'k>(&self, keys: &'k impl VerifyingKeys) -> Result<VerifyingKey<'k>, Defect> {
        if self.kid.len() > MAX_KID {
            return Err(Defect::UnknownKey);
        }
        keys.verifying(&self.kid).ok_or(Defect::UnknownKey)
    }
}

/// `alg`, `typ` and `kid`. Any other member is refused: `crit` (RFC 7515 §4.1.11) and `b64` change
/// what a signature means, `zip` and `enc` what a payload is, `jwk`, `jku`, `x5u` and `x5c` bring
/// their own key, and whatever else there may be is nothing that we wrote.
pub(super) struct Members<'a> {
    pub(super) alg: Option<Text<'a>>,
    pub(super) typ: Option<Text<'a>>,
    pub(super) kid: Option<Text<'a>>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members { alg: None, typ: None, kid: None };
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    match &*name.0 {
                        "alg" => once(&mut members.alg, &mut map)?,
                        "typ" => once(&mut members.typ, &mut map)?,
                        "kid" => once(&mut members.kid, &mut map)?,
                        _ => return Err(A::Error::custom("a member that is not ours")),
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}
