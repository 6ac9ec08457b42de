//! `GET /api/admin/sessions/{sid}`: every life and every end, in words.

mod list;

use serde_json::{Value, json};

use crate::support::{
    ADA, App, Ask, Browser, DAY, HOUR, MINUTE, OTHER_PASSWORD, PASSWORD, Tokens, WINDOW, delete, get, login,
    moment, post, settings, text,
};

async fn told(app: &App, admin: &Tokens, session: &str) -> Value {
    let story = app.send(get(&format!("/api/admin/sessions/{session}")).bearer(&admin.access)).await.ok(200);
    assert_eq!(story["session"]["id"], session);
    story
}

/// The last sentence, which tells why it is as it is.
fn why(story: &Value) -> &str {
    let sentences = story["explanation"].as_array().expect("sentences");
    sentences.last().and_then(Value::as_str).expect("a sentence")
}

fn sentences(story: &Value) -> String {
    let sentences = story["explanation"].as_array().expect("sentences");
    sentences.iter().map(|one| one.as_str().expect("a text")).collect::<Vec<_>>().join("\n")
}

fn kinds(story: &Value) -> Vec<&str> {
    story["history"].as_array().expect("a list").iter().map(|one| text(one, "event_type")).collect()
}

#[tokio::test]
async fn an_open_one_tells_how_it_was_opened_and_what_ends_it_next() {
    let app = App::new().await;
    let admin = app.admin().await;
    let opened = app.now();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    app.signup(ADA).await;
    let ask = login(ADA, PASSWORD).from("198.51.100.7").header("user-agent", agent);
    let tokens = Tokens::of(&app.send(ask).await.ok(200));
    let story = told(&app, &admin, &tokens.session).await;
    let seven_days = moment(opened + 7 * i64::try_from(DAY).expect("small"));
    assert_eq!(
        story["explanation"],
        json!([
            format!(
                "{ADA} signed in on {} from 198.51.100.7 (Firefox on Linux) (an app, with bearer tokens).",
                moment(opened)
            ),
            format!(
                "It is open. It ends on {seven_days} unless it is refreshed; that last happened on {}.",
                moment(opened)
            ),
        ])
    );
    let session = &story["session"];
    assert_eq!((&session["state"], &session["end_reason"]), (&json!("open"), &Value::Null));
    assert_eq!((&session["user_id"], &session["transport"]), (&json!(tokens.user), &json!("bearer")));
    assert_eq!((&session["generation"], &session["refresh_expires_at"]), (&json!(0), &json!(seven_days)));
    assert_eq!(kinds(&story), ["login"]);
    // A browser's ends for want of activity first.
    let mut browser = Browser::signed_in(&app, ADA).await;
    let id = browser.session(&app).await.ok(200)["session_id"].as_str().expect("an id").to_owned();
    let story = told(&app, &admin, &id).await;
    assert!(why(&story).contains("unless its person does something"), "{}", why(&story));
    assert!(sentences(&story).contains("in a browser, with cookies"));
    app.events();
}

#[tokio::test]
async fn what_ended_it_and_by_whom_is_told_for_every_reason() {
    let app = App::new().await;
    let admin = app.admin().await;
    let anew = async || {
        app.pass(1);
        app.login_or_signup(ADA).await
    };
    let expect = async |session: &str, reason: &str, parts: &[&str]| {
        let story = told(&app, &admin, session).await;
        assert_eq!(story["session"]["state"], "ended", "{story}");
        assert_eq!(story["session"]["end_reason"], reason);
        assert_eq!(story["session"]["ended_at"], moment(app.now()));
        for part in parts {
            assert!(why(&story).contains(part), "{part:?} in {:?}", why(&story));
        }
        assert!(kinds(&story).len() > 1, "the event that tells its end is among its history");
    };
    app.signup(ADA).await;

    let one = anew().await;
    app.send(post("/api/auth/logout").bearer(&one.access).from("192.0.2.1")).await.ok(200);
    expect(&one.session, "logout", &["its person signed out from 192.0.2.1"]).await;

    let (one, other) = (anew().await, anew().await);
    app.send(post("/api/auth/logout-all").bearer(&other.access).from("192.0.2.2")).await.ok(200);
    for session in [&one.session, &other.session] {
        expect(session, "logout_all", &["its person signed out everywhere, from 192.0.2.2"]).await;
    }

    let (one, other) = (anew().await, anew().await);
    app.send(delete(&format!("/api/auth/sessions/{}", one.session)).bearer(&other.access)).await.ok(204);
    expect(&one.session, "revoked", &["its person ended it, from 203.0.113.1"]).await;

    let operator = keyward::Client::operator();
    app.keyward.revoke_session(other.session.parse().expect("an id"), &operator).await.expect("done");
    expect(&other.session, "revoked", &["an operator ended it, at the command line"]).await;

    let one = anew().await;
    app.keyward.revoke_sessions_of(one.user.parse().expect("an id"), &operator).await.expect("done");
    expect(&one.session, "revoked", &["an operator ended every session of this person"]).await;

    let (one, other) = (anew().await, anew().await);
    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let ask = post("/api/auth/password/change").bearer(&other.access).from("192.0.2.3").json(body);
    app.send(ask).await.ok(204);
    expect(&one.session, "password_changed", &["its person changed the password, from 192.0.2.3"]).await;
    let story = told(&app, &admin, &other.session).await;
    assert_eq!(story["session"]["state"], "open");
    assert!(kinds(&story).contains(&"password_changed"));
    let body = json!({"current_password": OTHER_PASSWORD, "new_password": PASSWORD});
    app.send(post("/api/auth/password/change").bearer(&other.access).json(body)).await.ok(204);

    let mut browser = Browser::signed_in(&app, ADA).await;
    let first = browser.session(&app).await.ok(200)["session_id"].as_str().expect("an id").to_owned();
    browser.login(&app, ADA).await.ok(200);
    expect(&first, "replaced", &["another sign-in in the same browser took its place"]).await;
    app.events();
}

