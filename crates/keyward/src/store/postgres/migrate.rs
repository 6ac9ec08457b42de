//! Which schema does the database have, and may this release run on it?
//!
//! Each step names the oldest schema that a release must know to run beside it: the release
//! before always may, so that nodes are replaced one by one; an older one refuses to start. The
//! steps are numbered as those of SQLite. All of them are one transaction behind one lock: of nodes
//! that start at once one takes them, and the others wait and find them taken. Nothing of it needs
//! more of a connection than a transaction, so that it goes through a pooler, too.

use keyward_core::time::Timestamp;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::NOW;
use super::error::{PostgresError, told};
use super::moves::{self, Moves};
use super::options::Endpoint;
use crate::clock::Clock;

struct Step {
    /// The schema that this step makes.
    schema: u32,
    /// The oldest schema whose release may still run on it.
    oldest: u32,
    sql: &'static str,
}

const STEPS: &[Step] =
    &[Step { schema: 8, oldest: 8, sql: include_str!("../schema/postgres/0008_first.sql") }];

/// The oldest Postgres that is tried.
pub(super) const OLDEST_SERVER: i64 = 130_000;

/// What marks the table of schemas as Keyward's, and with it the schema that it is in.
const MARK: &str = "Keyward";

/// The lock that whoever takes steps takes first: "kwrd", and the schema that the tables are in, so
/// that two Keywards in one database don't wait for one another.
pub(super) const LOCK: &str =
    "SELECT pg_advisory_xact_lock(1802989156, hashtext(coalesce(current_schema(), '')))";

/// The table that says which schema this is.
pub(super) const SCHEMA: &str = "schema";

/// How much may still be asked, by whom. It is of this moment, so a move leaves it behind.
pub(super) const BUDGET: &str = "budget";

/// All other tables of Keyward's, in an order in which rows refer to none that come later: whatever
/// else goes by one of these names is in the way.
pub(super) const TABLES: [&str; 17] = [
    "account",
    "imported",
    "role",
    "account_role",
    "session",
    "counter",
    "revocation",
    "signing_key",
    "mac_key",
    "service_key",
    "access_ttl",
    "event",
    "event_key",
    "event_seal",
    "mail_link",
    "outbox",
    "figure",
];

/// Sets the clock by the database's, and brings the schema up to date, or refuses to touch it. Whether
/// there are sessions that moved elsewhere until now.
pub(super) async fn run(endpoint: &Endpoint, clock: &Clock, moves: Moves) -> Result<bool, PostgresError> {
    let (client, connection) = endpoint.connect().await?;
    // It ends with the client.
    let connected = tokio::spawn(connection);
    let at = endpoint.name.as_str();
    let asked = clock.monotonic();
    let row = client.query_typed_one(NOW, &[]).await.map_err(|e| failed(at, &e))?;
    clock.follow(Timestamp::from_micros(row.get(0)), asked, clock.monotonic());
    let moved = take(STEPS, &client, at, clock.now(), moves).await?;
    drop(client);
    // What a connection has to say at its end changes nothing of what was done.
    let _ = connected.await;
    Ok(moved)
}

async fn take(
    steps: &[Step],
    client: &Client,
    at: &str,
    now: Timestamp,
    moves: Moves,
) -> Result<bool, PostgresError> {
    let unfit = |message: String| PostgresError::Unfit { at: at.to_owned(), message };
    check_server(client, at).await?;
    client
        .batch_execute("BEGIN; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0")
        .await
        .map_err(|e| failed(at, &e))?;
    client.batch_execute(LOCK).await.map_err(|e| failed(at, &e))?;
    let schema: Option<String> = client
        .query_typed_one("SELECT current_schema()::text", &[])
        .await
        .map_err(|e| failed(at, &e))?
        .get(0);
    let schema = schema.ok_or_else(|| {
        unfit(
            "there is no schema to put tables into: make the one that search_path names (CREATE SCHEMA)"
                .to_owned(),
        )
    })?;
    let found = checked(steps, client, at, &schema).await?;
    if found == 0 {
        let made = format!(
            "CREATE TABLE schema (version BIGINT NOT NULL PRIMARY KEY, oldest BIGINT NOT NULL, \
             applied_at BIGINT NOT NULL); COMMENT ON TABLE schema IS '{MARK}'"
        );
        client.batch_execute(&made).await.map_err(|e| failed(at, &e))?;
    }
    for step in steps.iter().filter(|step| step.schema > found) {
        client.batch_execute(step.sql).await.map_err(|e| failed(at, &e))?;
        let Step { schema, oldest, .. } = step;
        let applied_at = now.micros();
        let noted = format!(
            "INSERT INTO schema (version, oldest, applied_at) VALUES ({schema}, {oldest}, {applied_at})"
        );
        client.batch_execute(&noted).await.map_err(|e| failed(at, &e))?;
    }
    let moved = moves::settle(client, at, now, moves).await?;
    client.batch_execute("COMMIT").await.map_err(|e| failed(at, &e))?;
    Ok(moved)
}

