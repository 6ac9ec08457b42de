//! `GET /api/auth/events`: a person's own.

use serde_json::{Value, json};

use crate::support::{ADA, App, BOB, OTHER_PASSWORD, get, login, text};

#[tokio::test]
async fn people_see_their_own_events_and_nobody_elses() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    app.pass(1);
    app.signup(BOB).await;
    app.send(login(ADA, OTHER_PASSWORD).from("192.0.2.66")).await.refused(401, "invalid_credentials");
    app.pass(1);
    app.login(ADA).await;
    let page = app.send(get("/api/auth/events").bearer(&ada.access)).await.ok(200);
    let events = page["events"].as_array().expect("a list");
    let types: Vec<&str> = events.iter().map(|event| text(event, "event_type")).collect();
    assert_eq!(types, ["login", "login_failed", "signup"]);
    assert!(events.iter().all(|event| event["user_id"] == ada.user), "{page}");
    assert_eq!((&events[1]["ip_address"], &page["next_cursor"]), (&json!("192.0.2.66"), &Value::Null));

    let page = app.send(get("/api/auth/events?limit=2").bearer(&ada.access)).await.ok(200);
    assert_eq!(page["events"].as_array().map(Vec::len), Some(2));
    let rest = format!("/api/auth/events?limit=2&cursor={}", text(&page, "next_cursor"));
    let rest = app.send(get(&rest).bearer(&ada.access)).await.ok(200);
    assert_eq!(rest["events"], json!([events[2]]));
    // Nobody else's can be asked for.
    let other =
        app.send(get("/api/auth/events?user_id=0195f6a0-0000-7000-8000-000000000000").bearer(&ada.access));
    assert_eq!(other.await.ok(200)["events"].as_array().map(Vec::len), Some(3));
    for (query, field) in [("limit=201", "limit"), ("cursor=%2F", "cursor")] {
        let reply = app.send(get(&format!("/api/auth/events?{query}")).bearer(&ada.access)).await;
        assert_eq!(reply.invalid_fields(), [field]);
    }
    app.events();
}

#[tokio::test]
async fn what_an_administrator_did_is_told_without_their_address() {
    let app = App::new().await;
    app.signup(ADA).await;
    let ada = app.login(ADA).await;
    let other = app.login(ADA).await;
    let operator = keyward::Client::operator();
    app.keyward.revoke_session(other.session.parse().expect("an id"), &operator).await.expect("done");
    let page = app.send(get("/api/auth/events").bearer(&ada.access)).await.ok(200);
    let revoked = page["events"].as_array().expect("a list").iter();
    let revoked: Vec<&Value> = revoked.filter(|event| event["event_type"] == "session_revoked").collect();
    assert_eq!(revoked.len(), 1);
    assert_eq!((&revoked[0]["ip_address"], &revoked[0]["user_agent"]), (&Value::Null, &Value::Null));
    assert_eq!(revoked[0]["details"]["by"], "an administrator");
    app.events();
}
