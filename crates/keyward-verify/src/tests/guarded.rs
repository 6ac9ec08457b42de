//! What does a service answer whose routes stand behind the layer?

use axum::body::Body;
use axum::routing::get;
use axum::{Router, response::Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request};
use tower::ServiceExt as _;

use super::played::{Played, token};
use super::{ISSUER, listening};
use crate::{Layer, Session, Verifier};

async fn who(session: Session) -> String {
    format!("{} {} {:?}", session.user_id(), session.email().unwrap_or("nobody"), session.roles())
}

async fn maybe(session: Option<Session>) -> &'static str {
    if session.is_some() { "somebody" } else { "nobody" }
}

fn router(layer: Layer) -> Router {
    Router::new().route("/who", get(who)).route("/maybe", get(maybe)).route_layer(layer)
}

async fn ask(router: &Router, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response: Response =
        router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 65536).await.expect("a body");
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The status and the mark.
async fn code(router: &Router, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let (status, headers, _) = ask(router, path, headers).await;
    let mark = headers.get("x-keyward-error").map(|mark| mark.to_str().expect("text").to_owned());
    (status, mark.unwrap_or_default())
}

#[tokio::test]
async fn a_refusal_is_the_one_of_the_contract() {
    let played = Played::start().await;
    let (verifier, clock) = listening(&played).await;
    let router = router(verifier.layer());
    let good = bearer(&token("valid"));
    let (status, _, body) = ask(&router, "/who", &[("authorization", &good)]).await;
    let ada = r#"02020202-0202-0202-0202-020202020202 ada@example.com ["user"]"#;
    assert_eq!((status, body.as_str()), (200, ada));

    let (status, headers, body) = ask(&router, "/who", &[]).await;
    assert_eq!(status, 401);
    assert_eq!(headers[WWW_AUTHENTICATE], "Bearer");
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
    assert_eq!(headers[CACHE_CONTROL], "no-store");
    let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&problem["code"], &problem["status"]), (&"missing_token".into(), &401.into()));
    assert_eq!(problem["type"], "urn:keyward:problem:missing_token");

    let expired = bearer(&token("expired"));
    let (status, headers, _) = ask(&router, "/who", &[("authorization", &expired)]).await;
    assert_eq!((status, &headers["x-keyward-error"]), (401, &"token_expired".parse().expect("a value")));
    assert_eq!(headers[WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");

    for (authorization, expected) in [
        ("Basic YTpi", "missing_token"),
        ("Bearer", "missing_token"),
        ("Bearer  ", "missing_token"),
        ("", "missing_token"),
        ("Bearer a b", "invalid_token"),
        ("bearer abc", "invalid_token"),
    ] {
        let said = code(&router, "/who", &[("authorization", authorization)]).await;
        assert_eq!(said, (401, expected.into()), "{authorization:?}");
    }
    let lower = good.replace("Bearer", "bearer");
    assert_eq!(code(&router, "/who", &[("authorization", &lower)]).await.0, 200);
    let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
    assert_eq!(code(&router, "/who", &twice).await, (401, "invalid_token".into()));

    clock.advance(super::Duration::from_secs(3));
    let (status, headers, _) = ask(&router, "/who", &[("authorization", &good)]).await;
    assert_eq!((status, &headers[RETRY_AFTER]), (503, &"1".parse().expect("a value")));
    assert!(!headers.contains_key(WWW_AUTHENTICATE) && !headers.contains_key(AUTHORIZATION));
}

#[tokio::test]
async fn roles_and_permissions_are_asked_for_all_together() {
    let played = Played::start().await;
    let (verifier, _) = listening(&played).await;
    let good = bearer(&token("valid"));
    let header = [("authorization", good.as_str())];
    for (layer, status) in [
        (verifier.layer().role("user"), 200),
        (verifier.layer().permission("jobs:read"), 200),
        (verifier.layer().role("user").permission("jobs:read"), 200),
        (verifier.layer().role("admin"), 403),
        (verifier.layer().role("use"), 403),
        (verifier.layer().role("user").role("admin"), 403),
        (verifier.layer().permission("jobs:read").permission("jobs:write"), 403),
        (verifier.layer().optional().role("admin"), 403),
    ] {
        let (said, code) = code(&router(layer.clone()), "/who", &header).await;
        assert_eq!(
            (said, code.as_str()),
            (status, if status == 403 { "forbidden" } else { "" }),
            "{layer:?}"
        );
    }
    // What says no roles has none.
    let bare = bearer(&token("valid_without_personal_claims"));
    let asked = router(verifier.layer().role("user"));
    assert_eq!(code(&asked, "/who", &[("authorization", &bare)]).await, (403, "forbidden".into()));
}

#[tokio::test]
async fn who_brings_nothing_passes_where_that_is_allowed_and_a_bad_token_never() {
    let played = Played::start().await;
    let (verifier, _) = listening(&played).await;
    let optional = router(verifier.layer().optional());
    let good = bearer(&token("valid"));
    assert_eq!(ask(&optional, "/maybe", &[]).await.2, "nobody");
    assert_eq!(ask(&optional, "/maybe", &[("authorization", &good)]).await.2, "somebody");
    assert_eq!(
        code(&optional, "/maybe", &[("authorization", "Bearer x")]).await,
        (401, "invalid_token".into())
    );
    assert_eq!(code(&optional, "/who", &[]).await, (401, "missing_token".into()));
    assert_eq!(code(&router(verifier.layer().optional().role("user")), "/maybe", &[]).await.0, 401);
    // A route that nobody guards is nobody's: it must not look as if nobody were signed in.
    let bare = Router::new().route("/who", get(who)).route("/maybe", get(maybe));
    for path in ["/who", "/maybe"] {
        assert_eq!(code(&bare, path, &[("authorization", &good)]).await, (500, "internal_error".into()));
    }
}

#[tokio::test]
async fn behind_the_edge_the_assertion_alone_counts() {
    let played = Played::start().await;
    let verifier = Verifier::assertions(ISSUER, "keyward").server(&played.url()).build().expect("built");
    let router = router(verifier.layer());
    let (good, assertion) = (bearer(&token("valid")), token("typ_of_an_assertion"));
    assert_eq!(code(&router, "/who", &[("x-auth-assertion", &assertion)]).await.0, 200);
    assert_eq!(code(&router, "/who", &[("authorization", &good)]).await, (401, "missing_token".into()));
    let spoofed = [("x-auth-user-id", "02020202-0202-0202-0202-020202020202")];
    assert_eq!(code(&router, "/who", &spoofed).await, (401, "missing_token".into()));
    let as_access = token("valid");
    assert_eq!(
        code(&router, "/who", &[("x-auth-assertion", &as_access)]).await,
        (401, "invalid_token".into())
    );
    let twice = [("x-auth-assertion", assertion.as_str()), ("x-auth-assertion", assertion.as_str())];
    assert_eq!(code(&router, "/who", &twice).await, (401, "invalid_token".into()));
}
