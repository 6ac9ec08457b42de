//! What do clients meet while a node or Postgres fails, and does it mend itself?

use std::sync::atomic::Ordering;
use std::time::Duration;

use keyward::clock::Clock;
use serde_json::{Value, json};

use crate::asking::{GIVE_UP, ask, login, sign_out, verdict, verified, verified_once};
use crate::client::Load;
use crate::node;
use crate::proxy::Proxy;
use crate::servers::{postgres, redis};
use crate::support::{EMAIL, Home, PASSWORD, PATIENCE, Server, refused_within_bound, text, until};

/// How soon a node says that it can't know: before any question to the store is given up.
const SOON: Duration = Duration::from_secs(3);

pub(crate) fn took(what: impl FnOnce()) -> Duration {
    let clock = Clock::system();
    let begun = clock.monotonic();
    what();
    clock.monotonic() - begun
}

/// How long it takes as a rule: of three times the one between, as a machine that is busy may let each
/// of them wait.
pub(crate) fn takes(mut what: impl FnMut()) -> Duration {
    let mut all = [(); 3].map(|()| took(&mut what));
    all.sort_unstable();
    all[1]
}

#[test]
fn a_node_is_killed() {
    killed("a node was killed and started again", node::home);
}

#[test]
fn a_node_over_redis_is_killed() {
    let redis = redis::Server::start(&[]);
    let home = |url: &str| node::home_with_redis(url, &[redis.url()]);
    killed("a node over Redis was killed and started again", home);
}

fn killed(what: &str, home: impl Fn(&str) -> Home) {
    let (database, address) = (node::database(), node::address());
    let there = || home(&database.url()).with("SERVER__LISTEN", &address);
    let [one, other] = [there(), home(&database.url())].map(|home| Server::start(&home));
    let load = Load::of(8, &[one.address().to_owned(), other.address().to_owned()]).with_visitors(2);
    load.until_answered(200);
    one.kill();
    load.until_answered(200);
    // It comes back where it was, as systemd has it.
    let again = Server::start(&there());
    load.until_answered(400);
    let counts = load.end(what);
    assert!(counts.lost.load(Ordering::Relaxed) > 0, "it was noticed");
    again.stop();
    other.stop();
}

#[test]
fn postgres_is_restarted() {
    restarted("Postgres was restarted, and stopped for a while", node::home);
}

#[test]
fn postgres_is_restarted_while_redis_runs() {
    let redis = redis::Server::start(&[]);
    let home = |url: &str| node::home_with_redis(url, &[redis.url()]);
    restarted("Postgres was restarted, and stopped for a while, beside Redis", home);
}

fn restarted(what: &str, home: impl Fn(&str) -> Home) {
    // A server of its own: others must not notice.
    let server: &'static postgres::Server = Box::leak(Box::new(postgres::Server::start()));
    let database = server.database();
    home(&database.url()).user(EMAIL);
    let [one, other] = node::two_of(|| home(&database.url()));
    let load = Load::of(8, &[one.address().to_owned(), other.address().to_owned()]).with_visitors(2);
    load.until_answered(200);
    server.control("stop");
    server.control("start");
    load.until_answered(400);
    let tokens = login(one.address());
    server.control("stop");
    for node in [&one, &other] {
        refused_within_bound("a node that can't know", "store_unavailable", || {
            verified_once(node.address(), &tokens["token"])
        });
    }
    server.control("start");
    load.until_answered(400);
    let counts = load.end(what);
    let met = &counts.unavailable;
    assert!(met.load(Ordering::Relaxed) > 0, "it was noticed");
    one.stop();
    other.stop();
}

#[test]
fn a_node_is_cut_off_from_the_store_and_heals() {
    cut_off("a node was cut off from its store, and healed", node::home);
}

#[test]
fn a_node_is_cut_off_from_postgres_but_not_from_redis() {
    let redis = redis::Server::start(&[]);
    let home = |url: &str| node::home_with_redis(url, &[redis.url()]);
    cut_off("a node was cut off from Postgres but not from Redis, and healed", home);
}

