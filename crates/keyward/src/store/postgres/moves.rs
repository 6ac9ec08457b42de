//! Where do the sessions of this database move, and does whoever has it open still know?
//!
//! A row says that they move in Redis. Who opens the database writes it, goes by it, or is refused;
//! who has it open reads it with every poll. A node that was started for the other place would decide
//! on what is past, and two would let a token and its copy go on side by side. So it asks and writes
//! nothing until the row is again as it was at its start; what was revoked it goes on to hear.

use std::sync::atomic::{AtomicBool, Ordering};

use keyward_core::session::LAG;
use keyward_core::time::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::error::PostgresError;
use super::migrate::failed;
use crate::store::Fault;

/// Where the moving part of a session is kept by whoever opens the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Moves {
    /// In the database, as everything else.
    #[default]
    Here,
    /// In Redis: what the database says of it is behind.
    InRedis,
    /// In Redis until now, and from now on here.
    HereFromNowOn,
}

/// That sessions move in Redis: without it, what is here would be taken for all that they did.
const MARK: &str = "INSERT INTO counter (name, value) VALUES ('redis', 1) ON CONFLICT DO NOTHING";
/// The same among all counters.
pub(super) const MARKED: &str = "redis";
pub(super) const IS_MARKED: &str = "SELECT FROM counter WHERE name = 'redis'";
const UNMARK: &str = "DELETE FROM counter WHERE name = 'redis'";
const HAS_SESSIONS: &str = "SELECT FROM session LIMIT 1";
/// Whoever was active and how lately is unknown: each may have been just now.
const TAKE_FOR_ACTIVE: &str = "UPDATE session SET last_active_at = greatest(last_active_at, $1), \
     made_at = greatest(made_at, least(made_at + $2, $1)) WHERE ended_at IS NULL";

/// Notes where sessions move, or refuses to mistake what rests here for that. Whether there are any
/// that moved elsewhere until now: then somebody may still have them there.
pub(super) async fn settle(
    client: &Client,
    at: &str,
    now: Timestamp,
    moves: Moves,
) -> Result<bool, PostgresError> {
    let wrong = |e: Error| failed(at, &e);
    let is_new = match moves {
        Moves::InRedis => client.execute_typed(MARK, &[]).await.map_err(wrong)? > 0,
        _ if client.query_typed_opt(IS_MARKED, &[]).await.map_err(wrong)?.is_none() => false,
        Moves::Here => {
            let message = "its sessions move in Redis: name that in redis.urls, as every node does; to do \
                           without Redis for good, run `keyward migrate --leave-redis`";
            return Err(PostgresError::Unfit { at: at.to_owned(), message: message.to_owned() });
        }
        Moves::HereFromNowOn => {
            let lag = i64::try_from(LAG.as_micros()).unwrap_or(i64::MAX);
            client
                .execute_typed(TAKE_FOR_ACTIVE, &[(&now.micros(), Type::INT8), (&lag, Type::INT8)])
                .await
                .map_err(wrong)?;
            client.execute_typed(UNMARK, &[]).await.map_err(wrong)? > 0
        }
    };
    Ok(is_new && client.query_typed_opt(HAS_SESSIONS, &[]).await.map_err(wrong)?.is_some())
}

/// Whether sessions still move where this process was told that they do.
#[derive(Debug)]
pub(super) struct Agreement {
    in_redis: bool,
    holds: AtomicBool,
}

impl Agreement {
    /// One that holds: the database was just opened with that.
    pub(super) fn on(moves: Moves) -> Self {
        Self { in_redis: moves == Moves::InRedis, holds: AtomicBool::new(true) }
    }

    /// Takes in what the database says now. It is logged when that changes anything.
    pub(super) fn heard(&self, in_redis: bool) {
        let holds = in_redis == self.in_redis;
        if self.holds.swap(holds, Ordering::AcqRel) == holds {
            return;
        }
        if holds {
            tracing::info!("sessions move where this node was started for: it serves again");
        } else {
            let why = self.why();
            tracing::error!("{why}; until then it answers 503 to whatever needs the store");
        }
    }

    /// # Errors
    /// [`Fault::Elsewhere`] while it does not hold.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.holds.load(Ordering::Acquire) { Ok(()) } else { Err(Fault::Elsewhere(self.why())) }
    }

    /// What happened, and what to do.
    const fn why(&self) -> &'static str {
        if self.in_redis {
            "sessions move in Postgres since `keyward migrate --leave-redis` was run, and this node was started \
             with redis.urls: take it out of its configuration and restart it"
        } else {
            "sessions move in Redis since a node was started with redis.urls, and this one was started without: \
             set redis.urls as on that node and restart this one, or run `keyward migrate --leave-redis`"
        }
    }
}
