//! How does everything that is sealed come under another master key?
//!
//! Where both are given, the master key opens what either sealed. What the one before sealed is
//! sealed anew in one commit: the secrets stay what they are, so no token notices.

use keyward_core::change::{Change, Sealed, Write};
use keyward_core::event::EventType;
use keyward_core::seal::OpenError;

use super::audit::chain;
use super::keys::purpose;
use super::{ATTEMPTS, crowded};
use crate::Keyward;
use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::Error;
use crate::store::{Fault, StoredKeys};

impl Keyward {
    /// Seals everything under the master key that the one before it sealed; gives how many secrets
    /// that were.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer, or neither of the two opens a secret.
    pub async fn rotate_master_key(&self, client: &Client) -> Result<usize, Error> {
        self.engine.rotate_master_key(client).await
    }
}

impl Engine {
    pub(crate) async fn rotate_master_key(&self, client: &Client) -> Result<usize, Error> {
        for _ in 0..ATTEMPTS {
            let mut writes = Vec::new();
            let StoredKeys { version, mut keys } = self.store.keys().await?;
            let mut resealed = 0;
            for key in &mut keys {
                let name = format!("the signing key {}", key.kid);
                let done = key.reseal(&self.master, clock::random()).map_err(|e| sealed(&name, e))?;
                resealed += usize::from(done);
            }
            if resealed > 0 {
                writes.push(Write::SetKeys { version, keys });
            }
            for key in self.store.mac_keys().await? {
                let name = format!("the key {} for refresh tokens", key.id);
                writes.extend(self.reseal(&name, Sealed::MacKey(key.id), &purpose(key.id), key.sealed)?);
            }
            if let Some(key) = self.store.chain_key().await? {
                let purpose = chain::purpose(key.since);
                let name = "the key of the audit trail";
                writes.extend(self.reseal(name, Sealed::ChainKey, &purpose, key.sealed)?);
            }
            let others = writes.iter().filter(|write| matches!(write, Write::Reseal { .. }));
            resealed += others.count();
            if resealed == 0 {
                return Ok(0);
            }
            let event = self.event(EventType::MasterKeyRotated, client, self.clock.now());
            let change = Change::of(writes).with(event.saying("secrets", resealed));
            if self.decided(change).await?.is_some() {
                return Ok(resealed);
            }
        }
        Err(crowded())
    }

    fn reseal(
        &self,
        name: &str,
        secret: Sealed,
        purpose: &str,
        former: Vec<u8>,
    ) -> Result<Option<Write>, Fault> {
        let anew = self.master.reseal(purpose, &former, clock::random()).map_err(|e| sealed(name, e))?;
        Ok(anew.map(|sealed| Write::Reseal { secret, former, sealed }))
    }
}

fn sealed(name: &str, error: OpenError) -> Fault {
    Fault::Corrupt(format!("{name}: {error}"))
}
