//! `POST /api/auth/login`

use serde_json::json;

use crate::support::{
    ADA, App, BOB, Browser, OTHER_PASSWORD, PASSWORD, START, Tokens, claims, login, moment, post, settings,
    text,
};

#[tokio::test]
async fn an_app_signs_in_by_address_or_phone_number() {
    let app = App::new().await;
    let signup = json!({"email": ADA, "password": PASSWORD, "phone_number": "+4915112345678"});
    app.send(post("/api/auth/signup").json(signup)).await.ok(201);
    app.events();
    let body = app.send(login(" ADA@example.com ", PASSWORD)).await.ok(200);
    assert_eq!(
        body,
        json!({
            "user_id": body["user_id"], "email": ADA, "email_verified": false,
            "phone_number": "+4915112345678", "phone_number_verified": false,
            "roles": ["user"], "permissions": [],
            "session_id": body["session_id"], "transport": "bearer", "token_type": "Bearer",
            "token": body["token"], "expires_in": 900, "expires_at": moment(START + 900),
            "refresh_token": body["refresh_token"], "refresh_expires_at": moment(START + 7 * 86_400),
            "refresh_at": moment(START + 600), "idle_expires_at": null,
        })
    );
    assert_eq!(app.events(), ["login"]);
    let by_phone = json!({"phone_number": "+4915112345678", "password": PASSWORD});
    let other = app.send(post("/api/auth/login").json(by_phone)).await.ok(200);
    assert_eq!(other["user_id"], body["user_id"]);
    assert_ne!(other["session_id"], body["session_id"]);
    let both = json!({"email": ADA, "phone_number": "+4915112345678", "password": PASSWORD});
    assert_eq!(app.send(post("/api/auth/login").json(both)).await.invalid_fields(), ["phone_number"]);
}

#[tokio::test]
async fn a_hash_that_cannot_be_read_lets_nobody_in_and_signs_nobody_out() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.write("UPDATE account SET password = 'plain'");
    app.send(login(ADA, "plain")).await.refused(500, "internal_error");
    let again = post("/api/auth/reauthenticate").bearer(&tokens.access).json(json!({"password": PASSWORD}));
    app.send(again).await.refused(500, "internal_error");
    app.refresh(&tokens.refresh).await.ok(200);
}

#[tokio::test]
async fn the_token_says_who_and_how() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let claims = claims(&tokens.access);
    let names: Vec<&str> = claims.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut expected = vec![
        "iss",
        "aud",
        "sub",
        "user_id",
        "sid",
        "gen",
        "uv",
        "rv",
        "jti",
        "iat",
        "nbf",
        "exp",
        "auth_time",
        "amr",
        "email",
        "email_verified",
        "phone_number",
        "phone_number_verified",
        "roles",
        "permissions",
    ];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(claims["iss"], "http://127.0.0.1:8080");
    assert_eq!(claims["aud"], "keyward");
    assert_eq!((&claims["sub"], &claims["user_id"]), (&json!(tokens.user), &json!(tokens.user)));
    assert_eq!(claims["sid"], tokens.session);
    assert_eq!((&claims["gen"], &claims["amr"]), (&json!(0), &json!(["pwd"])));
    for at in ["iat", "nbf", "auth_time"] {
        assert_eq!(claims[at], START, "{at}");
    }
    assert_eq!(claims["exp"], START + 900);
}

#[tokio::test]
async fn personal_claims_can_be_left_out() {
    let claims_wanted =
        keyward::PersonalClaims { email: false, phone_number: false, roles: false, permissions: false };
    let app = App::with(keyward::Settings { claims: claims_wanted, ..settings() }).await;
    let tokens = app.signup(ADA).await;
    let claims = claims(&tokens.access);
    for personal in
        ["email", "email_verified", "phone_number", "phone_number_verified", "roles", "permissions"]
    {
        assert_eq!(claims.get(personal), None, "{personal}");
    }
    let shown = app.session(&tokens.access).await.ok(200);
    assert_eq!((text(&shown, "email"), &shown["roles"]), (ADA, &json!(["user"])), "the answer still says it");
}

/// A body with the one part that differs by request taken out.
fn without_request_id(reply: &crate::support::Reply) -> String {
    reply.text().replace(reply.one("x-request-id").expect("there"), "")
}

