//! Is a connection that is no good any more given up, and a better one found?

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use keyward_core::session::Verdict;
use keyward_core::time::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Apart;
use super::failover::{Crowd, Told};
use super::play::Client;
use super::server::{Cluster, Server};
use crate::store::Store;
use crate::store::contract::Place as _;

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Longer than any of it takes, and far shorter than a system takes to give a connection up.
const SOON: Duration = Duration::from_secs(20);

/// An address behind which the server may change.
struct Address {
    port: u16,
    to: Arc<AtomicU16>,
    /// Connections of before it rose carry nothing any more, and stay open.
    frozen: watch::Sender<u64>,
}

impl Address {
    async fn of(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let to = Arc::new(AtomicU16::new(server.port));
        let frozen = watch::Sender::new(0);
        let (target, freezes) = (Arc::clone(&to), frozen.subscribe());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", target.load(Ordering::SeqCst))).await;
                let (near, far) = (near.into_split(), far.expect("it listens").into_split());
                tokio::spawn(carry(near.0, far.1, freezes.clone()));
                tokio::spawn(carry(far.0, near.1, freezes.clone()));
            }
        });
        Self { port, to, frozen }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on it leads to that one; connections that are there stay.
    fn leads_to(&self, server: &Server) {
        self.to.store(server.port, Ordering::SeqCst);
    }

    /// What is connected now hears nothing any more, as after a machine lost its power.
    fn freeze(&self) {
        self.frozen.send_modify(|times| *times += 1);
    }
}

async fn carry(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    mut freezes: watch::Receiver<u64>,
) {
    freezes.mark_unchanged();
    let mut some = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            biased;
            // Both ends stay open for as long as the test runs.
            Ok(()) = freezes.changed() => std::future::pending().await,
            read = from.read(&mut some) => read,
        };
        let Ok(read @ 1..) = read else { return };
        if to.write_all(&some[..read]).await.is_err() {
            return;
        }
    }
}

/// Makes it a replica of that one, which has all that that one has.
async fn follow(server: &Server, primary: &Server) {
    server.ask::<()>(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(primary.port)).await;
    let told = async || server.ask::<String>(redis::cmd("INFO").arg("replication")).await;
    while !told().await.contains("master_link_status:up") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Presents until it is answered.
async fn present_soon(client: &mut Client, store: &dyn Store, now: Timestamp) -> Verdict {
    let began = Instant::now();
    loop {
        match client.present(store, now).await {
            Ok(verdict) => return verdict,
            Err(fault) => assert!(began.elapsed() < SOON, "still: {fault}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_connection_that_went_silent_is_given_up() {
    let server = Server::start(&[]);
    let address = Address::of(&server).await;
    let place = Apart::new(vec![address.url()], WEEK);
    let store = place.open().await;
    let mut client = Client::sign_up(&*store).await;
    let mut now = Timestamp::from_seconds(2_000);
    for _ in 0..3 {
        assert!(matches!(client.present(&*store, now).await, Ok(Verdict::Rotate { .. })));
        address.freeze();
        now = now.after(Duration::from_secs(60));
        let verdict = present_soon(&mut client, &*store, now).await;
        assert!(matches!(verdict, Verdict::Rotate { .. }), "{verdict:?}");
        now = now.after(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_primary_that_became_a_replica_is_left_for_the_one_in_its_place() {
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    let address = Address::of(&first).await;
    let place = Apart::new(vec![address.url()], WEEK);
    let store = place.open().await;
    let mut client = Client::sign_up(&*store).await;
    let now = Timestamp::from_seconds(2_000);
    assert!(matches!(client.present(&*store, now).await, Ok(Verdict::Rotate { .. })));
    follow(&second, &first).await;
    second.ask::<()>(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await;
    address.leads_to(&second);
    follow(&first, &second).await;
    let verdict = present_soon(&mut client, &*store, now.after(Duration::from_secs(60))).await;
    assert!(matches!(verdict, Verdict::Rotate { .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_node_that_takes_no_writes_is_told() {
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    follow(&second, &first).await;
    let place = Apart::new(vec![second.url()], WEEK);
    let store = place.open().await;
    let takes_writes = async || store.ping_apart().expect("there is a Redis").await.is_ok();
    assert!(!takes_writes().await);
    second.ask::<()>(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await;
    let began = Instant::now();
    while !takes_writes().await {
        assert!(began.elapsed() < SOON, "it does now");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_hangs_and_its_replica_takes_over() {
    let cluster = Cluster::start(3, 1);
    let place = Apart::new(cluster.urls(), WEEK);
    let mut crowd = Crowd::of(24, place.open().await).await;
    let mut told = Told::default();
    assert!(crowd.refresh(&mut told).await, "all is well: {told:?}");
    cluster.0[1].stop();
    let began = Instant::now();
    while !crowd.refresh(&mut told).await {
        assert!(began.elapsed() < SOON, "it comes back by itself: {told:?}");
    }
    assert!(told.unavailable > 0, "a third of the sessions was there");
    for _ in 0..20 {
        assert!(crowd.refresh(&mut told).await, "all is well again: {told:?}");
    }
}