fn cut_off(what: &str, home: impl Fn(&str) -> Home) {
    let database = node::database();
    let proxy = Proxy::to(node::port(&database));
    let cut_off = Server::start(&home(&node::through(&proxy, &database)));
    let well = Server::start(&home(&database.url()));
    let load = Load::of(8, &[cut_off.address().to_owned(), well.address().to_owned()]).with_visitors(2);
    load.until_answered(200);
    let (ada, bob) = (login(well.address()), login(well.address()));
    proxy.cut();
    let told = refused_within_bound("a node that says that it can't know", "store_unavailable", || {
        verified_once(cut_off.address(), &ada["token"])
    });
    // What is ended meanwhile it never takes for good, neither now nor when it hears again.
    sign_out(well.address(), &bob);
    let (refresh, password) =
        (json!({ "refresh_token": ada["refresh_token"] }), json!({ "email": EMAIL, "password": PASSWORD }));
    let access = text(&ada["token"]);
    std::thread::scope(|scope| {
        let asked = [
            ("GET", "/api/auth/session", Some(access.as_str()), None),
            ("GET", "/api/auth/sessions", Some(access.as_str()), None),
            ("POST", "/api/auth/refresh", None, Some(&refresh)),
            ("POST", "/api/auth/login", None, Some(&password)),
        ]
        .map(|(method, path, token, body)| {
            let address = cut_off.address();
            scope.spawn(move || {
                let waited = takes(|| {
                    let told = ask(address, method, path, token, body).expect("an answer");
                    assert_eq!(told.verdict(), "store_unavailable", "{path}");
                    assert!(told.retry_after, "{path}");
                });
                eprintln!("cut off, {method} {path} was told so within {waited:?}");
                // Nobody waits for a question that is given up later.
                assert!(waited < SOON, "{path} took {waited:?}");
            })
        });
        asked.into_iter().for_each(|asked| asked.join().expect("told"));
    });
    assert_eq!(verified_once(cut_off.address(), &bob["token"]), "store_unavailable");
    assert_eq!(verdict(well.address(), &ada["token"]), "200", "the other one goes on");
    proxy.heal();
    let healed = until(PATIENCE, "a node that is well again", || {
        let told = verified_once(cut_off.address(), &bob["token"]);
        assert_ne!(told, "200", "that session is over");
        told == "session_revoked"
    });
    assert_eq!(verified(cut_off.address(), &ada["token"]), "200");
    eprintln!("a node that was cut off said so after {told:?}, and was well {healed:?} after it could be");
    load.until_answered(400);
    load.end(what);
    well.stop();
    cut_off.stop();
}

#[test]
fn the_store_is_slow() {
    slow("the store was slow", node::home);
}

#[test]
fn postgres_is_slow_beside_redis() {
    let redis = redis::Server::start(&[]);
    let home = |url: &str| node::home_with_redis(url, &[redis.url()]);
    slow("Postgres was slow beside Redis", home);
}

fn slow(what: &str, home: impl Fn(&str) -> Home) {
    let database = node::database();
    let proxy = Proxy::to(node::port(&database));
    let node = Server::start(&home(&node::through(&proxy, &database)));
    let load = Load::of(8, &[node.address().to_owned()]);
    load.until_answered(200);
    // Slow enough that every statement runs into its time-out, for more who ask than it has
    // connections.
    proxy.slow(Duration::from_secs(10));
    let password = json!({ "email": EMAIL, "password": PASSWORD });
    let [_, longest] = refused_to_a_crowd(node.address(), "/api/auth/login", &password);
    assert!(longest < GIVE_UP, "{longest:?}");
    proxy.heal();
    let healed = took(|| drop(login(node.address())));
    eprintln!("of a slow store 100 at once were told within {longest:?}; it was well {healed:?} after");
    load.until_answered(200);
    load.end(what);
    node.stop();
}

/// A hundred who ask a node at once are all told to come again; how long half of them waited at most, and
/// all.
pub(crate) fn refused_to_a_crowd(address: &str, path: &str, body: &Value) -> [Duration; 2] {
    let ask_and_wait = || {
        let mut told = None;
        let waited = took(|| told = Some(ask(address, "POST", path, None, Some(body))));
        let told = told.expect("asked").expect("an answer in time");
        assert!(told.is_to_come_again(), "{}: {}", told.status, told.body);
        waited
    };
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..100).map(|_| scope.spawn(ask_and_wait)).collect();
        let mut waited: Vec<_> = crowd.into_iter().map(|one| one.join().expect("told")).collect();
        waited.sort_unstable();
        [waited[49], waited[99]]
    })
}
