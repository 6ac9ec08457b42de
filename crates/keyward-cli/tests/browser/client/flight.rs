//! Do refreshes of many tabs, lost answers, logins and logouts get along?

use serde_json::json;

use super::{beforehand, expire, open, pages, patient, sign_in, signed_in};
use crate::binary::{EMAIL, PASSWORD, PATIENCE, until};
use crate::support::{Browser, Fault, Site, Tab, pass, seconds};

const REFRESH: &str = "/api/auth/refresh";
/// What old browsers, plain HTTP and sandboxed frames don't have.
const ALONE: &str = "delete Navigator.prototype.locks; delete window.BroadcastChannel;
    Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });";

/// The cookies, as a browser sends them.
async fn values(tab: &Tab) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let cookies = tab.cookies().await;
    let mut all: Vec<String> = cookies
        .iter()
        .map(|cookie| format!("{}={}", text(&cookie["name"]), text(&cookie["value"])))
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn twenty_tabs_that_know_nothing_of_each_other_refresh_at_once() {
    let site = Site::with(patient).await;
    pages(&site);
    let browser = Browser::start(&site).await;
    let first = browser.tab();
    first.goto("/app/").await;
    first.sign_in().await;
    let mut tabs = Vec::new();
    for _ in 0..20 {
        let tab = browser.new_tab().await;
        beforehand(&tab, ALONE).await;
        open(&tab, "/app/").await;
        tabs.push(tab);
    }
    expire(&first, &site).await;
    site.proxy.forget();
    let at = first.run("return Date.now() + 4000").await;
    for tab in &tabs {
        let all = format!(
            "setTimeout(async () => {{ window.done = [await kw.refresh(), (await kw.fetch('/app/data')).status]; }}, {at} - Date.now())"
        );
        tab.run(&all).await;
    }
    for tab in &tabs {
        tab.until(seconds(40), "window.done").await;
        assert_eq!(tab.run("return [...done, kw.session.state]").await, json!([true, 200, "signed_in"]));
    }
    let refreshes = site.proxy.seen(REFRESH);
    assert!(refreshes.len() >= 20 && refreshes.iter().all(|seen| seen.status == 200));
    let sessions = site.home.json(&["session", "list", EMAIL, "--json"]);
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1), "{sessions}");

    // Nobody tells them of an end, and they see it by themselves.
    tabs[0].run_async("await kw.logout()").await;
    tabs[1].until(seconds(20), "kw.session.state === 'signed_out'").await;
}

#[tokio::test]
async fn tabs_tell_each_other_by_storage_where_there_are_no_channels() {
    let site = Site::with(patient).await;
    pages(&site);
    let browser = Browser::start(&site).await;
    let (first, second) = (browser.tab(), browser.new_tab().await);
    for tab in [&first, &second] {
        beforehand(tab, "delete window.BroadcastChannel;").await;
    }
    open(&first, "/app/").await;
    sign_in(&first).await;
    open(&second, "/app/").await;
    second.run("window.heard = 0; addEventListener('storage', () => { heard += 1; })").await;
    first.run_async("await kw.refresh()").await;
    second.until(seconds(20), "heard > 0 && kw.session.state === 'signed_in'").await;
    let kept = second.run("return JSON.stringify(localStorage)").await;
    assert_eq!(kept, "{}", "nothing stays there");
    first.run_async("await kw.logout()").await;
    second.until(seconds(20), "kw.session.state === 'signed_out'").await;
}

#[tokio::test]
async fn a_lost_answer_and_one_that_never_comes_are_asked_for_again() {
    let site = Site::with(patient).await;
    let (_browser, tab) = signed_in(&site, "/app/private").await;
    let before = values(&tab).await;
    site.proxy.fault_once(REFRESH, Fault::Lost);
    assert_eq!(
        tab.run_async("return [await kw.refresh(), kw.session.state]").await,
        json!([false, "offline"])
    );
    assert_eq!(values(&tab).await, before, "what failed changed no cookie");
    expire(&tab, &site).await;
    assert_eq!(
        tab.run_async("return [await kw.refresh(), kw.session.state]").await,
        json!([true, "signed_in"])
    );

    site.proxy.fault_once(REFRESH, Fault::Hang);
    expire(&tab, &site).await;
    // A timer of the same page is late where the page is.
    let script = "const late = new Promise((done) => setTimeout(done, 9500, 'late'));
         const queued = Promise.all([1, 2, 3].map(() => kw.fetch('/app/data').then((answer) => answer.status)));
         const first = await Promise.race([kw.refresh(), late]);
         return [await queued, first, await kw.refresh()];";
    assert_eq!(tab.run_async(script).await, json!([[401, 401, 401], false, true]));
    assert_eq!(tab.run_async("return (await kw.fetch('/app/data')).status").await, 200);
    assert_eq!(tab.run("return location.pathname").await, "/app/private");
}

