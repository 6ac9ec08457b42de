//! `GET /login`, `POST /login`

use keyward::Settings;
use keyward::core::throttle::Limits;

use crate::support::{ADA, App, BOB, Browser, MINUTE, PASSWORD, form, get, limit, settings};

/// What a person sends who signs in.
fn filled<'a>(email: &'a str, password: &'a str, next: &'a str) -> [(&'a str, &'a str); 3] {
    [("email", email), ("password", password), ("next", next)]
}

#[tokio::test]
async fn who_has_no_script_signs_in_and_goes_on() {
    let app = App::new().await;
    app.signup(ADA).await;
    app.events();
    let page = app.send(get("/login?next=/tasks%3Fpage%3D2")).await.text();
    for part in [
        "<form method=\"post\" action=\"/login\"",
        "name=\"next\" value=\"/tasks?page=2\"",
        "autocomplete=\"username\"",
        "autocomplete=\"current-password\"",
        "href=\"/forgot\"",
        "href=\"/signup?next=/tasks%3Fpage%3D2\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let mut browser = Browser::default();
    let reply = browser.submit(&app, "/login", &filled(" Ada@Example.com ", PASSWORD, "/tasks?page=2")).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/tasks?page=2")));
    assert_eq!(reply.cookies().len(), 3);
    assert_eq!(reply.text(), "");
    assert_eq!(app.events(), ["login"]);
    browser.session(&app).await.ok(200);
    // The same flow as that of the API: the session that the browser held is replaced.
    let reply = browser.submit(&app, "/login", &filled(ADA, PASSWORD, "/")).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/")));
    assert_eq!(app.events(), ["login", "session_revoked"]);
}

/// The refresh cookie is for `/api/auth`: a form brings the hint alone once the access token is over.
#[tokio::test]
async fn the_session_that_the_hint_names_is_replaced_and_nobody_elses() {
    let app = App::new().await;
    Browser::signed_up(&app, BOB).await;
    let mut earlier = Browser::signed_up(&app, ADA).await;
    app.pass(1);
    let mut browser = Browser::signed_in(&app, ADA).await;
    app.pass(1);
    let mut later = Browser::signed_in(&app, ADA).await;
    let (mut left, mut lent) = (browser.clone(), browser.clone());
    app.pass(16 * MINUTE);
    app.events();
    // A tag is no secret: who knows that of somebody else's session ends nothing.
    assert_eq!(lent.submit(&app, "/login", &filled(BOB, PASSWORD, "/")).await.status, 303);
    assert_eq!(app.events(), ["login"]);
    assert_eq!(browser.submit(&app, "/login", &filled(ADA, PASSWORD, "/")).await.status, 303);
    assert_eq!(app.events(), ["login", "session_revoked"]);
    left.refresh(&app).await.refused(401, "session_revoked");
    for other in [&mut earlier, &mut later, &mut browser] {
        other.refresh(&app).await.ok(200);
    }
    app.events();
    // Several name none.
    let old = browser.jar.value("keyward_hint").expect("a hint").to_owned();
    let other = later.jar.value("keyward_hint").expect("a hint");
    let both = format!("keyward_hint={old}; keyward_hint={other}");
    let login = form("/login", &filled(ADA, PASSWORD, "/")).header("cookie", both);
    assert_eq!(app.send(login).await.status, 303);
    assert_eq!(app.events(), ["login"]);
}

#[tokio::test]
async fn a_phone_number_is_a_name_too() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    ada.submit(&app, "/account/profile", &[("phone_number", "+49 1511 2345678")]).await;
    let reply = Browser::default().submit(&app, "/login", &filled("+4915112345678", PASSWORD, "/")).await;
    assert_eq!(reply.status, 303, "{}", reply.text());
}

#[tokio::test]
async fn what_is_wrong_is_told_in_words_and_the_password_is_not_given_back() {
    let limits = Limits { login: limit("3/1m"), ..Limits::OFF };
    let app = App::with(Settings { limits, ..settings() }).await;
    app.signup(ADA).await;
    let mut browser = Browser::default();
    for (name, password) in [(ADA, "Wr0ng-password"), ("nobody@example.com", "Wr0ng-password")] {
        let reply = browser.submit(&app, "/login", &filled(name, password, "/x")).await;
        assert_eq!((reply.status, reply.one("x-keyward-error")), (401, Some("invalid_credentials")));
        let page = reply.text();
        assert!(page.contains("role=\"alert\" tabindex=\"-1\" autofocus"), "{page}");
        assert!(
            page.contains("address or the password is wrong") && page.contains("<title>Error: "),
            "{page}"
        );
        assert!(page.contains(&format!("value=\"{name}\"")) && !page.contains(password), "{page}");
        assert!(page.contains("name=\"next\" value=\"/x\""), "{page}");
        assert_eq!(reply.cookies(), Vec::<&str>::new());
    }
    for empty in [filled("", "", "/"), filled(ADA, "", "/"), filled("", PASSWORD, "/")] {
        let reply = browser.submit(&app, "/login", &empty).await;
        assert_eq!((reply.status, reply.one("x-keyward-error")), (422, Some("validation_failed")));
        assert!(reply.text().contains("aria-invalid=\"true\""), "{}", reply.text());
    }
    browser.submit(&app, "/login", &filled(ADA, "x", "/")).await;
    let reply = browser.submit(&app, "/login", &filled(ADA, PASSWORD, "/")).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (429, Some("rate_limited")));
    assert!(reply.one("retry-after").is_some() && reply.text().contains("Wait for"), "{}", reply.text());
}

