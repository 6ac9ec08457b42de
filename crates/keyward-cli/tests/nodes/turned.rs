//! What do clients meet while Redis is turned on, and left, and nodes are started anew one by one?

use std::sync::atomic::Ordering;

use crate::asking::{login, refreshed, refreshed_once, sign_out, verified, verified_once};
use crate::client::Load;
use crate::node;
use crate::servers::redis;
use crate::support::{Server, refused_within_bound};

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
    let addresses = [node::address(), node::address()];
    let third = node::address();
    let [one, other] = addresses
        .each_ref()
        .map(|address| Server::start(&node::home(&database.url()).with("SERVER__LISTEN", address)));
    // Each client signs in at one that runs, and all of them ask the third, too, whether it is there or not.
    let mut asked = [&addresses[..]; 4].concat();
    asked.push(third.clone());
    let load = Load::of(8, &asked).with_visitors(2);
    load.until_answered(200);
    let (ada, bob) = (login(&addresses[0]), login(&addresses[0]));

    let third = Server::start(&with_redis().with("SERVER__LISTEN", &third));
    for node in [&one, &other] {
        let told = refreshed_once(node.address(), &ada);
        assert_eq!(told, "store_unavailable", "from the first moment on");
        let ready = node.get("/readyz");
        assert!(ready.status == 503 && ready.text.contains("set redis.urls"), "{}", ready.text);
        assert_eq!(verified(node.address(), &ada["token"]), "200");
    }
    sign_out(third.address(), &bob);
    refused_within_bound("an end at one that is out", "session_revoked", || {
        verified_once(one.address(), &bob["token"])
    });
    load.until_answered(200);
    // It is started anew with Redis, and serves.
    assert_eq!(told(one), [1, 0]);
    let one = Server::start(&with_redis().with("SERVER__LISTEN", &addresses[0]));
    assert_eq!(refreshed(one.address(), &ada), "200");
    load.until_answered(400);

    let home = node::home(&database.url());
    assert!(home.done(&["migrate", "--leave-redis"]).contains("restart"));
    for node in [&one, &third] {
        let told = refreshed_once(node.address(), &ada);
        assert_eq!(told, "store_unavailable", "from the first moment on");
        assert!(node.get("/readyz").text.contains("take it out"));
        assert_eq!(verified(node.address(), &ada["token"]), "200");
    }
    assert_eq!(refreshed(other.address(), &ada), "200", "the one without Redis mends itself");
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
