//! What does the edge hold in memory, and what does it tell the services behind it?
//!
//! A proxy asks of every request, so the answer waits for no store and nothing is written before it:
//! a copied token that is noticed there ends its session with the next flush. What services are told
//! beyond plain headers is an assertion: a JWT of a minute, signed once in half of that.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward_core::access_token::{self, Claims, Realm};
use keyward_core::id::SessionId;
use keyward_core::time::Timestamp;

use crate::access::{Access, FromWhere};
use crate::client::Client;
use crate::clock::micros;
use crate::engine::Engine;
use crate::error::Error;
use crate::flow;
use crate::settings::Settings;
use crate::store::Fault;

/// How long an assertion is good.
const LIFE: Duration = Duration::from_secs(60);
/// How long the same one is told again.
const SERVED: Duration = Duration::from_secs(30);
/// How many thefts wait to be written at most. Each takes a token that was signed here and given up
/// for lost; one that finds no room is refused all the same, and noticed again.
const THEFTS: usize = 10_000;
/// How often the log says the same of a proxy.
const SAID: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Edge {
    realm: Arc<Realm>,
    /// Sessions of which a copy was noticed and that have not ended yet, and by whom it was presented.
    thefts: Mutex<HashMap<SessionId, Client>>,
    /// From when on each complaint may be logged again, in microseconds of the monotonic clock.
    again: [AtomicU64; Complaint::COUNT],
}

/// An assertion, and whose signature it bears.
pub(crate) struct Assertion {
    kid: Arc<str>,
    made_at: Timestamp,
    jwt: Arc<str>,
}

/// Without the JWT: whoever reads that is whom it speaks of.
impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// What a proxy should do and does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// It does not say of which method the request is.
    NoMethod,
    /// It says so, or may, but it is not listed.
    NotTrusted,
    /// It says it twice, and not alike.
    TwoMethods,
    /// It does not say where the request goes, or that is nowhere here.
    NoAddress,
    /// It demands what there is not.
    NoDemand,
    /// Roles or permissions are demanded that tokens don't carry.
    NoClaim,
}

impl Complaint {
    const COUNT: usize = 6;
}

impl Edge {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            realm: Arc::new(Realm {
                issuer: settings.issuer().to_owned(),
                audience: settings.edge_audience().to_owned(),
                leeway: settings.policy.leeway,
            }),
            thefts: Mutex::default(),
            again: Default::default(),
        }
    }

    /// A token of a generation given up for lost was presented: its session has to end.
    pub(crate) fn noticed_theft(&self, session: SessionId, client: FromWhere<'_>) {
        let mut thefts = self.thefts();
        if thefts.len() < THEFTS {
            thefts.entry(session).or_insert_with(client);
        }
    }

    /// Whether this is to be logged at `now`, by the monotonic clock: each kind once a minute.
    pub(crate) fn may_say(&self, complaint: Complaint, now: Duration) -> bool {
        let again = &self.again[complaint as usize];
        let from = again.load(Ordering::Relaxed);
        micros(now) >= from
            && again.compare_exchange(from, micros(now + SAID), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn thefts(&self) -> MutexGuard<'_, HashMap<SessionId, Client>> {
        self.thefts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// What the service behind the edge is told of this token: a JWT of at most a minute, and of no
    /// longer than the token is good.
    ///
    /// # Errors
    /// `store_unavailable` where there is no key to sign with.
    pub(crate) async fn assertion(&self, access: &Access) -> Result<Arc<str>, Error> {
        // Held while it is signed: whoever else asks for the same is told the same.
        let mut kept = access.assertion.lock().await;
        let now = self.clock.now();
        let key = self.active_key()?;
        if let Some(known) = &*kept
            // One by a key that was revoked since is worth nothing.
            && *known.kid == *key.kid()
            && (known.made_at..known.made_at.after(SERVED)).contains(&now)
        {
            return Ok(Arc::clone(&known.jwt));
        }
        let claims = &access.token.claims;
        let end = claims.expires_at.after(self.settings.policy.leeway);
        let claims = Claims {
            jti: flow::jti(),
            issued_at: now,
            expires_at: now.after(LIFE).min(end),
            ..claims.clone()
        };
        let kid = key.kid().into();
        let jwt = self.sign(key, claims, &self.edge.realm, access_token::sign_assertion).await?;
        let jwt: Arc<str> = jwt.as_str().into();
        *kept = Some(Assertion { kid, made_at: now, jwt: Arc::clone(&jwt) });
        Ok(jwt)
    }

    /// Ends the sessions of which a copy was noticed at the edge.
    ///
    /// # Errors
    /// `store_unavailable`; what is left is ended by the next call.
    pub(crate) async fn end_noticed_thefts(&self) -> Result<(), Error> {
        let noticed: Vec<_> =
            self.edge.thefts().iter().map(|(session, client)| (*session, client.clone())).collect();
        for (session, client) in noticed {
            match self.end_for_theft(session, &client).await {
                Ok(()) => {}
                Err(error @ Error::Fault(Fault::Unavailable(_) | Fault::Elsewhere(_))) => return Err(error),
                // One that can't be read must not keep the others from being written. Its next token is
                // noticed again.
                Err(error) => {
                    tracing::error!(
                        "session {session}, of which a copy was noticed, could not be ended: {error}"
                    );
                }
            }
            self.edge.thefts().remove(&session);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::key::Algorithm;
    use keyward_core::password::Cost;

    use super::*;
    use crate::access::Reach;
    use crate::flow::sign_up::SignedUp;
    use crate::{Keyward, MasterKey};

    #[test]
    fn what_is_written_of_an_assertion_is_not_the_assertion() {
        let assertion =
            Assertion { kid: "k".into(), made_at: Timestamp::default(), jwt: "a.secret.b".into() };
        assert!(!format!("{assertion:?}").contains("secret"));
    }

    #[test]
    fn the_same_is_logged_once_a_minute_and_each_kind_by_itself() {
        let edge = Edge::new(&Settings::default());
        let at = Duration::from_secs;
        assert!(edge.may_say(Complaint::NoMethod, at(5)));
        assert!(!edge.may_say(Complaint::NoMethod, at(64)));
        assert!(edge.may_say(Complaint::NotTrusted, at(64)));
        assert!(edge.may_say(Complaint::NoMethod, at(65)));
    }

    #[tokio::test]
    async fn who_asks_for_an_assertion_while_it_is_signed_is_told_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let cost = Cost::new(8, 1, 1).expect("a cost");
        let settings =
            Settings { background: false, cost, algorithm: Algorithm::Rs256, ..Settings::default() };
        let keyward = Keyward::builder(settings)
            .sqlite(folder.path().join("keyward.db"))
            .master_key(MasterKey::from_bytes(&[7; 32]));
        let keyward = keyward.open().await.expect("opens");
        let password = "Password1".to_owned().try_into().expect("short");
        let ada = keyward.sign_up("ada@example.com", None, password, &Client::operator()).await;
        let SignedUp::In(grant) = ada.expect("signed up") else { panic!("not signed in") };
        let engine = &keyward.engine;
        let access = engine.authenticate(grant.access_token(), None, &Client::operator, Reach::Store).await;
        let access = access.expect("good");
        let (one, other) = tokio::join!(engine.assertion(&access), engine.assertion(&access));
        assert!(Arc::ptr_eq(&one.expect("signed"), &other.expect("the same")));
    }
}
