//! Real Redis servers for tests, alone and in clusters: each on a free port of this machine, and
//! gone with the process, however that ends.
//!
//! Shared by path between the tests of the crates; they need nothing but Debian's `redis-server`
//! (`need_redis` in scripts/lib.sh).

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::port::{BUS, free_port};

/// Its shell outlives this process by as long as it takes to end it: its standard input ends with
/// this process.
const RUN: &str = r#"
cd "$1"; shift
redis-server "$@" </dev/null &
exec >/dev/null
read -r _
kill -9 $!
wait $!
rm -r "$PWD"
"#;
const SLOTS: u16 = 16_384;
/// Where a server saves what it knows.
const SAVED: &str = "dump.rdb";

/// A server.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    process: u32,
    /// Ends it when it is closed.
    lifeline: Option<ChildStdin>,
    shell: Child,
    /// The shell takes it away with the server.
    folder: PathBuf,
    /// What was saved last when it ended.
    saved: Option<Vec<u8>>,
    /// How many of its databases were handed out.
    databases: AtomicUsize,
}

/// The server of this process.
pub(crate) fn server() -> &'static Server {
    static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(&["--databases", "2000"]));
    &SERVER
}

impl Server {
    /// Starts one more, with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        for _ in 0..20 {
            // Somebody else may take the port before Redis does; then it ends.
            if let Some(server) = Self::on(free_port(), arguments.clone(), folder()) {
                return server;
            }
        }
        panic!("Redis does not start: see need_redis in scripts/lib.sh");
    }

    fn on(port: u16, arguments: Vec<String>, folder: PathBuf) -> Option<Self> {
        let (bus, at) = ((port + BUS).to_string(), port.to_string());
        let own = ["--port", &at, "--cluster-port", &bus, "--bind", "127.0.0.1", "--save", ""];
        let mut shell = Command::new("sh")
            .args(["-c", RUN, "redis"])
            .arg(&folder)
            .args(own)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let lifeline = shell.stdin.take();
        let mut lines = BufReader::new(shell.stdout.take().expect("piped")).lines().map_while(Result::ok);
        // Each line begins with the number of the process.
        let ready = lines.find(|line| line.contains("Ready to accept connections"));
        let process: Option<u32> = ready.and_then(|line| line.split_once(':')?.0.parse().ok());
        // What it says further has to go somewhere, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        // Dropped, its shell is ended, server or no.
        let is_started = process.is_some();
        let (process, saved, databases) = (process.unwrap_or(0), None, AtomicUsize::new(0));
        let server = Self { port, arguments, process, lifeline, shell, folder, saved, databases };
        is_started.then_some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The address of a database that nobody else of this process has.
    pub(crate) fn database(&self) -> String {
        format!("{}/{}", self.url(), self.databases.fetch_add(1, Ordering::Relaxed))
    }

    /// What it answers to this: a text, or of a list its texts.
    pub(crate) fn say(&self, command: &str) -> Vec<String> {
        self.say_in("0", command)
    }

    /// The same in the database of this number.
    pub(crate) fn say_in(&self, number: &str, command: &str) -> Vec<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it answers");
        write!(stream, "SELECT {number}\r\n{command}\r\n").expect("written");
        let mut answer = BufReader::new(stream);
        read(&mut answer).expect("it has such a database");
        let told = read(&mut answer).unwrap_or_else(|error| panic!("{command}: {error}"));
        let stream = answer.get_mut();
        // The server ends the connection: else this end would keep the port for a while.
        write!(stream, "QUIT\r\n").and_then(|()| stream.read_to_end(&mut Vec::new())).expect("it ends");
        told
    }

    /// The same where that is one text.
    pub(crate) fn text(&self, command: &str) -> String {
        self.say(command).pop().unwrap_or_default()
    }

    /// Ends it at once, and starts it with what it saved last.
    pub(crate) fn back_to_what_was_saved(mut self) -> Self {
        self.kill();
        self.start_again();
        self
    }

    /// Starts it anew where it was, with what it had saved before it was killed.
    pub(crate) fn start_again(&mut self) {
        let folder = folder();
        if let Some(saved) = self.saved.take() {
            fs::write(folder.join(SAVED), saved).expect("a file");
        }
        let databases = std::mem::take(&mut self.databases);
        *self = Self::on(self.port, self.arguments.clone(), folder).expect("its port is its own");
        self.databases = databases;
    }

    /// Lets it answer nothing, while its connections stay.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.process)]).status();
        assert!(sent.expect("a shell").success());
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.saved = self.saved.take().or_else(|| fs::read(self.folder.join(SAVED)).ok());
        drop(self.lifeline.take());
        // That it has ended by itself is just as well.
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

/// The next answer that a server sends, or how it refused.
fn read(from: &mut impl std::io::BufRead) -> Result<Vec<String>, String> {
    let broken = |error: std::io::Error| error.to_string();
    let mut line = String::new();
    from.read_line(&mut line).map_err(broken)?;
    let (kind, rest) = line.trim_end().split_at_checked(1).ok_or("no answer")?;
    let length = rest.parse::<usize>();
    match (kind, length) {
        ("$", Ok(length)) => {
            let mut text = vec![0; length + 2];
            from.read_exact(&mut text).map_err(broken)?;
            text.truncate(length);
            Ok(vec![String::from_utf8_lossy(&text).into_owned()])
        }
        ("*", Ok(length)) => {
            let each = (0..length).map(|_| read(from)).collect::<Result<Vec<_>, _>>()?;
            Ok(each.concat())
        }
        // There is none.
        ("$" | "*", Err(_)) => Ok(vec![]),
        ("-", _) => Err(rest.to_owned()),
        _ => Ok(vec![rest.to_owned()]),
    }
}

