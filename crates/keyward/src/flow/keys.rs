//! Which keys are made, take over and go, and when? The rule is [`keyward_core::key`]; here it is
//! carried out.

use std::sync::Arc;
use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::key::{
    Algorithm, CannotRotate, Key, KeyPolicy, KeyRecord, KeyRing, KeyState, Step, apply, due, revoke, rotate,
};
use keyward_core::revocation::Revocation;
use keyward_core::time::Timestamp;
use zeroize::Zeroizing;

use super::{ATTEMPTS, crowded};
use crate::Keyward;
use crate::client::Client;
use crate::clock::{self, KeyGeneration};
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error};
use crate::schema::Moment;
use crate::store::{Fault, StoredKeys};

/// How long a verifier may hold on to the keys that it fetched, at most.
const HELD: Duration = Duration::from_secs(24 * 60 * 60);

/// What is told of a key.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[schema(as = SigningKey)]
pub struct KeyView {
    /// Its name, `kid` in tokens.
    pub kid: String,
    /// What it signs by.
    pub algorithm: &'static str,
    /// Where it is in its life.
    pub state: &'static str,
    /// When it was made, and with that published.
    #[schema(value_type = Moment)]
    pub created_at: Timestamp,
    /// When it began to sign.
    #[schema(value_type = Option<Moment>, required)]
    pub active_from: Option<Timestamp>,
    /// When another took its place.
    #[schema(value_type = Option<Moment>, required)]
    pub retired_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<Moment>, required)]
    pub revoked_at: Option<Timestamp>,
}

impl From<KeyRecord> for KeyView {
    fn from(key: KeyRecord) -> Self {
        Self {
            kid: key.kid,
            algorithm: key.algorithm.as_str(),
            state: key.state.as_str(),
            created_at: key.created_at,
            active_from: key.active_from,
            retired_at: key.retired_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A key that was made just now.
struct Made {
    key: Key,
    private: Zeroizing<Vec<u8>>,
}

impl Keyward {
    /// The keys that sign and verify access tokens.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn keys(&self) -> Result<Vec<KeyView>, Error> {
        self.engine.keys().await
    }

    /// Lets the next key sign from now on.
    ///
    /// # Errors
    /// `overloaded` with the wait, while a verifier may not have seen the next key yet.
    pub async fn rotate_keys(&self, client: &Client) -> Result<Vec<KeyView>, Error> {
        self.engine.rotate_keys(client).await
    }

    /// Takes a key out: every token that it signed is out of date at once.
    ///
    /// # Errors
    /// `not_found` for a key that there is not, or that is revoked.
    pub async fn revoke_key(&self, kid: &str, client: &Client) -> Result<(), Error> {
        self.engine.revoke_key(kid, client).await
    }
}

impl Engine {
    /// Does what is due about the keys that sign, and takes all keys over.
    pub(crate) async fn care_for_keys(&self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let StoredKeys { version, keys } = self.store.keys().await?;
            let steps = due(&keys, &self.key_policy(), now);
            if steps.is_empty() {
                return Ok(self.take_over(version, &keys).await?);
            }
            if self
                .change_keys(
                    version,
                    keys,
                    (&steps, self.settings.algorithm),
                    Change::default(),
                    &Client::default(),
                )
                .await?
                .is_some()
            {
                return self.load_ring().await.map_err(Error::from);
            }
        }
        Err(crowded())
    }

    /// The keys that there are.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyView>, Error> {
        Ok(self.store.keys().await?.keys.into_iter().map(KeyView::from).collect())
    }

