//! Does a session outlive sleep, hidden tabs and frozen ones?

use serde_json::json;

use crate::binary::{PATIENCE, until};
use crate::support::{Browser, Fault, Share, Site, now, pass, seconds};

/// R11: timers stand still in a closed laptop. Awake again past the end of its access token, a page
/// is refreshed within 5 s, and nobody sees a login page.
#[tokio::test]
async fn a_page_that_slept_past_the_expiry_is_refreshed() {
    let site = patient(Share::Half).await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    let woken = browser.sleep(seconds(9)).await;
    let refreshed = || site.proxy.seen("/api/auth/refresh").into_iter().find(|seen| seen.at >= woken);
    until(PATIENCE, "to be refreshed", || refreshed().is_some());
    let took = refreshed().expect("it was").at - woken;
    assert!(took <= seconds(5), "{took:?}");
    tab.until(seconds(20), "window.kw.session.expiresAt > Date.now()").await;
    assert_eq!(tab.run_async("return window.load()").await, 200);
    assert_eq!(site.proxy.count("/login"), 0);
}

/// R11: a delay beyond 2^31 - 1 ms is no delay at all for a timer.
#[tokio::test]
async fn a_session_of_months_is_no_storm_of_refreshes() {
    let site = Site::with(|home| {
        home.with("TOKENS__ACCESS_TTL", "24h")
            .with("TOKENS__REFRESH_TTL", "365d")
            .with("SESSIONS__ABSOLUTE_TTL", "3650d")
            .with("SESSIONS__IDLE_TIMEOUT", "365d")
    })
    .await;
    site.serve_app();
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    pass(seconds(3)).await;
    assert_eq!(site.proxy.count("/api/auth/refresh"), 0);
    assert!(site.proxy.count("/api/auth/*") <= 4, "{:?}", site.proxy.seen("/api/auth/*"));
}

/// R13: a hidden tab asks for nothing by itself. Shown again past its expiry, its first request is
/// answered, and nobody sees a login page.
#[tokio::test]
async fn a_hidden_tab_is_refreshed_when_it_is_shown() {
    let site = patient(Share::Quarter).await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    tab.hide(true).await;
    tab.until(seconds(20), "document.hidden").await;
    // One may be on its way.
    pass(seconds(1)).await;
    let before = site.proxy.count("/api/auth/refresh");
    pass(seconds(8)).await;
    assert_eq!(site.proxy.count("/api/auth/refresh"), before);
    assert_eq!(tab.fetch("GET", "/app/data", None).await["status"], 401, "it has expired");
    tab.hide(false).await;
    assert_eq!(tab.run_async("return window.load()").await, 200);
    assert_eq!(site.proxy.count("/login"), 0);
}

/// R14: no tab is the one that has to live. The first is frozen; the other keeps both signed in.
#[tokio::test]
async fn a_frozen_tab_is_not_needed() {
    // A refresh has several seconds before the end that it comes before.
    let site = Site::with(|home| {
        home.with("SESSIONS__IDLE_TIMEOUT", "1h")
            .with("TOKENS__ACCESS_TTL", "10s")
            .with("SESSIONS__REFRESH_BEFORE", "5s")
    })
    .await;
    site.serve_app();
    let browser = Browser::start(&site).await;
    let first = browser.tab();
    first.open("/app/").await;
    let second = browser.new_window().await;
    second.goto("/app/").await;
    second.until(seconds(20), "document.querySelector('#data').textContent").await;
    first.freeze(true).await;
    let start = now();
    while now() - start < seconds(14) {
        // Past the client: what any request of the page is told.
        assert_eq!(second.fetch("GET", "/app/data", None).await["status"], 200, "{:?}", now() - start);
        pass(seconds(1)).await;
    }
    first.freeze(false).await;
    assert_eq!(first.run_async("return window.load()").await, 200);
    assert_eq!(site.proxy.count("/login"), 0);
}

/// R14: frozen in the middle of a refresh, a tab holds no lock that others wait for. Thawed, it takes
/// nothing up that came meanwhile, tells the others nothing old, and lives on.
#[tokio::test]
async fn a_tab_frozen_in_a_refresh_holds_nobody_up_and_tells_nothing_old() {
    let refresh = "/api/auth/refresh";
    let expiry = "return Math.round(kw.session.expiresAt)";
    let site =
        Site::with(|home| home.with("SESSIONS__IDLE_TIMEOUT", "1h").with("TOKENS__ACCESS_TTL", "5m")).await;
    site.serve_app();
    let browser = Browser::start(&site).await;
    let (first, second) = (browser.tab(), browser.new_window().await);
    first.open("/app/").await;
    second.goto("/app/").await;
    second.until(seconds(20), "window.kw?.session.state === 'signed_in'").await;
    site.proxy.fault_once(refresh, Fault::Held);
    first.run("kw.refresh()").await;
    until(PATIENCE, "asking", || site.proxy.count(refresh) == 1);
    first.freeze(true).await;
    // It gives the lock back, though its request is still on its way.
    let free = "while ((await navigator.locks.query()).held.length) await new Promise((done) => setTimeout(done, 20));
        return 'free'";
    assert_eq!(second.run_async(free).await, "free");
    // Longer than a page's ways of reckoning differ.
    pass(seconds(4)).await;
    assert_eq!(second.run_async("return await kw.refresh()").await, true);
    let newest = second.run(expiry).await.as_i64().expect("a time");
    second
        .run(
            "window.oldest = Infinity;
             setInterval(() => { oldest = Math.min(oldest, kw.session.expiresAt); }, 20);",
        )
        .await;
    site.proxy.heal();
    first.freeze(false).await;
    assert_eq!(first.run_async("return window.load()").await, 200);
    pass(seconds(2)).await;
    let oldest = second.run("return Math.round(oldest)").await.as_i64().expect("a time");
    assert!(oldest > newest - 2_000, "{oldest} was told after {newest}");

    // It hears the others again, and looks at its own clock.
    assert_eq!(second.run_async("return await kw.refresh()").await, true);
    first.until(seconds(5), &format!("kw.session.expiresAt > {newest} + 1000")).await;
    second.close().await;
    first.cdp("Network.deleteCookies", json!({ "name": "keyward_hint", "url": site.origin() })).await;
    first.until_at(seconds(20), "/login").await;
}

/// A site where idleness ends nothing.
async fn patient(share: Share) -> Site {
    let site = Site::sharing(share, |home| home.with("SESSIONS__IDLE_TIMEOUT", "1h")).await;
    site.serve_app();
    site
}
