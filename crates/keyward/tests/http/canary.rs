//! No secret is ever written down: not in an event, not in the database, not in its journal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::{ADA, App, Browser, Tokens, WINDOW, get, login, post};

const SECRET: &str = "Canary-Password-4711";
const NEXT: &str = "Canary-Successor-4712";

#[tokio::test]
async fn no_password_and_no_token_is_in_any_file() {
    let app = App::new().await;
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
    let mut files = 0;
    for entry in std::fs::read_dir(app.path().parent().expect("a folder")).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            // The mails, where no server takes them: they are written to be read.
            assert_eq!(path.file_name().and_then(|name| name.to_str()), Some("outbox"));
            continue;
        }
        let bytes = std::fs::read(&path).expect("bytes");
        files += usize::from(bytes.len() > 4_096);
        for needle in &needles {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{} in {}", String::from_utf8_lossy(needle), path.display());
        }
    }
    assert!(files > 0, "there was something to look at");
    let dump = app.dump();
    assert!(dump.contains(ADA), "the dump shows what is written");
    for needle in &needles {
        if let Ok(text) = std::str::from_utf8(needle) {
            assert!(!dump.contains(text));
        }
    }
}
