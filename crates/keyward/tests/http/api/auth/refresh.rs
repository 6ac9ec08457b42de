//! `POST /api/auth/refresh`: the verdicts of `keyward_core::session`, as they are told over HTTP.

use serde_json::json;

use crate::support::{
    ADA, App, BOB, Browser, DAY, MINUTE, START, Tokens, WINDOW, claims, moment, post, settings, text,
};

/// A session that rotated once: its first tokens and what the refresh brought.
async fn rotated_once(app: &App) -> (Tokens, Tokens) {
    let first = app.signup(ADA).await;
    let second = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    app.events();
    (first, second)
}

#[tokio::test]
async fn the_first_token_rotates_at_once() {
    let app = App::new().await;
    let first = app.signup(ADA).await;
    app.events();
    app.pass(10);
    let reply = app.refresh(&first.refresh).await;
    let body = reply.ok(200);
    assert_eq!(
        body,
        json!({
            "user_id": first.user, "email": ADA, "email_verified": false,
            "phone_number": null, "phone_number_verified": false,
            "roles": ["user"], "permissions": [],
            "session_id": first.session, "transport": "bearer", "token_type": "Bearer",
            "token": body["token"], "expires_in": 900, "expires_at": moment(START + 910),
            "refresh_token": body["refresh_token"], "refresh_expires_at": moment(START + 10 + 7 * 86_400),
            "refresh_at": moment(START + 610), "idle_expires_at": null, "rotated": true,
        })
    );
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    let second = Tokens::of(&body);
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(claims(&second.access)["gen"], 1);
    assert_eq!(claims(&second.access)["auth_time"], START);
    // No access token dies of a refresh.
    app.session(&first.access).await.ok(200);
    app.session(&second.access).await.ok(200);
    assert_eq!(app.events(), Vec::<String>::new());
    assert_eq!(app.count("session"), 1);
}

#[tokio::test]
async fn the_newest_token_is_kept_until_its_window_closed() {
    let app = App::new().await;
    let (first, second) = rotated_once(&app).await;
    let before = app.dump();
    for _ in 0..3 {
        app.pass(WINDOW / 3 - 1);
        let body = app.refresh(&second.refresh).await.ok(200);
        assert_eq!(body["rotated"], false);
        assert_eq!((body.get("refresh_token"), body.get("refresh_expires_at")), (None, None));
        assert_eq!(claims(text(&body, "token"))["gen"], 1);
    }
    assert_eq!(app.dump(), before, "keeping writes nothing");
    app.pass(3);
    let third = Tokens::of(&app.refresh(&second.refresh).await.ok(200));
    assert_eq!(claims(&third.access)["gen"], 2);
    assert_eq!(third.session, first.session);
    assert_eq!(app.events(), Vec::<String>::new());
}

#[tokio::test]
async fn the_parent_is_kept_within_the_window_and_gains_nothing_newer() {
    let app = App::new().await;
    let (first, second) = rotated_once(&app).await;
    let before = app.dump();
    app.pass(WINDOW - 1);
    let body = app.refresh(&first.refresh).await.ok(200);
    assert_eq!(body["rotated"], false);
    assert_eq!((body.get("refresh_token"), body.get("refresh_expires_at")), (None, None));
    assert_eq!(claims(text(&body, "token"))["gen"], 0, "it names the parent");
    app.session(text(&body, "token")).await.ok(200);
    assert_eq!(app.dump(), before);
    app.pass(1);
    assert_eq!(app.refresh(&second.refresh).await.ok(200)["rotated"], true);
}

#[tokio::test]
async fn a_lost_answer_is_forgiven_and_what_was_lost_is_dead() {
    let app = App::new().await;
    let (first, lost) = rotated_once(&app).await;
    app.pass(WINDOW);
    let body = app.refresh(&first.refresh).await.ok(200);
    assert_eq!(body["rotated"], true);
    let third = Tokens::of(&body);
    assert_eq!(claims(&third.access)["gen"], 2);
    assert_eq!(app.events(), ["refresh_forgiven"]);
    app.session(&third.access).await.ok(200);

    // Asking again: the answer may be on its way.
    app.pass(10);
    let before = app.dump();
    let pending = app.refresh(&first.refresh).await;
    pending.refused(503, "refresh_pending");
    assert_eq!(pending.retry_after(), WINDOW - 10);
    assert_eq!(app.dump(), before);
    app.session(&third.access).await.ok(200);

    // Somebody has what was given up for lost: two hold what one was given.
    app.session(&lost.access).await.refused(401, "session_revoked");
    assert_eq!(
        app.events(),
        ["refresh_reused: an access token of a generation given up for lost was presented"]
    );
    app.session(&third.access).await.refused(401, "session_revoked");
    app.refresh(&third.refresh).await.refused(401, "session_revoked");
    assert_eq!(app.events(), ["refresh_failed: session_revoked"]);
}

