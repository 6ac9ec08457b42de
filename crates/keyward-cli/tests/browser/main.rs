//! Does a person in a real browser stay signed in, and signed out?
//!
//! Chromium, driven through WebDriver, before the real binary. Between them stands a proxy that
//! serves the pages of an application and can do to an answer whatever a network does. Lifetimes
//! are seconds, by configuration; where a browser itself has to wait for one, the test waits.

mod attack;
mod client;
mod clocks;
mod console;
mod harness;
mod history;
mod idle;
mod pages;
mod restart;
mod rotation;
mod sleep;
mod tasks;

// What only the tests of the command line need of it is not missed here.
#[allow(dead_code)]
#[path = "../cli/support.rs"]
mod binary;
// The instrument is whole, whatever of it the tests of today use.
#[allow(dead_code)]
mod support;
