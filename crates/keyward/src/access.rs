//! Is this access token good at this moment?
//!
//! Answered from memory: the signature and claims once, then a cache keyed by the whole token;
//! the revocation set every time that it grew. A cached token never outlives its `exp`, its key
//! or a revocation.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward_core::access_token::{self, Invalid, Verified};
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;
use keyward_core::revocation::CutOff;
use keyward_core::session::Refusal;
use keyward_core::time::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::client::Client;
use crate::edge::Assertion;
use crate::engine::Engine;
use crate::error::{Denied, Error};
use crate::feed::TRUST;
use crate::flow::{Grant, Moments};
use crate::store::{Fault, Loaded};

/// How much memory the verified tokens may take, in bytes.
const CACHE_BYTES: u64 = 16 << 20;
/// How many tokens that is, roughly: what the cache makes room for.
const CACHE_TOKENS: usize = 8 << 10;
/// What an entry takes besides the text of its token, roughly.
const ENTRY_BYTES: u64 = 1 << 10;
/// How long what a node read of a session for showing it is shown again.
const VIEW: Duration = Duration::from_secs(1);

/// An access token that was verified.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) token: Verified,
    /// What the hint cookie calls the session.
    pub(crate) tag: String,
    /// The epoch of the feed at which it was last found good.
    checked: AtomicU64,
    /// Whether it is noted that its generation was seen.
    noted: AtomicBool,
    view: Mutex<Option<View>>,
    /// What services behind the edge are told of it ([`crate::edge`]).
    pub(crate) assertion: tokio::sync::Mutex<Option<Assertion>>,
}

/// Tells by whom a token is presented. It is asked only where that has to be written down.
pub(crate) type FromWhere<'a> = &'a (dyn Fn() -> Client + Sync);

/// Where an answer may come from that is not in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The store is asked, and written, where that makes the answer a better one.
    Store,
    /// Nowhere: who asks can't wait. What is to be written is written later.
    Memory,
}

/// What was read of a session for showing it, and when.
#[derive(Debug)]
struct View {
    at: Timestamp,
    epoch: u64,
    loaded: Arc<Loaded>,
    permissions: Arc<[String]>,
    /// The answer that showed this last, and the moments that it told.
    shown: Option<(Moments, bytes::Bytes)>,
}

/// The verified tokens, by their whole text.
#[derive(Debug)]
pub(crate) struct AccessCache(Cache<Box<str>, Arc<Access>, Bytes>);

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Box<str>, Arc<Access>> for Bytes {
    fn weight(&self, token: &Box<str>, _: &Arc<Access>) -> u64 {
        // The claims say again what the token says, and so may an assertion and an answer.
        ENTRY_BYTES + 4 * token.len() as u64
    }
}

impl Default for AccessCache {
    fn default() -> Self {
        Self(Cache::with_weighter(CACHE_TOKENS, CACHE_BYTES, Bytes))
    }
}

impl Engine {
    /// What is known of a token that was verified before. It may be over since.
    pub(crate) fn known(&self, token: &str) -> Option<Arc<Access>> {
        self.verified.0.get(token)
    }

