//! `/api/admin`

mod roles;
mod users;
