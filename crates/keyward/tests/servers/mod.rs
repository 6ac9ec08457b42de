//! Servers of others that Keyward runs over, for tests.

pub(crate) mod postgres;
pub(crate) mod redis;
