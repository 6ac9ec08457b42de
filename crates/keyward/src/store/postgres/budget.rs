//! How do all nodes spend from one budget? GCRA in one statement, by the database's clock.
//!
//! A row holds the moment at which all of its budget will have come back, in microseconds, and may go
//! once that has passed: no row is as good as all of it. The table is `UNLOGGED`: no commit waits for
//! the disk, and after a crash or on a standby that took over every budget is a full one.

use std::time::Duration;

use keyward_core::throttle::{Limit, Throttle};
use keyward_core::time::Timestamp;
use tokio_postgres::Row;

use super::Postgres;
use super::pool::Pool;
use crate::store::budget::{Budgets, Spent};
use crate::store::sql::{self, Row as _, Value};
use crate::store::{Answer, Fault};

/// What is left to come back of row `b` at `?2`, where one comes back in `?3` and there are `?4`. A
/// clock that was set back, or that of a standby, refuses nobody for longer than all of it takes.
macro_rules! until_full {
    () => {
        "least(greatest(b.full_at - CAST(?2 AS BIGINT), 0), CAST(?3 AS BIGINT) * CAST(?4 AS BIGINT))"
    };
}

/// A refused one is written as well: of two at once the second decides by what the first left behind,
/// and `RETURNING` tells only of what is written.
const TAKE: &str = concat!(
    "INSERT INTO budget AS b (full_at, allowed, name) \
     VALUES (CAST(?2 AS BIGINT) + CAST(?3 AS BIGINT), TRUE, ?1) \
     ON CONFLICT (name) DO UPDATE SET allowed = ",
    until_full!(),
    " <= (CAST(?4 AS BIGINT) - 1) * CAST(?3 AS BIGINT), full_at = CAST(?2 AS BIGINT) + ",
    until_full!(),
    " + CASE WHEN ",
    until_full!(),
    " <= (CAST(?4 AS BIGINT) - 1) * CAST(?3 AS BIGINT) THEN CAST(?3 AS BIGINT) ELSE 0 END \
     RETURNING b.allowed, b.full_at - CAST(?2 AS BIGINT)"
);

const GIVE_BACK: &str = concat!(
    "UPDATE budget b SET full_at = CAST(?2 AS BIGINT) + greatest(",
    until_full!(),
    " - CAST(?3 AS BIGINT), 0) WHERE b.name = ?1"
);

/// Rows that somebody spends from at this moment are left to the next batch.
const SWEEP: &str = "WITH gone AS (DELETE FROM budget WHERE name = ANY (ARRAY(SELECT name FROM budget \
     WHERE full_at <= CAST(?1 AS BIGINT) ORDER BY full_at LIMIT CAST(?2 AS BIGINT) FOR UPDATE SKIP LOCKED)) \
     RETURNING 1) SELECT count(*) FROM gone";
/// How many batches one sweep takes away: more than nodes can make between two of them.
const BATCHES: usize = 40;

/// What the statements are given.
fn params(name: &str, limit: Limit, now: Timestamp) -> [Value; 4] {
    let interval = i64::try_from(limit.interval().as_micros()).unwrap_or(i64::MAX);
    [sql::text(name), sql::time(now), Value::Int(interval), Value::Int(limit.count().get().into())]
}

fn spent(row: &Row) -> Result<Spent, Fault> {
    let until_full = u64::try_from(row.int(1)?).unwrap_or_default();
    Ok(Spent { allowed: row.bool(0)?, until_full: Duration::from_micros(until_full) })
}

/// Takes away the budgets that have come back, in small batches.
pub(super) async fn sweep(pool: &Pool, now: Timestamp, limit: u32) -> Result<(), Fault> {
    for _ in 0..BATCHES {
        let gone = pool.once(SWEEP, &[sql::time(now), Value::Int(limit.into())]).await?;
        if gone.first().map(|row| row.int(0)).transpose()? < Some(limit.into()) {
            break;
        }
    }
    Ok(())
}

/// Whose budgets all nodes share. A refresh is the one thing that is asked for all day long, and no
/// secret is guessed by it: it costs no write more, and each node counts its own.
pub(super) fn is_shared(throttle: Throttle) -> bool {
    throttle != Throttle::Refresh
}

pub(super) async fn take(pool: &Pool, name: &str, limit: Limit, now: Timestamp) -> Result<Spent, Fault> {
    let rows = pool.once(TAKE, &params(name, limit, now)).await?;
    spent(rows.first().ok_or_else(|| Fault::Corrupt("no budget was written".to_owned()))?)
}

pub(super) async fn give_back(pool: &Pool, name: &str, limit: Limit, now: Timestamp) -> Result<(), Fault> {
    pool.once(GIVE_BACK, &params(name, limit, now)).await.map(drop)
}

impl Budgets for Postgres {
    fn take<'a>(&'a self, name: &'a str, limit: Limit) -> Answer<'a, Spent> {
        Box::pin(take(&self.pool, name, limit, self.clock.now()))
    }

    fn give_back<'a>(&'a self, name: &'a str, limit: Limit) -> Answer<'a, ()> {
        Box::pin(give_back(&self.pool, name, limit, self.clock.now()))
    }
}
