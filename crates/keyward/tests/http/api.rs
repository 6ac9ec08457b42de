//! `/api`
mod admin;
mod auth;