#[tokio::test]
async fn the_refresh_token_that_was_given_up_for_lost_ends_the_session() {
    let app = App::new().await;
    let (first, lost) = rotated_once(&app).await;
    app.pass(WINDOW);
    let third = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    app.events();
    app.refresh(&lost.refresh).await.refused(401, "refresh_token_reused");
    assert_eq!(app.events(), ["refresh_reused: a copied refresh token was presented"]);
    app.session(&third.access).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn a_lost_answer_after_a_forgiveness_is_forgiven_too() {
    let app = App::new().await;
    let first = app.signup(ADA).await;
    app.refresh(&first.refresh).await.ok(200);
    for _ in 0..5 {
        app.pass(WINDOW);
        assert_eq!(app.refresh(&first.refresh).await.ok(200)["rotated"], true);
    }
    assert_eq!(app.count("session"), 1);
    app.pass(WINDOW);
    let at_last = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    app.session(&at_last.access).await.ok(200);
    app.pass(WINDOW);
    assert_eq!(app.refresh(&at_last.refresh).await.ok(200)["rotated"], true);
}

#[tokio::test]
async fn a_used_successor_makes_its_parent_theft_and_no_other_session_is_touched() {
    let app = App::new().await;
    let (first, second) = rotated_once(&app).await;
    let elsewhere = app.login(ADA).await;
    let stranger = app.signup(BOB).await;
    app.events();
    app.session(&second.access).await.ok(200);
    app.pass(WINDOW);
    app.refresh(&first.refresh).await.refused(401, "refresh_token_reused");
    assert_eq!(app.events(), ["refresh_reused: a copied refresh token was presented"]);
    for access in [&first.access, &second.access] {
        app.session(access).await.refused(401, "session_revoked");
    }
    for refresh in [&first.refresh, &second.refresh] {
        app.refresh(refresh).await.refused(401, "session_revoked");
    }
    assert_eq!(app.of_session::<String>(&first.session, "ended_why"), "theft");
    for untouched in [&elsewhere, &stranger] {
        app.session(&untouched.access).await.ok(200);
        app.refresh(&untouched.refresh).await.ok(200);
    }
}

#[tokio::test]
async fn an_older_token_is_theft_at_any_time() {
    for wait in [0, WINDOW, DAY] {
        let app = App::new().await;
        let (first, second) = rotated_once(&app).await;
        app.pass(WINDOW);
        let third = Tokens::of(&app.refresh(&second.refresh).await.ok(200));
        app.pass(wait);
        app.refresh(&first.refresh).await.refused(401, "refresh_token_reused");
        app.refresh(&third.refresh).await.refused(401, "session_revoked");
    }
}

#[tokio::test]
async fn presenting_the_newest_refresh_token_counts_as_a_use() {
    let app = App::new().await;
    let (first, second) = rotated_once(&app).await;
    app.refresh(&second.refresh).await.ok(200);
    app.pass(WINDOW);
    app.refresh(&first.refresh).await.refused(401, "refresh_token_reused");
}

#[tokio::test]
async fn a_token_ahead_of_the_store_is_adopted() {
    let app = App::without_redis(settings()).await;
    let (first, second) = rotated_once(&app).await;
    // What a restored backup does.
    app.write(&format!(
        "UPDATE session SET newest = 0, parent = NULL, made_by = 'opening', made_at = {START}000000, seen = FALSE"
    ));
    app.pass(MINUTE);
    let body = app.refresh(&second.refresh).await.ok(200);
    assert_eq!(body["rotated"], false);
    assert_eq!((body.get("refresh_token"), body.get("refresh_expires_at")), (None, None));
    assert_eq!(claims(text(&body, "token"))["gen"], 1);
    assert_eq!(app.events(), Vec::<String>::new());
    // Within the window its elder may still be under way.
    let before = app.dump();
    let pending = app.refresh(&first.refresh).await;
    pending.refused(503, "refresh_pending");
    assert_eq!(pending.retry_after(), WINDOW);
    assert_eq!(app.dump(), before);
    app.pass(WINDOW);
    let third = Tokens::of(&app.refresh(&second.refresh).await.ok(200));
    assert_eq!(claims(&third.access)["gen"], 1 + 65_536, "above anything that the lost store handed out");
    app.pass(WINDOW);
    app.refresh(&first.refresh).await.refused(401, "refresh_token_reused");
}

#[tokio::test]
async fn a_session_without_a_record_is_revoked_or_expired() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.events();
    app.write("DELETE FROM session");
    app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
    assert_eq!(app.events(), ["refresh_failed: session_revoked"]);
    app.pass(7 * DAY);
    app.refresh(&tokens.refresh).await.refused(401, "refresh_token_expired");
    assert_eq!(app.events(), ["refresh_failed: refresh_token_expired"]);
}

