//! Who it is, in headers; from memory, without a trace.

use http::Method;
use serde_json::json;

use super::{NAMES, VERIFY, app, ask, passes, told, with_cookies};
use crate::support::{ADA, App, Ask, BOB, Browser, get, patch, put, settings};

#[tokio::test]
async fn every_header_is_there_and_says_what_the_token_says() {
    let app = app().await;
    let admin = app.admin().await;
    let role = put("/api/admin/roles/editor").bearer(&admin.access);
    app.send(role.json(json!({"permissions": ["jobs:write", "jobs:read"]}))).await.ok(200);
    let tokens = app.signup(ADA).await;
    let reply = app.send(ask("GET").bearer(&tokens.access)).await;
    passes(&reply);
    let of = |reply: &_| NAMES[..7].iter().map(|name| told(reply, name).to_owned()).collect::<Vec<_>>();
    assert_eq!(of(&reply), [&*tokens.user, &tokens.session, ADA, "false", "", "user", ""]);

    let body = json!({"roles": ["user", "editor"], "phone_number": "+4915112345678"});
    let ask_admin = patch(&format!("/api/admin/users/{}", tokens.user)).bearer(&admin.access);
    app.send(ask_admin.json(body)).await.ok(200);
    let tokens = app.login(ADA).await;
    let reply = app.send(ask("GET").bearer(&tokens.access)).await;
    passes(&reply);
    let expected = [
        &*tokens.user,
        &tokens.session,
        ADA,
        "false",
        "+4915112345678",
        "editor,user",
        "jobs:read,jobs:write",
    ];
    assert_eq!(of(&reply), expected);
}

#[tokio::test]
async fn what_tokens_leave_out_is_empty_and_nothing_is_asked_for_it() {
    let mut settings = settings();
    settings.claims =
        keyward::PersonalClaims { email: false, phone_number: false, roles: false, permissions: false };
    let app = App::with(settings).await;
    let tokens = app.signup(ADA).await;
    let reads = app.keyward.store_reads();
    let reply = app.send(get(VERIFY).bearer(&tokens.access)).await;
    passes(&reply);
    for name in &NAMES[2..7] {
        assert_eq!(told(&reply, name), "", "{name}");
    }
    app.send(get(&format!("{VERIFY}?role=user")).bearer(&tokens.access)).await.refused(403, "forbidden");
    assert_eq!(app.keyward.store_reads(), reads);
}

#[tokio::test]
async fn it_answers_from_memory_and_writes_nothing() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let other = app.signup(BOB).await;
    let ended = app.signup("eve@example.com").await;
    app.send(crate::support::post("/api/auth/logout").bearer(&ended.access)).await.ok(200);
    browser.session(&app).await.ok(200);
    app.tick().await;
    let (before, reads) = (app.dump(), app.keyward.store_reads());
    for _ in 0..3 {
        passes(&app.send(with_cookies(&app, &browser, ask("GET"))).await);
        passes(&app.send(ask("DELETE").bearer(&other.access)).await);
        app.send(ask("GET").bearer(&ended.access)).await.refused(401, "session_revoked");
        app.send(ask("GET").bearer("x")).await.refused(401, "invalid_token");
        app.send(ask("GET")).await.refused(401, "missing_token");
    }
    assert_eq!(app.keyward.store_reads(), reads);
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn where_the_node_cannot_know_it_says_so() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    app.tick().await;
    passes(&app.send(ask("GET").bearer(&tokens.access)).await);
    app.pass(2);
    let reads = app.keyward.store_reads();
    for ask in [ask("GET").bearer(&tokens.access), ask("GET").bearer("forged")] {
        assert_eq!(app.send(ask).await.refused(503, "store_unavailable")["status"], 503);
    }
    app.send(ask("GET")).await.refused(401, "missing_token");
    assert_eq!(app.keyward.store_reads(), reads, "it waits for no store");
    app.tick().await;
    passes(&app.send(ask("GET").bearer(&tokens.access)).await);
}

#[tokio::test]
async fn any_method_with_any_body_and_any_path_below_is_answered_alike() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "ANY"] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        for path in ["", "/", "/tasks/7", "//x", "/..%2f..", "/%2e%2e/login", "/../login", "/a?b=c"] {
            let uri = format!("{VERIFY}{path}");
            let ask = || Ask::new(method.clone(), &uri).from(super::PROXY).body(vec![b'x'; 100_000]);
            let reply = app.send(ask().bearer(&tokens.access)).await;
            passes(&reply);
            for (ask, code) in [(ask(), "missing_token"), (ask().bearer("x"), "invalid_token")] {
                let reply = app.send(ask).await;
                match method {
                    // Its answer has no body (RFC 9110 §9.3.2).
                    Method::HEAD => {
                        assert_eq!((reply.status, reply.one("x-keyward-error")), (401, Some(code)));
                    }
                    _ => drop(reply.refused(401, code)),
                }
            }
        }
    }
}

#[tokio::test]
async fn it_counts_as_activity_by_the_original_method() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let session = crate::support::text(&browser.session(&app).await.ok(200), "session_id").to_owned();
    let last_active = || app.of_session::<i64>(&session, "last_active_at");
    let poll = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")];
    let click = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("sec-fetch-user", "?1")];
    let lines = |ask: Ask, lines: &[(&str, &str)]| {
        lines.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
    };
    let mut before = last_active();
    for (ask, counts) in [
        (lines(ask("GET"), &poll), false),
        (lines(ask("GET"), &click), true),
        (lines(ask("HEAD"), &poll), false),
        (lines(ask("POST"), &poll), true),
        (lines(ask("GET").header("sec-websocket-key", "x"), &poll), true),
        // Which method it is, is not known: it may change something, and yet nobody did anything.
        (lines(get(VERIFY).from(super::PROXY), &poll), false),
        (lines(get(VERIFY).from(super::PROXY), &click), true),
        (ask("GET"), true),
    ] {
        // All of them together within the life of one access token.
        app.pass(90);
        app.tick().await;
        passes(&app.send(with_cookies(&app, &browser, ask.clone())).await);
        app.tick().await;
        let after = last_active();
        assert_eq!(after != before, counts, "{ask:?}");
        before = after;
    }
}

#[tokio::test]
async fn each_decision_is_counted() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let browser = Browser::signed_in(&app, ADA).await;
    app.send(ask("GET").bearer(&tokens.access)).await;
    app.send(ask("GET")).await;
    app.send(super::at(&format!("{VERIFY}?role=admin"), "GET").bearer(&tokens.access)).await;
    let cross = with_cookies(&app, &browser, ask("POST").header("sec-fetch-site", "cross-site"));
    app.send(cross).await;
    let page = super::at(&format!("{VERIFY}?redirect=1"), "GET").header("accept", "text/html");
    app.send(page.header("x-forwarded-uri", "/tasks")).await;
    app.pass(2);
    app.send(ask("GET").bearer(&tokens.access)).await;
    let metrics = app.keyward.metrics();
    for decision in ["allowed", "unauthenticated", "forbidden", "cross_site", "redirected", "unavailable"] {
        let line = format!("keyward_authz_total{{decision=\"{decision}\"}} 1\n");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}
