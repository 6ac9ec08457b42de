//! How long does a question to the audit trail take among ten million events?

use std::fmt::Write as _;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use keyward::core::event::EventType;
use keyward::core::id::{EventId, SessionId, UserId};
use keyward::core::time::Timestamp;
use keyward::{EventFilter, Keyward, MasterKey, Settings, SuspicionKind};
use rusqlite::Connection;

use crate::report::Report;

/// How many events there are unless told otherwise.
pub(crate) const MANY: u64 = 10_000_000;
/// Over how long they are spread: what is kept by default.
pub(crate) const SPREAD: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const USERS: u64 = 200_000;
const NETWORKS: u64 = 60_000;
/// How long a page or a finding may take, in milliseconds.
const PAGE: f64 = 50.0;
const FINDING: f64 = 2_000.0;
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Fills a file with so many events and asks it everything that an administrator can.
pub(crate) async fn run(count: u64, report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keyward.db");
    open(&path).await.close().await.expect("closed");
    let begun = Instant::now();
    let people: Vec<UserId> = (0..USERS).map(user).collect();
    fill(&path, count, &people);
    let bytes = std::fs::metadata(&path).expect("a file").len();
    report.line(&format!(
        "{count} events in {:.0} s: {:.0} bytes of disk each with all indexes",
        begun.elapsed().as_secs_f64(),
        bytes as f64 / count as f64
    ));
    let keyward = open(&path).await;
    findings(&keyward, report).await;
    lists(&keyward, count, report).await;
    keyward.close().await.expect("closed");
}

async fn findings(keyward: &Keyward, report: &mut Report) {
    for (name, hours) in [("1h", 1), ("24h", 24), ("7d", 7 * 24), ("90d", 90 * 24)] {
        for kind in SuspicionKind::ALL {
            let window = Duration::from_secs(hours * 3_600);
            let ask =
                || async { keyward.suspicious_of(kind, window, 10).await.expect("an answer").findings.len() };
            let (millis, found) = timed(ask).await;
            let what = format!("{} of {name}, {found} findings", kind.as_str());
            report.at_most(&what, millis, FINDING, "ms");
        }
    }
}

async fn lists(keyward: &Keyward, count: u64, report: &mut Report) {
    let all = EventFilter::default();
    let now = now();
    let middle = now.before(SPREAD / 2);
    let user = Some(user(7));
    let from = Some(network(11).parse().expect("an address"));
    let cases = [
        ("no filter", all.clone()),
        ("user", EventFilter { user, ..all.clone() }),
        ("type", EventFilter { kind: Some(EventType::RateLimited), ..all.clone() }),
        ("a type that there is not", EventFilter { kind: Some(EventType::KeyRevoked), ..all.clone() }),
        ("failures", EventFilter { success: Some(false), ..all.clone() }),
        ("address", EventFilter { from: from.clone(), ..all.clone() }),
        (
            "a day in the middle",
            EventFilter {
                since: Some(middle),
                until: Some(middle.after(Duration::from_secs(86_400))),
                ..all.clone()
            },
        ),
        ("user and type", EventFilter { user, kind: Some(EventType::Login), ..all.clone() }),
        ("address and failures", EventFilter { from: from.clone(), success: Some(false), ..all.clone() }),
        (
            "user, address, type, failures, since",
            EventFilter {
                user,
                from,
                kind: Some(EventType::LoginFailed),
                success: Some(false),
                since: Some(middle),
                ..all.clone()
            },
        ),
        (
            "a type and a success that never meet",
            EventFilter { kind: Some(EventType::Login), success: Some(false), ..all.clone() },
        ),
    ];
    for (what, filter) in cases {
        let ask = || async { keyward.events(filter.clone(), 50, None).await.expect("a page").events.len() };
        let (millis, found) = timed(ask).await;
        report.at_most(&format!("first page, {what}, {found} events"), millis, PAGE, "ms");
    }
    let mut cursor = None;
    let begun = Instant::now();
    for _ in 0..100 {
        cursor = keyward.events(all.clone(), 200, cursor).await.expect("a page").next_cursor;
    }
    let each = begun.elapsed().as_secs_f64() * 10.0;
    report.at_most(&format!("a page of 200 of the newest {}", count.min(20_000)), each, PAGE, "ms");
}

