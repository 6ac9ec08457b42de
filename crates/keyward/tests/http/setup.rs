//! `GET /setup`, `POST /setup`

use std::sync::Arc;

use keyward::AccountQuery;

use crate::support::{ADA, App, BOB, Browser, PASSWORD, form, get};

async fn link(app: &App) -> String {
    app.keyward.setup_token().await.expect("asked").expect("there is none yet")
}

#[tokio::test]
async fn the_link_makes_the_first_administrator_and_dies() {
    let app = App::new().await;
    let token = link(&app).await;
    let page = app.send(get(&format!("/setup?token={token}"))).await;
    assert_eq!((page.status, page.all("cache-control")), (200, vec!["no-store"]));
    assert!(page.text().contains(&format!("name=\"token\" value=\"{token}\"")), "{}", page.text());
    assert!(page.text().contains("autocomplete=\"new-password\""));
    let mut browser = Browser::default();
    let fields = [("token", token.as_str()), ("email", ADA), ("password", PASSWORD)];
    let reply = browser.submit(&app, "/setup", &fields).await;
    assert_eq!((reply.status, reply.one("location"), reply.cookies().len()), (303, Some("/"), 3));
    assert_eq!(app.events(), ["login", "signup"]);
    let me = browser.session(&app).await.ok(200);
    assert!(me["roles"].as_array().is_some_and(|roles| roles.iter().any(|role| role == "admin")), "{me}");
    assert_eq!(me["email_verified"], true);
    app.tick().await;
    app.events();
    let before = app.dump();
    browser.navigate(&app, &format!("/setup?token={token}")).await.refused_by_page(404, "not_found");
    browser.navigate(&app, "/setup").await.refused_by_page(404, "not_found");
    let fields = [("token", token.as_str()), ("email", BOB), ("password", PASSWORD)];
    Browser::default().submit(&app, "/setup", &fields).await.refused_by_page(404, "not_found");
    assert_eq!(app.dump(), before);
    assert_eq!(app.keyward.setup_token().await.expect("asked"), None);
}

/// Eight people follow the link at once: four new ones and four who ask for the same account.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_who_have_the_link_one_becomes_the_administrator() {
    let app = Arc::new(App::new().await);
    app.signup(ADA).await;
    let token = link(&app).await;
    let asked: Vec<_> = (0..8)
        .map(|n| {
            let (app, token) = (Arc::clone(&app), token.clone());
            tokio::spawn(async move {
                let email = if n % 2 == 0 { format!("new{n}@example.com") } else { ADA.to_owned() };
                let fields = [("token", token.as_str()), ("email", &email), ("password", PASSWORD)];
                app.send(form("/setup", &fields)).await.status
            })
        })
        .collect();
    let mut answers = Vec::new();
    for one in asked {
        answers.push(one.await.expect("no panic"));
    }
    answers.sort_unstable();
    assert_eq!(answers, [[303].as_slice(), &[404; 7]].concat());
    let admins = AccountQuery { role: Some("admin".to_owned()), ..AccountQuery::default() };
    assert_eq!(app.keyward.accounts(&admins).await.expect("found").users.len(), 1);
}

#[tokio::test]
async fn without_the_link_one_is_told_how_to_get_it() {
    let app = App::new().await;
    let token = link(&app).await;
    let before = app.dump();
    let page = app.send(get("/setup")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("keyward admin upsert") && !page.text().contains(&token));
    for wrong in ["?token=", "?token=x", &format!("?token={token}x"), "?token=%22%3E%3Cscript%3E"] {
        let reply = app.send(get(&format!("/setup{wrong}"))).await;
        assert_eq!((reply.status, reply.one("x-keyward-error")), (404, Some("not_found")), "{wrong}");
        let page = reply.text();
        assert!(!page.contains(&token) && !page.contains("<form") && !page.contains("<script>"), "{page}");
    }
    let fields = [("token", "x"), ("email", ADA), ("password", PASSWORD)];
    assert_eq!(app.send(form("/setup", &fields)).await.status, 404);
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn what_is_wrong_leaves_the_link_good() {
    let app = App::new().await;
    let token = link(&app).await;
    let before = app.dump();
    let fields = [("token", token.as_str()), ("email", "x"), ("password", "short")];
    let reply = app.send(form("/setup", &fields)).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (422, Some("validation_failed")));
    assert!(reply.text().contains(&token) && !reply.text().contains("=\"short\""));
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn an_account_that_is_there_already_becomes_the_administrator() {
    let app = App::new().await;
    let mut squatter = Browser::signed_up(&app, ADA).await;
    let token = link(&app).await;
    let password = "Operator-Pass-9";
    let fields = [("token", token.as_str()), ("email", ADA), ("password", password)];
    assert_eq!(Browser::default().submit(&app, "/setup", &fields).await.status, 303);
    squatter.session(&app).await.refused(401, "session_revoked");
    app.send(crate::support::login(ADA, PASSWORD)).await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn any_node_says_the_same_link() {
    let app = App::new().await;
    let beside = app.beside().await;
    assert_eq!(beside.setup_token().await.expect("asked"), Some(link(&app).await));
}
