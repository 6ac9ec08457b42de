//! Is the key for refresh tokens replaced without any client at any node being signed out?

use std::time::Duration;

use crate::asking::{login, refreshed, refreshed_once, verdict};
use crate::client::Load;
use crate::node;
use crate::proxy::Proxy;
use crate::servers::redis;
use crate::support::{Home, PATIENCE, Server, refresh_key_of, refused_within_bound, until};

/// Clients refresh at both in turn while the key is replaced, and then taken out.
fn replaced_under_refreshes(home: impl Fn() -> Home) {
    // Until the key is there somebody signs in again and again.
    let home = || home().with("SESSIONS__MAX_PER_USER", "10000");
    let nodes = node::two_of(home);
    let load = Load::of(8, &node::addresses(&nodes)).with_visitors(2);
    load.until_rotated(16);
    let of_the_first = login(nodes[0].address());
    home().done(&["key", "rotate", "--refresh"]);
    for node in &nodes {
        until(PATIENCE, "tokens of the new key", || refresh_key_of(&login(node.address())) == 2);
    }
    load.until_rotated(32);
    assert_eq!(refreshed(nodes[1].address(), &of_the_first), "200");
    load.end("another key for refresh tokens under load");

    let tokens = nodes.each_ref().map(|node| login(node.address()));
    home().done(&["key", "revoke", "--refresh", "2", "--yes"]);
    for (node, of_the_other) in nodes.iter().zip(tokens.iter().rev()) {
        refused_within_bound("a key that was taken out", "invalid_refresh_token", || {
            refreshed_once(node.address(), of_the_other)
        });
        assert_eq!(verdict(node.address(), &of_the_other["token"]), "session_revoked");
    }
    // Who signs in at one goes on at the other.
    for (node, other) in nodes.iter().zip(nodes.iter().rev()) {
        let again = login(node.address());
        assert_ne!(refresh_key_of(&again), 2);
        assert_eq!(refreshed(other.address(), &again), "200");
        until(PATIENCE, "the key after it", || refresh_key_of(&login(node.address())) == 3);
    }
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

#[test]
fn over_postgres() {
    let database = node::database();
    replaced_under_refreshes(|| node::home(&database.url()));
}

#[test]
fn over_redis() {
    let (database, redis) = (node::database(), redis::server().database());
    replaced_under_refreshes(|| node::home_with_redis(&database.url(), std::slice::from_ref(&redis)));
}

/// What one node hears of late, no other one makes a token of before.
#[test]
fn a_node_that_hears_late_knows_the_key_before_its_tokens_come() {
    let database = node::database();
    let proxy = Proxy::to(node::port(&database));
    let prompt = Server::start(&node::home(&database.url()));
    let late = Server::start(&node::home(&node::through(&proxy, &database)));
    proxy.slow(Duration::from_millis(200));
    node::home(&database.url()).done(&["key", "rotate", "--refresh"]);
    let mut of_the_new = 0;
    until(PATIENCE, "tokens of the new key", || {
        let tokens = login(prompt.address());
        of_the_new += usize::from(refresh_key_of(&tokens) == 2);
        let told = refreshed_once(late.address(), &tokens);
        assert!(["200", "store_unavailable"].contains(&told.as_str()), "{told}");
        of_the_new == 10
    });
    proxy.heal();
    [prompt, late].into_iter().for_each(|node| drop(node.stop()));
}