#[tokio::test]
async fn a_session_that_was_not_refreshed_for_its_ttl_is_expired() {
    let app = App::new().await;
    let (_, second) = rotated_once(&app).await;
    app.pass(7 * DAY - 1);
    let third = Tokens::of(&app.refresh(&second.refresh).await.ok(200));
    app.pass(7 * DAY);
    let before = app.dump_without_events();
    app.refresh(&third.refresh).await.refused(401, "refresh_token_expired");
    assert_eq!(app.events(), ["refresh_failed: refresh_token_expired"]);
    assert_eq!(app.dump_without_events(), before);
}

#[tokio::test]
async fn a_session_ends_at_its_absolute_deadline_however_busy() {
    let app = App::new().await;
    let mut tokens = app.signup(ADA).await;
    for _ in 0..4 {
        app.pass(6 * DAY);
        tokens = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    }
    app.pass(6 * DAY - 10 * MINUTE);
    let last = app.refresh(&tokens.refresh).await.ok(200);
    let end = START + 30 * 86_400;
    assert_eq!(last["expires_at"], moment(end), "no access token outlives the session");
    assert_eq!(last["expires_in"], 600);
    assert_eq!(last["refresh_expires_at"], moment(end));
    assert_eq!(last["refresh_at"], json!(null), "a refresh could bring nothing");
    let last = Tokens::of(&last);
    app.pass(10 * MINUTE - 1);
    app.session(&last.access).await.ok(200);
    app.pass(1);
    app.session(&last.access).await.refused(401, "token_expired");
    app.refresh(&last.refresh).await.refused(401, "refresh_token_expired");
}

#[tokio::test]
async fn a_cookie_session_ends_when_nobody_uses_it() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    app.events();
    for _ in 0..5 {
        app.pass(10 * MINUTE);
        browser.refresh(&app).await.ok(200);
    }
    app.pass(10 * MINUTE);
    browser.refresh(&app).await.refused(401, "session_idle");
    assert_eq!(app.events(), ["session_idle: session_idle"]);
    browser.refresh(&app).await.refused(401, "session_idle");
    assert_eq!(app.events(), ["refresh_failed: session_idle"]);
    // A bearer session knows no idleness unless that is set.
    let tokens = app.login(ADA).await;
    app.pass(6 * DAY);
    app.refresh(&tokens.refresh).await.ok(200);
}

#[tokio::test]
async fn a_bearer_session_can_end_of_idleness_too() {
    let mut settings = settings();
    settings.policy.idle_timeout_bearer = Some(std::time::Duration::from_secs(10 * MINUTE));
    let app = App::with(settings).await;
    let tokens = app.signup(ADA).await;
    app.pass(10 * MINUTE - 1);
    let body = app.refresh(&tokens.refresh).await.ok(200);
    assert_eq!((&body["expires_in"], &body["refresh_at"]), (&json!(1), &json!(null)));
    assert_eq!(body["idle_expires_at"], moment(START + 600));
    app.pass(1);
    app.refresh(text(&body, "refresh_token")).await.refused(401, "session_idle");
}

#[tokio::test]
async fn the_reasons_are_told_in_their_order() {
    let app = App::without_redis(settings()).await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    // Everything at once, then one reason less at a time.
    let session = text(&browser.session(&app).await.ok(200), "session_id").to_owned();
    app.pass(7 * DAY - 1);
    app.write("UPDATE account SET is_active = FALSE");
    app.write(&format!("UPDATE session SET ended_at = {START}000000, ended_why = 'logout'"));
    let line = browser.jar.line("/api/auth/refresh", app.now()).expect("cookies");
    let ask = post("/api/auth/refresh").header("cookie", line).header("sec-fetch-site", "same-origin");
    app.pass(1);
    app.send(ask.clone()).await.refused(401, "account_inactive");
    app.write("UPDATE account SET is_active = TRUE");
    app.send(ask.clone()).await.refused(401, "session_revoked");
    app.write("UPDATE session SET ended_at = NULL, ended_why = NULL");
    app.send(ask.clone()).await.refused(401, "refresh_token_expired");
    app.write(&format!("UPDATE session SET made_at = {START}000000 + 86400000000"));
    app.send(ask.clone()).await.refused(401, "session_idle");
    assert_eq!(app.of_session::<String>(&session, "ended_why"), "idle");
}

