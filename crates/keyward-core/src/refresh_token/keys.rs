//! Which key makes refresh tokens, and until when does each verify?
//!
//! A new key is known for a while before it makes a token: a token of a key that some node does not
//! know yet would be none of ours there, and sign somebody out. The key before it goes on verifying
//! until none of its tokens can be presented.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::policy::Policy;
use crate::time::Timestamp;

/// How long a key is known before it makes a token: some times as long as a node believes what it
/// heard last, so that every node knows it by then, or asks.
pub const PUBLISH_AHEAD: Duration = Duration::from_secs(5);

/// A key that authenticates refresh tokens. It never shows its bytes.
#[derive(Clone)]
pub struct MacKey {
    id: u16,
    created_at: Timestamp,
    known_since: Timestamp,
    pub(super) key: hmac::Key,
}

impl MacKey {
    /// The key of that id, known since it was made. The bytes are the secret: 256 random bits.
    pub fn new(id: u16, secret: &[u8; 32], created_at: Timestamp) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self { id, created_at, known_since: created_at, key }
    }

    /// The same, known only since then, as the one who made it took long to make it known.
    #[must_use]
    pub fn known_since(self, at: Timestamp) -> Self {
        Self { known_since: self.created_at.max(at), ..self }
    }

    /// The number by which a token names this key. A newer key has a higher one.
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// When it was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// From when on it makes tokens, while there is an older one for the time before.
    pub fn seals_from(&self) -> Timestamp {
        self.known_since.after(PUBLISH_AHEAD)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys that authenticate refresh tokens, the newest first. One of them makes them at a moment,
/// each verifies its own.
#[derive(Debug)]
pub struct MacKeys(Vec<MacKey>);

impl MacKeys {
    /// All the keys that there are. `None` without any.
    pub fn new(mut keys: Vec<MacKey>) -> Option<Self> {
        keys.sort_unstable_by_key(|key| Reverse(key.id));
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The one that was made last.
    pub fn newest(&self) -> &MacKey {
        &self.0[0]
    }

    /// The one of that id.
    pub fn get(&self, id: u16) -> Option<&MacKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// The one that makes tokens at that moment: the newest whose time has come. Where that of none
    /// has, the oldest, which every node knew first.
    pub fn sealing(&self, at: Timestamp) -> &MacKey {
        let oldest = &self.0[self.0.len() - 1];
        self.0.iter().find(|key| key.seals_from() <= at).unwrap_or(oldest)
    }

    /// All of them, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &MacKey> {
        self.0.iter()
    }

    /// When another one takes the place of that key; `None` for the newest.
    pub fn replaced_at(&self, id: u16) -> Option<Timestamp> {
        self.0.iter().rev().find(|key| key.id > id).map(MacKey::seals_from)
    }

    /// Until when that key verifies, for none of its tokens can be presented any longer; `None` for
    /// the newest. A token that was replaced in the last moment may come once more within the window.
    pub fn verifies_until(&self, id: u16, policy: &Policy) -> Option<Timestamp> {
        Some(self.replaced_at(id)?.after(policy.refresh_ttl).after(policy.rotation_window))
    }

    /// The keys that are to be forgotten by now.
    pub fn over(&self, policy: &Policy, now: Timestamp) -> Vec<u16> {
        let is_over = |id: &u16| self.verifies_until(*id, policy).is_some_and(|until| now >= until);
        self.0.iter().map(MacKey::id).filter(is_over).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::refresh_token::RefreshToken;

    const DAY: i64 = 24 * 60 * 60;
    const AHEAD: i64 = PUBLISH_AHEAD.as_secs() as i64;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    /// Keys of these ids, each known since then.
    fn keys(known: &[(u16, i64)]) -> MacKeys {
        let key = |(id, since): &(u16, i64)| MacKey::new(*id, &[*id as u8; 32], at(*since));
        MacKeys::new(known.iter().map(key).collect()).expect("keys")
    }

    #[test]
    fn a_key_is_known_for_a_while_before_it_makes_a_token() {
        let keys = keys(&[(1, 0), (3, 200), (2, 100)]);
        let sealing = |seconds| keys.sealing(at(seconds)).id();
        assert_eq!([0, AHEAD, 100 + AHEAD - 1, 100 + AHEAD].map(sealing), [1, 1, 1, 2]);
        assert_eq!([200, 200 + AHEAD - 1, 200 + AHEAD, DAY].map(sealing), [2, 2, 3, 3]);
        assert_eq!(keys.newest().id(), 3);
    }

    #[test]
    fn the_first_key_makes_tokens_at_once_and_of_several_new_ones_the_oldest() {
        assert_eq!(keys(&[(7, 100)]).sealing(at(100)).id(), 7);
        assert_eq!(keys(&[(7, 100), (8, 100)]).sealing(at(100)).id(), 7);
        assert_eq!(keys(&[(7, 100), (8, 100)]).sealing(at(100 + AHEAD)).id(), 8);
    }

    #[test]
    fn a_token_is_of_the_key_that_seals_when_it_is_made() {
        let keys = keys(&[(1, 0), (2, 100)]);
        let made_at = |seconds| RefreshToken {
            session: SessionId::from_bytes([9; 16]),
            generation: 7,
            made_at: at(seconds),
        };
        let (former, later) = (keys.seal(&made_at(100 + AHEAD - 1)), keys.seal(&made_at(100 + AHEAD)));
        let alone = |id| self::keys(&[(id, 0)]);
        assert!(alone(1).open(&former).is_some() && alone(2).open(&former).is_none());
        assert!(alone(1).open(&later).is_none() && alone(2).open(&later).is_some());
        assert!(keys.open(&former).is_some() && keys.open(&later).is_some());
    }

    #[test]
    fn a_key_verifies_until_none_of_its_tokens_can_be_presented() {
        let keys = keys(&[(1, 0), (2, 100), (4, 200)]);
        let policy = Policy::default();
        let until = |replaced| at(replaced + AHEAD + 7 * DAY + 30);
        assert_eq!(
            [1, 2, 4].map(|id| keys.verifies_until(id, &policy)),
            [Some(until(100)), Some(until(200)), None]
        );
        assert_eq!(
            [1, 2, 4].map(|id| keys.replaced_at(id)),
            [Some(at(100 + AHEAD)), Some(at(200 + AHEAD)), None]
        );
        let over = |now: Timestamp| keys.over(&policy, now);
        assert!(over(until(100).before(Duration::from_micros(1))).is_empty());
        assert_eq!(over(until(100)), [1]);
        assert_eq!(over(until(200)), [2, 1]);
        assert_eq!(over(at(1_000 * DAY)), [2, 1], "the newest never is");
    }

    #[test]
    fn a_key_that_was_heard_of_late_makes_tokens_later() {
        let key = |heard| MacKey::new(2, &[2; 32], at(100)).known_since(at(heard)).seals_from();
        assert_eq!([0, 100, 160].map(key), [100, 100, 160].map(|since| at(since + AHEAD)));
    }

    #[test]
    fn without_any_there_are_no_keys() {
        assert!(MacKeys::new(Vec::new()).is_none());
    }
}
