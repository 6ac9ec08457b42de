//! Can what the other tests rely on be relied on?

use serde_json::json;
use tempfile::TempDir;

use crate::binary::{EMAIL, PASSWORD, PATIENCE, until};
use crate::support::{Browser, Fault, Site, Tab, now, pass, seconds};

/// A page of the application, and Keyward behind the same origin, under its policy.
#[tokio::test]
async fn a_page_and_an_api_share_an_origin() {
    let site =
        Site::with(|home| home.with("SESSIONS__IDLE_TIMEOUT", "1h").with("TOKENS__ACCESS_TTL", "5m")).await;
    site.proxy.app().page("/app/", &["/app/main.js"], "<p id=p>before</p>");
    site.proxy.app().script("/app/main.js", "document.querySelector('#p').textContent = 'after';");
    site.proxy.app().private_page("/app/private", &[], "<p>private</p>");
    let browser = Browser::start(&site).await;
    let tab = browser.tab();

    tab.goto("/app/").await;
    tab.until(seconds(20), "document.querySelector('#p').textContent === 'after'").await;
    assert_eq!(tab.fetch("GET", "/app/data", None).await["status"], 401);
    tab.sign_in().await;
    assert_eq!(tab.fetch("GET", "/app/data", None).await["body"]["data"], "the-private-content");
    assert_eq!(tab.fetch("POST", "/app/data", Some(json!({ "a": 1 }))).await["body"]["bytes"], 7);
    assert_eq!(tab.cookies().await.len(), 3, "access, refresh and hint");
    tab.goto("/app/private").await;
    assert_eq!(tab.text().await, "private");

    tab.run("document.body.append(Object.assign(document.createElement('script'), {textContent: 'x'}))")
        .await;
    let console = browser.console().await;
    assert!(console.iter().any(|line| line.contains("Content Security Policy")), "{console:?}");
}

/// What is done to answers on their way, and what of it the server noticed.
#[tokio::test]
async fn the_network_does_as_it_is_told() {
    let site = Site::start().await;
    site.proxy.app().page("/app/", &[], "<p>page</p>");
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/").await;
    let session = |tab: Tab| async move { tab.fetch("GET", "/api/auth/session", None).await };

    site.proxy.fault("/api/*", Fault::Unplugged);
    assert!(
        session(tab.clone()).await["thrown"]
            .as_str()
            .is_some_and(|thrown| thrown.contains("Failed to fetch"))
    );
    site.proxy.heal();
    site.proxy.fault_once("/api/auth/session", Fault::status(503));
    assert_eq!(session(tab.clone()).await["status"], 503);
    site.proxy.fault_once("/api/auth/session", Fault::captive_portal());
    assert_eq!(session(tab.clone()).await["status"], 200);
    assert_eq!(session(tab.clone()).await["status"], 401, "Keyward again");

    site.proxy.fault_once("/api/auth/login", Fault::NoCookies);
    tab.sign_in().await;
    assert!(tab.cookies().await.is_empty());
    site.proxy.fault_once("/api/auth/login", Fault::Lost);
    let login = json!({ "email": EMAIL, "password": PASSWORD });
    assert!(tab.fetch("POST", "/api/auth/login", Some(login)).await["thrown"].is_string());
    let sessions = site.home.json(&["session", "list", EMAIL, "--json"]);
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(2), "both logins were heard: {sessions}");

    site.proxy.fault_once("/app/", Fault::Late(seconds(1)));
    let start = now();
    tab.reload().await;
    assert!(now() - start >= seconds(1));
    site.proxy.fault("/app/data", Fault::Held);
    tab.run("fetch('/app/data').then(() => { window.came = true; })").await;
    tab.run("window.sent = true").await;
    until(PATIENCE, "asking", || site.proxy.count("/app/data") == 1);
    assert_eq!(tab.run("return window.came").await, json!(null));
    site.proxy.heal();
    tab.until(seconds(20), "window.came").await;

    tab.offline(true).await;
    assert_eq!(tab.run("return navigator.onLine").await, false);
    tab.offline(false).await;
    assert_eq!(session(tab.clone()).await["status"], 401);
}

