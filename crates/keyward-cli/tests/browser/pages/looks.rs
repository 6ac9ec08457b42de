//! Can the pages be read and used by everybody, on whatever screen? The pictures of the README are
//! made here (`KEYWARD_REGENERATE=1`).

use std::path::Path;

use super::{sign_in, site};
use crate::support::{Browser, Tab, seconds};

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

/// What is wrong with a page, in light and in dark, on a desktop and on a phone.
async fn check(tab: &Tab, path: &str) {
    for (width, colours) in [(1_100, "light"), (320, "dark")] {
        tab.look(width, 760, colours).await;
        tab.goto(path).await;
        assert_eq!(tab.axe().await, Vec::<String>::new(), "{path} at {width} in {colours}");
        let page = "document.documentElement";
        let fits = tab.run(&format!("return {page}.scrollWidth <= {page}.clientWidth")).await;
        assert_eq!(fits, true, "{path} at {width} can be moved sideways");
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
    // A form with something wrong in it.
    tab.goto("/account").await;
    tab.run("document.querySelector('form[action=\"/account/profile\"] input').value = '<b>'").await;
    tab.click("form[action='/account/profile'] button").await;
    tab.until(seconds(30), "document.title.startsWith('Error: ')").await;
    assert_eq!(tab.axe().await, Vec::<String>::new());
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
