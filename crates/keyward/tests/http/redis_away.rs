//! What goes on while Redis is away: all but how far each session has come.

use std::time::Duration;

use keyward::Settings;
use serde_json::json;
use tokio::time::timeout;

use crate::servers::redis;
use crate::support::{ADA, App, OTHER_PASSWORD, delete, get, login, post, settings};

/// Longer than anything takes, on a machine that has much to do.
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn who_wants_to_sign_in_or_out_does_and_who_is_to_go_goes() {
    let mut redis = redis::Server::start(&[]);
    let app = App::over_redis(redis.database(), settings()).await;
    let first = app.signup(ADA).await;
    let (second, third, fourth) = (app.login(ADA).await, app.login(ADA).await, app.login(ADA).await);
    let lost = app.login(ADA).await;
    redis.kill();
    app.events();
    app.refresh(&first.refresh).await.refused(503, "store_unavailable");
    assert_eq!(app.send(get("/readyz")).await.status, 200);
    let new = app.login(ADA).await;
    let of_app = post("/api/auth/logout").json(json!({"refresh_token": second.refresh}));
    app.send(of_app).await.ok(200);
    app.send(post("/api/auth/logout").bearer(&third.access)).await.ok(200);
    let sessions = app.send(get("/api/auth/sessions").bearer(&new.access)).await.ok(200);
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(4), "{sessions}");
    let other = format!("/api/auth/sessions/{}", fourth.session);
    app.send(delete(&other).bearer(&new.access)).await.ok(204);
    // A command beside the server, which never met Redis.
    let beside = app.beside().await;
    let id = lost.session.parse().expect("an id");
    beside.revoke_session(id, &keyward::Client::operator()).await.expect("revoked");
    beside.close().await.expect("closed");
    let ended = ["login", "logout", "logout", "session_revoked", "session_revoked"];
    assert_eq!(app.events(), ended);
    redis.start_again();
    // An answer that was asked for too early has to be asked for again: by then it is there.
    let refused = async { while app.refresh(&new.refresh).await.status == 503 {} };
    timeout(LONG, refused).await.expect("it comes back by itself");
    for session in [&first, &new] {
        app.refresh(&session.refresh).await.ok(200);
    }
    for session in [&second, &third, &fourth, &lost] {
        app.refresh(&session.refresh).await.refused(401, "session_revoked");
    }
}

#[tokio::test]
async fn what_was_counted_is_written() {
    let mut redis = redis::Server::start(&[]);
    let app = App::over_redis(redis.database(), settings()).await;
    let tokens = app.signup(ADA).await;
    // Activity, which only Redis takes.
    app.session(&tokens.access).await.ok(200);
    redis.kill();
    for _ in 0..13 {
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
    assert_eq!((app.count("figure"), app.count("event WHERE count > 1")), (0, 0));
    app.keyward.tick().await.expect_err("the activity is not written");
    assert!(app.count("figure") > 0);
    assert_eq!(app.count("event WHERE type = 'login_failed' AND count > 1"), 1);
    redis.start_again();
    let refused = async { while app.keyward.tick().await.is_err() {} };
    timeout(LONG, refused).await.expect("it is written by itself");
}

#[tokio::test]
async fn the_metrics_tell_of_it() {
    let mut redis = redis::Server::start(&[]);
    let app = App::over_redis(redis.database(), Settings { background: true, ..settings() }).await;
    let turns = |outcome: &str| {
        let text = app.keyward.metrics();
        let name = format!("keyward_job_turns_total{{job=\"redis\",outcome=\"{outcome}\"}} ");
        let line = text.lines().find(|line| line.starts_with(&name)).expect("it is told");
        line[name.len()..].parse::<f64>().expect("a number")
    };
    let more = async |outcome: &str| {
        let before = turns(outcome);
        let same = async {
            while turns(outcome) <= before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, same).await.unwrap_or_else(|_| panic!("no turn is {outcome}"));
    };
    more("done").await;
    redis.kill();
    more("failed").await;
    redis.start_again();
    more("done").await;
    app.keyward.close().await.expect("closed");
}
