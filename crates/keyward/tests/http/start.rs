//! `GET /`

use crate::support::{ADA, App, Browser, DAY, get};

#[tokio::test]
async fn it_leads_to_the_account_to_the_login_or_to_the_setup() {
    let app = App::new().await;
    let page = app.send(get("/")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("/setup?token=") && page.text().contains("keyward admin upsert"));
    app.admin().await;
    let reply = app.send(get("/")).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/login")));
    let mut ada = Browser::signed_up(&app, ADA).await;
    let reply = ada.navigate(&app, "/").await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/account")));
    app.pass(DAY);
    // Only the account itself can tell that its session is over.
    assert_eq!(ada.navigate(&app, "/").await.one("location"), Some("/account"));
}

#[tokio::test]
async fn an_application_that_embeds_keyward_has_its_own() {
    use tower::ServiceExt as _;
    let app = App::new().await;
    let own = axum::Router::new().route("/", axum::routing::get(|| async { "the application" }));
    let router = own.merge(app.keyward.router());
    let request = http::Request::get("/").body(axum::body::Body::empty()).expect("a request");
    let response = router.oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), 200);
}
