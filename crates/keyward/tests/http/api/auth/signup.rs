//! `POST /api/auth/signup`

use serde_json::{Value, json};

use crate::support::{ADA, App, BOB, Browser, PASSWORD, START, claims, moment, post, settings, text};

fn signup(email: &str, password: &str) -> crate::support::Ask {
    post("/api/auth/signup").json(json!({"email": email, "password": password}))
}

#[tokio::test]
async fn an_app_gets_its_tokens_in_the_body_and_no_cookie() {
    let app = App::new().await;
    let reply = app.send(signup(ADA, PASSWORD)).await;
    let body = reply.ok(201);
    let token = text(&body, "token");
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(
        body,
        json!({
            "user_id": claims(token)["sub"], "email": ADA, "email_verified": false,
            "phone_number": null, "phone_number_verified": false,
            "roles": ["user"], "permissions": [],
            "session_id": claims(token)["sid"], "transport": "bearer", "token_type": "Bearer",
            "token": token, "expires_in": 900, "expires_at": moment(START + 900),
            "refresh_token": text(&body, "refresh_token"),
            "refresh_expires_at": moment(START + 7 * 86_400),
            "refresh_at": moment(START + 600), "idle_expires_at": null,
        })
    );
    assert!(text(&body, "refresh_token").starts_with("kwr_"));
    assert_eq!(app.events(), ["signup"]);
    app.session(token).await.ok(200);
}

#[tokio::test]
async fn a_browser_gets_cookies_and_no_token_that_script_could_read() {
    let app = App::new().await;
    let mut browser = Browser::default();
    let reply = browser.post(&app, "/api/auth/signup", json!({"email": ADA, "password": PASSWORD})).await;
    let body = reply.ok(201);
    assert_eq!(body["transport"], "cookie");
    assert_eq!((body.get("token"), body.get("refresh_token")), (None, None));
    assert_eq!(body["idle_expires_at"], moment(START + 3_600));
    assert_eq!(body["refresh_expires_at"], moment(START + 7 * 86_400));
    assert_eq!(browser.jar.names(), ["keyward_access", "keyward_hint", "keyward_refresh"]);
    for secret in ["keyward_access", "keyward_refresh"] {
        assert!(!reply.text().contains(browser.jar.value(secret).expect("set")));
    }
    browser.session(&app).await.ok(200);
    assert_eq!(app.events(), ["signup"]);
}

#[tokio::test]
async fn an_address_is_trimmed_lower_cased_and_taken_once() {
    let app = App::new().await;
    let body = app.send(signup("  Ada@Example.COM\t", PASSWORD)).await.ok(201);
    assert_eq!(body["email"], ADA);
    app.events();
    let before = app.dump();
    for same in [ADA, "ADA@EXAMPLE.COM", " ada@example.com "] {
        app.send(signup(same, PASSWORD)).await.refused(409, "email_taken");
    }
    assert_eq!(app.dump(), before);
    assert_eq!(app.events(), Vec::<String>::new());
}

#[tokio::test]
async fn a_phone_number_is_e164_and_taken_once() {
    let app = App::new().await;
    let with = |email: &str, phone: Value| {
        post("/api/auth/signup").json(json!({"email": email, "password": PASSWORD, "phone_number": phone}))
    };
    let body = app.send(with(ADA, json!("+4915112345678"))).await.ok(201);
    assert_eq!(body["phone_number"], "+4915112345678");
    assert_eq!(claims(text(&body, "token"))["phone_number"], "+4915112345678");
    app.send(with(BOB, json!("+4915112345678"))).await.refused(409, "phone_taken");
    for bad in ["015112345678", "+0123456", "+49", "+49 151 1234x", "+4915112345678901234", ""] {
        assert_eq!(app.send(with(BOB, json!(bad))).await.invalid_fields(), ["phone_number"], "{bad}");
    }
    assert_eq!(app.count("account"), 1);
    app.send(with(BOB, Value::Null)).await.ok(201);
    app.send(with("eve@example.com", Value::Null)).await.ok(201);
    assert_eq!(app.events(), ["signup", "signup", "signup"]);
}

#[tokio::test]
async fn every_field_and_rule_that_is_wrong_is_named() {
    let app = App::new().await;
    let before = app.dump();
    let asked = |body: Value| post("/api/auth/signup").json(body);
    let cases = [
        (json!({}), vec!["email", "password"]),
        (json!({"email": 5, "password": true}), vec!["email", "password"]),
        (json!({"email": null, "password": null}), vec!["email", "password"]),
        (json!({"email": ADA, "password": [PASSWORD]}), vec!["password"]),
        (json!({"email": ADA, "password": PASSWORD, "phone_number": {}}), vec!["phone_number"]),
        (json!({"email": ADA, "password": PASSWORD, "transport": "smoke"}), vec!["transport"]),
        (
            json!({"email": "ada", "password": "x", "phone_number": "1"}),
            vec!["email", "phone_number", "password", "password", "password"],
        ),
        (json!({"email": ADA, "password": "abc"}), vec!["password"; 3]),
        (json!({"email": ADA, "password": "abcdefgh"}), vec!["password"; 2]),
        (json!({"email": ADA, "password": "Abcdefgh"}), vec!["password"]),
        (json!({"email": ADA, "password": "ABCDEFG1"}), vec!["password"]),
        (json!({"email": ADA, "password": format!("Aa1{}", "x".repeat(126))}), vec!["password"]),
    ];
    for (body, fields) in cases {
        assert_eq!(app.send(asked(body.clone())).await.invalid_fields(), fields, "{body}");
    }
    for bad in [
        "@",
        "a@",
        "@b.example",
        "a b@c.example",
        "a@b@c.example",
        "a@b..c",
        "a@\u{0}.example",
        "a\r\nX: y@b.example",
    ] {
        assert_eq!(app.send(signup(bad, PASSWORD)).await.invalid_fields(), ["email"], "{bad:?}");
    }
    assert_eq!(app.dump(), before);
    assert_eq!(app.keyward.password_hashes(), 0, "no work was done for what is refused");
}

