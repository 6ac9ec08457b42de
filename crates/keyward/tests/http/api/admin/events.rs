//! `GET /api/admin/events`: filters, pages, and what a flood leaves; then the chain.

mod chain;
mod flood;
mod suspicious;

use serde_json::{Value, json};

use crate::support::{
    ADA, App, BOB, OTHER_PASSWORD, PASSWORD, Reply, Tokens, get, login, moment, post, text,
};

/// What an administrator is told of this query.
pub(super) async fn ask(app: &App, admin: &Tokens, query: &str) -> Reply {
    app.send(get(&format!("/api/admin/events{query}")).bearer(&admin.access)).await
}

/// The events of this query on one page.
pub(super) async fn events(app: &App, admin: &Tokens, query: &str) -> Vec<Value> {
    let page = ask(app, admin, query).await.ok(200);
    assert_eq!(page["next_cursor"], Value::Null, "all on one page: {page}");
    page["events"].as_array().expect("a list").clone()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| text(event, "event_type")).collect()
}

#[tokio::test]
async fn an_event_says_who_what_when_and_from_where() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.pass(7);
    let ask_login = login(ADA, PASSWORD).from("198.51.100.7").header("user-agent", "Firefox/140 on Linux");
    let ada = app.signup(ADA).await;
    app.pass(1);
    let tokens = Tokens::of(&app.send(ask_login).await.ok(200));
    let found = events(&app, &admin, &format!("?user_id={}&type=login", ada.user)).await;
    assert_eq!(
        found,
        [json!({
            "id": found[0]["id"],
            "user_id": ada.user,
            "session_id": tokens.session,
            "event_type": "login",
            "ip_address": "198.51.100.7",
            "user_agent": "Firefox/140 on Linux",
            "success": true,
            "failure_reason": null,
            "created_at": moment(app.now()),
            "details": {"transport": "bearer"},
        })]
    );
    app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    let failed = events(&app, &admin, "?type=login_failed").await;
    assert_eq!(
        (&failed[0]["success"], &failed[0]["failure_reason"]),
        (&json!(false), &json!("invalid_credentials"))
    );
    app.events();
}

#[tokio::test]
async fn each_filter_and_their_combinations() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.pass(60);
    let ada = app.signup(ADA).await;
    app.pass(60);
    app.send(login(ADA, OTHER_PASSWORD).from("198.51.100.7")).await.refused(401, "invalid_credentials");
    app.pass(1);
    app.send(login(ADA, PASSWORD).from("2001:db8:1:2::7")).await.ok(200);
    app.pass(60);
    let noon = app.now();
    app.send(login(BOB, OTHER_PASSWORD).from("2001:db8:1:2::8")).await.refused(401, "invalid_credentials");
    let user = format!("user_id={}", ada.user);
    for (query, expected) in [
        (user.clone(), vec!["login", "login_failed", "signup"]),
        (format!("{user}&success=false"), vec!["login_failed"]),
        (format!("{user}&type=login&success=true"), vec!["login"]),
        (format!("{user}&type=login&success=false"), vec![]),
        ("success=false".into(), vec!["login_failed", "login_failed"]),
        ("type=signup".into(), vec!["signup", "signup"]),
        ("ip_address=198.51.100.7".into(), vec!["login_failed"]),
        ("ip_address=2001:db8:1:2::7".into(), vec!["login"]),
        ("ip_address=2001:DB8:1:2:0::8".into(), vec!["login_failed"]),
        ("ip_address=2001:db8:1:2::%2F64".into(), vec!["login_failed", "login"]),
        (format!("ip_address=2001:db8:1:2::/64&{user}"), vec!["login"]),
        (format!("since={}", moment(noon)), vec!["login_failed"]),
        (format!("until={}&success=false", moment(noon)), vec!["login_failed"]),
        (format!("since={}&until={}", moment(noon - 61), moment(noon)), vec!["login", "login_failed"]),
        (format!("session_id={}", ada.session), vec!["signup"]),
        ("type=key_revoked".into(), vec![]),
    ] {
        assert_eq!(types(&events(&app, &admin, &format!("?{query}")).await), expected, "{query}");
    }
    app.events();
}

#[tokio::test]
async fn pages_go_on_where_they_stopped_while_events_are_added() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.signup(ADA).await;
    for _ in 0..7 {
        app.pass(1);
        app.login(ADA).await;
    }
    let all = events(&app, &admin, "").await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(&app, &admin, &format!("?limit=3{cursor}")).await.ok(200);
        seen.extend(page["events"].as_array().expect("a list").iter().cloned());
        app.pass(1);
        app.login(ADA).await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all, "each once, and nothing that came later");
    assert!(seen.is_sorted_by_key(|event| std::cmp::Reverse(text(event, "id").to_owned())), "newest first");
    app.events();
}

#[tokio::test]
async fn a_filter_that_says_nothing_is_refused_by_name() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.tick().await;
    let before = app.dump();
    for (query, field) in [
        ("user_id=ada", "user_id"),
        ("type=signin", "type"),
        ("success=yes", "success"),
        ("ip_address=10.0.0.0/8", "ip_address"),
        ("ip_address=example.com", "ip_address"),
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("type=login&type=logout", "type"),
        ("user_id=%00", "user_id"),
        ("since=%FF", "since"),
    ] {
        let reply = ask(&app, &admin, &format!("?{query}")).await;
        assert_eq!(reply.invalid_fields(), [field], "{query}");
    }
    let reply = ask(&app, &admin, "?user_id=x&limit=x&nobody=asks").await;
    assert_eq!(reply.invalid_fields(), ["user_id", "limit"], "all at once");
    ask(&app, &admin, "?user_id=&type=&cursor=&limit=").await.ok(200);
    ask(&app, &admin, "?user_id='%20OR%201=1").await.invalid_fields();
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn an_event_is_one_line_whatever_a_client_sends() {
    let app = App::new().await;
    let admin = app.admin().await;
    let agent = "a\u{2028}b\u{202e}c\u{feff}d".as_bytes();
    app.send(login("x\r\nForged: 1\u{1b}[2J", "y").header("user-agent", agent))
        .await
        .refused(401, "invalid_credentials");
    let found = events(&app, &admin, "?type=login_failed").await;
    assert_eq!(found[0]["user_agent"], "abcd");
    let written = found[0].to_string();
    assert_eq!(written.lines().count(), 1);
    assert!(written.is_ascii() && !written.contains("Forged"), "{written}");
    app.send(post("/api/auth/logout").header("x-request-id", "a b")).await.ok(200);
    app.events();
}
