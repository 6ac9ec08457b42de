//! What a handler of an application can ask for.

use axum::extract::{Path, State};
use axum::routing::{get as route, post as route_post};
use axum::{Json, Router};
use http::StatusCode;
use keyward::{Admin, Client, Denial, Error, FieldError, Keyward, Owner, RecentLogin, Session};
use serde_json::{Value, json};

use crate::log::Log;
use crate::support::{ADA, App, BOB, Browser, MINUTE, ROOT, get, post};

async fn task(owner: Owner, Path((_, id)): Path<(String, u32)>) -> Result<String, Error> {
    match id {
        1 => Ok(format!("a task of {}", owner.email())),
        2 => Err(FieldError::new("title", "give 1 to 200 characters").into()),
        _ => Err(Denial::NotFound.into()),
    }
}

async fn everything(
    State(name): State<&'static str>,
    keyward: Keyward,
    client: Client,
    session: Session,
) -> Result<Json<Value>, Error> {
    let open = keyward.sessions_of(session.user_id(), 10).await?.len();
    Ok(Json(json!({
        "name": name,
        "ip": client.ip,
        "user_agent": client.user_agent,
        "open": open,
        "user_id": session.user_id(),
        "session_id": session.session_id(),
        "email_verified": session.email_verified(),
        "phone_number": session.phone_number(),
        "roles": session.roles(),
        "permissions": session.permissions(),
        "auth_time": session.auth_time(),
        "expires_at": session.expires_at(),
    })))
}