#[tokio::test]
async fn a_window_of_zero_is_strict() {
    let mut settings = settings();
    settings.policy.rotation_window = std::time::Duration::ZERO;
    let app = App::with(settings).await;
    let (_, mut tokens) = rotated_once(&app).await;
    for _ in 0..3 {
        let parent = tokens.clone();
        tokens = Tokens::of(&app.refresh(&parent.refresh).await.ok(200));
    }
    // Not seen yet: the answer may be lost.
    let parent = tokens.clone();
    app.refresh(&parent.refresh).await.ok(200);
    let successor = Tokens::of(&app.refresh(&parent.refresh).await.ok(200));
    assert_eq!(app.events(), ["refresh_forgiven"]);
    // Seen: theft at once.
    app.session(&successor.access).await.ok(200);
    app.refresh(&parent.refresh).await.refused(401, "refresh_token_reused");
    app.refresh(&successor.refresh).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn none_and_forged_ones_are_told_apart_and_cost_no_read() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let other = App::new().await;
    let foreign = other.signup(ADA).await;
    app.events();
    let before = app.dump();
    let reads = app.keyward.store_reads();
    app.send(post("/api/auth/refresh")).await.refused(401, "missing_token");
    app.send(post("/api/auth/refresh").json(json!({}))).await.refused(401, "missing_token");
    app.send(post("/api/auth/refresh").json(json!({"refresh_token": null})))
        .await
        .refused(401, "missing_token");
    app.send(post("/api/auth/refresh").bearer(&tokens.refresh)).await.refused(401, "missing_token");
    assert_eq!(
        app.send(post("/api/auth/refresh").json(json!({"refresh_token": 1}))).await.invalid_fields(),
        ["refresh_token"]
    );
    let mut flipped = tokens.refresh.clone().into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).expect("ASCII");
    let mut forged = vec![
        String::new(),
        "kwr_".to_owned(),
        "x".to_owned(),
        flipped,
        foreign.refresh,
        tokens.access.clone(),
        format!("{}=", tokens.refresh),
        format!(" {}", tokens.refresh),
        format!("{}A", tokens.refresh),
        tokens.refresh.replace("kwr_", ""),
        tokens.refresh.to_uppercase(),
        "kwr_\u{0}".to_owned(),
    ];
    let endings = (0..500).map(|n| format!("kwr_{}{n:04}", &tokens.refresh[4..tokens.refresh.len() - 4]));
    forged.extend(endings.filter(|token| *token != tokens.refresh));
    // Of keys that there may be one day.
    forged.extend((2..u16::MAX).step_by(131).map(|id| crate::refresh_keys::renamed(&tokens.refresh, id)));
    for token in forged {
        app.refresh(&token).await.refused(401, "invalid_refresh_token");
    }
    assert_eq!(app.keyward.store_reads(), reads, "a flood of garbage reads nothing");
    assert_eq!(app.dump(), before);
    assert_eq!(app.events(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_in_the_other_transports_place_is_none_and_its_session_goes_on() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    app.events();
    let before = app.dump_without_events();
    let cookie = browser.jar.value("keyward_refresh").expect("set").to_owned();
    app.refresh(&cookie).await.refused(401, "invalid_refresh_token");
    // A bearer session's token as a cookie: with the hint of its session, with another's, with none.
    let tag = crate::cookie::tag(&tokens.session);
    let as_cookie = |hint: Option<&str>| {
        let hint = hint.map(|tag| format!("; keyward_hint=v1.{tag}.1.1")).unwrap_or_default();
        post("/api/auth/refresh")
            .header("cookie", format!("keyward_refresh={}{hint}", tokens.refresh))
            .header("sec-fetch-site", "same-origin")
    };
    app.send(as_cookie(Some(&tag))).await.refused(401, "invalid_refresh_token");
    app.send(as_cookie(Some("AAAAAAAAAAAAAAAA"))).await.refused(401, "missing_token");
    app.send(as_cookie(None)).await.refused(401, "missing_token");
    assert_eq!(app.dump_without_events(), before);
    assert_eq!(app.events(), ["refresh_failed: invalid_refresh_token"; 2]);
    app.refresh(&tokens.refresh).await.ok(200);
    browser.refresh(&app).await.ok(200);
}

#[tokio::test]
async fn genuine_ones_that_are_refused_make_one_row_a_minute() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200);
    app.events();
    for _ in 0..20 {
        app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
    }
    assert_eq!(app.events(), ["refresh_failed: session_revoked"]);
    app.tick().await;
    assert_eq!(app.events(), ["refresh_failed: session_revoked x20"]);
    app.pass(MINUTE);
    app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
    assert_eq!(app.events(), ["refresh_failed: session_revoked"]);
}

