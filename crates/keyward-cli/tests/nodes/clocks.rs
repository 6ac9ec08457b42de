//! Do nodes whose clocks differ agree?

use std::sync::atomic::Ordering;

use keyward::clock::Clock;
use keyward::core::time::Timestamp;

use crate::asking::{login, verdict};
use crate::client::Load;
use crate::node;
use crate::support::{Server, text};

/// 90 seconds are more than a token may be from the future for those who go by their own clock.
#[test]
fn two_nodes_whose_clocks_are_90_seconds_apart_agree() {
    let database = node::database();
    let ahead = node::home(&database.url());
    let clock = ahead.path("clock");
    std::fs::write(&clock, "+90s").expect("written");
    let ahead = ahead.with_clock(&clock);
    let nodes = [Server::start(&ahead), Server::start(&node::home(&database.url()))];
    let [one, other] = &nodes;
    let load = Load::of(8, &[one.address().to_owned(), other.address().to_owned()]);
    load.until_answered(1_000);
    let now = || Clock::system().now().seconds();
    for issuer in [one, other] {
        let before = now();
        let tokens = login(issuer.address());
        let after = now();
        // Both say by the clock of Postgres, which is this machine's, until when it is good.
        let ends: Timestamp = text(&tokens["expires_at"]).parse().expect("a moment");
        let made = ends.seconds() - 15 * 60;
        assert!((before - 1..=after + 1).contains(&made), "{made} is not in {before}..={after}");
        for node in &nodes {
            assert_eq!(verdict(node.address(), &tokens["token"]), "200");
        }
    }
    let counts = load.end("two nodes had clocks 90 s apart");
    assert!(counts.rotated.load(Ordering::Relaxed) >= 8, "tokens rotated");
    nodes.into_iter().for_each(|node| drop(node.stop()));
}
