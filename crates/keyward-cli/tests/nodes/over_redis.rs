//! What do clients meet while Redis loses what it knew, is gone, or can't be reached?

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::asking::{GIVE_UP, login, refresh, refreshed, sign_out, verdict, verified, verified_once};
use crate::client::Load;
use crate::faults::{refused_to_a_crowd, takes, took};
use crate::node;
use crate::proxy::Proxy;
use crate::servers::redis;
use crate::support::{Server, refused_within_bound};

/// How long Redis is waited for at most, and what an answer takes besides on a busy machine.
const WAITED: Duration = Duration::from_secs(4);

#[test]
fn redis_loses_everything_and_its_last_moments() {
    let database = node::database();
    let mut redis = redis::Server::start(&[]);
    let mut nodes = node::two_of(|| node::home_with_redis(&database.url(), &[redis.url()]));
    let load = Load::of(8, &node::addresses(&nodes)).with_visitors(2);
    load.until_answered(200);
    for _ in 0..3 {
        redis.say("FLUSHALL");
        load.until_answered(200);
    }
    let emptied = node::adopted(&mut nodes);
    assert!(emptied >= 8.0, "each of them was taken over from its token: {emptied}");
    // All of them go on after what is saved, which is what it knows from then on; and somebody leaves.
    let left = login(nodes[0].address());
    let saved = login(nodes[0].address());
    redis.say("SAVE");
    sign_out(nodes[0].address(), &left);
    let ahead = refresh(nodes[0].address(), &saved).body;
    assert!(ahead["refresh_token"].is_string(), "the first of a session rotates at once: {ahead}");
    load.until_rotated(16);
    redis.kill();
    redis.start_again();
    load.until_answered(600);
    assert_eq!(refreshed(nodes[1].address(), &left), "session_revoked", "though its key is back");
    assert_eq!(refreshed(nodes[1].address(), &ahead), "200");
    let went_back = node::adopted(&mut nodes) - emptied;
    assert!(went_back >= 1.0, "some were ahead of what was saved: {went_back}");
    let counts = load.end("Redis was emptied three times, and went back to what it had saved");
    eprintln!("{emptied} taken over after it was emptied, {went_back} after it went back");
    assert!(counts.signed_out.load(Ordering::Relaxed) > 0);
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

#[test]
fn redis_is_stopped_and_started() {
    let database = node::database();
    let mut redis = redis::Server::start(&[]);
    let nodes = node::two_of(|| node::home_with_redis(&database.url(), &[redis.url()]));
    let [one, other] = &nodes;
    let load = Load::of(8, &node::addresses(&nodes)).with_visitors(2);
    load.until_answered(200);
    let (ada, bob, cleo) = (login(one.address()), login(one.address()), login(one.address()));
    sign_out(one.address(), &bob);
    redis.kill();
    let body = json!({ "refresh_token": ada["refresh_token"] });
    let [median, longest] = refused_to_a_crowd(one.address(), "/api/auth/refresh", &body);
    assert!(median < WAITED && longest < GIVE_UP, "{median:?}, {longest:?}");
    // What is known from memory, and what is written beneath, needs no Redis.
    assert_eq!(verified(one.address(), &ada["token"]), "200");
    sign_out(other.address(), &cleo);
    let dora = login(one.address());
    refused_within_bound("an end on the other node", "session_revoked", || {
        verified_once(one.address(), &cleo["token"])
    });
    for over in [&bob, &cleo] {
        assert_eq!(refreshed(one.address(), over), "session_revoked");
        assert_eq!(verdict(other.address(), &over["token"]), "session_revoked");
    }
    redis.start_again();
    let healed = took(|| assert_eq!(refreshed(one.address(), &ada), "200"));
    eprintln!("without Redis 100 at once were told within {longest:?}; it was well {healed:?} after");
    assert_eq!(refreshed(other.address(), &dora), "200", "who signed in meanwhile");
    for over in [&bob, &cleo] {
        assert_eq!(refreshed(one.address(), over), "session_revoked");
    }
    load.until_answered(400);
    let counts = load.end("Redis was stopped, and started again with nothing");
    assert!(counts.unavailable.load(Ordering::Relaxed) > 0, "it was noticed");
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

#[test]
fn a_node_is_cut_off_from_redis_but_not_from_postgres() {
    let database = node::database();
    let redis = redis::Server::start(&[]);
    let proxy = Proxy::to(redis.port);
    let through = format!("redis://127.0.0.1:{}", proxy.port);
    let nodes = [through, redis.url()].map(|url| {
        // With budgets, for which it asks Redis, too.
        let home = node::home_with_redis(&database.url(), &[url]);
        Server::start(&home.with("RATE_LIMITS__REFRESH", "10000/1m"))
    });
    let [cut_off, well] = &nodes;
    let load = Load::of(8, &node::addresses(&nodes)).with_visitors(2);
    load.until_answered(200);
    let (ada, bob) = (login(well.address()), login(well.address()));
    let leaving = [(); 3].map(|()| login(well.address()));
    proxy.cut();
    let body = json!({ "refresh_token": ada["refresh_token"] });
    let [median, longest] = refused_to_a_crowd(cut_off.address(), "/api/auth/refresh", &body);
    // It hears of each end all the same, and writes its own.
    sign_out(well.address(), &bob);
    refused_within_bound("an end on the node", "session_revoked", || {
        verified_once(cut_off.address(), &bob["token"])
    });
    let mut next = leaving.iter();
    let signed_out = takes(|| sign_out(cut_off.address(), next.next().expect("one of three")));
    for over in &leaving {
        assert_eq!(verified(cut_off.address(), &over["token"]), "session_revoked");
        assert_eq!(refreshed(well.address(), over), "session_revoked");
    }
    let mut dora = Value::Null;
    let signed_in = takes(|| dora = login(cut_off.address()));
    assert_eq!(refreshed(well.address(), &dora), "200");
    assert_eq!(verified(cut_off.address(), &ada["token"]), "200");
    eprintln!(
        "cut off from Redis, 100 at once were told within {longest:?}; signing out took {signed_out:?}, in {signed_in:?}"
    );
    assert!(median < WAITED && longest < GIVE_UP && signed_out < WAITED && signed_in < WAITED, "{median:?}");
    proxy.heal();
    let healed = took(|| assert_eq!(refreshed(cut_off.address(), &ada), "200"));
    eprintln!("a node that was cut off from Redis was well {healed:?} after it could be");
    load.until_answered(400);
    let counts = load.end("a node was cut off from Redis but not from Postgres, and healed");
    assert!(counts.unavailable.load(Ordering::Relaxed) > 0, "it was noticed");
    nodes.into_iter().for_each(|node| drop(node.stop()));
}
