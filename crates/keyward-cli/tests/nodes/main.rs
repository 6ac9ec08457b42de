//! Do several processes over one store act as one, whatever fails?
//!
//! Real nodes over a real Postgres (and Redis), which is killed, stopped, cut off and slowed down
//! while clients use it. Each client goes on as a browser does: what is not answered, or with 503,
//! is asked again; it signs in once. So a 401 is a wrong sign-out.
#![expect(clippy::print_stderr, reason = "what clients met is told, so that it can be read")]

mod asking;
mod client;
mod clocks;
mod faults;
mod moved;
mod node;
mod operate;
mod over_a_cluster;
mod over_redis;
mod proxy;
mod refresh_keys;
mod together;
mod turned;
mod vouched;

// What only other test binaries use is not missed here.
#[allow(dead_code)]
#[path = "../../../keyward/tests/servers/mod.rs"]
mod servers;
#[allow(dead_code)]
#[path = "../cli/support.rs"]
mod support;
