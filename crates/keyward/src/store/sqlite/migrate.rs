//! Which schema does the file have, and may this release run on it?
//!
//! Each step names the oldest schema that a release must know to run beside it: the release
//! before always may, so that a file can be opened by either; an older one refuses to start.

use std::path::Path;

use keyward_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::{OpenError, foreign};

struct Step {
    /// The schema that this step makes.
    schema: u32,
    /// The oldest schema whose release may still run on it.
    oldest: u32,
    sql: &'static str,
}

const STEPS: &[Step] = &[Step { schema: 1, oldest: 1, sql: include_str!("../schema/sqlite/0001_first.sql") }];

/// Refuses a file that is not ours, or that only a newer release may run on, before anything about
/// it is changed.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let foreign_error = |e: rusqlite::Error| foreign(path, &e);
    // One view of the file for all questions: another process may be making it at this moment.
    let view = connection.unchecked_transaction().map_err(foreign_error)?;
    check_in(&view, path)
}

fn check_in(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let foreign_error = |e: rusqlite::Error| foreign(path, &e);
    let found = current(connection).map_err(foreign_error)?;
    if found == 0 && !is_empty(connection).map_err(foreign_error)? {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
            message: "this database belongs to another program".to_owned(),
        });
    }
    let known = STEPS.last().map_or(0, |step| step.schema);
    if found > known {
        let oldest = connection
            .query_row("SELECT max(oldest) FROM schema", [], |row| row.get::<_, u32>(0))
            .map_err(foreign_error)?;
        if known < oldest {
            return Err(OpenError::TooNew { path: path.to_owned(), found, known });
        }
    }
    Ok(())
}

/// Brings the file's schema up to date, in one transaction that holds off every other process.
pub(super) fn run(connection: &mut Connection, path: &Path, now: Timestamp) -> Result<(), OpenError> {
    let foreign_error = |e: rusqlite::Error| foreign(path, &e);
    if STEPS.iter().map(|s| s.schema).max() == Some(current(connection).map_err(foreign_error)?) {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(foreign_error)?;
    // Asked again, as another process may have been here meanwhile.
    check_in(&transaction, path)?;
    let found = current(&transaction).map_err(foreign_error)?;
    if found == 0 {
        transaction
            .execute_batch(
                "CREATE TABLE schema (version INTEGER NOT NULL PRIMARY KEY, oldest INTEGER NOT NULL, \
                 applied_at INTEGER NOT NULL) STRICT",
            )
            .map_err(foreign_error)?;
    }
    for step in STEPS.iter().filter(|step| step.schema > found) {
        transaction.execute_batch(step.sql).map_err(foreign_error)?;
        transaction
            .execute(
                "INSERT INTO schema (version, oldest, applied_at) VALUES (?1, ?2, ?3)",
                (step.schema, step.oldest, now.micros()),
            )
            .map_err(foreign_error)?;
    }
    transaction.commit().map_err(foreign_error)
}

/// The schema of the file: 0 where it has none.
fn current(connection: &Connection) -> rusqlite::Result<u32> {
    let table = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema'", [], |_| Ok(()))
        .optional()?;
    match table {
        Some(()) => connection.query_row("SELECT max(version) FROM schema", [], |row| row.get(0)),
        None => Ok(0),
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}
