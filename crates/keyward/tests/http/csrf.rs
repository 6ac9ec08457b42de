//! Requests that another site makes a browser send.

use http::Method;
use keyward::Settings;
use serde_json::json;

use crate::support::{ADA, App, Ask, Browser, OTHER_PASSWORD, PASSWORD, delete, get, post, settings};

const US: &str = "https://app.example.com";
const FRIEND: &str = "https://friend.example.com";

async fn app() -> App {
    let settings = Settings {
        public_url: US.parse().expect("an origin"),
        allowed_origins: vec![FRIEND.parse().expect("an origin")],
        ..settings()
    };
    App::with(settings).await
}

/// `Sec-Fetch-Site`, `Origin`, and whether that comes from us.
fn table() -> Vec<(Option<&'static str>, Option<&'static str>, bool)> {
    let sites = [
        None,
        Some("same-origin"),
        Some("none"),
        Some("same-site"),
        Some("cross-site"),
        Some("Same-Origin"),
        Some(""),
    ];
    let origins = [
        None,
        Some(US),
        Some(FRIEND),
        Some("https://evil.example"),
        Some("null"),
        Some("http://app.example.com"),
        Some("https://app.example.com.evil.example"),
        Some("https://app.example.com:8443"),
        Some("https://APP.example.com"),
    ];
    let mut rows = Vec::new();
    for site in sites {
        for origin in origins {
            let ours = origin == Some(FRIEND)
                || matches!(site, Some("same-origin" | "none"))
                || (site.is_none() && origin == Some(US));
            rows.push((site, origin, ours));
        }
    }
    rows
}

fn sent(ask: Ask, site: Option<&str>, origin: Option<&str>) -> Ask {
    let ask = site.map_or(ask.clone(), |site| ask.header("sec-fetch-site", site));
    origin.map_or(ask.clone(), |origin| ask.header("origin", origin))
}

#[tokio::test]
async fn a_request_by_cookie_comes_from_us_or_changes_nothing() {
    let app = app().await;
    let browser = Browser::signed_up(&app, ADA).await;
    let cookies = browser.jar.line("/api/auth/refresh", app.now()).expect("cookies");
    let session = "0195f6a0-0000-7000-8000-000000000000";
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let asks = [
        post("/api/auth/activity"),
        post("/api/auth/refresh"),
        post("/api/auth/logout"),
        post("/api/auth/logout-all"),
        post("/api/auth/password/change").json(change),
        post("/api/auth/reauthenticate").json(json!({"password": PASSWORD})),
        delete(&format!("/api/auth/sessions/{session}")),
    ];
    let before = app.dump();
    for (site, origin, ours) in table().into_iter().filter(|(.., ours)| !ours) {
        assert!(!ours);
        for ask in &asks {
            let reply = app.send(sent(ask.clone(), site, origin).header("cookie", &cookies)).await;
            reply.refused(403, "cross_site_request");
            assert_eq!(app.dump(), before, "{site:?} {origin:?} {ask:?}");
        }
    }
    app.tick().await;
    for (site, origin, _) in table().into_iter().filter(|(.., ours)| *ours) {
        let reply = app.send(sent(post("/api/auth/activity"), site, origin).header("cookie", &cookies)).await;
        assert_eq!(reply.status, 200, "{site:?} {origin:?}");
    }
}

#[tokio::test]
async fn signing_in_or_out_in_a_browser_comes_from_us_even_without_a_cookie() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let credentials = json!({"email": ADA, "password": PASSWORD});
    let new = json!({"email": "eve@example.com", "password": PASSWORD});
    let (before, hashes) = (app.dump(), app.keyward.password_hashes());
    for (site, origin, ours) in table() {
        // With neither header it is no browser.
        if ours || (site.is_none() && origin.is_none()) {
            continue;
        }
        for ask in [
            post("/api/auth/signup").json(new.clone()),
            post("/api/auth/login").json(credentials.clone()),
            post("/api/auth/refresh").json(json!({"refresh_token": tokens.refresh})),
            post("/api/auth/logout").bearer(&tokens.access),
            post("/api/auth/logout-all").bearer(&tokens.access),
        ] {
            app.send(sent(ask, site, origin)).await.refused(403, "cross_site_request");
            assert_eq!(app.dump(), before, "{site:?} {origin:?}");
            assert_eq!(app.keyward.password_hashes(), hashes, "{site:?} {origin:?}");
        }
    }
    app.session(&tokens.access).await.ok(200);
    let ours = post("/api/auth/login")
        .json(credentials)
        .header("origin", FRIEND)
        .header("sec-fetch-site", "cross-site");
    app.send(ours).await.ok(200);
}

