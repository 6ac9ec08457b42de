//! `/admin`: every page of the console, every form, and whatever could be slipped into them.

mod forms;

use keyward::Settings;

use crate::support::{
    ADA, App, BOB, Browser, MINUTE, OTHER_PASSWORD, PASSWORD, ROOT, Reply, get, login, post, settings,
};

/// A browser in which the administrator has just signed in.
pub(crate) async fn administrator(app: &App) -> Browser {
    app.admin().await;
    Browser::signed_in(app, ROOT).await
}

/// A page of ours, whole.
#[track_caller]
pub(crate) fn page(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.all("content-type"), ["text/html; charset=utf-8"]);
    assert_eq!(reply.all("cache-control"), ["no-store"]);
    let text = reply.text();
    assert!(text.contains("</html>") && !text.contains(" style=") && !text.contains(" onclick"), "{text}");
    text
}

/// Events and findings are told of people by their addresses, as long as there is an account.
#[tokio::test]
async fn events_and_findings_say_whose_they_are() {
    let app = App::new().await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    let mut browser = administrator(&app).await;
    for _ in 0..10 {
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
    let link = |user: &str, name: &str| format!("<a href=\"/admin/users/{user}\">{name}</a>");
    for path in ["/admin", "/admin/suspicious"] {
        let text = page(&browser.navigate(&app, path).await);
        assert!(
            text.contains(&link(&ada.user, ADA)) && text.contains("Failed logins to one account"),
            "{text}"
        );
    }
    app.keyward
        .delete_account(bob.user.parse().expect("an id"), &keyward::Client::operator())
        .await
        .expect("gone");
    let text = page(&browser.navigate(&app, "/admin/events").await);
    let gone = format!("<a href=\"/admin/events?user_id={}\">a deleted account</a>", bob.user);
    for part in [link(&ada.user, ADA), gone, "session of <time datetime=\"20".to_owned()] {
        assert!(text.contains(part.as_str()), "{part} in {text}");
    }
}

#[tokio::test]
async fn every_page_shows_what_there_is() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    let mut browser = administrator(&app).await;
    app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    let user = format!("/admin/users/{}", ada.user);
    let session = format!("/admin/sessions/{}", ada.session);
    let kid = app.keyward.keys().await.expect("keys")[0].kid.clone();
    for (path, parts) in [
        (
            "/admin".to_owned(),
            vec!["Failed logins", "<svg", "aria-label=\"Logins of the last 24h", "<table", ROOT],
        ),
        ("/admin?window=30d".to_owned(), vec!["Refreshes"]),
        ("/admin/users".to_owned(), vec![ADA, ROOT, "New user"]),
        ("/admin/users?query=ad&status=active&role=user".to_owned(), vec![ADA]),
        (user.clone(), vec![ADA, "Deactivate", "login_failed", "invalid_credentials"]),
        (format!("{user}/edit"), vec!["role:admin", ADA]),
        (format!("{user}/delete"), vec!["Type the address"]),
        ("/admin/users/new".to_owned(), vec!["Make the account"]),
        ("/admin/sessions?state=open".to_owned(), vec![ADA, "bearer", "cookie"]),
        ("/admin/sessions?ip_address=203.0.113.1".to_owned(), vec!["End all from 203.0.113.1"]),
        (session, vec!["It is open", "signed up", "End this session"]),
        ("/admin/roles".to_owned(), vec!["admin", "built in"]),
        ("/admin/roles/edit?name=user".to_owned(), vec!["Permissions"]),
        ("/admin/events?type=login_failed".to_owned(), vec!["data-live", "invalid_credentials"]),
        ("/admin/suspicious?window=7d".to_owned(), vec!["Nothing suspicious"]),
        ("/admin/keys".to_owned(), vec![&kid, "active"]),
        ("/admin/keys/rotate".to_owned(), vec!["nobody is signed out"]),
        (format!("/admin/keys/{kid}/revoke"), vec![&kid]),
        ("/admin/service-keys".to_owned(), vec!["none yet"]),
        ("/admin/service-keys/new".to_owned(), vec!["scope:introspect"]),
        ("/admin/settings".to_owned(), vec!["203.0.113.1 asks directly", "SameSite=Lax", "tokens.algorithm"]),
    ] {
        app.tick().await;
        let before = app.dump();
        let text = page(&browser.navigate(&app, &path).await);
        for part in parts {
            assert!(text.contains(part), "{part:?} in {path}: {text}");
        }
        assert_eq!(text.matches("<h1>").count(), 1, "{path}");
        assert_eq!(app.dump(), before, "to look at {path} changes nothing");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_filter_is_told_beside_it() {
    let app = App::new().await;
    let mut browser = administrator(&app).await;
    for (path, field) in [
        ("/admin/events?ip_address=x", "ip-address-error"),
        ("/admin/events?since=yesterday", "since-error"),
        ("/admin/sessions?ip_address=x", "ip-address-error"),
    ] {
        let text = browser.navigate(&app, path).await;
        assert_eq!(text.status, 422);
        assert!(text.text().contains(field) && text.text().contains("role=\"alert\""), "{}", text.text());
    }
    for path in
        ["/admin/sessions?state=gone", "/admin/users?role=%00", "/admin/users?cursor=x", "/admin?window=1h"]
    {
        assert_eq!(browser.navigate(&app, path).await.status, 422, "{path}");
    }
    let nowhere = "0195f6a0-0000-7000-8000-000000000000";
    for path in
        ["users/x", "sessions/x", "keys/x/revoke", "service-keys/x/revoke", &format!("users/{nowhere}")]
    {
        browser.navigate(&app, &format!("/admin/{path}")).await.refused_by_page(404, "not_found");
    }
}

#[tokio::test]
async fn nobody_but_an_administrator_gets_in() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    let said = ada.navigate(&app, "/admin").await.refused_by_page(403, "forbidden");
    assert!(said.contains("not for you"), "{said}");
    let reply = Browser::default().navigate(&app, "/admin/users?query=a").await;
    assert_eq!(reply.status, 303);
    let to = reply.one("location").expect("a way on");
    assert!(to.contains("/api/auth/renew?next=") && to.contains("admin") && to.contains("users"), "{to}");
    // What is grave leads to where the password is asked for, and back.
    let mut root = administrator(&app).await;
    app.pass(11 * MINUTE);
    page(&root.navigate(&app, "/admin/keys").await);
    let reply = root.navigate(&app, "/admin/keys/rotate").await;
    let to = reply.one("location").expect("a way on");
    assert_eq!(reply.status, 303);
    assert!(to.contains("/reauthenticate?next=") && to.ends_with("rotate"), "{to}");
}

#[tokio::test]
async fn nothing_that_comes_from_outside_becomes_a_part_of_a_page() {
    let app = App::with(Settings { log_refresh: true, ..settings() }).await;
    let mut browser = administrator(&app).await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let body = serde_json::json!({"email": "a'b&c@example.com", "password": PASSWORD});
    let made = app.send(post("/api/auth/signup").header("user-agent", evil).json(body)).await.ok(201);
    app.signup(BOB).await;
    let name = "x\"><script>alert(2)</script>";
    let (user, session) =
        (made["user_id"].as_str().expect("an id"), made["session_id"].as_str().expect("an id"));
    let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    for path in [
        "/admin".to_owned(),
        "/admin/users".to_owned(),
        format!("/admin/users?query={encoded}"),
        format!("/admin/users?role={encoded}"),
        format!("/admin/users/{user}"),
        format!("/admin/users/{user}/edit"),
        format!("/admin/users/{user}/delete"),
        "/admin/sessions".to_owned(),
        format!("/admin/sessions?ip_address={encoded}&state={encoded}"),
        format!("/admin/sessions/{session}"),
        "/admin/events".to_owned(),
        format!("/admin/events?type={encoded}&since={encoded}&user_id={encoded}"),
        format!("/admin/roles/edit?name={encoded}"),
    ] {
        let text = browser.navigate(&app, &path).await.text();
        assert!(!text.contains("<script>alert") && !text.contains("<img"), "{path}: {text}");
        assert!(!text.contains("a'b&c@"), "{path}: {text}");
    }
    // It is shown all the same, as the text that it is.
    for (path, shown) in [
        ("/admin/users".to_owned(), "a&#39;b&#38;c@example.com"),
        (format!("/admin/users?query={encoded}"), "x&#34;&#62;&#60;script&#62;alert(2)"),
        (format!("/admin/sessions/{session}"), "&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;"),
    ] {
        let text = browser.navigate(&app, &path).await.text();
        assert!(text.contains(shown), "{path}: {text}");
    }
    let ask =
        get("/admin/settings").header("x-forwarded-for", evil.as_bytes()).header("x-forwarded-proto", evil);
    let text = browser
        .bare(&app, ask.header("sec-fetch-mode", "navigate").header("sec-fetch-site", "same-origin"))
        .await;
    assert!(text.text().contains("x-forwarded-for") && !text.text().contains("<img"), "{}", text.text());
}
