//! How is a flood of refusals kept from being a flood of rows?
//!
//! Events alike within one minute are one row: the first is written with the request that caused
//! it, the rest are counted here and added to that row now and then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use keyward_core::event::Event;
use keyward_core::time::Timestamp;

/// How many different rows one minute may have; further ones are counted into a common row.
const ROWS: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Tallies(Mutex<HashMap<String, Counted>>);

#[derive(Debug)]
struct Counted {
    minute: i64,
    /// How many have become rows of their own.
    single: u32,
    /// Whether there is a row that further ones are counted into.
    has_row: bool,
    /// What was counted since it was last written, to be added to the row.
    waiting: Option<Event>,
}

impl Tallies {
    /// Counts an event among those that have `what` in common. What comes back is to be written now:
    /// the first `singly` of a minute each as a row of its own, the next one as the row that further
    /// ones are counted into.
    pub(crate) fn count(&self, mut event: Event, what: &str, singly: u32) -> Option<Event> {
        let minute = event.at.seconds().div_euclid(60);
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = format!("{}:{what}:{minute}", event.kind.as_str());
        if rows.len() >= ROWS && !rows.contains_key(&key) {
            key = format!("{}:*:{minute}", event.kind.as_str());
            // Of several people from several places: it says nobody's name.
            (event.user, event.session, event.ip, event.user_agent) = (None, None, None, None);
            event.details.clear();
        }
        let counted =
            rows.entry(key.clone()).or_insert(Counted { minute, single: 0, has_row: false, waiting: None });
        if counted.single < singly {
            counted.single += 1;
            return Some(event);
        }
        event.tally = Some(key);
        if !counted.has_row {
            counted.has_row = true;
            event.details.insert("count".to_owned(), 1.into());
            return Some(event);
        }
        add(&mut counted.waiting, event, 1);
        None
    }

    /// Takes back what could not be written, to be written later.
    pub(crate) fn give_back(&self, events: Vec<Event>) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let Some(key) = event.tally.clone() else { continue };
            let minute = event.at.seconds().div_euclid(60);
            let counted =
                rows.entry(key).or_insert(Counted { minute, single: 0, has_row: true, waiting: None });
            let count = count_of(&event);
            add(&mut counted.waiting, event, count);
        }
    }

    /// What was counted and is not written, to be added to its rows. Rows of past minutes are
    /// forgotten with it.
    pub(crate) fn take(&self, now: Timestamp) -> Vec<Event> {
        let minute = now.seconds().div_euclid(60);
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = rows.values_mut().filter_map(|counted| counted.waiting.take()).collect();
        rows.retain(|_, counted| counted.minute >= minute);
        waiting
    }
}

/// Adds so many to what waits to be written, which is as the last of them was.
fn add(waiting: &mut Option<Event>, event: Event, count: i64) {
    let before = waiting.as_ref().map_or(0, count_of);
    let mut last = match waiting.take() {
        Some(known) if known.at > event.at => known,
        _ => event,
    };
    last.details.insert("count".to_owned(), (before + count).into());
    *waiting = Some(last);
}

fn count_of(event: &Event) -> i64 {
    event.details.get("count").and_then(serde_json::Value::as_i64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use keyward_core::event::EventType;
    use keyward_core::id::EventId;

    use super::*;

    fn event(seconds: i64) -> Event {
        let at = Timestamp::from_seconds(seconds);
        Event {
            id: EventId::new(at, [1; 10]),
            at,
            kind: EventType::LoginFailed,
            user: None,
            session: None,
            ip: None,
            user_agent: None,
            success: false,
            reason: None,
            details: serde_json::Map::new(),
            tally: None,
            mark: None,
        }
    }

    #[test]
    fn the_first_of_a_minute_are_rows_of_their_own_and_the_rest_is_one() {
        let tallies = Tallies::default();
        let written: Vec<_> = (0..20).filter_map(|n| tallies.count(event(n), "a", 3)).collect();
        assert_eq!(written.iter().filter(|event| event.tally.is_none()).count(), 3);
        assert_eq!(written.iter().filter(|event| event.tally.is_some()).map(count_of).sum::<i64>(), 1);
        assert_eq!(tallies.take(Timestamp::from_seconds(20)).iter().map(count_of).sum::<i64>(), 16);
        assert!(tallies.take(Timestamp::from_seconds(21)).is_empty());
        assert!(tallies.count(event(60), "a", 3).is_some_and(|event| event.tally.is_none()), "a new minute");
    }

    #[test]
    fn what_could_not_be_written_stays_counted() {
        let tallies = Tallies::default();
        (0..5).for_each(|n| drop(tallies.count(event(n), "a", 0)));
        let failed = tallies.take(Timestamp::from_seconds(70));
        assert!(tallies.count(event(6), "b", 0).is_some());
        tallies.give_back(failed);
        let again = tallies.take(Timestamp::from_seconds(71));
        assert_eq!(again.iter().map(count_of).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_minute_has_a_bounded_number_of_rows() {
        let tallies = Tallies::default();
        let names = (0..10_000).map(|n| n.to_string());
        let written = names.filter_map(|name| tallies.count(event(1), &name, 2)).count();
        assert!(written <= ROWS + 3, "{written}");
        let rest: i64 = tallies.take(Timestamp::from_seconds(2)).iter().map(count_of).sum();
        assert_eq!(usize::try_from(rest).expect("positive") + written, 10_000, "none is lost");
    }
}
