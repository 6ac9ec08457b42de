//! The binary `keyward`: a session system beside any application.

#[allow(dead_code, unused_imports, reason = "the commands that read it are not written yet")]
mod config;

fn main() {}
