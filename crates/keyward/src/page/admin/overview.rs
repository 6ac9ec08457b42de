//! `/admin`: how are things? Figures, plots that are drawn here, findings and the latest events.

use askama::Template;
use keyward_core::figure::Figure;

use super::{EventRow, FindingRow};
use crate::flow::audit::statistics::{Span, Statistics, Window};
use crate::page::Frame;
use crate::page::notice::Notice;

/// The width and the height of a plot, in units of its own.
const WIDTH: u64 = 480;
const HEIGHT: u64 = 84;

#[derive(Debug, Template)]
#[template(path = "admin/overview.html")]
pub(crate) struct Overview<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) windows: Vec<&'static str>,
    pub(crate) statistics: Statistics,
    pub(crate) active_within: String,
    pub(crate) plots: Vec<Plot>,
    /// The spans in which there was anything, the newest first.
    pub(crate) spans: Vec<Span>,
    pub(crate) findings: Vec<FindingRow>,
    pub(crate) events: Vec<EventRow>,
}

/// A figure over time.
#[derive(Debug)]
pub(crate) struct Plot {
    label: &'static str,
    tone: &'static str,
    total: u64,
    /// What who can't see it is told.
    alternative: String,
    bars: Vec<Bar>,
}

#[derive(Debug)]
struct Bar {
    x: u64,
    y: u64,
    width: u64,
    height: u64,
    title: String,
}

/// The windows that can be looked at.
pub(crate) fn windows() -> Vec<&'static str> {
    Window::ALL.iter().map(|window| window.as_str()).collect()
}

impl Plot {
    /// Those of the overview.
    pub(crate) fn all(statistics: &Statistics) -> Vec<Self> {
        [
            (Figure::Logins, "Logins", ""),
            (Figure::FailedLogins, "Failed logins", "warn"),
            (Figure::Refreshes, "Refreshes", ""),
            (Figure::RateLimited, "Over a limit", "warn"),
            (Figure::Reuse, "Copied tokens", "bad"),
            (Figure::Signups, "Signups", ""),
        ]
        .into_iter()
        .map(|(figure, label, tone)| Self::of(statistics, figure, label, tone))
        .collect()
    }

    fn of(statistics: &Statistics, figure: Figure, label: &'static str, tone: &'static str) -> Self {
        let count = |span: &Span| span.counts.of(figure);
        let peak = statistics.spans.iter().max_by_key(|span| count(span));
        let most = peak.map_or(0, count);
        let total = statistics.total.of(figure);
        let alternative = match peak.filter(|_| most > 0) {
            Some(peak) => format!(
                "{label} of the last {}: {total}, most of them, {most}, from {} on",
                statistics.window, peak.at
            ),
            None => format!("{label} of the last {}: none", statistics.window),
        };
        let step = WIDTH / (statistics.spans.len() as u64).max(1);
        let bars = (0..).zip(&statistics.spans).filter(|(_, span)| count(span) > 0).map(|(n, span)| {
            // What there was is seen, however little it is beside the most.
            let height = (count(span).saturating_mul(HEIGHT) / most.max(1)).max(2);
            let title = format!("{}: {}", span.at, count(span));
            Bar { x: n * step, y: 89 - height, width: step.saturating_sub(2).max(1), height, title }
        });
        Self { label, tone, total, alternative, bars: bars.collect() }
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::time::Timestamp;

    use super::*;
    use crate::flow::audit::statistics::Counts;

    #[test]
    fn a_plot_shows_the_most_at_full_height_and_a_little_at_all() {
        let span = |n: i64, logins| Span {
            at: Timestamp::from_seconds(n * 1_800),
            counts: Counts { logins, ..Counts::default() },
        };
        let spans = vec![span(0, 1), span(1, 0), span(2, u64::MAX)];
        let statistics = Statistics {
            window: "24h",
            since: Timestamp::default(),
            until: Timestamp::default(),
            span_seconds: 1_800,
            spans,
            total: Counts { logins: 7, ..Counts::default() },
            open_sessions: 0,
            active_sessions: 0,
            active_within: 60,
        };
        let plots = Plot::all(&statistics);
        let logins = &plots[0];
        assert_eq!(logins.bars.iter().map(|bar| bar.x).collect::<Vec<_>>(), [0, 320]);
        assert!(logins.bars.iter().all(|bar| (2..=HEIGHT).contains(&bar.height) && bar.y + bar.height == 89));
        assert!(logins.alternative.contains("most of them") && plots[1].alternative.ends_with("none"));
    }
}
