//! How is the file made, kept to its owner, and opened?
//!
//! Nothing is written before the file is known to be new or ours: a database of another program,
//! a damaged one and one from a newer release stay as they are, to the byte.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyward_core::time::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, ffi};

use super::{OpenError, migrate};

/// The oldest SQLite that may be linked: before it, a commit beside a checkpoint of another
/// connection could damage the database (the "WAL-reset bug").
const OLDEST_SQLITE: i32 = 3_051_003;

/// What is open of one file.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) readers: Vec<Connection>,
    pub(super) searcher: Connection,
    pub(super) served: Option<Served>,
}

/// Held for as long as this process is the one that serves.
pub(super) struct Served(pub(super) File);

/// Let go by word, not only by closing the file: a program that another thread is just starting
/// has a copy of every open file until it runs, and the lock would live as long as the copy.
impl Drop for Served {
    fn drop(&mut self) {
        // Closing it is all that is left to do then.
        let _ = self.0.unlock();
    }
}

/// Opens the file, making it and its folder where they are not there, and brings its schema up to
/// date. `busy` is how long it waits for another process's transaction, now and later.
pub(super) fn open(
    path: &Path,
    serve: bool,
    now: Timestamp,
    readers: usize,
    busy: Duration,
) -> Result<Opened, OpenError> {
    let foreign = |e: rusqlite::Error| foreign(path, &e);
    check_library(rusqlite::version_number())?;
    make(path)?;
    // One file has one lock, whichever link leads to it.
    let real = fs::canonicalize(path).map_err(|e| file_error(path, &e))?;
    let crashed = beside(&real, "-wal").exists();
    let mut writer = connect(&real, OpenFlags::SQLITE_OPEN_READ_WRITE, busy).map_err(foreign)?;
    if crashed {
        // A journal that somebody left is not ours to write into the file before the file is.
        writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(foreign)?;
    }
    migrate::check(&writer, path)?;
    writer.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(foreign)?;
    let served = if serve { Some(lock(path, &real)?) } else { None };
    for suffix in ["", "-wal", "-shm"] {
        tighten(&beside(&real, suffix))?;
    }
    if share(&writer).map_err(foreign)? != "wal" {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
            message: "this file system can't hold a database that is shared between processes (WAL)"
                .to_owned(),
        });
    }
    writer
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(foreign)?;
    migrate::run(&mut writer, path, now)?;
    let reader = || connect(&real, OpenFlags::SQLITE_OPEN_READ_ONLY, busy).map_err(foreign);
    let searcher = reader()?;
    let readers = (0..readers).map(|_| reader()).collect::<Result<_, _>>()?;
    Ok(Opened { writer, readers, searcher, served })
}

/// What to say of an error while the file is opened.
pub(super) fn foreign(path: &Path, error: &rusqlite::Error) -> OpenError {
    OpenError::Foreign { path: path.to_owned(), message: said(error) }
}

/// What an error means to whoever has to mend it.
pub(super) fn said(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "this is no database, or it is damaged".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => "the database is damaged; restore a backup".to_owned(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the database and does not let go".to_owned()
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "the file, or its folder, can't be written".to_owned()
        }
        Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
        // So a full disk shows itself, too, where the index of the journal finds no room.
        Some(ErrorCode::SystemIoFailure) => format!("the disk fails, or is full ({error})"),
        _ => error.to_string(),
    }
}

pub(super) fn file_error(path: &Path, error: &io::Error) -> OpenError {
    OpenError::File { path: path.to_owned(), message: error.to_string() }
}

pub(super) fn check_library(version: i32) -> Result<(), OpenError> {
    if version >= OLDEST_SQLITE {
        return Ok(());
    }
    let dotted = |v: i32| format!("{}.{}.{}", v / 1_000_000, v / 1_000 % 1_000, v % 1_000);
    Err(OpenError::Library { found: dotted(version), needed: dotted(OLDEST_SQLITE) })
}

/// Makes the file and its folder where they are not there, for their owner alone.
fn make(path: &Path) -> Result<(), OpenError> {
    // A process that closes any handle on a file loses every lock it has there (POSIX), SQLite's
    // included. So the file is never opened but to make it, and nobody in this process gets as
    // far as SQLite while it is being made.
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| file_error(folder, &e))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(file_error(path, &e)),
        _ => Ok(()),
    }
}

/// Takes from everybody but the owner what they may do with this file, if it is there.
fn tighten(path: &Path) -> Result<(), OpenError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|e| file_error(path, &e))
        }
        _ => Ok(()),
    }
}

/// Holds the file for this process as the one that serves, until it is dropped.
fn lock(path: &Path, real: &Path) -> Result<Served, OpenError> {
    let name = beside(real, ".lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(|e| file_error(&name, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(Served(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Served(path.to_owned())),
        Err(TryLockError::Error(e)) => Err(file_error(&name, &e)),
    }
}

pub(super) fn connect(path: &Path, access: OpenFlags, busy: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // SQLite is content with reading. What it would make beside the file meanwhile could not be written either.
    if access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) && connection.is_readonly(MAIN_DB)? {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY), None));
    }
    connection.busy_timeout(busy)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A statement once prepared stays so: else SQLite plans it anew for each key it is given,
    // which takes longer than to run it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}

/// Turns on the journal that lets readers and writers of several processes work at once; says
/// which one is on then.
///
/// Of two that open a new file at once, SQLite refuses one without letting it wait, lest they wait
/// for each other. That one waits for the other's lock, holding none, and looks again.
pub(super) fn share(connection: &Connection) -> rusqlite::Result<String> {
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                connection.execute_batch("BEGIN EXCLUSIVE; ROLLBACK;")?;
            }
            answer => return answer,
        }
    }
}

/// The file that stands beside this one under its name and a suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
