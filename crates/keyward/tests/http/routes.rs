//! Has every route a case without permission? A new one makes this fail until it has.

use std::collections::BTreeSet;

use http::Method;
use keyward::Keyward;
use serde_json::{Value, json};

use crate::support::{ADA, App, Ask, OTHER_PASSWORD, PASSWORD, master_key, settings};

/// Method, path as it is in the table, and how it refuses who asks without anything.
const CASES: &[(&str, &str, Refusal)] = &[
    ("POST", "/api/auth/signup", Refusal::CrossSite),
    ("POST", "/api/auth/login", Refusal::CrossSite),
    ("POST", "/api/auth/refresh", Refusal::CrossSite),
    ("GET", "/api/auth/renew", Refusal::Missing),
    ("GET", "/api/auth/session", Refusal::Missing),
    ("POST", "/api/auth/activity", Refusal::Missing),
    ("POST", "/api/auth/logout", Refusal::CrossSite),
    ("POST", "/api/auth/logout-all", Refusal::Missing),
    ("GET", "/api/auth/sessions", Refusal::Missing),
    ("DELETE", "/api/auth/sessions/{id}", Refusal::Missing),
    ("POST", "/api/auth/password/change", Refusal::Missing),
    ("POST", "/api/auth/password/forgot", Refusal::CrossSite),
    ("POST", "/api/auth/password/reset", Refusal::CrossSite),
    ("POST", "/api/auth/email/verify", Refusal::CrossSite),
    ("POST", "/api/auth/email/verify/resend", Refusal::CrossSite),
    ("POST", "/api/auth/reauthenticate", Refusal::Missing),
    ("GET", "/.well-known/jwks.json", Refusal::Public),
    ("GET", "/.well-known/oauth-authorization-server", Refusal::Public),
    ("GET", "/forgot", Refusal::Page),
    ("POST", "/forgot", Refusal::CrossSite),
    ("GET", "/reset", Refusal::Page),
    ("POST", "/reset", Refusal::CrossSite),
    ("GET", "/verify-email", Refusal::Page),
    ("POST", "/verify-email", Refusal::CrossSite),
    ("GET", "/dev/mailbox", Refusal::Hidden),
    ("GET", "/healthz", Refusal::Public),
    ("GET", "/readyz", Refusal::Public),
    ("GET", "/setup", Refusal::Hidden),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Refusal {
    /// Without a session it is `missing_token`.
    Missing,
    /// Anybody may ask; another site may not make a browser ask.
    CrossSite,
    /// Who does not know its secret is told that there is nothing.
    Hidden,
    /// Anybody may read it.
    Public,
    /// Anybody may see it, and what it asks for has to be sent.
    Page,
}

#[tokio::test]
async fn every_route_refuses_who_has_no_permission_and_nothing_changes() {
    let listed: BTreeSet<(String, &str)> =
        CASES.iter().map(|(method, path, _)| ((*method).to_owned(), *path)).collect();
    let there: BTreeSet<(String, &str)> =
        Keyward::routes().map(|(method, path, _)| (method.to_string(), path)).collect();
    assert_eq!(listed, there, "each route has a case here");

    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.tick().await;
    let before = app.dump();
    for (method, path, refusal) in CASES {
        let path = path.replace("{id}", &tokens.session);
        let body = json!({"email": ADA, "password": PASSWORD, "current_password": PASSWORD,
            "new_password": OTHER_PASSWORD, "refresh_token": tokens.refresh});
        let ask = Ask::new(method.parse::<Method>().expect("a method"), &path).json(body);
        match refusal {
            Refusal::Missing => {
                app.send(ask.clone()).await.refused(401, "missing_token");
                app.send(ask.clone().header("authorization", "Basic eDp5"))
                    .await
                    .refused(401, "missing_token");
                if path != "/api/auth/renew" {
                    app.send(ask.bearer("x")).await.refused(401, "invalid_token");
                }
            }
            Refusal::CrossSite => {
                app.send(ask.header("sec-fetch-site", "cross-site")).await.refused(403, "cross_site_request");
            }
            Refusal::Hidden => drop(app.send(ask).await.refused(404, "not_found")),
            Refusal::Public => assert_eq!(app.send(ask).await.status, 200),
            Refusal::Page => {
                let reply = app.send(ask).await;
                assert_eq!(reply.one("content-type"), Some("text/html; charset=utf-8"));
                assert!(matches!(reply.status, 200 | 400), "{path}");
            }
        }
        assert_eq!(app.dump(), before, "{method} {path}");
    }
}

#[tokio::test]
async fn the_guard_of_a_route_is_what_its_case_says() {
    for (method, path, guard) in Keyward::routes() {
        let (.., refusal) =
            CASES.iter().find(|(m, p, _)| (method.as_str(), path) == (*m, *p)).expect("a case");
        let expected = match (refusal, path) {
            (_, "/api/auth/renew") | (Refusal::Hidden | Refusal::Public | Refusal::Page, _) => "public",
            (Refusal::CrossSite, _) => "open",
            (Refusal::Missing, _) => "session",
        };
        assert_eq!(guard, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn the_setup_page_is_there_until_there_is_an_administrator() {
    let app = App::new().await;
    let token = app.keyward.setup_token().await.expect("asked").expect("there is none yet");
    let ask = |query: String| app.send(crate::support::get(&format!("/setup{query}")));
    for wrong in [
        String::new(),
        "?token=".to_owned(),
        "?token=x".to_owned(),
        format!("?token={token}x"),
        format!("?x&token={token}"),
    ] {
        ask(wrong).await.refused(404, "not_found");
    }
    let reply = ask(format!("?token={token}")).await;
    assert_eq!((reply.status, reply.all("cache-control")), (200, vec!["no-store"]));
    let beside = Keyward::builder(settings())
        .sqlite(app.path())
        .master_key(master_key())
        .clock(app.clock.clone())
        .beside();
    let beside = beside.open().await.expect("opens");
    assert_eq!(beside.setup_token().await.expect("asked"), Some(token.clone()), "any node says the same");
    let password = keyward::core::password::Password::try_from(PASSWORD.to_owned()).expect("short");
    app.keyward.upsert_admin(ADA, password, &keyward::Client::operator()).await.expect("made");
    ask(format!("?token={token}")).await.refused(404, "not_found");
    assert_eq!(app.keyward.setup_token().await.expect("asked"), None);
    let _: Value = app.send(crate::support::login(ADA, PASSWORD)).await.ok(200);
}