#[tokio::test]
async fn an_administrator_and_a_service_are_named() {
    let app = App::new().await;
    let admin = app.admin().await;
    let key = app.service_key(&["admin"]).await;
    let ada = app.signup(ADA).await;
    let user = format!("/api/admin/users/{}", ada.user);
    let patch = |active: bool| Ask::new(http::Method::PATCH, &user).json(json!({"is_active": active}));
    app.pass(1);
    app.send(patch(false).bearer(&admin.access).from("192.0.2.9")).await.ok(200);
    let story = told(&app, &admin, &ada.session).await;
    assert_eq!(
        (&story["session"]["state"], &story["session"]["end_reason"]),
        (&json!("ended"), &json!("deactivated"))
    );
    let expected = format!("the administrator {} deactivated the account, from 192.0.2.9", admin.user);
    assert!(why(&story).contains(&expected), "{}", why(&story));
    app.send(patch(true).bearer(&admin.access)).await.ok(200);
    app.pass(1);
    let again = app.login(ADA).await;
    app.pass(1);
    app.send(delete(&user).bearer(&key).from("192.0.2.10")).await.ok(204);
    let story = told(&app, &admin, &again.session).await;
    assert_eq!(story["session"]["state"], "forgotten");
    let said = sentences(&story);
    assert!(said.contains("the service key \"key 0 admin\" deleted the account, from 192.0.2.10"), "{said}");
    assert!(said.contains("whose account is not there any more"), "{said}");
    app.events();
}

#[tokio::test]
async fn everybody_signed_out_is_told_as_such() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    app.keyward.revoke_every_session(&keyward::Client::operator()).await.expect("done");
    app.pass(1);
    let admin = app.admin().await;
    let story = told(&app, &admin, &ada.session).await;
    assert!(why(&story).contains("an operator ended every session of everybody, at the command line"));
    app.events();
}

#[tokio::test]
async fn one_too_many_is_told_as_such() {
    let mut few = settings();
    few.policy.max_per_user = 1;
    let app = App::with(few).await;
    let ada = app.signup(ADA).await;
    app.pass(1);
    app.send(login(ADA, PASSWORD).from("192.0.2.9")).await.ok(200);
    let admin = app.admin().await;
    let story = told(&app, &admin, &ada.session).await;
    assert!(why(&story).contains("as many sessions as it may have"), "{}", why(&story));
    assert!(why(&story).contains("from 192.0.2.9"), "{}", why(&story));
    assert!(sentences(&story).contains("signed up on"));
    app.events();
}

#[tokio::test]
async fn a_theft_names_both_places() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.signup(ADA).await;
    let ask = login(ADA, PASSWORD).from("198.51.100.7").header("user-agent", "curl/8.1");
    let tokens = Tokens::of(&app.send(ask).await.ok(200));
    let next = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.session(&next.access).await.ok(200);
    app.pass(WINDOW);
    let body = json!({"refresh_token": tokens.refresh});
    let thief = post("/api/auth/refresh").from("192.0.2.66").header("user-agent", "okhttp/5.1").json(body);
    app.send(thief).await.refused(401, "refresh_token_reused");
    let story = told(&app, &admin, &tokens.session).await;
    assert_eq!(story["session"]["end_reason"], "theft");
    let said = sentences(&story);
    assert!(said.contains("The session was opened from 198.51.100.7 (curl)."), "{said}");
    assert!(said.contains("The copy was presented from 192.0.2.66 (Android app)."), "{said}");
    assert!(said.contains("which of them is the thief can't be told"), "{said}");
    app.events();
}

#[tokio::test]
async fn an_access_token_that_was_given_up_for_lost_tells_who_presented_it() {
    let app = App::new().await;
    let admin = app.admin().await;
    let tokens = app.signup(ADA).await;
    let lost = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.pass(WINDOW);
    app.refresh(&tokens.refresh).await.ok(200);
    app.pass(1);
    app.send(get("/api/auth/session").bearer(&lost.access).from("192.0.2.66"))
        .await
        .refused(401, "session_revoked");
    let story = told(&app, &admin, &tokens.session).await;
    assert_eq!(kinds(&story), ["signup", "refresh_forgiven", "refresh_reused"]);
    let said = sentences(&story);
    assert!(said.contains("The copy was presented from 192.0.2.66."), "{said}");
    assert!(said.contains("the answer to a refresh had been lost"), "{said}");
    app.events();
}

