//! Does the binary do what the contract says, as a process of its own over real files and sockets?

mod beside;
mod commands;
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
mod support;
