//! How fast and how small is Keyward, beside the limits that it can't pass?
//!
//! ```text
//! cargo run --release -p bench            # everything
//! cargo run --release -p bench -- speed   # requests per second alone
//! cargo run --release -p bench -- verify  # what a proxy is answered
//! cargo run --release -p bench -- size    # memory, disk, and latency with a million sessions
//! cargo run --release -p bench -- feed    # a thousand who listen, or as many as said
//! cargo run --release -p bench -- events  # the audit trail with ten million events, or as many as said
//! cargo run --release -p bench -- console # the console with a million accounts and those events, or as many as said
//! ```
//!
//! It is measured over SQLite unless a store is named: `postgres`, or `redis`, which is Redis over
//! Postgres. Those are started for the run (`need_postgres`, `need_redis` in scripts/lib.sh).
//!
//! ```text
//! cargo run --release -p bench -- postgres redis  # everything that differs from store to store
//! cargo run --release -p bench -- speed redis     # speed, verify and size as above
//! cargo run --release -p bench -- logout postgres # signed out on one node, refused on another
//! ```
//!
//! Every figure is a ratio to something measured in the same run: the same HTTP server answering a
//! constant, the bare store, the bare signature. It prints a table and fails where a ratio does.
#![expect(clippy::disallowed_methods, reason = "what is measured here is real time")]
#![expect(clippy::print_stdout, reason = "the report")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench that can't run should stop loudly")]

mod console;
mod edge;
mod events;
mod fill;
mod import;
mod limits;
mod load;
mod nodes;
mod place;
mod report;
mod rest;
mod server;
mod speed;

// What only tests use is not missed here.
#[allow(dead_code)]
#[path = "../../crates/keyward/tests/servers/mod.rs"]
mod servers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use load::{Chain, Load};
use place::Store;
use report::Report;
use server::{Server, Setup};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many connections ask at once.
const CONNECTIONS: usize = 64;
/// How long each case runs.
const RUN: Duration = Duration::from_secs(6);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if args.first().is_some_and(|arg| arg == "serve") {
        runtime.block_on(server::run(&args[1..]));
        return ExitCode::SUCCESS;
    }
    let stores: Vec<Store> = args.iter().filter_map(|arg| Store::parse(arg)).collect();
    let args: Vec<String> = args.into_iter().filter(|arg| Store::parse(arg).is_none()).collect();
    let wanted = |part: &str| args.is_empty() || args.iter().any(|arg| arg == part);
    let mut report = Report::default();
    for store in stores.iter().copied().filter(|store| *store != Store::Sqlite) {
        runtime.block_on(async {
            if wanted("speed") {
                speed::run(store, "ES256", &mut report).await;
            }
            if wanted("verify") {
                edge::verify(store, "ES256", &mut report).await;
            }
            if wanted("logout") {
                nodes::logout(store, &mut report).await;
            }
            if wanted("size") {
                rest::run(store, &mut report).await;
            }
        });
    }
    if stores.is_empty() || stores.contains(&Store::Sqlite) {
        runtime.block_on(over_sqlite(&args, &mut report));
    }
    report.print();
    if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn over_sqlite(args: &[String], report: &mut Report) {
    let wanted = |part: &str| args.is_empty() || args.iter().any(|arg| arg == part);
    for algorithm in ["ES256", "RS256"] {
        if wanted("speed") {
            speed::run(Store::Sqlite, algorithm, report).await;
        }
        if wanted("verify") {
            edge::verify(Store::Sqlite, algorithm, report).await;
        }
    }
    if wanted("size") {
        size(report).await;
    }
    if wanted("flood") {
        flood(report).await;
    }
    if wanted("feed") {
        edge::feed(edge::listeners(args.get(1)), report).await;
    }
    // Not by itself: it fills some gigabytes.
    if args.first().is_some_and(|arg| arg == "events") {
        let count = args.get(1).map_or(events::MANY, |count| count.parse().expect("how many events"));
        events::run(count, report).await;
    }
    if args.first().is_some_and(|arg| arg == "console") {
        let number =
            |at: usize, many: u64| args.get(at).map_or(many, |count| count.parse().expect("how many"));
        console::run(number(1, console::ACCOUNTS), number(2, events::MANY), report).await;
    }
    if wanted("start") {
        start(report).await;
    }
    if wanted("import") {
        match binary() {
            Some(binary) => import::import(&binary, report).await,
            None => report.line("import: build the binary first: cargo build --release -p keyward-cli"),
        }
    }
}

