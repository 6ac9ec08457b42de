//! How soon does another node refuse what was ended on one, while both have all they can do?

use std::time::{Duration, Instant};

use crate::load::{self, Chain, Connection, Load};
use crate::place::{Place, Store};
use crate::report::Report;
use crate::server::Server;
use crate::{CONNECTIONS, RUN};

/// How many are there to sign out, one after the other.
const LOGOUTS: usize = 1_000;
/// How many refresh on each node, again and again.
const CALLERS: usize = CONNECTIONS / 2;

/// From the answer of a logout on one node to its refusal by another.
pub(crate) async fn logout(store: Store, report: &mut Report) {
    let place = Place::of(store);
    let over = store.over();
    let nodes = [Server::start(&place.setup()).await, Server::start(&place.setup()).await];
    let mut leaving = Vec::new();
    for i in 0..LOGOUTS {
        leaving.push(Chain::open(nodes[0].port, i).await);
    }
    let mut loads = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let mut chains = Vec::new();
        for i in 0..CALLERS {
            chains.push(Chain::open(node.port, LOGOUTS + number * CALLERS + i).await);
        }
        loads.push(Load::refreshing(node.port, chains));
    }
    let run = RUN * 5;
    let loads: Vec<_> = loads.into_iter().map(|load| tokio::spawn(load.run(CALLERS, run))).collect();
    let took = one_by_one(leaving, nodes[0].port, nodes[1].port, run).await;
    let mut refreshes = 0.0;
    for load in loads {
        refreshes += load.await.expect("a load").per_second();
    }
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1_000.0;
    report.line(&format!(
        "{} logouts on one node beside {refreshes:.0} refreshes/s on two{over}: refused by the other {:.1} ms after the answer at the median, {:.1} ms at the longest",
        took.len(),
        at(50),
        at(100)
    ));
    report.at_most(&format!("p99 from a logout to its refusal by the other node{over}"), at(99), 100.0, "ms");
    for node in nodes {
        node.stop().await;
    }
}

/// Signs out on one node for so long; how long the other one went on with each, in order.
async fn one_by_one(leaving: Vec<Chain>, here: u16, there: u16, run: Duration) -> Vec<Duration> {
    let (mut one, mut other) = (Connection::open(here).await, Connection::open(there).await);
    let mut took = Vec::new();
    let begun = Instant::now();
    for chain in leaving {
        if begun.elapsed() > run {
            break;
        }
        let shown = load::get("/api/auth/session", &chain.cookies());
        assert_eq!(other.ask(&shown).await.0, 200, "signed in");
        assert_eq!(one.ask(&chain.logout()).await.0, 200, "signed out");
        let answered = Instant::now();
        while other.ask(&shown).await.0 == 200 {}
        took.push(answered.elapsed());
    }
    took.sort_unstable();
    took
}
