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
    /// What was counted since it was last written, to be added to the row.
    waiting: Option<Event>,
}

impl Tallies {
    /// Counts an event among those that have `what` in common. What comes back is to be written now.
    pub(crate) fn count(&self, mut event: Event, what: &str) -> Option<Event> {
        let minute = event.at.seconds().div_euclid(60);
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = format!("{}:{what}:{minute}", event.kind.as_str());
        if rows.len() >= ROWS && !rows.contains_key(&key) {
            key = format!("{}:*:{minute}", event.kind.as_str());
        }
        event.tally = Some(key.clone());
        match rows.get_mut(&key) {
            None => {
                event.details.insert("count".to_owned(), 1.into());
                rows.insert(key, Counted { minute, waiting: None });
                Some(event)
            }
            Some(counted) => {
                let waiting = counted.waiting.get_or_insert_with(|| {
                    event.details.insert("count".to_owned(), 0.into());
                    event
                });
                let count = waiting.details.get("count").and_then(serde_json::Value::as_i64).unwrap_or(0);
                waiting.details.insert("count".to_owned(), (count + 1).into());
                None
            }
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
