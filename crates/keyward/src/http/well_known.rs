//! `/.well-known`, and what monitors ask.
pub(crate) mod health;
pub(crate) mod jwks;
pub(crate) mod oauth_authorization_server;
