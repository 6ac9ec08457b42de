//! Are tasks their owner's alone, on both transports? A real server, asked over HTTP.

mod support;

use serde_json::{Value, json};
use support::{ADA, BOB, Caller, Server};

#[tokio::test]
async fn a_person_keeps_tasks_on_both_transports() {
    let server = Server::start().await;
    for caller in [server.app(ADA).await, server.browser(BOB).await] {
        let tasks = caller.tasks();
        assert_eq!(caller.get(&tasks).await.ok(200), json!([]));
        let made = caller.post(&tasks, json!({"title": " Write a compiler "})).await.ok(201);
        assert_eq!((&made["title"], &made["done"]), (&json!("Write a compiler"), &json!(false)));
        let task = format!("{tasks}/{}", made["id"]);
        assert_eq!(caller.get(&task).await.ok(200), made);
        let done = caller.patch(&task, json!({"done": true})).await.ok(200);
        assert_eq!((&done["title"], &done["done"]), (&json!("Write a compiler"), &json!(true)));
        let named = caller.patch(&task, json!({"title": "Ship it"})).await.ok(200);
        assert_eq!((&named["title"], &named["done"]), (&json!("Ship it"), &json!(true)));
        let other = caller.post(&tasks, json!({"title": "Rest"})).await.ok(201);
        assert_eq!(caller.get(&tasks).await.ok(200), json!([other, named]));
        let removed = caller.delete(&task).await;
        assert_eq!((removed.status, removed.text.as_str()), (204, ""));
        caller.get(&task).await.refused(404, "not_found");
        caller.patch(&task, json!({"done": true})).await.refused(404, "not_found");
        caller.delete(&task).await.refused(404, "not_found");
        assert_eq!(caller.get(&tasks).await.ok(200), json!([other]));
    }
}

/// Every route of the API for this person, with a body where it takes one.
fn every_route(tasks: &str) -> Vec<(&'static str, String, Option<Value>)> {
    let task = format!("{tasks}/1");
    vec![
        ("GET", tasks.to_owned(), None),
        ("POST", tasks.to_owned(), Some(json!({"title": "Mine now"}))),
        ("GET", task.clone(), None),
        ("PATCH", task.clone(), Some(json!({"done": true}))),
        ("DELETE", task, None),
    ]
}

async fn all_refused(caller: &Caller, tasks: &str, status: u16, code: &str) {
    for (method, path, body) in every_route(tasks) {
        caller.ask(method, &path, body).await.refused(status, code);
    }
}

#[tokio::test]
async fn nobody_touches_the_tasks_of_anybody_else() {
    let server = Server::start().await;
    let ada = server.app(ADA).await;
    let made = ada.post(&ada.tasks(), json!({"title": "Write a compiler"})).await.ok(201);
    assert_eq!(made["id"], 1);
    for bob in [server.app(BOB).await, server.browser("bo@example.com").await] {
        all_refused(&bob, &ada.tasks(), 403, "forbidden").await;
        all_refused(&bob, "/api/00000000-0000-7000-8000-000000000000/tasks", 403, "forbidden").await;
        all_refused(&bob, "/api/me/tasks", 403, "forbidden").await;
        // Nor by its number, under their own name.
        let task = format!("{}/1", bob.tasks());
        bob.get(&task).await.refused(404, "not_found");
        bob.patch(&task, json!({"done": true})).await.refused(404, "not_found");
        bob.delete(&task).await.refused(404, "not_found");
    }
    assert_eq!(ada.get(&ada.tasks()).await.ok(200), json!([made]));
}

#[tokio::test]
async fn who_is_not_signed_in_gets_nothing() {
    let server = Server::start().await;
    let ada = server.app(ADA).await;
    let tasks = ada.tasks();
    all_refused(&ada.without_token(), &tasks, 401, "missing_token").await;
    all_refused(&ada.with_token("x.y.z"), &tasks, 401, "invalid_token").await;
    let token = ada.token();
    let end = if token.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{end}", &token[..token.len() - 1]);
    all_refused(&ada.with_token(&forged), &tasks, 401, "invalid_token").await;
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let swapped = format!("{header}.{}.{signature}", payload.to_uppercase());
    all_refused(&ada.with_token(&swapped), &tasks, 401, "invalid_token").await;
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let server = Server::start().await;
    let (app, browser) = (server.app(ADA).await, server.browser(BOB).await);
    server.pass(15 * 60 - 1);
    app.get(&app.tasks()).await.ok(200);
    browser.get(&browser.tasks()).await.ok(200);
    server.pass(1);
    all_refused(&app, &app.tasks(), 401, "token_expired").await;
    all_refused(&browser, &browser.tasks(), 401, "token_expired").await;
}

#[tokio::test]
async fn a_session_that_ended_is_refused_on_the_very_next_request() {
    let server = Server::start().await;
    let (app, browser) = (server.app(ADA).await, server.browser(BOB).await);
    for caller in [&app, &browser] {
        caller.get(&caller.tasks()).await.ok(200);
        caller.ask("POST", "/api/auth/logout", None).await.ok(200);
        all_refused(caller, &caller.tasks(), 401, "session_revoked").await;
    }
    // Ended by somebody else: an operator, or the person from another device.
    let again = server.app("cy@example.com").await;
    again.get(&again.tasks()).await.ok(200);
    let user = again.user().parse().expect("an id");
    let ended = server.keyward.revoke_sessions_of(user, &keyward::Client::operator()).await;
    assert_eq!(ended.expect("ended"), 1);
    all_refused(&again, &again.tasks(), 401, "session_revoked").await;
}

