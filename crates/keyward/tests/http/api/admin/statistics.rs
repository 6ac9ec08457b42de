//! `GET /api/admin/statistics`: what happened is counted, once, in its span of time, and nothing grows.

use keyward::core::throttle::Limits;
use serde_json::{Value, json};

use crate::support::{
    ADA, App, BOB, Browser, DAY, HOUR, MINUTE, OTHER_PASSWORD, WINDOW, get, limit, login, moment, settings,
};

async fn asked(app: &App, token: &str, query: &str) -> Value {
    app.send(get(&format!("/api/admin/statistics{query}")).bearer(token)).await.ok(200)
}

/// The spans in which there was something of this.
fn there(body: &Value, what: &str) -> Vec<(String, u64)> {
    let spans = body["spans"].as_array().expect("spans").iter();
    let one = |span: &Value| (span["at"].as_str().expect("a moment").to_owned(), span[what].as_u64());
    spans.map(one).map(|(at, n)| (at, n.expect("a number"))).filter(|(_, n)| *n > 0).collect()
}

#[tokio::test]
async fn everything_is_counted_in_the_span_that_it_happened_in() {
    let limits = Limits { signup: limit("3/1h"), ..Limits::OFF };
    let app = App::without_redis(keyward::Settings { limits, ..settings() }).await;
    let reader = app.service_key(&["admin:read"]).await;
    let begin = app.now();
    let empty = asked(&app, &reader, "").await;
    assert_eq!(empty["spans"].as_array().map(Vec::len), Some(48));
    assert_eq!((&empty["window"], &empty["span_seconds"]), (&json!("24h"), &json!(1_800)));
    assert_eq!(
        empty["total"],
        json!({"logins": 0, "failed_logins": 0, "signups": 0, "refreshes": 0, "reuse": 0, "rate_limited": 0})
    );
    let mut tokens = app.signup(ADA).await;
    app.signup(BOB).await;
    for _ in 0..3 {
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
    app.login(ADA).await;
    app.keyward.tick().await.expect("counted");
    app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    // Not written yet, and counted all the same.
    let fresh = asked(&app, &reader, "").await;
    assert_eq!(fresh["total"]["failed_logins"], 4);
    app.pass(11);
    app.tick().await;
    assert_eq!(asked(&app, &reader, "").await["total"], fresh["total"], "written, it is not counted twice");
    app.pass(2 * HOUR);
    let stolen = tokens.refresh.clone();
    for _ in 0..2 {
        tokens = crate::support::Tokens {
            refresh: app.refresh(&tokens.refresh).await.ok(200)["refresh_token"]
                .as_str()
                .expect("rotated")
                .to_owned(),
            ..tokens
        };
        app.pass(WINDOW + 1);
    }
    app.refresh(&stolen).await.refused(401, "refresh_token_reused");
    let told = asked(&app, &reader, "").await;
    let (then, now) = (moment(begin), moment(begin + 7_200));
    assert_eq!(there(&told, "logins"), [(then.clone(), 1)]);
    assert_eq!(there(&told, "failed_logins"), [(then.clone(), 4)]);
    assert_eq!(there(&told, "signups"), [(then, 2)]);
    assert_eq!(there(&told, "refreshes"), [(now.clone(), 2)]);
    assert_eq!(there(&told, "reuse"), [(now, 1)]);
    for _ in 0..4 {
        drop(
            app.send(
                crate::support::post("/api/auth/signup")
                    .json(json!({"email": ADA, "password": "Correct-Horse-7"})),
            )
            .await,
        );
    }
    assert_eq!(asked(&app, &reader, "").await["total"]["rate_limited"], 1);
}

#[tokio::test]
async fn it_outlives_a_restart_and_goes_when_it_is_past() {
    let events_retention = std::time::Duration::from_secs(40 * DAY);
    let app = App::with(keyward::Settings { events_retention, ..settings() }).await;
    let reader = app.service_key(&["admin:read"]).await;
    app.signup(ADA).await;
    app.login(ADA).await;
    let app = app.restarted().await;
    app.login(ADA).await;
    for (window, spans, seconds) in [("24h", 48, 1_800), ("7d", 56, 10_800), ("30d", 60, 43_200)] {
        let told = asked(&app, &reader, &format!("?window={window}")).await;
        assert_eq!(told["spans"].as_array().map(Vec::len), Some(spans), "{window}");
        assert_eq!((&told["total"]["logins"], &told["span_seconds"]), (&json!(2), &json!(seconds)));
        let at =
            told["since"].as_str().expect("a moment").parse().map(keyward::core::time::Timestamp::seconds);
        assert_eq!(at.map(|at| at % seconds), Ok(0));
    }
    app.tick().await;
    let rows = app.count("figure");
    for _ in 0..20 {
        app.login(ADA).await;
        app.pass(11);
        app.tick().await;
    }
    assert_eq!(app.count("figure"), rows, "more of the same is no further row");
    app.pass(2 * DAY);
    assert_eq!(asked(&app, &reader, "").await["total"]["logins"], 0);
    assert_eq!(asked(&app, &reader, "?window=7d").await["total"]["logins"], 22);
    app.pass(41 * DAY);
    app.tick().await;
    assert_eq!(app.count("figure"), 0, "past its time it goes");
}

#[tokio::test]
async fn who_is_there_is_counted() {
    let app = App::new().await;
    let reader = app.service_key(&["admin:read"]).await;
    app.signup(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    app.tick().await;
    let told = asked(&app, &reader, "").await;
    assert_eq!((&told["open_sessions"], &told["active_sessions"]), (&json!(2), &json!(0)));
    assert_eq!(told["active_within"], 60);
    browser.session(&app).await.ok(200);
    assert_eq!(asked(&app, &reader, "").await["active_sessions"], 0, "a poll is not activity");
    browser.navigate(&app, "/api/auth/session").await.ok(200);
    assert_eq!(asked(&app, &reader, "").await["active_sessions"], 1);
    app.pass(MINUTE + 1);
    assert_eq!(asked(&app, &reader, "").await["active_sessions"], 0);
}

#[tokio::test]
async fn another_window_is_refused_by_name() {
    let app = App::new().await;
    let reader = app.service_key(&["admin:read"]).await;
    for window in ["1h", "24", "24H", "7d&window=7d", "-1"] {
        let ask = get(&format!("/api/admin/statistics?window={window}")).bearer(&reader);
        assert_eq!(app.send(ask).await.invalid_fields(), ["window"], "{window}");
    }
}
