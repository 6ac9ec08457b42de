//! Does a session outlive the end of a browser, and of the server?

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Browser, Fault, PATIENCE, Site, Tab, now, pass, seconds};

/// R43: the browser is killed and opened again: still signed in, without anything but cookies that
/// the server set. Past the life of a refresh token it is at the login.
#[tokio::test]
async fn a_killed_browser_is_still_signed_in() {
    let folder = TempDir::new().expect("a folder");
    let offset = folder.path().join("clock");
    std::fs::write(&offset, "+0d").expect("written");
    let site = Site::with(|home| {
        home.with_clock(&offset).with("TOKENS__ACCESS_TTL", "15m").with("SESSIONS__IDLE_TIMEOUT", "off")
    })
    .await;
    site.serve_app();
    let profile = folder.path().join("profile");
    signed_in_and_killed(&site, &profile).await;

    let browser = Browser::options().profile(&profile).start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/").await;
    tab.until(seconds(20), "document.querySelector('#data').textContent").await;
    assert_eq!(tab.run("return window.kw.session.state").await, "signed_in");
    assert_eq!(site.proxy.count("/login"), 0);

    std::fs::write(&offset, "+8d").expect("written");
    tab.goto("/app/").await;
    tab.until_at(seconds(20), "/login").await;
}

/// R44: whatever cookies a browser revives, the session is over at its absolute deadline, which the
/// server knows. Opened again past that, the browser is at the login.
#[tokio::test]
async fn a_browser_opened_again_past_the_absolute_deadline_is_at_the_login() {
    let folder = TempDir::new().expect("a folder");
    let offset = folder.path().join("clock");
    std::fs::write(&offset, "+0d").expect("written");
    let site = Site::with(|home| {
        home.with_clock(&offset)
            .with("TOKENS__ACCESS_TTL", "15m")
            .with("SESSIONS__IDLE_TIMEOUT", "off")
            .with("SESSIONS__ABSOLUTE_TTL", "2h")
    })
    .await;
    site.serve_app();
    let profile = folder.path().join("profile");
    signed_in_and_killed(&site, &profile).await;

    std::fs::write(&offset, "+121m").expect("written");
    let browser = Browser::options().profile(&profile).start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/").await;
    tab.until_at(seconds(20), "/login").await;
    let refused = site.proxy.seen("/api/auth/refresh");
    assert!(refused.iter().any(|seen| seen.status == 401), "the cookies were there: {}", site.story());
}

/// The server is killed while it answers a refresh, and is back after a while: the page is signed in
/// as before, by itself.
#[tokio::test]
async fn a_killed_server_signs_nobody_out() {
    let mut site = Site::with(|home| home.with("SESSIONS__IDLE_TIMEOUT", "1h")).await;
    site.serve_app();
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    site.proxy.fault("/api/auth/refresh", Fault::Lost);
    // The answer to an earlier one came.
    site.proxy.forget();
    let start = now();
    while site.proxy.count("/api/auth/refresh") == 0 {
        assert!(now() - start < PATIENCE, "it refreshes");
        pass(Duration::from_millis(5)).await;
    }
    site.kill_keyward();
    site.proxy.heal();
    pass(seconds(5)).await;
    assert_eq!(tab.run("return window.kw.session.state").await, "offline");
    site.start_keyward();
    tab.until(
        PATIENCE,
        "window.kw.session.state === 'signed_in' && window.kw.session.expiresAt > Date.now()",
    )
    .await;
    assert_eq!(tab.run_async("return window.load()").await, 200);
    assert_eq!(site.proxy.count("/login"), 0);
}

/// Somebody signs in, and the browser is killed once it has written its cookies down.
async fn signed_in_and_killed(site: &Site, profile: &Path) {
    let browser = Browser::options().profile(profile).start(site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    assert_eq!(tab.run("return localStorage.length").await, 0);
    flush(&tab, site, profile).await;
    browser.kill();
}

/// Chromium writes its cookies down every 30 s, or after 512 changes: another host makes so many.
async fn flush(tab: &Tab, site: &Site, profile: &Path) {
    tab.goto(&format!("http://other.test:{}/app/plain", site.proxy.port())).await;
    tab.run("for (let i = 0; i < 700; i += 1) document.cookie = `filler${i}=${i}; Max-Age=600`").await;
    let cookies = profile.join("Default/Cookies");
    let written = || {
        let bytes = std::fs::read(&cookies).unwrap_or_default();
        // While its journal holds something, a transaction is under way.
        let journal = std::fs::metadata(profile.join("Default/Cookies-journal")).map_or(0, |file| file.len());
        journal == 0 && bytes.windows(15).any(|part| part == b"keyward_refresh")
    };
    let start = now();
    while !written() {
        assert!(now() - start < PATIENCE, "cookies are written to {}", cookies.display());
        pass(Duration::from_millis(5)).await;
    }
}
