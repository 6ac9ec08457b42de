//! What is left of sessions when the process is killed, at any moment, two hundred times?
//!
//! A child (this binary, run again) lets a few clients sign up, refresh, sometimes twice at once,
//! and sign out over the library's router, and tells every answer before it goes on. The parent
//! kills it, opens the same file and asks on behalf of each client, which knows what was told and
//! nothing else: nobody is signed out who was not, nothing that has ended lives, and no generation
//! is handed out twice.

mod crash {
    pub(crate) mod child;
    pub(crate) mod dice;
    pub(crate) mod told;
}

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use axum::Router;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crash::child::{self, WINDOW, ask, open};
use crash::dice::Dice;
use crash::told::{Client, generation};

const KILLS: u64 = 200;
const CLIENTS: usize = 6;
const SEED: u64 = 0x6b65_7977_6172_6421;

/// The child's part; in an ordinary run of the tests there is nothing to do here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm() {
    if let Ok(file) = std::env::var(child::FILE) {
        child::storm(Path::new(&file)).await;
    }
}

/// What is known of everything that was ever answered.
struct Known {
    now: i64,
    clients: Vec<Client>,
    /// Every session and generation that was handed out.
    handed_out: HashSet<(String, u64)>,
    /// What has ended: the session, its last refresh token and its last access token.
    ended: Vec<(String, String, String)>,
    dice: Dice,
}

#[tokio::test]
async fn two_hundred_kills_sign_nobody_out_and_bring_nobody_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keyward.db");
    let mut known = Known {
        now: 1_795_000_000_000_000,
        clients: (0..CLIENTS).map(Client::new).collect(),
        handed_out: HashSet::new(),
        ended: Vec::new(),
        dice: Dice(SEED),
    };
    for kill in 0..KILLS {
        known.storm(&file, kill);
        known.settle();
        known.question(&file, kill).await;
        known.settle();
    }
    known.count(&file);
}

