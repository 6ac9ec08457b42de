//! Do the scripts keep budgets as every store has to, and leave nothing behind?

use std::time::Duration;

use keyward_core::throttle::Limit;
use redis::aio::MultiplexedConnection;

use super::super::budget::{give_back, interval, spent, take};
use super::{Apart, server};
use crate::store::budget::{Budgets as _, Spent};
use crate::store::contract::{Later, Place as _, budget};

/// What stands where the scripts ask for the time: a test says it.
const GIVEN: &str = "local now = tonumber(ARGV[3])\n";

/// The budget of one key, by the scripts and a clock that is told.
struct Scripts {
    connection: MultiplexedConnection,
    key: String,
}

impl budget::Told for Scripts {
    fn take(&mut self, limit: Limit, now: u64) -> Later<'_, Spent> {
        Box::pin(async move {
            let answer = take(GIVEN)
                .key(&self.key)
                .arg(interval(limit))
                .arg(limit.count().get())
                .arg(now)
                .invoke_async(&mut self.connection)
                .await
                .expect("it answers");
            spent(answer)
        })
    }

    fn give_back(&mut self, limit: Limit, now: u64) -> Later<'_, ()> {
        Box::pin(async move {
            give_back(GIVEN)
                .key(&self.key)
                .arg(interval(limit))
                .arg(limit.count().get())
                .arg(now)
                .invoke_async::<()>(&mut self.connection)
                .await
                .expect("it answers");
        })
    }
}

fn fresh() -> Later<'static, Box<dyn budget::Told>> {
    Box::pin(async {
        let key = Apart::new(vec![server::one().url()], Duration::ZERO).terms.prefix;
        Box::new(Scripts { connection: server::one().connection().await, key }) as Box<dyn budget::Told>
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_decides_as_memory_does() {
    budget::it_decides_as_memory_does(fresh);
}

#[tokio::test]
async fn to_the_microsecond_at_which_one_comes_back() {
    budget::to_the_microsecond_at_which_one_comes_back(fresh().await).await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_refuses_nobody_for_longer_than_all_of_it_takes() {
    budget::a_clock_that_was_set_back_refuses_nobody_for_longer_than_all_of_it_takes(fresh().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_spend_from_one_budget() {
    for urls in [vec![server::one().url()], server::cluster().urls()] {
        let place = Apart::new(urls, Duration::ZERO);
        budget::all_nodes_spend_from_one_budget([place.open().await, place.open().await]).await;
    }
}

#[tokio::test]
async fn a_budget_that_came_back_leaves_no_key() {
    let server = server::Server::start(&[]);
    let place = Apart::new(vec![server.url()], Duration::ZERO);
    let node = place.over(place.folder.open().await).await;
    let limit = Limit::new(5, Duration::from_secs(60)).expect("a limit");
    for name in ["a", "b"] {
        assert!(node.take(name, limit).await.expect("it answers").allowed);
    }
    node.give_back("b", limit).await.expect("it answers");
    let keys: Vec<String> = server.ask(redis::cmd("KEYS").arg("*")).await;
    assert_eq!(keys, [format!("{}:budget:a", place.terms.prefix)]);
    let left: i64 = server.ask(redis::cmd("PTTL").arg(&keys[0])).await;
    assert!((1..=12_000).contains(&left), "{left}");
}
