//! `/api/auth/password`
mod change;