#[tokio::test]
async fn a_copied_token_ends_the_session_in_every_tab() {
    let site = Site::with(|home| patient(home).with("SESSIONS__ROTATION_WINDOW", "3s")).await;
    let (browser, tab) = signed_in(&site, "/app/private").await;
    let other = browser.new_tab().await;
    open(&other, "/app/private").await;
    let copied = values(&tab).await;
    assert_eq!(tab.run_async("return await kw.refresh()").await, true);
    assert_eq!(tab.run_async("return (await kw.fetch('/app/data')).status").await, 200);
    pass(seconds(4)).await;
    let thief = reqwest::Client::new()
        .post(format!("{}{REFRESH}", site.origin()))
        .header("cookie", copied.join("; "))
        .header("origin", site.origin())
        .send()
        .await
        .expect("an answer");
    assert_eq!(thief.headers()["x-keyward-error"], "refresh_token_reused");
    tab.run("kw.fetch('/app/data')").await;
    tab.until_at(seconds(20), "/login").await;
    other.until_at(seconds(20), "/login").await;
}

#[tokio::test]
async fn an_ordinary_answer_that_comes_late_changes_no_cookie() {
    let site = Site::with(patient).await;
    let (_browser, tab) = signed_in(&site, "/app/").await;
    site.proxy.forget();
    site.proxy.fault_once("/api/auth/session", Fault::Held);
    tab.run("kw.fetch('/api/auth/session').then(() => { window.late = true; })").await;
    until(PATIENCE, "asked", || site.proxy.count("/api/auth/session") == 1);
    assert_eq!(tab.run_async("return await kw.refresh()").await, true);
    let after = values(&tab).await;
    site.proxy.heal();
    tab.until(seconds(20), "window.late").await;
    assert_eq!(values(&tab).await, after);
}

#[tokio::test]
async fn a_lock_that_is_never_given_back_holds_nobody_up_for_long() {
    let site = Site::with(patient).await;
    let (browser, tab) = signed_in(&site, "/app/").await;
    let other = browser.new_tab().await;
    open(&other, "/app/").await;
    other
        .run(
            "navigator.locks.request('keyward', () => { window.held = true; return new Promise(() => {}); })",
        )
        .await;
    other.until(seconds(20), "window.held").await;
    // A timer of the same page is late where the page is.
    let script = "const late = new Promise((done) => setTimeout(done, 5000, 'late')), real = fetch;
         const asked = new Promise((done) => {
           window.fetch = (...request) => {
             done('asked');
             return real(...request);
           };
         });
         const refreshed = kw.refresh();
         return [await Promise.race([asked, late]), await refreshed];";
    assert_eq!(tab.run_async(script).await, json!(["asked", true]));
}

#[tokio::test]
async fn instances_of_a_page_are_one_and_leave_nothing_behind() {
    let site = Site::with(patient).await;
    pages(&site);
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    // Counts the listeners that are held by a signal, as the client's are.
    let count = "window.held = 0; const add = EventTarget.prototype.addEventListener;
        EventTarget.prototype.addEventListener = function (name, listener, options) {
          add.call(this, name, listener, options);
          if (options?.signal) { held += 1; add.call(options.signal, 'abort', () => { held -= 1; }); }
        };";
    beforehand(&tab, count).await;
    open(&tab, "/app/").await;
    sign_in(&tab).await;
    expire(&tab, &site).await;
    site.proxy.forget();
    let script = "const { createKeyward } = await import('/client/keyward.js?second');
         for (let i = 0; i < 50; i += 1) createKeyward().dispose();
         const second = createKeyward();
         const answers = await Promise.all([kw.fetch('/app/data'), second.fetch('/app/data')]);
         const before = held;
         second.dispose(); second.dispose();
         const between = held;
         kw.dispose();
         return [answers.map((answer) => answer.status), before > 0, before === between, held];";
    assert_eq!(tab.run_async(script).await, json!([[200, 200], true, true, 0]));
    assert_eq!(site.proxy.count(REFRESH), 1);
}

#[tokio::test]
async fn a_logout_and_a_login_beat_a_refresh_under_way() {
    let site = Site::with(patient).await;
    let (browser, tab) = signed_in(&site, "/app/").await;
    let other = browser.new_tab().await;
    open(&other, "/app/").await;
    let login = format!("await kw.login({{ email: {EMAIL:?}, password: {PASSWORD:?} }})");

    // The refresh of another tab, and its own.
    for refreshing in [&other, &tab] {
        site.proxy.forget();
        site.proxy.fault_once(REFRESH, Fault::Held);
        refreshing.run("kw.refresh()").await;
        until(PATIENCE, "refreshing", || site.proxy.count(REFRESH) == 1);
        let was = tab.run("return document.cookie").await;
        tab.run_async(&login).await;
        site.proxy.heal();
        pass(seconds(1)).await;
        assert_ne!(tab.run("return document.cookie").await, was);
        let now = tab.run_async("return [kw.session.state, (await kw.fetch('/app/data')).status]").await;
        assert_eq!(now, json!(["signed_in", 200]));
        other.until(seconds(20), "kw.session.state === 'signed_in'").await;
    }
    for refreshing in [&other, &tab] {
        site.proxy.forget();
        site.proxy.fault_once(REFRESH, Fault::Held);
        refreshing.run("kw.refresh()").await;
        until(PATIENCE, "refreshing", || site.proxy.count(REFRESH) == 1);
        assert_eq!(tab.run_async("return await kw.logout()").await, true);
        site.proxy.heal();
        pass(seconds(1)).await;
        assert!(tab.cookies().await.is_empty());
        tab.reload().await;
        tab.until(seconds(20), "window.settled && kw.session.state === 'signed_out'").await;
        tab.run_async(&login).await;
        other.until(seconds(20), "kw.session.state === 'signed_in'").await;
    }
}
