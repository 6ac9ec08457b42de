//! Servers of others that Keyward runs over, for tests.

pub(crate) mod port;
pub(crate) mod postgres;
pub(crate) mod redis;
