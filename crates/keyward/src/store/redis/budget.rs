//! How do all nodes spend from one budget? GCRA in a script, by the clock of Redis.
//!
//! A key holds the moment at which all of its budget will have come back, in microseconds, and is
//! gone by then: no key is as good as all of it. The numbers are below 2^53, where Lua's are exact.

use std::sync::LazyLock;
use std::time::Duration;

use keyward_core::throttle::Limit;
use redis::Script;

use super::Redis;
use crate::store::Answer;
use crate::store::budget::{Budgets, Spent};

/// What time it is.
pub(super) const CLOCK: &str = "local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
";

/// What is left to come back, and how a budget is left behind. A clock that was set back, or that
/// of another node after a failover, refuses nobody for longer than all of it takes.
const BUDGET: &str = "local interval, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
local until_full = math.min(math.max(full - now, 0), interval * most)
local function keep()
    if until_full > 0 then
        local lives = math.ceil(until_full / 1000)
        redis.call('SET', KEYS[1], string.format('%.0f', now + until_full), 'PX', lives)
    else
        redis.call('DEL', KEYS[1])
    end
end
";

const TAKE: &str = "if until_full > (most - 1) * interval then
    if full - now > until_full then keep() end
    return {0, until_full}
end
until_full = until_full + interval
keep()
return {1, until_full}";

const GIVE_BACK: &str = "until_full = math.max(until_full - interval, 0)
keep()";

/// The script that takes one, with a clock of this text.
pub(super) fn take(clock: &str) -> Script {
    Script::new(&format!("{clock}{BUDGET}{TAKE}"))
}

/// The script that gives one back, with a clock of this text.
pub(super) fn give_back(clock: &str) -> Script {
    Script::new(&format!("{clock}{BUDGET}{GIVE_BACK}"))
}

/// What the script answered.
pub(super) fn spent((allowed, until_full): (u8, u64)) -> Spent {
    Spent { allowed: allowed == 1, until_full: Duration::from_micros(until_full) }
}

/// How long until one comes back.
pub(super) fn interval(limit: Limit) -> u64 {
    u64::try_from(limit.interval().as_micros()).unwrap_or(u64::MAX)
}

impl Redis {
    fn budget(&self, name: &str) -> String {
        format!("{}:budget:{name}", self.terms.prefix)
    }
}

impl Budgets for Redis {
    fn take<'a>(&'a self, name: &'a str, limit: Limit) -> Answer<'a, Spent> {
        static SCRIPT: LazyLock<Script> = LazyLock::new(|| take(CLOCK));
        Box::pin(async move {
            let mut script = SCRIPT.key(self.budget(name));
            script.arg(interval(limit)).arg(limit.count().get());
            self.nodes.run(&script).await.map(spent)
        })
    }

    fn give_back<'a>(&'a self, name: &'a str, limit: Limit) -> Answer<'a, ()> {
        static SCRIPT: LazyLock<Script> = LazyLock::new(|| give_back(CLOCK));
        Box::pin(async move {
            let mut script = SCRIPT.key(self.budget(name));
            script.arg(interval(limit)).arg(limit.count().get());
            self.nodes.run::<Option<()>>(&script).await.map(drop)
        })
    }
}
