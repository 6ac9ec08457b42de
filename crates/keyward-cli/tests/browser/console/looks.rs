//! Can the console be read and used by everybody, on whatever screen?

use tempfile::TempDir;

use super::day;
use crate::pages::looks::{Wrong, check_wrong, picture};
use crate::support::{Browser, Tab, seconds};

/// Goes there; waits until times are those of the reader.
async fn look(tab: &Tab, path: &str, (width, height, colours): (u32, u32, &str)) {
    tab.look(width, height, colours).await;
    tab.goto(path).await;
    let times = "[...document.querySelectorAll('time')].every((time) => time.title)";
    tab.until(seconds(30), &format!("document.readyState === 'complete' && {times}")).await;
}

#[tokio::test]
async fn every_page_of_the_console_is_for_everybody_on_every_screen() {
    let folder = TempDir::new().expect("a folder");
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "-25h").expect("written");
    let mut site = super::site(&clock).await;
    let copied = day::pass(&mut site, &clock);
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    super::sign_in(&tab, "/admin").await;
    let user = format!("/admin/users/{}", copied.user);
    let session = format!("/admin/sessions/{}", copied.session);
    for (path, name) in [
        ("/admin", "overview"),
        ("/admin/users", "users"),
        (&user, "user"),
        (&format!("{user}/edit"), ""),
        (&format!("{user}/delete"), ""),
        ("/admin/users?query=nobody", ""),
        ("/admin/sessions?ip_address=203.0.113.14", "sessions"),
        (&session, "session"),
        ("/admin/roles", ""),
        ("/admin/roles/edit?name=support", ""),
        ("/admin/events", "events"),
        ("/admin/suspicious?window=7d", "suspicious"),
        ("/admin/keys", ""),
        ("/admin/keys/rotate", ""),
        ("/admin/service-keys", ""),
        ("/admin/service-keys/new", ""),
        ("/admin/settings", "settings"),
    ] {
        for (width, height, colours) in [(1_280, 860, "light"), (360, 720, "dark")] {
            look(&tab, path, (width, height, colours)).await;
            assert_eq!(tab.axe().await, Vec::<String>::new(), "{path} at {width} in {colours}");
            let page = "document.documentElement";
            let fits = tab.run(&format!("return {page}.scrollWidth <= {page}.clientWidth")).await;
            assert_eq!(fits, true, "{path} at {width} can be moved sideways");
            if !name.is_empty() {
                picture(&tab, &format!("console-{name}-{width}"), false).await;
            }
        }
    }
    assert_eq!(browser.console().await, Vec::<String>::new(), "nothing was refused by the policy");
    for (path, screen, name) in [
        ("/admin", (1_180, 760, "light"), "console-light"),
        ("/admin", (1_180, 760, "dark"), "console-dark"),
        ("/admin", (360, 640, "dark"), "console-phone"),
        (&session, (960, 500, "light"), "console-session"),
    ] {
        look(&tab, path, screen).await;
        picture(&tab, name, true).await;
    }
}

const WRONG: [Wrong<'_>; 6] = [
    ("/admin/users", "/admin/users", &[("query", "\u{7}")], &["query"]),
    (
        "/admin/users/new",
        "/admin/users/new",
        &[("email", "x"), ("phone-number", "1")],
        &["email", "phone-number"],
    ),
    ("/admin/sessions", "/admin/sessions", &[("ip-address", "x")], &["ip-address"]),
    (
        "/admin/events",
        "/admin/events",
        &[("ip-address", "x"), ("user-id", "x"), ("since", "x"), ("until", "x")],
        &["ip-address", "user-id", "since", "until"],
    ),
    ("/admin/roles/edit", "/admin/roles/edit", &[("name", "A b")], &["name"]),
    ("/admin/service-keys/new", "/admin/service-keys/new", &[("name", "")], &["name"]),
];

#[tokio::test]
async fn what_is_wrong_with_a_form_of_the_console_is_for_everybody_on_every_screen() {
    let folder = TempDir::new().expect("a folder");
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0m").expect("written");
    let site = super::site(&clock).await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    super::sign_in(&tab, "/admin").await;
    for form in WRONG {
        check_wrong(&tab, form).await;
    }
}
