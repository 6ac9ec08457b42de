//! Does what administrators come for go as it should?

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::Key;

use crate::support::{Browser, EMAIL, PASSWORD, Site, Tab, seconds};

const GRACE: &str = "grace@example.com";

/// Presses keys wherever the focus is.
async fn press(tab: &Tab, keys: &str) {
    let focused = tab.driver().await.active_element().await.expect("something has the focus");
    focused.send_keys(keys).await.expect("typed");
}

/// Goes on by the Tab key until this has the focus; a person would give up at some point.
async fn reach(tab: &Tab, text: &str) {
    for _ in 0..40 {
        press(tab, Key::Tab.value().to_string().as_str()).await;
        let focused = "const { id, textContent } = document.activeElement; return [id, textContent.trim()]";
        let focused = tab.run(focused).await;
        if focused[0] == text || focused[1] == text {
            return;
        }
    }
    panic!("{text} is out of reach at {}", tab.url().await);
}

#[tokio::test]
async fn somebody_is_found_and_refused_a_session_explained_and_a_key_rotated() {
    let folder = TempDir::new().expect("a folder");
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0m").expect("written");
    let site = super::site(&clock).await;
    site.home.user(GRACE);
    let token = site.keyward().login(GRACE)["token"].as_str().expect("a token").to_owned();
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    super::sign_in(&tab, "/admin").await;

    // By the keyboard alone.
    let enter = Key::Enter.value().to_string();
    reach(&tab, "Skip to the content").await;
    reach(&tab, "Users").await;
    press(&tab, &enter).await;
    tab.until_at(seconds(30), "/admin/users").await;
    reach(&tab, "query").await;
    press(&tab, &format!("grace{enter}")).await;
    tab.until(seconds(30), "location.search.includes('query=grace')").await;
    assert!(!tab.run("return document.querySelector('tbody').innerText").await.to_string().contains(EMAIL));
    reach(&tab, GRACE).await;
    press(&tab, &enter).await;
    tab.until(seconds(30), "document.title.startsWith('grace@example.com')").await;
    assert_eq!(site.keyward().verdict(&token), "200");
    reach(&tab, "Deactivate").await;
    press(&tab, &enter).await;
    // What does harm is not what Enter does next.
    tab.until(seconds(10), "document.activeElement.textContent === 'Cancel'").await;
    reach(&tab, "Deactivate").await;
    press(&tab, &enter).await;
    tab.until(seconds(30), "location.search === '?done=1'").await;
    assert_eq!(site.keyward().verdict(&token), "session_revoked");

    // Why did it end?
    tab.click("a[href^='/admin/sessions?user_id=']").await;
    tab.until_at(seconds(30), "/admin/sessions").await;
    tab.click("tbody a[href^='/admin/sessions/']").await;
    tab.until(seconds(30), "document.querySelector('.story')").await;
    let story = tab.text().await;
    assert!(story.contains("deactivated"), "{story}");
    // Its moments are those of the reader's clock, to the second.
    let times = "const times = [...document.querySelectorAll('.story time')];
        return times.length > 1 && times.every(({ title, textContent }) => title.endsWith('Z') && /:\\d\\d:\\d\\d/.test(textContent))";
    assert_eq!(tab.run(times).await, true, "{story}");

    // What is grave is asked for with a password that was given some time ago.
    std::fs::write(&clock, "+20m").expect("written");
    tab.goto("/admin/keys").await;
    tab.click("a[href='/admin/keys/rotate']").await;
    tab.until_at(seconds(30), "/reauthenticate").await;
    tab.typed("#password", PASSWORD).await;
    tab.click("button.primary").await;
    tab.until_at(seconds(30), "/admin/keys/rotate").await;
    let before = site.home.json(&["key", "list", "--json"]).to_string();
    tab.click("main button.danger").await;
    tab.until_at(seconds(30), "/admin/keys").await;
    assert!(tab.text().await.contains("It is in force"), "{}", tab.text().await);
    assert_ne!(site.home.json(&["key", "list", "--json"]).to_string(), before);
    assert_eq!(browser.console().await, Vec::<String>::new(), "nothing was refused by the policy");
}

/// News appear by themselves, and who only watches them is idle: 12 s after the page was opened it
/// is left. After a logout in another tab it is left at once.
#[tokio::test]
async fn news_appear_by_themselves_and_to_watch_them_is_no_activity() {
    let site = Site::start().await;
    site.home.done(&["user", "roles", EMAIL, "admin", "user"]);
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    super::sign_in(&tab, "/admin/events").await;
    tab.run("window.opened = true").await;
    assert!(!tab.text().await.contains("invalid_credentials"));
    let wrong = json!({ "email": EMAIL, "password": "Wr0ng-password" });
    assert_eq!(site.keyward().call("POST", "/api/auth/login", None, Some(&wrong)).status, 401);
    let news = "[...document.querySelectorAll('tbody tr')].some((row) => row.textContent.includes('invalid_credentials'))";
    tab.until(seconds(10), &format!("window.opened && {news}")).await;
    tab.until(seconds(30), "document.querySelector('[data-live-state]').textContent === 'Live'").await;
    tab.until_at(seconds(40), "/login").await;
    let opened = site
        .proxy
        .seen("/admin/events")
        .into_iter()
        .rev()
        .find(|seen| seen.header("sec-fetch-mode") == Some("navigate"));
    let left = site.proxy.seen("/login").pop();
    let stayed = left.expect("it left").at - opened.expect("it was opened").at;
    assert!(stayed < seconds(12 + 4), "{stayed:?}: {}", site.story());
    let polls = site.proxy.count("/admin/events");
    assert!(polls >= 3, "the page and its polls: {polls}: {}", site.story());

    super::sign_in(&tab, "/admin/events").await;
    let other = browser.new_tab().await;
    other.goto("/admin/settings").await;
    other.click("form[action='/api/auth/logout'] button").await;
    other.until_at(seconds(30), "/login").await;
    tab.until_at(seconds(10), "/login").await;
    tab.back().await;
    tab.until_at(seconds(30), "/login").await;
}
