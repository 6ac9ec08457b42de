//! `GET /verify-email`, `POST /verify-email`

use crate::support::{ADA, App, form, get};

#[tokio::test]
async fn a_program_that_follows_links_confirms_nothing() {
    let app = App::new().await;
    app.signup(ADA).await;
    let mail = app.mail().await;
    let path = mail.link().strip_prefix("http://127.0.0.1:8080").expect("here").to_owned();
    let token = mail.token();
    app.events();
    let before = app.dump();
    for _ in 0..2 {
        let page = app.send(get(&path)).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(&format!("name=\"token\" value=\"{token}\"")), "{}", page.text());
    }
    assert_eq!(app.dump(), before);
    let send = || app.send(form("/verify-email", &[("token", &token)]));
    let reply = send().await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/verify-email?done=1")));
    assert_eq!(app.events(), ["email_verified"]);
    assert!(app.send(get("/verify-email?done=1")).await.text().contains("is confirmed"));
    let again = send().await;
    assert_eq!((again.status, again.one("x-keyward-error")), (400, Some("invalid_verification_token")));
    assert!(again.text().contains("no longer valid"));
    assert_eq!(app.send(get("/verify-email")).await.status, 400);
}
