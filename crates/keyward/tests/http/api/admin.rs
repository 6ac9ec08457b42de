//! `/api/admin`
mod keys;
mod roles;
mod service_keys;
mod users;
