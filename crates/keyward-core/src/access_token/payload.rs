//! How are the claims written, and read back?

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::json::{Ignored, Names, Text, once};
use super::{ClaimedEmail, ClaimedPhone, Claims, Realm};
use crate::id::{SessionId, UserId};
use crate::time::Timestamp;

/// 9999-12-31T23:59:59Z: what is later is no time that anybody meant.
const LAST_SECOND: u64 = 253_402_300_799;

/// The claims as one JSON object. Strings and numbers into memory: `None` is not to be expected.
pub(super) fn write(claims: &Claims, realm: &Realm) -> Option<Vec<u8>> {
    let mut json = Vec::with_capacity(1024);
    serde_json::to_writer(&mut json, &out(claims, realm)).ok()?;
    Some(json)
}

/// The claims as members.
pub(super) fn members(claims: &Claims, realm: &Realm) -> Map<String, Value> {
    match serde_json::to_value(out(claims, realm)) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn out<'a>(claims: &'a Claims, realm: &'a Realm) -> Out<'a> {
    let issued_at = claims.issued_at.seconds();
    Out {
        iss: &realm.issuer,
        aud: &realm.audience,
        sub: claims.user,
        user_id: claims.user,
        sid: claims.session,
        r#gen: claims.generation,
        uv: claims.roles_version,
        rv: claims.role_table_version,
        jti: &claims.jti,
        iat: issued_at,
        nbf: issued_at,
        exp: claims.expires_at.seconds(),
        auth_time: claims.auth_time.seconds(),
        amr: &claims.amr,
        email: claims.email.as_ref().map(|email| email.address.as_str()),
        email_verified: claims.email.as_ref().map(|email| email.verified),
        phone_number: claims.phone_number.as_ref().map(|phone| phone.number.as_deref()),
        phone_number_verified: claims.phone_number.as_ref().map(|phone| phone.verified),
        roles: claims.roles.as_deref(),
        permissions: claims.permissions.as_deref(),
    }
}

#[derive(Serialize)]
struct Out<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: UserId,
    user_id: UserId,
    sid: SessionId,
    r#gen: u64,
    uv: u64,
    rv: u64,
    jti: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    auth_time: i64,
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<&'a [String]>,
}

/// The claims, and those that are checked and not kept.
pub(super) struct Payload<'a> {
    issuer: Text<'a>,
    audience: Audience<'a>,
    pub(super) not_before: Timestamp,
    pub(super) claims: Claims,
}

impl Payload<'_> {
    /// To the letter (RFC 7519 §4.1.1): no URL is taken for another that means the same.
    pub(super) fn is_issued_by(&self, issuer: &str) -> bool {
        self.issuer.0 == issuer
    }

    /// RFC 7519 §4.1.3: the one audience, or one of them.
    pub(super) fn is_meant_for(&self, audience: &str) -> bool {
        self.audience.0.iter().any(|text| text.0 == audience)
    }
}

/// Reads one JSON object of claims in UTF-8: each there once and of its type, all required but the
/// personal ones. Others are read through and ignored: a newer release may write more.
pub(super) fn read(bytes: &[u8]) -> Option<Payload<'_>> {
    let found: Found<'_> = serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
    let user: UserId = found.sub?.0.parse().ok()?;
    if found.user_id?.0.parse() != Ok(user) {
        return None;
    }
    let email = match (found.email, found.email_verified) {
        (Some(address), Some(verified)) => Some(ClaimedEmail { address: address.0.into_owned(), verified }),
        (None, None) => None,
        _ => return None,
    };
    let phone_number = match (found.phone_number, found.phone_number_verified) {
        (Some(number), Some(verified)) => {
            Some(ClaimedPhone { number: number.map(|text| text.0.into_owned()), verified })
        }
        (None, None) => None,
        _ => return None,
    };
    let claims = Claims {
        session: found.sid?.0.parse().ok()?,
        user,
        generation: found.r#gen?,
        roles_version: found.uv?,
        role_table_version: found.rv?,
        jti: found.jti.map(|jti| jti.0.into_owned()).filter(|jti| !jti.is_empty())?,
        issued_at: found.iat?.0,
        expires_at: found.exp?.0,
        auth_time: found.auth_time?.0,
        amr: found.amr?,
        email,
        phone_number,
        roles: found.roles,
        permissions: found.permissions,
    };
    Some(Payload { issuer: found.iss?, audience: found.aud?, not_before: found.nbf?.0, claims })
}

