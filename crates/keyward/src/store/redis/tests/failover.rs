//! Is nobody signed out while the nodes of a cluster change places?

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::session::Verdict;
use keyward_core::time::Timestamp;
use tokio::task::JoinSet;

use super::play::Client;
use super::server::{Cluster, Server};
use super::{Apart, server};
use crate::store::contract::Place as _;
use crate::store::redis::{Redis, record};
use crate::store::servers::port::free_port;
use crate::store::{Fault, Store};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What came of some rounds of refreshing.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) went_on: usize,
    pub(super) unavailable: usize,
}

/// Clients that refresh, all at once, a minute after the last time.
pub(super) struct Crowd {
    store: Arc<dyn Store>,
    clients: Vec<Client>,
    now: Timestamp,
}

impl Crowd {
    pub(super) async fn of(number: usize, store: Arc<dyn Store>) -> Self {
        let mut clients = Vec::new();
        for _ in 0..number {
            clients.push(Client::sign_up(&*store).await);
        }
        Self { store, clients, now: Timestamp::from_seconds(2_000) }
    }

    /// Nobody may be told anything but to go on, or to come again.
    pub(super) async fn refresh(&mut self, told: &mut Told) -> bool {
        self.now = self.now.after(Duration::from_secs(60));
        let mut asked = JoinSet::new();
        for mut client in std::mem::take(&mut self.clients) {
            let (store, now) = (Arc::clone(&self.store), self.now);
            asked.spawn(async move { (client.present(&*store, now).await, client) });
        }
        let before = told.unavailable;
        for (verdict, client) in asked.join_all().await {
            match verdict {
                Ok(Verdict::Refuse(_) | Verdict::Theft) => panic!("signed out: {verdict:?}"),
                Ok(_) => told.went_on += 1,
                Err(Fault::Unavailable(_)) => told.unavailable += 1,
                Err(fault) => panic!("{fault}"),
            }
            self.clients.push(client);
        }
        told.unavailable == before
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_dies_and_its_replica_takes_over() {
    let mut cluster = Cluster::start(3, 1);
    let place = Apart::new(cluster.urls(), WEEK);
    let mut crowd = Crowd::of(24, place.open().await).await;
    let mut told = Told::default();
    for _ in 0..20 {
        assert!(crowd.refresh(&mut told).await, "all is well: {told:?}");
    }
    cluster.0[1].kill();
    let mut rounds = 0;
    while !crowd.refresh(&mut told).await {
        rounds += 1;
        assert!(rounds < 200, "it comes back by itself: {told:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(told.unavailable > 0, "a third of the sessions was there");
    for _ in 0..20 {
        assert!(crowd.refresh(&mut told).await, "all is well again: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_while_their_sessions_are_refreshed() {
    let cluster = Cluster::start(3, 0);
    let place = Apart::patient(cluster.urls(), WEEK);
    let mut crowd = Crowd::of(12, place.open().await).await;
    let mut told = Told::default();
    crowd.refresh(&mut told).await;
    for n in 0..crowd.clients.len() {
        let key = record::key(&place.terms.prefix, crowd.clients[n].session);
        let moving = cluster.begin_to_move(cluster.slot(&key));
        crowd.refresh(&mut told).await;
        moving.move_keys();
        // Whoever is asked for it says where it is for now (ASK).
        crowd.refresh(&mut told).await;
        moving.end();
        // And here, where it is for good (MOVED).
        crowd.refresh(&mut told).await;
        crowd.refresh(&mut told).await;
    }
    assert_eq!((told.went_on, told.unavailable), (12 * 49, 0));
}

#[tokio::test]
async fn one_url_may_name_any_node_of_a_cluster() {
    let cluster = server::cluster();
    for server in &cluster.0 {
        let place = Apart::patient(vec![server.url()], WEEK);
        let mut crowd = Crowd::of(8, place.open().await).await;
        let mut told = Told::default();
        assert!(crowd.refresh(&mut told).await, "wherever their slots are");
        // Also where the first of several does not answer.
        let place = Apart::patient(vec!["redis://127.0.0.1:1".into(), server.url()], WEEK);
        Crowd::of(1, place.open().await).await;
    }
}

#[tokio::test]
async fn what_is_no_redis_or_no_cluster_is_said() {
    let refused = async |urls: &[&str]| {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        let place = Apart::new(urls, WEEK);
        let durable = place.folder.open().await;
        let redis = match Redis::over(durable, &place.urls, place.terms.clone()) {
            Ok(redis) => redis,
            Err(error) => return error.to_string(),
        };
        redis.connect().await.expect_err("it connects").to_string()
    };
    let one = server::one().url();
    let other = Server::start(&["--requirepass", "kanarienvogel"]);
    for (urls, expected) in [
        (&[][..], "redis.urls: it names no node; write redis://host:6379"),
        (&["localhost"], "redis.urls: "),
        (&["redis://127.0.0.1:1"], "Redis at 127.0.0.1:1 can't be used: "),
        (&[&one, &one], "redis.urls names several nodes, but 127.0.0.1:"),
        (&[&other.url()], "Redis at 127.0.0.1:"),
        (&[&format!("redis://:hidden@127.0.0.1:{}", other.port)], "Redis at 127.0.0.1:"),
        (&[&one.replace("redis:", "rediss:")], "Redis at 127.0.0.1:"),
    ] {
        let told = refused(urls).await;
        assert!(told.starts_with(expected), "{told}");
        assert!(!told.contains("hidden"), "{told}");
    }
    let place = Apart::new(vec![format!("redis://:kanarienvogel@127.0.0.1:{}", other.port)], WEEK);
    Crowd::of(1, place.open().await).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", &key, "-out", &certificate])
        .output();
    assert!(made.expect("there is openssl").status.success());
    let port = free_port().to_string();
    let _server = Server::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ]);
    let place = Apart::new(vec![format!("rediss://127.0.0.1:{port}")], WEEK);
    let durable = place.folder.open().await;
    let redis = Redis::over(durable, &place.urls, place.terms.clone()).expect("an address");
    let error = redis.connect().await.expect_err("it is not trusted");
    assert!(error.to_string().contains("certificate"), "{error}");
}
