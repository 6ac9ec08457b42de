//! What does a test in the browser stand on?

mod app;
mod axe;
mod browser;
mod message;
mod processes;
mod proxy;
mod site;
mod tab;
mod tls;

use std::time::Duration;

use keyward::clock::Clock;

pub(crate) use app::SECRET;
pub(crate) use browser::Browser;
pub(crate) use proxy::Fault;
pub(crate) use site::{Share, Site, permit};
pub(crate) use tab::Tab;

pub(crate) use crate::binary::{EMAIL, PASSWORD, PATIENCE};

/// Lets time pass for a browser, which can't be given a clock.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The time since some moment in the past.
pub(crate) fn now() -> Duration {
    Clock::system().monotonic()
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A file that `scripts/test` put into `target/tools`.
pub(crate) fn tool(path: &str) -> String {
    let path = tab::target().join("tools").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `. scripts/lib.sh; need_browser` gets it", path.display())
    })
}
