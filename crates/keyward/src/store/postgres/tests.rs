//! What does every store do, over a real Postgres? And what is Postgres' own.

mod budget;
mod faults;
mod gather;
mod handed_on;
mod lost;
mod moves;
mod nodes;
mod plans;
mod pooler;
mod schema;

use std::sync::Arc;
use std::time::Duration;

use keyward_core::event::{Event, EventType};
use keyward_core::id::{EventId, MailId, SessionId, UserId};
use keyward_core::mail::{Link, Mail, Purpose, SecretHash};
use keyward_core::time::Timestamp;
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;

use super::options::Endpoint;
use super::{Moves, Patience, Postgres, PostgresError, PostgresOptions, migrate};
use crate::clock::Clock;
use crate::store::Store;
use crate::store::contract::{Later, Place, Row};
use crate::store::servers::postgres::{Database, server};

crate::store::contract::contract!(super::super::fresh);

/// Longer than anything takes, on a machine that has much to do.
const LONG: Duration = Duration::from_secs(30);

/// A database with all tables and nothing in them.
fn made() -> Database {
    server().made(|url| {
        let endpoint = Endpoint::of(url).expect("an address");
        // On a thread of its own: a test's runtime can't wait in place.
        let make = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(migrate::run(&endpoint, &clock(), Moves::Here))
        };
        std::thread::spawn(make).join().expect("no panic").expect("it can be made");
    })
}

async fn fresh() -> Box<dyn Place> {
    Box::new(made())
}

/// A clock that stands still: no test goes by the server's.
fn clock() -> Clock {
    Clock::manual(Timestamp::from_seconds(1))
}

/// A process's hands on the database.
async fn open(database: &Database) -> Postgres {
    open_by(PostgresOptions::new(database.url()).max_connections(8)).await
}

/// The same by these options. No test fails by a limit that it is not about.
async fn open_by(options: PostgresOptions) -> Postgres {
    Postgres::open(&options.patience(Patience::of(LONG)), false, &clock()).await.expect("it opens")
}

impl Place for Database {
    fn open(&self) -> Later<'_, Arc<dyn Store>> {
        Box::pin(async { Arc::new(open(self).await) as Arc<dyn Store> })
    }

    fn trail(&self) -> Later<'_, Vec<Row>> {
        Box::pin(async { trail(self).await.expect("it can be read") })
    }

    fn mail(&self) -> Later<'_, (Vec<Link>, Vec<Mail>)> {
        Box::pin(async { mail(self).await.expect("it can be read") })
    }
}

/// Another program's hands on the database.
async fn raw(database: &Database) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.expect("it answers");
    tokio::spawn(connection);
    client
}

/// Waits until somebody waits there for what another one has locked, or has `ended` without.
async fn until_waited_for(database: &Database, ended: impl Fn() -> bool) {
    const WAITING: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity \
                           WHERE wait_event_type = 'Lock' AND datname = current_database())";
    let client = raw(database).await;
    let waited_for = async {
        while !ended() && !client.query_one(WAITING, &[]).await.expect("it answers").get::<_, bool>(0) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, waited_for).await.expect("somebody waits, or is done");
}

fn id(bytes: &[u8]) -> [u8; 16] {
    bytes.try_into().expect("an id")
}

async fn trail(database: &Database) -> Result<Vec<Row>, tokio_postgres::Error> {
    let sql = "SELECT uuid_send(id), at, type, uuid_send(user_id), uuid_send(session_id), ip, network, user_agent, \
               success, reason, details, tally, count, mark FROM event ORDER BY id";
    let rows = raw(database).await.query(sql, &[]).await?;
    let row = |row: &tokio_postgres::Row| Row {
        event: Event {
            id: EventId::from_bytes(id(row.get(0))),
            at: Timestamp::from_micros(row.get(1)),
            kind: EventType::parse(row.get(2)).expect("a type"),
            user: row.get::<_, Option<&[u8]>>(3).map(|user| UserId::from_bytes(id(user))),
            session: row.get::<_, Option<&[u8]>>(4).map(|session| SessionId::from_bytes(id(session))),
            ip: row.get(5),
            user_agent: row.get(7),
            success: row.get(8),
            reason: row.get(9),
            details: serde_json::from_str(row.get(10)).expect("an object"),
            tally: row.get(11),
            mark: row.get::<_, Option<&[u8]>>(13).map(|mark| mark.try_into().expect("a mark")),
        },
        network: row.get(6),
        count: row.get(12),
    };
    Ok(rows.iter().map(row).collect())
}

async fn mail(database: &Database) -> Result<(Vec<Link>, Vec<Mail>), tokio_postgres::Error> {
    let client = raw(database).await;
    let sql =
        "SELECT uuid_send(user_id), purpose, hash, email, until FROM mail_link ORDER BY user_id, purpose";
    let links = client.query(sql, &[]).await?;
    let link = |row: &tokio_postgres::Row| Link {
        user: UserId::from_bytes(id(row.get(0))),
        purpose: Purpose::parse(row.get(1)).expect("a purpose"),
        hash: SecretHash::from_bytes(row.get::<_, &[u8]>(2).try_into().expect("a hash")),
        email: row.get::<_, &str>(3).parse().expect("an address"),
        until: Timestamp::from_micros(row.get(4)),
    };
    let sql = "SELECT uuid_send(id), kind, sealed, made_at, until, due_at, attempts, failure FROM outbox ORDER BY id";
    let mails = client.query(sql, &[]).await?;
    let mail = |row: &tokio_postgres::Row| Mail {
        id: MailId::from_bytes(id(row.get(0))),
        kind: row.get(1),
        sealed: row.get(2),
        made_at: Timestamp::from_micros(row.get(3)),
        until: Timestamp::from_micros(row.get(4)),
        due_at: row.get::<_, Option<i64>>(5).map(Timestamp::from_micros),
        attempts: row.get::<_, i64>(6).try_into().expect("few"),
        failure: row.get(7),
    };
    Ok((links.iter().map(link).collect(), mails.iter().map(mail).collect()))
}
