//! How is a browser started, and what can be done to all of it?

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;
use thirtyfour::{Capabilities, WebDriver, WindowHandle};

use super::processes::Processes;
use super::tab::Tab;
use super::{Site, now, pass};

/// What Chromium needs on a machine without a screen, a sandbox and the network; and so that it
/// finds every host of `.test` on this machine, and no other.
const ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--window-size=1280,800",
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
];

/// How one is started.
#[derive(Default)]
pub(crate) struct Options {
    profile: Option<PathBuf>,
    arguments: Vec<String>,
    preferences: Map<String, Value>,
}

impl Options {
    /// In this folder, which stays; else in one of its own, which goes with it.
    pub(crate) fn profile(mut self, folder: &Path) -> Self {
        self.profile = Some(folder.to_owned());
        self
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A preference of its profile, such as `profile.default_content_setting_values.cookies`.
    pub(crate) fn preference(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.preferences.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) async fn start(self, site: &Site) -> Browser {
        self.start_at(site.origin()).await
    }

    /// For another origin than that of a [`Site`].
    pub(crate) async fn start_at(self, origin: &str) -> Browser {
        let own = TempDir::new().expect("a folder");
        let profile = self.profile.unwrap_or_else(|| own.path().join("profile"));
        let processes = Processes::start(own.path());
        let mut arguments: Vec<String> = ARGUMENTS.iter().map(|argument| (*argument).to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        arguments.extend(self.arguments);
        let mut preferences = self.preferences;
        // It opens no connection ahead: a request by one that was closed meanwhile is sent again.
        preferences.insert("net.network_prediction_options".to_owned(), json!(2));
        let mut capabilities = Capabilities::new();
        let options = json!({ "binary": "/usr/bin/chromium", "args": arguments, "prefs": preferences });
        capabilities.set("goog:chromeOptions", options).expect("JSON");
        capabilities.set("goog:loggingPrefs", json!({ "browser": "ALL" })).expect("JSON");
        capabilities.set("acceptInsecureCerts", json!(true)).expect("JSON");
        let driver = WebDriver::new(processes.address(), capabilities).await.expect("a browser");
        let first = driver.window().await.expect("a window");
        Browser { processes, driver, first, origin: origin.to_owned(), _own: own }
    }
}

/// A browser with a profile. Dropped, it is killed.
pub(crate) struct Browser {
    // Before the folder that it writes to.
    processes: Processes,
    driver: WebDriver,
    first: WindowHandle,
    origin: String,
    _own: TempDir,
}

impl Browser {
    pub(crate) async fn start(site: &Site) -> Self {
        Options::default().start(site).await
    }

    pub(crate) fn options() -> Options {
        Options::default()
    }

    /// The tab that was there from the beginning.
    pub(crate) fn tab(&self) -> Tab {
        Tab::new(self.driver.clone(), self.first.clone(), &self.origin)
    }

    /// A new tab. Without a screen, no tab hides another: all are visible until [`Tab::hide`].
    pub(crate) async fn new_tab(&self) -> Tab {
        let window = self.driver.new_tab().await.expect("a tab");
        Tab::new(self.driver.clone(), window, &self.origin)
    }

    /// A tab in a window of its own, which can be hidden by itself.
    pub(crate) async fn new_window(&self) -> Tab {
        let window = self.driver.new_window().await.expect("a window");
        Tab::new(self.driver.clone(), window, &self.origin)
    }

    /// Stops every process of it, as a closed laptop does, for this long; gives the moment at which
    /// it wakes.
    pub(crate) async fn sleep(&self, time: Duration) -> Duration {
        self.processes.stop();
        pass(time).await;
        let woken = now();
        self.processes.wake();
        woken
    }

    /// What its consoles said since this was asked last, of all tabs.
    pub(crate) async fn console(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.expect("a log");
        log.into_iter().map(|entry| format!("{} {}", entry.level, entry.message)).collect()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Else the driver would ask for an orderly end of what is killed next.
        let _ = self.driver.clone().leak();
    }
}
