//! What is to be said of what goes wrong, without a secret?

use std::error::Error as _;

use keyward_core::change::Conflict;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::sql::{self, Expect};
use crate::store::{Fault, NotCommitted};

/// Why a Postgres can't be used. Each message says what to do next, and none holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// Its address says nothing that could be connected to.
    #[error("the address of the database: {0}")]
    Address(String),
    /// It does not answer.
    #[error("{at}: {message}; is Postgres running there, and can it be reached from here?")]
    Unreachable {
        /// Where.
        at: String,
        /// What the system says.
        message: String,
    },
    /// No encrypted connection can be had, or its certificate is nobody's who is trusted.
    #[error(
        "{at}: no encrypted connection: {message}; give the certificate of its authority (sslrootcert=FILE in the \
         address), or sslmode=disable where nobody else is on the network"
    )]
    Tls {
        /// Where.
        at: String,
        /// What is wrong.
        message: String,
    },
    /// It answers, and lets nobody in by this name and password, or not to this database.
    #[error("{at}: {message}; {advice}")]
    Refused {
        /// Where.
        at: String,
        /// What it says.
        message: String,
        /// What to do.
        advice: &'static str,
    },
    /// Tables of another program are in the way.
    #[error(
        "{at}: schema {schema:?} holds {table:?}, which is none of Keyward's; give Keyward a schema of its own \
         (CREATE SCHEMA keyward, and options=-csearch_path%3Dkeyward in the address); nothing was changed"
    )]
    Foreign {
        /// Where.
        at: String,
        /// The schema that Keyward would use.
        schema: String,
        /// What is there.
        table: String,
    },
    /// It was written by a newer release, which this one can't stand in for.
    #[error(
        "{at}: the data was written by a newer Keyward (schema {found}, this one knows {known}); run that release or a later one"
    )]
    TooNew {
        /// Where.
        at: String,
        /// Its schema.
        found: u32,
        /// The newest schema known here.
        known: u32,
    },
    /// It works otherwise than Keyward needs.
    #[error("{at}: {message}")]
    Unfit {
        /// Where.
        at: String,
        /// What is wrong, and what to do.
        message: String,
    },
}

/// Why nothing came of connecting there.
pub(super) fn no_connection(at: &str, error: &Error) -> PostgresError {
    let (at, message) = (at.to_owned(), told(error));
    let advice = match error.code() {
        Some(code) if *code == SqlState::INVALID_PASSWORD => "give the password of that user",
        Some(code) if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "give a user that may sign in from here (pg_hba.conf)"
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => "make it (CREATE DATABASE), or give another",
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "let that user connect to it (GRANT CONNECT ON DATABASE)"
        }
        Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => {
            "lower the connections of each node (database.connections), or raise max_connections of the server"
        }
        Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => "it is starting or stopping: try again",
        Some(_) => "look into its log",
        None if message.contains("does not allow writes") => {
            "it is a standby: give the address of the primary"
        }
        None if message.contains("password missing") => "give the password of that user",
        None if error.to_string().contains("TLS") => return PostgresError::Tls { at, message },
        None => return PostgresError::Unreachable { at, message },
    };
    PostgresError::Refused { at, message, advice }
}

/// Whether the connection is gone, so that only another one can tell.
pub(super) fn is_lost(error: &Error) -> bool {
    match error.code() {
        Some(code) => {
            code.code().starts_with("08")
                || [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]
                    .contains(code)
        }
        None => error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()),
    }
}

pub(super) fn fault(error: &Error) -> Fault {
    match error.code() {
        Some(code) if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) => {
            Fault::Corrupt(told(error))
        }
        _ => Fault::Unavailable(told(error)),
    }
}

/// Why a statement did not do what it was expected to.
pub(super) fn not_committed(error: &Error, expect: Expect) -> NotCommitted {
    let code = error.code();
    if code == Some(&SqlState::UNIQUE_VIOLATION) && matches!(expect, Expect::OneRow(_)) {
        let constraint = error.as_db_error().and_then(|e| e.constraint()).unwrap_or_default();
        return NotCommitted::Conflict(sql::conflict_of(constraint));
    }
    // Somebody else was first, and this one would wait for ever, or has seen what is past: it has
    // to be decided anew.
    if [Some(&SqlState::T_R_DEADLOCK_DETECTED), Some(&SqlState::T_R_SERIALIZATION_FAILURE)].contains(&code) {
        return NotCommitted::Conflict(Conflict::Changed);
    }
    fault(error).into()
}

/// What it says. Not its detail, which may hold what was to be written.
pub(super) fn told(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        told = format!("{told}: {error}");
        source = error.source();
    }
    told
}