#[tokio::test]
async fn a_rotation_is_an_event_only_where_that_is_asked_for() {
    let app = App::with(keyward::Settings { log_refresh: true, ..settings() }).await;
    let first = app.signup(ADA).await;
    app.events();
    let second = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    assert_eq!(app.events(), ["refresh"]);
    app.refresh(&second.refresh).await.ok(200);
    assert_eq!(app.events(), Vec::<String>::new(), "it did not rotate");
}

#[tokio::test]
async fn nothing_grows_with_the_number_of_refreshes() {
    let app = App::new().await;
    let mut tokens = app.signup(ADA).await;
    app.pass(WINDOW);
    tokens = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.tick().await;
    // What is counted for plots has its own bound: one row a figure and quarter of an hour.
    let told = |line: &&str| !line.is_empty() && !line.starts_with("figure:");
    let lines = |app: &App| app.dump().lines().filter(told).count();
    let size = |app: &App| (lines(app), app.count("session"), app.count("event"));
    let before = size(&app);
    for _ in 0..200 {
        app.pass(WINDOW);
        tokens = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    }
    app.tick().await;
    assert_eq!(size(&app), before);
    assert_eq!(app.count("figure"), 3, "signups, refreshes, and refreshes of another quarter of an hour");
}

#[tokio::test]
async fn roles_and_state_are_read_anew() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.write("UPDATE account SET roles = 'admin,user', roles_version = roles_version + 1");
    let second = app.refresh(&tokens.refresh).await.ok(200);
    assert_eq!(second["roles"], json!(["admin", "user"]));
    assert_eq!(claims(text(&second, "token"))["uv"], 1);
    app.write("UPDATE account SET is_active = FALSE");
    app.events();
    app.refresh(text(&second, "refresh_token")).await.refused(401, "account_inactive");
    assert_eq!(app.events(), ["refresh_failed: account_inactive"]);
    app.session(text(&second, "token")).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn a_browser_gets_all_three_cookies_or_the_access_cookie_alone() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let stale = browser.clone();
    app.pass(1);
    let reply = browser.refresh(&app).await;
    let body = reply.ok(200);
    assert_eq!(body["rotated"], true);
    assert_eq!((body.get("token"), body.get("refresh_token")), (None, None));
    assert_eq!(body["refresh_expires_at"], moment(START + 1 + 7 * 86_400));
    assert_eq!(reply.cookies().len(), 3);
    // Another tab that was slower.
    let mut slower = stale.clone();
    for tab in [&mut browser, &mut slower] {
        let reply = tab.refresh(&app).await;
        let body = reply.ok(200);
        assert_eq!((&body["rotated"], body.get("refresh_expires_at")), (&json!(false), None));
        let set: Vec<_> =
            reply.cookies().into_iter().map(|line| line.split('=').next().expect("a name")).collect();
        assert_eq!(set, ["keyward_access"]);
        tab.session(&app).await.ok(200);
    }
}

#[tokio::test]
async fn when_to_refresh_follows_the_life_of_the_token() {
    for (ttl, before, expected) in
        [(900, 300, 600), (600, 300, 300), (599, 300, 299), (60, 300, 30), (900, 0, 900)]
    {
        let mut settings = settings();
        settings.policy.access_ttl = std::time::Duration::from_secs(ttl);
        settings.policy.refresh_before = std::time::Duration::from_secs(before);
        let app = App::with(settings).await;
        let body = app
            .send(post("/api/auth/signup").json(json!({"email": ADA, "password": crate::support::PASSWORD})))
            .await
            .ok(201);
        assert_eq!(body["refresh_at"], moment(START + expected), "{ttl} {before}");
        assert_eq!(body["expires_in"], ttl);
    }
}
