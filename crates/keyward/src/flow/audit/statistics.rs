//! How much happened when, and how many are there now?

use std::time::Duration;

use keyward_core::figure::{Figure, span_of};
use keyward_core::time::Timestamp;

use crate::Keyward;
use crate::engine::Engine;
use crate::error::Error;
use crate::schema::Moment;

/// How far back statistics go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    /// A day, in spans of half an hour.
    #[default]
    Day,
    /// A week, in spans of three hours.
    Week,
    /// A month, in spans of twelve hours.
    Month,
}

impl Window {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// The one that this word stands for.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.as_str() == text)
    }

    /// How long a span is, and how many there are.
    const fn spans(self) -> (Duration, u32) {
        const HOUR: u64 = 60 * 60;
        match self {
            Self::Day => (Duration::from_secs(HOUR / 2), 48),
            Self::Week => (Duration::from_secs(3 * HOUR), 56),
            Self::Month => (Duration::from_secs(12 * HOUR), 60),
        }
    }
}

/// How much happened in each span of a window, and how many there are now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Statistics {
    /// `24h`, `7d` or `30d`.
    pub window: &'static str,
    /// When the first span began. Spans begin at whole multiples of their length, in UTC.
    #[schema(value_type = Moment)]
    pub since: Timestamp,
    /// This moment: the last span is not over yet.
    #[schema(value_type = Moment)]
    pub until: Timestamp,
    /// How long each span is, in seconds.
    pub span_seconds: u64,
    /// Every span, also those in which nothing happened; in order.
    pub spans: Vec<Span>,
    /// All spans together.
    pub total: Counts,
    /// How many sessions are open, as counted within the last minute.
    pub open_sessions: u64,
    /// In how many sessions somebody did something of late.
    pub active_sessions: u64,
    /// How long ago that may be, in seconds.
    pub active_within: u64,
}

/// What happened in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Span {
    /// When it began.
    #[schema(value_type = Moment)]
    pub at: Timestamp,
    /// What there was in it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// How many there were of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, utoipa::ToSchema)]
pub struct Counts {
    /// Logins that succeeded.
    pub logins: u64,
    /// Logins that failed.
    pub failed_logins: u64,
    /// Accounts that were made by their person.
    pub signups: u64,
    /// Refreshes that brought a token.
    pub refreshes: u64,
    /// Copies of refresh tokens that were noticed.
    pub reuse: u64,
    /// Requests over a limit.
    pub rate_limited: u64,
}

impl Counts {
    /// How many there were of this.
    pub const fn of(&self, figure: Figure) -> u64 {
        match figure {
            Figure::Logins => self.logins,
            Figure::FailedLogins => self.failed_logins,
            Figure::Signups => self.signups,
            Figure::Refreshes => self.refreshes,
            Figure::Reuse => self.reuse,
            Figure::RateLimited => self.rate_limited,
        }
    }

    fn add(&mut self, figure: Figure, count: u64) {
        let field = match figure {
            Figure::Logins => &mut self.logins,
            Figure::FailedLogins => &mut self.failed_logins,
            Figure::Signups => &mut self.signups,
            Figure::Refreshes => &mut self.refreshes,
            Figure::Reuse => &mut self.reuse,
            Figure::RateLimited => &mut self.rate_limited,
        };
        *field = field.saturating_add(count);
    }
}

impl Keyward {
    /// How much happened within a window, and how many sessions there are. What was counted in the
    /// seconds before a node was killed is not in it.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn statistics(&self, window: Window) -> Result<Statistics, Error> {
        self.engine.statistics(window).await
    }
}

impl Engine {
    pub(crate) async fn statistics(&self, window: Window) -> Result<Statistics, Error> {
        let now = self.clock.now();
        let (length, count) = window.spans();
        let since = span_of(now, length).before(length * (count - 1));
        let stored = self.store.figures(since, now.after(length), length).await?;
        let begin = |n: u32| Span { at: since.after(length * n), counts: Counts::default() };
        let mut spans: Vec<Span> = (0..count).map(begin).collect();
        for counted in stored {
            if let Ok(at) = spans.binary_search_by_key(&counted.at, |span| span.at) {
                spans[at].counts.add(counted.figure, counted.count);
            }
        }
        if let Some(last) = spans.last_mut() {
            let waiting = self.figures.waiting(&self.metrics.figures());
            Figure::ALL.into_iter().zip(waiting).for_each(|(figure, n)| last.counts.add(figure, n));
        }
        let mut total = Counts::default();
        for span in &spans {
            Figure::ALL.into_iter().for_each(|figure| total.add(figure, span.counts.of(figure)));
        }
        let within = self.notes.kept();
        Ok(Statistics {
            window: window.as_str(),
            since,
            until: now,
            span_seconds: length.as_secs(),
            spans,
            total,
            open_sessions: u64::try_from(self.metrics.sessions_active.get()).unwrap_or_default(),
            active_sessions: self.notes.active_since(now.before(within)) as u64,
            active_within: within.as_secs(),
        })
    }
}
