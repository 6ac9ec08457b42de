//! What do clients meet while Redis is turned on, and left, and nodes are started anew one by one?

use std::net::TcpListener;
use std::sync::atomic::Ordering;

use serde_json::json;

use crate::client::{BOUND, Load, ask, login, verified};
use crate::node;
use crate::servers::redis;
use crate::support::{Server, text, until};

/// How often the node logged that it answers 503 from now on, and that it serves again. The jobs whose
/// turn it was in between log what they were refused, too: how many is a matter of the clock.
fn told(node: Server) -> [usize; 2] {
    node.signal("TERM");
    let (_, _, log) = node.end();
    ["until then it answers 503", "it serves again"].map(|part| log.matches(part).count())
}

#[test]
fn redis_is_turned_on_and_left_while_nodes_run() {
    let database = node::database();
    let redis = redis::Server::start(&[]);
    let with_redis = || node::home_with_redis(&database.url(), &[redis.url()]);
    let [one, other] = node::two(&database);
    let addresses = [one.address().to_owned(), other.address().to_owned()];
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let third = free.expect("a free port").to_string();
    // Each client signs in at one that runs, and all of them ask the third, too, whether it is there or not.
    let mut asked = [&addresses[..]; 4].concat();
    asked.push(third.clone());
    let load = Load::of(8, &asked).with_visitors(2);
    load.until_answered(200);
    let (ada, bob) = (login(&addresses[0]), login(&addresses[0]));
    let refreshed = |address: &str| {
        let body = json!({ "refresh_token": ada["refresh_token"] });
        let told = ask(address, "POST", "/api/auth/refresh", None, Some(&body)).expect("an answer");
        assert!(told.status == 200 || told.retry_after, "{}", told.body);
        told.verdict()
    };

    let third = Server::start(&with_redis().with("SERVER__LISTEN", &third));
    for node in [&one, &other] {
        assert_eq!(refreshed(node.address()), "store_unavailable", "from the first moment on");
        let ready = node.get("/readyz");
        assert!(ready.status == 503 && ready.text.contains("set redis.urls"), "{}", ready.text);
        assert_eq!(verified(node.address(), &ada["token"]), "200");
    }
    let out = ask(third.address(), "POST", "/api/auth/logout", Some(&text(&bob["token"])), None);
    assert_eq!(out.expect("an answer").status, 200);
    until(BOUND, "an end at one that is out", || verified(one.address(), &bob["token"]) == "session_revoked");
    load.until_answered(200);
    // It is started anew with Redis, and serves.
    assert_eq!(told(one), [1, 0]);
    let one = Server::start(&with_redis().with("SERVER__LISTEN", &addresses[0]));
    assert_eq!(refreshed(one.address()), "200");
    load.until_answered(400);

    let home = node::home(&database.url());
    assert!(home.done(&["migrate", "--leave-redis"]).contains("restart"));
    for node in [&one, &third] {
        assert_eq!(refreshed(node.address()), "store_unavailable", "from the first moment on");
        assert!(node.get("/readyz").text.contains("take it out"));
        assert_eq!(verified(node.address(), &ada["token"]), "200");
    }
    until(BOUND, "the one without Redis, which mends itself", || refreshed(other.address()) == "200");
    assert_eq!(told(third), [1, 0]);
    load.until_answered(200);
    assert_eq!(told(one), [1, 0]);
    let one = Server::start(&node::home(&database.url()).with("SERVER__LISTEN", &addresses[0]));
    load.until_answered(400);
    let counts = load.end("Redis was turned on and left while nodes ran");
    assert!(counts.unavailable.load(Ordering::Relaxed) > 0, "it was noticed");
    assert_eq!(told(other), [1, 1]);
    one.stop();
    assert!(home.done(&["event", "verify"]).starts_with("The audit trail is whole"));
}
