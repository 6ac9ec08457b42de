//! What can be done with accounts and sessions? One use case a file; each reads: load, decide,
//! commit.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod emails;
pub(crate) mod explorer;
mod flush;
pub(crate) mod import;
pub(crate) mod introspect;
pub(crate) mod keys;
mod limits;
pub(crate) mod links;
pub(crate) mod master_key;
pub(crate) mod outbox;
pub(crate) mod passwords;
pub(crate) mod refresh;
pub(crate) mod refresh_keys;
pub(crate) mod roles;
pub(crate) mod search;
pub(crate) mod service_keys;
pub(crate) mod sessions;
pub(crate) mod set_up;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod sign_up;
pub(crate) mod sweep;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::access_token::{self, ClaimedEmail, ClaimedPhone, Claims};
use keyward_core::account::Account;
use keyward_core::change::{Change, Committed, Conflict};
use keyward_core::denial::Denial;
use keyward_core::id::{SessionId, UserId};
use keyward_core::password::InvalidHash;
use keyward_core::policy::Policy;
use keyward_core::refresh_token::RefreshToken;
use keyward_core::role::Roles;
use keyward_core::session::{Generation, Progress, Session};
use keyward_core::time::Timestamp;
use zeroize::Zeroizing;

use crate::clock;
use crate::engine::Engine;
use crate::error::Error;
use crate::store::{Fault, Loaded, NotCommitted};

/// How often a use case that lost a race loads and decides again. Each time somebody else got
/// through, so it is only ever reached by a flood on one record.
const ATTEMPTS: usize = 64;

/// As many sessions as anybody can have: `sessions.max_per_user` is at most this.
const EVERY: u32 = 10_000;

/// What a person gets who signs up, signs in or refreshes: who they are, and their tokens.
#[derive(Clone)]
pub struct Grant {
    /// The session and its account.
    pub(crate) loaded: Arc<Loaded>,
    /// What the account may do.
    pub(crate) permissions: Arc<[String]>,
    /// The access token; `None` where only the session is shown.
    pub(crate) access_token: Option<Zeroizing<String>>,
    /// When the access token ends.
    pub(crate) expires_at: Timestamp,
    /// A new refresh token; `None` where the caller keeps the one that it has.
    pub(crate) refresh_token: Option<Zeroizing<String>>,
    /// Until when the session's refresh token can be presented.
    pub(crate) refresh_expires_at: Timestamp,
    /// When to refresh; `None` where that could bring nothing.
    pub(crate) refresh_at: Option<Timestamp>,
    /// When the session ends unless its person does something.
    pub(crate) idle_expires_at: Option<Timestamp>,
    /// The moment by which all this was decided.
    pub(crate) now: Timestamp,
}

impl Grant {
    /// Whose session it is.
    pub fn user_id(&self) -> UserId {
        self.loaded.account.id
    }

    /// The session.
    pub fn session_id(&self) -> SessionId {
        self.loaded.session.id
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.loaded.account
    }

    /// What the account may do, sorted.
    pub fn permissions(&self) -> &[String] {
        &self.permissions
    }

    /// The access token (RFC 9068), to be presented as `Authorization: Bearer`.
    pub fn access_token(&self) -> &str {
        self.access_token.as_ref().map_or("", |token| token.as_str())
    }

    /// When the access token ends.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// A new refresh token; `None` where the caller keeps the one that it presented.
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(|token| token.as_str())
    }

    /// Until when the session's refresh token can be presented.
    pub fn refresh_expires_at(&self) -> Timestamp {
        self.refresh_expires_at
    }

    /// When to refresh; `None` where that could bring nothing, as the session ends first.
    pub fn refresh_at(&self) -> Option<Timestamp> {
        self.refresh_at
    }

    /// When the session ends unless its person does something; `None`: it asks for no activity.
    pub fn idle_expires_at(&self) -> Option<Timestamp> {
        self.idle_expires_at
    }

    /// The moments that an answer tells, as it tells them: in whole seconds.
    pub(crate) fn moments(&self) -> Moments {
        let last = Some(self.refresh_expires_at);
        [Some(self.now), Some(self.expires_at), last, self.refresh_at, self.idle_expires_at]
            .map(|at| at.map(Timestamp::seconds))
    }
}

/// What [`Grant::moments`] gives.
pub(crate) type Moments = [Option<i64>; 5];

/// Without the tokens.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("user_id", &self.user_id())
            .field("session_id", &self.session_id())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A refresh token that a verdict makes, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RefreshPart {
    New,
    Kept,
}