/// Servers of one cluster: first those that have slots, then those that follow them.
pub(crate) struct Cluster(pub(crate) Vec<Server>);

/// A slot on its way from one server of a cluster to another, as `redis-cli --cluster reshard` has
/// it.
pub(crate) struct Moving<'a> {
    slot: u16,
    from: &'a Server,
    to: &'a Server,
    to_id: String,
}

impl Cluster {
    /// Starts one of so many primaries, each with so many replicas.
    pub(crate) fn start(primaries: u16, replicas: u16) -> Self {
        // A replica is of use once it has followed its primary, which begins at once here.
        const SETTINGS: [&str; 5] =
            ["--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0", "--cluster-node-timeout"];
        // Who can't be replaced is not given up for being slow.
        let patience = if replicas == 0 { "60000" } else { "3000" };
        let settings = [&SETTINGS[..], &[patience]].concat();
        let servers = (0..primaries * (1 + replicas)).map(|_| Server::start(&settings));
        let cluster = Self(servers.collect());
        cluster.found(primaries);
        cluster
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.0.iter().map(Server::url).collect()
    }

    fn found(&self, primaries: u16) {
        let (leaders, others) = self.0.split_at(usize::from(primaries));
        for (n, leader) in (0..).zip(leaders) {
            let (from, to) = (SLOTS / primaries * n, SLOTS / primaries * (n + 1));
            let to = if n + 1 == primaries { SLOTS } else { to };
            leader.say(&format!("CLUSTER ADDSLOTSRANGE {from} {}", to - 1));
        }
        // No two of one epoch: a primary that gives itself another one, and dies before its replica
        // hears of it, is never followed.
        for (epoch, server) in (1..).zip(&self.0) {
            server.say(&format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
        }
        self.meet();
        for (n, replica) in others.iter().enumerate() {
            replica.say(&format!("CLUSTER REPLICATE {}", leaders[n % leaders.len()].id()));
        }
        for server in &self.0 {
            wait_until(|| server.text("CLUSTER INFO").contains("cluster_state:ok"));
        }
        for replica in others {
            wait_until(|| replica.text("INFO replication").contains("master_link_status:up"));
        }
    }

    /// Makes them known to one another.
    fn meet(&self) {
        let first = self.0[0].port;
        let knows_all = |server: &Server| {
            let known = server.text("CLUSTER NODES");
            known.lines().filter(|line| !line.contains("handshake")).count() == self.0.len()
        };
        loop {
            for server in &self.0[1..] {
                server.say(&format!("CLUSTER MEET 127.0.0.1 {first} {}", first + BUS));
            }
            // On a busy machine a server gives up one that is slow to answer, and forgets it.
            let tries = std::iter::repeat_with(|| self.0.iter().all(knows_all)).inspect(|_| breathe());
            if tries.take(150).any(|met| met) {
                return;
            }
        }
    }

    /// Which slot a key is in.
    pub(crate) fn slot(&self, key: &str) -> u16 {
        self.0[0].text(&format!("CLUSTER KEYSLOT {key}")).parse().expect("a slot")
    }

    /// The server that has this key.
    pub(crate) fn of(&self, key: &str) -> &Server {
        &self.0[self.owner(self.slot(key))]
    }

    /// Which of the servers has this slot.
    fn owner(&self, slot: u16) -> usize {
        let has = |server: &Server| {
            let told = server.text("CLUSTER NODES");
            let own = told.lines().find(|line| line.contains("myself,master")).unwrap_or_default();
            own.split(' ').skip(8).any(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                let range = from.parse::<u16>().ok().zip(to.parse::<u16>().ok());
                range.is_some_and(|(from, to)| (from..=to).contains(&slot))
            })
        };
        self.0.iter().position(has).expect("somebody has it")
    }

    /// Begins to move a slot to the next server, in a cluster without replicas.
    pub(crate) fn begin_to_move(&self, slot: u16) -> Moving<'_> {
        let owner = self.owner(slot);
        let (from, to) = (&self.0[owner], &self.0[(owner + 1) % self.0.len()]);
        let to_id = to.id();
        to.say(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", from.id()));
        from.say(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
        Moving { slot, from, to, to_id }
    }
}

impl Moving<'_> {
    /// Moves the keys that are there. Whoever is asked for one says where it is for now (`ASK`).
    pub(crate) fn move_keys(&self) {
        for key in self.from.say(&format!("CLUSTER GETKEYSINSLOT {} 100", self.slot)) {
            self.from.say(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", self.to.port));
        }
    }

    /// From now on the slot is there for good (`MOVED`).
    pub(crate) fn end(self) {
        for server in [self.to, self.from] {
            server.say(&format!("CLUSTER SETSLOT {} NODE {}", self.slot, self.to_id));
        }
    }
}

impl Server {
    fn id(&self) -> String {
        self.text("CLUSTER MYID")
    }
}

fn wait_until(so: impl Fn() -> bool) {
    while !so() {
        breathe();
    }
}

#[expect(clippy::disallowed_methods, reason = "a server is not asked as fast as it can be")]
fn breathe() {
    std::thread::sleep(Duration::from_millis(20));
}