#[derive(Default)]
struct Found<'a> {
    iss: Option<Text<'a>>,
    aud: Option<Audience<'a>>,
    sub: Option<Text<'a>>,
    user_id: Option<Text<'a>>,
    sid: Option<Text<'a>>,
    r#gen: Option<u64>,
    uv: Option<u64>,
    rv: Option<u64>,
    jti: Option<Text<'a>>,
    iat: Option<NumericDate>,
    nbf: Option<NumericDate>,
    exp: Option<NumericDate>,
    auth_time: Option<NumericDate>,
    amr: Option<Vec<String>>,
    email: Option<Text<'a>>,
    email_verified: Option<bool>,
    phone_number: Option<Option<Text<'a>>>,
    phone_number_verified: Option<bool>,
    roles: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand: a derived one would also take an array, and ignore unknown members that are
        // there twice.
        struct FoundVisitor<'de>(PhantomData<&'de ()>);
        impl<'de> Visitor<'de> for FoundVisitor<'de> {
            type Value = Found<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
                let (mut found, mut others) = (Found::default(), Names::default());
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    match &*name.0 {
                        "iss" => once(&mut found.iss, &mut map)?,
                        "aud" => once(&mut found.aud, &mut map)?,
                        "sub" => once(&mut found.sub, &mut map)?,
                        "user_id" => once(&mut found.user_id, &mut map)?,
                        "sid" => once(&mut found.sid, &mut map)?,
                        "gen" => once(&mut found.r#gen, &mut map)?,
                        "uv" => once(&mut found.uv, &mut map)?,
                        "rv" => once(&mut found.rv, &mut map)?,
                        "jti" => once(&mut found.jti, &mut map)?,
                        "iat" => once(&mut found.iat, &mut map)?,
                        "nbf" => once(&mut found.nbf, &mut map)?,
                        "exp" => once(&mut found.exp, &mut map)?,
                        "auth_time" => once(&mut found.auth_time, &mut map)?,
                        "amr" => once(&mut found.amr, &mut map)?,
                        "email" => once(&mut found.email, &mut map)?,
                        "email_verified" => once(&mut found.email_verified, &mut map)?,
                        "phone_number" => once(&mut found.phone_number, &mut map)?,
                        "phone_number_verified" => once(&mut found.phone_number_verified, &mut map)?,
                        "roles" => once(&mut found.roles, &mut map)?,
                        "permissions" => once(&mut found.permissions, &mut map)?,
                        _ => {
                            others.add(name)?;
                            map.next_value::<Ignored>()?;
                        }
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(FoundVisitor(PhantomData))
    }
}

/// RFC 7519 §2, in whole seconds: a fraction, a text or a time before 1970 is no time here.
struct NumericDate(Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        match i64::try_from(seconds) {
            Ok(whole) if seconds <= LAST_SECOND => Ok(Self(Timestamp::from_seconds(whole))),
            _ => Err(D::Error::custom("no time that anybody meant")),
        }
    }
}

struct Audience<'a>(Vec<Text<'a>>);

impl<'de> Deserialize<'de> for Audience<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AudienceVisitor;
        impl<'de> Visitor<'de> for AudienceVisitor {
            type Value = Audience<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or an array of strings")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Audience<'de>, E> {
                Ok(Audience(vec![Text(text.into())]))
            }

            fn visit_str<E>(self, text: &str) -> Result<Audience<'de>, E> {
                Ok(Audience(vec![Text(text.to_owned().into())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audience<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = seq.next_element()? {
                    all.push(text);
                }
                Ok(Audience(all))
            }
        }
        deserializer.deserialize_any(AudienceVisitor)
    }
}