#[tokio::test]
async fn another_site_can_not_make_a_browser_change_anything() {
    let server = Server::start().await;
    let browser = server.browser(ADA).await;
    let made = browser.post(&browser.tasks(), json!({"title": "Mine"})).await.ok(201);
    for foreign in [
        vec![],
        vec![("origin", "https://evil.example")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site"), ("origin", "https://evil.example")],
    ] {
        let caller = browser.from(&foreign);
        for (method, path, body) in every_route(&browser.tasks()) {
            let reply = caller.ask(method, &path, body).await;
            if method == "GET" {
                reply.ok(200);
            } else {
                reply.refused(403, "cross_site_request");
            }
        }
    }
    assert_eq!(browser.get(&browser.tasks()).await.ok(200), json!([made]));
}

#[tokio::test]
async fn bad_input_is_told_by_the_name_of_the_field() {
    let server = Server::start().await;
    for caller in [server.app(ADA).await, server.browser(BOB).await] {
        let tasks = caller.tasks();
        let long = "x".repeat(201);
        let made = caller.post(&tasks, json!({"title": "x".repeat(200)})).await.ok(201);
        let task = format!("{tasks}/{}", made["id"]);
        for bad in [
            json!({}),
            json!({"title": ""}),
            json!({"title": "  "}),
            json!({"title": 1}),
            json!({"title": long}),
        ] {
            assert_eq!(caller.post(&tasks, bad.clone()).await.wrong_fields(), ["title"], "{bad}");
        }
        assert_eq!(
            caller.patch(&task, json!({"title": null, "done": "yes"})).await.wrong_fields(),
            ["title", "done"]
        );
        assert_eq!(caller.post(&tasks, json!(["title"])).await.wrong_fields(), [""]);
        assert_eq!(caller.patch(&task, json!({})).await.ok(200), made);
        caller.raw("POST", &tasks, "application/json", "{\"title\":").await.refused(400, "malformed_json");
        caller.raw("POST", &tasks, "text/plain", "{}").await.refused(415, "unsupported_media_type");
        let large = json!({"title": "x".repeat(70_000)}).to_string();
        caller.raw("POST", &tasks, "application/json", &large).await.refused(413, "body_too_large");
        for nothing in ["0", "-1", "x", "1.0", "99999999999999999999", "%20"] {
            caller.get(&format!("{tasks}/{nothing}")).await.refused(404, "not_found");
        }
        caller.ask("PUT", &tasks, Some(json!({}))).await.refused(405, "method_not_allowed");
        caller.get("/nothing").await.refused(404, "not_found");
        // Who is not signed in is not told what else is wrong.
        caller.without_token().raw("POST", &tasks, "text/plain", "{").await.refused(401, "missing_token");
    }
}

#[tokio::test]
async fn tasks_go_with_the_account_they_belong_to() {
    let server = Server::start().await;
    let (ada, bob) = (server.app(ADA).await, server.app(BOB).await);
    for caller in [&ada, &bob] {
        caller.post(&caller.tasks(), json!({"title": "Mine"})).await.ok(201);
    }
    let user = ada.user().parse().expect("an id");
    server.keyward.delete_account(user, &keyward::Client::operator()).await.expect("deleted");
    let left: i64 =
        server.database().query_row("SELECT count(*) FROM task", [], |row| row.get(0)).expect("a count");
    assert_eq!(left, 1);
    bob.get(&bob.tasks()).await.ok(200);
}

#[tokio::test]
async fn keyward_and_the_application_wait_for_each_other_in_one_file() {
    let server = Server::start().await;
    let ada = server.app(ADA).await;
    // The application holds the database; a login waits until it lets go.
    let db = server.database();
    db.execute_batch("BEGIN IMMEDIATE; UPDATE task SET done = TRUE").expect("begun");
    let login = async { server.login(ADA).await };
    tokio::pin!(login);
    tokio::select! {
        biased;
        _ = &mut login => panic!("it was written beside a transaction that holds the database"),
        () = tokio::time::sleep(std::time::Duration::from_millis(300)) => {}
    }
    db.execute_batch("COMMIT").expect("committed");
    login.await;
    // And many of both at once are all written.
    let tasks = ada.tasks();
    let work = (0..20).map(|n| {
        let (server, ada, tasks) = (server.clone(), ada.clone(), tasks.clone());
        tokio::spawn(async move {
            ada.post(&tasks, json!({"title": format!("Task {n}")})).await.ok(201);
            server.login(ADA).await;
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.expect("done");
    }
    assert_eq!(ada.get(&tasks).await.ok(200).as_array().expect("a list").len(), 20);
}

#[tokio::test]
async fn the_page_loads_nothing_but_its_own_files() {
    let server = Server::start().await;
    let nobody = server.nobody();
    let page = nobody.get("/").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    for inline in ["<script>", "<style", " style=", " onclick=", "javascript:", "http:", "https:"] {
        assert!(!page.text.contains(inline), "{inline}");
    }
    for (path, kind) in [
        ("/tasks.js", "text/javascript; charset=utf-8"),
        ("/tasks.css", "text/css; charset=utf-8"),
        ("/client/keyward.js", "text/javascript"),
    ] {
        let file = nobody.get(path).await;
        assert_eq!(file.status, 200, "{path}");
        assert!(file.header("content-type").starts_with(kind), "{path}");
    }
}