#[tokio::test]
async fn what_was_typed_can_not_become_part_of_the_page() {
    let app = App::new().await;
    let evil = "\"><script>alert(1)</script>";
    let page = Browser::default().submit(&app, "/login", &filled(evil, "x", evil)).await.text();
    assert!(!page.contains("<script>") && page.contains("&#34;&#62;&#60;script&#62;"), "{page}");
    assert!(page.contains("name=\"next\" value=\"/\""), "{page}");
    let page = app.send(get("/login?next=/%22%3E%3Cscript%3E")).await.text();
    assert!(!page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn a_login_leads_to_no_other_site() {
    let app = App::new().await;
    app.signup(ADA).await;
    for evil in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "\t//evil.example",
        "@evil.example",
        ".evil.example",
        "evil",
        "",
    ] {
        let reply = Browser::default().submit(&app, "/login", &filled(ADA, PASSWORD, evil)).await;
        assert_eq!((reply.status, reply.one("location")), (303, Some("/")), "{evil:?}");
    }
    // A browser would skip what is encoded here, and so go to another site.
    for evil in ["/\t/evil.example", "/\n/evil.example", "/\r\nSet-Cookie: a=b"] {
        let reply = Browser::default().submit(&app, "/login", &filled(ADA, PASSWORD, evil)).await;
        let location = reply.one("location").expect("a location").to_owned();
        assert!(location.starts_with("/%"), "{evil:?} {location}");
        assert_eq!(reply.cookies().len(), 3);
    }
}

#[tokio::test]
async fn who_is_signed_in_already_is_told_so() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    let page = ada.navigate(&app, "/login?next=/tasks").await.text();
    assert!(page.contains(ADA) && page.contains("href=\"/tasks\"") && !page.contains("type=\"password\""));
    let left = ada.submit(&app, "/api/auth/logout", &[]).await;
    assert_eq!((left.status, left.one("location")), (303, Some("/login?out=1")));
    assert_eq!(ada.jar.names(), Vec::<&str>::new(), "all three are cleared");
    assert!(ada.navigate(&app, "/login?out=1").await.text().contains("You are signed out."));
}

#[tokio::test]
async fn who_must_confirm_their_address_first_can_have_the_mail_again() {
    let app = App::with(Settings { require_verified_email: true, ..settings() }).await;
    let mut browser = Browser::default();
    let reply = browser.submit(&app, "/signup", &filled(BOB, PASSWORD, "/")).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/signup?sent=1")));
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    app.mail().await;
    let reply = browser.submit(&app, "/login", &filled(BOB, PASSWORD, "/")).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (403, Some("email_not_verified")));
    let page = reply.text();
    assert!(
        page.contains("action=\"/verify-email/resend\"") && page.contains("Confirm your e-mail"),
        "{page}"
    );
    let reply = browser.submit(&app, "/verify-email/resend", &[("email", BOB)]).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/verify-email?sent=1")));
    let token = app.mail().await.token();
    // Whoever asks for another address is told the same.
    let other = browser.submit(&app, "/verify-email/resend", &[("email", "nobody@example.com")]).await;
    assert_eq!((other.status, other.one("location")), (reply.status, reply.one("location")));
    browser.submit(&app, "/verify-email", &[("token", &token)]).await;
    assert_eq!(browser.submit(&app, "/login", &filled(BOB, PASSWORD, "/")).await.status, 303);
}

#[tokio::test]
async fn who_is_deactivated_is_told_so() {
    let app = App::new().await;
    let user = app.signup(ADA).await.user.parse().expect("an id");
    let change = keyward::AccountChange { is_active: Some(false), ..Default::default() };
    app.keyward.change_account(user, change, &keyward::Client::operator()).await.expect("changed");
    let reply = app.send(form("/login", &filled(ADA, PASSWORD, "/"))).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (403, Some("account_inactive")));
    assert!(reply.text().contains("deactivated"));
}