#[tokio::test]
async fn a_password_counts_in_characters_and_is_never_cut() {
    let app = App::new().await;
    // 128 characters of four bytes each but three; 129 are too many.
    let long = format!("Aa1{}", "\u{1f511}".repeat(125));
    app.send(signup(ADA, &long)).await.ok(201);
    assert_eq!(app.send(signup(BOB, &format!("{long}x"))).await.invalid_fields(), ["password"]);
    // Eight characters; seven would be too few although they have more bytes.
    app.send(signup(BOB, "Aa1\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}")).await.ok(201);
    let seven = "Aa1\u{1f511}\u{1f511}\u{1f511}\u{1f511}";
    assert_eq!(app.send(signup("eve@example.com", seven)).await.invalid_fields(), ["password"]);
    let sign_in = |password: String| crate::support::login(ADA, &password);
    let mut other_end = long.clone();
    other_end.pop();
    other_end.push('\u{1f512}');
    app.send(sign_in(other_end)).await.refused(401, "invalid_credentials");
    app.send(sign_in(format!(" {long}"))).await.refused(401, "invalid_credentials");
    app.send(sign_in(long)).await.ok(200);
}

#[tokio::test]
async fn what_nobody_asks_for_is_ignored() {
    let app = App::new().await;
    let body = json!({"email": ADA, "password": PASSWORD, "roles": ["admin"], "role": "admin", "is_active": false,
        "email_verified": true, "id": "x", "user_id": "y", "permissions": ["*"]});
    let body = app.send(post("/api/auth/signup").json(body)).await.ok(201);
    assert_eq!(
        (&body["roles"], &body["permissions"], &body["email_verified"]),
        (&json!(["user"]), &json!([]), &json!(false))
    );
}

#[tokio::test]
async fn a_browser_can_not_have_a_bearer_session_unless_that_is_allowed() {
    let ask = json!({"email": ADA, "password": PASSWORD, "transport": "bearer"});
    let app = App::new().await;
    let before = app.dump();
    let mut browser = Browser::default();
    browser.post(&app, "/api/auth/signup", ask.clone()).await.refused(403, "transport_not_allowed");
    let origin_alone =
        post("/api/auth/signup").json(ask.clone()).header("origin", app.settings().public_url.as_str());
    app.send(origin_alone).await.refused(403, "transport_not_allowed");
    assert_eq!(app.dump(), before);
    // What Node sends makes no browser.
    let node = post("/api/auth/signup").json(ask.clone()).header("sec-fetch-mode", "cors");
    assert_eq!(app.send(node).await.ok(201)["transport"], "bearer");

    let app = App::with(keyward::Settings { browser_bearer: true, ..settings() }).await;
    let reply = browser.post(&app, "/api/auth/signup", ask).await;
    assert_eq!(reply.ok(201)["transport"], "bearer");
    assert_eq!(reply.cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn an_app_may_ask_for_cookies() {
    let app = App::new().await;
    let ask = json!({"email": ADA, "password": PASSWORD, "transport": "cookie"});
    let reply = app.send(post("/api/auth/signup").json(ask)).await;
    assert_eq!(reply.ok(201)["transport"], "cookie");
    assert_eq!(reply.cookies().len(), 3);
}

#[tokio::test]
async fn a_signup_takes_the_place_of_the_session_that_the_browser_held() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let before = browser.clone();
    let body = json!({"email": BOB, "password": PASSWORD});
    let reply = browser.post(&app, "/api/auth/signup", body).await.ok(201);
    assert_eq!(reply["email"], BOB);
    before.clone().session(&app).await.refused(401, "session_revoked");
    before.clone().refresh(&app).await.refused(401, "session_revoked");
    assert_eq!(app.open_sessions(), 1);
}

#[tokio::test]
async fn signing_up_can_be_closed() {
    let app = App::with(keyward::Settings { open_signup: false, ..settings() }).await;
    let before = app.dump();
    app.send(signup(ADA, PASSWORD)).await.refused(403, "signup_closed");
    assert_eq!(app.send(signup("ada", PASSWORD)).await.invalid_fields(), ["email"], "422 comes first");
    assert_eq!(app.dump(), before);
    assert_eq!(app.keyward.password_hashes(), 0);
}
