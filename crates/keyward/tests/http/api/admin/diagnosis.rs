//! `GET /api/admin/diagnosis`: what bites is told of the very request, and no secret is.

use std::collections::BTreeSet;

use keyward::Settings;
use serde_json::{Value, json};

use crate::support::{App, Ask, get, moment, settings};

/// The level of each finding that there is about this.
fn level(body: &Value, subject: &str) -> Option<String> {
    let findings = body["findings"].as_array().expect("findings").iter();
    let mut about = findings.filter(|finding| finding["subject"] == subject);
    let found = about.next()?;
    assert!(about.next().is_none(), "{subject} is told once");
    assert_eq!(found["next"].is_null(), found["level"] == "ok", "{found}");
    found["level"].as_str().map(str::to_owned)
}

async fn behind(trusted: &str, public_url: &str) -> (App, String) {
    let trusted_proxies = trusted.split(' ').filter(|net| !net.is_empty());
    let app = App::with(Settings {
        trusted_proxies: trusted_proxies.map(|net| net.parse().expect("a network")).collect(),
        public_url: public_url.parse().expect("an origin"),
        ..settings()
    })
    .await;
    let reader = app.service_key(&["admin:read"]).await;
    (app, reader)
}

#[tokio::test]
async fn what_proxies_say_is_told_with_whether_it_is_believed() {
    for (trusted, headers, expected, client) in [
        ("", vec![], "ok", "203.0.113.1"),
        ("", vec![("x-forwarded-for", "198.51.100.7")], "error", "203.0.113.1"),
        ("", vec![("forwarded", "for=198.51.100.7")], "error", "203.0.113.1"),
        ("203.0.113.0/24", vec![("x-forwarded-for", "198.51.100.7")], "ok", "198.51.100.7"),
        ("203.0.113.0/24", vec![("x-real-ip", "198.51.100.7")], "error", "203.0.113.1"),
        ("203.0.113.0/24", vec![], "warning", "203.0.113.1"),
    ] {
        let (app, reader) = behind(trusted, "https://auth.example.com").await;
        let mut ask: Ask = get("/api/admin/diagnosis").bearer(&reader);
        for (name, value) in &headers {
            ask = ask.header(name, value);
        }
        let told = app.send(ask).await.ok(200);
        assert_eq!(
            level(&told, "forwarding headers").as_deref(),
            Some(expected),
            "{trusted} {headers:?}: {told}"
        );
        assert_eq!((&told["client"], &told["peer"]), (&json!(client), &json!("203.0.113.1")));
        let believed =
            told["forwarding"].as_array().expect("a list").iter().filter(|h| h["believed"] == true);
        assert_eq!(believed.count(), usize::from(client != "203.0.113.1"));
    }
}

#[tokio::test]
async fn of_a_trusted_proxy_every_header_is_believed_that_keyward_reads() {
    const READ: [&str; 7] = [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-method",
        "x-forwarded-uri",
        "x-original-method",
        "x-original-url",
    ];
    const NOT_READ: [&str; 3] = ["forwarded", "x-forwarded-port", "x-real-ip"];
    for (trusted, believed) in [("203.0.113.0/24", &READ[..]), ("", &[])] {
        let (app, reader) = behind(trusted, "https://auth.example.com").await;
        let ask =
            READ.iter().chain(&NOT_READ).fold(get("/api/admin/diagnosis"), |ask, name| ask.header(name, "x"));
        let told = app.send(ask.bearer(&reader)).await.ok(200);
        let told = told["forwarding"].as_array().expect("a list");
        assert_eq!(told.len(), READ.len() + NOT_READ.len());
        let names =
            told.iter().filter(|h| h["believed"] == true).map(|h| h["name"].as_str().expect("a name"));
        assert_eq!(names.collect::<BTreeSet<_>>(), believed.iter().copied().collect());
    }
}

#[tokio::test]
async fn host_scheme_clock_and_cookies_are_held_beside_what_is_configured() {
    let (app, reader) = behind("", "https://auth.example.com").await;
    let ask = |query: &str| get(&format!("/api/admin/diagnosis{query}")).bearer(&reader);
    let told = app
        .send(ask("").header("host", "auth.example.com").header("x-forwarded-proto", "https"))
        .await
        .ok(200);
    assert_eq!((level(&told, "host"), level(&told, "scheme")), (Some("ok".into()), Some("ok".into())));
    assert_eq!(level(&told, "browser clock"), None);
    assert_eq!(told["cookies"][0]["name"], "__Host-keyward_access");
    assert_eq!(
        told["cookies"][1]["attributes"],
        "HttpOnly; Secure; SameSite=Lax; Path=/api/auth; Max-Age=604800"
    );
    assert_eq!(told["cookies"][2]["attributes"], "Secure; SameSite=Lax; Path=/; Max-Age=604800");
    let told =
        app.send(ask("").header("host", "10.0.0.7:8080").header("x-forwarded-proto", "http")).await.ok(200);
    assert_eq!(
        (level(&told, "host"), level(&told, "scheme")),
        (Some("warning".into()), Some("error".into()))
    );
    for (off, expected) in [(0, "ok"), (60, "ok"), (-60, "ok"), (61, "warning"), (-86_400, "warning")] {
        let told = app.send(ask(&format!("?browser_time={}", moment(app.now() + off)))).await.ok(200);
        assert_eq!(level(&told, "browser clock").as_deref(), Some(expected), "{off}");
    }
    assert_eq!(app.send(ask("?browser_time=noon")).await.invalid_fields(), ["browser_time"]);
}

#[tokio::test]
async fn what_of_the_settings_would_bite_is_told_and_no_secret() {
    let app = App::with(Settings {
        hs256_secret: Some(b"canary-canary-canary-canary-7!".to_vec().into()),
        ..settings()
    })
    .await;
    let reader = app.service_key(&["admin:read"]).await;
    let reply = app.send(get("/api/admin/diagnosis").bearer(&reader)).await;
    let told = reply.ok(200);
    assert_eq!(level(&told, "rate_limits.login").as_deref(), Some("warning"));
    assert_eq!(level(&told, "passwords.argon2_*").as_deref(), Some("error"));
    assert_eq!(level(&told, "server.trusted_proxies").as_deref(), Some("ok"));
    assert!(!reply.text().contains("canary"), "{}", reply.text());
}
