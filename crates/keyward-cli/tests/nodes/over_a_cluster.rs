//! What do clients meet while the nodes of a Redis Cluster change places?

use std::sync::atomic::Ordering;

use crate::asking::{login, refreshed};
use crate::client::Load;
use crate::faults::took;
use crate::node;
use crate::servers::redis::Cluster;

#[test]
fn a_primary_is_killed_and_its_replica_takes_over() {
    let database = node::database();
    let mut cluster = Cluster::start(3, 1);
    let mut nodes = node::two_of(|| node::home_with_redis(&database.url(), &cluster.urls()));
    let load = Load::of(12, &node::addresses(&nodes)).with_visitors(2);
    load.until_answered(400);
    // What comes next its replica does not get: it stands still while the primary lets it go.
    cluster.0[3].stop();
    cluster.0[0].say("CLIENT KILL TYPE replica");
    load.until_rotated(18);
    // A third of them is of that primary.
    let theirs: Vec<_> = (0..36).map(|number| login(nodes[number % 2].address())).collect();
    let before = node::adopted(&mut nodes);
    cluster.0[0].kill();
    cluster.0[3].go_on();
    let healed = took(|| {
        for tokens in &theirs {
            assert_eq!(refreshed(nodes[0].address(), tokens), "200");
        }
    });
    load.until_answered(800);
    let counts = load.end("a primary was killed, and its replica took over without its last moments");
    let adopted = node::adopted(&mut nodes) - before;
    eprintln!("all sessions went on {healed:?} after it was killed; {adopted} were ahead of the replica");
    assert!(adopted >= 1.0, "writes were lost");
    assert!(counts.unavailable.load(Ordering::Relaxed) > 0, "it was noticed");
    nodes.into_iter().for_each(|node| drop(node.stop()));
}

#[test]
fn slots_move_while_clients_refresh() {
    let database = node::database();
    let cluster = Cluster::start(3, 0);
    let nodes = node::two_of(|| node::home_with_redis(&database.url(), &cluster.urls()));
    let load = Load::of(12, &node::addresses(&nodes)).with_visitors(2);
    load.until_answered(200);
    let mut moved = 0;
    // Each session once around the cluster.
    for _ in 0..3 {
        let keys: Vec<String> = cluster.0.iter().flat_map(|server| server.say("KEYS keyward:{*")).collect();
        for key in keys {
            let moving = cluster.begin_to_move(cluster.slot(&key));
            load.until_answered(2);
            moving.move_keys();
            load.until_answered(2);
            moving.end();
            moved += 1;
        }
        load.until_rotated(12);
    }
    load.end("slots moved while clients refreshed");
    eprintln!("{moved} slots were moved");
    assert!(moved >= 36, "each session three times");
    nodes.into_iter().for_each(|node| drop(node.stop()));
}
