//! `GET /signup`, `POST /signup`

use keyward::Settings;
use keyward::core::throttle::Limits;

use crate::support::{ADA, App, Browser, PASSWORD, form, get, limit, settings};

#[tokio::test]
async fn who_has_no_script_signs_up_and_is_in() {
    let app = App::new().await;
    let page = app.send(get("/signup?next=/tasks")).await.text();
    for part in [
        "<form method=\"post\" action=\"/signup\"",
        "autocomplete=\"username\"",
        "autocomplete=\"new-password\"",
        "8 to 128 characters",
        "href=\"/login?next=/tasks\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let mut browser = Browser::default();
    let fields = [("email", ADA), ("password", PASSWORD), ("next", "/tasks")];
    let reply = browser.submit(&app, "/signup", &fields).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/tasks")));
    assert_eq!((reply.cookies().len(), app.events()), (3, vec!["signup".to_owned()]));
    browser.session(&app).await.ok(200);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field() {
    let limits = Limits { signup: limit("2/1m"), ..Limits::OFF };
    let app = App::with(Settings { limits, ..settings() }).await;
    app.signup(ADA).await;
    app.events();
    let send = |email: &str, password: &str| {
        app.send(form("/signup", &[("email", email), ("password", password), ("next", "//evil.example")]))
    };
    let reply = send("\"><script>alert(1)</script>", "short").await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (422, Some("validation_failed")));
    let page = reply.text();
    assert_eq!(page.matches("aria-invalid=\"true\"").count(), 2, "{page}");
    assert!(page.contains("aria-describedby=\"password-error password-hint\""), "{page}");
    assert!(page.contains("Must have a digit.") && page.contains("href=\"#password\""), "{page}");
    assert!(!page.contains("<script>") && !page.contains("=\"short\""), "{page}");
    assert!(page.contains("name=\"next\" value=\"/\""), "{page}");
    let reply = send(ADA, PASSWORD).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (409, Some("email_taken")));
    assert!(
        reply.text().contains("id=\"email-error\"") && reply.text().contains(&format!("value=\"{ADA}\""))
    );
    let reply = send("bob@example.com", PASSWORD).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (429, Some("rate_limited")));
    assert_eq!(app.count("account"), 1);
}

#[tokio::test]
async fn where_signing_up_is_closed_there_is_no_form_and_no_way_to_it() {
    let app = App::with(Settings { open_signup: false, ..settings() }).await;
    let before = app.dump();
    let reply = app.send(get("/signup")).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (403, Some("signup_closed")));
    assert!(!reply.text().contains("<form") && reply.text().contains("administrator"));
    let reply = app.send(form("/signup", &[("email", ADA), ("password", PASSWORD)])).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (403, Some("signup_closed")));
    assert!(!app.send(get("/login")).await.text().contains("/signup"));
    assert_eq!(app.dump(), before);
}