async fn check_server(client: &Client, at: &str) -> Result<(), PostgresError> {
    let sql = "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), \
               current_setting('server_encoding')";
    let row = client.query_typed_one(sql, &[]).await.map_err(|e| failed(at, &e))?;
    let (number, version, encoding): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
    let message = if number < OLDEST_SERVER {
        format!("it is Postgres {version}; Keyward needs {} or later", OLDEST_SERVER / 10_000)
    } else if encoding != "UTF8" {
        format!(
            "the database holds text as {encoding}; make one that holds UTF8 (CREATE DATABASE … ENCODING 'UTF8')"
        )
    } else {
        return Ok(());
    };
    Err(PostgresError::Unfit { at: at.to_owned(), message })
}

/// The schema that is there: 0 where there is none. Tables of others by a name that Keyward needs
/// are not touched.
async fn current(client: &Client, at: &str, schema: &str) -> Result<u32, PostgresError> {
    let named = "SELECT c.relname::text, c.relkind::text, obj_description(c.oid, 'pg_class') FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = ANY($2) ORDER BY c.relname = 'schema' DESC, c.relname";
    let names: Vec<&str> = TABLES.into_iter().chain([SCHEMA, BUDGET]).collect();
    let rows = client
        .query_typed(named, &[(&schema, Type::TEXT), (&names, Type::TEXT_ARRAY)])
        .await
        .map_err(|e| failed(at, &e))?;
    let Some(first) = rows.first() else { return Ok(0) };
    let (table, mark): (String, Option<String>) = (first.get(0), first.get(2));
    if table != SCHEMA || mark.as_deref() != Some(MARK) {
        return Err(PostgresError::Foreign { at: at.to_owned(), schema: schema.to_owned(), table });
    }
    let row =
        client.query_typed_one("SELECT max(version) FROM schema", &[]).await.map_err(|e| failed(at, &e))?;
    let version: Option<i64> = row.get(0);
    Ok(version.and_then(|version| u32::try_from(version).ok()).unwrap_or_default())
}

/// The schema that is there, or 0; that of a newer release, which this one can't stand in for, is
/// refused.
pub(super) async fn look(client: &Client, at: &str) -> Result<u32, PostgresError> {
    let row =
        client.query_typed_one("SELECT current_schema()::text", &[]).await.map_err(|e| failed(at, &e))?;
    match row.get::<_, Option<String>>(0) {
        Some(schema) => checked(STEPS, client, at, &schema).await,
        None => Ok(0),
    }
}

/// The schema that is there, if a release with these steps may run on it.
async fn checked(steps: &[Step], client: &Client, at: &str, schema: &str) -> Result<u32, PostgresError> {
    let found = current(client, at, schema).await?;
    if found > known(steps) {
        let row = client
            .query_typed_one("SELECT max(oldest) FROM schema", &[])
            .await
            .map_err(|e| failed(at, &e))?;
        if i64::from(known(steps)) < row.get::<_, i64>(0) {
            return Err(PostgresError::TooNew { at: at.to_owned(), found, known: known(steps) });
        }
    }
    Ok(found)
}

/// The newest schema that this release knows.
pub(super) fn newest() -> u32 {
    known(STEPS)
}

/// The newest schema that these steps make.
fn known(steps: &[Step]) -> u32 {
    steps.iter().map(|step| step.schema).max().unwrap_or_default()
}

pub(super) fn failed(at: &str, error: &Error) -> PostgresError {
    let message = told(error);
    let advice = match error.code() {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "; let Keyward's user make tables there (GRANT CREATE ON SCHEMA …), or give it a schema that it owns"
        }
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => {
            "; another node or program holds the tables: try again when it is done"
        }
        _ => "",
    };
    PostgresError::Unfit { at: at.to_owned(), message: format!("{message}{advice}") }
}
