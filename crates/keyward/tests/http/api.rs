//! `/api`
mod auth;
