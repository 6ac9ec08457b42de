//! Is each request one line of the log, whatever it holds, and does that find it?

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use serde_json::Value;

use crate::support::{ADA, App, Browser, PASSWORD, get, login, post};

thread_local! {
    /// What this thread logged, where that is read. A test runs on a thread of its own.
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of this thread, until it is dropped.
pub(crate) struct Log(());

struct Line;

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.iter_mut().for_each(|text| text.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn begin() -> Self {
        // One for all tests: what is registered while others come and go can be missed.
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| Line);
            log.with_max_level(tracing_subscriber::filter::LevelFilter::TRACE).init();
        });
        LOGGED.set(Some(Vec::new()));
        Self(())
    }

    pub(crate) fn text(&self) -> String {
        let logged = LOGGED.with_borrow(|logged| logged.clone().expect("it is read"));
        String::from_utf8(logged).expect("UTF-8")
    }

    /// The lines about requests since this was asked last.
    fn requests(&self) -> Vec<Value> {
        let text = self.text();
        LOGGED.set(Some(Vec::new()));
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines.filter(|line| line["target"] == "keyward::request").collect()
    }

    fn request(&self) -> Value {
        let mut lines = self.requests();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        lines.remove(0)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        LOGGED.set(None);
    }
}

#[tokio::test]
async fn each_request_is_one_line_that_says_what_became_of_it() {
    let (app, log) = (App::new().await, Log::begin());
    let tokens = app.signup(ADA).await;
    let line = log.request();
    let tag = tokens.session.parse::<keyward::core::id::SessionId>().expect("an id").tag();
    assert_eq!((&line["method"], &line["route"]), (&"POST".into(), &"/api/auth/signup".into()));
    assert_eq!((&line["status"], &line["client"]), (&201.into(), &"203.0.113.1".into()));
    assert_eq!((&line["session"], &line["code"]), (&tag.clone().into(), &Value::Null));
    assert!(line["duration_ms"].is_number() && line["trace_id"].is_null(), "{line}");

    let reply = app.session(&tokens.access).await;
    let line = log.request();
    assert_eq!((&line["session"], &line["status"]), (&tag.into(), &200.into()));
    assert_eq!(line["request_id"].as_str(), reply.one("x-request-id"));

    app.session("x").await.refused(401, "invalid_token");
    let line = log.request();
    assert_eq!((&line["status"], &line["code"]), (&401.into(), &"invalid_token".into()));
    assert_eq!(line["session"], Value::Null);

    app.send(get("/nowhere").header("x-request-id", "mine-7")).await.refused(404, "not_found");
    let line = log.request();
    assert_eq!((&line["route"], &line["request_id"]), (&"none".into(), &"mine-7".into()));
    app.send(post("/api/auth/session")).await.refused(405, "method_not_allowed");
    let line = log.request();
    assert_eq!((&line["method"], &line["status"]), (&"other".into(), &405.into()));
}

#[tokio::test]
async fn a_caller_finds_its_request_by_its_trace() {
    let (app, log) = (App::new().await, Log::begin());
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    app.send(get("/healthz").header("traceparent", trace)).await;
    let line = log.request();
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["parent_span_id"], "00f067aa0ba902b7");
    assert!(line["span_id"].as_str().is_some_and(|span| span.len() == 16), "{line}");
    app.send(get("/healthz").header("traceparent", "00-x")).await;
    let line = log.request();
    assert!(line["trace_id"].is_null() && line["span_id"].is_null(), "{line}");
}

#[tokio::test]
async fn whatever_a_request_holds_it_is_one_line_without_a_word_of_it() {
    let (app, log) = (App::new().await, Log::begin());
    // No HTTP library lets a control character into a header, so ESC is for bodies.
    let typed = "Zebra\u{1b}[31m\r\n{\"level\":\"ERROR\"}";
    let hostile = "Zebra\u{2028}\u{2029}\u{202e}\u{85}{\"level\":\"ERROR\"}";
    for path in ["/api/auth/session?Zebra=%0d%0aZebra", "/%0d%0aZebra/%E2%80%A8", "/Zebra\u{202e}"] {
        let ask = get(&path.replace('\u{202e}', "%E2%80%AE"))
            .header("user-agent", hostile)
            .header("x-forwarded-for", "Zebra")
            .header("x-request-id", "Zebra\t")
            .header("referer", hostile)
            .header("cookie", "keyward_access=Zebra; keyward_hint=Zebra")
            .header("authorization", "Bearer Zebra");
        app.send(ask).await;
        assert!(!log.text().contains("Zebra"), "{}", log.text());
        assert_eq!(log.text().lines().count(), 1, "{}", log.text());
        log.request();
    }
    app.send(login(&format!("{typed}@example.com"), typed)).await.refused(401, "invalid_credentials");
    app.send(login(ADA, typed).header("user-agent", hostile)).await.refused(401, "invalid_credentials");
    assert!(!log.text().contains("Zebra"), "{}", log.text());
    assert_eq!(log.requests().len(), 2);
}

#[tokio::test]
async fn a_browser_is_logged_without_its_cookies() {
    let (app, log) = (App::new().await, Log::begin());
    app.signup(ADA).await;
    let mut browser = Browser::default();
    let body = serde_json::json!({"email": ADA, "password": PASSWORD});
    browser.post(&app, "/api/auth/login", body).await.ok(200);
    let hint = browser.jar.value("keyward_hint").expect("set").to_owned();
    let line = log.requests().pop().expect("a line");
    let tag = line["session"].as_str().expect("a tag");
    assert_eq!(hint.split('.').nth(1), Some(tag), "the log calls a session what its hint does");
    assert!(!line.to_string().contains(&hint));
}
