//! Does nothing but Keyward's own word end a session, and is what is wrong called by its name?

use serde_json::json;

use super::{open, pages, patient, sign_in, signed_in};
use crate::binary::{EMAIL, PASSWORD, PATIENCE, until};
use crate::support::{Browser, Fault, Site, pass, seconds};

const REFRESH: &str = "/api/auth/refresh";

#[tokio::test]
async fn nothing_but_keyward_ends_a_session() {
    let site = Site::with(patient).await;
    let (_browser, tab) = signed_in(&site, "/app/private").await;
    let marked = "X-Keyward-Error: session_revoked\r\n";
    for fault in [
        Fault::Unplugged,
        Fault::status(408),
        Fault::status(500),
        Fault::status(503),
        Fault::captive_portal(),
        Fault::unmarked_401(),
        Fault::Answer(401, "text/html", "", "Basic"),
        Fault::Answer(401, "text/html", marked, "marked, and yet not Keyward's"),
        Fault::Answer(
            403,
            "application/problem+json",
            "X-Keyward-Error: cross_site_request\r\n",
            r#"{"code":"cross_site_request"}"#,
        ),
        Fault::Answer(302, "text/html", "Location: http://portal.invalid/\r\n", ""),
    ] {
        let name = format!("{fault:?}");
        site.proxy.fault_once(REFRESH, fault);
        let failed = tab.run_async("return [await kw.refresh(), kw.session.state, location.pathname]").await;
        assert_eq!(failed, json!([false, "offline", "/app/private"]), "{name}");
        let again = tab.run_async("return [await kw.refresh(), kw.session.state]").await;
        assert_eq!(again, json!([true, "signed_in"]), "{name}");
    }
    let pending = Fault::Answer(
        503,
        "application/problem+json",
        "X-Keyward-Error: refresh_pending\r\nRetry-After: 2\r\n",
        r#"{"code":"refresh_pending"}"#,
    );
    site.proxy.fault_once(REFRESH, pending);
    let script = "const first = await kw.refresh(), state = kw.session.state, start = performance.now();
        return [first, state, await kw.refresh(), performance.now() - start > 1800];";
    assert_eq!(
        tab.run_async(script).await,
        json!([false, "signed_in", true, true]),
        "it waits as long as told"
    );
}

#[tokio::test]
async fn it_asks_ever_less_often_and_catches_up_at_once() {
    let site = Site::with(|home| patient(home).with("TOKENS__ACCESS_TTL", "6s")).await;
    let (_browser, tab) = signed_in(&site, "/app/private").await;
    site.proxy.forget();
    site.proxy.fault(REFRESH, Fault::status(503));
    until(PATIENCE, "due", || site.proxy.count(REFRESH) >= 1);
    pass(seconds(12)).await;
    let asked = site.proxy.count(REFRESH);
    assert!((3..=6).contains(&asked), "{asked}");
    assert_eq!(tab.run("return kw.session.state").await, "offline");
    site.proxy.heal();
    site.proxy.forget();
    let all = "for (const name of ['focus', 'online', 'pageshow']) dispatchEvent(new Event(name));
        document.dispatchEvent(new Event('visibilitychange')); document.dispatchEvent(new Event('resume'));
        dispatchEvent(new Event('focus'));";
    tab.run(all).await;
    tab.until(seconds(5), "kw.session.state === 'signed_in'").await;
    assert_eq!(site.proxy.count(REFRESH), 1, "coming back is one thing, however it is told");
}

#[tokio::test]
async fn a_login_in_another_tab_is_taken_up_whatever_failed_before() {
    let site = Site::with(patient).await;
    let (browser, tab) = signed_in(&site, "/app/").await;
    let other = browser.new_tab().await;
    open(&other, "/app/").await;
    site.proxy.fault(REFRESH, Fault::Answer(503, "text/html", "Retry-After: 60\r\n", ""));
    assert_eq!(tab.run_async("return [await kw.refresh(), await kw.refresh()]").await, json!([false, false]));
    other.run_async(&format!("await kw.login({{ email: {EMAIL:?}, password: {PASSWORD:?} }})")).await;
    tab.until(seconds(20), "kw.session.state === 'signed_in'").await;
    other.run_async("await kw.logout()").await;
    tab.until(seconds(20), "kw.session.state === 'signed_out' && kw.session.reason === 'signed_out'").await;
}

#[tokio::test]
async fn a_device_without_a_network_stays_signed_in() {
    let site = Site::with(|home| patient(home).with("TOKENS__ACCESS_TTL", "4s")).await;
    let (_browser, tab) = signed_in(&site, "/app/private").await;
    tab.offline(true).await;
    tab.until(seconds(20), "kw.session.expiresAt < Date.now()").await;
    pass(seconds(2)).await;
    let kept = tab.run_async("return [await kw.refresh(), kw.session.state, location.pathname]").await;
    assert_eq!(kept, json!([false, "offline", "/app/private"]));
    tab.offline(false).await;
    tab.until(seconds(5), "kw.session.state === 'signed_in'").await;

    // To sign out needs no network, either: without its hint no cookie counts.
    tab.offline(true).await;
    tab.run("kw.logout().then((heard) => { window.heard = heard; })").await;
    pass(seconds(1)).await;
    tab.offline(false).await;
    open(&tab, "/app/").await;
    assert_eq!(tab.run("return kw.session.state").await, "signed_out");
    assert_eq!(tab.fetch("GET", "/app/data", None).await["status"], 401);
}

#[tokio::test]
async fn cookies_that_do_not_come_back_are_called_that() {
    let site = Site::with(patient).await;
    pages(&site);
    let login = format!("await kw.login({{ email: {EMAIL:?}, password: {PASSWORD:?} }})");
    let options = Browser::options().preference("profile.default_content_setting_values.cookies", 2);
    let blocking = options.start(&site).await;
    let tab = blocking.tab();
    open(&tab, "/app/").await;
    site.proxy.forget();
    assert_eq!(tab.run_async(&login).await["code"], "cookies_blocked");
    assert_eq!(tab.run_async("return (await kw.fetch('/app/data')).status").await, 401);
    pass(seconds(2)).await;
    assert!(site.proxy.count("/api/*") <= 2, "{:?}", site.proxy.seen("/api/*"));
    drop(blocking);

    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    // They are thrown away under way, with a refresh.
    open(&tab, "/app/").await;
    sign_in(&tab).await;
    let script = "const real = fetch;
        window.fetch = async (...request) => {
          const answer = await real(...request), body = await answer.json();
          answer.json = async () => { document.cookie = 'keyward_hint=; Path=/; Max-Age=0'; return body; };
          return answer;
        };
        return [await kw.refresh(), kw.session.state, kw.session.reason];";
    assert_eq!(tab.run_async(script).await, json!([false, "signed_out", "cookies_blocked"]));
    site.proxy.fault("/api/*", Fault::NoCookies);
    open(&tab, "/app/").await;
    assert_eq!(tab.run_async(&login).await["code"], "cookies_blocked");
    // From the login back to the page, and again: the third time it is told why.
    for _ in 0..2 {
        tab.goto("/app/private?x=1#y").await;
        tab.until_at(seconds(20), "/login").await;
        assert!(tab.url().await.ends_with("/login?next=%2Fapp%2Fprivate%3Fx%3D1%23y"), "{}", tab.url().await);
    }
    tab.goto("/app/private").await;
    tab.until(seconds(20), "document.body.innerText.includes('cookies')").await;
    assert!(tab.text().await.contains("blocked, or dropped by a proxy"));
}
