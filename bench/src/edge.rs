//! How fast is a proxy answered, and how soon does everybody hear of a logout?

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::load::{self, Chain, Connection, Load};
use crate::place::{Place, Store};
use crate::report::Report;
use crate::server::{Server, Setup};
use crate::{CONNECTIONS, RUN};

/// How many listen.
const LISTENERS: usize = 1_000;
/// How many accesses there may be more in one time than in another as long: once a minute what was
/// noted of each session is written, and now and then something is swept.
const NOTES: u64 = CONNECTIONS as u64 * 6;
/// How many sign out, one after the other.
const LOGOUTS: usize = 40;

/// `verify` beside a route that answers the same headers whoever asks.
pub(crate) async fn verify(store: Store, algorithm: &str, report: &mut Report) {
    let place = Place::of(store);
    let server = Server::start(&Setup { algorithm, ..place.setup() }).await;
    let mut chains = Vec::new();
    for i in 0..CONNECTIONS {
        chains.push(Chain::open(server.port, i).await);
    }
    let asked = |path: &str| chains.iter().map(|c| load::get(path, &c.cookies())).collect::<Vec<_>>();
    let constant = Load::each(server.port, asked("/constant-identity")).run(CONNECTIONS, RUN).await;
    // Polls, flushes and sweeps are the node's own: as many as where nobody asks.
    let before = accesses(&server, &place).await;
    tokio::time::sleep(RUN * 7 / 6).await;
    let between = accesses(&server, &place).await;
    let verify = Load::each(server.port, asked("/api/auth/verify?role=user")).run(CONNECTIONS, RUN).await;
    let (idle, busy) = (between - before, accesses(&server, &place).await - between);
    let what = format!("verify, {algorithm}{}", store.over());
    report.ratio(&what, &verify, "the constant route", constant.per_second(), 0.60);
    report.line(&format!(
        "p99 of {what} is {:.2} times that of the constant route ({:.2} ms)",
        verify.percentile(99.0) / constant.percentile(99.0),
        constant.percentile(99.0)
    ));
    report.at_most(&format!("p99 of {what}"), verify.percentile(99.0), 5.0, "ms");
    report.line(&format!(
        "{} answers of {what}: {busy} accesses to the store, {idle} in the same time before",
        verify.answers
    ));
    let more = busy.saturating_sub(idle + NOTES);
    report.at_most(&format!("accesses to the store by {what}"), more as f64, 0.0, "accesses");
    server.stop().await;
}

/// How often the store was asked: as the node counts it, and as Postgres and Redis do.
async fn accesses(server: &Server, place: &Place) -> u64 {
    server.store_reads().await + place.asked()
}

/// Many who listen: their memory, and the time from the answer of a logout to the last of them.
pub(crate) async fn feed(listeners: usize, report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&Setup::new(folder.path())).await;
    let mut connection = Connection::open(server.port).await;
    let key = String::from_utf8_lossy(connection.ask(&load::get("/service-key", "")).await.1).into_owned();
    let mut chains = Vec::new();
    for i in 0..LOGOUTS {
        chains.push(Chain::open(server.port, i).await);
    }
    let before = server.resident_kib();
    let (heard, mut hears) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for _ in 0..listeners {
        tasks.push(tokio::spawn(listen(server.port, key.clone(), heard.clone())));
    }
    for _ in 0..listeners {
        assert_eq!(hears.recv().await.expect("a listener").0, Heard::Ready);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let each = server.resident_kib().saturating_sub(before) as f64 / listeners as f64;
    report.at_most(&format!("memory for each of {listeners} listeners"), each, 64.0, "KiB");

    let (mut first, mut last) = (Vec::new(), Vec::new());
    for chain in &chains {
        let (status, _) = connection.ask(&chain.logout()).await;
        let answered = Instant::now();
        assert_eq!(status, 200, "signed out");
        let mut moments = Vec::with_capacity(listeners);
        while moments.len() < listeners {
            let (what, at) = hears.recv().await.expect("a listener");
            assert_eq!(what, Heard::Change);
            moments.push(at.saturating_duration_since(answered));
        }
        first.push(*moments.iter().min().expect("some"));
        last.push(*moments.iter().max().expect("some"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let percentile = |mut all: Vec<Duration>, percent: usize| {
        all.sort_unstable();
        all[(all.len() * percent / 100).min(all.len() - 1)].as_secs_f64() * 1_000.0
    };
    report.line(&format!(
        "from the answer of a logout to its event, p99 of {LOGOUTS}: at the first listener {:.1} ms, at the last {:.1} ms (p50 {:.1} ms)",
        percentile(first, 99),
        percentile(last.clone(), 99),
        percentile(last.clone(), 50)
    ));
    report.at_most("p99 from a logout to the last listener", percentile(last, 99), 100.0, "ms");
    for task in tasks {
        task.abort();
    }
    server.stop().await;
}

/// How many are to listen: as said, or as many as there should be.
pub(crate) fn listeners(said: Option<&String>) -> usize {
    said.map_or(LISTENERS, |count| count.parse().expect("how many listeners"))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Heard {
    Ready,
    Change,
}

/// Listens, and says when it heard what.
async fn listen(port: u16, key: String, heard: mpsc::UnboundedSender<(Heard, Instant)>) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await;
    let mut stream = stream.expect("a connection (each listener needs a file: ulimit -n 4096)");
    let head = format!(
        "GET /api/auth/revocations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("asked");
    let (mut text, mut buffer) = (String::new(), [0; 2_048]);
    let mut is_ready = false;
    loop {
        let read = stream.read(&mut buffer).await.expect("an event");
        assert!(read > 0, "the server hung up: {text}");
        let at = Instant::now();
        text.push_str(std::str::from_utf8(&buffer[..read]).expect("text"));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let what = match event {
                event if event.contains("event: ready") => Some(Heard::Ready),
                event if is_ready && event.contains("event: revocation") => Some(Heard::Change),
                _ => None,
            };
            is_ready |= what == Some(Heard::Ready);
            let gone = what.is_some_and(|what| heard.send((what, at)).is_err());
            text = rest.to_owned();
            if gone {
                return;
            }
        }
    }
}
