//! Can the pages be read and used by everybody, on whatever screen? The pictures of the README are
//! made here (`KEYWARD_REGENERATE=1`).

use std::path::Path;

use tempfile::TempDir;

use super::{ordinary, sign_in, site};
use crate::support::{Browser, EMAIL, PASSWORD, Site, Tab, seconds};

/// How large a picture in `docs/screenshots` may be, in bytes.
const PICTURE: usize = 90 << 10;

const OPEN: [&str; 9] = [
    "/login",
    "/login?next=/account&out=1",
    "/signup",
    "/forgot",
    "/reset?token=x",
    "/reset?done=1",
    "/verify-email?token=x",
    "/setup",
    "/nowhere",
];

const PRIVATE: [&str; 4] =
    ["/account?done=password", "/account?again=1", "/account/events", "/reauthenticate"];

/// A page, the form on it that is sent, what stands in its fields by then, and which of them are wrong.
pub(crate) type Wrong<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

const WRONG: [Wrong<'_>; 5] = [
    ("/login", "/login", &[], &["email", "password"]),
    ("/login", "/login", &[("email", EMAIL), ("password", "Wr0ng-password")], &[]),
    ("/signup", "/signup", &[("email", "x"), ("password", "short")], &["email", "password"]),
    ("/forgot", "/forgot", &[("email", "x")], &["email"]),
    ("/reset?token=x", "/reset", &[("new-password", "short")], &["new-password"]),
];

const WRONG_PRIVATE: [Wrong<'_>; 4] = [
    ("/account", "/account/profile", &[("phone-number", "<b>")], &["phone-number"]),
    (
        "/account",
        "/account/password",
        &[("current-password", PASSWORD), ("new-password", "short")],
        &["new-password"],
    ),
    (
        "/account",
        "/account/password",
        &[("current-password", "Wr0ng-password"), ("new-password", "Battery-Staple-8")],
        &["current-password"],
    ),
    ("/reauthenticate", "/reauthenticate", &[("password", "Wr0ng-password")], &["password"]),
];

/// What is wrong with a page that says what is wrong: a reader begins with that, each field is tied to
/// what it is about, and the summary leads to each.
pub(crate) async fn check_wrong(tab: &Tab, (path, action, typed, wrong): Wrong<'_>) {
    tab.goto(path).await;
    let typed: String = typed
        .iter()
        .map(|(id, text)| format!("document.getElementById({id:?}).value = {text:?}; "))
        .collect();
    // Past what a browser looks at by itself.
    tab.run(&format!(
        "const form = document.querySelector('form[action={action:?}]'); {typed}
         form.noValidate = true; form.requestSubmit()"
    ))
    .await;
    tab.until(seconds(30), "document.title.startsWith('Error: ')").await;
    tab.until(seconds(5), "document.activeElement.getAttribute('role') === 'alert'").await;
    let tied = "return [...document.querySelectorAll('[aria-invalid=true]')].filter((field) => {
           const [error] = field.getAttribute('aria-describedby').split(' ');
           return document.getElementById(error).innerText.trim()
             && document.querySelector(`.notice a[href='#${field.id}']`);
         }).map((field) => field.id)";
    assert_eq!(tab.run(tied).await, serde_json::json!(wrong), "{action} of {path}");
    for (width, colours) in SCREENS {
        tab.look(width, 760, colours).await;
        whole(tab, &format!("{action} of {path}, wrong, at {width} in {colours}")).await;
    }
}

const SCREENS: [(u32, &str); 2] = [(1_100, "light"), (320, "dark")];

/// That axe finds nothing, and that nothing is beside the screen.
async fn whole(tab: &Tab, what: &str) {
    assert_eq!(tab.axe().await, Vec::<String>::new(), "{what}");
    let page = "document.documentElement";
    let fits = tab.run(&format!("return {page}.scrollWidth <= {page}.clientWidth")).await;
    assert_eq!(fits, true, "{what} can be moved sideways");
}

/// What is wrong with a page, in light and in dark, on a desktop and on a phone.
async fn check(tab: &Tab, path: &str) {
    for (width, colours) in SCREENS {
        tab.look(width, 760, colours).await;
        tab.goto(path).await;
        whole(tab, &format!("{path} at {width} in {colours}")).await;
    }
    let lang = tab.run("return [document.documentElement.lang, document.title]").await;
    assert!(lang[0] == "en" && lang[1].as_str().is_some_and(|title| title.contains(" · Keyward")), "{lang}");
}

#[tokio::test]
async fn every_page_is_for_everybody_on_every_screen() {
    let site = site().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    for path in OPEN {
        check(&tab, path).await;
    }
    sign_in(&tab, "/account").await;
    for path in PRIVATE {
        check(&tab, path).await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_for_everybody_on_every_screen() {
    let site = site().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    for form in WRONG {
        check_wrong(&tab, form).await;
    }
    sign_in(&tab, "/account").await;
    for form in WRONG_PRIVATE {
        check_wrong(&tab, form).await;
    }
}

#[tokio::test]
async fn the_warning_before_the_end_is_for_everybody_on_every_screen() {
    let folder = TempDir::new().expect("a folder");
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0").expect("written");
    let site =
        Site::with(|home| ordinary(home).with_clock(&clock).with("SESSIONS__IDLE_TIMEOUT", "6m")).await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    sign_in(&tab, "/account").await;
    // Four of the six minutes go by for the server and the page: not quite two are for looking at it.
    std::fs::write(&clock, "+245").expect("written");
    tab.leap(245).await;
    tab.until(seconds(20), "document.querySelector('dialog.keyward[open]')").await;
    for (width, colours) in SCREENS {
        tab.look(width, 760, colours).await;
        picture(&tab, &format!("warning-{width}"), false).await;
        whole(&tab, &format!("the warning at {width} in {colours}")).await;
        let inside =
            "const { left, right, top, bottom } = document.querySelector('dialog').getBoundingClientRect();
            return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight";
        assert_eq!(tab.run(inside).await, true, "at {width} in {colours}");
    }
    tab.click("dialog.keyward button").await;
    tab.until(seconds(20), "location.pathname === '/account' && !document.querySelector('dialog')").await;
}

#[tokio::test]
async fn the_pictures_of_the_readme_are_those_of_today() {
    let site = site().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.look(960, 600, "light").await;
    tab.goto("/login?next=/account").await;
    picture(&tab, "login-light", true).await;
    tab.look(960, 600, "dark").await;
    tab.reload().await;
    picture(&tab, "login-dark", true).await;
    tab.look(360, 640, "light").await;
    tab.reload().await;
    picture(&tab, "login-phone", true).await;
    sign_in(&tab, "/account").await;
    for (width, height, colours, name) in [
        (1_080, 760, "light", "account-light"),
        (1_080, 760, "dark", "account-dark"),
        (360, 640, "dark", "account-phone"),
    ] {
        tab.look(width, height, colours).await;
        tab.goto("/account").await;
        tab.until(seconds(20), "document.querySelector('.reveal')").await;
        picture(&tab, name, true).await;
    }
}

/// Takes a picture; one that is shown, with `KEYWARD_REGENERATE=1`, into the docs, too.
pub(crate) async fn picture(tab: &Tab, name: &str, shown: bool) {
    // The caret blinks.
    tab.run("document.activeElement.blur()").await;
    let picture = tab.screenshot(name).await;
    if !shown {
        return;
    }
    assert!(picture.len() <= PICTURE, "{name} has {} bytes", picture.len());
    if std::env::var_os("KEYWARD_REGENERATE").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("written");
    }
}
