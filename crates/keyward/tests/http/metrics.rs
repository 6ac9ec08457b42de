//! What is counted, and who can read it?

use std::collections::BTreeMap;

use keyward::Settings;

use crate::support::{
    ADA, App, Ask, BOB, OTHER_PASSWORD, PASSWORD, WINDOW, get, limit, login, post, settings,
};

/// The samples of a text of metrics, by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples: Vec<_> = lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a sample");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect();
    let all: BTreeMap<_, _> = samples.iter().cloned().collect();
    assert_eq!(all.len(), samples.len(), "each sample once");
    all
}

impl App {
    fn counted(&self, name: &str) -> f64 {
        let samples = samples(&self.keyward.metrics());
        *samples.get(name).unwrap_or_else(|| panic!("{name} in {samples:#?}"))
    }
}

/// Right or wrong, of whomever: what costs most is done once.
#[tokio::test]
async fn a_login_costs_one_hash_and_one_commit() {
    let app = App::new().await;
    app.signup(ADA).await;
    let costs = || (app.keyward.password_hashes(), app.counted("keyward_store_commit_seconds_count"));
    for (name, password, status) in [(ADA, PASSWORD, 200), (ADA, OTHER_PASSWORD, 401), (BOB, PASSWORD, 401)] {
        let (hashes, commits) = costs();
        assert_eq!(app.send(login(name, password)).await.status, status);
        assert_eq!(costs(), (hashes + 1, commits + 1.0), "{name} {status}");
    }
}

#[tokio::test]
async fn every_refresh_is_counted_by_its_verdict() {
    let app = App::with(Settings {
        limits: keyward::core::throttle::Limits { refresh: limit("8/1m"), ..settings().limits },
        ..settings()
    })
    .await;
    let first = app.signup(ADA).await;
    let second = crate::support::Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    app.refresh(&first.refresh).await.ok(200);
    app.pass(WINDOW);
    app.refresh(&first.refresh).await.ok(200);
    app.pass(WINDOW / 2);
    app.refresh(&first.refresh).await.refused(503, "refresh_pending");
    app.pass(WINDOW);
    app.refresh(&second.refresh).await.refused(401, "refresh_token_reused");
    app.refresh(&second.refresh).await.refused(401, "session_revoked");
    app.refresh("kwr_x").await.refused(401, "invalid_refresh_token");
    let mut revoked = 1.0;
    while app.refresh(&first.refresh).await.status != 429 {
        revoked += 1.0;
    }
    for (outcome, count) in [
        ("rotated", 1.0),
        ("replayed", 1.0),
        ("forgiven", 1.0),
        ("pending", 1.0),
        ("reuse", 1.0),
        ("revoked", revoked),
        ("forged", 1.0),
        ("limited", 1.0),
        ("adopted", 0.0),
        ("expired", 0.0),
        ("idle", 0.0),
        ("inactive", 0.0),
        ("error", 0.0),
    ] {
        assert_eq!(
            app.counted(&format!("keyward_refresh_total{{outcome=\"{outcome}\"}}")),
            count,
            "{outcome}"
        );
    }
    assert_eq!(app.counted("keyward_session_end_total{reason=\"theft\"}"), 1.0);
    assert_eq!(app.counted("keyward_rate_limited_total{limit=\"refresh\"}"), 1.0);
}

