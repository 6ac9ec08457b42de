//! Pages of other origins: which may call and read the answers?

use http::Method;
use keyward::Settings;
use serde_json::json;

use crate::support::{ADA, App, Ask, PASSWORD, Reply, get, post, settings};

const FRIEND: &str = "https://friend.example.com";

async fn with_friend() -> App {
    App::with(Settings { allowed_origins: vec![FRIEND.parse().expect("an origin")], ..settings() }).await
}

fn cors_headers(reply: &Reply) -> Vec<&str> {
    reply
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

fn preflight(path: &str, origin: &str, method: &str) -> Ask {
    Ask::new(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "content-type")
}

#[tokio::test]
async fn by_default_no_origin_is_told_anything() {
    let app = App::new().await;
    for origin in [FRIEND, "https://evil.example", "null", app.settings().public_url.as_str()] {
        let reply = app.send(get("/api/auth/session").header("origin", origin)).await;
        reply.refused(401, "missing_token");
        assert_eq!((cors_headers(&reply), reply.all("vary")), (vec![], vec![]));
        let reply = app.send(preflight("/api/auth/login", origin, "POST")).await;
        reply.refused(405, "method_not_allowed");
        assert_eq!(cors_headers(&reply), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn a_listed_origin_may_call_and_read() {
    let app = with_friend().await;
    let reply = app.send(preflight("/api/auth/login", FRIEND, "POST")).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(reply.one("access-control-allow-origin"), Some(FRIEND));
    assert_eq!(reply.one("access-control-allow-credentials"), Some("true"));
    assert_eq!(reply.one("access-control-allow-methods"), Some("POST"));
    let allowed = reply.one("access-control-allow-headers").expect("headers").to_ascii_lowercase();
    assert!(["authorization", "content-type"].iter().all(|name| allowed.contains(name)));
    assert_eq!(reply.all("vary"), ["Origin"]);

    app.signup(ADA).await;
    let body = json!({"email": ADA, "password": PASSWORD});
    let reply = app
        .send(
            post("/api/auth/login")
                .json(body)
                .header("origin", FRIEND)
                .header("sec-fetch-site", "cross-site"),
        )
        .await;
    reply.ok(200);
    // Refusals can be read, too, and the marks that a client acts on.
    let refusal = app.send(get("/api/auth/session").header("origin", FRIEND)).await;
    refusal.refused(401, "missing_token");
    let nowhere = app.send(get("/api/nowhere").header("origin", FRIEND)).await;
    nowhere.refused(404, "not_found");
    for reply in [reply, refusal, nowhere] {
        assert_eq!(reply.one("access-control-allow-origin"), Some(FRIEND));
        assert_eq!(reply.one("access-control-allow-credentials"), Some("true"));
        assert_eq!(
            reply.one("access-control-expose-headers"),
            Some("X-Keyward-Error, X-Request-Id, Retry-After")
        );
        assert_eq!(reply.all("vary"), ["Origin"]);
    }
    let preflight = app.send(preflight("/api/auth/sessions/x", FRIEND, "DELETE")).await;
    assert_eq!(preflight.one("access-control-allow-methods"), Some("DELETE"));
}

#[tokio::test]
async fn no_origin_is_reflected_that_is_not_listed_to_the_letter() {
    let app = with_friend().await;
    for origin in [
        "https://evil.example",
        "null",
        "*",
        "https://friend.example.com.evil.example",
        "http://friend.example.com",
        "https://friendXexample.com",
        "https://friend.example.com:8443",
        "https://friend.example.com/",
        "https://FRIEND.example.com",
        "https://evil.example, https://friend.example.com",
        "",
    ] {
        for ask in
            [get("/api/auth/session").header("origin", origin), preflight("/api/auth/login", origin, "POST")]
        {
            let reply = app.send(ask).await;
            assert_eq!((cors_headers(&reply), reply.all("vary")), (vec![], vec!["Origin"]), "{origin}");
        }
    }
    let twice = app.send(get("/api/auth/session").header("origin", FRIEND).header("origin", FRIEND)).await;
    assert_eq!(cors_headers(&twice), Vec::<&str>::new());
    let none = app.send(get("/api/auth/session")).await;
    assert_eq!(
        (cors_headers(&none), none.all("vary")),
        (vec![], vec!["Origin"]),
        "caches have to tell them apart"
    );
}
