//! How is the log written? To standard error, for people or for machines.

mod sink;

use std::io::{self, IsTerminal as _};
use std::panic::{PanicHookInfo, set_hook};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tracing_subscriber::filter::LevelFilter;

use self::sink::Sink;
use crate::config::{Log, LogFormat, LogLevel};

/// The log, while this is held. Dropped, it writes what is left, for a moment at most.
pub(crate) struct Logging(Arc<Sink>);

/// Begins to log, as `log.*` says.
///
/// # Errors
/// Where the system gives no thread to write on.
pub(crate) fn begin(log: &Log) -> io::Result<Logging> {
    let colours = log.format == LogFormat::Text && io::stderr().is_terminal();
    let sink = Sink::begin(io::stderr(), colours)?;
    let writer = Arc::clone(&sink);
    let builder = tracing_subscriber::fmt()
        .with_max_level(level(log.level))
        .with_target(false)
        .with_ansi(colours)
        // Saying that the log can't be written, on standard error, would panic.
        .log_internal_errors(false)
        .with_writer(move || sink::Line(Arc::clone(&writer)));
    // One that is there already stays.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    set_hook(Box::new(panicked));
    Ok(Logging(sink))
}

impl Logging {
    /// How many lines could not be written so far.
    pub(crate) fn drops(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.drops)
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// A panic is one line that says where. What was put into its words may be a secret; only words
/// that stand in the program are told.
fn panicked(info: &PanicHookInfo<'_>) {
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    let words = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("something unforeseen");
    tracing::error!(at, "a panic: {words}");
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