/// A thousand sessions and a million: the latency of a refresh, the disk and the memory.
async fn size(report: &mut Report) {
    const FEW: u64 = 1_000;
    const MANY: u64 = 1_000_000;
    let mut p95 = Vec::new();
    for sessions in [FEW, MANY] {
        let folder = tempfile::tempdir().expect("a folder");
        let setup = Setup::new(folder.path());
        Server::start(&setup).await.stop().await;
        let before = bytes(folder.path());
        fill::sessions(folder.path(), sessions);
        let per_session = (bytes(folder.path()) - before) as f64 / sessions as f64;
        let server = Server::start(&setup).await;
        let mut chains = Vec::new();
        for i in 0..CONNECTIONS {
            chains.push(Chain::open(server.port, i).await);
        }
        let refresh = Load::refreshing(server.port, chains).run(CONNECTIONS, RUN).await;
        p95.push(refresh.percentile(95.0));
        report.line(&format!(
            "{sessions} sessions: {per_session:.0} bytes of disk each; refresh {:.0}/s, p95 {:.1} ms, p99 {:.1} ms; {} MB resident",
            refresh.per_second(),
            refresh.percentile(95.0),
            refresh.percentile(99.0),
            server.resident_mb()
        ));
        if sessions == MANY {
            report.at_most("resident with 1,000,000 sessions", server.resident_mb() as f64, 150.0, "MB");
        }
        server.stop().await;
    }
    report.at_most("p95 with 1,000,000 sessions, to that with 1,000", p95[1] / p95[0], 1.3, "times");

    let folder = tempfile::tempdir().expect("a folder");
    let setup = Setup::new(folder.path());
    let server = Server::start(&setup).await;
    let chain = Chain::open(server.port, 0).await;
    server.stop().await;
    let before = fill::used_bytes(folder.path());
    let server = Server::start(&setup).await;
    Load::refreshing(server.port, vec![chain]).times(1_000).run(1, Duration::from_secs(60)).await;
    server.stop().await;
    let grown = fill::used_bytes(folder.path()) as f64 - before as f64;
    report.at_most("bytes by which 1,000 refreshes grow the data", grown, 0.0, "bytes");
}

/// A flood of logins and a flood of forged tokens beside people who refresh.
async fn flood(report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&Setup { cost: "19456", ..Setup::new(folder.path()) }).await;
    let mut chains = Vec::new();
    for i in 0..8 {
        chains.push(Chain::open(server.port, i).await);
    }
    let before = server.resident_mb();
    let body = r#"{"email":"nobody@example.com","password":"Wrong-password-1"}"#;
    let logins = Load::repeat(server.port, load::post("/api/auth/login", body));
    let flood = tokio::spawn(async move { logins.any_status().run(CONNECTIONS, RUN).await });
    let refresh = Load::refreshing(server.port, chains).run(8, RUN).await;
    let flood = flood.await.expect("the flood");
    report.line(&format!(
        "a flood of {:.0} logins/s beside it: refresh {:.0}/s, p95 {:.1} ms, p99 {:.1} ms; resident {before} MB before, {} MB after",
        flood.per_second(),
        refresh.per_second(),
        refresh.percentile(95.0),
        refresh.percentile(99.0),
        server.resident_mb()
    ));
    report.at_most("p95 of refresh under a flood of logins", refresh.percentile(95.0), 200.0, "ms");
    report.at_most(
        "memory that a flood of logins adds",
        server.resident_mb() as f64 - before as f64,
        60.0,
        "MB",
    );

    let forged = Chain::open(server.port, 0).await.forged();
    let mut connection = load::Connection::open(server.port).await;
    let (status, body) = connection.ask(&forged).await;
    assert_eq!((status, load::member(body, "code").as_deref()), (401, Some("invalid_refresh_token")));
    let reads = server.store_reads().await;
    let flood = Load::repeat(server.port, forged).any_status().run(CONNECTIONS, RUN).await;
    // Three reads of every poll are the node's own; polls are 180 ms apart at least.
    let own = (RUN.as_millis() as u64 / 180 + 4) * 3 + 40;
    let read = server.store_reads().await - reads;
    report.line(&format!("a flood of {:.0} forged refresh tokens/s: {read} reads of the store, {own} at most its own polls and sweeps", flood.per_second()));
    report.at_most("reads of the store by forged tokens", read.saturating_sub(own) as f64, 0.0, "reads");
    server.stop().await;
}

/// The binary: from nothing to ready, and how much it holds when nobody asks.
async fn start(report: &mut Report) {
    let Some(binary) = binary() else {
        return report.line("start: build the binary first: cargo build --release -p keyward-cli");
    };
    let folder = tempfile::tempdir().expect("a folder");
    for run in ["on an empty folder", "with data"] {
        let begun = Instant::now();
        let server = Server::start_binary(&binary, folder.path()).await;
        let ready = begun.elapsed().as_secs_f64() * 1_000.0;
        tokio::time::sleep(Duration::from_secs(1)).await;
        report.at_most(&format!("start of `keyward` {run} until ready"), ready, 300.0, "ms");
        report.at_most(&format!("resident, idle, {run}"), server.resident_mb() as f64, 40.0, "MB");
        server.stop().await;
    }
}

/// The binary beside this one, where it was built.
fn binary() -> Option<PathBuf> {
    let binary = std::env::current_exe().expect("a path").with_file_name("keyward");
    binary.exists().then_some(binary)
}

fn bytes(folder: &Path) -> u64 {
    std::fs::read_dir(folder).expect("a folder").map(|file| file.unwrap().metadata().unwrap().len()).sum()
}
