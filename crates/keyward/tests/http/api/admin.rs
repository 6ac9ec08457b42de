//! `/api/admin`
mod events;
mod sessions;
