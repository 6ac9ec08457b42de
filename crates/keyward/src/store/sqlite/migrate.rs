//! Which schema does the file have, and may this release run on it?
//!
//! Each step names the oldest schema that a release must know to run beside it: the release
//! before always may, so that a file can be opened by either; an older one refuses to start.

use std::path::Path;

use keyward_core::time::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::file::foreign;
use super::{OpenError, moved};

struct Step {
    /// The schema that this step makes.
    schema: u32,
    /// The oldest schema whose release may still run on it.
    oldest: u32,
    sql: &'static str,
}

const STEPS: &[Step] = &[
    Step { schema: 1, oldest: 1, sql: include_str!("../schema/sqlite/0001_first.sql") },
    Step { schema: 2, oldest: 1, sql: include_str!("../schema/sqlite/0002_service_key.sql") },
    // What knows nothing of account_role would not keep it. Nothing that does not was ever released.
    Step { schema: 3, oldest: 3, sql: include_str!("../schema/sqlite/0003_account_search.sql") },
    Step { schema: 4, oldest: 1, sql: include_str!("../schema/sqlite/0004_event.sql") },
    Step { schema: 6, oldest: 1, sql: include_str!("../schema/sqlite/0006_mail.sql") },
    Step { schema: 7, oldest: 1, sql: include_str!("../schema/sqlite/0007_import.sql") },
    Step { schema: 8, oldest: 1, sql: include_str!("../schema/sqlite/0008_figure.sql") },
];

/// Marks a file as Keyward's (`PRAGMA application_id`), for it and for `file(1)`: "kwrd".
pub(super) const APPLICATION: i32 = 0x6b77_7264;

/// Whether this release may write to the file. Changes nothing of it.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    // One moment for all that is read: another process may be making the schema.
    let moment = connection.unchecked_transaction().map_err(|e| foreign(path, &e))?;
    may_write(&moment, path)
}

fn may_write(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let foreign_error = |e: rusqlite::Error| foreign(path, &e);
    moved::check(connection, path)?;
    let known = known();
    let found = current(connection).map_err(foreign_error)?.ok_or_else(|| OpenError::Foreign {
        path: path.to_owned(),
        message: "this database belongs to another program".to_owned(),
    })?;
    if found > known {
        let oldest: u32 = connection
            .query_row("SELECT max(oldest) FROM schema", [], |row| row.get(0))
            .map_err(foreign_error)?;
        if known < oldest {
            return Err(OpenError::TooNew { path: path.to_owned(), found, known });
        }
    }
    Ok(())
}

/// Brings the file's schema up to date, in one transaction that holds off every other process.
pub(super) fn run(connection: &mut Connection, path: &Path, now: Timestamp) -> Result<(), OpenError> {
    take(STEPS, connection, path, now)
}

fn take(steps: &[Step], connection: &mut Connection, path: &Path, now: Timestamp) -> Result<(), OpenError> {
    let foreign_error = |e: rusqlite::Error| foreign(path, &e);
    if current(connection).map_err(foreign_error)?.is_some_and(|found| found >= known()) {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(foreign_error)?;
    // Another process may have been here in between.
    may_write(&transaction, path)?;
    let found = current(&transaction).map_err(foreign_error)?.unwrap_or_default();
    if found == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION).map_err(foreign_error)?;
        transaction
            .execute_batch(
                "CREATE TABLE schema (version INTEGER NOT NULL PRIMARY KEY, oldest INTEGER NOT NULL, \
                 applied_at INTEGER NOT NULL) STRICT",
            )
            .map_err(foreign_error)?;
    }
    for step in steps.iter().filter(|step| step.schema > found) {
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

/// How many steps lead there.
#[cfg(test)]
pub(super) fn steps() -> usize {
    STEPS.len()
}

/// The newest schema that this release knows.
pub(super) fn known() -> u32 {
    STEPS.iter().map(|step| step.schema).max().unwrap_or_default()
}

/// The schema of the file, in a transaction or where it is known to be ours: 0 where it is new; `None` where it is none of ours.
pub(super) fn current(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, tables) {
        (0, 0) => Ok(Some(0)),
        (APPLICATION, _) => connection.query_row("SELECT max(version) FROM schema", [], |row| row.get(0)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_of(connection: &Connection) -> Vec<(String, Option<String>)> {
        let mut statement =
            connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").expect("SQL");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }

    #[test]
    fn the_file_of_every_former_release_becomes_as_a_new_one() {
        let path = Path::new("a file in memory");
        let open = || Connection::open_in_memory().expect("opens");
        let mut new = open();
        run(&mut new, path, Timestamp::default()).expect("made");
        for former in 1..STEPS.len() {
            let mut connection = open();
            take(&STEPS[..former], &mut connection, path, Timestamp::default()).expect("made");
            let found = current(&connection).expect("readable");
            assert_eq!(found, Some(STEPS[former - 1].schema));
            assert_ne!(made_of(&connection), made_of(&new));
            run(&mut connection, path, Timestamp::default()).expect("brought up to date");
            assert_eq!(current(&connection).expect("readable"), Some(known()));
            assert_eq!(made_of(&connection), made_of(&new), "from schema {former}");
        }
    }
}