    /// Verifies an access token, of which this may be known, and notes that its generation was seen.
    ///
    /// # Errors
    /// `token_expired`, `token_stale`, `session_revoked`, `invalid_token`; `store_unavailable`
    /// where the node can't know what was revoked.
    pub(crate) async fn authenticate(
        &self,
        token: &str,
        known: Option<Arc<Access>>,
        client: FromWhere<'_>,
        reach: Reach,
    ) -> Result<Arc<Access>, Error> {
        let now = self.clock.now();
        match reach {
            Reach::Store => self.know_revocations().await?,
            Reach::Memory if self.feed.is_fresh(self.clock.monotonic()) => {}
            Reach::Memory => {
                return Err(Denied::from(Denial::StoreUnavailable).retry_in(Duration::from_secs(1)).into());
            }
        }
        let epoch = self.feed.epoch();
        let access = match known {
            Some(access) => {
                if now >= access.token.claims.expires_at.after(self.settings.policy.leeway) {
                    self.verified.0.remove(token);
                    return Err(Denial::TokenExpired.into());
                }
                access
            }
            None => match access_token::verify(token, &self.ring(), &self.realm, now) {
                Ok(token) => Arc::new(Access::new(token)),
                Err(Invalid::Expired(_)) => return Err(Denial::TokenExpired.into()),
                Err(Invalid::KeyRevoked) => return Err(Denial::TokenStale.into()),
                Err(Invalid::NotOurs(_)) => return Err(Denial::InvalidToken.into()),
            },
        };
        if access.checked.load(Ordering::Acquire) != epoch {
            if let Err(error) = self.check(&access.token, client, reach).await {
                self.verified.0.remove(token);
                return Err(error);
            }
            // As of the epoch read before the check: what came since is checked next time.
            if access.checked.swap(epoch, Ordering::AcqRel) == NEVER {
                self.verified.0.insert(token.into(), Arc::clone(&access));
            }
        }
        if !access.noted.swap(true, Ordering::Relaxed) {
            self.notes.seen(access.session(), access.token.claims.generation);
        }
        Ok(access)
    }

    /// The session of a token that is ours, be it expired or not.
    ///
    /// # Errors
    /// `token_stale` for one of a revoked key: it may be ours, but what it says is not believed.
    pub(crate) fn session_of_access_token(&self, token: &str) -> Result<Option<SessionId>, Denial> {
        match access_token::verify(token, &self.ring(), &self.realm, self.clock.now()) {
            Ok(token) => Ok(Some(token.claims.session)),
            Err(Invalid::Expired(token)) => Ok(Some(token.claims.session)),
            Err(Invalid::KeyRevoked) => Err(Denial::TokenStale),
            Err(_) => Ok(None),
        }
    }

    /// Makes sure that this node knows what was revoked, and where sessions move, until a moment ago.
    pub(crate) async fn know_revocations(&self) -> Result<(), Error> {
        if self.feed.is_fresh(self.clock.monotonic()) {
            return Ok(());
        }
        // Later than that, what it says could not be believed any more; and who waits for another's
        // question must not wait for those before.
        match tokio::time::timeout(TRUST, self.poll()).await {
            Ok(polled) => Ok(polled?),
            Err(_) => Err(Fault::Unavailable("it did not say in time what was revoked".to_owned()).into()),
        }
    }

    async fn check(&self, token: &Verified, client: FromWhere<'_>, reach: Reach) -> Result<(), Error> {
        let ring = self.ring();
        // A key that left the ring takes its tokens with it.
        if ring.get(&token.kid).is_none() {
            return Err(Denial::InvalidToken.into());
        }
        let session = token.claims.session;
        if ring.is_revoked(&token.kid) {
            return Err(self.stale_or_over(session, reach).await.into());
        }
        match self.feed.check(token.subject()) {
            None => Ok(()),
            Some(CutOff::Key | CutOff::User | CutOff::Roles) => {
                Err(self.stale_or_over(session, reach).await.into())
            }
            Some(CutOff::Session) => Err(Denial::SessionRevoked.into()),
            Some(CutOff::Generation) => {
                // Given up for lost, and yet somebody has it: two hold what one was given.
                match reach {
                    Reach::Store => self.end_for_theft(session, &client()).await?,
                    Reach::Memory => self.edge.noticed_theft(session, client),
                }
                Err(Denial::SessionRevoked.into())
            }
        }
    }

    /// What to say of a token that is out of date: that, or that its session has ended since.
    async fn stale_or_over(&self, session: SessionId, reach: Reach) -> Denial {
        if self.feed.set().has_ended(session) {
            return Denial::SessionRevoked;
        }
        match reach {
            // The refresh that follows says so where it has.
            Reach::Memory => Denial::TokenStale,
            Reach::Store => match self.store.session_at_rest(session).await {
                Ok(Some(loaded)) if loaded.session.ended.is_some() => Denial::SessionRevoked,
                _ => Denial::TokenStale,
            },
        }
    }

