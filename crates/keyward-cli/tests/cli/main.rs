//! Does the binary do what the contract says, as a process of its own over real files and sockets?

mod beside;
mod commands;
mod deploy;
mod disk;
mod django;
mod doctor;
mod event;
mod failures;
mod first_run;
mod import;
mod log;
mod mail;
mod monitor;
mod stop;
// Other test binaries use it, too: what only they need is not missed here.
#[allow(dead_code)]
mod support;
