//! What do clients meet while a node or Postgres fails, and does it mend itself?

use std::sync::atomic::Ordering;
use std::time::Duration;

use keyward::clock::Clock;
use serde_json::{Value, json};

use crate::client::{GIVE_UP, Load, ask, login, verdict, verified};
use crate::node;
use crate::proxy::Proxy;
use crate::servers::{postgres, redis};
use crate::support::{EMAIL, Home, PASSWORD, PATIENCE, Server, text, until};

/// How soon a node that can't know what was revoked says so: a second after it last knew, which is
/// at most a quarter of one ago, and the rest for a machine that is busy.
const BOUND: Duration = Duration::from_millis(1_500);

pub(crate) fn took(what: impl FnOnce()) -> Duration {
    let clock = Clock::system();
    let begun = clock.monotonic();
    what();
    clock.monotonic() - begun
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
    let database = node::database();
    let [one, other] = node::two_of(|| home(&database.url()));
    let load = Load::of(8, &[one.address().to_owned(), other.address().to_owned()]).with_visitors(2);
    load.until_answered(200);
    let address = one.address().to_owned();
    one.kill();
    load.until_answered(200);
    // It comes back where it was, as systemd has it.
    let again = Server::start(&home(&database.url()).with("SERVER__LISTEN", &address));
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
        until(BOUND, "a node that can't know", || {
            verified(node.address(), &tokens["token"]) == "store_unavailable"
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
    let told = until(BOUND, "a node that says that it can't know", || {
        verified(cut_off.address(), &ada["token"]) == "store_unavailable"
    });
    // What is ended meanwhile it never takes for good, neither now nor when it hears again.
    let out = ask(well.address(), "POST", "/api/auth/logout", Some(&text(&bob["token"])), None);
    assert_eq!(out.expect("an answer").status, 200);
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
                let waited = took(|| {
                    let told = ask(address, method, path, token, body).expect("an answer");
                    assert_eq!(told.verdict(), "store_unavailable", "{path}");
                    assert!(told.retry_after, "{path}");
                });
                eprintln!("cut off, {method} {path} was told so within {waited:?}");
                // Nobody waits for a question that is given up later.
                assert!(waited < 2 * BOUND, "{path} took {waited:?}");
            })
        });
        asked.into_iter().for_each(|asked| asked.join().expect("told"));
    });
    assert_eq!(verified(cut_off.address(), &bob["token"]), "store_unavailable");
    assert_eq!(verdict(well.address(), &ada["token"]), "200", "the other one goes on");
    proxy.heal();
    let healed = until(PATIENCE, "a node that is well again", || {
        let told = verified(cut_off.address(), &bob["token"]);
        assert_ne!(told, "200", "that session is over");
        told == "session_revoked"
    });
    until(PATIENCE, "a node that knows", || verified(cut_off.address(), &ada["token"]) == "200");
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
    let login = json!({ "email": EMAIL, "password": PASSWORD });
    let longest = refused_to_a_crowd(node.address(), "/api/auth/login", &login);
    assert!(longest < GIVE_UP, "{longest:?}");
    proxy.heal();
    let healed = until(PATIENCE, "a node that is well again", || {
        let login = json!({ "email": EMAIL, "password": PASSWORD });
        ask(node.address(), "POST", "/api/auth/login", None, Some(&login))
            .is_ok_and(|told| told.status == 200)
    });
    eprintln!("of a slow store 100 at once were told within {longest:?}; it was well {healed:?} after");
    load.until_answered(200);
    load.end(what);
    node.stop();
}

/// A hundred who ask a node at once are all told to come again; how long that took at most.
pub(crate) fn refused_to_a_crowd(address: &str, path: &str, body: &Value) -> Duration {
    let ask_and_wait = || {
        let mut told = None;
        let waited = took(|| told = Some(ask(address, "POST", path, None, Some(body))));
        let told = told.expect("asked").expect("an answer in time");
        assert_eq!((told.status, told.retry_after), (503, true), "{}", told.body);
        waited
    };
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..100).map(|_| scope.spawn(ask_and_wait)).collect();
        crowd.into_iter().map(|one| one.join().expect("told")).max().unwrap_or_default()
    })
}
