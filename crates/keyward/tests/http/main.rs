//! Does every answer over HTTP say what the contract says, and does nothing else change?
//!
//! A test of a route stands at the path of its URL, and names the exact events that it expects;
//! what goes for all routes stands beside `api`. What is refused is checked for its shape in
//! [`support::Reply::refused`].

mod access;
mod account;
mod admin;
mod api;
mod assets;
mod body;
mod canary;
mod client;
mod cookie;
mod cors;
mod csrf;
mod dev;
mod docs;
mod extract;
mod flush;
mod forgot;
mod guard;
mod idle;
mod layer;
mod limits;
mod log;
mod login;
mod master_key;
mod methods;
mod metrics;
mod notices;
mod openapi;
mod origin;
mod outbox;
mod pages;
mod problem;
mod race;
mod readyz;
mod reauthenticate;
mod redis_away;
mod redis_lost;
mod redis_turned;
mod refresh_keys;
mod requirements;
mod reset;
mod revocation;
mod routes;
// What other tests do with them is not missed here.
#[allow(dead_code)]
#[path = "../servers/mod.rs"]
mod servers;
mod setup;
mod signup;
mod slow;
mod start;
mod subscription;
mod support;
mod tables;
mod verify_email;
mod well_known;
mod wire;
