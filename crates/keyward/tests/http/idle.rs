//! Idleness: what counts as activity, when a session ends of the lack of it, and how it is kept.

use http::Method;
use keyward::core::id::SessionId;

use crate::support::{
    ADA, App, Ask, Browser, HOUR, MINUTE, START, claims, get, moment, post, settings, text,
};

/// When the browser's session ends unless somebody does something; asked as a poll.
async fn idle_deadline(app: &App, browser: &Browser) -> String {
    text(&browser.clone().session(app).await.ok(200), "idle_expires_at").to_owned()
}

#[tokio::test]
async fn what_a_person_does_counts_and_what_a_page_does_by_itself_does_not() {
    let path = "/api/auth/session";
    let fetch = |ask: Ask| ask.header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "cors");
    let navigation = |ask: Ask| ask.header("sec-fetch-site", "none").header("sec-fetch-mode", "navigate");
    let cases: Vec<(&str, Ask, bool)> = vec![
        ("a poll", fetch(get(path)), false),
        ("a HEAD of a script", fetch(Ask::new(Method::HEAD, path)), false),
        ("a reload by script", navigation(get(path)), false),
        ("a navigation in a frame", navigation(get(path)).header("sec-fetch-user", "?0"), false),
        ("a fetch that calls itself a click", fetch(get(path)).header("sec-fetch-user", "?1"), false),
        (
            "an image",
            get(path).header("sec-fetch-site", "same-site").header("sec-fetch-mode", "no-cors"),
            false,
        ),
        ("the list of sessions, by script", fetch(get("/api/auth/sessions")), false),
        ("a click", navigation(get(path)).header("sec-fetch-user", "?1"), true),
        ("a client without Fetch Metadata", get(path), true),
        ("other fetch headers alone", get(path).header("sec-fetch-mode", "cors"), true),
        ("an unsafe method", fetch(post("/api/auth/activity")), true),
        (
            "an unsafe method that is refused",
            fetch(post("/api/auth/reauthenticate").raw("text/plain", "x")),
            true,
        ),
        ("a refresh", fetch(post("/api/auth/refresh")), false),
        (
            "a cross-site click",
            get(path)
                .header("sec-fetch-site", "cross-site")
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-user", "?1"),
            true,
        ),
    ];
    for (what, ask, counts) in cases {
        let app = App::new().await;
        let mut browser = Browser::signed_up(&app, ADA).await;
        app.pass(10 * MINUTE);
        browser.bare(&app, ask).await;
        let expected = if counts { START + 600 + 3_600 } else { START + 3_600 };
        assert_eq!(idle_deadline(&app, &browser).await, moment(expected), "{what}");
    }
}

#[tokio::test]
async fn a_renewal_is_a_refresh_and_no_activity() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    app.pass(10 * MINUTE);
    browser.navigate(&app, "/api/auth/renew?next=/").await;
    assert_eq!(idle_deadline(&app, &browser).await, moment(START + 3_600));
}

#[tokio::test]
async fn an_access_token_ends_with_the_idle_deadline_on_the_second() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for _ in 0..5 {
        app.pass(10 * MINUTE);
        browser.refresh(&app).await.ok(200);
    }
    let token = browser.jar.value("keyward_access").expect("set").to_owned();
    assert_eq!(claims(&token)["exp"], START + 3_600);
    app.pass(10 * MINUTE - 1);
    app.send(get("/api/auth/session").bearer(&token).header("sec-fetch-site", "same-origin")).await.ok(200);
    app.pass(1);
    app.send(get("/api/auth/session").bearer(&token)).await.refused(401, "token_expired");
    browser.refresh(&app).await.refused(401, "session_idle");
}

#[tokio::test]
async fn who_works_is_never_signed_out() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for minute in 1..=300 {
        app.pass(MINUTE);
        if minute % 50 == 0 {
            browser.navigate(&app, "/api/auth/session").await.ok(200);
        }
        if minute % 10 == 0 {
            browser.refresh(&app).await.ok(200);
        }
        app.tick().await;
    }
    assert_eq!(app.events(), ["signup"]);
}

#[tokio::test]
async fn a_note_is_written_in_time_and_the_last_one_is_not_lost() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let session = text(&browser.session(&app).await.ok(200), "session_id").to_owned();
    app.tick().await;
    let written = |app: &App| app.of_session::<i64>(&session, "last_active_at") / 1_000_000 - START;
    app.pass(100);
    browser.navigate(&app, "/api/auth/session").await.ok(200);
    assert_eq!(written(&app), 0, "reading a page is no write");
    app.tick().await;
    assert_eq!(written(&app), 100, "the first note at once");
    app.pass(10);
    browser.navigate(&app, "/api/auth/session").await.ok(200);
    app.tick().await;
    assert_eq!(written(&app), 100, "then once in a minute");
    app.pass(50);
    app.tick().await;
    assert_eq!(written(&app), 110, "the last one");
    app.pass(10);
    browser.navigate(&app, "/api/auth/session").await.ok(200);
    assert_eq!(written(&app), 110);
    let app = app.restarted().await;
    assert_eq!(
        app.of_session::<i64>(&session, "last_active_at") / 1_000_000 - START,
        170,
        "before a node stops"
    );
}

#[tokio::test]
async fn a_kill_loses_a_minute_of_activity_at_most() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    // The background writes every half second; here, once a second.
    for _ in 0..180 {
        app.pass(1);
        browser.navigate(&app, "/api/auth/session").await.ok(200);
        app.tick().await;
    }
    let app = app.killed().await;
    let deadline = browser.session(&app).await.ok(200);
    let kept = text(&deadline, "idle_expires_at").to_owned();
    assert!(kept >= moment(START + 180 - 60 + 3_600), "{kept}");
}

#[tokio::test]
async fn that_something_was_seen_is_written_and_counts_after_a_kill() {
    let app = App::new().await;
    let first = app.signup(ADA).await;
    let second = crate::support::Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    app.session(&second.access).await.ok(200);
    assert!(!app.of_session::<bool>(&first.session, "seen"));
    app.tick().await;
    assert!(app.of_session::<bool>(&first.session, "seen"));
    let app = app.killed().await;
    app.pass(30);
    app.refresh(&first.refresh).await.refused(401, "refresh_token_reused");
}

#[tokio::test]
async fn the_sweep_ends_what_is_idle_and_forgets_what_is_long_past() {
    let app = App::without_redis(settings()).await;
    let browser = Browser::signed_up(&app, ADA).await;
    let session = text(&browser.clone().session(&app).await.ok(200), "session_id").to_owned();
    app.events();
    app.pass(HOUR);
    app.tick().await;
    assert_eq!(app.open_sessions(), 1, "another node may hold a note that it is about to write");
    app.pass(MINUTE);
    app.tick().await;
    assert_eq!(app.of_session::<String>(&session, "ended_why"), "idle");
    assert_eq!(app.events(), ["session_idle: session_idle"]);
    browser.clone().refresh(&app).await.refused(401, "session_idle");
    // As long as its token could be presented the reason is known.
    app.pass(7 * 24 * HOUR - HOUR - MINUTE);
    app.tick().await;
    assert_eq!(app.count("session"), 1);
    app.pass(1);
    app.tick().await;
    assert_eq!((app.count("session"), app.count("revocation")), (0, 0));
    let id: SessionId = session.parse().expect("an id");
    assert!(!app.dump_without_events().contains(&id.to_string()));
}
