//! Do all nodes together get what one alone would? For every store that keeps budgets.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::throttle::{Limit, Limits, Throttle};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, block_in_place};

use super::Later;
use crate::store::Store;
use crate::store::budget::{Budgets, Spent};
use crate::throttle::{Decision, Throttles};

/// When the tests begin, in microseconds.
const START: u64 = 1_760_000_000_000_000;

/// A fresh budget in a store, at a time that a test says, in microseconds.
pub(crate) trait Told: Send {
    fn take(&mut self, limit: Limit, now: u64) -> Later<'_, Spent>;
    fn give_back(&mut self, limit: Limit, now: u64) -> Later<'_, ()>;
}

/// One in memory and this one are asked the same.
async fn decide_alike(
    mut told: Box<dyn Told>,
    limit: Limit,
    steps: Vec<(u64, bool)>,
) -> Result<(), TestCaseError> {
    let memory = Throttles::new(&Limits { login: Some(limit), ..Limits::default() });
    let mut now = START;
    for (step, gives_back) in steps {
        now += step;
        let moment = Duration::from_micros(now);
        if gives_back {
            memory.give_back(Throttle::Login, "a", moment);
            told.give_back(limit, now).await;
        }
        let expected = memory.take(Throttle::Login, "a", moment).expect("limited");
        let decision = Decision::of(Throttle::Login, limit, told.take(limit, now).await);
        prop_assert_eq!(decision, expected, "at {}", now - START);
        prop_assert_eq!(decision.field(), expected.field());
    }
    Ok(())
}

pub(crate) fn it_decides_as_memory_does(fresh: impl Fn() -> Later<'static, Box<dyn Told>>) {
    let limit = (1u32..8, 60_000u64..600_000)
        .prop_map(|(count, per)| Limit::new(count, Duration::from_millis(per)).expect("a limit"));
    let step = prop_oneof![Just(0u64), 0..2_000_000u64, 0..60_000_000u64, Just(1u64)];
    let steps = prop::collection::vec((step, prop::bool::weighted(0.2)), 1..40);
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let run = |(limit, steps)| {
        Handle::current().block_on(async { decide_alike(fresh().await, limit, steps).await })
    };
    block_in_place(|| runner.run(&(limit, steps), run)).unwrap_or_else(|e| panic!("{e}"));
}

pub(crate) async fn to_the_microsecond_at_which_one_comes_back(told: Box<dyn Told>) {
    let limit = Limit::new(3, Duration::from_secs(100)).expect("a limit");
    let interval = u64::try_from(limit.interval().as_micros()).expect("few");
    let steps = [0, 0, 0, 0, interval - 1, 1, 0, 3 * interval - 1, 0, 0, 1, 0, 0];
    decide_alike(told, limit, steps.map(|step| (step, false)).into()).await.expect("alike");
}

pub(crate) async fn a_clock_that_was_set_back_refuses_nobody_for_longer_than_all_of_it_takes(
    mut told: Box<dyn Told>,
) {
    let limit = Limit::new(2, Duration::from_secs(60)).expect("a limit");
    for _ in 0..2 {
        assert!(told.take(limit, START).await.allowed);
    }
    let back = START - 86_400_000_000;
    let refused = Decision::of(Throttle::Login, limit, told.take(limit, back).await);
    assert!(!refused.allowed);
    assert_eq!(refused.reset_after, Duration::from_secs(30));
    assert!(!told.take(limit, back + 29_999_999).await.allowed);
    assert!(told.take(limit, back + 30_000_000).await.allowed);
}

fn of(store: &dyn Store) -> &dyn Budgets {
    store.budgets(Throttle::Login).expect("they are shared")
}

pub(crate) async fn all_nodes_spend_from_one_budget(nodes: [Arc<dyn Store>; 2]) {
    let limit = Limit::new(5, Duration::from_secs(3_600)).expect("a limit");
    let mut asked = JoinSet::new();
    for n in 0..200 {
        let node = Arc::clone(&nodes[n % 2]);
        asked.spawn(async move { of(&*node).take("a", limit).await.expect("it answers") });
    }
    let all = asked.join_all().await;
    assert_eq!(all.iter().filter(|spent| spent.allowed).count(), 5);
    let left: BTreeSet<u32> = all
        .iter()
        .filter(|spent| spent.allowed)
        .map(|spent| Decision::of(Throttle::Login, limit, *spent).remaining)
        .collect();
    assert_eq!(left, BTreeSet::from([0, 1, 2, 3, 4]), "each is told what it left");
    let [one, other] = [of(&*nodes[0]), of(&*nodes[1])];
    let take = async |node: &dyn Budgets, name| {
        Decision::of(Throttle::Login, limit, node.take(name, limit).await.expect("it answers"))
    };
    let refused = take(one, "a").await;
    assert!(!refused.allowed && refused.remaining == 0);
    assert!(refused.reset_after > Duration::from_secs(600) && refused.reset_after <= limit.interval());
    assert!(take(other, "b").await.allowed, "each name has its own");
    other.give_back("a", limit).await.expect("it answers");
    let back = take(one, "a").await;
    assert_eq!((back.allowed, back.remaining), (true, 0));
    assert!(!take(one, "a").await.allowed);
    // What was never taken can't be given back.
    one.give_back("c", limit).await.expect("it answers");
    assert_eq!(take(one, "c").await.remaining, limit.count().get() - 1);
    assert_eq!(limit.count(), NonZeroU32::new(5).expect("five"));
}
