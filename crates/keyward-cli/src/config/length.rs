//! How long is a time, and how many may come in it?

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::json;

use super::rule::{Refusal, Rule};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The units, the longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// So many in so long: `5/1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// How many.
    pub(crate) count: u32,
    /// In how long.
    pub(crate) per: Duration,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, written(self.per))
    }
}

/// A duration within this range.
pub(super) fn duration(range: RangeInclusive<Duration>) -> Rule<Duration> {
    let (least, most) = (written(*range.start()), written(*range.end()));
    Rule::text(
        format!("a duration from {least} to {most}, in ms, s, m, h or d"),
        move |text| parse(text).filter(|length| range.contains(length)).ok_or_else(Refusal::default),
        |length| written(*length),
    )
    .described(json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }))
}

/// A number of events and the time that they are counted over, or `off`.
pub(super) fn limit() -> Rule<Option<Limit>> {
    let parse = |text: &str| {
        let (count, per) = text.split_once('/')?;
        let count = digits(count)?.try_into().ok()?;
        let limit = Limit { count, per: parse(per)? };
        ((1..=1_000_000).contains(&limit.count) && (SECOND..=30 * DAY).contains(&limit.per)).then_some(limit)
    };
    Rule::text(
        "a number from 1 to 1000000 and a duration from 1s to 30d, such as \"5/1m\"",
        move |text| parse(text).ok_or_else(Refusal::default),
        Limit::to_string,
    )
    .described(json!({ "type": "string", "pattern": "^[0-9]+/[0-9]+(ms|s|m|h|d)$" }))
    .or_off()
}

/// The duration as a file has it, in the longest unit that says it whole.
pub(super) fn written(length: Duration) -> String {
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let whole = UNITS.iter().find(|(_, size)| millis != 0 && millis.is_multiple_of(*size));
    whole.map_or_else(|| "0s".to_owned(), |(unit, size)| format!("{}{unit}", millis / size))
}

fn parse(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(Duration::from_millis(digits(number)?.checked_mul(*size)?))
}

/// A number in digits alone: what Rust reads by itself may have a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::Raw;

    #[test]
    fn a_duration_has_one_number_and_one_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("0s", 0),
            ("30s", 30_000),
            ("15m", 900_000),
            ("24h", 86_400_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "5S",
            "-5s",
            "+5s",
            "1h30m",
            "1.5h",
            "5w",
            " 5s",
            "99999999999999999999s",
            "18446744073709551615d",
            "٣s",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_duration_is_written_in_the_longest_unit_that_says_it_whole() {
        for text in ["0s", "500ms", "90s", "15m", "36h", "7d"] {
            assert_eq!(parse(text).map(written).as_deref(), Some(text));
        }
        assert_eq!(written(24 * HOUR), "1d");
    }

    #[test]
    fn a_limit_has_a_number_and_a_duration() {
        let read = |text: &str| limit().read(&Raw::Word(text.into()));
        assert_eq!(read("5/1m").expect("5/1m"), Some(Limit { count: 5, per: MINUTE }));
        assert_eq!(read("off").expect("off"), None);
        for text in ["", "5", "5/m", "0/1m", "/1m", "5/", "5/1m/2", "5/500ms", "1000001/1m", "5/31d", "-5/1m"]
        {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
