//! Do two nodes act as one while both are well?

use std::time::Duration;

use serde_json::{Value, json};

use crate::asking::{login, refresh, refreshed, settled, sign_out, verdict, verified, verified_once};
use crate::client::Load;
use crate::node;
use crate::servers::redis;
use crate::support::{BOUND, EMAIL, PATIENCE, Server, refused_within_bound, text, until};

/// How often somebody signs out while it is measured.
const LOGOUTS: usize = 100;

fn jwks(node: &Server) -> Value {
    node.get("/.well-known/jwks.json").json()
}

fn kids(node: &Server) -> Vec<String> {
    jwks(node)["keys"].as_array().expect("keys").iter().map(|key| text(&key["kid"])).collect()
}

#[test]
fn a_logout_on_one_is_in_force_on_the_other() {
    let database = node::database();
    let nodes = node::two(&database);
    let [one, other] = &nodes;
    let load = Load::of(8, &node::addresses(&nodes));
    load.until_answered(200);
    let mut took: Vec<Duration> = (0..LOGOUTS)
        .map(|_| {
            let tokens = login(one.address());
            assert_eq!(verified(other.address(), &tokens["token"]), "200");
            sign_out(one.address(), &tokens);
            assert_eq!(verdict(one.address(), &tokens["token"]), "session_revoked", "at once where it was");
            let took = refused_within_bound("a logout on the other node", "session_revoked", || {
                verified_once(other.address(), &tokens["token"])
            });
            assert_eq!(verdict(other.address(), &tokens["token"]), "session_revoked");
            took
        })
        .collect();
    load.end("logouts under load");
    took.sort_unstable();
    eprintln!(
        "from the answer of a logout on one node to its refusal by the other: median {:?}, p99 {:?}, longest {:?}",
        took[LOGOUTS / 2],
        took[LOGOUTS * 99 / 100 - 1],
        took[LOGOUTS - 1]
    );
    assert!(took[LOGOUTS / 2] < BOUND, "{took:?}");
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

#[test]
fn keys_are_rotated_and_revoked_for_all() {
    let database = node::database();
    let home = node::home(&database.url());
    let nodes = node::two(&database);
    let [one, other] = &nodes;
    let load = Load::of(4, &node::addresses(&nodes));
    assert_eq!(jwks(one), jwks(other));
    let before = kids(one);
    // Nodes that start at once, and one that rotates: there is one key that signs.
    home.done(&["key", "rotate"]);
    until(PATIENCE, "a rotation on both", || kids(one) != before && jwks(one) == jwks(other));
    let tokens = [login(one.address()), login(other.address())];
    for (node, tokens) in [(one, &tokens[1]), (other, &tokens[0])] {
        assert_eq!(verdict(node.address(), &tokens["token"]), "200");
    }
    load.end("a rotation under load");

    let listed = home.json(&["key", "list", "--json"]);
    let active = listed["keys"].as_array().expect("keys").iter().find(|key| key["state"] == "active");
    let kid = text(&active.expect("one that signs")["kid"]);
    home.done(&["key", "revoke", &kid]);
    for node in &nodes {
        for tokens in &tokens {
            refused_within_bound("a revoked key", "token_stale", || {
                verified_once(node.address(), &tokens["token"])
            });
            assert_eq!(verdict(node.address(), &tokens["token"]), "token_stale");
        }
        // Its tokens are refused first, and then another one signs.
        until(PATIENCE, "keys without it", || !kids(node).contains(&kid));
    }
    assert_eq!(jwks(one), jwks(other));
    // Nobody is signed out by it.
    for (node, tokens) in nodes.iter().zip(&tokens) {
        assert_eq!(refreshed(node.address(), tokens), "200");
    }
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

/// What anybody may have at any node that another one was told of.
#[test]
fn whatever_is_done_on_one_is_done() {
    let database = node::database();
    // As long as nobody lets it pass here.
    let home = || node::home(&database.url()).with("SESSIONS__ROTATION_WINDOW", "5m");
    let nodes = node::two_of(home);
    let home = home();
    let [one, other] = &nodes;
    let ada = login(one.address());
    // Rotated there, and again here: one session, wherever it is asked.
    let there = refresh(other.address(), &ada).body;
    assert_eq!(there["rotated"], true);
    assert_eq!(refresh(one.address(), &there).body["rotated"], false);
    home.done(&["user", "deactivate", EMAIL]);
    for node in &nodes {
        refused_within_bound("a deactivation", "session_revoked", || {
            verified_once(node.address(), &there["token"])
        });
        assert_eq!(verdict(node.address(), &there["token"]), "session_revoked");
        assert_eq!(refresh(node.address(), &there).status, 401);
    }
    nodes.into_iter().for_each(|node| drop(node.stop()));
    assert!(home.done(&["event", "verify"]).starts_with("The audit trail is whole"));
}

/// What comes of so many logins with a wrong password, at one node after the other.
fn tried(nodes: &[Server], times: usize) -> Vec<String> {
    let body = json!({ "email": EMAIL, "password": "Wrong1horse" });
    let of =
        |n: usize| settled(nodes[n % nodes.len()].address(), "POST", "/api/auth/login", None, Some(&body));
    (0..times).map(|n| of(n).verdict()).collect()
}

fn five_and_no_more(codes: &[String]) {
    let (looked_at, refused) = codes.split_at(5);
    assert!(looked_at.iter().all(|code| code == "invalid_credentials"), "{codes:?}");
    assert!(refused.iter().all(|code| code == "rate_limited"), "{codes:?}");
}

/// However somebody shares out what they try among the nodes, they may try as much as at one.
#[test]
fn a_limit_is_one_for_all_nodes() {
    let database = node::database();
    let home = || node::home(&database.url()).with("RATE_LIMITS__LOGIN", "5/1h");
    let nodes = [Server::start(&home()), Server::start(&home())];
    five_and_no_more(&tried(&nodes, 9));
    // What was forgotten is asked of nobody: a full budget again.
    database.sql("TRUNCATE budget");
    let more = tried(&[Server::start(&home())], 7);
    five_and_no_more(&more);
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

/// Where budgets can't be asked for, a node has its own: nobody is let through, and nobody is refused.
#[test]
fn a_limit_holds_without_whoever_keeps_it() {
    let (beneath, database) = (node::database(), node::database());
    let mut redis = redis::Server::start(&[]);
    let home = |url: &str| node::home(url).with("RATE_LIMITS__LOGIN", "5/1h");
    let over_redis = Server::start(&home(&beneath.url()).with("REDIS__URLS", &redis.database()));
    redis.kill();
    five_and_no_more(&tried(&[over_redis], 9));
    let over_postgres = Server::start(&home(&database.url()));
    database.sql("DROP TABLE budget");
    five_and_no_more(&tried(&[over_postgres], 9));
}