#[tokio::test]
async fn each_refused_refresh_is_told_with_by_whom_and_why() {
    let app = App::new().await;
    let admin = app.admin().await;
    let tokens = app.signup(ADA).await;
    let refresh =
        |from: &str| post("/api/auth/refresh").from(from).json(json!({"refresh_token": tokens.refresh}));
    app.pass(1);
    app.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200);
    app.pass(1);
    app.send(refresh("192.0.2.1")).await.refused(401, "session_revoked");
    app.pass(MINUTE);
    app.send(refresh("192.0.2.2")).await.refused(401, "session_revoked");
    app.send(refresh("192.0.2.2")).await.refused(401, "session_revoked");
    app.tick().await;
    let story = told(&app, &admin, &tokens.session).await;
    let said = sentences(&story);
    assert!(said.contains("a refresh from 192.0.2.1 was refused: the session had ended."), "{said}");
    let twice =
        format!("a refresh from 192.0.2.2 was refused 2 times until {}: the session", moment(app.now()));
    assert!(said.contains(&twice), "{said}");
    assert_eq!(kinds(&story), ["signup", "logout", "refresh_failed", "refresh_failed"]);
    app.events();
}

#[tokio::test]
async fn one_that_ran_out_or_idle_says_since_when() {
    let app = App::new().await;
    let bearer = app.signup(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    let id = browser.session(&app).await.ok(200)["session_id"].as_str().expect("an id").to_owned();
    let opened = app.now();
    app.pass(HOUR);
    let admin = app.admin().await;
    let story = told(&app, &admin, &id).await;
    assert_eq!(story["session"]["state"], "idle");
    assert!(why(&story).contains(&format!("for 1 hour after {}", moment(opened))), "{}", why(&story));
    browser.refresh(&app).await.refused(401, "session_idle");
    let story = told(&app, &admin, &id).await;
    assert_eq!(
        (&story["session"]["state"], &story["session"]["end_reason"]),
        (&json!("ended"), &json!("idle"))
    );
    assert!(why(&story).contains(&format!("for 1 hour after {}", moment(opened))), "{}", why(&story));

    app.pass(7 * DAY);
    let admin = app.login(crate::support::ROOT).await;
    let story = told(&app, &admin, &bearer.session).await;
    assert_eq!(story["session"]["state"], "expired");
    assert!(why(&story).contains("a refresh token is good for 7 days"), "{}", why(&story));
    app.refresh(&bearer.refresh).await.refused(401, "refresh_token_expired");
    app.events();
}

#[tokio::test]
async fn one_whose_record_is_gone_is_told_from_its_events() {
    let app = App::without_redis(settings()).await;
    let (one, two, three) = (app.signup(ADA).await, app.login(ADA).await, app.login(ADA).await);
    app.send(post("/api/auth/logout").bearer(&one.access)).await.ok(200);
    app.pass(1);
    let ended = app.now();
    app.send(post("/api/auth/logout-all").bearer(&two.access).from("192.0.2.2")).await.ok(200);
    app.pass(1);
    let four = app.login(ADA).await;
    // It ends every other session, and not the one it is done in.
    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    app.send(post("/api/auth/password/change").bearer(&four.access).json(body)).await.ok(204);
    app.pass(8 * DAY);
    let admin = app.admin().await;
    app.tick().await;
    assert_eq!(app.count("session"), 1, "only the administrator's is kept");
    for (tokens, reason, part) in [
        (&one, "logout", "its person signed out from"),
        (&two, "logout_all", "signed out everywhere, from 192.0.2.2"),
        (&three, "logout_all", "signed out everywhere, from 192.0.2.2"),
    ] {
        let story = told(&app, &admin, &tokens.session).await;
        assert_eq!(
            (&story["session"]["state"], &story["session"]["end_reason"]),
            (&json!("forgotten"), &json!(reason))
        );
        assert_eq!(story["session"]["user_id"], tokens.user);
        assert!(sentences(&story).contains(part), "{}", sentences(&story));
        assert!(why(&story).contains("not kept any more"));
    }
    assert_eq!(told(&app, &admin, &three.session).await["session"]["ended_at"], moment(ended));
    let story = told(&app, &admin, &four.session).await;
    assert_eq!(story["session"]["end_reason"], Value::Null, "that was before it was opened");
    assert!(why(&story).contains("it was not refreshed in time"), "{}", why(&story));
    app.events();
}

#[tokio::test]
async fn an_unknown_one_is_not_found() {
    let app = App::new().await;
    let admin = app.admin().await;
    for id in ["0195f6a0-0000-7000-8000-000000000000", "x", "%00", "0195F6A0-0000-7000-8000-000000000000"] {
        let ask = get(&format!("/api/admin/sessions/{id}")).bearer(&admin.access);
        app.send(ask).await.refused(404, "not_found");
    }
}
