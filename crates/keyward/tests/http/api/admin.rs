//! `/api/admin`
mod keys;
mod service_keys;
