//! `/.well-known`, and what monitors ask.
mod health;
mod jwks;
mod oauth_authorization_server;
