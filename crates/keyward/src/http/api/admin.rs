//! `/api/admin`: everybody's accounts, sessions and events, for administrators and services.

pub(crate) mod events;
pub(crate) mod sessions;
