//! `/api`
pub(crate) mod admin;
pub(crate) mod auth;