    /// Lets the next key sign from now on, and makes another one after it.
    ///
    /// # Errors
    /// `overloaded` with the wait, while a verifier may not have seen the next key yet.
    pub(crate) async fn rotate_keys(&self, client: &Client) -> Result<Vec<KeyView>, Error> {
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let StoredKeys { version, keys } = self.store.keys().await?;
            let policy = self.policy_of(&keys);
            let steps = rotate(&keys, &policy, now).map_err(|cannot| match cannot {
                CannotRotate::Unripe(at) => Denied::from(Denial::Overloaded)
                    .retry_in(at.since(now))
                    .with_detail(format!(
                        "the next key was published too short a time ago for every verifier to know it; it can take over at {at}"
                    )),
                CannotRotate::Configured => Denied::from(Denial::Forbidden)
                    .with_detail("the key is the configured one: change tokens.hs256_secret to rotate it"),
                CannotRotate::NoNext => Denied::from(Denial::Overloaded).with_detail("there is no next key yet"),
            })?;
            if self
                .change_keys(version, keys, (&steps, policy.algorithm), Change::default(), client)
                .await?
                .is_some()
            {
                self.load_ring().await?;
                return self.keys().await;
            }
        }
        Err(crowded())
    }

    /// Takes a key out: every token that it signed is out of date at once, and where it signs,
    /// another one takes over.
    ///
    /// # Errors
    /// `not_found` for a key that there is not, or that is revoked.
    pub(crate) async fn revoke_key(&self, kid: &str, client: &Client) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let StoredKeys { version, mut keys } = self.store.keys().await?;
            if !revoke(&mut keys, kid, now) {
                return Err(Denial::NotFound.into());
            }
            // By the keys that there are: a command may know less of the configuration than the server.
            let policy = self.policy_of(&keys);
            let steps = due(&keys, &policy, now);
            let event = self.event(EventType::KeyRevoked, client, now);
            let event = event.saying("kid", kid);
            let change = Change::of([Write::Revoke {
                revocation: Revocation::Key(kid.to_owned()),
                // Who has the key makes tokens of any age: it is remembered for as long as a verifier may
                // hold on to the keys that it fetched, not for as long as tokens live.
                until: self.matters_until(now).max(now.after(HELD)),
            }])
            .with(event);
            if self.change_keys(version, keys, (&steps, policy.algorithm), change, client).await?.is_some() {
                self.load_ring().await?;
                return Ok(());
            }
        }
        Err(crowded())
    }

    /// Takes over the keys as they are in the store: those that sign, and those for refresh tokens.
    pub(crate) async fn load_ring(&self) -> Result<(), Fault> {
        let StoredKeys { version, keys } = self.store.keys().await?;
        self.take_over(version, &keys).await
    }

    async fn take_over(&self, version: u64, records: &[KeyRecord]) -> Result<(), Fault> {
        let known = self.ring();
        let keys = records
            .iter()
            .map(|record| {
                // Parsing an RSA key takes a while: what is known already is kept.
                let key = match known.get(&record.kid) {
                    Some(key) => Arc::clone(key),
                    None => Arc::new(
                        record
                            .open(&self.master)
                            .map_err(|e| Fault::Corrupt(format!("a signing key: {e}")))?,
                    ),
                };
                Ok((record.clone(), key))
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        // Read after the version, they are at least as new as that.
        let mac_keys = self.load_mac_keys().await?;
        self.set_keys(version, KeyRing::new(keys), mac_keys);
        Ok(())
    }

    /// Does these steps and commits what comes out with `change`; `None` where another one changed
    /// the keys meanwhile.
    async fn change_keys(
        &self,
        version: u64,
        mut keys: Vec<KeyRecord>,
        (steps, algorithm): (&[Step], Algorithm),
        mut change: Change,
        client: &Client,
    ) -> Result<Option<()>, Error> {
        let now = self.clock.now();
        // Making an RSA key takes a tenth of a second: side by side, and off the async workers.
        let making: Vec<_> = steps
            .iter()
            .filter(|step| matches!(step, Step::Make(_)))
            .map(|_| tokio::task::spawn_blocking(move || make(algorithm)))
            .collect();
        let mut made = Vec::with_capacity(making.len());
        for key in making {
            let key = key.await.map_err(|_| Fault::Unavailable("a key could not be made".to_owned()))?;
            made.push(key.map_err(|e| Fault::Unavailable(e.to_string()))?);
        }
        for step in steps {
            let new = match step {
                Step::Make(state) => made.pop().map(|made| (made, *state)),
                Step::Adopt => self.configured()?.map(|made| (made, KeyState::Active)),
                Step::Promote(_) | Step::Forget(_) => None,
            };
            let record = new.map(|(made, state)| {
                KeyRecord::new(&made.key, &made.private, state, now, &self.master, clock::random())
            });
            apply(&mut keys, step, record, now);
            if let Step::Promote(kid) = step {
                let event = self.event(EventType::KeyRotated, client, now);
                change.events.push(event.saying("kid", kid.as_str()));
            }
        }
        change.writes.insert(0, Write::SetKeys { version, keys });
        Ok(self.decided(change).await?.map(drop))
    }

    /// The key that the configuration gives, where it does.
    fn configured(&self) -> Result<Option<Made>, Fault> {
        let secret = self.settings.hs256_secret.clone();
        let Some(secret) = secret.filter(|_| self.settings.algorithm == Algorithm::Hs256) else {
            return Ok(None);
        };
        let private = secret.into_bytes();
        let key = Key::from_private(Algorithm::Hs256, &private)
            .map_err(|e| Fault::Unavailable(format!("tokens.hs256_secret: {e}")))?;
        Ok(Some(Made { key, private }))
    }

    /// What the configuration says of keys, but for the algorithm, which is that of the key which signs.
    fn policy_of(&self, keys: &[KeyRecord]) -> KeyPolicy {
        let policy = self.key_policy();
        let signing = keys.iter().filter(|key| key.active_from.is_some()).max_by_key(|key| key.active_from);
        let algorithm = signing.map_or(policy.algorithm, |key| key.algorithm);
        let configured = policy.configured.filter(|_| algorithm == policy.algorithm);
        KeyPolicy { algorithm, configured, ..policy }
    }

    fn key_policy(&self) -> KeyPolicy {
        KeyPolicy {
            algorithm: self.settings.algorithm,
            configured: self.configured().ok().flatten().map(|made| made.key.kid().to_owned()),
            rotation: self.settings.key_rotation,
            retire_after: self.outlives_tokens(),
        }
    }
}

fn make(algorithm: Algorithm) -> Result<Made, KeyGeneration> {
    let private = clock::signing_key(algorithm)?;
    let key = Key::from_private(algorithm, &private).map_err(|_| KeyGeneration)?;
    Ok(Made { key, private })
}
