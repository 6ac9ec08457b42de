//! What came out, and is it enough?

use crate::load::Outcome;

#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    failed: bool,
}

impl Report {
    /// A figure without a demand.
    pub(crate) fn line(&mut self, line: &str) {
        println!("{line}");
        self.lines.push(format!("       {line}"));
    }

    /// That a rate is at least this share of a limit.
    pub(crate) fn ratio(&mut self, what: &str, outcome: &Outcome, limit_name: &str, limit: f64, least: f64) {
        let ratio = outcome.per_second() / limit;
        let line = format!(
            "{what}: {:.0}/s, {:.0} % of {limit_name} ({limit:.0}/s; at least {:.0} %), p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
            outcome.per_second(),
            ratio * 100.0,
            least * 100.0,
            outcome.percentile(50.0),
            outcome.percentile(95.0),
            outcome.percentile(99.0)
        );
        self.demand(ratio >= least, &line);
    }

    /// That a figure is at most this.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, most: f64, unit: &str) {
        self.demand(value <= most, &format!("{what}: {value:.1} {unit} (at most {most:.1})"));
    }

    /// That 95 of 100 answers came within so many milliseconds.
    pub(crate) fn within(&mut self, what: &str, outcome: &Outcome, most: f64) {
        let [p50, p95, max] = [50.0, 95.0, 100.0].map(|percent| outcome.percentile(percent));
        let line = format!("{what}: p50 {p50:.1} ms, p95 {p95:.1} ms (at most {most:.0}), max {max:.1} ms");
        self.demand(p95 <= most, &line);
    }

    fn demand(&mut self, met: bool, line: &str) {
        println!("{line}");
        self.failed |= !met;
        self.lines.push(format!("{} {line}", if met { "  ok  " } else { " FAIL " }));
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn print(&self) {
        println!("\n{}", self.lines.join("\n"));
    }
}
