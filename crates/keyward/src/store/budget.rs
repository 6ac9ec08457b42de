//! How much of a budget is spent, where several nodes spend from it?

use std::time::Duration;

use keyward_core::throttle::Limit;

use super::Answer;

/// Budgets that every node of an installation spends from. Each comes back one by one, by the clock
/// of whoever keeps them.
pub(crate) trait Budgets: Send + Sync {
    /// Spends one of the budget of that name, where one is left.
    fn take<'a>(&'a self, name: &'a str, limit: Limit) -> Answer<'a, Spent>;

    /// Gives one back to the budget of that name.
    fn give_back<'a>(&'a self, name: &'a str, limit: Limit) -> Answer<'a, ()>;
}

/// What a budget answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Whether there was one left, which is now spent.
    pub(crate) allowed: bool,
    /// In how much time all of it will have come back.
    pub(crate) until_full: Duration,
}
