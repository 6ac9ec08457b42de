//! What every refusal says, and in which order it is checked.

use http::Method;
use serde_json::json;

use crate::support::{ADA, App, Ask, Browser, OTHER_PASSWORD, PASSWORD, delete, get, login, post, settings};

#[tokio::test]
async fn what_is_not_there_is_404_and_another_method_405_with_allow() {
    let app = App::new().await;
    for path in [
        "/api",
        "/api/auth",
        "/api/auth/login/",
        "//api/auth/login",
        "/api//auth/login",
        "/api/auth/Login",
        "/api/auth/%6cogin",
        "/api/auth/login%00",
        "/api/auth/../auth/login",
        "/api/auth/sessions/",
        "/api/auth/sessions/a/b",
        "/metrics",
        "/debug",
        "/.env",
    ] {
        for method in [Method::GET, Method::POST, Method::OPTIONS, Method::TRACE] {
            app.send(Ask::new(method, path)).await.refused(404, "not_found");
        }
    }
    let mut allowed: std::collections::HashMap<&str, Vec<String>> = std::collections::HashMap::new();
    for (method, path, _) in keyward::Keyward::routes() {
        let methods = allowed.entry(path).or_default();
        methods.push(method.to_string());
        if method == Method::GET {
            methods.push("HEAD".to_owned());
        }
    }
    for (path, methods) in allowed {
        let there = crate::support::filled(path, "0195f6a0-0000-7000-8000-000000000000");
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get",
        ] {
            if methods.iter().any(|allowed| allowed == method || allowed == "ANY") {
                continue;
            }
            let reply = app.send(Ask::new(method.parse().expect("a method"), &there)).await;
            if method == "HEAD" {
                assert_eq!((reply.status, reply.body.len()), (405, 0), "{path}");
            } else {
                reply.refused(405, "method_not_allowed");
            }
            assert_eq!(reply.one("allow"), Some(methods.join(", ").as_str()), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_callers_name_for_a_request_is_kept_where_it_is_fit() {
    let app = App::new().await;
    for good in ["a", "A-b_c.9", &"x".repeat(128)] {
        for path in ["/api/auth/session", "/api/nowhere", "/healthz"] {
            assert_eq!(
                app.send(get(path).header("x-request-id", good)).await.one("x-request-id"),
                Some(good)
            );
        }
        let problem = app
            .send(get("/api/auth/session").header("x-request-id", good))
            .await
            .refused(401, "missing_token");
        assert_eq!(problem["request_id"], good);
    }
    let mut made = std::collections::HashSet::new();
    for bad in ["", " ", "a b", "a/b", "\u{e9}", "a\tb", "<script>", "a;b", &"x".repeat(129)] {
        let reply = app.send(get("/api/auth/session").header("x-request-id", bad)).await;
        let id = reply.one("x-request-id").expect("there").to_owned();
        assert!(id != bad && (1..=128).contains(&id.len()), "{id}");
        assert!(made.insert(id), "each is fresh");
    }
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_contract() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let cookies = browser.jar.line("/api/auth/x", app.now()).expect("cookies");
    let large = vec![b' '; (64 << 10) + 1];
    let cross = |ask: Ask| ask.header("sec-fetch-site", "cross-site").header("cookie", cookies.clone());
    // 404, 405 before 413.
    app.send(cross(post("/api/nowhere").raw("text/plain", large.clone()))).await.refused(404, "not_found");
    app.send(cross(Ask::new(Method::PUT, "/api/auth/login").raw("text/plain", large.clone())))
        .await
        .refused(405, "method_not_allowed");
    // 413 before 403.
    app.send(cross(post("/api/auth/login").raw("text/plain", large.clone())))
        .await
        .refused(413, "body_too_large");
    app.send(post("/api/auth/activity").raw("text/plain", large)).await.refused(413, "body_too_large");
    // 403 before 401.
    app.send(cross(post("/api/auth/activity"))).await.refused(403, "cross_site_request");
    app.send(cross(post("/api/auth/logout-all")).bearer("x")).await.refused(403, "cross_site_request");
    app.send(cross(post("/api/auth/login").raw("text/plain", "x"))).await.refused(403, "cross_site_request");
    // 401 before 415 and 422.
    app.send(post("/api/auth/reauthenticate").raw("text/plain", "x")).await.refused(401, "missing_token");
    app.send(post("/api/auth/password/change").json(json!({}))).await.refused(401, "missing_token");
    // 415 before 400, 400 before 422, 422 before `transport_not_allowed`.
    let asks = |media, body: &str| post("/api/auth/signup").raw(media, body.to_owned());
    app.send(asks("text/plain", "{")).await.refused(415, "unsupported_media_type");
    app.send(asks("application/json", r#"{"email":1,"email":2}"#)).await.refused(400, "malformed_json");
    for invalid in [
        json!({"transport": "bearer"}),
        json!({"transport": "bearer", "email": "ada", "password": PASSWORD}),
        json!({"transport": "bearer", "email": ADA, "password": "x"}),
    ] {
        browser.post(&app, "/api/auth/signup", invalid).await.refused(422, "validation_failed");
    }
    // `transport_not_allowed` before 429 before the verdict.
    let mut settings = settings();
    settings.limits.login = crate::support::limit("1/1m");
    settings.limits.signup = crate::support::limit("1/1m");
    let app = App::with(settings).await;
    app.signup(ADA).await;
    app.login(ADA).await;
    app.send(login(ADA, OTHER_PASSWORD)).await.refused(429, "rate_limited");
    app.send(login("nobody@example.com", OTHER_PASSWORD)).await.refused(429, "rate_limited");
    app.send(post("/api/auth/signup").json(json!({"email": ADA, "password": PASSWORD})))
        .await
        .refused(429, "rate_limited");
    app.send(post("/api/auth/login").json(json!({}))).await.refused(422, "validation_failed");
    let mut browser = Browser::default();
    let wants = json!({"email": ADA, "password": OTHER_PASSWORD, "transport": "bearer"});
    browser.post(&app, "/api/auth/login", wants.clone()).await.refused(403, "transport_not_allowed");
    browser.post(&app, "/api/auth/signup", wants).await.refused(403, "transport_not_allowed");
}

#[tokio::test]
async fn a_refusal_says_nothing_of_what_was_sent() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    const CANARY: &str = "Canary-4711-Secret";
    for ask in [
        login(ADA, CANARY),
        login(CANARY, "x"),
        post("/api/auth/login").raw("application/json", format!("{{\"password\":\"{CANARY}\",")),
        post("/api/auth/login").json(json!({"email": [CANARY], "password": {CANARY: CANARY}})),
        post("/api/auth/signup")
            .json(json!({"email": CANARY, "password": CANARY, "phone_number": CANARY, "transport": CANARY})),
        post("/api/auth/refresh").json(json!({"refresh_token": CANARY})),
        get("/api/auth/session").bearer(CANARY),
        delete(&format!("/api/auth/sessions/{CANARY}")).bearer(&tokens.access),
        get(&format!("/{CANARY}?{CANARY}")),
        post("/api/auth/reauthenticate").bearer(&tokens.access).json(json!({"password": CANARY})),
        post("/api/auth/password/change")
            .bearer(&tokens.access)
            .json(json!({"current_password": CANARY, "new_password": CANARY})),
    ] {
        let reply = app.send(ask.clone()).await;
        assert!(reply.status >= 400, "{ask:?}");
        assert!(!reply.text().contains("Canary"), "{}", reply.text());
        assert!(
            reply.headers.values().all(|value| !String::from_utf8_lossy(value.as_bytes()).contains("Canary"))
        );
    }
}
