//! How many bytes does a session take where it rests, and does it take more with every refresh?

use std::ops::Range;
use std::time::Duration;

use crate::load::{Chain, Load};
use crate::place::{Place, Store};
use crate::report::Report;
use crate::server::Server;
use crate::servers::{postgres, redis};
use crate::{CONNECTIONS, limits};

/// How many refreshes a session has behind it, and how many it has then.
const REFRESHES: [u64; 2] = [1_000, 10_000];
/// How many sessions there are, where what every table begins with must not count.
const MANY: usize = 20_000;
/// How many of them are refreshed, each as often as it can be.
const BUSY: usize = 128;
/// Longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(3_600);

pub(crate) async fn run(store: Store, report: &mut Report) {
    match store {
        Store::Sqlite => {}
        Store::Postgres => {
            in_postgres(Addresses::One, report).await;
            in_postgres(Addresses::Each, report).await;
        }
        Store::Redis => in_redis(report).await,
    }
}

/// Where people are.
#[derive(Clone, Copy)]
enum Addresses {
    One,
    Each,
}

impl Addresses {
    const fn words(self) -> &'static str {
        match self {
            Self::One => "all at one address",
            Self::Each => "each at their own address",
        }
    }

    /// That of the person of this number, as a proxy names it, and their browser.
    fn headers(self, person: usize) -> String {
        let [_, a, b, c] = match self {
            Self::One => [0, 113, 0, 7],
            Self::Each => u32::try_from(person).expect("few").to_be_bytes(),
        };
        format!("X-Forwarded-For: 198.{a}.{b}.{c}\r\nUser-Agent: {FIREFOX}\r\n")
    }
}

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Table and indexes of sessions, by what they grow with each.
async fn in_postgres(addresses: Addresses, report: &mut Report) {
    let place = Place::of(Store::Postgres);
    let database = place.database.as_ref().expect("a database");
    let server = Server::start(&place.setup()).await;
    let mut all = people(server.port, 0..MANY, addresses).await;
    let before = table_and_indexes(database);
    let opened = before / MANY as f64;
    let grown = || (table_and_indexes(database) - before) / BUSY as f64;
    // As people are: those who do something at one moment have their sessions on different pages.
    let neighbours = all.split_off(MANY - BUSY);
    let mut busy: Vec<_> = all.into_iter().step_by(MANY / BUSY).take(BUSY).collect();
    let mut done = 0;
    for refreshes in REFRESHES {
        let load = Load::refreshing(server.port, busy).times(refreshes - done);
        busy = load.run(BUSY, PATIENCE).await.chains;
        done = refreshes;
        let grown = grown();
        report.line(&format!("{MANY} sessions, {}: {opened:.0} bytes each, {grown:.0} more for each of {BUSY} after {refreshes} refreshes", addresses.words()));
        report.at_most(
            &format!(
                "Postgres' table and indexes for a session after {refreshes} refreshes, {}",
                addresses.words()
            ),
            opened + grown,
            300.0,
            "bytes",
        );
    }
    // As nobody is, for a page has room for few that are refreshed at one moment.
    let so_far = grown();
    Load::refreshing(server.port, neighbours).times(REFRESHES[0]).run(BUSY, PATIENCE).await;
    report.line(&format!(
        "{BUSY} on the same pages, all at once: {:.0} bytes more for each after {} refreshes",
        grown() - so_far,
        REFRESHES[0]
    ));
    server.stop().await;
}

fn table_and_indexes(database: &postgres::Database) -> f64 {
    database.sql("VACUUM session");
    let bytes = database.sql("SELECT pg_relation_size('session') + pg_indexes_size('session')");
    bytes.trim().parse().expect("a number")
}

/// All keys that there are, for as many sessions.
async fn in_redis(report: &mut Report) {
    let place = Place::of(Store::Redis);
    let server = Server::start(&place.setup()).await;
    let redis = place.redis.as_ref().expect("a Redis");
    let mut busy = people(server.port, 0..CONNECTIONS, Addresses::Each).await;
    let mut done = 0;
    for refreshes in REFRESHES {
        busy = Load::refreshing(server.port, busy)
            .times(refreshes - done)
            .run(CONNECTIONS, PATIENCE)
            .await
            .chains;
        done = refreshes;
        let keys = of_all_keys(redis).await;
        report.at_most(
            &format!(
                "Redis' memory for a session after {refreshes} refreshes, in {} keys for {CONNECTIONS}",
                keys.len()
            ),
            keys.iter().sum::<u64>() as f64 / CONNECTIONS as f64,
            400.0,
            "bytes",
        );
    }
    server.stop().await;
}

/// The memory of each key.
async fn of_all_keys(redis: &redis::Server) -> Vec<u64> {
    let mut connection = limits::connect(redis).await;
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("keys");
    let mut ask = ::redis::pipe();
    for key in keys {
        ask.cmd("MEMORY").arg("USAGE").arg(key);
    }
    ask.query_async(&mut connection).await.expect("figures")
}

/// Signs these people up, some at once; their sessions.
async fn people(port: u16, range: Range<usize>, addresses: Addresses) -> Vec<Chain> {
    let mut chains = Vec::new();
    for first in range.clone().step_by(CONNECTIONS) {
        let some: Vec<_> = (first..range.end.min(first + CONNECTIONS))
            .map(|person| {
                tokio::spawn(async move { Chain::open_from(port, person, &addresses.headers(person)).await })
            })
            .collect();
        for chain in some {
            chains.push(chain.await.expect("signed up"));
        }
    }
    chains
}