    /// The session of a verified token with its account and what that may do, at most a second old.
    ///
    /// # Errors
    /// As [`Engine::authenticate`], where the session turns out to be over.
    pub(crate) async fn view(&self, access: &Access) -> Result<(Arc<Loaded>, Arc<[String]>), Error> {
        let now = self.clock.now();
        let epoch = self.feed.epoch();
        if let Some(view) = &*access.view()
            && view.epoch == epoch
            && now < view.at.after(VIEW)
        {
            return Ok((Arc::clone(&view.loaded), Arc::clone(&view.permissions)));
        }
        let mut loaded = self.live(access).await?;
        let roles = self.roles(loaded.role_table_version).await?;
        roles.retain_known(&mut loaded.account.roles);
        let loaded = Arc::new(loaded);
        let permissions: Arc<[String]> = roles.permissions_of(&loaded.account.roles).into();
        *access.view() = Some(View {
            at: now,
            epoch,
            loaded: Arc::clone(&loaded),
            permissions: Arc::clone(&permissions),
            shown: None,
        });
        Ok((loaded, permissions))
    }

    /// That a person did something at this moment, by a request with this token. Within the leeway of
    /// a token that ended with its session nothing brings that back.
    pub(crate) fn note_activity(&self, access: &Access, at: Timestamp) {
        if at < access.token.claims.expires_at {
            self.notes.active(access.session(), at);
        }
    }

    /// That a person proved who they are within `sessions.reauth_after`.
    ///
    /// # Errors
    /// `reauthentication_required`.
    pub(crate) fn demand_recent_login(&self, access: &Access) -> Result<(), Error> {
        let until = access.token.claims.auth_time.after(self.settings.policy.reauth_after);
        if self.clock.now() > until { Err(Denial::ReauthenticationRequired.into()) } else { Ok(()) }
    }

    /// The session of a verified token with its account, as the store has it at this moment.
    ///
    /// # Errors
    /// As [`Engine::authenticate`], where the session turns out to be over.
    pub(crate) async fn live(&self, access: &Access) -> Result<Loaded, Error> {
        let revoked = || Error::from(Denied::from(Denial::SessionRevoked));
        let loaded = self.store.session(access.session()).await?.ok_or_else(revoked)?;
        let session = self.with_notes(loaded.session);
        match session.over(loaded.account.is_active, self.clock.now(), &self.settings.policy) {
            None => Ok(Loaded { session, ..loaded }),
            // Within the leeway of a token that ended with its session.
            Some(Refusal::Idle | Refusal::Expired) => Err(Denial::TokenExpired.into()),
            Some(Refusal::Inactive | Refusal::Ended(_)) => Err(revoked()),
        }
    }
}

const NEVER: u64 = u64::MAX;

impl Access {
    fn new(token: Verified) -> Self {
        Self {
            tag: token.claims.session.tag(),
            token,
            checked: AtomicU64::new(NEVER),
            noted: AtomicBool::new(false),
            view: Mutex::new(None),
            assertion: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn session(&self) -> SessionId {
        self.token.claims.session
    }

    /// The answer that shows the session so: the one before, where this would be the same to the letter.
    /// Within a second it is, and writing it is two fifths of the work for such a request.
    pub(crate) fn shown(&self, grant: &Grant, write: impl FnOnce() -> bytes::Bytes) -> bytes::Bytes {
        let mut view = self.view();
        let Some(view) = view.as_mut().filter(|view| Arc::ptr_eq(&view.loaded, &grant.loaded)) else {
            return write();
        };
        let moments = grant.moments();
        if let Some((at, answer)) = &view.shown
            && *at == moments
        {
            return answer.clone();
        }
        let answer = write();
        view.shown = Some((moments, answer.clone()));
        answer
    }

    /// What was read for showing it is no longer so.
    pub(crate) fn forget_view(&self) {
        *self.view() = None;
    }

    fn view(&self) -> MutexGuard<'_, Option<View>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
