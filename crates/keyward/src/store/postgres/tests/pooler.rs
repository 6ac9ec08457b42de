//! Does everything work through PgBouncer, where no connection remembers what was before?

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::mail::{Link, Mail};
use keyward_core::revocation::Revocation;
use keyward_core::time::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Postgres, PostgresOptions, clock, made};
use crate::store::Store;
use crate::store::contract::{Later, Place, Row};
use crate::store::servers::port::free_port;
use crate::store::servers::postgres::{Database, server};

crate::store::contract::contract!(super::super::fresh, moving);

/// A database, and the pooler before it.
struct Pooled(Database);

async fn fresh() -> Box<dyn Place> {
    Box::new(Pooled(made()))
}

impl Pooled {
    fn pooler(&self) -> String {
        format!("postgres://keyward@127.0.0.1:{}/{}", pooler().port, self.0.name)
    }

    async fn open(&self, serve: bool) -> Postgres {
        let options = PostgresOptions::new(self.pooler()).direct_url(self.0.url()).max_connections(8);
        Postgres::open(&options.patience(super::Patience::of(super::LONG)), serve, &clock())
            .await
            .expect("it opens")
    }
}

impl Place for Pooled {
    fn open(&self) -> Later<'_, Arc<dyn Store>> {
        Box::pin(async { Arc::new(Pooled::open(self, false).await) as Arc<dyn Store> })
    }

    fn trail(&self) -> Later<'_, Vec<Row>> {
        Box::pin(async { super::trail(&self.0).await.expect("it can be read") })
    }

    fn mail(&self) -> Later<'_, (Vec<Link>, Vec<Mail>)> {
        Box::pin(async { super::mail(&self.0).await.expect("it can be read") })
    }
}

struct Pooler {
    port: u16,
    /// Its standard input ends with this process, and so does it.
    _running: Child,
    _folder: TempDir,
}

/// One PgBouncer for all tests of this process. Few connections to the server for many to it: what
/// one leaves on a connection, another one finds.
fn pooler() -> &'static Pooler {
    static POOLER: OnceLock<Pooler> = OnceLock::new();
    POOLER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let server = server().url("").rsplit_once(':').and_then(|(_, port)| port.strip_suffix('/')).expect("a port").to_owned();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=keyward\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 3\nmax_client_conn = 400\nmax_db_connections = 3\nserver_idle_timeout = 5\n",
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings).expect("written");
        let script = "chmod -R a+rX \"$(dirname \"$1\")\"; \
             if [ \"$(id -u)\" = 0 ]; then as='setpriv --reuid=postgres --regid=postgres --init-groups'; fi; \
             $as /usr/sbin/pgbouncer \"$1\" </dev/null 2>&1 & exec >/dev/null; read -r _; kill $!";
        let mut running = Command::new("sh")
            .args(["-c", script, "pgbouncer"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let told = BufReader::new(running.stdout.take().expect("piped"));
        let mut lines = told.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("process up")), "PgBouncer does not start");
        // What it says further has to go somewhere, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Pooler { port, _running: running, _folder: folder }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_freezes_holds_nobody_up() {
    let place = Pooled(made());
    let store = Pooled::open(&place, false).await;
    let frozen =
        super::Endpoint::of(&place.pooler()).expect("an address").connect().await.expect("it answers");
    let (frozen, connection) = frozen;
    tokio::spawn(connection);
    let patience = super::Patience { rest: Duration::from_millis(100), ..super::Patience::default() };
    frozen.batch_execute(&patience.begin()).await.expect("begun");
    frozen
        .batch_execute("UPDATE counter SET value = value WHERE name = 'position'")
        .await
        .expect("it has what all others wait for");
    let revocation = Revocation::Key("a key".to_owned());
    let until = Timestamp::from_seconds(9);
    store.commit(Change::of([Write::Revoke { revocation, until }])).await.expect("it is told in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_addresses_are_of_one_database() {
    let (place, other) = (Pooled(made()), made());
    let refused = async |options: PostgresOptions| {
        Postgres::open(&options, false, &clock()).await.err().expect("refused").to_string()
    };
    let twice = refused(PostgresOptions::new(place.pooler()).direct_url(place.pooler())).await;
    assert!(twice.contains("a pooler answers there"), "{twice}");
    let apart = refused(PostgresOptions::new(place.pooler()).direct_url(other.url())).await;
    assert!(apart.contains(&place.0.name) && apart.contains(&other.name), "{apart}");
}

/// Nobody says that it is a pooler, and others use it, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_is_known_without_being_named() {
    let place = Pooled(server().database());
    let options = PostgresOptions::new(place.pooler()).max_connections(4);
    for _ in 0..4 {
        let store = Postgres::open(&options, true, &clock()).await.expect("it opens");
        assert!(store.listening.is_none(), "nothing would be heard");
        for name in ["one", "two"] {
            let revocation = Revocation::Key(name.to_owned());
            let until = Timestamp::from_seconds(9);
            store.commit(Change::of([Write::Revoke { revocation, until }])).await.expect("free");
        }
        store.news(0).await.expect("readable");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_past_the_pooler_may_be_closed_for_a_while() {
    let place = Pooled(made());
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let options = PostgresOptions::new(place.pooler())
        .direct_url(format!("postgres://keyward@127.0.0.1:{closed}/{}", place.0.name));
    let store = Postgres::open(&options, true, &clock()).await.expect("it opens");
    store.ping().await.expect("it answers");
    store.news(0).await.expect("it is asked through the pooler");
}

/// A pooler has few connections, and all that wants something of the database waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_is_known_whoever_waits_for_the_pooler() {
    let place = Pooled(made());
    let store = Arc::new(Pooled::open(&place, false).await);
    let holder = super::raw(&place.0).await;
    holder.batch_execute("BEGIN; LOCK TABLE mac_key").await.expect("locked");
    // More than it has.
    let mut held = JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
        held.spawn(async move { store.mac_keys().await });
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while place.0.sql(waiting) != "3\n" {}
    store.news(0).await.expect("it answers");
    assert!(held.try_join_next().is_none(), "all others wait");
    holder.batch_execute("ROLLBACK").await.expect("let go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_come_past_the_pooler() {
    let place = Pooled(made());
    let (node, other) = (Pooled::open(&place, true).await, Pooled::open(&place, false).await);
    let told = || async {
        timeout(Duration::from_secs(20), node.may_have_news()).await.expect("it is told");
    };
    told().await;
    let revocation = Revocation::Key("a key".to_owned());
    other
        .commit(Change::of([Write::Revoke { revocation, until: Timestamp::from_seconds(9) }]))
        .await
        .expect("free");
    told().await;
}