/// Tabs are hidden, frozen and thawed.
#[tokio::test]
async fn a_tab_is_hidden_and_frozen() {
    let site = ticking().await;
    let browser = Browser::start(&site).await;
    let first = browser.tab();
    first.goto("/app/").await;
    let second = browser.new_window().await;
    second.goto("/app/").await;
    second.hide(true).await;
    second.until(seconds(20), "document.visibilityState === 'hidden'").await;
    assert_eq!(first.run("return document.visibilityState").await, "visible");
    second.hide(false).await;
    second.until(seconds(20), "document.visibilityState === 'visible'").await;

    second.freeze(true).await;
    let before = second.run("return window.ticks").await;
    let ticked = first.run("return window.ticks").await.as_u64().expect("a number");
    first.until(seconds(20), &format!("window.ticks > {ticked} + 10")).await;
    assert_eq!(second.run("return window.ticks").await, before);
    second.freeze(false).await;
    second.until(seconds(20), &format!("window.ticks > {before}")).await;
}

/// A browser sleeps and wakes; it is killed, and opened again.
#[tokio::test]
async fn a_browser_sleeps_and_dies() {
    let site = ticking().await;
    let profile = TempDir::new().expect("a folder");
    let browser = Browser::options().profile(profile.path()).start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/").await;
    browser.sleep(seconds(2)).await;
    tab.until(seconds(20), "window.longest >= 1900").await;
    browser.kill();
    let browser = Browser::options().profile(profile.path()).start(&site).await;
    browser.tab().goto("/app/").await;
    assert_eq!(browser.tab().run("return document.title").await, "App");
}

/// The clock of Keyward is off, and moved while it runs; and that of pages.
#[tokio::test]
async fn clocks_are_off() {
    let folder = TempDir::new().expect("a folder");
    let offset = folder.path().join("clock");
    std::fs::write(&offset, "-2h").expect("written");
    let site = Site::with(|home| home.with_clock(&offset)).await;
    site.proxy.app().page("/app/", &[], "<p>page</p>");
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/").await;
    // In hours, which the time that asking takes does not change.
    let ahead = || async {
        let script = "const answer = await fetch('/api/auth/session');
             return Math.round((new Date(answer.headers.get('date')) - Date.now()) / 3600000);";
        tab.run_async(script).await
    };
    assert_eq!(ahead().await, -2);
    std::fs::write(&offset, "+1d").expect("written");
    // Each thread of the server looks for the date once a second.
    pass(seconds(1)).await;
    assert_eq!(ahead().await, 24);
    tab.clock(3 * 60 * 60 * 1000).await;
    tab.reload().await;
    assert_eq!(ahead().await, 21);
}

/// A picture is taken, in the size and the colours that were asked for; and axe finds what is wrong.
#[tokio::test]
async fn a_page_is_looked_at() {
    let site = Site::start().await;
    site.proxy.app().page("/app/", &[], "<main><h1>App</h1><img src=/favicon.ico></main>");
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/").await;
    tab.look(320, 640, "dark").await;
    assert_eq!(
        tab.run("return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]").await,
        json!([320, true])
    );
    let picture = tab.screenshot("harness").await;
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().expect("four"));
    assert_eq!((number(16), number(20)), (320, 640), "width and height in the head of a PNG");
    let found = tab.axe().await;
    assert!(matches!(found.as_slice(), [one] if one.starts_with("image-alt (critical)")), "{found:?}");
}

/// A site with a page that counts, and notes the longest that it did not come to it.
async fn ticking() -> Site {
    let site = Site::start().await;
    site.proxy.app().page("/app/", &["/app/tick.js"], "<p>page</p>");
    let script = "window.ticks = 0; window.longest = 0; let last = performance.now();
         setInterval(() => {
           const now = performance.now();
           window.ticks += 1; window.longest = Math.max(window.longest, Math.round(now - last)); last = now;
         }, 50);";
    site.proxy.app().script("/app/tick.js", script);
    site
}
