//! What is a moment? Microseconds since the Unix epoch, in UTC.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

/// A moment in UTC, to the microsecond. Arithmetic saturates: no input makes it panic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many microseconds after 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment this many whole seconds after 1970-01-01T00:00:00Z.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the `NumericDate` of RFC 7519 §2.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The moment `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// The moment `by` earlier.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with whole seconds: `2026-11-20T23:17:51Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.rfc3339()).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.rfc3339()).map_err(S::Error::custom)?)
    }
}

/// A text that is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTimestamp;

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a moment as RFC 3339 writes it, such as 2026-11-20T23:17:51Z")
    }
}

impl std::error::Error for InvalidTimestamp {}

/// Reads RFC 3339 with any offset and any fraction of a second; what is finer than a microsecond
/// is cut off.
impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let micros = at.unix_timestamp_nanos().div_euclid(1_000);
        i64::try_from(micros).map(Self).map_err(|_| InvalidTimestamp)
    }
}

impl Timestamp {
    /// Several stand in every answer, so this is written without a detour. Beyond the year 9999,
    /// which RFC 3339 can't say, it is the last second of that.
    fn rfc3339(self) -> [u8; 20] {
        let mut text = *b"9999-12-31T23:59:59Z";
        let Ok(at) = OffsetDateTime::from_unix_timestamp(self.seconds()) else { return text };
        let Ok(year) = u16::try_from(at.year()) else { return text };
        let halves = [year / 100, year % 100].map(|half| u8::try_from(half).unwrap_or(99));
        let parts = [
            (0, halves[0]),
            (2, halves[1]),
            (5, u8::from(at.month())),
            (8, at.day()),
            (11, at.hour()),
            (14, at.minute()),
            (17, at.second()),
        ];
        for (place, two_digits) in parts {
            text[place] = b'0' + two_digits / 10;
            text[place + 1] = b'0' + two_digits % 10;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_in_whole_seconds_of_utc() {
        let at = Timestamp::from_micros(1_795_216_671_999_999);
        assert_eq!(at.to_string(), "2026-11-20T23:17:51Z");
        assert_eq!(at.seconds(), 1_795_216_671);
        assert_eq!(Timestamp::default().to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_seconds(951_782_400).to_string(), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn is_read_as_it_is_shown_and_with_an_offset() {
        let at = Timestamp::from_seconds(1_795_216_671);
        assert_eq!(at.to_string().parse(), Ok(at));
        assert_eq!("2026-11-21T01:17:51+02:00".parse(), Ok(at));
        assert_eq!("2026-11-20T23:17:51.25Z".parse(), Ok(at.after(Duration::from_millis(250))));
        for bad in ["", "2026-11-20", "2026-11-20T23:17:51", "2026-02-30T00:00:00Z", "now", "1795216671"] {
            assert_eq!(bad.parse::<Timestamp>(), Err(InvalidTimestamp), "{bad}");
        }
    }

    #[test]
    fn no_arithmetic_overflows() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end.after(Duration::MAX), end);
        assert_eq!(Timestamp::from_micros(i64::MIN).before(Duration::MAX), Timestamp::from_micros(i64::MIN));
        assert_eq!(Timestamp::default().since(end), Duration::ZERO);
        assert_eq!(end.to_string(), "9999-12-31T23:59:59Z");
    }
}
