//! `/api/admin`

mod events;
mod roles;
mod sessions;
mod users;
