//! What is to be said of a Postgres by who must not change it?

use std::time::Duration;

use keyward_core::role;
use keyward_core::time::Timestamp;
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Error};

use super::error::{PostgresError, told};
use super::options::{Endpoint, READY};
use super::{NOW, PostgresOptions, migrate, moves, pool};
use crate::clock::Clock;
use crate::store::sql;
use crate::store::sqlite::inspect::DatabaseReport;

/// A setting of our own that is sent along when a connection begins: a pooler in between takes no
/// such thing, or keeps it to itself.
const DIRECT: &str = "keyward.direct";

/// How a Postgres is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresReport {
    /// What it holds. Whether its files are whole is not for its clients to see.
    pub data: DatabaseReport,
    /// Its version, as it tells it.
    pub version: String,
    /// Whether that is one that Keyward is tried with.
    pub is_tried: bool,
    /// How much later its clock is than this machine's, in microseconds, but for half of `asked_in`.
    pub clock_offset: i64,
    /// How long it took to ask for the time.
    pub asked_in: Duration,
    /// Whether it is on this machine.
    pub is_local: bool,
    /// Whether the connection to it is encrypted.
    pub is_encrypted: bool,
    /// Whether a pooler is in between.
    pub is_pooled: bool,
    /// Whether the way past a pooler was given.
    pub has_direct_url: bool,
    /// Whether it is a standby, which takes no writes.
    pub is_standby: bool,
    /// What its own settings say of `synchronous_commit`.
    pub synchronous_commit: String,
    /// Whether a commit is on the disk before it is answered (`fsync`).
    pub is_durable: bool,
    /// Whether the moving part of its sessions is in Redis.
    pub moves_in_redis: bool,
    /// How many connections it takes, without those that are kept for its administrators.
    pub connections: i64,
    /// How many of those one node may make.
    pub of_a_node: i64,
}

/// Looks at a Postgres and changes nothing.
///
/// # Errors
/// Where it can't be reached, belongs to another program, or to a newer release.
pub async fn inspect(options: &PostgresOptions, clock: &Clock) -> Result<PostgresReport, PostgresError> {
    let mut endpoint = Endpoint::of(&options.url)?;
    let mut direct = options.direct_url.as_deref().map(Endpoint::of).transpose()?;
    // A standby is looked at, too.
    for endpoint in direct.iter_mut().chain([&mut endpoint]) {
        endpoint.config.target_session_attrs(TargetSessionAttrs::Any);
    }
    let is_pooled = !is_direct(&endpoint).await?;
    if let Some(direct) = &direct {
        lead_to_one_place(&endpoint, direct).await?;
    }
    // What only a session keeps is asked where there is one.
    let at = direct.as_ref().unwrap_or(&endpoint).name.clone();
    let client = connect(direct.as_ref().unwrap_or(&endpoint)).await?;
    let unfit = |e: Error| PostgresError::Unfit { at: at.clone(), message: told(&e) };
    let ask = async {
        let before = clock.monotonic();
        let here = clock.now();
        let there: i64 = client.query_one(NOW, &[]).await?.get(0);
        let asked_in = clock.monotonic() - before;
        let half = i64::try_from(asked_in.as_micros() / 2).unwrap_or(i64::MAX);
        let row = client
            .query_one(
                "SELECT current_setting('server_version'), current_setting('server_version_num')::bigint, \
                 coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), pg_is_in_recovery(), \
                 current_setting('synchronous_commit'), current_setting('fsync')::bool, \
                 current_setting('max_connections')::bigint \
                 - current_setting('superuser_reserved_connections')::bigint \
                 - coalesce(current_setting('reserved_connections', true), '0')::bigint",
                &[],
            )
            .await?;
        Ok::<_, Error>((there - here.micros() - half, asked_in, row))
    };
    let (clock_offset, asked_in, row) = within(&at, ask).await?.map_err(unfit)?;
    let found = within(&at, migrate::look(&client, &at)).await??;
    let known = migrate::newest();
    let mut data = DatabaseReport {
        schema: found,
        known,
        damage: None,
        has_admin: None,
        signs_since: None,
        newest_event: None,
        mac_key: None,
    };
    let mut moves_in_redis = false;
    if found == known {
        let read = async {
            read(&client, &mut data).await?;
            Ok::<_, Error>(client.query_opt(moves::IS_MARKED, &[]).await?.is_some())
        };
        moves_in_redis = within(&at, read).await?.map_err(unfit)?;
    }
    Ok(PostgresReport {
        data,
        version: row.get(0),
        is_tried: row.get::<_, i64>(1) >= migrate::OLDEST_SERVER,
        clock_offset,
        asked_in,
        is_local: endpoint.is_local,
        is_encrypted: row.get(2),
        is_pooled,
        has_direct_url: direct.is_some(),
        is_standby: row.get(3),
        synchronous_commit: row.get(4),
        is_durable: row.get(5),
        moves_in_redis,
        connections: row.get(6),
        // One that listens, one that asks what was revoked, one for what is asked beside the pool.
        of_a_node: i64::try_from(options.max_connections).unwrap_or(i64::MAX).saturating_add(3),
    })
}

