//! Which keys of a budget are remembered, and which are forgotten first?

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most keys of a shard: what a table of 4,096 places holds, about 100 KB.
pub(super) const KEYS: usize = 3_584;
/// How many go at once where all of them count, so that looking for them is rare.
pub(super) const EVICTED: usize = KEYS / 8;

/// The 128 bits that stand for a key.
pub(super) type Key = (u64, u64);

/// When all of a key's budget will have come back, in nanoseconds; a key that isn't there has all
/// of it.
#[derive(Default)]
pub(super) struct Shard(HashMap<Key, u64>);

impl Shard {
    pub(super) fn get(&self, key: Key) -> Option<u64> {
        self.0.get(&key).copied()
    }

    /// Remembers the moment, unless it has come.
    pub(super) fn set(&mut self, key: Key, arrival: u64, now: u64) {
        if arrival <= now {
            self.0.remove(&key);
            return;
        }
        if !self.0.contains_key(&key) {
            self.make_room(now);
        }
        self.0.insert(key, arrival);
    }

    fn make_room(&mut self, now: u64) {
        if self.0.len() < KEYS {
            return;
        }
        self.0.retain(|_, arrival| *arrival > now);
        let evicted = (self.0.len() + EVICTED).saturating_sub(KEYS);
        if evicted > 0 {
            let mut coldest: Vec<(u64, Key)> = self.0.iter().map(|(key, arrival)| (*arrival, *key)).collect();
            coldest.select_nth_unstable(evicted - 1);
            for (_, key) in &coldest[..evicted] {
                self.0.remove(key);
            }
        }
    }
}

/// Nothing between a lock and its release can leave a shard half-changed.
pub(super) fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Shard {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_good_as_new_goes_before_what_counts() {
        let mut shard = Shard::default();
        let filled = |shard: &mut Shard, range: std::ops::Range<usize>, arrival: u64| {
            shard.0.extend(range.map(|n| ((n as u64, 0), arrival)));
        };
        filled(&mut shard, 0..KEYS - 1, 10);
        shard.make_room(10);
        assert_eq!(shard.0.len(), KEYS - 1, "there is room");
        filled(&mut shard, 500..KEYS, 11);
        shard.make_room(10);
        assert_eq!(shard.0.len(), KEYS - 500, "nothing that counts went");
        filled(&mut shard, 0..500, 12);
        shard.make_room(10);
        assert_eq!(shard.0.len(), KEYS - EVICTED);
        assert_eq!(shard.0.values().filter(|arrival| **arrival == 12).count(), 500, "the coldest went");
    }
}
