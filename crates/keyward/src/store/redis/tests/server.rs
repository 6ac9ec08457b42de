//! Real Redis servers, alone and in clusters, that end with this process however it ends.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};

/// Below what the system hands out by itself, and so that the bus has room above.
const PORTS: std::ops::Range<u16> = 21_000..31_000;
const SLOTS: u16 = 16_384;
/// Where it saves what it knows.
const SAVED: &str = "dump.rdb";

/// A server of Redis on a free port of this machine.
pub(in crate::store::redis) struct Server {
    pub(in crate::store::redis) port: u16,
    process: u32,
    /// Ends it when it is closed, be it because this process was killed.
    lifeline: Option<ChildStdin>,
    shell: Child,
    /// The shell takes it away with the server.
    folder: PathBuf,
    /// What was saved last when it ended.
    saved: Option<Vec<u8>>,
}

/// A cluster of Redis.
pub(in crate::store::redis) struct Cluster(pub(in crate::store::redis) Vec<Server>);

/// A server that every test may use; each has keys of its own there.
pub(in crate::store::redis) fn one() -> &'static Server {
    static ONE: LazyLock<Server> = LazyLock::new(|| Server::start(&[]));
    &ONE
}

/// A cluster of three nodes that every test may use.
pub(in crate::store::redis) fn cluster() -> &'static Cluster {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(3, 0));
    &CLUSTER
}

impl Server {
    /// Starts one with these arguments, in a folder of its own.
    pub(in crate::store::redis) fn start(arguments: &[&str]) -> Self {
        for _ in 0..20 {
            let port = free_port();
            if let Some(server) = Self::start_on(port, arguments, folder()) {
                return server;
            }
        }
        panic!("redis-server does not start: is it installed (scripts/test does that)?");
    }

    fn start_on(port: u16, arguments: &[&str], folder: PathBuf) -> Option<Self> {
        // The shell outlives this process by the moment that it takes to end the server.
        const SCRIPT: &str = "cd \"$1\"; shift; redis-server \"$@\" </dev/null & \
             exec >/dev/null; read -r _; kill -9 $!; wait $!; rm -r \"$PWD\"";
        let (bus, at) = ((port + 10_000).to_string(), port.to_string());
        let own = ["--port", &at, "--cluster-port", &bus, "--bind", "127.0.0.1", "--save", ""];
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&folder)
            .args(own)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let lifeline = shell.stdin.take();
        let told = BufReader::new(shell.stdout.take().expect("piped"));
        // The rest of what it tells must go somewhere, or it would wait for somebody to read it.
        let mut lines = told.lines().map_while(Result::ok);
        // Each line begins with the number of the process.
        let ready = lines.find(|line| line.contains("Ready to accept connections"));
        let process: Option<u32> = ready.and_then(|line| line.split_once(':')?.0.parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        // Dropped, its shell is ended, server or no.
        let started = Self { port, process: process.unwrap_or(0), lifeline, shell, folder, saved: None };
        process.is_some().then_some(started)
    }

