//! Where do the tasks rest? In the database of Keyward, in a table of their own: a task refers to
//! the account that it belongs to, and goes with it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use keyward::{Denial, Error, Fault, UserId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Its number.
    pub id: i64,
    /// What is to be done.
    pub title: String,
    /// Whether it is.
    pub done: bool,
}

/// The tasks of everybody. Every question names whose they are. Cheap to clone.
#[derive(Clone)]
pub struct Tasks(Arc<Mutex<Connection>>);

impl Tasks {
    /// Opens the database that Keyward has made.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn open(path: impl AsRef<Path>) -> rusqlite::Result<Self> {
        // A connection of its own beside Keyward's: who writes waits for the other.
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA foreign_keys = ON;
             CREATE TABLE IF NOT EXISTS task (
                 id      INTEGER PRIMARY KEY AUTOINCREMENT,
                 user_id BLOB    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
                 title   TEXT    NOT NULL,
                 done    INTEGER NOT NULL DEFAULT FALSE
             ) STRICT;
             CREATE INDEX IF NOT EXISTS task_of_user ON task (user_id, id);",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// The newest hundred tasks of this person, the newest first.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn of(&self, user: UserId) -> Result<Vec<Task>, Error> {
        self.with(move |db| {
            let sql = "SELECT id, title, done FROM task WHERE user_id = ?1 ORDER BY id DESC LIMIT 100";
            db.prepare_cached(sql)?.query_map([user.as_bytes()], task)?.collect()
        })
        .await
    }

    /// One task of this person.
    ///
    /// # Errors
    /// `not_found`, be it nobody's or somebody else's; `store_unavailable`.
    pub async fn one(&self, user: UserId, id: i64) -> Result<Task, Error> {
        let sql = "SELECT id, title, done FROM task WHERE user_id = ?1 AND id = ?2";
        let found = self.with(move |db| db.query_row(sql, params![user.as_bytes(), id], task).optional());
        found.await?.ok_or_else(|| Denial::NotFound.into())
    }

    /// Adds a task.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub async fn add(&self, user: UserId, title: String) -> Result<Task, Error> {
        let sql = "INSERT INTO task (user_id, title) VALUES (?1, ?2) RETURNING id, title, done";
        self.with(move |db| db.query_row(sql, params![user.as_bytes(), title], task)).await
    }

    /// Changes what is said of a task of this person; the rest stays.
    ///
    /// # Errors
    /// As [`Tasks::one`].
    pub async fn change(
        &self,
        user: UserId,
        id: i64,
        title: Option<String>,
        done: Option<bool>,
    ) -> Result<Task, Error> {
        let sql = "UPDATE task SET title = coalesce(?3, title), done = coalesce(?4, done) \
                   WHERE user_id = ?1 AND id = ?2 RETURNING id, title, done";
        let changed = self
            .with(move |db| db.query_row(sql, params![user.as_bytes(), id, title, done], task).optional());
        changed.await?.ok_or_else(|| Denial::NotFound.into())
    }

    /// Removes a task of this person.
    ///
    /// # Errors
    /// As [`Tasks::one`].
    pub async fn remove(&self, user: UserId, id: i64) -> Result<(), Error> {
        let sql = "DELETE FROM task WHERE user_id = ?1 AND id = ?2";
        let removed = self.with(move |db| db.execute(sql, params![user.as_bytes(), id])).await?;
        if removed == 0 { Err(Denial::NotFound.into()) } else { Ok(()) }
    }

    /// Asks the database on a thread that may wait.
    async fn with<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let tasks = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || {
            ask(&tasks.lock().unwrap_or_else(PoisonError::into_inner)).map_err(|e| e.to_string())
        });
        let answer = asked.await.map_err(|e| e.to_string()).and_then(|answer| answer);
        answer.map_err(|why| Fault::Unavailable(why).into())
    }
}

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task { id: row.get(0)?, title: row.get(1)?, done: row.get(2)? })
}
