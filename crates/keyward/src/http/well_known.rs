//! `/.well-known`: what programs find without being told where.
pub(crate) mod jwks;
pub(crate) mod oauth_authorization_server;
