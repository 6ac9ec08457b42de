//! Was everything of this file moved to a Postgres, and how is it taken back?
//!
//! A file that was moved still opens every session that was open then. So it says what became of it,
//! in a table and in its `application_id`: no release opens it, and a command that waited for the
//! move to end writes nothing into it.

use std::path::Path;
use std::time::Duration;

use keyward_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::file::{self, foreign};
use super::{OpenError, migrate};

/// Marks a file whose data is elsewhere (`PRAGMA application_id`): "kwmv".
const MOVED: i32 = 0x6b77_6d76;
/// How long is waited for another process's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// Says in the transaction of this connection where everything of the file is from now on.
pub(in crate::store) fn mark(connection: &Connection, to: &str, now: Timestamp) -> rusqlite::Result<()> {
    connection.execute_batch("CREATE TABLE moved (place TEXT NOT NULL, at INTEGER NOT NULL) STRICT")?;
    connection.execute("INSERT INTO moved (place, at) VALUES (?1, ?2)", (to, now.micros()))?;
    connection.pragma_update(None, "application_id", MOVED)
}

/// Whether the file was moved.
pub(super) fn is_moved(connection: &Connection) -> rusqlite::Result<bool> {
    let mut application = connection.prepare_cached("PRAGMA application_id")?;
    Ok(application.query_row([], |row| row.get::<_, i32>(0))? == MOVED)
}

/// Refuses a file that was moved.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| foreign(path, &e);
    if !is_moved(connection).map_err(failed)? {
        return Ok(());
    }
    let (to, at) = connection
        .query_row("SELECT place, at FROM moved", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(failed)?;
    Err(OpenError::Moved { path: path.to_owned(), to, at: Timestamp::from_micros(at) })
}

/// Makes a file that was moved good again, as it was then.
///
/// # Errors
/// Where it was not moved, or can't be written.
pub fn take_back(path: &Path) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| foreign(path, &e);
    let mut connection = file::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, BUSY).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if !is_moved(&transaction).map_err(failed)? {
        let message = "this was never moved, so there is nothing to take back".to_owned();
        return Err(OpenError::Foreign { path: path.to_owned(), message });
    }
    transaction.execute_batch("DROP TABLE moved").map_err(failed)?;
    transaction.pragma_update(None, "application_id", migrate::APPLICATION).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use keyward_core::change::{Change, Write};

    use super::*;
    use crate::store::sqlite::Sqlite;
    use crate::store::{Fault, NotCommitted, Store as _};

    #[tokio::test]
    async fn what_was_moved_is_neither_opened_nor_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keyward.db");
        let now = Timestamp::from_seconds(7);
        let beside = Sqlite::open(&path, false, now).expect("opens");
        assert!(matches!(take_back(&path), Err(OpenError::Foreign { .. })), "it was never moved");
        mark(&Connection::open(&path).expect("opens"), "db:5432/keyward", now).expect("marked");
        let key = || Change::of([Write::AddMacKey { id: 1, sealed: vec![7], created_at: now }]);
        let refused = beside.commit(key()).await;
        assert!(
            matches!(&refused, Err(NotCommitted::Fault(Fault::Unavailable(said))) if said.contains("moved")),
            "{refused:?}"
        );
        let opened = Sqlite::open(&path, true, now).map(drop).expect_err("it was moved").to_string();
        assert!(opened.contains("moved to db:5432/keyward at 1970-01-01T00:00:07Z"), "{opened}");
        take_back(&path).expect("taken back");
        beside.commit(key()).await.expect("written");
        drop(beside);
        let again = Sqlite::open(&path, true, now).expect("opens");
        assert_eq!(again.mac_keys().await.expect("readable").len(), 1);
    }
}
