//! What goes for every page: what holds others out, what it holds in, and who may send its form.

use keyward::Settings;

use crate::support::{ADA, App, Ask, BOB, Browser, OTHER_PASSWORD, PASSWORD, Reply, form, get, settings};

/// What every page carries, whatever it says.
fn is_kept_safe(reply: &Reply) {
    assert_eq!(reply.all("content-type"), ["text/html; charset=utf-8"]);
    assert_eq!(reply.all("cache-control"), ["no-store"]);
    assert_eq!(reply.all("referrer-policy"), ["no-referrer"]);
    assert_eq!(reply.all("x-content-type-options"), ["nosniff"]);
    assert_eq!(reply.all("cross-origin-opener-policy"), ["same-origin"]);
    assert_eq!(reply.all("x-request-id").len(), 1);
    let policy = reply.one("content-security-policy").expect("a policy");
    let says: Vec<&str> = policy.split("; ").collect();
    for rule in [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "object-src 'none'",
    ] {
        assert!(says.contains(&rule), "{rule} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = reply.text();
    for forbidden in ["<style", " style=", " on", "javascript:", "http-equiv"] {
        let attributes = page.split('<').filter_map(|tag| tag.split('>').next());
        let found = attributes.filter(|tag| format!("<{tag}").contains(forbidden)).collect::<Vec<_>>();
        assert!(found.is_empty(), "{forbidden} in {found:?}");
    }
    // Every script is a file of ours, and none stands in the page.
    for script in page.split("<script").skip(1) {
        assert!(script.starts_with(" type=\"module\" src=\"/"), "{script}");
        assert!(script.contains("\"></script>"), "{script}");
    }
    assert_eq!(page.matches("<main").count(), 1, "{page}");
    assert_eq!(page.matches("<h1").count(), 1, "{page}");
}

const PAGES: [&str; 15] = [
    "/",
    "/login",
    "/login?next=/a&out=all",
    "/signup",
    "/signup?sent=1",
    "/setup",
    "/verify-email?sent=1",
    "/nowhere",
    "/forgot",
    "/forgot?done=1",
    "/reset",
    "/reset?token=kwm_x",
    "/reset?done=1",
    "/verify-email?token=kwm_x",
    "/verify-email?done=1",
];

#[tokio::test]
async fn every_page_is_kept_safe_whatever_it_says() {
    let https = "https://auth.example.com".parse().expect("an origin");
    let app = App::with(Settings { public_url: https, ..settings() }).await;
    for path in PAGES {
        let reply = app.send(get(path).header("accept", "text/html")).await;
        is_kept_safe(&reply);
        assert_eq!(reply.one("strict-transport-security"), Some("max-age=31536000"));
    }
    for path in ["/login", "/signup", "/setup"] {
        is_kept_safe(&app.send(form(path, &[("email", "x"), ("password", "x"), ("token", "x")])).await);
    }
    let mut ada = Browser::signed_up(&app, ADA).await;
    for path in ["/account", "/account?again=1&done=password", "/account/events", "/reauthenticate", "/login"]
    {
        is_kept_safe(&ada.navigate(&app, path).await);
    }
    is_kept_safe(
        &ada.submit(&app, "/account/password", &[("current_password", "x"), ("new_password", "y")]).await,
    );
    is_kept_safe(&app.send(form("/forgot", &[("email", "x")])).await);
    is_kept_safe(&app.send(form("/reset", &[("token", "x"), ("new_password", "x")])).await);
    is_kept_safe(&app.send(form("/verify-email", &[("token", "x")])).await);
    let app = App::new().await;
    assert_eq!(app.send(get("/forgot")).await.one("strict-transport-security"), None, "over plain HTTP");
}

#[tokio::test]
async fn a_form_is_sent_from_its_own_page_or_changes_nothing() {
    let app = App::new().await;
    app.signup(ADA).await;
    let verification = app.mail().await.token();
    let token = app.reset_token().await;
    app.events();
    let before = app.dump();
    let forms = || {
        // In this order: a new password, and a newer link, end the others.
        [
            form("/login", &[("email", ADA), ("password", PASSWORD)]),
            form("/signup", &[("email", BOB), ("password", PASSWORD)]),
            form("/verify-email", &[("token", &verification)]),
            form("/reset", &[("token", &token), ("new_password", OTHER_PASSWORD)]),
            form("/forgot", &[("email", ADA)]),
        ]
    };
    for ask in forms() {
        for (site, origin) in [
            (Some("cross-site"), Some("https://evil.example")),
            (Some("same-site"), Some("https://sibling.example")),
            (Some("cross-site"), Some("null")),
            (None, Some("https://evil.example")),
            (None, Some("null")),
        ] {
            let mut bare = Ask::clone(&ask).without("sec-fetch-site").without("origin");
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    bare = bare.header(name, value);
                }
            }
            app.send(bare).await.refused_by_page(403, "cross_site_request");
        }
    }
    assert_eq!(app.dump(), before);
    // A page of `no-referrer` makes a browser send this with its own form (Fetch §3.1).
    for ask in forms() {
        let own = ask.without("origin").header("origin", "null");
        assert_eq!(app.send(own).await.status, 303);
    }
}

#[tokio::test]
async fn a_form_is_a_form() {
    let app = App::new().await;
    let before = app.dump();
    for path in ["/forgot", "/reset", "/verify-email", "/login", "/signup", "/setup"] {
        let json = form(path, &[]).raw("application/json", r#"{"email":"ada@example.com"}"#);
        app.send(json).await.refused_by_page(415, "unsupported_media_type");
        let twice = form(path, &[("token", "a"), ("token", "b"), ("email", "a"), ("email", "b")]);
        app.send(twice).await.refused_by_page(400, "malformed_form");
        let media = "application/x-www-form-urlencoded";
        for broken in ["", "email=%ff&token=%ff&password=%ff"] {
            let reply = app.send(form(path, &[]).raw(media, broken)).await;
            assert_eq!((reply.status, reply.one("x-keyward-error")), (422, Some("validation_failed")));
            is_kept_safe(&reply);
        }
        app.send(form(path, &[]).raw(media, "a=".to_owned() + &"x".repeat(65 << 10)))
            .await
            .refused_by_page(413, "body_too_large");
    }
    assert_eq!(app.dump(), before);
}
