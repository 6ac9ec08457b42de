//! How does everything that is sealed come under another master key?
//!
//! Where both are given, the master key opens what either sealed. What the one before sealed is
//! sealed anew in one commit: the secrets stay what they are, so no token notices.

use keyward_core::change::{Change, Sealed, Write};
use keyward_core::event::EventType;
use keyward_core::seal::{MasterKey, OpenError};
use keyward_core::time::Timestamp;

use super::audit::chain;
use super::refresh_keys::purpose;
use super::{ATTEMPTS, crowded};
use crate::Keyward;
use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::Error;
use crate::mail;
use crate::store::sqlite::inspect::DatabaseReport;
use crate::store::{Fault, StoredKeys};

/// Every mail that is still to be sent is due by then.
const EVER: Timestamp = Timestamp::from_micros(i64::MAX);
/// How many mails are sealed anew at most, the ones that are due first. One more than that waits
/// would have to be sent before the former key is forgotten.
const MAILS: u32 = 100_000;

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

impl DatabaseReport {
    /// Whether this master key opens what rests in the database; `None` where nothing does yet.
    ///
    /// # Errors
    /// Where another one sealed it, or it was damaged.
    pub fn opens_with(&self, master: &MasterKey) -> Option<Result<(), OpenError>> {
        let (id, sealed) = self.mac_key.as_ref()?;
        Some(master.open(&purpose(*id), sealed).map(drop))
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
            for mail in self.store.due_mails(EVER, MAILS).await? {
                let name = format!("the mail {}", mail.id);
                writes.extend(self.reseal(
                    &name,
                    Sealed::Mail(mail.id),
                    &mail::purpose(mail.id),
                    mail.sealed,
                )?);
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
