//! What happened, and is the account of it whole? The audit trail: lists, findings, the chain.

pub(crate) mod chain;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod statistics;
