//! What is in force, where does each value come from, and what keeps Keyward from starting?

mod address;
mod choice;
mod length;
mod mail;
mod origin;
mod raw;
mod rule;
mod secret;
mod store;