    pub(in crate::store::redis) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks it alone.
    pub(in crate::store::redis) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query_async(&mut self.connection().await).await.expect("it answers")
    }

    pub(in crate::store::redis) async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a url");
        client.get_multiplexed_async_connection().await.expect("it answers")
    }

    /// Takes away every key that begins so, as if Redis had lost them.
    pub(in crate::store::redis) async fn forget(&self, prefix: &str) {
        let keys: Vec<String> = self.ask(redis::cmd("KEYS").arg(format!("{prefix}*"))).await;
        self.ask::<()>(&redis::Cmd::del(keys)).await;
    }

    /// How many bytes a key takes.
    pub(in crate::store::redis) async fn memory(&self, key: &str) -> usize {
        self.ask(redis::cmd("MEMORY").arg("USAGE").arg(key)).await
    }

    /// Ends it at once, and starts it with what it saved last.
    pub(in crate::store::redis) fn back_to_what_was_saved(mut self) -> Self {
        self.kill();
        let folder = folder();
        fs::write(folder.join(SAVED), self.saved.take().expect("it saved")).expect("a file");
        Self::start_on(self.port, &[], folder).expect("its port is its own")
    }

    /// Lets it answer nothing, while its connections stay.
    pub(in crate::store::redis) fn stop(&self) {
        self.signal("STOP");
    }

    pub(in crate::store::redis) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.process)]).status();
        assert!(sent.expect("there is a shell").success());
    }

    /// Ends it at once, as a machine that loses power.
    pub(in crate::store::redis) fn kill(&mut self) {
        self.saved = self.saved.take().or_else(|| fs::read(self.folder.join(SAVED)).ok());
        drop(self.lifeline.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn folder() -> PathBuf {
    tempfile::tempdir().expect("a folder").keep()
}

/// A port that nobody has, with its bus above.
pub(in crate::store::redis) fn free_port() -> u16 {
    static USED: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let port = PORTS.start + u16::from_be_bytes(crate::clock::random()) % (PORTS.end - PORTS.start);
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port)
            && is_free(port + 10_000)
            && USED.lock().unwrap_or_else(PoisonError::into_inner).insert(port)
        {
            return port;
        }
    }
}

impl Cluster {
    /// Starts one of so many primaries, each with so many replicas.
    pub(in crate::store::redis) fn start(primaries: u16, replicas: u16) -> Self {
        // A replica is of use once it has followed its primary, which begins at once here.
        const SETTINGS: [&str; 6] =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"];
        let servers = (0..primaries * (1 + replicas)).map(|_| Server::start(&SETTINGS));
        let cluster = Self(servers.collect());
        // Its own runtime on its own thread: a test's can't wait in place.
        let founded = std::thread::scope(|scope| {
            let run = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(cluster.found(primaries));
            };
            scope.spawn(run).join()
        });
        founded.expect("it is founded");
        cluster
    }

    pub(in crate::store::redis) fn urls(&self) -> Vec<String> {
        self.0.iter().map(Server::url).collect()
    }

    async fn found(&self, primaries: u16) {
        let (leaders, others) = self.0.split_at(usize::from(primaries));
        for (n, leader) in (0..).zip(leaders) {
            let (from, to) = (SLOTS / primaries * n, SLOTS / primaries * (n + 1));
            let to = if n + 1 == primaries { SLOTS } else { to };
            leader.cluster::<()>(&["ADDSLOTSRANGE", &from.to_string(), &(to - 1).to_string()]).await;
            leader.cluster::<()>(&["SET-CONFIG-EPOCH", &(n + 1).to_string()]).await;
        }
        for server in &self.0[1..] {
            let port = self.0[0].port;
            let bus = (port + 10_000).to_string();
            server.cluster::<()>(&["MEET", "127.0.0.1", &port.to_string(), &bus]).await;
        }
        self.until(|told| told.contains(&format!("cluster_known_nodes:{}", self.0.len()))).await;
        for (n, replica) in others.iter().enumerate() {
            let leader: String = leaders[n % leaders.len()].cluster(&["MYID"]).await;
            replica.cluster::<()>(&["REPLICATE", &leader]).await;
        }
        self.until(|told| told.contains("cluster_state:ok")).await;
        for replica in others {
            let follows = async || replica.ask::<String>(redis::cmd("INFO").arg("replication")).await;
            while !follows().await.contains("master_link_status:up") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits until every node tells so of the cluster.
    pub(in crate::store::redis) async fn until(&self, so: impl Fn(&str) -> bool) {
        for server in &self.0 {
            while !so(&server.cluster::<String>(&["INFO"]).await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

impl Server {
    /// Asks it about its cluster.
    pub(in crate::store::redis) async fn cluster<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.ask(redis::cmd("CLUSTER").arg(words)).await
    }
}