#[tokio::test]
async fn a_bearer_token_is_no_ones_cookie() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    for (site, origin, _) in table() {
        let ask = post("/api/auth/activity").bearer(&tokens.access);
        app.send(sent(ask, site, origin)).await.ok(200);
    }
    // A cookie that is not there authenticates nothing: the header does.
    let planted = post("/api/auth/activity")
        .bearer(&tokens.access)
        .header("cookie", "__Host-keyward_access=x; __Secure-keyward_refresh=y");
    app.send(planted).await.ok(200);
}

#[tokio::test]
async fn reading_is_safe_from_anywhere_and_shows_nothing_to_strangers() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for (site, origin, _) in table() {
        let reply = browser.bare(&app, sent(get("/api/auth/session"), site, origin)).await;
        assert_eq!(reply.status, 200);
        let readable = reply.one("access-control-allow-origin");
        assert_eq!(readable, origin.filter(|origin| *origin == FRIEND));
    }
}

#[tokio::test]
async fn two_origins_are_none_of_ours() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for (one, two) in [(US, "https://evil.example"), ("https://evil.example", US), (FRIEND, FRIEND)] {
        let ask = post("/api/auth/logout").header("origin", one).header("origin", two);
        browser.bare(&app, ask).await.refused(403, "cross_site_request");
    }
    let ask = post("/api/auth/logout")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-site", "cross-site");
    browser.bare(&app, ask).await.refused(403, "cross_site_request");
}

#[tokio::test]
async fn the_host_header_says_nothing_about_where_we_are() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let ask = post("/api/auth/logout")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("origin", "https://evil.example");
    browser.bare(&app, ask).await.refused(403, "cross_site_request");
}

#[tokio::test]
async fn a_method_is_what_it_is() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let session = browser.session(&app).await.ok(200)["session_id"].as_str().expect("an id").to_owned();
    let before = app.dump();
    for (name, value) in
        [("x-http-method-override", "DELETE"), ("x-http-method", "DELETE"), ("x-method-override", "DELETE")]
    {
        let path = format!("/api/auth/sessions/{session}");
        browser.bare(&app, get(&path).header(name, value)).await.refused(405, "method_not_allowed");
        browser
            .bare(&app, get(&format!("{path}?_method=DELETE")).header(name, value))
            .await
            .refused(405, "method_not_allowed");
        browser.send(&app, post("/api/auth/activity").header(name, value)).await.ok(200);
    }
    browser.session(&app).await.ok(200);
    assert_eq!(app.count("session"), 1);
    assert_eq!(app.dump(), before, "the clock stands still, so activity changes nothing either");
}

#[tokio::test]
async fn a_websocket_counts_as_unsafe() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let ask = get("/api/auth/session").header("connection", "upgrade").header("upgrade", "websocket");
    browser.bare(&app, ask.clone()).await.refused(403, "cross_site_request");
    browser
        .bare(&app, ask.clone().header("origin", "https://evil.example"))
        .await
        .refused(403, "cross_site_request");
    browser.bare(&app, ask.header("origin", US)).await.ok(200);
}

#[tokio::test]
async fn safe_methods_change_nothing_on_any_route() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let tokens = app.login(ADA).await;
    let before = app.dump();
    for (_, path, _) in keyward::Keyward::routes() {
        // A navigation to `renew` is a refresh; it has tests of its own.
        let path = crate::support::filled(path, &tokens.session);
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let ask = Ask::new(method.clone(), &path);
            browser.send(&app, ask.clone()).await;
            browser.bare(&app, ask.clone()).await;
            app.send(ask.clone().bearer(&tokens.access)).await;
            let body =
                json!({"email": "eve@example.com", "password": PASSWORD, "refresh_token": tokens.refresh});
            app.send(ask.json(body)).await;
        }
    }
    assert_eq!(app.dump(), before);
    app.tick().await;
    browser.session(&app).await.ok(200);
    app.session(&tokens.access).await.ok(200);
}
