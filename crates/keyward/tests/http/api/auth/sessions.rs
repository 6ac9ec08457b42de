//! `GET /api/auth/sessions`, `DELETE /api/auth/sessions/{id}`

use serde_json::{Value, json};

use crate::support::{ADA, App, BOB, Browser, PASSWORD, START, Tokens, delete, get, login, moment, post};

#[tokio::test]
async fn each_device_is_listed_the_most_recent_first() {
    let app = App::new().await;
    let signup = post("/api/auth/signup").json(json!({"email": ADA, "password": PASSWORD}));
    let phone =
        app.send(signup.header("user-agent", "okhttp/5 (Android 16)").from("2001:db8::7")).await.ok(201);
    app.pass(60);
    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let mut browser = Browser::default();
    let page = browser.send(&app, login(ADA, PASSWORD).header("user-agent", FIREFOX)).await.ok(200);
    app.signup(BOB).await;
    app.pass(60);
    let body =
        app.send(get("/api/auth/sessions").bearer(phone["token"].as_str().expect("a token"))).await.ok(200);
    assert_eq!(
        body,
        json!({"sessions": [
            {
                "id": phone["session_id"], "current": true, "transport": "bearer", "device": "Android app",
                "ip_address": "2001:db8::7", "user_agent": "okhttp/5 (Android 16)",
                "created_at": moment(START), "last_active_at": moment(START + 120),
                "expires_at": moment(START + 7 * 86_400),
                "idle_expires_at": null,
                "absolute_expires_at": moment(START + 30 * 86_400),
            },
            {
                "id": page["session_id"], "current": false, "transport": "cookie", "device": "Firefox on Linux",
                "ip_address": "203.0.113.1", "user_agent": FIREFOX,
                "created_at": moment(START + 60), "last_active_at": moment(START + 60),
                "expires_at": moment(START + 60 + 3_600),
                "idle_expires_at": moment(START + 60 + 3_600),
                "absolute_expires_at": moment(START + 60 + 30 * 86_400),
            },
        ]})
    );
}

fn ids(body: &Value) -> Vec<String> {
    let list = body["sessions"].as_array().expect("a list").iter();
    list.map(|session| session["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn what_has_ended_is_not_listed() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    Browser::signed_in(&app, ADA).await;
    let gone = app.login(ADA).await;
    app.send(post("/api/auth/logout").bearer(&gone.access)).await.ok(200);
    let list = || app.send(get("/api/auth/sessions").bearer(&tokens.access));
    assert_eq!(ids(&list().await.ok(200)).len(), 2);
    // The browser went idle; nobody has swept it yet.
    app.pass(3_600);
    let fresh = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    let body = app.send(get("/api/auth/sessions").bearer(&fresh.access)).await.ok(200);
    assert_eq!(ids(&body), [tokens.session]);
}

#[tokio::test]
async fn one_of_ones_own_is_ended_at_once() {
    let app = App::new().await;
    let (mine, lost) = (app.signup(ADA).await, app.login(ADA).await);
    app.session(&lost.access).await.ok(200);
    app.events();
    let reply = app.send(delete(&format!("/api/auth/sessions/{}", lost.session)).bearer(&mine.access)).await;
    reply.ok(204);
    assert_eq!(app.events(), ["session_revoked"]);
    app.session(&lost.access).await.refused(401, "session_revoked");
    app.refresh(&lost.refresh).await.refused(401, "session_revoked");
    app.session(&mine.access).await.ok(200);
    app.events();
    let again = delete(&format!("/api/auth/sessions/{}", lost.session)).bearer(&mine.access);
    app.send(again).await.refused(404, "not_found");
    // The current one can be ended, too, without a cookie being touched.
    let mut browser = Browser::signed_in(&app, ADA).await;
    let own = browser.session(&app).await.ok(200)["session_id"].as_str().expect("an id").to_owned();
    let reply = browser.send(&app, delete(&format!("/api/auth/sessions/{own}"))).await;
    reply.ok(204);
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    browser.session(&app).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn nobody_elses_can_be_ended_or_told_from_one_that_is_not_there() {
    let app = App::new().await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    let before = app.dump();
    for id in [
        bob.session.as_str(),
        "0195f6a0-0000-7000-8000-000000000000",
        &ada.user,
        "x",
        "%00",
        "..%2f..",
        &format!("{}%20", ada.session),
        &format!("%7B{}%7D", ada.session),
    ] {
        let reply = app.send(delete(&format!("/api/auth/sessions/{id}")).bearer(&ada.access)).await;
        reply.refused(404, "not_found");
    }
    assert_eq!(app.dump(), before);
    app.session(&bob.access).await.ok(200);
    app.session(&ada.access).await.ok(200);
}

#[tokio::test]
async fn without_a_session_nothing_is_listed_or_ended() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let before = app.dump();
    app.send(get("/api/auth/sessions")).await.refused(401, "missing_token");
    app.send(delete(&format!("/api/auth/sessions/{}", tokens.session))).await.refused(401, "missing_token");
    assert_eq!(app.dump(), before);
}