#[tokio::test]
async fn logins_ends_and_what_is_there_are_counted() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.login(ADA).await;
    app.login(ADA).await;
    app.signup(BOB).await;
    app.send(login(ADA, "wrong")).await.refused(401, "invalid_credentials");
    let again = post("/api/auth/reauthenticate").bearer(&tokens.access);
    app.send(again.json(serde_json::json!({"password": "wrong"}))).await.refused(401, "invalid_credentials");
    app.tick().await;
    assert_eq!(app.counted("keyward_sessions_active"), 4.0);
    app.send(post("/api/auth/logout-all").bearer(&tokens.access)).await.ok(200);
    app.pass(3);
    app.tick().await;
    for (name, value) in [
        ("keyward_sessions_active", 1.0),
        ("keyward_session_end_total{reason=\"logout_all\"}", 3.0),
        ("keyward_session_end_total{reason=\"logout\"}", 0.0),
        ("keyward_login_total{method=\"password\",outcome=\"success\"}", 2.0),
        ("keyward_login_total{method=\"password\",outcome=\"invalid_credentials\"}", 1.0),
        ("keyward_login_total{method=\"reauthentication\",outcome=\"invalid_credentials\"}", 1.0),
        ("keyward_events_total{type=\"signup\",success=\"true\"}", 2.0),
        ("keyward_events_total{type=\"login_failed\",success=\"false\"}", 2.0),
        // Two made at a signup, two compared at a login, two wrong ones.
        ("keyward_password_hash_seconds_count", 6.0),
        ("keyward_store_commits_total{outcome=\"conflict\"}", 0.0),
        ("keyward_store_commits_total{outcome=\"unavailable\"}", 0.0),
        ("keyward_feed_age_seconds", 0.0),
        ("keyward_signing_key_age_seconds", 3.0),
        ("keyward_log_lines_dropped_total", 0.0),
        ("keyward_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_eq!(app.counted(name), value, "{name}");
    }
    assert_eq!(app.counted("keyward_store_reads_total"), app.keyward.store_reads() as f64);
}

#[tokio::test]
async fn requests_are_told_by_route_and_class_and_nothing_a_caller_wrote_is_a_label() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.session(&tokens.access).await.ok(200);
    app.session("x").await.refused(401, "invalid_token");
    let one = format!("/api/auth/sessions/{}", tokens.session);
    app.send(crate::support::delete(&one).bearer(&tokens.access)).await.ok(204);
    for n in 0..200 {
        app.send(get(&format!("/nowhere/{n}?token={n}"))).await.refused(404, "not_found");
        let method = format!("MAKE{n}").parse().expect("a method");
        app.send(Ask::new(method, "/api/auth/session")).await.refused(405, "method_not_allowed");
    }
    let count = |method: &str, route: &str, status: &str| {
        app.counted(&format!(
            "keyward_http_request_duration_seconds_count{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(count("GET", "/api/auth/session", "2xx"), 1.0);
    assert_eq!(count("GET", "/api/auth/session", "4xx"), 1.0);
    assert_eq!(count("DELETE", "/api/auth/sessions/{id}", "2xx"), 1.0);
    assert_eq!(count("other", "none", "4xx"), 200.0);
    assert_eq!(count("other", "/api/auth/session", "4xx"), 200.0);
    let text = app.keyward.metrics();
    for told in [tokens.user.as_str(), &tokens.session, ADA, "MAKE", "nowhere", "203.0.113"] {
        assert!(!text.contains(told), "{told}");
    }
    assert_eq!(samples(&text).len(), samples(&app.keyward.metrics()).len(), "reading adds nothing");
}

#[tokio::test]
async fn two_keywards_in_one_process_count_for_themselves() {
    let (one, other) = (App::new().await, App::new().await);
    one.signup(ADA).await;
    let signups = "keyward_events_total{type=\"signup\",success=\"true\"}";
    assert_eq!(one.counted(signups), 1.0);
    assert!(!other.keyward.metrics().contains(signups));
}

#[tokio::test]
async fn metrics_are_for_a_listener_of_their_own() {
    let app = App::new().await;
    app.send(get("/metrics")).await.refused(404, "not_found");
    let (routes, monitor) = (app.router(), app.keyward.monitor());
    let asked = async |router: &axum::Router, path: &str| {
        use tower::ServiceExt as _;
        let request = http::Request::get(path).body(axum::body::Body::empty()).expect("a request");
        let response = router.clone().oneshot(request).await.expect("an answer");
        let media = response.headers().get("content-type").map(|v| v.to_str().expect("ASCII").to_owned());
        (response.status().as_u16(), media.unwrap_or_default())
    };
    assert_eq!(asked(&monitor, "/metrics").await, (200, keyward::Keyward::METRICS_TYPE.to_owned()));
    for path in ["/healthz", "/readyz"] {
        let plain = (200, "text/plain; charset=utf-8".to_owned());
        assert_eq!(asked(&monitor, path).await, plain);
        assert_eq!(asked(&routes, path).await, plain);
    }
    assert_eq!(asked(&monitor, "/api/auth/session").await.0, 404, "and nothing else is there");
}
