//! May this be asked once more? The budgets of one node, in memory; and of those that nodes share,
//! which were told to be used up.
//!
//! Each key of a budget holds one number, the moment at which all of its budget will have come
//! back (GCRA's theoretical arrival time); the arithmetic is that of `governor`. What is kept is
//! bounded: where a shard is full, the keys that are as good as new go first, then the coldest
//! ones, so that no flood of fresh keys sets one free that is refused.

mod shard;

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use keyward_core::throttle::{Limit, Limits, Throttle};

use crate::store::budget::Spent;
use shard::{Key, Shard, lock};

const SHARDS: usize = 16;
/// Moments are nanoseconds that end here, three centuries before their sums would overflow.
const LAST: u64 = u64::MAX / 2;

/// What a budget says to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Which budget it is.
    pub(crate) throttle: Throttle,
    /// Its limit.
    pub(crate) limit: Limit,
    /// Whether there was one left, which is now spent.
    pub(crate) allowed: bool,
    /// How many are left.
    pub(crate) remaining: u32,
    /// In how much time there is one more than that: never zero.
    pub(crate) reset_after: Duration,
}

impl Decision {
    /// What it means that so much of a budget is spent.
    pub(crate) fn of(throttle: Throttle, limit: Limit, spent: Spent) -> Self {
        let Spent { allowed, until_full } = spent;
        let (count, interval) = (limit.count().get(), limit.interval());
        let away = until_full.as_nanos().div_ceil(interval.as_nanos());
        let away = u32::try_from(away).unwrap_or(count).clamp(1, count);
        // A refused one waits until one of all that are away has come back.
        let reset_after = until_full.saturating_sub(interval * (away - 1)).min(interval);
        Self { throttle, limit, allowed, remaining: count - away, reset_after }
    }

    /// The field `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers §3): `"login";q=5;w=60`.
    pub(crate) fn policy_field(&self) -> String {
        format!("\"{}\";q={};w={}", self.throttle, self.limit.count(), seconds(self.limit.per()))
    }

    /// The field `RateLimit` (draft-ietf-httpapi-ratelimit-headers §4): `"login";r=0;t=12`. In `t`
    /// seconds there is one more, for a refusal as in `Retry-After`.
    pub(crate) fn field(&self) -> String {
        format!("\"{}\";r={};t={}", self.throttle, self.remaining, seconds(self.reset_after))
    }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The budgets of one node. Moments are what a monotonic clock says, counted from anywhere.
pub(crate) struct Throttles {
    budgets: [Option<Budget>; Throttle::ALL.len()],
    hashers: [RandomState; 2],
}

impl Throttles {
    /// Budgets of which nothing is spent.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            budgets: Throttle::ALL.map(|throttle| limits.of(throttle).map(Budget::new)),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }

    /// Spends one of this key's budget where one is left. `None`: there is no limit.
    ///
    /// However many ask at one moment, as many are allowed as the limit says.
    pub(crate) fn take(&self, throttle: Throttle, key: &str, now: Duration) -> Option<Decision> {
        let budget = self.budgets[throttle as usize].as_ref()?;
        Some(budget.take(throttle, self.key(key), nanos(now)))
    }

    /// What is known to be left to come back of this key's budget, where none of it is left. Spends
    /// nothing.
    pub(crate) fn used_up(&self, throttle: Throttle, key: &str, now: Duration) -> Option<Spent> {
        let budget = self.budgets[throttle as usize].as_ref()?;
        let until_full = budget.until_full(self.key(key), nanos(now));
        let left_of_one = budget.interval() * u64::from(budget.limit.count().get() - 1);
        (until_full > left_of_one)
            .then(|| Spent { allowed: false, until_full: Duration::from_nanos(until_full) })
    }

    /// Takes over from elsewhere when all of this key's budget will have come back.
    pub(crate) fn remember(&self, throttle: Throttle, key: &str, full_at: Duration, now: Duration) {
        if let Some(budget) = &self.budgets[throttle as usize] {
            let key = self.key(key);
            lock(budget.shard(key)).set(key, nanos(full_at), nanos(now));
        }
    }

