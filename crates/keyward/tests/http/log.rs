//! Is each request one line of the log, whatever it holds, and does that find it?

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{ADA, App, Browser, PASSWORD, get, login, post};

/// A log that is read.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Takes what this thread logs until the guard is dropped.
    pub(crate) fn begin(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
    }

    /// The lines about requests since this was asked last.
    fn requests(&self) -> Vec<Value> {
        let text = self.text();
        self.0.lock().expect("no panic").clear();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        lines.filter(|line| line["target"] == "keyward::request").collect()
    }

    fn request(&self) -> Value {
        let mut lines = self.requests();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        lines.remove(0)
    }
}

#[tokio::test]
async fn each_request_is_one_line_that_says_what_became_of_it() {
    let (app, log) = (App::new().await, Log::default());
    let _reading = log.begin();
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
    let (app, log) = (App::new().await, Log::default());
    let _reading = log.begin();
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
    let (app, log) = (App::new().await, Log::default());
    let _reading = log.begin();
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
    let (app, log) = (App::new().await, Log::default());
    let _reading = log.begin();
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
