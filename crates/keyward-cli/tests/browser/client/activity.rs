//! Is it what a person does, and nothing else, that keeps a session from ending by idleness?

use serde_json::json;
use tempfile::TempDir;

use super::{open, pages, signed_in};
use crate::binary::{PATIENCE, until};
use crate::support::{Browser, Site, now, pass, seconds};

const ACTIVITY: &str = "/api/auth/activity";

#[tokio::test]
async fn input_by_a_person_counts_and_none_by_a_script_does() {
    let site = Site::with(|home| home.with("SESSIONS__IDLE_TIMEOUT", "8s")).await;
    let (_browser, tab) = signed_in(&site, "/app/private").await;
    let start = now();
    let mut last = start;
    while now() - start < seconds(11) {
        tab.typed("#text", "x").await;
        last = now();
        pass(seconds(1)).await;
    }
    assert_eq!(tab.run("return location.pathname").await, "/app/private");
    let asked = site.proxy.count(ACTIVITY);
    assert!((2..=10).contains(&asked), "{asked}");

    let script = "setInterval(() => {
          for (const event of [new KeyboardEvent('keydown', { key: 'a', bubbles: true }), new PointerEvent('pointerdown', { bubbles: true }),
            new WheelEvent('wheel', { bubbles: true }), new MouseEvent('click', { bubbles: true })]) document.querySelector('#text').dispatchEvent(event);
        }, 100);";
    tab.run(script).await;
    tab.until_at(seconds(30), "/login").await;
    let left = site.proxy.seen("/login")[0].at;
    assert!(left - last > seconds(4), "what was typed counted");
}

#[tokio::test]
async fn what_was_done_is_told_before_the_page_is_out_of_sight() {
    let site = Site::with(super::patient).await;
    let (_browser, tab) = signed_in(&site, "/app/").await;
    site.proxy.forget();
    tab.typed("#text", "x").await;
    until(PATIENCE, "told", || site.proxy.count(ACTIVITY) == 1);
    pass(seconds(2)).await;
    tab.typed("#text", "y").await;
    pass(seconds(1)).await;
    assert_eq!(site.proxy.count(ACTIVITY), 1, "once a minute");
    tab.hide(true).await;
    until(PATIENCE, "told", || site.proxy.count(ACTIVITY) == 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_changes_nothing() {
    let site = Site::with(|home| home.with("SESSIONS__IDLE_TIMEOUT", "9s")).await;
    let (_browser, tab) = signed_in(&site, "/app/private").await;
    site.proxy.forget();
    tab.leap(-3_600).await;
    until(PATIENCE, "refreshed", || site.proxy.count("/api/auth/refresh") >= 1);
    tab.until_at(seconds(30), "/login").await;
}

#[tokio::test]
async fn the_warning_is_a_dialog_that_a_key_answers_in_every_tab() {
    let folder = TempDir::new().expect("a folder");
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0").expect("written");
    let site =
        Site::with(|home| super::patient(home).with_clock(&clock).with("SESSIONS__IDLE_TIMEOUT", "6m")).await;
    pages(&site);
    let browser = Browser::start(&site).await;
    let (tab, other) = (browser.tab(), browser.new_tab().await);
    tab.goto("/app/private").await;
    tab.until_at(seconds(20), "/login").await;
    open(&tab, "/app/").await;
    tab.sign_in().await;
    open(&tab, "/app/private").await;
    open(&other, "/app/private").await;
    for tab in [&tab, &other] {
        assert_eq!(tab.run("return document.querySelector('dialog')").await, json!(null));
    }
    // Four of the six minutes go by for the server and the pages, and not quite two are left.
    std::fs::write(&clock, "+245").expect("written");
    for tab in [&tab, &other] {
        tab.leap(245).await;
    }
    tab.until(seconds(20), "document.querySelector('dialog.keyward[role=alertdialog]')").await;
    other.until(seconds(20), "document.querySelector('dialog.keyward')").await;
    let inside = "return document.activeElement.closest('dialog') !== null && document.querySelector('dialog').matches(':modal')";
    assert_eq!(tab.run(inside).await, true);
    assert_eq!(tab.axe().await, Vec::<String>::new());
    // It can be walked through without being answered.
    let dialog = tab.find("dialog.keyward button").await;
    dialog.send_keys("\u{e004}").await.expect("Tab");
    assert_eq!(tab.run("return document.activeElement.textContent").await, "Sign out");
    dialog.send_keys("\u{e00c}").await.expect("Escape");
    let stays = "location.pathname === '/app/private' && !document.querySelector('dialog')";
    for tab in [&tab, &other] {
        tab.until(seconds(20), stays).await;
    }
    let rest = tab.run("return kw.session.idleExpiresAt - Date.now() > 240000").await;
    assert_eq!(rest, true);

    // Instead of the dialog, what the page wants; and the way out.
    other.close().await;
    open(&tab, "/app/private").await;
    tab.run_async(
        "const { createKeyward } = await import('/client/keyward.js');
        createKeyward({ onWarning: (at) => { window.warned = at; } });",
    )
    .await;
    std::fs::write(&clock, "+490").expect("written");
    tab.leap(245).await;
    tab.until(seconds(20), "window.warned > Date.now()").await;
    assert_eq!(tab.run("return document.querySelector('dialog')").await, json!(null));
    tab.typed("#text", "x").await;
    tab.until(seconds(20), "window.warned === null").await;
}
