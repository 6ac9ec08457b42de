//! `/dev`: what is there in development alone.
pub(crate) mod mailbox;
