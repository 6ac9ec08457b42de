//! How is what was counted over time written and read?

use std::time::Duration;

use keyward_core::figure::Figure;
use keyward_core::time::Timestamp;

use super::{Expect, Plan, Row, Value, corrupt, natural, number, text, time};
use crate::store::{Counted, Fault};

/// Each figure of spans of ?3 microseconds, from ?1 to before ?2.
pub(in crate::store) const FIGURES: &str = "SELECT name, at - at % ?3, CAST(sum(count) AS BIGINT) FROM figure \
     WHERE at >= ?1 AND at < ?2 GROUP BY name, at - at % ?3 ORDER BY 2, 1";
pub(in crate::store) const SWEEP_FIGURES: &str =
    "DELETE FROM figure WHERE at IN (SELECT at FROM figure WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// From when to when it is counted, and in spans of which length.
pub(in crate::store) fn range(since: Timestamp, until: Timestamp, step: Duration) -> [Value; 3] {
    let step = Value::Int(i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1));
    [time(since), time(until), step]
}

impl Plan {
    pub(super) fn count(&mut self, figure: Figure, at: Timestamp, count: u64) {
        self.push(
            "INSERT INTO figure (at, name, count) VALUES (?1, ?2, ?3) \
             ON CONFLICT (at, name) DO UPDATE SET count = figure.count + excluded.count",
            Expect::Anything,
            [time(at), text(figure.as_str()), number(count)],
        );
    }
}

pub(in crate::store) fn counted(row: &impl Row) -> Result<Counted, Fault> {
    Ok(Counted {
        figure: Figure::parse(&row.text(0)?).ok_or_else(|| corrupt("figure.name"))?,
        at: Timestamp::from_micros(row.int(1)?),
        count: natural(row, 2)?,
    })
}
