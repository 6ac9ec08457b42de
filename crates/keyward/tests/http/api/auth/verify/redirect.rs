//! `?redirect=1`: a page that nobody is signed in for goes to renew, and comes back.

use http::Method;
use keyward::Settings;

use super::{PROXY, VERIFY, app, at, behind_a_proxy, envoy, passes, with_cookies};
use crate::support::{ADA, App, Ask, Browser, MINUTE, Reply, get};

const REDIRECT: &str = "/api/auth/verify?redirect=1";

/// A click on a link to this page, as the proxy asks of it.
fn page(path: &str) -> Ask {
    at(REDIRECT, "GET")
        .header("x-forwarded-uri", path)
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "none")
        .header("sec-fetch-user", "?1")
}

#[track_caller]
fn goes_to(reply: &Reply, location: &str) {
    assert_eq!((reply.status, reply.one("location")), (302, Some(location)), "{}", reply.text());
    assert_eq!(reply.all("cache-control"), ["no-store"]);
    assert!(reply.body.is_empty() && reply.cookies().is_empty());
    assert_eq!(reply.one("x-keyward-error"), None);
}

#[tokio::test]
async fn a_page_goes_to_renew_with_its_address_and_nothing_else_does() {
    let app = app().await;
    let here = "http://127.0.0.1:8080/api/auth/renew?next=";
    goes_to(&app.send(page("/tasks")).await, &format!("{here}/tasks"));
    let deep = app.send(page("/a/b?c=d&e=f%20g#h;\"<")).await;
    goes_to(&deep, &format!("{here}/a/b%3Fc%3Dd%26e%3Df%2520g%23h%3B%22%3C"));
    goes_to(&app.send(page("/caf\u{e9}")).await, &format!("{here}/caf%25C3%25A9"));
    goes_to(&app.send(page("/").without("sec-fetch-mode")).await, &format!("{here}/"));
    let url = page("/x").without("x-forwarded-uri");
    let url = url.header("x-original-url", "http://127.0.0.1:8080/tasks?a");
    goes_to(&app.send(url).await, &format!("{here}/tasks%3Fa"));
    let appended = envoy(Method::GET, "?redirect=1&path=/tasks?redirect=0").header("accept", "text/html");
    goes_to(&app.send(appended).await, &format!("{here}/tasks%3Fredirect%3D0"));
    // Whatever the reason is.
    goes_to(&app.send(page("/tasks").bearer("forged")).await, &format!("{here}/tasks"));

    let long = format!("/{}", "a".repeat(4_000));
    for (ask, code) in [
        (page("/x").without("x-forwarded-method").header("x-forwarded-method", "POST"), "missing_token"),
        (page("/x").without("x-forwarded-method").header("x-forwarded-method", "HEAD"), "missing_token"),
        (page("/x").without("x-forwarded-method"), "missing_token"),
        (page("/x").without("accept").header("accept", "application/json"), "missing_token"),
        (page("/x").without("accept"), "missing_token"),
        (page("/x").without("sec-fetch-mode").header("sec-fetch-mode", "cors"), "missing_token"),
        (page("/x").header("upgrade", "websocket"), "missing_token"),
        (page("/x").from("203.0.113.9"), "missing_token"),
        (page("/x").without("x-forwarded-uri"), "missing_token"),
        (page("/x").header("x-forwarded-host", "evil.example"), "missing_token"),
        (page("/x").header("x-original-url", "http://evil.example/x"), "missing_token"),
        (page("/x").header("x-original-url", "/y"), "missing_token"),
        (page("//evil.example"), "missing_token"),
        (page("/\\evil.example"), "missing_token"),
        (page("https://evil.example/"), "missing_token"),
        (page(&long), "missing_token"),
    ] {
        app.send(ask).await.refused(401, code);
    }
    let plain = at(VERIFY, "GET").header("x-forwarded-uri", "/x").header("accept", "text/html");
    app.send(plain).await.refused(401, "missing_token");
    let other = at("/api/auth/verify?redirect=true", "GET").header("x-forwarded-uri", "/x");
    app.send(other.header("accept", "text/html")).await.refused(401, "missing_token");
}

#[tokio::test]
async fn who_is_signed_in_and_may_not_is_not_sent_anywhere() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let ask = at("/api/auth/verify?redirect=1&role=admin", "GET").header("accept", "text/html");
    let ask = ask.header("x-forwarded-uri", "/x");
    app.send(ask.clone().bearer(&tokens.access)).await.refused(403, "forbidden");
    app.pass(2);
    app.send(ask.bearer(&tokens.access)).await.refused(503, "store_unavailable");
}

#[tokio::test]
async fn an_expired_page_is_renewed_and_comes_back() {
    let public_url = "https://app.example.com".parse().expect("an origin");
    let app = App::with(Settings { public_url, ..behind_a_proxy() }).await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let page = || {
        let page = page("/tasks?a=b&c").header("x-forwarded-host", "app.example.com");
        page.header("x-forwarded-proto", "https")
    };
    passes(&app.send(with_cookies(&app, &browser, page())).await);
    app.pass(20 * MINUTE);
    app.tick().await;
    let reply = app.send(with_cookies(&app, &browser, page())).await;
    goes_to(&reply, "https://app.example.com/api/auth/renew?next=/tasks%3Fa%3Db%26c");
    let renew = reply.one("location").and_then(|to| to.strip_prefix("https://app.example.com"));
    let reply = browser.navigate(&app, renew.expect("here")).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("https://app.example.com/tasks?a=b&c")));
    passes(&app.send(with_cookies(&app, &browser, page())).await);
}

#[tokio::test]
async fn a_token_that_the_proxy_presents_ends_the_circle() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for _ in 0..6 {
        let reply = browser.navigate(&app, "/api/auth/renew?next=/tasks").await;
        assert_eq!(reply.status, 303, "no third bounce: its cookies arrive");
        let ask = get(VERIFY).from(PROXY).header("x-forwarded-method", "GET");
        passes(&app.send(with_cookies(&app, &browser, ask)).await);
        app.pass(1);
        app.tick().await;
    }
}
