//! How are changes written, many at a time?
//!
//! One thread takes all changes that are waiting into one transaction, commits, and only then
//! answers each. A change whose condition does not hold, or that can't be written at all, takes
//! no other with it. Whatever happens, whoever waits gets an answer, and the thread goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use keyward_core::change::{Committed, Conflict};
use rusqlite::{CachedStatement, Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::queue::Receiver;
use super::{fault, moved};
use crate::store::sql::{self, Expect, Statement, Value};
use crate::store::{Fault, NotCommitted};

/// How many changes are taken into one transaction at most.
const BATCH: usize = 512;
/// For how many is waited at most. They share one flush to the disk, and of those who ask all the time
/// some are left to keep the cores busy meanwhile.
pub(super) const ENOUGH: usize = 24;
/// How long is waited for them: as long as a few flushes of a fast disk, or a part of one of a slow.
pub(super) const GATHER: Duration = Duration::from_millis(1);

/// A change that waits to be written.
pub(super) struct Job {
    pub(super) statements: Vec<Statement>,
    pub(super) answer: oneshot::Sender<Written>,
}

pub(super) type Written = Result<Committed, NotCommitted>;

/// What became of changes that were written together. Whoever asked is told when this is dropped,
/// be it by a task that runs or by one that never will.
struct Answers(Vec<(oneshot::Sender<Written>, Written)>);

impl Drop for Answers {
    fn drop(&mut self) {
        for (answer, written) in self.0.drain(..) {
            tell(answer, written);
        }
    }
}

/// Whoever asked may have gone, or be one whose waking panics: what is written stays written, and the
/// others are told all the same.
fn tell(answer: oneshot::Sender<Written>, written: Written) {
    let _ = catch_unwind(AssertUnwindSafe(|| answer.send(written)));
}

/// Why a whole transaction came to nothing.
enum Broken {
    /// Another process holds the database and does not let go, or has moved all of it away.
    Busy(Fault),
    /// Something that one of the changes may have brought about.
    Other(Fault),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(fault(&error)),
            _ => Self::Other(fault(&error)),
        }
    }
}

/// Writes whatever comes, until nobody can send any more and all that was sent is written. Once
/// there is something, it waits until as much is there as the last time, but no longer than `gather`:
/// who wrote together is likely to come back together. They are woken by `workers`, if there are any.
pub(super) fn run(
    connection: &mut Connection,
    waiting: &Receiver<Job>,
    gather: Duration,
    workers: Option<&Handle>,
) {
    let mut together = 1;
    while let Some(batch) = waiting.take(BATCH, together.min(ENOUGH), gather) {
        together = batch.len();
        match write(connection, &batch) {
            Ok(results) => {
                let answers = Answers(batch.into_iter().map(|job| job.answer).zip(results).collect());
                match workers {
                    // Among themselves they wake who waits for a fraction of what it costs this thread.
                    Some(workers) if together > 1 => drop(workers.spawn(async move { drop(answers) })),
                    _ => drop(answers),
                }
            }
            Err(Broken::Busy(fault)) => refuse(batch.into_iter().chain(waiting.rest()), &fault),
            // Each on its own: the one that can't be written takes no other with it.
            Err(Broken::Other(_)) => one_by_one(connection, batch),
        }
    }
}

/// The threads that run the tasks of whoever opens a database: they have to run for anybody to be
/// told. A runtime without such threads stands still whenever nobody waits in it for a task of its own.
pub(super) fn workers() -> Option<Handle> {
    Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

fn one_by_one(connection: &mut Connection, batch: Vec<Job>) {
    let mut jobs = batch.into_iter();
    while let Some(job) = jobs.next() {
        let result = match write(connection, std::slice::from_ref(&job)) {
            Ok(results) => results.into_iter().next().unwrap_or_else(|| Err(broke_off().into())),
            Err(Broken::Other(fault)) => Err(fault.into()),
            Err(Broken::Busy(fault)) => return refuse(std::iter::once(job).chain(jobs), &fault),
        };
        tell(job.answer, result);
    }
}

/// Answers at once all who would otherwise wait as long again, one batch after the other.
fn refuse(jobs: impl Iterator<Item = Job>, fault: &Fault) {
    for job in jobs {
        tell(job.answer, Err(fault.clone().into()));
    }
}

/// Writes these in one transaction, with a result for each; or none of them.
fn write(connection: &mut Connection, batch: &[Job]) -> Result<Vec<Written>, Broken> {
    // A transaction that is dropped rolls back, also when it is dropped by a panic.
    catch_unwind(AssertUnwindSafe(|| write_batch(connection, batch)))
        .unwrap_or_else(|_| Err(Broken::Other(broke_off())))
}

fn write_batch(connection: &mut Connection, batch: &[Job]) -> Result<Vec<Written>, Broken> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Who waited for a move to end would write what nobody reads any more.
    if moved::is_moved(&transaction)? {
        return Err(Broken::Busy(Fault::Unavailable("the database was moved to a Postgres".to_owned())));
    }
    let mut results = Vec::with_capacity(batch.len());
    for job in batch {
        results.push(match write_one(&mut transaction, &job.statements) {
            // The change is undone, and the transaction with the others goes on.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Err(fault(&e).into()),
            result => result?,
        });
    }
    transaction.commit()?;
    Ok(results)
}

fn write_one(transaction: &mut Transaction<'_>, statements: &[Statement]) -> rusqlite::Result<Written> {
    let mut committed = Committed::default();
    // A single statement is undone by itself where it fails.
    if let [only] = statements {
        let conflict = execute(transaction, only, &mut committed)?;
        return Ok(conflict.map_or(Ok(committed), |conflict| Err(NotCommitted::Conflict(conflict))));
    }
    let savepoint = transaction.savepoint()?;
    for statement in statements {
        if let Some(conflict) = execute(&savepoint, statement, &mut committed)? {
            // Dropped, a savepoint rolls back.
            return Ok(Err(NotCommitted::Conflict(conflict)));
        }
    }
    savepoint.commit()?;
    Ok(Ok(committed))
}

/// Runs one statement; what it gives back is the conflict that it met.
fn execute(
    connection: &Connection,
    statement: &Statement,
    committed: &mut Committed,
) -> rusqlite::Result<Option<Conflict>> {
    #[cfg(test)]
    assert_ne!(statement.sql, super::tests::PANIC, "asked for");
    let mut prepared = connection.prepare_cached(statement.sql)?;
    bind(&mut prepared, &statement.params)?;
    match statement.expect {
        Expect::Revocations => {
            let mut rows = prepared.raw_query();
            while let Some(row) = rows.next()? {
                let entry =
                    sql::revocation(row).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                committed.revocations.push(entry);
            }
            Ok(None)
        }
        Expect::Anything => prepared.raw_execute().map(|_| None),
        Expect::OneRow(conflict) => match prepared.raw_execute() {
            Ok(1) => Ok(None),
            Ok(_) => Ok(Some(conflict)),
            Err(rusqlite::Error::SqliteFailure(e, Some(message)))
                if e.code == ErrorCode::ConstraintViolation && message.starts_with("UNIQUE") =>
            {
                Ok(Some(sql::conflict_of(&message)))
            }
            Err(error) => Err(error),
        },
    }
}

pub(super) fn bind(statement: &mut CachedStatement<'_>, params: &[Value]) -> rusqlite::Result<()> {
    for (i, param) in params.iter().enumerate() {
        statement.raw_bind_parameter(i + 1, param)?;
    }
    Ok(())
}

fn broke_off() -> Fault {
    Fault::Unavailable("writing broke off".to_owned())
}
