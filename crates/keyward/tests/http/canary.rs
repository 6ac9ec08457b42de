//! No secret is ever written down: not in an event, not in the database, not in its journal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::log::Log;
use crate::support::{ADA, App, Ask, BOB, Browser, Tokens, WINDOW, get, login, post};

const SECRET: &str = "Canary-Password-4711";
const NEXT: &str = "Canary-Successor-4712";

#[tokio::test]
async fn no_password_and_no_token_is_in_any_file() {
    let (app, log) = (App::new().await, Log::begin());
    let body = json!({"email": ADA, "password": SECRET, "phone_number": "+4915112345678"});
    let mut all = Vec::new();
    let mut keep = |tokens: &Tokens| all.extend([tokens.access.clone(), tokens.refresh.clone()]);
    let first = Tokens::of(&app.send(post("/api/auth/signup").json(body)).await.ok(201));
    keep(&first);
    let second = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    keep(&second);
    app.pass(WINDOW);
    let third = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    keep(&third);
    app.session(&second.access).await.refused(401, "session_revoked");
    app.refresh(&third.refresh).await.refused(401, "session_revoked");
    let mut browser = Browser::default();
    browser.post(&app, "/api/auth/login", json!({"email": ADA, "password": SECRET})).await.ok(200);
    for name in ["keyward_access", "keyward_refresh"] {
        all.push(browser.jar.value(name).expect("set").to_owned());
    }
    // Secrets where they don't belong.
    app.send(login(SECRET, SECRET)).await.refused(401, "invalid_credentials");
    app.send(login(ADA, &third.refresh)).await.refused(401, "invalid_credentials");
    app.send(get(&format!("/api/auth/session?token={}", third.access))).await.refused(401, "missing_token");
    app.refresh(&third.access).await.refused(401, "invalid_refresh_token");
    let change = json!({"current_password": SECRET, "new_password": NEXT});
    browser.post(&app, "/api/auth/password/change", change).await.ok(204);
    app.tick().await;

    let mut needles: Vec<Vec<u8>> = [SECRET, NEXT].map(|text| text.as_bytes().to_vec()).to_vec();
    for token in &all {
        needles.push(token.as_bytes().to_vec());
        // The part that makes it one, and that part decoded.
        let secret = token.strip_prefix("kwr_").or_else(|| token.rsplit('.').next()).expect("a part");
        needles.push(secret.as_bytes().to_vec());
        let bytes = URL_SAFE_NO_PAD.decode(secret).expect("base64url");
        needles.push(bytes[bytes.len() - 32..].to_vec());
    }
    for entry in std::fs::read_dir(app.folder()).expect("a folder") {
        let path = entry.expect("a file").path();
        // The mails, where no server takes them: they are written to be read.
        assert!(path.is_file() || path.ends_with("outbox"), "{}", path.display());
    }
    for (path, bytes) in app.database_bytes() {
        for needle in &needles {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{} in {}", String::from_utf8_lossy(needle), path.display());
        }
    }
    let dump = app.dump();
    assert!(dump.contains(ADA), "the dump shows what is written");
    let log = log.text();
    assert!(log.lines().count() > 10, "the log shows what was asked");
    for needle in &needles {
        if let Ok(text) = std::str::from_utf8(needle) {
            assert!(!dump.contains(text));
            assert!(!log.contains(text), "{text} is logged");
        }
    }
}

#[tokio::test]
async fn no_link_of_a_mail_is_in_any_file_or_in_the_log() {
    let (app, log) = (App::new().await, Log::begin());
    app.signup(ADA).await;
    let mut tokens = vec![app.mail().await.token()];
    // Some wait, as while a server is away; some are used, and some are sent and left.
    for _ in 0..2 {
        app.forgot(ADA).await.ok(202);
        tokens.push(app.mail().await.token());
    }
    app.forgot(ADA).await.ok(202);
    app.send(post("/api/auth/email/verify/resend").json(json!({"email": ADA}))).await.ok(202);
    let client = keyward::Client::operator();
    app.keyward.create_account(BOB, None, None, vec!["user".to_owned()], &client).await.expect("made");
    let waiting = app.database_bytes();
    app.send(get(&format!("/reset?token={}", tokens[2]))).await;
    app.reset(&tokens[1], NEXT).await.refused(400, "invalid_reset_token");
    let mails = app.mails().await;
    assert_eq!(mails.len(), 3);
    tokens.extend(mails.iter().map(crate::support::Mail::token));
    let reset = mails.iter().find(|mail| mail.subject == "Choose a new password").expect("one").token();
    app.reset(&reset, NEXT).await.ok(204);
    app.tick().await;
    let written = log.text();
    assert!(written.contains("outbox"), "the log names the file: {written}");
    // In the database any four bytes stand somewhere by chance.
    assert!(!written.contains("kwm_"), "{written}");
    let mut places = waiting;
    places.extend(app.database_bytes());
    places.push(("the log".into(), written.into_bytes()));
    for token in &tokens {
        let secret = token.strip_prefix("kwm_").expect("a token of ours");
        let bytes = URL_SAFE_NO_PAD.decode(secret).expect("base64url");
        for needle in [secret.as_bytes(), &bytes] {
            for (place, text) in &places {
                let found = text.windows(needle.len()).any(|window| window == needle);
                assert!(!found, "{token} in {}", place.display());
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_put_anywhere_is_neither_told_back_nor_logged() {
    let (app, log) = (App::new().await, Log::begin());
    let fields =
        ["email", "phone_number", "password", "current_password", "new_password", "refresh_token", "token"];
    let body: serde_json::Map<String, serde_json::Value> =
        fields.iter().map(|name| ((*name).to_owned(), SECRET.into())).collect();
    let mut asked = 0;
    for (method, path, _) in keyward::Keyward::routes() {
        let path = path.split(['{', '}']).enumerate();
        let path: String = path.map(|(at, part)| if at % 2 == 1 { SECRET } else { part }).collect();
        let ask = Ask::new(method, &format!("{path}?token={SECRET}&cursor={SECRET}&done={SECRET}"))
            .header("authorization", format!("Bearer {SECRET}"))
            .header(
                "cookie",
                format!("keyward_access={SECRET}; keyward_refresh={SECRET}; keyward_hint={SECRET}"),
            )
            .header("x-request-id", format!("{SECRET} "))
            .header("traceparent", SECRET);
        for ask in [
            ask.clone().json(body.clone().into()),
            ask.raw("application/x-www-form-urlencoded", format!("token={SECRET}")),
        ] {
            let reply = app.send(ask).await;
            // A page hands the secret of its link on to its form.
            let is_page = reply.one("content-type").is_some_and(|media| media.starts_with("text/html"));
            assert!(is_page || !reply.text().contains(SECRET), "{path}: {}", reply.text());
            asked += 1;
        }
    }
    assert!(asked > 60 && log.text().lines().count() >= asked, "{asked}");
    assert!(!log.text().contains(SECRET), "{}", log.text());
}