    /// Undoes one [`Self::take`] that was allowed, for what turned out not to count.
    pub(crate) fn give_back(&self, throttle: Throttle, key: &str, now: Duration) {
        if let Some(budget) = &self.budgets[throttle as usize] {
            budget.give_back(self.key(key), nanos(now));
        }
    }

    /// Texts are as long as a stranger likes, so 128 bits stand for them, made with a secret: who
    /// doesn't know it finds no two texts that share a budget, or a shard.
    fn key(&self, text: &str) -> Key {
        let [first, second] = &self.hashers;
        (first.hash_one(text), second.hash_one(text))
    }
}

fn nanos(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(LAST).min(LAST)
}

struct Budget {
    limit: Limit,
    shards: [Mutex<Shard>; SHARDS],
}

impl Budget {
    fn new(limit: Limit) -> Self {
        Self { limit, shards: Default::default() }
    }

    fn interval(&self) -> u64 {
        nanos(self.limit.interval())
    }

    fn shard(&self, key: Key) -> &Mutex<Shard> {
        &self.shards[key.0 as usize % SHARDS]
    }

    fn take(&self, throttle: Throttle, key: Key, now: u64) -> Decision {
        let count = self.limit.count();
        let quota =
            Quota::with_period(self.limit.interval()).expect("an interval is never zero").allow_burst(count);
        // A limiter is no more than its quota and where it looks, so each question has its own,
        // with a clock that began at zero and now shows the moment that was given.
        let place = Place { shard: self.shard(key), now, arrival: Cell::new(now) };
        let limiter: RateLimiter<_, _, _, StateInformationMiddleware> =
            RateLimiter::new(quota, place, GivenClock(Cell::new(0)));
        limiter.clock().0.set(now);
        let (allowed, remaining, reset_after) = match limiter.check_key(&key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let spent_before = u64::from(count.get().saturating_sub(remaining).saturating_sub(1));
                let until_full = limiter.into_state_store().arrival.get() - now;
                let next = until_full.saturating_sub(spent_before * self.interval());
                (true, remaining, Duration::from_nanos(next))
            }
            Err(not_until) => (false, 0, not_until.wait_time_from(Nanos::new(now))),
        };
        Decision { throttle, limit: self.limit, allowed, remaining, reset_after }
    }

    fn until_full(&self, key: Key, now: u64) -> u64 {
        lock(self.shard(key)).get(key).unwrap_or_default().saturating_sub(now)
    }

    fn give_back(&self, key: Key, now: u64) {
        let mut shard = lock(self.shard(key));
        if let Some(arrival) = shard.get(key) {
            shard.set(key, arrival.saturating_sub(self.interval()), now);
        }
    }
}

/// Where a limiter finds the number of one key, and the last one that it wrote there.
struct Place<'a> {
    shard: &'a Mutex<Shard>,
    now: u64,
    arrival: Cell<u64>,
}

impl StateStore for Place<'_> {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = lock(self.shard);
        let (answer, after) = decide(shard.get(*key).map(Nanos::new))?;
        shard.set(*key, after.as_u64(), self.now);
        self.arrival.set(after.as_u64());
        Ok(answer)
    }
}

struct GivenClock(Cell<u64>);

impl Clock for GivenClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.get())
    }
}

#[cfg(test)]
mod tests {
    use super::shard::{EVICTED, KEYS};
    use super::*;
    use proptest::prelude::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    const START: Duration = Duration::from_secs(1_000);

    fn throttles() -> Throttles {
        Throttles::new(&Limits::default())
    }

    fn login(throttles: &Throttles, key: &str, after: f64) -> Decision {
        let now = Duration::from_secs_f64(START.as_secs_f64() + after);
        throttles.take(Throttle::Login, key, now).expect("limited")
    }

    fn failure(throttles: &Throttles, key: &str) -> bool {
        throttles.take(Throttle::LoginFailures, key, START).expect("limited").allowed
    }

    fn keys_of(throttles: &Throttles, throttle: Throttle) -> (usize, usize) {
        let shards = &throttles.budgets[throttle as usize].as_ref().expect("limited").shards;
        let sum = |of: fn(&Shard) -> usize| shards.iter().map(|shard| of(&lock(shard))).sum();
        (sum(Shard::len), sum(Shard::capacity))
    }

