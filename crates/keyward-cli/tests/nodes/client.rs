//! A client that goes on whatever happens to its requests, and counts what did.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::asking::{Told, ask, login};
use crate::support::{BOUND, EMAIL, PASSWORD, PATIENCE, pause, text, until};

/// What clients met, together.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answered: AtomicU64,
    pub(crate) rotated: AtomicU64,
    /// Sessions that were signed out of, and not accepted any more.
    pub(crate) signed_out: AtomicU64,
    /// 503: asked again.
    pub(crate) unavailable: AtomicU64,
    /// No answer: asked again.
    pub(crate) lost: AtomicU64,
    /// How long the longest answer took, in milliseconds.
    pub(crate) longest: AtomicU64,
    /// What must not be: a living session that was refused, one accepted that had ended, or any other
    /// answer.
    pub(crate) wrong: Mutex<Vec<String>>,
}

/// Clients that refresh and show their tokens until they are told to stop.
pub(crate) struct Load {
    pub(crate) counts: Arc<Counts>,
    nodes: Vec<String>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients, each signed in at one of these nodes, which they all use in turn.
    pub(crate) fn of(clients: usize, nodes: &[String]) -> Self {
        let mut load = Self {
            counts: Arc::default(),
            nodes: nodes.to_vec(),
            stop: Arc::default(),
            clients: Vec::with_capacity(clients),
        };
        for number in 0..clients {
            let mut client = load.client(number);
            client.tokens = login(&nodes[number % nodes.len()]);
            load.run(move |stop| {
                while !stop.load(Ordering::Relaxed) {
                    client.step();
                }
                client.goes_on();
            });
        }
        load
    }

    /// The same with so many who sign in and out all the while.
    pub(crate) fn with_visitors(mut self, visitors: usize) -> Self {
        for number in 0..visitors {
            let mut visitor =
                Visitor { client: self.client(number), leaving: false, over: Vec::new(), looked_at: 0 };
            self.run(move |stop| {
                while !stop.load(Ordering::Relaxed) {
                    visitor.step();
                }
                visitor.finds_all_over();
            });
        }
        self
    }

    fn client(&self, number: usize) -> Client {
        Client {
            nodes: self.nodes.clone(),
            at: number,
            tokens: Value::Null,
            counts: Arc::clone(&self.counts),
        }
    }

    fn run(&mut self, client: impl FnOnce(&AtomicBool) + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        self.clients.push(thread::spawn(move || client(&stop)));
    }

    /// How many requests were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more were answered.
    pub(crate) fn until_answered(&self, more: u64) {
        until_more("answers", more, || self.answered());
    }

    /// Waits until so many new refresh tokens more were handed out.
    pub(crate) fn until_rotated(&self, more: u64) {
        until_more("rotations", more, || self.counts.rotated.load(Ordering::Relaxed));
    }

    /// Stops them, each after it could refresh once more; nobody was signed out. Says what they met.
    pub(crate) fn end(self, what: &str) -> Arc<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().expect("a client"));
        let counts = self.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let wrong = counts.wrong.lock().expect("no panic").clone();
        eprintln!(
            "{what}: {} answered, {} of them new refresh tokens, {} signed out, {} times 503, {} without an \
             answer, {} wrong sign-outs or sign-ins; the longest answer took {} ms",
            of(&counts.answered),
            of(&counts.rotated),
            of(&counts.signed_out),
            of(&counts.unavailable),
            of(&counts.lost),
            wrong.len(),
            of(&counts.longest),
        );
        assert_eq!(wrong, Vec::<String>::new(), "{what}");
        counts
    }
}

fn until_more(what: &str, more: u64, count: impl Fn() -> u64) {
    let enough = count() + more;
    until(PATIENCE, what, || count() >= enough);
}

struct Client {
    nodes: Vec<String>,
    at: usize,
    tokens: Value,
    counts: Arc<Counts>,
}

impl Client {
    /// Refreshes at one node and shows the access token to the next.
    fn step(&mut self) {
        self.refresh();
        self.show();
        pause();
    }

    /// What was lost on the way to it is forgiven: it can still go on.
    fn goes_on(&mut self) {
        until(PATIENCE, "a session that goes on", || self.refresh());
        until(PATIENCE, "a session that is known", || self.show());
    }

    fn refresh(&mut self) -> bool {
        let body = json!({ "refresh_token": self.tokens["refresh_token"] });
        let Some(told) = self.ask("POST", "/api/auth/refresh", None, Some(&body)) else { return false };
        if told.status != 200 {
            self.wrong("refresh", &told);
            return false;
        }
        if !told.body["refresh_token"].is_null() {
            self.counts.rotated.fetch_add(1, Ordering::Relaxed);
            self.tokens["refresh_token"] = told.body["refresh_token"].clone();
        }
        self.tokens["token"] = told.body["token"].clone();
        true
    }