impl Engine {
    /// Writes the tokens that a decision brings. `progress` is the session's, as decided; `names`
    /// is the generation that the access token names.
    async fn grant(
        &self,
        mut loaded: Arc<Loaded>,
        roles: &Roles,
        progress: &Progress,
        names: Generation,
        refresh: RefreshPart,
        now: Timestamp,
    ) -> Result<Grant, Error> {
        roles.retain_known(&mut Arc::make_mut(&mut loaded).account.roles);
        let Loaded { session, account, .. } = &*loaded;
        let policy = &self.settings.policy;
        let end = session.end_of_access(progress, policy);
        let expires_at = Timestamp::from_seconds(now.after(policy.access_ttl).min(end).seconds());
        let permissions: Arc<[String]> = roles.permissions_of(&account.roles).into();
        let personal = self.settings.claims;
        let claims = Claims {
            session: session.id,
            user: account.id,
            generation: names,
            roles_version: account.roles_version,
            // Of two that may differ, the one that can only make the token stale.
            role_table_version: roles.version.min(loaded.role_table_version),
            jti: jti(),
            issued_at: now,
            expires_at,
            auth_time: session.auth_time,
            amr: session.amr.split_whitespace().map(str::to_owned).collect(),
            email: personal.email.then(|| ClaimedEmail {
                address: account.email.to_string(),
                verified: account.email_verified,
            }),
            phone_number: personal.phone_number.then(|| ClaimedPhone {
                number: account.phone_number.as_ref().map(ToString::to_string),
                verified: account.phone_number_verified,
            }),
            roles: personal.roles.then(|| account.roles.clone()),
            permissions: personal.permissions.then(|| permissions.to_vec()),
        };
        let access_token = self.sign(self.active_key()?, claims, &self.realm, access_token::sign).await?;
        let refresh_token = (refresh == RefreshPart::New).then(|| {
            self.mac_keys().seal(&RefreshToken {
                session: session.id,
                generation: progress.newest,
                made_at: progress.made_at,
            })
        });
        let refresh_expires_at = refresh_expires_at(session, progress, policy);
        let idle_expires_at = session.idle_deadline(progress, policy);
        Ok(Grant {
            loaded,
            permissions,
            access_token: Some(access_token),
            expires_at,
            refresh_token,
            refresh_expires_at,
            refresh_at: refresh_at(now, expires_at, end, policy),
            idle_expires_at,
            now,
        })
    }

    /// Loads, decides and commits until no other got in between, or for too long.
    async fn decided(&self, change: Change) -> Result<Option<Committed>, Error> {
        match self.commit(change).await {
            Ok(committed) => Ok(Some(committed)),
            Err(NotCommitted::Conflict(Conflict::Changed)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Until when a session's refresh token can be presented: the earlier of its own deadline and the
/// session's absolute one.
pub(crate) fn refresh_expires_at(session: &Session, progress: &Progress, policy: &Policy) -> Timestamp {
    progress.refresh_deadline(policy).min(session.absolute_deadline(policy))
}

/// When a client should refresh an access token of this life: `refresh_before` its end, or half-way
/// where that is less; `None` where it ends with the session, so that a refresh brings nothing.
pub(crate) fn refresh_at(
    issued_at: Timestamp,
    expires_at: Timestamp,
    end_of_session: Timestamp,
    policy: &Policy,
) -> Option<Timestamp> {
    if expires_at.seconds() >= end_of_session.seconds() {
        return None;
    }
    let life = expires_at.since(issued_at);
    let before = policy.refresh_before;
    Some(if life < 2 * before { issued_at.after(life / 2) } else { expires_at.before(before) })
}

pub(crate) fn jti() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(clock::random::<12>())
}

pub(crate) fn unreadable(_: InvalidHash) -> Error {
    Fault::Corrupt("account.password".to_owned()).into()
}

/// What to say where a use case lost the race too often.
fn crowded() -> Error {
    crate::error::Denied::from(Denial::Overloaded).retry_in(Duration::from_secs(1)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_refreshes_before_the_end_or_half_way_or_not_at_all() {
        let at = Timestamp::from_seconds;
        let policy = Policy::default();
        assert_eq!(refresh_at(at(0), at(900), at(3_600), &policy), Some(at(600)));
        assert_eq!(refresh_at(at(0), at(600), at(3_600), &policy), Some(at(300)));
        assert_eq!(refresh_at(at(0), at(60), at(3_600), &policy), Some(at(30)));
        assert_eq!(refresh_at(at(0), at(900), at(900), &policy), None);
    }
}
