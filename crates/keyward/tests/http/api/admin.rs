//! `/api/admin`

mod events;
mod keys;
mod roles;
mod service_keys;
mod sessions;
mod statistics;
mod users;
