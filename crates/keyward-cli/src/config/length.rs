//! How long is a time, and how many may come in it?

use std::ops::RangeInclusive;
use std::time::Duration;

use keyward::core::duration::{display, parse};
use keyward::core::throttle::Limit;
use serde_json::json;

use super::rule::{Refusal, Rule};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A duration within this range.
pub(super) fn duration(range: RangeInclusive<Duration>) -> Rule<Duration> {
    let (least, most) = (display(*range.start()), display(*range.end()));
    Rule::text(
        format!("a duration from {least} to {most}, in ms, s, m, h or d"),
        move |text| parse(text).ok().filter(|length| range.contains(length)).ok_or_else(Refusal::default),
        |length| display(*length).to_string(),
    )
    .described(json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }))
}

/// A number of events and the time that they are counted over, or `off`.
pub(super) fn limit() -> Rule<Option<Limit>> {
    Rule::text(
        "a number from 1 to 1000000 and a duration from 1ms to 30d, such as \"5/1m\"",
        |text| text.parse().map_err(|_| Refusal::default()),
        Limit::to_string,
    )
    .described(json!({ "type": "string", "pattern": "^[0-9]+/[0-9]+(ms|s|m|h|d)$" }))
    .or_off()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::Raw;

    #[test]
    fn a_duration_is_within_its_range() {
        let read = |text: &str| duration(SECOND..=HOUR).read(&Raw::Word(text.into()));
        assert_eq!(read("1s"), Ok(SECOND));
        assert_eq!(read("60m"), Ok(HOUR));
        for text in ["", "999ms", "61m", "1", "-1s", "1h30m", "off"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_limit_has_a_number_and_a_duration_or_is_off() {
        let read = |text: &str| limit().read(&Raw::Word(text.into()));
        assert_eq!(read("5/1m"), Ok(Limit::new(5, MINUTE)));
        assert_eq!(read("off"), Ok(None));
        for text in ["", "5", "5/m", "0/1m", "5/0s", "1000001/1m", "5/31d", "OFF"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
