//! What was told last, in which order, and how is a place in it named?

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::body::Bytes;
use keyward_core::revocation::{Entry, Revocation};
use keyward_core::time::Timestamp;
use serde_json::{Value, json};

use super::PIECE;

/// How many changes are kept for those who come back.
const KEPT: usize = 4_096;

/// The latest changes.
#[derive(Debug)]
pub(super) struct Latest {
    /// Of which positions all this is.
    start: u64,
    /// The position after which nothing is missing.
    base: u64,
    /// The position up to which nothing is missing.
    last: u64,
    changes: VecDeque<(u64, Bytes)>,
    whole: Weak<Whole>,
}

/// A position, and since when it is one: on another node, and after the store turned out to be one from
/// before, the same position is another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    start: u64,
    position: u64,
}

/// The whole set as it was at a place, written out.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) place: Place,
    pub(super) text: Bytes,
}

impl Latest {
    /// None yet, of positions of this start.
    pub(super) const fn of(start: u64) -> Self {
        Self { start, base: 0, last: 0, changes: VecDeque::new(), whole: Weak::new() }
    }

    /// Forgets everything: positions are others from now on.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::of(self.start.wrapping_add(1));
    }

    /// The place up to which nothing is missing.
    pub(super) const fn end(&self) -> Place {
        Place { start: self.start, position: self.last }
    }

    /// Takes in what a poll brought: everything past the last position. Whether all that was told stands.
    pub(super) fn polled(&mut self, entries: &[Entry]) -> bool {
        self.append(entries, |_, _| true)
    }

    /// Takes in what this node has committed itself, where nothing lies between that and what was told
    /// before; whether it did.
    pub(super) fn committed(&mut self, entries: &[Entry]) -> bool {
        self.append(entries, |last, position| position == last + 1)
    }

    fn append(&mut self, entries: &[Entry], follows: impl Fn(u64, u64) -> bool) -> bool {
        for entry in entries {
            let place = Place { position: entry.position, ..self.end() };
            let text: Bytes = told(&entry.revocation, entry.until, Some(place)).into();
            if entry.position <= self.last {
                if self.at(entry.position).is_some_and(|known| *known != text) {
                    return false;
                }
                continue;
            }
            if !follows(self.last, entry.position) {
                return false;
            }
            self.last = entry.position;
            self.changes.push_back((entry.position, text));
            if self.changes.len() > KEPT
                && let Some((gone, _)) = self.changes.pop_front()
            {
                self.base = gone;
            }
        }
        true
    }

    /// What was told at this position, where that is kept.
    fn at(&self, position: u64) -> Option<&Bytes> {
        let found = self.changes.binary_search_by_key(&position, |(known, _)| *known).ok()?;
        self.changes.get(found).map(|(_, change)| change)
    }

    /// Whether it is known what was told after this place.
    pub(super) fn knows(&self, place: Place) -> bool {
        place.start == self.start && (self.base..=self.last).contains(&place.position)
    }

    /// What was told after this place, and whether that is all; `None` where it is too long ago, or
    /// none of this node since the store is what it is.
    pub(super) fn since(&self, place: Place) -> Option<(Place, Vec<u8>, bool)> {
        if !self.knows(place) {
            return None;
        }
        let Place { start, position } = place;
        let from = self.changes.partition_point(|(known, _)| *known <= position);
        let (mut text, mut reached) = (Vec::new(), position);
        for (position, change) in self.changes.range(from..) {
            text.extend_from_slice(change);
            reached = *position;
            if text.len() >= PIECE {
                break;
            }
        }
        Some((Place { start, position: reached }, text, reached == self.last))
    }

    /// The whole set as it was written out last, where somebody is still told it and can go on from it.
    pub(super) fn whole(&self) -> Option<Arc<Whole>> {
        self.whole.upgrade().filter(|whole| self.knows(whole.place))
    }

    /// Keeps the whole set for as long as somebody is told it.
    pub(super) fn keep(&mut self, whole: &Arc<Whole>) {
        self.whole = Arc::downgrade(whole);
    }
}

impl Place {
    /// How it is named to those who listen.
    fn id(self) -> String {
        format!("{:016x}-{}", self.start, self.position)
    }

    /// The place of that name.
    pub(super) fn of(id: &str) -> Option<Self> {
        let (start, position) = id.split_once('-')?;
        let place = Self { start: u64::from_str_radix(start, 16).ok()?, position: position.parse().ok()? };
        // As it was given, and not otherwise.
        (place.id() == id).then_some(place)
    }

    /// That everything up to here was told.
    pub(super) fn ready(self, resumed: bool) -> String {
        let data = json!({ "position": self.position, "resumed": resumed });
        format!("id: {}\nevent: ready\ndata: {data}\n\n", self.id())
    }
}

