//! `/api/admin`: the installation, for those who administer it.

pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod roles;
pub(crate) mod service_keys;
pub(crate) mod sessions;
pub(crate) mod statistics;
pub(crate) mod users;
