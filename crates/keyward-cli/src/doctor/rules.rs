//! Which values of the configuration that are not the library's would bite in production?

use keyward::diagnosis::Finding;

use crate::config::{Config, LogLevel};

pub(super) fn log_level(config: &Config) -> Finding {
    const KEY: &str = "log.level";
    match config.log.level {
        level @ (LogLevel::Debug | LogLevel::Trace) => Finding::warning(
            KEY,
            format!("{}: the log grows fast, and slows what it tells of", word(level)),
            "set log.level to info once you have found what you look for",
        ),
        level => Finding::ok(KEY, word(level)),
    }
}

fn word(level: LogLevel) -> String {
    format!("{level:?}").to_lowercase()
}
