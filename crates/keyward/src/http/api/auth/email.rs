//! `/api/auth/email`
pub(crate) mod verify;
