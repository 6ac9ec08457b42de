//! What does an access token say, and is it ours?
//!
//! A JWT (RFC 7519) in JWS compact form, of the profile of RFC 9068: [`sign`] writes one, [`verify`]
//! reads one and believes nothing before the signature holds. It is strict where the RFCs leave
//! room (RFC 8725): one spelling of everything, no member twice, no header that asks for anything,
//! the key and never the token chooses the algorithm. Nothing that a token says causes a request,
//! and at most one signature is checked for it.
//!
//! Whether something has ended since the token was made is asked of [`crate::revocation`].

mod json;
mod jws;
mod payload;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::id::{SessionId, UserId};
use crate::key::{Key, KeyRing, PublicKeys, VerifyingKeys};
use crate::policy::CLOCK_SKEW;
use crate::revocation::Subject;
use crate::session::Generation;
use crate::time::Timestamp;

pub use crate::key::TokenType;
pub use jws::MAX_LENGTH;

/// What an access token says, the issuer and the audience aside. All times are whole seconds in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `sid`: its session.
    pub session: SessionId,
    /// `sub` and `user_id`: whose it is.
    pub user: UserId,
    /// `gen`: the generation of the refresh token that it was issued beside.
    pub generation: Generation,
    /// `uv`: the version of the user's roles.
    pub roles_version: u64,
    /// `rv`: the version of the table of roles.
    pub role_table_version: u64,
    /// `jti`: its name. No other token has it.
    pub jti: String,
    /// `iat` and `nbf`: when it was made.
    pub issued_at: Timestamp,
    /// `exp`: from when on it is worth nothing.
    pub expires_at: Timestamp,
    /// `auth_time`: when the person last proved who they are.
    pub auth_time: Timestamp,
    /// `amr`: how (RFC 8176).
    pub amr: Vec<String>,
    /// `email` and `email_verified`; `None` where `tokens.claims` leaves them out.
    pub email: Option<ClaimedEmail>,
    /// `phone_number` and `phone_number_verified`; `None` where `tokens.claims` leaves them out.
    pub phone_number: Option<ClaimedPhone>,
    /// `roles`; `None` where `tokens.claims` leaves them out.
    pub roles: Option<Vec<String>>,
    /// `permissions`; `None` where `tokens.claims` leaves them out.
    pub permissions: Option<Vec<String>>,
}

/// The e-mail address in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedEmail {
    /// The address.
    pub address: String,
    /// Whether the person showed that they receive mail there.
    pub verified: bool,
}

/// The phone number in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedPhone {
    /// The number; `None`, in the token `null`, where the account has none.
    pub number: Option<String>,
    /// Whether the person showed that it is theirs.
    pub verified: bool,
}

/// Who issues tokens, for whom, and how long past their end they are still taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// `iss`, to the letter (`tokens.issuer`).
    pub issuer: String,
    /// `aud`, or one of them (`tokens.audience`).
    pub audience: String,
    /// How long past `exp` a token is still taken (`tokens.leeway`).
    pub leeway: Duration,
}

/// A token that is ours, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The key that signed it.
    pub kid: Arc<str>,
    /// What it says.
    pub claims: Claims,
}

impl Verified {
    /// What [`crate::revocation::RevocationSet::check`] asks of it.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            kid: &self.kid,
            session: self.claims.session,
            generation: self.claims.generation,
            user: self.claims.user,
            roles_version: self.claims.roles_version,
            role_table_version: self.claims.role_table_version,
        }
    }
}

/// Why a token is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// It is no access token of ours: `invalid_token`, whatever the defect.
    NotOurs(Defect),
    /// It is, by a key that was revoked: `token_stale`. Others may have that key, so nothing of
    /// what it says is handed on, and it stays worthless however long ago that was.
    KeyRevoked,
    /// It was good until its time was up: `token_expired`. Signing out works with one, so it says
    /// for which session.
    Expired(Box<Verified>),
}

/// What is wrong with a token. For logs and tests: the answer is one and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// Longer than [`MAX_LENGTH`].
    TooLong,
    /// Not three segments of base64url in their one spelling.
    Framing,
    /// The header is not an object of `alg`, `typ` and `kid`.
    Header,
    /// Another kind of JWT.
    Type,
    /// No key of that name.
    UnknownKey,
    /// Another algorithm than that of the key.
    Algorithm,
    /// The key did not sign this.
    Signature,
    /// The claims are not an object, or one is missing, ill-typed or there twice.
    Claims,
    /// Another issuer.
    Issuer,
    /// Another audience.
    Audience,
    /// Made more than [`CLOCK_SKEW`] from now.
    NotYet,
}

