//! What is counted over time, for whoever would rather look than read?

use std::time::Duration;

use crate::time::Timestamp;

/// Of what length the spans of time are that things are counted in.
pub const SPAN: Duration = Duration::from_secs(15 * 60);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Figure {
    /// Logins that succeeded.
    Logins,
    /// Logins that failed.
    FailedLogins,
    /// Accounts that were made by their person.
    Signups,
    /// Refreshes that brought a token.
    Refreshes,
    /// Copies of refresh tokens that were noticed.
    Reuse,
    /// Requests over a limit.
    RateLimited,
}

impl Figure {
    /// Everything that is counted.
    pub const ALL: [Self; 6] =
        [Self::Logins, Self::FailedLogins, Self::Signups, Self::Refreshes, Self::Reuse, Self::RateLimited];

    /// The word by which it rests and is told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logins => "logins",
            Self::FailedLogins => "failed_logins",
            Self::Signups => "signups",
            Self::Refreshes => "refreshes",
            Self::Reuse => "reuse",
            Self::RateLimited => "rate_limited",
        }
    }

    /// The one of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.as_str() == text)
    }
}

/// When the span of this length began that a moment lies in. Spans are counted from 1970-01-01T00:00:00Z.
pub fn span_of(at: Timestamp, length: Duration) -> Timestamp {
    let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_micros(at.micros().saturating_sub(at.micros().rem_euclid(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_comes_back_by_its_name() {
        for figure in Figure::ALL {
            assert_eq!(Figure::parse(figure.as_str()), Some(figure));
        }
        assert_eq!(Figure::parse("login"), None);
    }

    #[test]
    fn a_span_holds_its_beginning_and_not_its_end() {
        let span = |seconds| span_of(Timestamp::from_seconds(seconds), SPAN).seconds();
        assert_eq!([0, 1, 899, 900, 901].map(span), [0, 0, 0, 900, 900]);
        assert_eq!([-1, -900, -901].map(span), [-900, -900, -1800]);
        let ends = [i64::MIN, i64::MAX].map(Timestamp::from_micros);
        assert!(ends.into_iter().all(|at| span_of(at, SPAN) <= at));
        assert_eq!(span_of(Timestamp::from_seconds(7), Duration::ZERO).seconds(), 7);
    }
}
