//! How long does an administrator wait for a page among a million accounts and ten million events?

use std::path::Path;
use std::time::Duration;

use keyward::Client;
use keyward::core::figure::{Figure, SPAN, span_of};
use keyward::core::id::UserId;
use keyward::core::password::Password;
use rusqlite::Connection;

use crate::load::{self, Chain, Load};
use crate::report::Report;
use crate::server::{Server, Setup};
use crate::{events, fill};

/// How many accounts there are unless told otherwise, each with a session.
pub(crate) const ACCOUNTS: u64 = 1_000_000;
/// How long 95 of 100 answers may take, in milliseconds.
const PAGE: f64 = 100.0;
/// The same of the page of findings, which are counted from every event of a day.
const FINDINGS: f64 = 500.0;
/// How often each is asked for.
const TIMES: u64 = 60;
const ROOT: &str = "root@example.com";
const PASSWORD: &str = "Correct-Horse-7";

/// Everything that is asked for, as a page of the console or of the API.
const LISTS: [(&str, &str); 27] = [
    ("users", ""),
    ("users", "?query=user77"),
    ("users", "?query=user77777@example.com"),
    ("users", "?query=nobody"),
    ("users", "?query=%2B491517"),
    ("users", "?status=active"),
    ("users", "?status=inactive"),
    ("users", "?role=support"),
    ("users", "?role=user"),
    ("users", "?role=support&status=inactive"),
    ("users", "?role=user&status=inactive"),
    ("users", "?query=user1&role=support&status=inactive"),
    ("sessions", ""),
    ("sessions", "?state=open"),
    ("sessions", "?state=ended"),
    ("sessions", "?transport=bearer"),
    // Nobody has one: what a page looks at in vain.
    ("sessions", "?transport=cookie"),
    ("sessions", "?transport=cookie&state=ended"),
    ("sessions", "?ip_address=10.0.7.7"),
    ("sessions", "?ip_address=10.0.7.7&state=ended"),
    ("events", ""),
    ("events", "?success=false"),
    ("events", "?type=refresh_reused"),
    ("events", "?type=key_revoked"),
    ("events", "?ip_address=10.0.0.11"),
    ("events", "?ip_address=10.0.0.11&success=false&type=login_failed"),
    ("events", "?type=login&success=false"),
];

const PAGES: [&str; 9] = [
    "/admin",
    "/admin?window=7d",
    "/admin?window=30d",
    "/admin/roles",
    "/admin/suspicious",
    "/admin/keys",
    "/admin/service-keys",
    "/admin/settings",
    "/api/admin/statistics?window=30d",
];

/// Fills a database with so many of them and asks for every page.
pub(crate) async fn run(accounts: u64, events: u64, report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keyward.db");
    found(&path).await;
    let begun = std::time::Instant::now();
    fill::sessions(folder.path(), accounts);
    vary(&path);
    let people = people(&path);
    events::fill(&path, events, &people);
    figures(&path);
    report.line(&format!(
        "{accounts} accounts and sessions, {events} events in {:.0} s, {} MB",
        begun.elapsed().as_secs_f64(),
        std::fs::metadata(&path).expect("a file").len() >> 20
    ));

    let server = Server::start(&Setup::new(folder.path())).await;
    let root = Chain::sign_in(server.port, ROOT, PASSWORD).await.cookies();
    for (list, query) in LISTS {
        for place in ["/admin", "/api/admin"] {
            ask(&server, &format!("{place}/{list}{query}"), &root, report).await;
        }
    }
    for page in PAGES {
        ask(&server, page, &root, report).await;
    }
    let person = people[people.len() / 2];
    let list = format!("/api/admin/sessions?user_id={person}");
    let mut connection = load::Connection::open(server.port).await;
    let (_, body) = connection.ask(&load::get(&list, &root)).await;
    let session = load::member(body, "id").expect("a session");
    for one in [format!("users/{person}"), format!("sessions/{session}")] {
        for place in ["/admin", "/api/admin"] {
            ask(&server, &format!("{place}/{one}"), &root, report).await;
        }
    }
    for list in ["sessions", "events"] {
        for place in ["/admin", "/api/admin"] {
            ask(&server, &format!("{place}/{list}?user_id={person}"), &root, report).await;
        }
    }
    server.stop().await;
}

/// A database with an administrator and a role, which nobody has open afterwards.
async fn found(path: &Path) {
    let keyward = events::open(path).await;
    let operator = Client::operator();
    let password = Password::try_from(PASSWORD.to_owned()).expect("short");
    keyward.upsert_admin(ROOT, password, &operator).await.expect("an administrator");
    keyward.set_role("support", vec!["tickets:write".to_owned()], &operator).await.expect("a role");
    keyward.close().await.expect("closed");
}

/// One after another, as one person asks.
async fn ask(server: &Server, path: &str, cookies: &str, report: &mut Report) {
    let load = Load::repeat(server.port, load::get(path, cookies)).times(TIMES);
    let outcome = load.run(1, Duration::from_secs(600)).await;
    let most = if path == "/admin/suspicious" { FINDINGS } else { PAGE };
    report.within(&format!("GET {path}"), &outcome, most);
}

/// A hundredth can't sign in any more, a thousandth has a role more, every tenth session has ended,
/// many have a phone number and come from different addresses.
fn vary(path: &Path) {
    let connection = Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA synchronous = OFF;
             BEGIN;
             CREATE TEMP TABLE filled (user_id BLOB PRIMARY KEY, n INTEGER) WITHOUT ROWID;
             INSERT INTO filled SELECT id, CAST(substr(email, 5) AS INTEGER) FROM account
                 WHERE email LIKE 'user%';
             UPDATE account SET is_active = (f.n % 100 <> 77), phone_number = '+49151' || (10000000 + f.n),
                 roles = iif(f.n % 1000 = 123, 'support,user', roles)
                 FROM filled f WHERE f.user_id = account.id AND f.n % 5 <> 0;
             INSERT INTO account_role (user_id, role)
                 SELECT user_id, 'support' FROM filled WHERE n % 1000 = 123;
             UPDATE session SET ip = '10.0.' || (f.n / 250 % 250) || '.' || (f.n % 250),
                 ended_at = iif(f.n % 10 = 3, opened_at + 60000000, NULL),
                 ended_why = iif(f.n % 10 = 3, 'logout', NULL)
                 FROM filled f WHERE f.user_id = session.user_id;
             COMMIT;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .expect("varied");
}

fn people(path: &Path) -> Vec<UserId> {
    let connection = Connection::open(path).expect("a database");
    let mut statement = connection.prepare("SELECT id FROM account").expect("a statement");
    let rows = statement.query_map([], |row| row.get::<_, [u8; 16]>(0)).expect("rows");
    rows.map(|row| UserId::from_bytes(row.expect("a row"))).collect()
}

/// Something of everything in every span for as long as events are kept.
fn figures(path: &Path) {
    let mut connection = Connection::open(path).expect("a database");
    let transaction = connection.transaction().expect("a transaction");
    let now = span_of(events::now(), SPAN);
    let spans = u32::try_from(events::SPREAD.as_secs() / SPAN.as_secs()).expect("few");
    for n in 1..=spans {
        for figure in Figure::ALL {
            transaction
                .prepare_cached("INSERT INTO figure (at, name, count) VALUES (?1, ?2, ?3)")
                .and_then(|mut insert| insert.execute((now.before(SPAN * n).micros(), figure.as_str(), n)))
                .expect("a figure");
        }
    }
    transaction.commit().expect("committed");
}
