//! Do all nodes together get what one alone would?

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::throttle::{Limit, Limits, Throttle};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::aio::MultiplexedConnection;
use tokio::runtime::Handle;
use tokio::task::{JoinSet, block_in_place};

use super::super::budget::{give_back, interval, spent, take};
use super::{Apart, server};
use crate::store::budget::Budgets as _;
use crate::store::contract::Place as _;
use crate::throttle::{Decision, Throttles};

/// What stands where the scripts ask for the time: a test says it.
const GIVEN: &str = "local now = tonumber(ARGV[3])\n";
const START: u64 = 1_760_000_000_000_000;

/// The budgets of one key, by the scripts of Redis and a clock that is told.
struct Scripts {
    connection: MultiplexedConnection,
    key: String,
    limit: Limit,
}

impl Scripts {
    async fn take(&mut self, now: u64) -> Decision {
        let answer = take(GIVEN)
            .key(&self.key)
            .arg(interval(self.limit))
            .arg(self.limit.count().get())
            .arg(now)
            .invoke_async(&mut self.connection)
            .await
            .expect("it answers");
        Decision::of(Throttle::Login, self.limit, spent(answer))
    }

    async fn give_back(&mut self, now: u64) {
        give_back(GIVEN)
            .key(&self.key)
            .arg(interval(self.limit))
            .arg(self.limit.count().get())
            .arg(now)
            .invoke_async::<()>(&mut self.connection)
            .await
            .expect("it answers");
    }
}

/// Two budgets of that limit, one in memory and one in Redis, are asked the same.
async fn decide_alike(limit: Limit, steps: Vec<(u64, bool)>) -> Result<(), TestCaseError> {
    let memory = Throttles::new(&Limits { login: Some(limit), ..Limits::default() });
    let place = Apart::new(vec![server::one().url()], Duration::ZERO);
    let connection = server::one().connection().await;
    let mut scripts = Scripts { connection, key: place.terms.prefix.clone(), limit };
    let mut now = START;
    for (step, gives_back) in steps {
        now += step;
        let moment = Duration::from_micros(now);
        if gives_back {
            memory.give_back(Throttle::Login, "a", moment);
            scripts.give_back(now).await;
        }
        let expected = memory.take(Throttle::Login, "a", moment).expect("limited");
        let decision = scripts.take(now).await;
        prop_assert_eq!(decision, expected, "at {}", now - START);
        prop_assert_eq!(decision.field(), expected.field());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scripts_decide_as_memory_does() {
    // Long enough that no key ends before the time that is told does.
    let limit = (1u32..8, 60_000u64..600_000)
        .prop_map(|(count, per)| Limit::new(count, Duration::from_millis(per)).expect("a limit"));
    let step = prop_oneof![Just(0u64), 0..2_000_000u64, 0..60_000_000u64, Just(1u64)];
    let steps = prop::collection::vec((step, prop::bool::weighted(0.2)), 1..40);
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let run = |(limit, steps)| Handle::current().block_on(decide_alike(limit, steps));
    block_in_place(|| runner.run(&(limit, steps), run)).unwrap_or_else(|e| panic!("{e}"));
}

#[tokio::test]
async fn to_the_microsecond_at_which_one_comes_back() {
    let limit = Limit::new(3, Duration::from_secs(100)).expect("a limit");
    let interval = interval(limit);
    let steps = [0, 0, 0, 0, interval - 1, 1, 0, 3 * interval - 1, 0, 0, 1, 0, 0];
    decide_alike(limit, steps.map(|step| (step, false)).into()).await.expect("alike");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_spend_from_one_budget() {
    for urls in [vec![server::one().url()], server::cluster().urls()] {
        let place = Apart::new(urls, Duration::ZERO);
        let limit = Limit::new(5, Duration::from_secs(3_600)).expect("a limit");
        let nodes =
            [place.over(place.folder.open().await).await, place.over(place.folder.open().await).await];
        let nodes = nodes.map(Arc::new);
        let mut asked = JoinSet::new();
        for n in 0..200 {
            let node = Arc::clone(&nodes[n % 2]);
            asked.spawn(async move { node.take("a", limit).await.expect("it answers") });
        }
        let passed = asked.join_all().await.iter().filter(|spent| spent.allowed).count();
        assert_eq!(passed, 5);
        let refused =
            Decision::of(Throttle::Login, limit, nodes[0].take("a", limit).await.expect("it answers"));
        assert!(!refused.allowed && refused.remaining == 0);
        assert!(refused.reset_after > Duration::from_secs(600) && refused.reset_after <= limit.interval());
        assert!(nodes[1].take("b", limit).await.expect("it answers").allowed, "each name has its own");
        nodes[1].give_back("a", limit).await.expect("it answers");
        let back = Decision::of(Throttle::Login, limit, nodes[0].take("a", limit).await.expect("it answers"));
        assert_eq!((back.allowed, back.remaining), (true, 0));
        assert!(!nodes[0].take("a", limit).await.expect("it answers").allowed);
        // What was never taken can't be given back.
        nodes[0].give_back("c", limit).await.expect("it answers");
        let first =
            Decision::of(Throttle::Login, limit, nodes[0].take("c", limit).await.expect("it answers"));
        assert_eq!(first.remaining, limit.count().get() - 1);
        assert_eq!(limit.count(), NonZeroU32::new(5).expect("five"));
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

#[tokio::test]
async fn a_clock_that_was_set_back_refuses_nobody_for_longer_than_all_of_it_takes() {
    let limit = Limit::new(2, Duration::from_secs(60)).expect("a limit");
    let place = Apart::new(vec![server::one().url()], Duration::ZERO);
    let connection = server::one().connection().await;
    let mut scripts = Scripts { connection, key: place.terms.prefix, limit };
    for _ in 0..2 {
        assert!(scripts.take(START).await.allowed);
    }
    let back = START - 86_400_000_000;
    let refused = scripts.take(back).await;
    assert!(!refused.allowed);
    assert_eq!(refused.reset_after, Duration::from_secs(30));
    assert!(!scripts.take(back + 29_999_999).await.allowed);
    assert!(scripts.take(back + 30_000_000).await.allowed);
}