    fn show(&mut self) -> bool {
        let token = text(&self.tokens["token"]);
        let Some(told) = self.ask("GET", "/api/auth/session", Some(&token), None) else { return false };
        if told.status != 200 {
            self.wrong("session", &told);
        }
        told.status == 200
    }

    /// Asks the next node. `None` where it has to be asked again.
    fn ask(&mut self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Option<Told> {
        self.at += 1;
        self.ask_again(method, path, token, body)
    }

    /// Asks the same node.
    fn ask_again(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Option<Told> {
        let clock = keyward::clock::Clock::system();
        let begun = clock.monotonic();
        let told = ask(&self.nodes[self.at % self.nodes.len()], method, path, token, body);
        let took = u64::try_from((clock.monotonic() - begun).as_millis()).unwrap_or(u64::MAX);
        self.counts.longest.fetch_max(took, Ordering::Relaxed);
        let count = match &told {
            Ok(told) if told.is_to_come_again() => &self.counts.unavailable,
            Ok(_) => &self.counts.answered,
            Err(_) => &self.counts.lost,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let told = told.ok().filter(|told| !told.is_to_come_again());
        if told.is_none() {
            // As a client does: it does not ask as fast as it is refused.
            pause();
        }
        told
    }

    fn wrong(&self, what: &str, told: &Told) {
        self.counts.wrong.lock().expect("no panic").push(format!("{what}: {} {}", told.status, told.body));
    }
}

/// Somebody who signs in, goes on, and signs out, again and again.
struct Visitor {
    client: Client,
    /// Whether they asked to be signed out, and may be.
    leaving: bool,
    /// What they had when they signed out, and since when they are.
    over: Vec<(Duration, Value)>,
    looked_at: usize,
}

impl Visitor {
    fn step(&mut self) {
        if self.client.tokens.is_null() {
            self.sign_in();
        } else {
            if !self.leaving {
                self.client.step();
            }
            self.sign_out();
        }
        if !self.over.is_empty() {
            self.looked_at = (self.looked_at + 1) % self.over.len();
            self.is_over(self.looked_at);
        }
    }

    fn sign_in(&mut self) {
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        match self.client.ask("POST", "/api/auth/login", None, Some(&body)) {
            Some(told) if told.status == 200 => self.client.tokens = told.body,
            Some(told) => self.client.wrong("login", &told),
            None => {}
        }
    }

    fn sign_out(&mut self) {
        let again = std::mem::replace(&mut self.leaving, true);
        let token = text(&self.client.tokens["token"]);
        let Some(told) = self.client.ask("POST", "/api/auth/logout", Some(&token), None) else { return };
        if told.status != 200 {
            return self.client.wrong("logout", &told);
        }
        // Where it was ended it is over at once; else another node may have been the one that ended it.
        if !again
            && let Some(told) = self.client.ask_again("GET", "/api/auth/session", Some(&token), None)
            && told.verdict() != "session_revoked"
        {
            self.client.wrong("a session that ended here", &told);
        }
        self.over.push((now(), self.client.tokens.take()));
        self.leaving = false;
    }

    /// A session that ended goes on nowhere, and is known as a living one nowhere but within the
    /// bound. Whether it could be asked.
    fn is_over(&mut self, number: usize) -> bool {
        let (since, tokens) = &self.over[number];
        if now() < *since + BOUND {
            return false;
        }
        let (access, body) = (text(&tokens["token"]), json!({ "refresh_token": tokens["refresh_token"] }));
        // From memory first: the question to the store that follows would refresh that.
        let asked = [
            (1, "GET", "/api/auth/verify", Some(access.as_str()), None),
            (0, "GET", "/api/auth/session", Some(access.as_str()), None),
            (1, "POST", "/api/auth/refresh", None, Some(&body)),
        ];
        asked.into_iter().all(|(nodes_on, method, path, token, body)| {
            self.client.at += nodes_on;
            let Some(told) = self.client.ask_again(method, path, token, body) else { return false };
            if told.verdict() != "session_revoked" {
                self.client.wrong(&format!("{path} of a session that ended"), &told);
            }
            true
        })
    }

    /// Each of them, at each node.
    fn finds_all_over(&mut self) {
        for number in 0..self.over.len() {
            for _ in 0..self.client.nodes.len() {
                until(PATIENCE, "an end", || self.is_over(number));
                // The next one, as two nodes were asked.
                self.client.at += 1;
            }
            self.client.counts.signed_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn now() -> Duration {
    keyward::clock::Clock::system().monotonic()
}
