//! A flood of requests is no flood of rows, and what is counted is true.

use serde_json::Value;

use super::events;
use crate::support::{ADA, App, OTHER_PASSWORD, PASSWORD, get, limit, login, post, settings};

fn total(events: &[Value]) -> u64 {
    events.iter().map(|event| event["details"]["count"].as_u64().unwrap_or(1)).sum()
}

#[tokio::test]
async fn failed_logins_beyond_ten_a_minute_are_one_row() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    for _ in 0..60 {
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
        app.send(login("nobody@example.com", OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
    app.tick().await;
    let found = events(&app, &admin, &format!("?user_id={}&type=login_failed", ada.user)).await;
    assert_eq!((found.len(), total(&found)), (11, 60));
    let all = events(&app, &admin, "?type=login_failed").await;
    assert_eq!((all.len(), total(&all)), (22, 120), "a name without an account alike");
    app.pass(60);
    app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    assert_eq!(events(&app, &admin, "?type=login_failed").await.len(), 23, "each minute anew");
    app.events();
}

#[tokio::test]
async fn wrong_passwords_in_a_session_are_counted_alike() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    for _ in 0..30 {
        let body = serde_json::json!({"password": OTHER_PASSWORD});
        let ask = post("/api/auth/reauthenticate").bearer(&ada.access).json(body);
        app.send(ask).await.refused(401, "invalid_credentials");
    }
    app.tick().await;
    let found = events(&app, &admin, "?type=login_failed").await;
    assert_eq!((found.len(), total(&found)), (11, 30));
    app.events();
}

#[tokio::test]
async fn refused_refreshes_and_limits_are_one_row_a_minute() {
    let mut few = settings();
    few.limits.login = limit("5/1m");
    let app = App::with(few).await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    app.send(post("/api/auth/logout").bearer(&ada.access)).await.ok(200);
    for _ in 0..50 {
        app.refresh(&ada.refresh).await.refused(401, "session_revoked");
    }
    let from = |n: usize| login(ADA, PASSWORD).from(if n < 5 { "192.0.2.1" } else { "192.0.2.2" });
    for n in 0..10 {
        app.send(from(n)).await.ok(200);
    }
    for n in 0..40 {
        app.send(from(n % 10)).await.refused(429, "rate_limited");
    }
    app.tick().await;
    let refused = events(&app, &admin, "?type=refresh_failed").await;
    assert_eq!((refused.len(), total(&refused)), (1, 50));
    assert_eq!(refused[0]["details"]["last_at"], refused[0]["created_at"]);
    let limited = events(&app, &admin, "?type=rate_limited").await;
    assert_eq!((limited.len(), total(&limited)), (2, 40), "one row a key");
    // A forged token is no event at all.
    let before = app.count("event");
    for n in 0..50 {
        app.refresh(&format!("kwr_{n}")).await.refused(401, "invalid_refresh_token");
        app.send(get("/api/auth/session").bearer("forged")).await.refused(401, "invalid_token");
    }
    app.tick().await;
    assert_eq!(app.count("event"), before);
    app.events();
}
