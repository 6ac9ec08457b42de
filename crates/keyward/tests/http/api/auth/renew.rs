//! `GET /api/auth/renew`

use http::Method;

use crate::support::{ADA, App, Ask, BOB, Browser, DAY, MINUTE, Reply, WINDOW, get, post};

fn location(reply: &Reply) -> &str {
    assert_eq!((reply.status, reply.text().as_str()), (303, ""), "{}", reply.text());
    assert_eq!(reply.all("cache-control"), ["no-store"]);
    reply.one("location").expect("Location")
}

#[tokio::test]
async fn a_navigation_comes_back_with_fresh_cookies() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    app.events();
    app.pass(20 * MINUTE);
    let reply = browser.navigate(&app, "/api/auth/renew?next=/tasks%3Fpage%3D2").await;
    assert_eq!(location(&reply), "http://127.0.0.1:8080/tasks?page=2");
    assert_eq!(reply.cookies().len(), 3);
    browser.session(&app).await.ok(200);
    // Within the window it brings the access cookie alone.
    let reply = browser.navigate(&app, "/api/auth/renew?next=/tasks").await;
    assert_eq!(location(&reply), "http://127.0.0.1:8080/tasks");
    assert_eq!(reply.cookies().len(), 1);
    assert_eq!(app.events(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_live_session_the_way_leads_to_the_login() {
    let app = App::new().await;
    let mut nobody = Browser::default();
    let before = app.dump();
    let reply = nobody.navigate(&app, "/api/auth/renew?next=/tasks%3Fpage%3D2%26x").await;
    assert_eq!(location(&reply), "http://127.0.0.1:8080/login?next=/tasks%3Fpage%3D2%26x");
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(app.dump(), before);
    let mut browser = Browser::signed_up(&app, ADA).await;
    let mut planted = browser.clone();
    planted.jar.forget("keyward_hint");
    assert!(location(&planted.navigate(&app, "/api/auth/renew?next=/").await).contains("/login?next="));
    let mut left = browser.clone();
    browser.send(&app, post("/api/auth/logout-all")).await.ok(200);
    assert!(location(&left.navigate(&app, "/api/auth/renew?next=/").await).contains("/login?next="));
    let mut expired = Browser::signed_in(&app, ADA).await;
    app.pass(6 * DAY);
    let reply = expired.navigate(&app, "/api/auth/renew?next=/").await;
    assert!(location(&reply).contains("/login?next="));
    assert_eq!(reply.cookies(), Vec::<&str>::new(), "a late refusal must not wipe a newer login");
}

#[tokio::test]
async fn next_stays_on_its_origin() {
    let app = App::new().await;
    for next in [
        "//evil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "https:evil.example",
        "https://evil.example",
        "/%09/evil.example",
        "/%2fevil.example",
        "%2f%2fevil.example",
        "@evil.example",
        ".evil.example",
        "javascript:alert(1)",
        "data:,x",
        "/%0d%0aSet-Cookie:%20a=b%5C",
        "evil",
        "",
        "%2f%09%2fevil.example",
    ] {
        let mut browser = Browser::default();
        let reply = browser.navigate(&app, &format!("/api/auth/renew?next={next}")).await;
        let next =
            location(&reply).strip_prefix("http://127.0.0.1:8080/login?next=").expect("here").to_owned();
        assert!(next.starts_with('/') && !next.starts_with("//") && !next.contains('\\'), "{next}");
        assert_eq!(reply.cookies(), Vec::<&str>::new());
    }
    let mut browser = Browser::default();
    let long = format!("/api/auth/renew?next=/{}", "x".repeat(10_000));
    assert_eq!(location(&browser.navigate(&app, &long).await), "http://127.0.0.1:8080/login?next=/");
    let twice = browser.navigate(&app, "/api/auth/renew?next=/a&next=/b").await;
    assert_eq!(location(&twice), "http://127.0.0.1:8080/login?next=/");
    let evil = get("/api/auth/renew?next=/a")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("accept", "text/html");
    assert!(location(&app.send(evil).await).starts_with("http://127.0.0.1:8080/"));
}

#[tokio::test]
async fn a_script_is_told_to_refresh() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let before = app.dump();
    browser.get(&app, "/api/auth/renew?next=/").await.refused(401, "missing_token");
    app.send(get("/api/auth/renew?next=/")).await.refused(401, "missing_token");
    // Who only looks whether a link is good.
    let look = Ask::new(Method::HEAD, "/api/auth/renew?next=/").header("accept", "text/html");
    let looked = browser.bare(&app, look).await;
    assert_eq!((looked.status, looked.cookies()), (401, vec![]));
    assert_eq!(app.dump(), before);
    // An old browser, of which only `Accept` tells.
    let old = get("/api/auth/renew?next=/a").header("accept", "text/html");
    assert_eq!(location(&browser.bare(&app, old).await), "http://127.0.0.1:8080/a");
}

#[tokio::test]
async fn while_an_answer_is_under_way_a_page_waits_and_goes_on_by_itself() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let slow = browser.clone();
    browser.refresh(&app).await.ok(200);
    app.pass(WINDOW);
    slow.clone().refresh(&app).await.ok(200);
    let reply = slow.clone().navigate(&app, "/api/auth/renew?next=/").await;
    assert_eq!((reply.status, reply.one("content-type")), (503, Some("text/html; charset=utf-8")));
    assert!(reply.one("refresh").is_some_and(|again| again.parse::<u64>().is_ok()));
    assert!(reply.text().contains("/login") && !reply.text().contains("<script>"));
    assert!(reply.one("content-security-policy").is_some_and(|csp| csp.contains("default-src 'none'")));
    assert_eq!(reply.cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn the_third_bounce_names_the_cause_and_loses_no_token() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    browser.refresh(&app).await.ok(200);
    app.pass(WINDOW - 2);
    // Two bounces within the window, the third one when it has closed.
    for _ in 0..2 {
        location(&browser.navigate(&app, "/api/auth/renew?next=/a").await);
        app.pass(1);
    }
    let reply = browser.navigate(&app, "/api/auth/renew?next=/a").await;
    assert_eq!((reply.status, reply.one("location")), (200, None));
    assert!(reply.text().contains("cookies"));
    assert_eq!(reply.cookies().len(), 3, "the one answer in which the new token is handed out");
    location(&browser.navigate(&app, "/api/auth/renew?next=/b").await);
    // Once a page was shown the count begins anew.
    browser.session(&app).await.ok(200);
    location(&browser.navigate(&app, "/api/auth/renew?next=/a").await);
}

#[tokio::test]
async fn cookies_of_two_sessions_renew_none() {
    let app = App::new().await;
    let ada = Browser::signed_up(&app, ADA).await;
    let bob = Browser::signed_up(&app, BOB).await;
    let both = [&ada, &bob].map(|b| b.jar.line("/api/auth/renew", app.now()).expect("cookies")).join("; ");
    let before = app.dump();
    let ask = get("/api/auth/renew?next=/a").header("accept", "text/html").header("cookie", both);
    assert_eq!(location(&app.send(ask).await), "http://127.0.0.1:8080/login?next=/a");
    assert_eq!(app.dump(), before);
}
