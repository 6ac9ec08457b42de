//! Do the examples of proxies protect an application? Real proxies, the real binary, real sockets.
//!
//! What is tested are the files in `examples/` themselves, with other addresses in them.

mod application;
mod browser;
mod doctor;
mod kind;
mod played;
mod probe;
mod stand;
// Most of it is for the tests of the command line.
#[allow(dead_code)]
#[path = "../cli/support.rs"]
mod support;
mod table;
mod tls;
