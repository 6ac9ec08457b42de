//! The rules of Keyward, and nothing else.
//!
//! Everything here is synchronous and pure: no I/O, no clock, no source of randomness. Time and
//! fresh bytes are arguments, so that every rule can be asked what it would say at any moment.
//! The crate `keyward` loads records, asks these rules and commits what they decide.
//!
//! Read [`session`] first: it is what Keyward exists for.
//!
//! The feature `passwords` (on by default) adds accounts, the hashes of their passwords and what is
//! written of them. Who only verifies tokens, as `keyward-verify` does, leaves it out.

pub mod session;

pub mod access_token;
pub mod key;
pub mod refresh_token;
pub mod revocation;
pub mod seal;

#[cfg(feature = "passwords")]
pub mod account;
pub mod email;
pub mod mail;
#[cfg(feature = "passwords")]
pub mod password;
pub mod phone;
pub mod role;
pub mod service_key;

pub mod chain;
#[cfg(feature = "passwords")]
pub mod change;
pub mod denial;
pub mod event;
pub mod figure;
pub mod policy;
pub mod throttle;

pub mod duration;
pub mod id;
pub mod time;
