//! Which keys make refresh tokens, take over and go, and when? The rule is
//! [`keyward_core::refresh_token`]; here it is carried out.

use std::sync::Arc;

use keyward_core::change::{Change, Conflict, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::refresh_token::{MacKey, MacKeys, RefreshToken};
use keyward_core::seal::{MasterKey, OpenError};
use keyward_core::time::Timestamp;
use zeroize::Zeroizing;

use super::{ATTEMPTS, crowded};
use crate::Keyward;
use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error};
use crate::feed::TRUST;
use crate::store::{Fault, NotCommitted, Store};

/// What is told of a key for refresh tokens.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RefreshKeyView {
    /// The number by which tokens name it.
    pub id: u16,
    /// Where it is in its life: `next`, `active`, `retiring`.
    pub state: &'static str,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when its tokens are taken; `None`: no other one takes its place.
    pub verifies_until: Option<Timestamp>,
}

impl Keyward {
    /// The keys that make and verify refresh tokens, the oldest first.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn refresh_keys(&self) -> Result<Vec<RefreshKeyView>, Error> {
        self.engine.refresh_keys().await
    }

    /// Makes a key for refresh tokens, which makes them as soon as every node knows it, some seconds
    /// from now. The tokens of those before stay good for `tokens.refresh_ttl`. Gives the number of
    /// the new key, and from when on it makes tokens.
    ///
    /// # Errors
    /// `overloaded` with the wait, while the newest one makes no tokens yet.
    pub async fn rotate_refresh_key(&self, client: &Client) -> Result<(u16, Timestamp), Error> {
        self.engine.rotate_refresh_key(client).await
    }

    /// Takes a key for refresh tokens out, and ends every session of everybody: whoever has the key
    /// could have made a token of any session, and had it exchanged for one of another key. Where it
    /// is the newest, another one is made first, and it comes back when that one has taken over, some
    /// seconds later.
    ///
    /// # Errors
    /// `not_found` for a key that there is not.
    pub async fn revoke_refresh_key(&self, id: u16, client: &Client) -> Result<(), Error> {
        self.engine.revoke_refresh_key(id, client).await
    }
}

impl Engine {
    /// What a refresh token says; `None` for one that is none of ours.
    pub(crate) async fn open_refresh_token(&self, text: &str) -> Result<Option<RefreshToken>, Error> {
        let keys = self.mac_keys();
        let token = keys.open(text);
        if token.is_some() || !keys.names_newer(text) {
            return Ok(token);
        }
        self.know_revocations().await?;
        Ok(self.mac_keys().open(text))
    }

    /// What a refresh token says that is to bring something: one of a key that was taken out
    /// meanwhile is none of ours.
    pub(crate) async fn present_refresh_token(&self, text: &str) -> Result<Option<RefreshToken>, Error> {
        let known = self.mac_keys();
        let Some(token) = self.open_refresh_token(text).await? else { return Ok(None) };
        self.know_revocations().await?;
        let keys = self.mac_keys();
        Ok(if Arc::ptr_eq(&keys, &known) { Some(token) } else { keys.open(text) })
    }

    /// Makes sure that this node knows the keys that these tokens name, if there are such keys. Forged
    /// ones cost no read: no key makes a token before every node that heard of anything lately has
    /// heard of that, too.
    pub(crate) async fn know_keys_of(&self, tokens: impl IntoIterator<Item = &str>) -> Result<(), Error> {
        let keys = self.mac_keys();
        if tokens.into_iter().any(|text| keys.names_newer(text)) {
            self.know_revocations().await?;
        }
        Ok(())
    }

    pub(crate) async fn refresh_keys(&self) -> Result<Vec<RefreshKeyView>, Error> {
        let (keys, now) = (self.load_mac_keys().await?, self.clock.now());
        let sealing = keys.sealing(now).id();
        let mut views: Vec<_> = keys
            .iter()
            .map(|key| RefreshKeyView {
                id: key.id(),
                state: match key.id() {
                    id if id == sealing => "active",
                    id if id > sealing => "next",
                    _ => "retiring",
                },
                created_at: key.created_at(),
                verifies_until: keys.verifies_until(key.id(), &self.settings.policy),
            })
            .collect();
        views.reverse();
        Ok(views)
    }

    pub(crate) async fn rotate_refresh_key(&self, client: &Client) -> Result<(u16, Timestamp), Error> {
        for _ in 0..ATTEMPTS {
            let (keys, now) = (self.load_mac_keys().await?, self.clock.now());
            let newest = keys.newest();
            if keys.sealing(now).id() != newest.id() {
                let at = newest.seals_from();
                let detail = format!(
                    "the key {} was made too short a time ago for every node to know it; it takes over at {at}",
                    newest.id()
                );
                return Err(Denied::from(Denial::Overloaded)
                    .retry_in(at.since(now))
                    .with_detail(detail)
                    .into());
            }
            if let Some(id) = self.add_mac_key(&keys, client).await? {
                let keys = self.mac_keys();
                return Ok((id, keys.get(id).map_or(now, MacKey::seals_from)));
            }
        }
        Err(crowded())
    }