#[tokio::test]
async fn wrong_and_unknown_are_one_answer_at_one_cost() {
    let app = App::new().await;
    app.signup(ADA).await;
    app.events();
    let phone =
        |number: &str| post("/api/auth/login").json(json!({"phone_number": number, "password": PASSWORD}));
    let before = app.dump_without_events();
    let mut answers = Vec::new();
    for ask in [
        login(ADA, OTHER_PASSWORD),
        login("nobody@example.com", PASSWORD),
        login("no address at all", PASSWORD),
        login("", PASSWORD),
        login(ADA, ""),
        phone("+4915100000000"),
        phone("0151"),
    ] {
        let hashes = app.keyward.password_hashes();
        let reply = app.send(ask).await;
        reply.refused(401, "invalid_credentials");
        assert_eq!(app.keyward.password_hashes(), hashes + 1, "one hash, whoever it is");
        let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        answers.push((without_request_id(&reply), names));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(app.dump_without_events(), before);
    assert_eq!(app.events(), ["login_failed: invalid_credentials"; 7]);
    let hashes = app.keyward.password_hashes();
    app.login(ADA).await;
    assert_eq!(app.keyward.password_hashes(), hashes + 1, "success costs the same");
}

#[tokio::test]
async fn each_missing_or_ill_typed_field_is_named() {
    let app = App::new().await;
    let ask = |body| app.send(post("/api/auth/login").json(body));
    assert_eq!(ask(json!({})).await.invalid_fields(), ["email", "password"]);
    assert_eq!(ask(json!({"email": ADA})).await.invalid_fields(), ["password"]);
    assert_eq!(ask(json!({"email": [ADA], "password": 7})).await.invalid_fields(), ["email", "password"]);
    assert_eq!(ask(json!({"phone_number": 49, "password": "x"})).await.invalid_fields(), ["phone_number"]);
    assert_eq!(
        ask(json!({"email": ADA, "password": "x", "transport": 1})).await.invalid_fields(),
        ["transport"]
    );
    assert_eq!(
        ask(json!({"email": ADA, "password": "x", "transport": "Cookie"})).await.invalid_fields(),
        ["transport"]
    );
    assert_eq!(app.keyward.password_hashes(), 0);
}

#[tokio::test]
async fn a_deactivated_user_is_told_so_only_with_the_right_password() {
    let app = App::new().await;
    app.signup(ADA).await;
    app.write("UPDATE account SET is_active = FALSE");
    app.events();
    let before = app.dump_without_events();
    app.send(login(ADA, PASSWORD)).await.refused(403, "account_inactive");
    app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    assert_eq!(app.events(), ["login_failed: account_inactive", "login_failed: invalid_credentials"]);
    assert_eq!(app.dump_without_events(), before);
}

#[tokio::test]
async fn a_login_takes_the_place_of_the_session_that_the_browser_held() {
    let app = App::new().await;
    let elsewhere = app.signup(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    let before = browser.clone();
    app.events();
    let after = browser.login(&app, ADA).await.ok(200);
    assert_eq!(app.events(), ["login", "session_revoked"]);
    before.clone().session(&app).await.refused(401, "session_revoked");
    before.clone().refresh(&app).await.refused(401, "session_revoked");
    browser.session(&app).await.ok(200);
    app.session(&elsewhere.access).await.ok(200);
    assert_eq!(app.open_sessions(), 2);
    // With nothing but the refresh cookie, and with an expired access token, it is the same.
    let session = text(&after, "session_id").to_owned();
    app.pass(1_000);
    browser.jar.forget("keyward_access");
    browser.login(&app, ADA).await.ok(200);
    assert_eq!(app.of_session::<Option<String>>(&session, "ended_why").as_deref(), Some("replaced"));
    assert_eq!(app.open_sessions(), 2);
}

#[tokio::test]
async fn a_refused_login_ends_nothing() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let wrong = json!({"email": ADA, "password": OTHER_PASSWORD});
    browser.post(&app, "/api/auth/login", wrong).await.refused(401, "invalid_credentials");
    browser.session(&app).await.ok(200);
}

#[tokio::test]
async fn a_session_that_was_handed_in_is_never_adopted() {
    let app = App::new().await;
    let mut attacker = Browser::signed_up(&app, BOB).await;
    let planted = attacker.session(&app).await.ok(200)["session_id"].clone();
    // The victim's browser was given the attacker's cookies.
    let mut victim = attacker.clone();
    app.signup(ADA).await;
    let fresh = victim.login(&app, ADA).await.ok(200)["session_id"].clone();
    assert_ne!(fresh, planted);
    attacker.session(&app).await.refused(401, "session_revoked");
    assert_eq!(victim.session(&app).await.ok(200)["email"], ADA);
}

#[tokio::test]
async fn a_browser_gets_cookies_unless_it_may_have_tokens() {
    let app = App::new().await;
    app.signup(ADA).await;
    let mut browser = Browser::default();
    let wants = json!({"email": ADA, "password": PASSWORD, "transport": "bearer"});
    let hashes = app.keyward.password_hashes();
    browser.post(&app, "/api/auth/login", wants).await.refused(403, "transport_not_allowed");
    assert_eq!(app.keyward.password_hashes(), hashes);
    assert_eq!(browser.login(&app, ADA).await.ok(200)["transport"], "cookie");
    // Other `Sec-Fetch-*` headers come from Node, too.
    let node = login(ADA, PASSWORD).header("sec-fetch-mode", "cors").header("sec-fetch-dest", "empty");
    assert_eq!(app.send(node).await.ok(200)["transport"], "bearer");
    for (name, value) in [("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")] {
        let reply = app.send(login(ADA, PASSWORD).header(name, value)).await;
        assert_eq!(reply.ok(200)["transport"], "cookie", "{name}");
    }
}

#[tokio::test]
async fn a_hash_of_another_cost_is_made_anew_and_nobody_is_signed_out() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let stored = |app: &App| {
        app.dump_without_events().lines().find(|line| line.contains("$argon2id$")).map(str::to_owned)
    };
    let before = stored(&app).expect("a hash");
    assert!(before.contains("$argon2id$v=19$m=8,t=1,p=1$"), "{before}");
    let cost = keyward::core::password::Cost::new(16, 2, 1).expect("a cost");
    let mut settings = settings();
    settings.cost = cost;
    let app = app.restarted_with(settings).await;
    let hashes = app.keyward.password_hashes();
    app.login(ADA).await;
    assert_eq!(app.keyward.password_hashes(), hashes + 2, "verified and made anew");
    let after = stored(&app).expect("a hash");
    assert!(after.contains("$argon2id$v=19$m=16,t=2,p=1$"), "{after}");
    app.session(&tokens.access).await.ok(200);
    app.refresh(&tokens.refresh).await.ok(200);
    app.login(ADA).await;
    let Tokens { user, .. } = app.login(ADA).await;
    assert_eq!(user, tokens.user);
}