async fn delete_account(recent: RecentLogin, keyward: Keyward, client: Client) -> Result<StatusCode, Error> {
    keyward.delete_account(recent.user_id(), &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn application(keyward: &Keyward) -> Router {
    Router::new()
        .route("/api/{user_id}/tasks/{id}", route(task))
        .route("/app/everything", route(everything))
        .route("/app/admin", route(|admin: Admin| async move { admin.email().to_owned() }))
        .route("/app/delete-account", route_post(delete_account))
        .layer(keyward.layer())
        .merge(keyward.router())
        .with_state("a state of its own")
}

async fn app() -> App {
    App::new().await.within(application)
}

#[tokio::test]
async fn what_belongs_to_a_user_is_nobody_elses() {
    let app = app().await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    let admin = app.admin().await;
    let path = |user: &str, id: u32| format!("/api/{user}/tasks/{id}");
    let asked = async |user: &str, id: u32, token: &str| app.send(get(&path(user, id)).bearer(token)).await;
    assert_eq!(asked(&ada.user, 1, &ada.access).await.text(), format!("a task of {ADA}"));
    assert_eq!(asked(&bob.user, 1, &bob.access).await.text(), format!("a task of {BOB}"));
    let upper = ada.user.to_uppercase();
    let bare = ada.user.replace('-', "");
    for other in [&*bob.user, &upper, &bare, "00000000-0000-7000-8000-000000000000", "me", "%20"] {
        asked(other, 1, &ada.access).await.refused(403, "forbidden");
        app.send(get(&path(other, 1))).await.refused(401, "missing_token");
    }
    asked("%ff", 1, &ada.access).await.refused(404, "not_found");
    app.send(get(&path("%ff", 1))).await.refused(401, "missing_token");
    asked(&ada.user, 1, &admin.access).await.refused(403, "forbidden");
    asked(&ada.user, 2, &bob.access).await.refused(403, "forbidden");
    // What a handler says itself is told in the same words.
    assert_eq!(asked(&ada.user, 2, &ada.access).await.invalid_fields(), ["title"]);
    let named = get(&path(&ada.user, 3)).bearer(&ada.access).header("x-request-id", "mine.2");
    assert_eq!(app.send(named).await.refused(404, "not_found")["request_id"], "mine.2");
    let mut browser = Browser::signed_in(&app, ADA).await;
    assert_eq!(browser.get(&app, &path(&ada.user, 1)).await.text(), format!("a task of {ADA}"));
    browser.get(&app, &path(&bob.user, 1)).await.refused(403, "forbidden");
}

#[tokio::test]
async fn an_administrator_is_one_by_role() {
    let app = app().await;
    let (ada, root) = (app.signup(ADA).await, app.admin().await);
    app.send(get("/app/admin")).await.refused(401, "missing_token");
    app.send(get("/app/admin").bearer(&ada.access)).await.refused(403, "forbidden");
    assert_eq!(app.send(get("/app/admin").bearer(&root.access)).await.text(), ROOT);
}

#[tokio::test]
async fn what_is_grave_asks_for_a_recent_login() {
    let app = app().await;
    let ada = app.signup(ADA).await;
    app.pass(10 * MINUTE + 1);
    let ask = || post("/app/delete-account").bearer(&ada.access);
    app.send(post("/app/delete-account")).await.refused(401, "missing_token");
    app.send(ask()).await.refused(403, "reauthentication_required");
    assert_eq!(app.count("account"), 1);
    let recent = app.login(ADA).await;
    assert_eq!(app.send(post("/app/delete-account").bearer(&recent.access)).await.status, 204);
    assert_eq!(app.count("account"), 0);
    app.send(ask()).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn a_handler_of_any_state_gets_all_there_is_to_know() {
    let app = app().await;
    let ada = app.signup(ADA).await;
    let ask = get("/app/everything").bearer(&ada.access).from("203.0.113.9").header("user-agent", "curl/8");
    let shown = app.session(&ada.access).await.ok(200);
    let known = app.send(ask).await.json();
    assert_eq!((&known["name"], &known["ip"]), (&json!("a state of its own"), &json!("203.0.113.9")));
    assert_eq!((&known["user_agent"], &known["open"]), (&json!("curl/8"), &json!(1)));
    for same in
        ["user_id", "session_id", "email_verified", "phone_number", "roles", "permissions", "expires_at"]
    {
        assert_eq!(known[same], shown[same], "{same}");
    }
    assert_eq!(known["auth_time"], crate::support::moment(crate::support::START));
}

#[tokio::test]
async fn without_the_layer_nobody_gets_in_and_the_log_says_what_is_missing() {
    let log = Log::begin();
    let app = App::new().await.within(|keyward| {
        Router::new()
            .route("/app/who", route(|_: Session| async { "in" }))
            .route("/app/perhaps", route(|_: Option<Session>| async { "in" }))
            .route("/app/admin", route(|_: Admin| async { "in" }))
            .route("/app/recent", route(|_: RecentLogin| async { "in" }))
            .route("/app/keyward", route(|_: Keyward| async { "in" }))
            .route("/app/client", route(|_: Client| async { "in" }))
            .route("/api/{user_id}/tasks", route(|_: Owner| async { "in" }))
            .merge(keyward.router())
    });
    let ada = app.signup(ADA).await;
    let own = format!("/api/{}/tasks", ada.user);
    for path in
        ["/app/who", "/app/perhaps", "/app/admin", "/app/recent", "/app/keyward", "/app/client", own.as_str()]
    {
        let reply = app.send(get(path).bearer(&ada.access)).await;
        assert_eq!((reply.status, reply.one("x-keyward-error")), (500, Some("internal_error")), "{path}");
    }
    assert_eq!(log.text().matches(".layer(keyward.layer())").count(), 7);
}

#[tokio::test]
async fn an_owner_of_a_path_that_names_nobody_is_a_fault_that_lets_nobody_in() {
    let log = Log::begin();
    let app = App::new().await.within(|keyward| {
        let tasks = Router::new().route("/app/{user}/tasks", route(|_: Owner| async { "in" }));
        tasks.layer(keyward.layer()).merge(keyward.router())
    });
    let ada = app.signup(ADA).await;
    let path = format!("/app/{}/tasks", ada.user);
    app.send(get(&path)).await.refused(401, "missing_token");
    assert_eq!(app.send(get(&path).bearer(&ada.access)).await.status, 500);
    assert!(log.text().contains("has no {user_id}"));
}
