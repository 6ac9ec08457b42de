//! Are forms filled in and sent as people do that?

use std::time::Duration;

use thirtyfour::Key;

use super::{sign_in, site};
use crate::support::{Browser, EMAIL, PASSWORD, PATIENCE, now, pass, seconds};

#[tokio::test]
async fn somebody_signs_up_with_the_keyboard_alone_and_goes_on() {
    let site = site().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/signup?next=/account%3Fdone%3Dprofile").await;
    let keys = async |keys: &str| {
        let focused = tab.driver().await.active_element().await.expect("something has the focus");
        focused.send_keys(keys).await.expect("typed");
    };
    // Typing begins in the first field.
    tab.until(seconds(20), "document.activeElement.id === 'email'").await;
    keys("grace@example.com").await;
    keys(&Key::Tab.value().to_string()).await;
    keys("Correct-Horse-7").await;
    keys(&Key::Enter.value().to_string()).await;
    tab.until_at(seconds(30), "/account").await;
    assert!(tab.url().await.ends_with("/account?done=profile"), "{}", tab.url().await);
    assert!(tab.text().await.contains("grace@example.com"));
    assert_eq!(tab.cookies().await.len(), 3);
    // The first stop is the way past the navigation.
    let body = "document.activeElement.textContent";
    keys(&Key::Tab.value().to_string()).await;
    tab.until(seconds(5), &format!("{body} === 'Skip to the content'")).await;
    assert_eq!(browser.console().await, Vec::<String>::new(), "nothing was refused by the policy");
}

#[tokio::test]
async fn a_wrong_password_is_told_where_the_reader_is_and_the_name_is_kept() {
    let site = site().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/login?next=/account").await;
    tab.typed("#email", EMAIL).await;
    tab.typed("#password", "Wr0ng-password").await;
    tab.click("button.primary").await;
    tab.until(seconds(30), "document.title.startsWith('Error: ')").await;
    tab.until(seconds(5), "document.activeElement.getAttribute('role') === 'alert'").await;
    let kept = tab.run("return [email.value, password.value]").await;
    assert_eq!(kept, serde_json::json!([EMAIL, ""]));
    tab.typed("#password", PASSWORD).await;
    tab.click("button.primary").await;
    tab.until_at(seconds(30), "/account").await;
    // What is wrong with a field is a link to it.
    tab.typed("#current-password", PASSWORD).await;
    tab.typed("#new-password", "short").await;
    tab.run("document.querySelector('form[action=\"/account/password\"]').requestSubmit()").await;
    tab.until(seconds(30), "document.title.startsWith('Error: ')").await;
    tab.click(".notice a").await;
    tab.until(seconds(5), "location.hash === '#new-password'").await;
    let tied = "return document.getElementById(document.querySelector('#new-password')\
        .getAttribute('aria-describedby').split(' ')[0]).textContent";
    assert!(tab.run(tied).await.as_str().is_some_and(|text| text.contains("at least 8")));
}

#[tokio::test]
async fn password_managers_find_what_they_look_for() {
    let site = site().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    let purposes = "return [...document.querySelectorAll('main input:not([type=hidden])')]\
        .map((input) => `${input.type} ${input.autocomplete}`)";
    for (path, expected) in [
        ("/login", &["text username", "password current-password"][..]),
        ("/signup", &["email username", "password new-password"]),
        ("/forgot", &["email username"]),
        ("/reset?token=x", &["password new-password"]),
    ] {
        tab.goto(path).await;
        assert_eq!(tab.run(purposes).await, serde_json::json!(expected), "{path}");
    }
    // A password that is shown is a password again when it is sent.
    tab.goto("/login").await;
    tab.typed("#password", "x").await;
    tab.click(".reveal").await;
    assert_eq!(tab.run("return password.type").await, "text");
    tab.run("document.forms[0].addEventListener('submit', (event) => event.preventDefault())").await;
    tab.typed("#email", EMAIL).await;
    tab.click("button.primary").await;
    assert_eq!(tab.run("return password.type").await, "password");
}

#[tokio::test]
async fn without_script_everything_that_a_form_does_is_done() {
    let site = site().await;
    let options = Browser::options().preference("profile.default_content_setting_values.javascript", 2);
    let browser = options.start(&site).await;
    let tab = browser.tab();
    let at = async |path: &str| {
        let (address, start) = (format!("{}{path}", site.origin()), now());
        while tab.url().await != address {
            assert!(now() - start < PATIENCE, "at {}, not at {address}", tab.url().await);
            pass(Duration::from_millis(50)).await;
        }
    };
    tab.goto("/account").await;
    // By way of the renewal, which finds nobody.
    at("/login?next=/account").await;
    tab.typed("#email", EMAIL).await;
    tab.typed("#password", PASSWORD).await;
    tab.click("button.primary").await;
    at("/account").await;
    tab.typed("#phone-number", "+4915112345678").await;
    tab.click("form[action='/account/profile'] button").await;
    at("/account?done=profile#profile").await;
    tab.typed("#current-password", PASSWORD).await;
    tab.typed("#new-password", "Battery-Staple-8").await;
    tab.click("form[action='/account/password'] button").await;
    at("/account?done=password#password").await;
    // No question is asked where nobody could answer it.
    tab.click("form[action='/api/auth/logout-all'] button").await;
    at("/login?out=all").await;
    assert!(tab.cookies().await.is_empty());
    tab.back().await;
    tab.goto("/account").await;
    at("/login?next=/account").await;
}

#[tokio::test]
async fn what_can_not_be_undone_is_asked_for_and_other_tabs_leave() {
    let site = site().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    sign_in(&tab, "/account").await;
    // Times are those of the reader.
    let times = "[...document.querySelectorAll('time')].every((time) => time.title.endsWith('UTC'))";
    tab.until(seconds(20), times).await;
    let other = browser.new_tab().await;
    other.goto("/account").await;
    other.until(seconds(20), times).await;
    tab.click("form[action='/api/auth/logout-all'] button").await;
    tab.until(seconds(10), "document.querySelector('dialog[open]')").await;
    tab.click("dialog button:last-of-type").await;
    tab.until(seconds(10), "!document.querySelector('dialog')").await;
    assert_eq!(tab.run("return location.pathname").await, "/account");
    tab.click("form[action='/api/auth/logout-all'] button").await;
    tab.click("dialog button.danger").await;
    tab.until_at(seconds(30), "/login").await;
    assert!(tab.text().await.contains("signed out on every device"));
    other.until_at(seconds(30), "/login").await;
}

#[tokio::test]
async fn a_link_is_out_of_the_history_once_it_is_used() {
    let site = site().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/login").await;
    tab.goto("/reset?token=kwm_secret").await;
    tab.typed("#new-password", "Battery-Staple-8").await;
    tab.click("button.primary").await;
    tab.until(seconds(30), "document.title.includes('no longer valid')").await;
    tab.back().await;
    let address = tab.url().await;
    assert!(address.ends_with("/reset") && !address.contains("kwm_secret"), "{address}");
}