/// A change, as it is told: by the names of the claims that it concerns.
pub(super) fn told(revocation: &Revocation, until: Timestamp, at: Option<Place>) -> String {
    // In whole seconds, and never less.
    let until = Timestamp::from_seconds(until.after(Duration::from_micros(999_999)).seconds());
    let data = match revocation {
        Revocation::Key(kid) => json!({ "kind": "key", "kid": kid }),
        Revocation::Session(sid) => json!({ "kind": "session", "sid": sid }),
        Revocation::Generation(sid, generation) => {
            json!({ "kind": "generation", "sid": sid, "gen": generation })
        }
        Revocation::User(sub, least) => json!({ "kind": "user", "sub": sub, "uv": least }),
        Revocation::Roles(least) => json!({ "kind": "roles", "rv": least }),
    };
    let data = with(data, "until", json!(until));
    let id = at.map(|place| format!("id: {}\n", place.id())).unwrap_or_default();
    format!("{id}event: revocation\ndata: {data}\n\n")
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

#[cfg(test)]
mod tests {
    use keyward_core::id::SessionId;

    use super::*;

    fn entry(position: u64) -> Entry {
        Entry {
            position,
            revocation: Revocation::Session(SessionId::from_bytes([1; 16])),
            until: Timestamp::from_micros(1_500_000),
        }
    }

    fn ids(latest: &Latest, from: u64) -> Option<Vec<u64>> {
        let (mut from, mut ids) = (Place { start: latest.start, position: from }, Vec::new());
        loop {
            let (reached, text, is_all) = latest.since(from)?;
            let text = String::from_utf8(text).expect("text");
            ids.extend(
                text.lines()
                    .filter_map(|line| line.strip_prefix("id: "))
                    .map(|id| Place::of(id).expect("id").position),
            );
            if reached == from {
                assert!(is_all);
                return Some(ids);
            }
            from = reached;
        }
    }

    #[test]
    fn what_is_committed_here_is_told_at_once_where_nothing_lies_between() {
        let mut latest = Latest::of(7);
        latest.polled(&[entry(3), entry(7)]);
        assert!(latest.committed(&[entry(8), entry(9)]));
        assert!(!latest.committed(&[entry(11)]), "somebody else may have committed 10");
        assert_eq!(ids(&latest, 0), Some(vec![3, 7, 8, 9]));
        latest.polled(&[entry(8), entry(9), entry(10), entry(11)]);
        assert!(latest.committed(&[entry(11)]), "told already");
        assert_eq!(ids(&latest, 8), Some(vec![9, 10, 11]));
        assert_eq!(ids(&latest, 11), Some(vec![]));
        assert_eq!(ids(&latest, 12), None, "never told");
    }

    #[test]
    fn a_place_is_known_by_the_name_that_was_given_alone() {
        let place = Place { start: 0x0707_0707_0707_0707, position: 41 };
        assert_eq!(place.id(), "0707070707070707-41");
        assert_eq!(Place::of(&place.id()), Some(place));
        for strange in ["41", "-41", "0707070707070707", "0707070707070707-", "0707070707070707-+1", "7-41"] {
            assert_eq!(Place::of(strange), None, "{strange}");
        }
        let (mut one, mut other) = (Latest::of(place.start), Latest::of(8));
        for latest in [&mut one, &mut other] {
            latest.polled(&[entry(41)]);
        }
        assert!(one.since(place).is_some() && other.since(place).is_none(), "another node's");
    }

    /// What this node told of its own was lost, and its place is another's now.
    #[test]
    fn what_stands_otherwise_than_it_was_told_is_noticed() {
        let mut latest = Latest::of(7);
        assert!(latest.polled(&[entry(1)]) && latest.committed(&[entry(2), entry(3)]));
        let other = Entry { revocation: Revocation::Key("k".into()), ..entry(2) };
        assert!(!latest.committed(std::slice::from_ref(&other)), "that was not told");
        assert!(!latest.polled(&[other.clone(), entry(4)]));
        let before = latest.end();
        latest.begin_anew();
        assert_eq!(latest.since(before), None);
        assert!(latest.polled(&[entry(1), other, entry(3), entry(4)]));
        assert_eq!(latest.since(before), None, "the same position is another's");
        assert_eq!(ids(&latest, 0), Some(vec![1, 2, 3, 4]));
    }

    #[test]
    fn the_buffer_is_bounded_and_who_fell_behind_is_told_nothing_of_it() {
        let mut latest = Latest::of(7);
        for position in 1..=KEPT as u64 + 10 {
            latest.polled(&[entry(position)]);
        }
        assert_eq!(latest.changes.len(), KEPT);
        assert_eq!(ids(&latest, 9), None);
        assert_eq!(ids(&latest, 10).expect("they are there").len(), KEPT);
    }

    #[test]
    fn a_change_is_told_by_the_claims_that_it_concerns() {
        let sid = SessionId::from_bytes([1; 16]);
        for (revocation, expected) in [
            (Revocation::Key("k".into()), json!({"kind": "key", "kid": "k"})),
            (Revocation::Session(sid), json!({"kind": "session", "sid": sid})),
            (Revocation::Generation(sid, 3), json!({"kind": "generation", "sid": sid, "gen": 3})),
            (
                Revocation::User(keyward_core::id::UserId::from_bytes([2; 16]), 6),
                json!({"kind": "user", "sub": "02020202-0202-0202-0202-020202020202", "uv": 6}),
            ),
            (Revocation::Roles(8), json!({"kind": "roles", "rv": 8})),
        ] {
            let text =
                told(&revocation, Timestamp::from_micros(1_000_001), Some(Place { start: 0, position: 5 }));
            let data =
                text.strip_prefix("id: 0000000000000000-5\nevent: revocation\ndata: ").expect("an event");
            let data: Value =
                serde_json::from_str(data.strip_suffix("\n\n").expect("its end")).expect("JSON");
            assert_eq!(data, with(expected, "until", json!("1970-01-01T00:00:02Z")));
        }
    }
}
