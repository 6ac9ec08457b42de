//! How much work is one hash?

use std::fmt;

/// The most memory that one hash may take, in KiB: 1 GiB, the costliest preset in wide use.
const MOST_MEMORY: u32 = 1 << 20;
/// The most lanes.
const MOST_PARALLELISM: u32 = 64;
/// The most blocks of 1 KiB that one hash may fill, all passes together: a second or two.
const MOST_WORK: u64 = 4 << 20;

/// How much work one hash is: argon2id's parameters (`passwords.argon2_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

impl Cost {
    /// This much work. Refused is what argon2 can't do, and what would keep one thread for longer
    /// than somebody waits for a login.
    pub fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, InvalidCost> {
        if !(1..=MOST_PARALLELISM).contains(&parallelism) {
            return Err(InvalidCost::Parallelism);
        }
        if !(8 * parallelism..=MOST_MEMORY).contains(&memory_kib) {
            return Err(InvalidCost::Memory { least: 8 * parallelism });
        }
        if iterations < 1 || u64::from(memory_kib) * u64::from(iterations) > MOST_WORK {
            return Err(InvalidCost::Iterations { most: MOST_WORK / u64::from(memory_kib) });
        }
        Ok(Self { memory_kib, iterations, parallelism })
    }

    /// What [`Cost::new`] takes, by the names that hashes have for it.
    pub(super) fn bounds() -> String {
        format!(
            "p from 1 to {MOST_PARALLELISM}, m from 8 * p to {MOST_MEMORY}, t from 1, and t * m up to \
             {MOST_WORK}"
        )
    }

    /// Memory, in KiB.
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Lanes of the memory. They are filled one after the other, on one thread.
    pub const fn parallelism(&self) -> u32 {
        self.parallelism
    }
}

/// 19 MiB, two passes, one lane: the least of OWASP's recommendations.
impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

/// A cost that is out of range, by the parameter that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidCost {
    /// The memory (`argon2_memory_kib`).
    Memory {
        /// What it has to be at least, in KiB.
        least: u32,
    },
    /// The passes (`argon2_iterations`).
    Iterations {
        /// What they may be at most.
        most: u64,
    },
    /// The lanes (`argon2_parallelism`).
    Parallelism,
}

impl fmt::Display for InvalidCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { least } => {
                write!(f, "must be from {least} (8 for each of argon2_parallelism) to {MOST_MEMORY} KiB")
            }
            Self::Iterations { most } => {
                write!(
                    f,
                    "must be from 1 to {most}, so that times argon2_memory_kib it is at most {MOST_WORK}"
                )
            }
            Self::Parallelism => write!(f, "must be from 1 to {MOST_PARALLELISM}"),
        }
    }
}

impl std::error::Error for InvalidCost {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_out_of_range_says_what_is_allowed() {
        assert_eq!(Cost::new(19_456, 2, 1), Ok(Cost::default()));
        for (memory, iterations, parallelism) in
            [(8, 1, 1), (1 << 20, 4, 1), (512, 1, 64), (47_104, 1, 1), (8, 524_288, 1)]
        {
            assert!(Cost::new(memory, iterations, parallelism).is_ok());
        }
        for (memory, iterations, parallelism, message) in [
            (7, 1, 1, "must be from 8 (8 for each of argon2_parallelism) to 1048576 KiB"),
            (31, 1, 4, "must be from 32 (8 for each of argon2_parallelism) to 1048576 KiB"),
            ((1 << 20) + 1, 1, 1, "must be from 8 (8 for each of argon2_parallelism) to 1048576 KiB"),
            (19_456, 0, 1, "must be from 1 to 215, so that times argon2_memory_kib it is at most 4194304"),
            (19_456, 216, 1, "must be from 1 to 215, so that times argon2_memory_kib it is at most 4194304"),
            (19_456, 2, 0, "must be from 1 to 64"),
            (19_456, 2, 65, "must be from 1 to 64"),
            (u32::MAX, u32::MAX, u32::MAX, "must be from 1 to 64"),
        ] {
            let refused = Cost::new(memory, iterations, parallelism);
            assert_eq!(refused.expect_err("out of range").to_string(), message);
        }
    }
}