async fn read(client: &Client, data: &mut DatabaseReport) -> Result<(), Error> {
    let has_role = pool::translated(sql::HAS_ROLE);
    data.has_admin = Some(client.query_opt(&has_role, &[&role::ADMIN]).await?.is_some());
    let signs = client.query_opt("SELECT active_from FROM signing_key WHERE state = 'active'", &[]).await?;
    data.signs_since = signs.and_then(|row| row.get::<_, Option<i64>>(0)).map(Timestamp::from_micros);
    let newest = client.query_opt("SELECT at FROM event ORDER BY id DESC LIMIT 1", &[]).await?;
    data.newest_event = newest.map(|row| Timestamp::from_micros(row.get(0)));
    let keys = client.query(sql::keys::MAC_KEYS, &[]).await?;
    data.mac_key = keys.first().and_then(|row| Some((u16::try_from(row.get::<_, i64>(0)).ok()?, row.get(2))));
    Ok(())
}

/// Whether what is reached there is Postgres itself.
pub(super) async fn is_direct(endpoint: &Endpoint) -> Result<bool, PostgresError> {
    let mut marked = endpoint.clone();
    let own = endpoint.config.get_options().unwrap_or_default();
    marked.config.options(format!("{own} -c {DIRECT}=1").trim());
    let Ok(client) = connect(&marked).await else {
        // Whether it is this that is refused, or everything, is told by asking without.
        connect(endpoint).await?;
        return Ok(false);
    };
    let asked = client.query_one("SELECT current_setting($1, true)", &[&DIRECT]);
    let answer = within(&endpoint.name, asked).await?;
    let unfit = |e: Error| PostgresError::Unfit { at: endpoint.name.clone(), message: told(&e) };
    Ok(answer.map_err(unfit)?.get::<_, Option<String>>(0).as_deref() == Some("1"))
}

/// Refuses an address that would be of no use, or do harm, as the way past the pooler: another
/// pooler's, and that of another database. Of one that does not answer nothing is known.
pub(super) async fn lead_to_one_place(pooler: &Endpoint, direct: &Endpoint) -> Result<(), PostgresError> {
    let unfit = |message: String| PostgresError::Unfit { at: direct.name.clone(), message };
    let theirs = match is_direct(direct).await {
        Ok(true) => place(direct).await?,
        Ok(false) => {
            return Err(unfit("a pooler answers there; direct_url is for Postgres itself".to_owned()));
        }
        Err(PostgresError::Unreachable { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let ours = place(pooler).await?;
    if ours == theirs {
        return Ok(());
    }
    Err(unfit(format!(
        "direct_url leads to {theirs}, and the address of the pooler to {ours}: both have to be of one database"
    )))
}

/// Which database this is, in words.
async fn place(endpoint: &Endpoint) -> Result<String, PostgresError> {
    let client = connect(endpoint).await?;
    let sql = "SELECT format('schema %L of database %L of the server that runs since %s', current_schema(), \
               current_database(), date_trunc('milliseconds', pg_postmaster_start_time() AT TIME ZONE 'UTC'))";
    let unfit = |e: Error| PostgresError::Unfit { at: endpoint.name.clone(), message: told(&e) };
    let row = within(&endpoint.name, client.query_typed_one(sql, &[])).await?.map_err(unfit)?;
    Ok(row.get(0))
}

/// A connection that lasts as long as the client.
async fn connect(endpoint: &Endpoint) -> Result<Client, PostgresError> {
    let (client, connection) = endpoint.connect().await?;
    tokio::spawn(async move {
        // That it broke is told to whoever asks.
        let _ = connection.await;
    });
    Ok(client)
}

async fn within<T>(at: &str, asked: impl Future<Output = T>) -> Result<T, PostgresError> {
    timeout(READY, asked).await.map_err(|_| PostgresError::Unreachable {
        at: at.to_owned(),
        message: format!("no answer within {READY:?}"),
    })
}
