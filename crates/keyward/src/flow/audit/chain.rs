//! Who seals the audit trail, removes what is past its time, and finds what somebody changed? The
//! rule is [`keyward_core::chain`]; here it is carried out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyward_core::chain::{ChainKey, Finding, Seal, SealName};
use keyward_core::change::{Change, Conflict, Write};
use keyward_core::event::{Event, Recorded};
use keyward_core::id::EventId;
use keyward_core::seal::{MasterKey, OpenError};
use keyward_core::time::Timestamp;
use zeroize::Zeroizing;

use crate::Keyward;
use crate::clock;
use crate::engine::Engine;
use crate::error::Error;
use crate::flow::ATTEMPTS;
use crate::flow::refresh_keys::MacKeysError;
use crate::store::trail::{EventQuery, Sealed};
use crate::store::{Fault, NotCommitted, Store};

/// How long after its minute closed an event is sealed: what is counted in memory is in its row
/// long before.
const SETTLED: Duration = Duration::from_secs(60);
/// How many rows a batch has at most: what is written, and later removed, at once.
const BATCH: u32 = 500;
/// For how long batches are sealed in one turn, and removed in one step: what waits for it is bounded.
pub(crate) const SEALING: Duration = Duration::from_secs(50);
const REMOVING: Duration = Duration::from_secs(1);
/// How many findings are told.
const FINDINGS: usize = 1_000;

/// What a node needs to mark and seal events.
#[derive(Debug)]
pub(crate) struct Chain {
    key: ChainKey,
    /// The last seal that this node knows of.
    head: Mutex<Option<SealName>>,
}

impl Chain {
    pub(crate) fn new(key: ChainKey) -> Self {
        Self { key, head: Mutex::default() }
    }

    /// Marks an event that is about to be written.
    pub(crate) fn mark(&self, event: &mut Event) {
        event.mark = Some(self.key.mark(event));
    }

    /// Takes note of the last seal there is; gives the one that was there before and is not now.
    fn saw(&self, last: Option<&Seal>) -> Option<SealName> {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *head;
        *head = last.map(Seal::name);
        let gone = |known: &SealName| match *head {
            None => true,
            Some(now) => now.number < known.number || (now.number == known.number && now.mac != known.mac),
        };
        before.filter(gone)
    }
}

/// What a look at the whole audit trail found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// How many seals there are.
    pub seals: u64,
    /// How many events are sealed.
    pub events: u64,
    /// How many are not sealed yet.
    pub unsealed: u64,
    /// The last seal.
    pub last: Option<SealName>,
    /// What nobody but Keyward may have done; at most a thousand.
    pub findings: Vec<Finding>,
}

impl Keyward {
    /// Looks for events that were changed, removed or added by anybody but Keyward. With `known`,
    /// a seal that the log names, also for a chain whose end was cut off.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer, or where a row can't be read at all.
    pub async fn verify_events(&self, known: Option<SealName>) -> Result<Verified, Error> {
        self.engine.verify_events(known).await
    }
}

