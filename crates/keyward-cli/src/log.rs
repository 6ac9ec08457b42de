//! How is the log written? To standard error, for people or for machines.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::LevelFilter;

use crate::config::{Log, LogFormat, LogLevel};

/// Begins to log, as `log.*` says.
pub(crate) fn begin(log: &Log) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level(log.level))
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        // Saying that standard error can't be written, on standard error, would panic.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    // One that is there already stays.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
