//! Another site's request is told by the original method, which a trusted proxy alone can say.

use http::Method;

use super::{PROXY, VERIFY, app, ask, at, envoy, passes, with_cookies};
use crate::log::Log;
use crate::support::{ADA, Ask, Browser, get};

const STRANGER: &str = "203.0.113.9";

#[tokio::test]
async fn a_request_of_another_site_that_may_change_something_is_refused() {
    let app = app().await;
    let browser = Browser::signed_up(&app, ADA).await;
    let tokens = app.login(ADA).await;
    let unnamed = |peer: &str| get(VERIFY).from(peer);
    for (of, is_unsafe) in [
        (ask("GET"), false),
        (ask("HEAD"), false),
        (ask("OPTIONS"), false),
        (get(VERIFY).from(PROXY).header("x-original-method", "GET"), false),
        (envoy(Method::GET, "/tasks"), false),
        (envoy(Method::GET, "?role=user&path=/tasks"), false),
        (Ask::new(Method::HEAD, VERIFY).from(PROXY).header("x-original-method", "GET"), false),
        (ask("POST"), true),
        (ask("DELETE"), true),
        (ask("get"), true),
        (ask("PROPFIND"), true),
        (envoy(Method::POST, "/tasks"), true),
        (get(VERIFY).from(PROXY).header("x-original-method", "POST"), true),
        // A client wrote the one that the proxy does not set.
        (ask("GET").header("x-original-method", "POST"), true),
        (ask("GET").header("x-forwarded-method", "GET"), true),
        // Not said, or not by somebody who is believed.
        (unnamed(PROXY), true),
        (unnamed(PROXY).header("x_forwarded_method", "GET"), true),
        (unnamed(PROXY).header("x-http-method-override", "GET"), true),
        (ask("GET").from(STRANGER), true),
        (unnamed(STRANGER).header("x-original-method", "GET"), true),
        (get(&format!("{VERIFY}/tasks")).from(STRANGER), true),
        (Ask::new(Method::OPTIONS, VERIFY).from(PROXY), true),
        // A WebSocket, of which a proxy may not pass on all.
        (ask("GET").header("upgrade", "websocket"), true),
        (ask("GET").header("upgrade", "h2c, WebSocket"), true),
        (ask("GET").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), true),
        (ask("GET").header("sec-websocket-version", "13"), true),
        (ask("GET").header("sec-fetch-mode", "websocket"), true),
    ] {
        let cross = [
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site"), ("origin", "https://evil.example")],
            vec![("origin", "null")],
            vec![],
        ];
        for lines in cross {
            let ask = lines.iter().fold(of.clone(), |ask, (name, value)| ask.header(name, value));
            let reply = app.send(with_cookies(&app, &browser, ask.clone())).await;
            match is_unsafe {
                true => drop(reply.refused(403, "cross_site_request")),
                false => passes(&reply),
            }
            // Nothing that a browser sends by itself.
            passes(&app.send(ask.bearer(&tokens.access)).await);
        }
        let ours = with_cookies(&app, &browser, of.clone()).header("sec-fetch-site", "same-origin");
        passes(&app.send(ours).await);
        let ours = with_cookies(&app, &browser, of).header("origin", app.settings().public_url.as_str());
        passes(&app.send(ours).await);
    }
}

#[tokio::test]
async fn another_site_is_told_before_what_is_wrong_with_the_cookie() {
    let app = app().await;
    let browser = Browser::signed_up(&app, ADA).await;
    let expired = with_cookies(&app, &browser, ask("POST"));
    app.pass(20 * 60);
    app.tick().await;
    app.send(expired.clone().header("sec-fetch-site", "same-origin")).await.refused(401, "token_expired");
    app.send(expired.header("sec-fetch-site", "cross-site")).await.refused(403, "cross_site_request");
    // The access cookie is gone by now, and the refresh cookie never comes here.
    let without = with_cookies(&app, &browser, ask("POST")).header("sec-fetch-site", "cross-site");
    app.send(without).await.refused(401, "missing_token");
}

#[tokio::test]
async fn the_log_names_the_line_that_a_proxy_lacks_and_not_for_every_request() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let log = Log::begin();
    // On a machine that has much to do there may be a warning of something else.
    const COMPLAINT: &str = " was asked by ";
    let mut seen = 0;
    for (ask, line) in [
        (get(VERIFY).from(PROXY), "proxy_set_header X-Forwarded-Method $request_method;"),
        (ask("GET").from(STRANGER), "server.trusted_proxies"),
        (ask("GET").header("x-original-method", "POST"), "X-Original-Method"),
        (at(&format!("{VERIFY}?redirect=1"), "GET").header("accept", "text/html"), "X-Forwarded-Uri"),
    ] {
        for _ in 0..5 {
            let ask = ask.clone();
            app.send(if line == "X-Forwarded-Uri" { ask } else { ask.bearer(&tokens.access) }).await;
        }
        let text = log.text();
        let warned: Vec<&str> = text.lines().filter(|line| line.contains(COMPLAINT)).collect();
        assert_eq!(warned.len(), seen + 1, "{warned:#?}");
        assert!(warned[seen].contains(line), "{line} in {warned:#?}");
        seen += 1;
    }
    app.pass(61);
    app.tick().await;
    app.send(get(VERIFY).from(PROXY).bearer(&tokens.access)).await;
    assert_eq!(log.text().matches(COMPLAINT).count(), seen + 1, "said again after a minute");
}
