//! `/api`
pub(crate) mod auth;
