//! Do services in other languages take Keyward's tokens as Keyward does, and refuse them as soon? Each is the
//! example of `examples/`, as a process of its own.

mod live;
mod played;
#[path = "../../../keyward/tests/servers/port.rs"]
mod port;
mod service;
#[path = "../cli/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the command line, which use the rest")]
mod support;
mod vectors;
