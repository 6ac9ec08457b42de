//! Whose is this service key, and which keys were used?
//!
//! A node holds all the service keys there are, by their hash: a forged one costs no store a read.
//! The feed tells the version of their table, so that one that was revoked elsewhere is known
//! within a second, and one that was revoked here at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use keyward_core::change::Write;
use keyward_core::denial::Denial;
use keyward_core::id::ServiceKeyId;
use keyward_core::service_key::{self, Hash, Scope, ServiceKey};
use keyward_core::time::Timestamp;

use crate::engine::Engine;
use crate::error::Error;
use crate::store::{Fault, StoredServiceKeys};

/// How often it is written at most, of one key, that it was used.
const NOTED: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct ServiceKeys {
    /// The newest version of the table that this node has heard of.
    latest: AtomicU64,
    table: RwLock<Option<Arc<Table>>>,
    used: Mutex<HashMap<ServiceKeyId, Used>>,
    loading: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Table {
    version: u64,
    keys: HashMap<Hash, Arc<ServiceKey>>,
}

/// When a key was used, as far as this node saw.
#[derive(Debug, Clone, Copy)]
struct Used {
    at: Timestamp,
    /// What of it is known to be written.
    written: Option<Timestamp>,
}

impl Engine {
    /// The service key of this text. That it was used is noted.
    ///
    /// # Errors
    /// `invalid_token`; `store_unavailable` where the node can't know which keys there are.
    pub(crate) async fn service_key(&self, text: &str) -> Result<Arc<ServiceKey>, Error> {
        let hash = service_key::hash(text).ok_or(Denial::InvalidToken)?;
        self.know_revocations().await?;
        let table = match self.service_keys.table() {
            Some(table) => table,
            None => self.load_service_keys().await?,
        };
        // How long this takes tells at most something of a hash, and no key can be told from that.
        let key = table.keys.get(&hash).ok_or(Denial::InvalidToken)?;
        self.service_keys.used(key, self.clock.now());
        Ok(Arc::clone(key))
    }

    /// Whether this key is there still, and good for that.
    ///
    /// # Errors
    /// [`Fault`] where that is not known.
    pub(crate) async fn still_holds(&self, key: &ServiceKey, scope: Scope) -> Result<bool, Fault> {
        let table = match self.service_keys.table() {
            Some(table) => table,
            None => {
                // Many may ask at once, of whom one reads.
                let _one = self.service_keys.loading.lock().await;
                match self.service_keys.table() {
                    Some(table) => table,
                    None => self.load_service_keys().await?,
                }
            }
        };
        Ok(table.keys.get(&key.hash).is_some_and(|key| key.may(scope)))
    }

    async fn load_service_keys(&self) -> Result<Arc<Table>, Fault> {
        let StoredServiceKeys { version, keys } = self.store.service_keys().await?;
        let keys = keys.into_iter().map(|key| (key.hash, Arc::new(key))).collect();
        Ok(self.service_keys.take_over(Table { version, keys }))
    }
}

impl ServiceKeys {
    /// That the table has come to this version.
    pub(crate) fn exists(&self, version: u64) {
        self.latest.fetch_max(version, Ordering::AcqRel);
    }

    /// That what is known is worth nothing: a version may have meant something else.
    pub(crate) fn forget(&self) {
        self.latest.store(0, Ordering::Release);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The table, unless there is a newer one.
    fn table(&self) -> Option<Arc<Table>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.clone().filter(|table| table.version >= self.latest.load(Ordering::Acquire))
    }

    fn take_over(&self, table: Table) -> Arc<Table> {
        self.exists(table.version);
        let there: Vec<ServiceKeyId> = table.keys.values().map(|key| key.id).collect();
        self.uses().retain(|id, _| there.contains(id));
        let table = Arc::new(table);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&table));
        table
    }

    fn used(&self, key: &ServiceKey, at: Timestamp) {
        let mut uses = self.uses();
        let used = uses.entry(key.id).or_insert(Used { at, written: key.last_used_at });
        used.at = used.at.max(at);
    }

    /// When this key was used last: what is written, or what this node knows beyond.
    pub(crate) fn last_used(&self, key: &ServiceKey) -> Option<Timestamp> {
        key.last_used_at.max(self.uses().get(&key.id).map(|used| used.at))
    }

    /// What is to be written of uses; with `all`, also what could wait.
    pub(crate) fn due(&self, now: Timestamp, all: bool) -> Vec<Write> {
        let uses = self.uses();
        let due = uses.iter().filter(|(_, used)| match used.written {
            None => true,
            Some(written) => used.at > written && (all || now >= written.after(NOTED)),
        });
        let mut due: Vec<_> = due.map(|(id, used)| (*id, used.at)).collect();
        // In one order: other nodes note the same ones.
        due.sort_unstable_by_key(|(id, _)| *id);
        due.into_iter().map(|(id, used_at)| Write::NoteServiceKey { id, used_at }).collect()
    }

    /// That these are written.
    pub(crate) fn written(&self, writes: &[Write]) {
        let mut uses = self.uses();
        for write in writes {
            if let Write::NoteServiceKey { id, used_at } = write
                && let Some(used) = uses.get_mut(id)
            {
                used.written = Some(*used_at);
            }
        }
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<ServiceKeyId, Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last_used_at: Option<Timestamp>) -> ServiceKey {
        ServiceKey {
            id: ServiceKeyId::from_bytes([1; 16]),
            name: "billing".to_owned(),
            hash: [1; 32],
            scopes: Vec::new(),
            created_at: at(0),
            last_used_at,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_use_is_written_at_once_and_then_once_a_minute() {
        let keys = ServiceKeys::default();
        let mut writes = Vec::new();
        for second in 0..180 {
            keys.used(&key(None), at(second));
            let due = keys.due(at(second), false);
            keys.written(&due);
            writes.extend(due.iter().map(|_| second));
        }
        assert_eq!(writes, [0, 60, 120]);
        assert_eq!(keys.due(at(180), true).len(), 1, "the last one is not dropped");
        assert_eq!(keys.last_used(&key(None)), Some(at(179)));
    }

    #[test]
    fn what_is_written_already_can_wait() {
        let keys = ServiceKeys::default();
        keys.used(&key(Some(at(100))), at(130));
        assert!(keys.due(at(130), false).is_empty());
        assert_eq!(keys.due(at(160), false).len(), 1);
    }

    #[test]
    fn uses_are_written_in_one_order() {
        let keys = ServiceKeys::default();
        let ids: Vec<_> = (0..50).map(|n| ServiceKeyId::from_bytes([n; 16])).collect();
        for id in ids.iter().rev() {
            keys.used(&ServiceKey { id: *id, ..key(None) }, at(0));
        }
        let due = keys.due(at(0), false).into_iter().map(|write| match write {
            Write::NoteServiceKey { id, .. } => id,
            other => panic!("{other:?}"),
        });
        assert_eq!(due.collect::<Vec<_>>(), ids);
    }

    #[test]
    fn a_table_that_was_read_before_a_revocation_is_none() {
        let keys = ServiceKeys::default();
        let table = || Table { version: 3, keys: HashMap::new() };
        keys.take_over(table());
        assert!(keys.table().is_some());
        keys.exists(4);
        assert!(keys.table().is_none());
        // It was on its way when the revocation was committed.
        keys.take_over(table());
        assert!(keys.table().is_none());
    }
}