    #[test]
    fn as_many_as_the_limit_and_then_one_in_each_interval() {
        let throttles = throttles();
        for remaining in (0..5).rev() {
            let decision = login(&throttles, "a", 0.0);
            assert!(decision.allowed);
            assert_eq!((decision.remaining, decision.reset_after.as_secs()), (remaining, 12));
        }
        for (after, wait) in [(0.0, 12), (0.5, 12), (11.0, 1), (11.9, 1)] {
            let decision = login(&throttles, "a", after);
            assert!(!decision.allowed);
            assert_eq!((decision.remaining, seconds(decision.reset_after)), (0, wait), "{after}");
        }
        assert!(login(&throttles, "b", 0.0).allowed);
        assert!(login(&throttles, "a", 12.0).allowed);
        assert!(!login(&throttles, "a", 12.0).allowed);
        assert_eq!(login(&throttles, "a", 1_000.0).remaining, 4);
        assert_eq!(login(&throttles, "c", -1_000.0).remaining, 4, "the first moment of a clock");
    }

    #[test]
    fn a_budget_is_of_one_kind_and_none_where_it_is_off() {
        let limits = Limits { signup: None, ..Limits::default() };
        let throttles = Throttles::new(&limits);
        for _ in 0..5 {
            assert!(login(&throttles, "a", 0.0).allowed);
        }
        assert!(!login(&throttles, "a", 0.0).allowed);
        for throttle in Throttle::ALL {
            let decision = throttles.take(throttle, "a", START);
            assert_eq!(decision.map(|d| d.throttle), limits.of(throttle).map(|_| throttle));
            assert_eq!(decision.is_none_or(|d| d.allowed), throttle != Throttle::Login);
        }
        throttles.give_back(Throttle::Signup, "a", START);
    }

    #[test]
    fn the_fields_say_when_there_is_one_more() {
        let throttles = throttles();
        let first = login(&throttles, "a", 0.0);
        assert_eq!(first.policy_field(), "\"login\";q=5;w=60");
        assert_eq!(first.field(), "\"login\";r=4;t=12");
        // Between two intervals it is less than a whole one that is awaited.
        assert_eq!(login(&throttles, "a", 7.5).field(), "\"login\";r=3;t=5");
        for _ in 0..3 {
            login(&throttles, "a", 7.5);
        }
        let refused = login(&throttles, "a", 7.5);
        assert_eq!(refused.field(), "\"login\";r=0;t=5");
        assert_eq!(seconds(refused.reset_after), 5);
        assert!(login(&throttles, "a", 12.0).allowed);
        let limits = Limits { refresh: Limit::new(10, Duration::from_millis(1_500)), ..Limits::default() };
        let quick = Throttles::new(&limits).take(Throttle::Refresh, "a", START).expect("limited");
        assert_eq!(
            (quick.policy_field(), seconds(quick.reset_after)),
            ("\"refresh\";q=10;w=2".to_owned(), 1)
        );
    }

