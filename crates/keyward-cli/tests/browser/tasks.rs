//! Does the page of `examples/tasks` do what people ask of a to-do list? It is served here as its
//! program serves it.

use std::time::Duration;

use keyward::core::password::Cost;
use keyward::{Keyward, Settings};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::{Browser, PASSWORD, Share, Tab, permit, seconds};

const TITLE: &str = "document.querySelector('#tasks span').textContent";

/// The example on a free port; where it is, and its data.
async fn example() -> (String, TempDir) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let settings = Settings {
        public_url: origin.parse().expect("an origin"),
        cost: Cost::new(8, 1, 1).expect("a cost"),
        ..Settings::default()
    };
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("tasks.db");
    let keyward = Keyward::builder(settings).sqlite(&path).open().await.expect("opens");
    let app = tasks::app(&keyward, tasks::store::Tasks::open(&path).expect("opens"));
    tokio::spawn(async move {
        keyward.serve(listener, app, std::future::pending(), Duration::ZERO).await;
    });
    (origin, folder)
}

async fn add(tab: &Tab, title: &str) {
    tab.typed("#title", title).await;
    tab.click("#add button").await;
    tab.until(seconds(20), &format!("{TITLE} === {title:?}")).await;
}

/// What is wrong with the page as it is, in light and in dark, on a desktop and on a phone.
async fn looks(tab: &Tab, name: &str) {
    for (width, colours) in [(900, "light"), (900, "dark"), (320, "light"), (320, "dark")] {
        tab.look(width, 640, colours).await;
        assert_eq!(tab.axe().await, Vec::<String>::new(), "{name} at {width} in {colours}");
        let page = "document.documentElement";
        let fits = tab.run(&format!("return {page}.scrollWidth <= {page}.clientWidth")).await;
        assert_eq!(fits, true, "{name} at {width} can be moved sideways");
        tab.screenshot(&format!("tasks-{name}-{width}-{colours}")).await;
    }
    tab.look(900, 640, "light").await;
}

#[tokio::test]
async fn the_example_keeps_a_list_in_two_tabs_until_somebody_leaves() {
    let _permit = permit(Share::Quarter).await;
    let (origin, _folder) = example().await;
    let browser = Browser::options().start_at(&origin).await;
    let tab = browser.tab();
    tab.goto("/").await;
    tab.until(seconds(20), "!door.hidden && list.hidden").await;
    looks(&tab, "door").await;

    // What is wrong is told, and nobody is signed up.
    tab.typed("[name=email]", "grace@example.com").await;
    tab.typed("[name=password]", "short").await;
    tab.click("#door [value=signup]").await;
    tab.until(seconds(20), "told.textContent.startsWith('password: ')").await;
    tab.run("document.querySelector('[name=password]').value = ''").await;
    tab.typed("[name=password]", PASSWORD).await;
    tab.click("#door [value=signup]").await;
    tab.until(seconds(20), "door.hidden && who.textContent === 'grace@example.com' && !none.hidden").await;

    add(&tab, "Write a compiler").await;
    add(&tab, "<b>Sleep</b>").await;
    assert_eq!(tab.run("return none.hidden").await, true);
    tab.click("#tasks li:last-child [type=checkbox]").await;
    tab.until(seconds(20), "document.querySelector('#tasks li:last-child [type=checkbox]').checked").await;
    looks(&tab, "list").await;

    let other = browser.new_tab().await;
    other.goto("/").await;
    other.until(seconds(20), "document.querySelectorAll('#tasks li').length === 2").await;
    let ticked = "return [...document.querySelectorAll('#tasks [type=checkbox]')].map((box) => box.checked)";
    assert_eq!(other.run(ticked).await, serde_json::json!([false, true]));
    other.click("#tasks li:first-child button").await;
    other.until(seconds(20), &format!("{TITLE} === 'Write a compiler'")).await;
    tab.reload().await;
    tab.until(seconds(20), "document.querySelectorAll('#tasks li').length === 1").await;

    // Who leaves in one tab has left in all, and nothing of the list stays on the screen.
    tab.click("#leave").await;
    for tab in [&tab, &other] {
        tab.until(seconds(20), "!door.hidden && list.hidden && !tasks.childElementCount").await;
    }
    assert!(tab.cookies().await.is_empty());
    // The browser itself notes the answer 422 to the password that was too short.
    let said = browser.console().await;
    assert!(said.iter().all(|line| line.contains(" 422 ")), "{said:?}");

    tab.typed("[name=email]", "grace@example.com").await;
    tab.typed("[name=password]", PASSWORD).await;
    tab.click("#door [value=login]").await;
    tab.until(seconds(20), &format!("{TITLE} === 'Write a compiler'")).await;
}
