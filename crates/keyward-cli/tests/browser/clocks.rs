//! Does it matter what a device takes for the time?

use tempfile::TempDir;

use crate::support::{Browser, Site, pass, seconds};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// R28: the server is a day ahead of the browser, or behind it.
#[tokio::test]
async fn a_server_a_day_ahead_is_no_matter() {
    goes_on_as_ever("+1d", 0).await;
}

#[tokio::test]
async fn a_server_a_day_behind_is_no_matter() {
    goes_on_as_ever("-1d", 0).await;
}

/// R28: the device is two days off, in either direction, on its own.
#[tokio::test]
async fn a_device_off_by_days_is_no_matter() {
    goes_on_as_ever("+0d", 2 * DAY).await;
    goes_on_as_ever("+0d", -2 * DAY).await;
}

/// Past an expiry it has been refreshed, as often as one would expect, and is signed in.
async fn goes_on_as_ever(server: &str, device: i64) {
    let folder = TempDir::new().expect("a folder");
    let offset = folder.path().join("clock");
    std::fs::write(&offset, server).expect("written");
    let site = Site::with(|home| {
        home.with_clock(&offset)
            .with("SESSIONS__IDLE_TIMEOUT", "1h")
            .with("TOKENS__ACCESS_TTL", "10s")
            .with("SESSIONS__REFRESH_BEFORE", "5s")
    })
    .await;
    site.serve_app();
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.clock(device).await;
    tab.open("/app/").await;
    pass(seconds(12)).await;
    assert_eq!(tab.fetch("GET", "/app/data", None).await["status"], 200);
    let refreshes = site.proxy.count("/api/auth/refresh");
    assert!((1..=3).contains(&refreshes), "{refreshes} refreshes in 12 s");
    assert_eq!(site.proxy.count("/login"), 0);
    let left = tab.run("return window.kw.session.expiresAt - Date.now()").await.as_f64().expect("a time");
    assert!((0.0..=10_500.0).contains(&left), "{left} ms left");
}
