//! What is left of sessions when the process is killed, at any moment, two hundred times?
//!
//! A few clients sign up, sign in, refresh, sometimes twice at once, and sign out, over sockets, until
//! the process is killed. It is started again over the same file and asked on behalf of each client,
//! which knows what it was answered and nothing else: nobody is signed out who was not, nothing that
//! has ended lives, and no generation is handed out twice.

mod client;
mod dice;

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use self::client::{Asked, Client};
use self::dice::Dice;
use crate::support::{Home, Server};

const KILLS: u64 = 200;
const CLIENTS: usize = 6;
const SEED: u64 = 0x6b65_7977_6172_6421;
/// The rotation window, in seconds.
const WINDOW: u64 = 30;

#[test]
fn two_hundred_kills_sign_nobody_out_and_bring_nobody_back() {
    let mut world = World::new();
    for kill in 0..KILLS {
        if kill.is_multiple_of(10) {
            world.dies_at_its_start();
        }
        let server = world.starts_and_is_asked();
        world.storm(server);
    }
    world.starts_and_is_asked().stop();
    world.count();
}

struct World {
    home: Home,
    /// How far the clock of the process is ahead, in seconds.
    ahead: u64,
    clients: Vec<Client>,
    dice: Dice,
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        let clock = home.path("clock");
        let home = home
            .with_clock(&clock)
            // The same at each start, wherever it listens.
            .with("SERVER__PUBLIC_URL", "http://127.0.0.1:8080")
            .with("SESSIONS__ROTATION_WINDOW", &format!("{WINDOW}s"))
            .with("RATE_LIMITS__SIGNUP", "off")
            .with("RATE_LIMITS__REFRESH", "off")
            .with("LOG__LEVEL", "error");
        let clients = (0..CLIENTS).map(Client::new).collect();
        let mut world = Self { home, ahead: 0, clients, dice: Dice(SEED) };
        world.pass(0);
        world
    }

    /// Lets so many seconds pass for the process.
    fn pass(&mut self, seconds: u64) {
        self.ahead += seconds;
        let aside = self.home.path("clock.new");
        std::fs::write(&aside, format!("+{}s", self.ahead)).expect("written");
        // Renamed: whoever looks meanwhile finds one of both.
        std::fs::rename(aside, self.home.path("clock")).expect("renamed");
    }

    /// Kills it while it opens the file, or makes it.
    fn dies_at_its_start(&mut self) {
        let mut child = self.home.command(&["serve"]).stdout(Stdio::null()).spawn().expect("it runs");
        let (_nobody, tells) = channel::<()>();
        let moment = Duration::from_micros(self.dice.below(100_000));
        assert_eq!(tells.recv_timeout(moment), Err(RecvTimeoutError::Timeout));
        child.kill().expect("it runs until it is killed");
        let log = child.wait_with_output().expect("it ends").stderr;
        assert_eq!(String::from_utf8_lossy(&log), "");
    }

    /// Starts it when every answer that was under way has settled, and asks as the clients would.
    fn starts_and_is_asked(&mut self) -> Server {
        self.pass(2 * WINDOW);
        let server = Server::start(&self.home);
        let open = self.open_sessions();
        for client in &mut self.clients {
            assert!(client.ended().all(|session| !open.contains(&session)), "{client:?} left one that lives");
            client.is_as_it_was(server.address(), Dice(self.dice.next()));
        }
        self.pass(2 * WINDOW);
        server
    }

    /// Rounds until it is killed. In each, every client asks one thing, all of them at once; between
    /// two rounds time passes, so that no message is ever under way for long.
    fn storm(&mut self, server: Server) {
        let answers = usize::try_from(self.dice.below(60)).expect("small");
        let further = Duration::from_micros(self.dice.below(3_000));
        let address = server.address().to_owned();
        let (tell, told) = channel();
        let killed = AtomicBool::new(false);
        thread::scope(|scope| {
            let (dies, tells) = (&killed, tell);
            let killer = scope.spawn(move || {
                let _ = told.iter().take(answers).count();
                let _ = told.recv_timeout(further);
                dies.store(true, Ordering::SeqCst);
                server.kill()
            });
            while self.round(&Asked { address: &address, tell: &tells }) {
                let windows = self.dice.below(4);
                self.pass(WINDOW * windows / 2);
            }
            assert!(killed.load(Ordering::SeqCst), "an answer was lost while it ran");
            drop(tells);
            assert_eq!(killer.join().expect("no panic"), "", "it logs nothing");
        });
    }

    /// Whether all were answered.
    fn round(&mut self, server: &Asked<'_>) -> bool {
        thread::scope(|scope| {
            let mut acts = Vec::new();
            for client in &mut self.clients {
                let dice = Dice(self.dice.next());
                acts.push(scope.spawn(move || client.act(server, dice)));
            }
            acts.into_iter().all(|act| act.join().expect("no panic").is_ok())
        })
    }

    fn file(&self) -> PathBuf {
        self.home.path("keyward-data/keyward.db")
    }

    fn database(&self) -> Connection {
        Connection::open_with_flags(self.file(), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database")
    }

    fn open_sessions(&self) -> HashSet<String> {
        let database = self.database();
        let sql = "SELECT lower(hex(id)) FROM session WHERE ended_at IS NULL";
        let mut open = database.prepare(sql).expect("a query");
        let open = open.query_map([], |row| row.get(0)).expect("readable");
        open.collect::<Result<_, _>>().expect("readable")
    }

    /// What rests in the file after all that, counted by another hand.
    fn count(&self) {
        let database = self.database();
        let number = |sql: &str| {
            let number: isize = database.query_row(sql, [], |row| row.get(0)).expect("readable");
            usize::try_from(number).expect("a count")
        };
        let integrity: String =
            database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("readable");
        assert_eq!(integrity, "ok");
        assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        let accounts = number("SELECT count(*) FROM account");
        assert!(accounts <= CLIENTS, "{accounts}");
        // One row a session and life, with the event of its opening and of its end, however often
        // it was refreshed.
        let opened = number("SELECT count(*) FROM session");
        let openings = "SELECT count(DISTINCT session_id) FROM event WHERE type IN ('login', 'signup')";
        assert_eq!(number(openings), opened);
        let ended = number("SELECT count(*) FROM session WHERE ended_at IS NOT NULL");
        let ends = "SELECT count(*) FROM event WHERE type IN ('logout', 'refresh_reused')";
        assert_eq!(number(ends), ended);
        let told: usize = self.clients.iter().map(|client| client.ended().count()).sum();
        assert!(ended >= told && told > 20, "{ended} {told}");
        let handed_out: HashSet<_> = self.clients.iter().flat_map(Client::handed_out).collect();
        let each: usize = self.clients.iter().map(|client| client.handed_out().count()).sum();
        assert_eq!(handed_out.len(), each, "nobody was given another's");
        assert!(each > 3 * opened, "{each} {opened}");
        // The kills did fall between a write and its answer.
        let forgiven = number("SELECT count(*) FROM event WHERE type = 'refresh_forgiven'");
        assert!(forgiven > 20, "{forgiven}");
    }
}
