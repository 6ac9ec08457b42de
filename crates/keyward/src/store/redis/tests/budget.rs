//! Do the scripts keep budgets as every store has to, and leave nothing behind?

use std::time::Duration;

use keyward_core::throttle::Limit;
use redis::aio::MultiplexedConnection;

use super::super::budget::{give_back, interval, spent, take};
use super::{Apart, server};
use crate::store::budget::{Budgets as _, Spent};
use crate::store::contract::{Later, Place as _, budget};

/// What stands where the scripts ask for the time: a test says it. Redis does not hear of it, and keeps
/// each key for a minute of its own, so that it forgets none while time stands still here.
const GIVEN: &str = "local now = tonumber(ARGV[3])
local math = setmetatable({ ceil = function(lives) return math.floor(lives) + 60000 end }, { __index = math })
";

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
        let key = Apart::patient(vec![server::one().url()], Duration::ZERO).terms.prefix;
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
        let place = Apart::patient(urls, Duration::ZERO);
        budget::all_nodes_spend_from_one_budget([place.open().await, place.open().await]).await;
    }
}

#[tokio::test]
async fn a_budget_that_came_back_leaves_no_key() {
    let server = server::Server::start(&[]);
    let place = Apart::patient(vec![server.url()], Duration::ZERO);
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
async fn every_key_ends_with_its_budget_and_is_small() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let server = server::Server::start(&[]);
    let place = Apart::patient(vec![server.url()], Duration::ZERO);
    let node = place.over(place.folder.open().await).await;
    // As `keyed_hash` names them.
    let name = "0123456789abcdef01234567";
    let key = format!("{}:budget:{name}", place.terms.prefix);
    let ends_within = async |limit: Limit| {
        let left: i64 = server.ask(redis::cmd("PTTL").arg(&key)).await;
        // Each one comes back in whole microseconds, and the key goes in a whole millisecond.
        let most = (limit.interval() * limit.count().get()).as_millis() + 1;
        assert!(u128::try_from(left).is_ok_and(|left| (1..=most).contains(&left)), "{limit}: {left}");
        let bytes = server.memory(&key).await;
        assert!(bytes <= 100, "{limit}: {bytes}");
    };
    // The longest there can be, the most, and what is usual: each of its own, and then each for what was
    // spent of a longer one, as after a change of the configuration.
    for is_new in [true, false] {
        for (count, per) in [(1, 30 * DAY), (1_000_000, 30 * DAY), (7, DAY), (20, DAY / 24), (5, DAY / 1440)]
        {
            if is_new {
                server.ask::<()>(&redis::Cmd::del(&key)).await;
            }
            let limit = Limit::new(count, per).expect("a limit");
            for n in 0..count.min(30) + 1 {
                let allowed = node.take(name, limit).await.expect("it answers").allowed;
                // Of what is full again within a minute one may come back meanwhile.
                assert!(!is_new || per < DAY / 24 || allowed == (n < count), "{limit}");
                ends_within(limit).await;
            }
            if count > 1 {
                node.give_back(name, limit).await.expect("it answers");
                ends_within(limit).await;
            }
        }
        let longest = Limit::new(1, 30 * DAY).expect("a limit");
        server.ask::<()>(&redis::Cmd::del(&key)).await;
        node.take(name, longest).await.expect("it answers");
        let left: i64 = server.ask(redis::cmd("PTTL").arg(&key)).await;
        assert!(u128::try_from(left).is_ok_and(|left| left > (29 * DAY).as_millis()), "{left}");
    }
    let keys: Vec<String> = server.ask(redis::cmd("KEYS").arg("*")).await;
    assert_eq!(keys, [key]);
}