impl Engine {
    /// Seals the events that nothing is counted into any more, for a while. Of several nodes that try at
    /// once one succeeds, to which the others soon leave it.
    pub(crate) async fn seal_events(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let minute = Timestamp::from_seconds(now.seconds().div_euclid(60) * 60);
        let open = EventId::new(minute.before(SETTLED), [0; 10]);
        let (began, mut lost) = (self.clock.monotonic(), 0);
        while lost < ATTEMPTS && self.clock.monotonic().saturating_sub(began) < SEALING {
            let last = self.store.last_seal().await?;
            if let Some(gone) = self.chain.saw(last.as_ref()) {
                tracing::error!(seal = %gone, "the end of the audit trail was cut off: this seal is gone");
            }
            let rows = self.store.unsealed(EventId::from_bytes([0; 16]), open, BATCH).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let seal = self.chain.key.seal(last.as_ref(), &rows, now);
            let counts = rows.iter().map(|row| (row.event.id, row.count)).collect();
            let write = Write::SealEvents { seal: Box::new(seal.clone()), counts };
            match self.commit(Change::of([write])).await {
                // Named where no database can be made to forget it.
                Ok(_) => {
                    self.chain.saw(Some(&seal));
                    tracing::info!(seal = %seal.name(), events = seal.rows, "sealed a batch of events");
                }
                // Another node was faster, or counted something just now.
                Err(NotCommitted::Conflict(_)) => lost += 1,
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    /// Removes the batches of events that are all past their time, the oldest first and for a while;
    /// their seals stay.
    pub(crate) async fn remove_past_events(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let before = now.before(self.settings.events_retention);
        let began = self.clock.monotonic();
        while self.clock.monotonic().saturating_sub(began) < REMOVING {
            let Some(seal) = self.store.past_seal(before).await? else { break };
            let removal = self.chain.key.remove(&seal, now);
            let write = Write::RemoveEvents { number: seal.number, removal };
            match self.commit(Change::of([write])).await {
                Ok(_) => {}
                // Another node is at it.
                Err(NotCommitted::Conflict(_)) => break,
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    pub(crate) async fn verify_events(&self, known: Option<SealName>) -> Result<Verified, Error> {
        let mut found = Verified { seals: 0, events: 0, unsealed: 0, last: None, findings: Vec::new() };
        let mut missed = known;
        let mut before: Option<Seal> = None;
        let number = |seal: &Option<Seal>| seal.as_ref().map_or(0, |seal| seal.number);
        while let Some(Sealed { seal, rows }) = self.store.sealed_after(number(&before)).await? {
            found.findings.extend(self.chain.key.check(before.as_ref(), &seal, &rows));
            found.findings.truncate(FINDINGS);
            found.seals += 1;
            found.events += rows.len() as u64;
            found.last = Some(seal.name());
            missed = missed.filter(|known| *known != seal.name());
            before = Some(Seal { entries: None, ..seal });
        }
        let strays = self.store.strays(u32::try_from(FINDINGS).unwrap_or(u32::MAX)).await?;
        found.findings.extend(strays.into_iter().map(|(batch, id)| Finding::RowAdded(batch, id)));
        let mut after = EventId::from_bytes([0; 16]);
        loop {
            let rows = self.store.unsealed(after, EventId::from_bytes([0xff; 16]), BATCH).await?;
            let Some(last) = rows.last() else { break };
            after = last.event.id;
            found.unsealed += rows.len() as u64;
            let foreign = |row: &Recorded| Finding::RowForeign(row.event.id);
            found.findings.extend(rows.iter().filter(|row| !self.chain.key.knows(row)).map(foreign));
        }
        found.findings.extend(missed.map(Finding::Cut));
        found.findings.truncate(FINDINGS);
        Ok(found)
    }
}

/// The key of the chain; it is made where there is none.
///
/// # Errors
/// Where the store does not answer, or the master key is not the one it was sealed under.
pub(crate) async fn chain_key(
    store: &dyn Store,
    master: &MasterKey,
    now: Timestamp,
) -> Result<ChainKey, MacKeysError> {
    for _ in 0..ATTEMPTS {
        if let Some(stored) = store.chain_key().await? {
            let secret = master.open(&purpose(stored.since), &stored.sealed)?;
            let secret = <[u8; 32]>::try_from(secret.as_slice()).map_err(|_| OpenError::Corrupt)?;
            return Ok(ChainKey::new(&Zeroizing::new(secret), stored.since));
        }
        // Where there are no events yet there are none from before the chain either, whatever their date.
        let any = EventQuery { limit: 1, ..EventQuery::default() };
        let fresh = store.events(any).await?.events.is_empty();
        let since = if fresh { Timestamp::default() } else { now };
        let secret = Zeroizing::new(clock::random::<32>());
        let sealed = master.seal(&purpose(since), &secret[..], clock::random());
        match store.commit(Change::of([Write::AddChainKey { sealed, since }])).await {
            // Another process made it first: then that one is ours, too.
            Ok(_) | Err(NotCommitted::Conflict(Conflict::Changed)) => {}
            Err(NotCommitted::Conflict(_)) => break,
            Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::Unavailable("no key for the audit trail could be made".to_owned()).into())
}

/// With the moment from which on rows are marked: it can't be moved in the store either.
pub(in crate::flow) fn purpose(since: Timestamp) -> String {
    format!("event-chain:{}", since.micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_notices_when_a_seal_that_it_knows_is_gone() {
        let seal = |number: u64, mac: u8| Seal {
            number,
            sealed_at: Timestamp::default(),
            newest: Timestamp::default(),
            rows: 0,
            digest: [0; 32],
            entries: None,
            mac: [mac; 32],
            removed: None,
        };
        let saw = |seals: &[Option<Seal>]| {
            let chain = Chain::new(ChainKey::new(&[1; 32], Timestamp::default()));
            let mut gone = seals.iter().filter_map(|seal| chain.saw(seal.as_ref()));
            (gone.next().map(|name| name.number), gone.next())
        };
        assert_eq!(saw(&[None, Some(seal(1, 1)), Some(seal(1, 1)), Some(seal(3, 3))]), (None, None));
        assert_eq!(saw(&[Some(seal(2, 2)), None, None]), (Some(2), None), "said once");
        assert_eq!(saw(&[Some(seal(2, 2)), Some(seal(1, 1)), Some(seal(2, 9))]), (Some(2), None));
        assert_eq!(saw(&[Some(seal(2, 2)), Some(seal(2, 9))]), (Some(2), None), "another of that number");
    }
}
