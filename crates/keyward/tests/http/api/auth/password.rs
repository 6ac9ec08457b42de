//! `/api/auth/password`
mod change;
mod forgot;
mod reset;