/// The best of three in milliseconds, and what came out.
async fn timed<T, F: Future<Output = T>>(mut ask: impl FnMut() -> F) -> (f64, T) {
    let mut best = f64::MAX;
    loop {
        let mut last = None;
        for _ in 0..3 {
            let begun = Instant::now();
            last = Some(ask().await);
            best = best.min(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        if let Some(last) = last {
            return (best, last);
        }
    }
}

pub(crate) async fn open(path: &Path) -> Keyward {
    let settings = Settings { background: false, ..Settings::default() };
    Keyward::builder(settings)
        .sqlite(path)
        .master_key(MasterKey::from_bytes(&[7; 32]))
        .open()
        .await
        .expect("it opens")
}

pub(crate) fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    Timestamp::default().after(now)
}

/// Adds so many events of these people straight into the file, as years of logins and some attacks
/// leave them.
pub(crate) fn fill(path: &Path, count: u64, people: &[UserId]) {
    let mut connection = Connection::open(path).expect("a database");
    connection
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
        .expect("set");
    let indexes: Vec<(String, String)> = {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'event' AND sql NOT NULL";
        let mut statement = connection.prepare(sql).expect("a statement");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    };
    // Built at the end, each index is one sort.
    for (name, _) in &indexes {
        connection.execute_batch(&format!("DROP INDEX {name}")).expect("dropped");
    }
    let first = now().before(SPREAD);
    let step = SPREAD.as_micros() as u64 / count.max(1);
    let transaction = connection.transaction().expect("a transaction");
    {
        let mut insert = transaction
            .prepare(
                "INSERT INTO event (id, at, type, user_id, session_id, ip, network, user_agent, success, reason, \
                 details, count, mark, batch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, '{}', 1, ?10, ?11)",
            )
            .expect("a statement");
        for i in 0..count {
            let drawn = scatter(i);
            let at = first.after(Duration::from_micros(i * step));
            let (kind, success) = kind(drawn);
            // A tenth of all failures come from ten addresses.
            let from = if !success && drawn.is_multiple_of(10) { i % 10 } else { scatter(drawn) % NETWORKS };
            let (id, session) = (EventId::new(at, bytes(drawn)), SessionId::new(at, bytes(scatter(i / 3))));
            let user = people[(scatter(drawn ^ 1) % people.len() as u64) as usize];
            let reason = (!success).then_some("invalid_credentials");
            insert
                .execute(rusqlite::params![
                    id.as_bytes(),
                    at.micros(),
                    kind.as_str(),
                    user.as_bytes(),
                    session.as_bytes(),
                    network(from),
                    AGENT,
                    success,
                    reason,
                    [0u8; 16],
                    i64::try_from(i / 500 + 1).expect("small"),
                ])
                .expect("an event");
        }
    }
    transaction.commit().expect("committed");
    for (_, sql) in &indexes {
        connection.execute_batch(sql).expect("an index");
    }
}

/// What happens how often: of a thousand events.
fn kind(drawn: u64) -> (EventType, bool) {
    match drawn % 1_000 {
        0..700 => (EventType::Login, true),
        700..790 => (EventType::Logout, true),
        790..880 => (EventType::LoginFailed, false),
        880..930 => (EventType::RefreshFailed, false),
        930..970 => (EventType::SessionRevoked, true),
        970..990 => (EventType::RateLimited, false),
        990..999 => (EventType::Signup, true),
        _ => (EventType::RefreshReused, false),
    }
}

fn user(n: u64) -> UserId {
    UserId::new(Timestamp::from_seconds(1_700_000_000), bytes(n))
}

pub(crate) fn network(n: u64) -> String {
    let mut text = String::new();
    write!(text, "10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255).expect("written");
    text
}

fn bytes(n: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// A number that looks like chance (splitmix64).
fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
