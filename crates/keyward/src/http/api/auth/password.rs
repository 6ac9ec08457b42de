//! `/api/auth/password`
pub(crate) mod change;
