//! What is to be said of a database file by who must not change it?

use std::path::Path;
use std::time::Duration;

use keyward_core::role;
use keyward_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::file::{beside, file_error, foreign};
use super::{OpenError, migrate};
use crate::store::sql;

/// How a database file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseReport {
    /// Its schema.
    pub schema: u32,
    /// The newest schema that this release knows.
    pub known: u32,
    /// What is damaged; `None` where all of it can be read.
    pub damage: Option<String>,
    /// Whether there is an active administrator; `None` where that stands in a former schema.
    pub has_admin: Option<bool>,
    /// Since when the key signs that signs now.
    pub signs_since: Option<Timestamp>,
    /// When the newest event happened.
    pub newest_event: Option<Timestamp>,
    /// The id of the newest key for refresh tokens, and that key as the master key sealed it.
    pub mac_key: Option<(u16, Vec<u8>)>,
}

/// Looks at a database file from one end to the other, beside a server or without, and changes
/// nothing. Of a large one that takes as long as to read it.
///
/// # Errors
/// Where it can't be read, belongs to another program, or to a newer release.
pub fn inspect(path: &Path) -> Result<DatabaseReport, OpenError> {
    let failed = |e: rusqlite::Error| foreign(path, &e);
    let connection = look(path)?;
    migrate::check(&connection, path)?;
    let schema = migrate::current(&connection).map_err(failed)?.unwrap_or_default();
    let known = migrate::known();
    let damage = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let damage = damage.map_err(failed)?;
    let mut report = DatabaseReport {
        schema,
        known,
        damage: Some(damage).filter(|found| found != "ok"),
        has_admin: None,
        signs_since: None,
        newest_event: None,
        mac_key: None,
    };
    if schema > 0 {
        let newest = connection.query_row(sql::keys::MAC_KEYS, [], |row| Ok((row.get(0)?, row.get(2)?)));
        report.mac_key = newest.optional().map_err(failed)?;
    }
    if schema < known {
        return Ok(report);
    }
    let moment = |sql: &str| {
        let found = connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).optional();
        found.map(|at| at.flatten().map(Timestamp::from_micros)).map_err(failed)
    };
    let admin = connection.query_row(sql::HAS_ROLE, [role::ADMIN], |_| Ok(())).optional();
    report.has_admin = Some(admin.map_err(failed)?.is_some());
    report.signs_since = moment("SELECT active_from FROM signing_key WHERE state = 'active'")?;
    report.newest_event = moment("SELECT at FROM event ORDER BY id DESC LIMIT 1")?;
    Ok(report)
}

/// Opens the file so that nothing of it, and nothing beside it, can change.
fn look(path: &Path) -> Result<Connection, OpenError> {
    let real = std::fs::canonicalize(path).map_err(|e| file_error(path, &e))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = if beside(&real, "-wal").exists() {
        // A server is at work, or was killed: what it wrote last stands in the journal.
        Connection::open_with_flags(&real, flags)
    } else {
        // Nobody is at work. Told so, SQLite makes no journal for the sake of reading.
        Connection::open_with_flags(immutable(&real), flags | OpenFlags::SQLITE_OPEN_URI)
    };
    let connection = opened.map_err(|e| foreign(path, &e))?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(|e| foreign(path, &e))?;
    Ok(connection)
}

fn immutable(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(char::from(*byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::Sqlite;

    #[test]
    fn a_file_is_looked_at_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a #%? b.db");
        assert!(matches!(inspect(&path), Err(OpenError::File { .. })));
        let listed = || {
            let mut names: Vec<_> = std::fs::read_dir(folder.path())
                .expect("a folder")
                .map(|entry| entry.expect("an entry").file_name())
                .collect();
            names.sort();
            names
        };
        let store = Sqlite::open(&path, true, Timestamp::from_seconds(7)).expect("opens");
        let fresh = DatabaseReport {
            schema: migrate::known(),
            known: migrate::known(),
            damage: None,
            has_admin: Some(false),
            signs_since: None,
            newest_event: None,
            mac_key: None,
        };
        let before = listed();
        assert_eq!(inspect(&path).expect("beside a server"), fresh);
        assert_eq!(listed(), before);
        drop(store);
        let (before, bytes) = (listed(), std::fs::read(&path).expect("readable"));
        assert_eq!(inspect(&path).expect("alone"), fresh);
        assert_eq!((listed(), std::fs::read(&path).expect("readable")), (before, bytes));
    }
}