    #[test]
    fn of_two_hundred_at_one_moment_as_many_pass_as_the_limit_says() {
        let throttles = throttles();
        let (start, passed) = (Barrier::new(200), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..200 {
                scope.spawn(|| {
                    start.wait();
                    if login(&throttles, "a", 0.0).allowed {
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 5);
    }

    #[test]
    fn what_is_given_back_can_be_spent_again() {
        let throttles = throttles();
        for _ in 0..50 {
            assert!(failure(&throttles, "a"));
            throttles.give_back(Throttle::LoginFailures, "a", START);
        }
        assert_eq!(keys_of(&throttles, Throttle::LoginFailures).0, 0);
        let passed = (0..30).filter(|_| failure(&throttles, "a")).count();
        assert_eq!(passed, 20);
        throttles.give_back(Throttle::LoginFailures, "a", START);
        throttles.give_back(Throttle::LoginFailures, "b", START);
        assert!(failure(&throttles, "a"));
        assert!(!failure(&throttles, "a"));
        // Given back long after, there is no more than all of it.
        throttles.give_back(Throttle::LoginFailures, "a", START + Duration::from_secs(86_400));
        let later = throttles.take(Throttle::LoginFailures, "a", START + Duration::from_secs(86_400));
        assert_eq!(later.map(|d| d.remaining), Some(19));
    }

    #[test]
    fn who_was_refused_elsewhere_is_until_one_comes_back() {
        let throttles = throttles();
        let known = |after: u64| throttles.used_up(Throttle::Login, "a", START + Duration::from_secs(after));
        assert_eq!(known(0), None);
        // Four of the five are away.
        throttles.remember(Throttle::Login, "a", START + Duration::from_secs(48), START);
        assert_eq!(known(0), None);
        throttles.remember(Throttle::Login, "a", START + Duration::from_secs(60), START);
        let told = known(5).expect("none is left");
        assert_eq!((told.allowed, told.until_full), (false, Duration::from_secs(55)));
        assert_eq!(known(5), Some(told), "nothing is spent by it");
        assert!(known(11).is_some());
        assert_eq!(known(12), None, "one came back: whether it is still there is to be asked");
        throttles.give_back(Throttle::Login, "a", START);
        assert_eq!(known(0), None);
        assert!(throttles.used_up(Throttle::Login, "b", START).is_none());
    }

    #[test]
    fn a_million_keys_take_no_more_memory_and_free_nobody() {
        let throttles = throttles();
        for _ in 0..5 {
            login(&throttles, "blocked", 0.0);
        }
        for n in 0..1_000_000 {
            assert!(login(&throttles, &format!("{n}"), 0.0).allowed);
        }
        assert!(!login(&throttles, "blocked", 0.0).allowed);
        let (keys, places) = keys_of(&throttles, Throttle::Login);
        assert!(keys <= SHARDS * KEYS, "{keys}");
        assert!(keys >= SHARDS * (KEYS - EVICTED), "{keys}");
        // A table doubles at most once for the places that removed keys leave.
        assert!(places <= 2 * SHARDS * KEYS, "{places}");
        // It lasts until the blocked key has one again.
        for n in 0..200_000 {
            login(&throttles, &format!("later{n}"), 11.9);
        }
        assert!(!login(&throttles, "blocked", 11.9).allowed);
        assert!(login(&throttles, "blocked", 12.0).allowed);
    }

    #[test]
    fn no_moment_overflows() {
        let throttles = throttles();
        for now in [Duration::ZERO, Duration::MAX] {
            let decision = throttles.take(Throttle::PasswordForgot, "a", now).expect("limited");
            assert!(decision.allowed);
            throttles.give_back(Throttle::PasswordForgot, "a", now);
        }
    }

    proptest! {
        /// In any time there pass no more than the limit and what came back meanwhile, and the
        /// answer says truly when the next one will.
        #[test]
        fn no_pattern_gets_more_than_the_limit(
            count in 1u32..7, per in 1u64..100, steps in prop::collection::vec(0u64..40, 1..60),
        ) {
            let limit = Limit::new(count, Duration::from_secs(per)).expect("limit");
            let limits = Limits { login: Some(limit), ..Limits::default() };
            let throttles = Throttles::new(&limits);
            let mut now = START;
            let mut passed: Vec<Duration> = Vec::new();
            for step in steps {
                now += Duration::from_millis(step * 250);
                let decision = throttles.take(Throttle::Login, "a", now).expect("limited");
                prop_assert!(decision.reset_after > Duration::ZERO);
                prop_assert!(decision.reset_after <= limit.interval());
                if decision.allowed {
                    passed.push(now);
                    throttles.give_back(Throttle::Login, "a", now);
                    let again = throttles.take(Throttle::Login, "a", now).expect("limited");
                    prop_assert_eq!(again.remaining, decision.remaining);
                } else {
                    let early = now + decision.reset_after - Duration::from_nanos(1);
                    prop_assert!(!throttles.take(Throttle::Login, "a", early).expect("limited").allowed);
                    now += decision.reset_after;
                    prop_assert!(throttles.take(Throttle::Login, "a", now).expect("limited").allowed);
                    passed.push(now);
                }
            }
            for (i, from) in passed.iter().enumerate() {
                for (j, to) in passed.iter().enumerate().skip(i) {
                    let back = (*to - *from).as_nanos() / limit.interval().as_nanos();
                    prop_assert!((j - i + 1) as u128 <= u128::from(count) + back);
                }
            }
        }
    }
}
