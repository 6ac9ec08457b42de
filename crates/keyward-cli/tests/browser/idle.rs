//! Does idleness end a session, and nothing else than a person's doing keep it?

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::{Browser, Fault, Share, Site, Tab, now, pass, seconds};

const IDLE: Duration = Duration::from_secs(8);

/// R30 and R35: a page that asks twice a second, and refreshes, is idle all the same: at the login
/// within 2 s of the deadline. No access token that it got on the way is good for longer.
#[tokio::test]
async fn polling_keeps_nobody_signed_in() {
    let site = impatient(Share::Half).await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/?poll").await;
    let login = signed_in_at(&site);
    let mut tokens = Vec::new();
    while site.proxy.count("/login") == 0 {
        assert!(now() - login < IDLE + seconds(30), "still there");
        tokens.extend(access_token(&tab).await);
        pass(Duration::from_millis(200)).await;
    }
    ends_in_time(&site, login + IDLE);
    assert!(site.proxy.count("/api/auth/refresh") >= 1, "it did refresh");
    let first = claims(&tokens[0]);
    let latest = tokens.iter().map(|token| seconds_of(&claims(token)["exp"])).max().expect("some");
    assert!(latest <= seconds_of(&first["auth_time"]) + 8, "{latest}: {first}");
    assert!(matches!(site.keyward().verdict(&tokens[0]).as_str(), "token_expired" | "session_idle"));
}

/// R32: writing for longer than the limit, without a request of the page, is activity; what was
/// written can be saved.
#[tokio::test]
async fn who_writes_is_not_idle() {
    let site = impatient(Share::Quarter).await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    let asked = site.proxy.count("/app/data");
    write_for(&tab, IDLE + seconds(3)).await;
    assert_eq!(site.proxy.count("/app/data"), asked, "the page asked for nothing");
    let save = "const text = document.querySelector('textarea').value;
         return (await window.kw.fetch('/app/data', { method: 'POST', body: text })).status;";
    assert_eq!(tab.run_async(save).await, 200);
    assert_eq!(site.proxy.count("/login"), 0);
}

/// R33: what is done in one tab counts for all; a frozen one neither keeps the session nor ends it.
#[tokio::test]
async fn the_latest_activity_of_all_tabs_counts() {
    let site = impatient(Share::Half).await;
    let browser = Browser::start(&site).await;
    let (used, idle, frozen) = (browser.tab(), browser.new_window().await, browser.new_window().await);
    used.open("/app/").await;
    for tab in [&idle, &frozen] {
        tab.goto("/app/").await;
        tab.until(seconds(20), "document.querySelector('#data').textContent").await;
        // On a busy machine a window is opened for longer than somebody may be idle.
        used.typed("textarea", "a").await;
    }
    frozen.freeze(true).await;
    let (before, after) = write_for(&used, IDLE + seconds(3)).await;
    let told = [used.run(STATE).await, idle.run(STATE).await];
    assert_eq!(idle.run_async("return window.load()").await, 200, "{told:?}\n{}", site.story());
    for tab in [&idle, &used] {
        tab.until_at(IDLE + seconds(20), "/login").await;
    }
    // Told within a sixth of the limit, and the second that a page looks at its clock.
    let told = site.proxy.seen("/api/auth/activity").pop().expect("some").at;
    // What is typed within a second of what counted last is not told.
    assert!(told + seconds(1) >= before && told <= after + seconds(3), "{}", site.story());
    for seen in site.proxy.seen("/login") {
        assert!(
            seen.at + seconds(1) >= told + IDLE && seen.at <= told + IDLE + seconds(2),
            "{}",
            site.story()
        );
    }
    frozen.freeze(false).await;
    frozen.until_at(seconds(20), "/login").await;
}

/// R34: to sleep is to be idle. Awake past the limit, a page is at the login within 2 s, and gets
/// nothing private in between.
#[tokio::test]
async fn who_slept_past_the_limit_sees_the_login() {
    let site = impatient(Share::Half).await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/?poll").await;
    let woken = browser.sleep(IDLE + seconds(2)).await;
    tab.until_at(seconds(20), "/login").await;
    let login = site.proxy.seen("/login")[0].at;
    assert!(login >= woken && login - woken <= seconds(2), "{:?}", login - woken);
    let given: Vec<_> = site
        .proxy
        .seen("/app/data")
        .into_iter()
        .filter(|seen| seen.at > woken && seen.status == 200)
        .collect();
    assert!(given.is_empty(), "{given:?}");
}

/// R37: the page leaves within 2 s of the deadline though no server can be reached, and shows
/// nothing private from then on.
#[tokio::test]
async fn the_end_comes_without_the_server() {
    let site = impatient(Share::Half).await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    let login = signed_in_at(&site);
    site.proxy.fault("*", Fault::Unplugged);
    // After four failures nothing is due before the end.
    tab.run("Math.random = () => 0; (async () => { for (let i = 0; i < 4; i += 1) await kw.refresh(); })()")
        .await;
    while site.proxy.count("/login") == 0 {
        assert!(now() - login < IDLE + seconds(30), "still there");
        pass(Duration::from_millis(50)).await;
    }
    ends_in_time(&site, login + IDLE);
    let asked = site.proxy.seen("/api/auth/refresh").pop().expect("some").at;
    assert!(asked + seconds(1) >= login + IDLE, "it asks once more, however it fared: {}", site.story());
    assert!(!tab.text().await.contains("private"), "{}", tab.text().await);
}

/// What a page takes for so, for the message of a failure.
const STATE: &str = "return [document.visibilityState, document.querySelector('textarea').value,
    JSON.stringify(window.kw.session), Date.now(), document.hasFocus()]";

async fn impatient(share: Share) -> Site {
    let site = Site::sharing(share, |home| {
        home.with("SESSIONS__IDLE_TIMEOUT", "8s").with("TOKENS__ACCESS_TTL", "4s")
    })
    .await;
    site.serve_app();
    site
}

/// When the login came: the last thing that the person did.
fn signed_in_at(site: &Site) -> Duration {
    site.proxy.seen("/api/auth/login")[0].at
}

#[track_caller]
fn ends_in_time(site: &Site, deadline: Duration) {
    let left = site.proxy.seen("/login")[0].at;
    // The server counts whole seconds.
    assert!(left + seconds(1) >= deadline, "{:?} too soon", deadline.saturating_sub(left));
    assert!(left <= deadline + seconds(2), "{:?} too late", left.saturating_sub(deadline));
}

/// Types a letter a second; between which moments the last one was typed.
async fn write_for(tab: &Tab, time: Duration) -> (Duration, Duration) {
    let start = now();
    loop {
        let before = now();
        tab.typed("textarea", "a").await;
        let after = now();
        pass(seconds(1)).await;
        if now() - start >= time {
            return (before, after);
        }
    }
}

async fn access_token(tab: &Tab) -> Option<String> {
    let cookies = tab.cookies().await;
    let cookie = cookies.iter().find(|cookie| cookie["name"] == "keyward_access")?;
    cookie["value"].as_str().map(str::to_owned)
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

fn seconds_of(claim: &Value) -> i64 {
    claim.as_i64().expect("a time")
}
