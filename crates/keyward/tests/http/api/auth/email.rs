//! `/api/auth/email`
mod verify;
