//! What was counted since it was last written?
//!
//! What plots show is what the metrics count, which begins anew with every start. Now and then what
//! came since the last time is added to the span of time that it lies in: one small write in ten
//! seconds, however much there was to count. A node that is killed loses that much at most.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward_core::change::Write;
use keyward_core::figure::{Figure, SPAN, span_of};
use keyward_core::time::Timestamp;

/// How often what was counted is written at most.
const INTERVAL: Duration = Duration::from_secs(10);

/// How many there were of each, in the order of [`Figure::ALL`].
pub(crate) type Totals = [u64; Figure::ALL.len()];

#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    totals: Totals,
    at: Option<Timestamp>,
}

impl Figures {
    /// What came since the last time, to be written now; with `all`, also what could wait.
    pub(crate) fn take(&self, totals: Totals, now: Timestamp, all: bool) -> Vec<Write> {
        let mut written = self.lock();
        if !all && written.at.is_some_and(|at| now >= at && now < at.after(INTERVAL)) {
            return Vec::new();
        }
        let since = since(&totals, &written.totals);
        written.totals = totals;
        let at = span_of(now, SPAN);
        let counted = Figure::ALL.into_iter().zip(since).filter(|(_, count)| *count > 0);
        let writes: Vec<Write> = counted.map(|(figure, count)| Write::Count { figure, at, count }).collect();
        if !writes.is_empty() {
            written.at = Some(now);
        }
        writes
    }

    /// Takes back what could not be written, to be written later.
    pub(crate) fn give_back(&self, writes: &[Write]) {
        let mut written = self.lock();
        for write in writes {
            let Write::Count { figure, count, .. } = write else { continue };
            if let Some(at) = Figure::ALL.iter().position(|known| known == figure) {
                written.totals[at] = written.totals[at].saturating_sub(*count);
            }
        }
    }

    /// What is counted and not written yet.
    pub(crate) fn waiting(&self, totals: &Totals) -> Totals {
        since(totals, &self.lock().totals)
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn since(totals: &Totals, written: &Totals) -> Totals {
    std::array::from_fn(|at| totals[at].saturating_sub(written[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn told(writes: &[Write]) -> Vec<(Figure, i64, u64)> {
        let one = |write: &Write| match write {
            Write::Count { figure, at, count } => (*figure, at.seconds(), *count),
            other => panic!("{other:?}"),
        };
        writes.iter().map(one).collect()
    }

    #[test]
    fn what_came_is_written_once_and_not_too_often() {
        let figures = Figures::default();
        assert!(figures.take([0; 6], at(0), true).is_empty());
        let first = figures.take([3, 0, 0, 7, 0, 0], at(901), false);
        assert_eq!(told(&first), [(Figure::Logins, 900, 3), (Figure::Refreshes, 900, 7)]);
        assert!(figures.take([4, 0, 0, 9, 0, 0], at(910), false).is_empty(), "it can wait");
        assert_eq!(figures.waiting(&[4, 0, 0, 9, 0, 0]), [1, 0, 0, 2, 0, 0]);
        let second = figures.take([5, 0, 0, 9, 0, 0], at(911), false);
        assert_eq!(told(&second), [(Figure::Logins, 900, 2), (Figure::Refreshes, 900, 2)]);
        assert_eq!(told(&figures.take([6, 0, 0, 9, 0, 0], at(912), true)), [(Figure::Logins, 900, 1)]);
        assert!(figures.take([6, 0, 0, 9, 0, 0], at(2_000), true).is_empty());
    }

    #[test]
    fn what_could_not_be_written_stays_counted() {
        let figures = Figures::default();
        let failed = figures.take([3, 1, 0, 0, 0, 0], at(0), true);
        figures.give_back(&failed);
        let again = figures.take([4, 1, 0, 0, 0, 0], at(900), true);
        assert_eq!(told(&again), [(Figure::Logins, 900, 4), (Figure::FailedLogins, 900, 1)]);
    }
}
