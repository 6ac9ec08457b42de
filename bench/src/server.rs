//! What is measured: a server in a process of its own, so that its memory is its own, too.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName};
use axum::routing::{get, post};
use keyward::core::key::Algorithm;
use keyward::core::password::Cost;
use keyward::core::throttle::Limits;
use keyward::{Client, Keyward, MasterKey, PostgresOptions, Settings};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::load::{self, Connection};

/// How long the answer of `GET /api/auth/session` is in these runs, and that of a refresh, in bytes.
const SESSION_ANSWER: usize = 445;
const REFRESH_ANSWER: usize = 1_400;
/// How long an assertion is.
const ASSERTION: usize = 1_000;

/// How a server is to be set up.
pub(crate) struct Setup<'a> {
    pub(crate) algorithm: &'a str,
    /// Memory of a password hash in KiB; small where nobody measures that.
    pub(crate) cost: &'a str,
    /// Where its data is.
    pub(crate) folder: &'a Path,
    /// Where Postgres and Redis are, if it rests there.
    pub(crate) urls: Vec<String>,
}

impl<'a> Setup<'a> {
    pub(crate) fn new(folder: &'a Path) -> Self {
        Self { algorithm: "ES256", cost: "8", folder, urls: Vec::new() }
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    child: Child,
}

impl Server {
    pub(crate) async fn start(setup: &Setup<'_>) -> Self {
        let program = std::env::current_exe().expect("a path");
        let mut child = Command::new(program)
            .args(["serve", setup.algorithm, setup.cost])
            .arg(setup.folder)
            .args(&setup.urls)
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).await.expect("a line");
        Self { port: line.trim().parse().expect("a port"), child }
    }

    /// The binary as people run it, until it answers that it is ready.
    pub(crate) async fn start_binary(binary: &Path, folder: &Path) -> Self {
        let port =
            TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let child = Command::new(binary)
            .current_dir(folder)
            .env("KEYWARD_SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("KEYWARD_SERVER__PUBLIC_URL", format!("http://127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut connection = Connection::open(port).await;
        assert_eq!(connection.ask(&load::get("/readyz", "")).await.0, 200, "ready");
        Self { port, child }
    }

    /// Resident memory, in megabytes.
    pub(crate) fn resident_mb(&self) -> u64 {
        self.resident_kib() / 1_024
    }

    /// Resident memory, in units of 1,024 bytes.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().expect("a process")));
        let status = status.expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a figure");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number")
    }

    /// How much the cores have worked for it so far, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.child.id().expect("a process")).expect("it runs")
    }

    pub(crate) async fn store_reads(&self) -> u64 {
        let mut connection = Connection::open(self.port).await;
        let (_, body) = connection.ask(&load::get("/reads", "")).await;
        String::from_utf8_lossy(body).parse().expect("a number")
    }

    pub(crate) async fn stop(mut self) {
        // Closing its input asks the bench's own server to stop; the binary is told by a signal.
        drop(self.child.stdin.take());
        let _ = Command::new("kill").arg(self.child.id().expect("a process").to_string()).status().await;
        self.child.wait().await.expect("stopped");
    }
}

/// How much the cores have worked for a process so far, in seconds; `None` where it has ended.
pub(crate) fn cpu_of(process: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which is in brackets, user and system time are the 12th and 13th.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    Some(ticks.sum::<u64>() as f64 / 100.0)
}

/// The server's side: Keyward, and the constant routes on the same server.
pub(crate) async fn run(args: &[String]) {
    let [algorithm, cost, folder, urls @ ..] = args else {
        panic!("serve ALGORITHM COST FOLDER [POSTGRES [REDIS]]")
    };
    let mut settings = Settings {
        algorithm: Algorithm::parse(algorithm).expect("an algorithm"),
        cost: Cost::new(cost.parse().expect("a number"), if cost == "8" { 1 } else { 2 }, 1).expect("a cost"),
        limits: Limits::OFF,
        // Who asks is the proxy, too.
        trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
        ..Settings::default()
    };
    settings.policy.rotation_window = Duration::ZERO;
    let mut builder = Keyward::builder(settings).master_key(MasterKey::from_bytes(&[7; 32]));
    builder = match urls {
        [] => builder.sqlite(Path::new(folder).join("keyward.db")),
        [postgres, redis @ ..] => {
            builder.data_folder(folder).postgres(PostgresOptions::new(postgres)).redis(redis)
        }
    };
    let keyward = builder.open().await.expect("a Keyward");
    let (counted, keyed) = (keyward.clone(), keyward.clone());
    let identity = identity();
    let refreshed = constant(REFRESH_ANSWER);
    let router = keyward
        .router()
        .route("/constant", get(constant(SESSION_ANSWER)))
        .route("/constant", post(move |_: String| refreshed()))
        .route("/constant-identity", get(move || std::future::ready((identity.clone(), ()))))
        .route("/service-key", get(move || async move { service_key(&keyed).await }))
        .route("/reads", get(move || async move { counted.store_reads().to_string() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    let (closed, stop) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_line(&mut String::new());
        drop(closed);
    });
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal");
    let shutdown = async move {
        tokio::select! {
            _ = stop => {}
            _ = terminate.recv() => {}
        }
    };
    keyward.serve(listener, router, shutdown, Duration::from_secs(1)).await;
    keyward.close().await.expect("closed");
}

/// What a server answers that knows nobody, in so many bytes: as long as Keyward's own answer, so
/// that the network and the client work as much for it.
fn constant(
    length: usize,
) -> impl Fn() -> std::future::Ready<([(&'static str, &'static str); 1], Bytes)> + Clone {
    const AROUND: usize = r#"{"message":""}"#.len();
    let answer = Bytes::from(format!(r#"{{"message":"{}"}}"#, "x".repeat(length - AROUND)));
    move || std::future::ready(([("content-type", "application/json")], answer.clone()))
}

/// A key to listen by.
async fn service_key(keyward: &Keyward) -> String {
    let made = keyward.create_service_key("bench", &["revocations".to_owned()], &Client::operator()).await;
    made.expect("made").key.to_string()
}

/// The headers that `verify` answers, whoever asks.
fn identity() -> HeaderMap {
    let id = "019a9f5e-7c1b-7d3e-9a54-0d5b1c2e3f40".to_owned();
    let values = [
        ("x-auth-user-id", id.clone()),
        ("x-auth-session-id", id),
        ("x-auth-email", "chain10-100000@example.com".to_owned()),
        ("x-auth-email-verified", "false".to_owned()),
        ("x-auth-phone-number", String::new()),
        ("x-auth-roles", "user".to_owned()),
        ("x-auth-permissions", String::new()),
        ("x-auth-assertion", "x".repeat(ASSERTION)),
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("x-request-id", "5f0c1e2d3b4a5968-1a000".to_owned()),
    ];
    values
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")))
        .collect()
}