impl From<Defect> for Invalid {
    fn from(defect: Defect) -> Self {
        Self::NotOurs(defect)
    }
}

/// Why a token can't be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignError {
    /// It would be longer than [`MAX_LENGTH`], and nobody would take it: there are too many roles
    /// and permissions to carry.
    TooLong,
    /// aws-lc refused to sign: nothing that a parsed key gives cause for.
    Refused,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(
                f,
                "the access token would exceed {MAX_LENGTH} bytes; leave `permissions` out of tokens.claims"
            ),
            Self::Refused => f.write_str("the signing key refused to sign"),
        }
    }
}

impl std::error::Error for SignError {}

/// An access token that says this, signed by this key.
///
/// # Errors
/// [`SignError`].
pub fn sign(claims: &Claims, realm: &Realm, key: &Key) -> Result<Zeroizing<String>, SignError> {
    let payload = payload::write(claims, realm).ok_or(SignError::Refused)?;
    jws::sign(TokenType::Access, &payload, key)
}

/// The claims as a token of this realm says them, member by member.
pub fn members(claims: &Claims, realm: &Realm) -> serde_json::Map<String, serde_json::Value> {
    payload::members(claims, realm)
}

/// What the edge tells the service behind it: the same claims for another audience and a shorter
/// time, of a type that [`verify`] refuses.
///
/// # Errors
/// [`SignError`].
pub fn sign_assertion(claims: &Claims, realm: &Realm, key: &Key) -> Result<Zeroizing<String>, SignError> {
    let payload = payload::write(claims, realm).ok_or(SignError::Refused)?;
    jws::sign(TokenType::Assertion, &payload, key)
}

/// Whether this is an access token of ours that is good at `now`, and what it says. No input makes
/// it panic or take long.
///
/// # Errors
/// [`Invalid`]. A token that is [`Invalid::Expired`] has no other defect.
pub fn verify(token: &str, ring: &KeyRing, realm: &Realm, now: Timestamp) -> Result<Verified, Invalid> {
    verify_by(TokenType::Access, token, ring, realm, now)
}

/// The same for who has no more than the published keys: the service behind Keyward. It is asked for
/// one type of token, and takes no other.
///
/// # Errors
/// As [`verify`]; that a key was revoked is then known to [`crate::revocation`] alone.
pub fn verify_published(
    typ: TokenType,
    token: &str,
    keys: &PublicKeys,
    realm: &Realm,
    now: Timestamp,
) -> Result<Verified, Invalid> {
    verify_by(typ, token, keys, realm, now)
}

fn verify_by(
    typ: TokenType,
    token: &str,
    keys: &impl VerifyingKeys,
    realm: &Realm,
    now: Timestamp,
) -> Result<Verified, Invalid> {
    let jws = jws::Jws::parse(token)?;
    let header = jws.header(typ)?;
    let key = header.key(keys)?;
    if header.alg() != key.algorithm.as_str() {
        return Err(Defect::Algorithm.into());
    }
    if !jws.is_signed_by(key.verifier) {
        return Err(Defect::Signature.into());
    }
    let payload = payload::read(&jws.payload).ok_or(Defect::Claims)?;
    if !payload.is_issued_by(&realm.issuer) {
        return Err(Defect::Issuer.into());
    }
    if !payload.is_meant_for(&realm.audience) {
        return Err(Defect::Audience.into());
    }
    let latest = now.after(CLOCK_SKEW);
    if payload.claims.issued_at > latest || payload.not_before > latest {
        return Err(Defect::NotYet.into());
    }
    if key.is_revoked {
        return Err(Invalid::KeyRevoked);
    }
    let verified = Verified { kid: Arc::clone(key.kid), claims: payload.claims };
    if now >= verified.claims.expires_at.after(realm.leeway) {
        return Err(Invalid::Expired(Box::new(verified)));
    }
    Ok(verified)
}

/// What a token says of its session, WITHOUT a look at its signature: only to pick, of several
/// access cookies, the one that belongs to a hint. It is framed as strictly as by [`verify`],
/// which has to follow.
pub fn peek_session(token: &str) -> Option<(SessionId, Generation)> {
    let jws = jws::Jws::parse(token).ok()?;
    jws.header(TokenType::Access).ok()?;
    let claims = payload::read(&jws.payload)?.claims;
    Some((claims.session, claims.generation))
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
