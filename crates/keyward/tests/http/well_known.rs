//! `/.well-known`, and what monitors ask.
mod jwks;
mod oauth_authorization_server;