    pub(crate) async fn revoke_refresh_key(&self, id: u16, client: &Client) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            self.load_ring().await?;
            let (keys, now) = (self.mac_keys(), self.clock.now());
            if keys.get(id).is_none() {
                return Err(Denial::NotFound.into());
            }
            let Some(replaced_at) = keys.replaced_at(id) else {
                self.add_mac_key(&keys, client).await?;
                continue;
            };
            // By then no node makes a token of it that would be refused a moment later.
            let from = replaced_at.after(TRUST);
            if now < from {
                self.clock.wait_until(self.clock.monotonic() + from.since(now)).await;
                continue;
            }
            let event = self.event(EventType::KeyRevoked, client, now).saying("refresh_key", id);
            let forgotten = Change::of([Write::ForgetMacKey { id }]).with(event);
            if self.end_all_with(forgotten, client).await?.is_some() {
                return Ok(self.load_ring().await?);
            }
        }
        Err(crowded())
    }

    /// Forgets the keys of which no token can be presented any longer.
    pub(crate) async fn forget_refresh_keys(&self) -> Result<(), Error> {
        let over = self.mac_keys().over(&self.settings.policy, self.clock.now());
        if over.is_empty() {
            return Ok(());
        }
        // Another node that did it first changes nothing: what is left is found at the next turn.
        let forgotten = over.into_iter().map(|id| Write::ForgetMacKey { id });
        self.decided(Change::of(forgotten)).await?;
        Ok(self.load_ring().await?)
    }

    /// Adds a key that is newer than all of these; `None` where another one did.
    async fn add_mac_key(&self, keys: &MacKeys, client: &Client) -> Result<Option<u16>, Error> {
        let now = self.clock.now();
        let id = keys.newest().id().checked_add(1).ok_or_else(|| {
            Fault::Unavailable("no number is left for another key for refresh tokens".to_owned())
        })?;
        let event = self.event(EventType::KeyRotated, client, now).saying("refresh_key", id);
        let added = Change::of([new_mac_key(id, &self.master, now)]).with(event);
        if self.decided(added).await?.is_none() {
            return Ok(None);
        }
        self.load_ring().await?;
        Ok(Some(id))
    }

    /// The keys for refresh tokens as they are in the store. One that came while this node ran it
    /// knows from now on.
    pub(super) async fn load_mac_keys(&self) -> Result<MacKeys, Fault> {
        let known = self.mac_keys();
        let keys = load(&*self.store, &self.master, Some((&known, self.clock.now()))).await;
        let keys = keys.map_err(|error| match error {
            MacKeysError::Fault(fault) => fault,
            MacKeysError::Sealed(error) => Fault::Corrupt(format!("a key for refresh tokens: {error}")),
        })?;
        keys.ok_or_else(|| Fault::Corrupt("there is no key for refresh tokens".to_owned()))
    }
}

/// The keys for refresh tokens; the first one is made where there is none.
///
/// # Errors
/// Where the store does not answer, or the master key is not the one they were sealed under.
pub(crate) async fn mac_keys(
    store: &dyn Store,
    master: &MasterKey,
    now: Timestamp,
) -> Result<MacKeys, MacKeysError> {
    for _ in 0..ATTEMPTS {
        if let Some(keys) = load(store, master, None).await? {
            return Ok(keys);
        }
        match store.commit(Change::of([new_mac_key(1, master, now)])).await {
            // Another process made it first: then that one is ours, too.
            Ok(_) | Err(NotCommitted::Conflict(Conflict::Changed)) => {}
            Err(NotCommitted::Conflict(_)) => break,
            Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::Unavailable("no key for refresh tokens could be made".to_owned()).into())
}

/// The keys in the store. What is `known` already is kept, whatever it is sealed under by now; the
/// rest is known since that moment.
async fn load(
    store: &dyn Store,
    master: &MasterKey,
    known: Option<(&MacKeys, Timestamp)>,
) -> Result<Option<MacKeys>, MacKeysError> {
    let mut keys = Vec::new();
    for stored in store.mac_keys().await? {
        let same = known.and_then(|(known, _)| known.get(stored.id));
        if let Some(same) = same.filter(|key| key.created_at() == stored.created_at) {
            keys.push(same.clone());
            continue;
        }
        let secret = master.open(&purpose(stored.id), &stored.sealed)?;
        let secret = <[u8; 32]>::try_from(secret.as_slice()).map_err(|_| OpenError::Corrupt)?;
        let key = MacKey::new(stored.id, &Zeroizing::new(secret), stored.created_at);
        keys.push(match known {
            Some((_, now)) => key.known_since(now),
            None => key,
        });
    }
    Ok(MacKeys::new(keys))
}

fn new_mac_key(id: u16, master: &MasterKey, now: Timestamp) -> Write {
    let secret = Zeroizing::new(clock::random::<32>());
    let sealed = master.seal(&purpose(id), &secret[..], clock::random());
    Write::AddMacKey { id, sealed, created_at: now }
}

/// Why the keys for refresh tokens can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MacKeysError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Sealed(#[from] OpenError),
}

/// What a key for refresh tokens is sealed for.
pub(super) fn purpose(id: u16) -> String {
    format!("refresh-token-mac:{id}")
}