impl Known {
    /// Runs the child until it is killed, and takes in what it told.
    fn storm(&mut self, file: &Path, kill: u64) {
        // A few die while they open the file, or make it.
        let answers = if kill.is_multiple_of(10) { 0 } else { self.dice.below(60) };
        let further = Duration::from_micros(self.dice.below(if answers == 0 { 60_000 } else { 3_000 }));
        let state = json!({
            "now": self.now,
            "seed": self.dice.next(),
            "clients": self.clients.iter().map(Client::state).collect::<Vec<_>>(),
        });
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "storm", "--nocapture", "--test-threads=1"])
            .env(child::FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        child.stdin.take().expect("piped").write_all(state.to_string().as_bytes()).expect("it listens");
        let (tell, told) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let listener = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let told = line.strip_prefix(child::TOLD).map(str::to_owned);
                // What else it says is why it failed.
                if tell.send(told.ok_or(line)).is_err() {
                    return;
                }
            }
        });
        let mut lines = Vec::new();
        lines.extend((0..answers).map_while(|_| told.recv().ok()));
        lines.extend(told.recv_timeout(further));
        child.kill().expect("it runs until it is killed");
        child.wait().expect("it ends");
        // Whatever reached the pipe was told.
        lines.extend(told.iter());
        listener.join().expect("it ends with the pipe");
        for line in lines {
            match line {
                Ok(told) => self.take_in(&serde_json::from_str(&told).expect("whole lines")),
                Err(said) => assert!(!said.contains("panicked"), "kill {kill}: {said}"),
            }
        }
    }

    fn take_in(&mut self, told: &Value) {
        if let Some(now) = told["now"].as_i64() {
            self.now = now;
            return;
        }
        let client = usize::try_from(told["client"].as_u64().expect("whose")).expect("small");
        if let Some(asks) = told["asks"].as_str() {
            self.clients[client].asks_to_sign_out = asks == "logout";
            return;
        }
        self.answered(client, told["op"].as_str().expect("what"), told["status"].as_u64(), &told["body"]);
    }

    /// What an answer proves.
    fn answered(&mut self, client: usize, op: &str, status: Option<u64>, body: &Value) {
        let code = body["code"].as_str().unwrap_or_default();
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        match (op, status.unwrap_or_default(), code) {
            ("signup", 201, _) | ("login", 200, _) => {
                self.hand_out(&text("session_id"), &text("refresh_token"));
                self.clients[client].signed_in(text("session_id"), text("refresh_token"), text("token"));
            }
            // An earlier one was written before the kill, and its answer lost.
            ("signup", 409, "email_taken") => self.clients[client].has_account = true,
            ("refresh", 200, _) => {
                if body["rotated"] == json!(true) {
                    self.hand_out(&text("session_id"), &text("refresh_token"));
                }
                self.clients[client].refreshed(&text("session_id"), text("refresh_token"), text("token"));
            }
            // Two at once after a lost answer: one of them has to wait.
            ("refresh", 503, "refresh_pending") => {}
            ("session", 200, _) | ("session", 401, "token_expired") => {}
            ("logout", 200, _) => self.ended.extend(self.clients[client].signed_out()),
            other => panic!("client {client} is answered {other:?}: {body}\n{:?}", self.clients[client]),
        }
    }

    fn hand_out(&mut self, session: &str, token: &str) {
        let generation = generation(token, session);
        let fresh = self.handed_out.insert((session.to_owned(), generation));
        assert!(fresh, "generation {generation} of {session} was handed out twice");
    }

    /// Lets every answer that was under way be settled.
    fn settle(&mut self) {
        self.now += i64::try_from(2 * WINDOW.as_micros()).expect("short");
    }

    /// Asks the file that is left, as the clients would.
    async fn question(&mut self, file: &Path, kill: u64) {
        let (keyward, _) = open(file, self.now).await;
        let router = keyward.app();
        let open: HashSet<String> = keyward
            .sessions(keyward::core::id::SessionId::from_bytes([0; 16]), 100_000)
            .await
            .expect("readable")
            .into_iter()
            .map(|session| session.id.to_string())
            .collect();
        for (session, ..) in &self.ended {
            assert!(!open.contains(session), "kill {kill}: {session} has ended, and lives");
        }
        for client in 0..CLIENTS {
            let Some(live) = self.clients[client].live.clone() else { continue };
            let (status, body) =
                ask(&router, "refresh", json!({ "refresh_token": live.refresh_token }), None).await;
            let may_have_ended = std::mem::take(&mut self.clients[client].asks_to_sign_out);
            if may_have_ended && body["code"] == "session_revoked" {
                self.ended.extend(self.clients[client].signed_out());
                continue;
            }
            assert_eq!(status, 200, "kill {kill}: {:?} is signed out: {body}", self.clients[client]);
            // Kept or adopted would mean that the store is behind what was answered.
            assert_eq!(body["rotated"], true, "kill {kill}: the store forgot: {body}");
            self.answered(client, "refresh", Some(200), &body);
            if self.dice.below(8) == 0 {
                self.steal(&router, client).await;
            }
        }
        // The latest ones: their access tokens have not run out by themselves.
        for (session, refresh_token, access_token) in self.ended.iter().rev().take(CLIENTS) {
            let (_, body) = ask(&router, "refresh", json!({ "refresh_token": refresh_token }), None).await;
            assert_eq!(body["code"], "session_revoked", "kill {kill}: {session}: {body}");
            let (status, body) = ask(&router, "session", Value::Null, Some(access_token)).await;
            let over =
                ["session_revoked", "token_expired"].contains(&body["code"].as_str().unwrap_or_default());
            assert!(status == 401 && over, "kill {kill}: {session}: {body}");
        }
        keyward.close().await.expect("writable");
    }

    /// A token that is long replaced is shown once more: the session ends, and stays so.
    async fn steal(&mut self, router: &Router, client: usize) {
        let Some(old) = self.clients[client].copied() else { return };
        let (_, body) = ask(router, "refresh", json!({ "refresh_token": old }), None).await;
        assert_eq!(body["code"], "refresh_token_reused", "{body}");
        self.ended.extend(self.clients[client].signed_out());
    }

    /// What rests in the file after all that, counted by another hand.
    fn count(&self, file: &Path) {
        let connection =
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database");
        let number = |sql: &str| {
            let number: isize = connection.query_row(sql, [], |row| row.get(0)).expect("readable");
            usize::try_from(number).expect("a count")
        };
        let integrity: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("readable");
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
        assert!(ended >= self.ended.len() && self.ended.len() > 20, "{ended} {}", self.ended.len());
        assert!(self.handed_out.len() > 3 * opened, "{} {opened}", self.handed_out.len());
        // The kills did fall between a write and its answer.
        let forgiven = number("SELECT count(*) FROM event WHERE type = 'refresh_forgiven'");
        assert!(forgiven > 20, "{forgiven}");
    }
}
