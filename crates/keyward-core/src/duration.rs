//! How is a length of time written? As a whole number and a unit: `500ms`, `30s`, `15m`, `7d`.

use std::fmt;
use std::time::Duration;

/// The longest length that can be written, a century: no sum with a moment comes near overflow.
pub const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

/// A unit and its length in milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A text that is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDuration;

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a length of time: a whole number and one of ms, s, m, h, d, such as 30s or 15m, at most 36500d")
    }
}

impl std::error::Error for InvalidDuration {}

/// Reads a length of time. Neither a sign, a fraction, a space nor a second unit is taken, and
/// a bare number is none: whether it meant seconds or minutes would be a guess.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(InvalidDuration)?;
    let count: u64 = number.parse().map_err(|_| InvalidDuration)?;
    let length = Duration::from_millis(count.checked_mul(*millis).ok_or(InvalidDuration)?);
    if length <= LONGEST { Ok(length) } else { Err(InvalidDuration) }
}

/// Reads a length of time, or `off` as `None`.
pub fn parse_or_off(text: &str) -> Result<Option<Duration>, InvalidDuration> {
    if text == "off" { Ok(None) } else { parse(text).map(Some) }
}

/// Writes a length of time as [`parse`] reads it, in the longest unit that is exact; what is
/// finer than a millisecond is left out.
pub fn display(length: Duration) -> impl fmt::Display {
    Written(length)
}

struct Written(Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let exact = |unit: u64| millis.is_multiple_of(u128::from(unit));
        match UNITS.iter().find(|(_, unit)| exact(*unit)) {
            Some((name, unit)) if millis > 0 => write!(f, "{}{name}", millis / u128::from(*unit)),
            _ => f.write_str("0s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_length_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("36500d", 3_153_600_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_length() {
        for text in [
            "",
            "s",
            "30",
            "0",
            "-1s",
            "+1s",
            "1.5h",
            "1 h",
            " 1h",
            "1h ",
            "1h30m",
            "1H",
            "1w",
            "1us",
            "\u{661}s",
            "1\u{fb06}",
            "off",
            "36501d",
            "876001h",
            "18446744073709551615d",
            "18014398509481984d",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(text), Err(InvalidDuration), "{text:?}");
        }
        assert!(InvalidDuration.to_string().contains("ms, s, m, h, d"));
    }

    #[test]
    fn only_the_word_off_turns_one_off() {
        assert_eq!(parse_or_off("off"), Ok(None));
        assert_eq!(parse_or_off("0s"), Ok(Some(Duration::ZERO)));
        assert_eq!(parse_or_off("Off"), Err(InvalidDuration));
    }

    #[test]
    fn it_is_written_in_the_longest_exact_unit() {
        for (text, shortest) in
            [("60m", "1h"), ("90s", "90s"), ("36h", "36h"), ("24h", "1d"), ("1000ms", "1s"), ("0ms", "0s")]
        {
            assert_eq!(display(parse(text).expect(text)).to_string(), shortest);
        }
        assert_eq!(display(Duration::from_micros(1_999)).to_string(), "1ms");
        assert_eq!(display(Duration::from_micros(1)).to_string(), "0s");
        let longest = display(Duration::MAX).to_string();
        assert!(longest.ends_with("ms"), "{longest}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(millis in 0..=3_153_600_000_000u64) {
            let length = Duration::from_millis(millis);
            prop_assert_eq!(parse(&display(length).to_string()), Ok(length));
        }
    }
}
