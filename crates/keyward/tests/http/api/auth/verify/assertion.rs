//! `X-Auth-Assertion`: what a service behind the proxy can check by itself.

use keyward::Settings;
use keyward::core::key::Algorithm;
use serde_json::json;

use super::{PROXY, app, ask, behind_a_proxy, passes, told};
use crate::support::{ADA, App, MINUTE, claims, get, jwt_header, post, text};

#[tokio::test]
async fn it_is_a_jwt_of_a_minute_for_the_service_alone() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let reply = app.send(ask("GET").bearer(&tokens.access)).await;
    passes(&reply);
    let assertion = told(&reply, "x-auth-assertion");
    let header = jwt_header(assertion);
    assert_eq!(header["typ"], "kw-assertion+jwt");
    assert_eq!(header["alg"], "EdDSA");
    let jwks = app.send(get("/.well-known/jwks.json")).await.json();
    let keys = jwks["keys"].as_array().expect("keys");
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("its key is public");
    let key = jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(key.clone()).expect("a JWK"));
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.validate_exp = false;
    rules.set_audience(&[app.settings().public_url.as_str()]);
    let said = jsonwebtoken::decode::<serde_json::Value>(assertion, &key.expect("a key"), &rules);
    let said = said.expect("its signature holds").claims;
    let mut own = claims(&tokens.access);
    for name in ["aud", "exp", "iat", "nbf", "jti"] {
        assert!(own.as_object_mut().expect("claims").insert(name.to_owned(), said[name].clone()).is_some());
    }
    assert_eq!(said, own, "the same claims otherwise");
    assert_eq!(said["aud"], app.settings().public_url.as_str());
    assert_eq!((said["iat"].as_i64(), said["exp"].as_i64()), (Some(app.now()), Some(app.now() + 60)));
}

#[tokio::test]
async fn the_same_one_is_told_for_half_a_minute_and_none_outlives_its_token() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let assertion = async || {
        app.tick().await;
        let reply = app.send(ask("GET").bearer(&tokens.access)).await;
        told(&reply, "x-auth-assertion").to_owned()
    };
    let first = assertion().await;
    app.pass(29);
    assert_eq!(assertion().await, first);
    app.pass(1);
    let second = assertion().await;
    assert_ne!(second, first);
    assert_ne!(claims(&second)["jti"], claims(&first)["jti"]);
    app.pass(14 * MINUTE);
    let end = claims(&tokens.access)["exp"].clone();
    let last = claims(&assertion().await);
    assert_eq!((&last["exp"], last["iat"].as_i64()), (&end, Some(app.now())));
    assert!(end.as_i64().expect("a time") - app.now() < 60);
}

#[tokio::test]
async fn nobody_but_a_proxy_that_names_the_method_is_told_one() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let verify = || get("/api/auth/verify").bearer(&tokens.access);
    for ask in [
        verify().from(PROXY),
        verify().from("203.0.113.9").header("x-forwarded-method", "GET"),
        verify().from(PROXY).header("x-forwarded-method", "GET").header("x-original-method", "POST"),
    ] {
        let reply = app.send(ask).await;
        passes(&reply);
        assert_eq!(told(&reply, "x-auth-assertion"), "");
        assert_eq!(told(&reply, "x-auth-user-id"), tokens.user);
    }
}

#[tokio::test]
async fn it_is_no_access_token_anywhere() {
    // Not even where both are for the same audience.
    let settings = Settings { edge_audience: Some("keyward".to_owned()), ..behind_a_proxy() };
    for algorithm in [Algorithm::EdDsa, Algorithm::Hs256] {
        let app = App::with(Settings { algorithm, ..settings.clone() }).await;
        let tokens = app.signup(ADA).await;
        let reply = app.send(ask("GET").bearer(&tokens.access)).await;
        let assertion = told(&reply, "x-auth-assertion").to_owned();
        assert_eq!(claims(&assertion)["aud"], "keyward");
        for path in ["/api/auth/session", "/api/auth/sessions", "/api/admin/users", "/api/auth/verify"] {
            app.send(get(path).bearer(&assertion)).await.refused(401, "invalid_token");
        }
        let cookies = format!(
            "keyward_access={assertion}; keyward_hint=v1.{}.1.1",
            crate::cookie::tag(&tokens.session)
        );
        // A cookie that is no access token is not there.
        let reply = app.send(get("/api/auth/session").header("cookie", cookies)).await;
        reply.refused(401, "missing_token");
        app.refresh(&assertion).await.refused(401, "invalid_refresh_token");
        let key = app.service_key(&["introspect", "revoke"]).await;
        let form = format!("token={assertion}");
        let said = app.send(post("/api/auth/introspect").bearer(&key).form(&form)).await.ok(200);
        assert_eq!(said, json!({"active": false}));
        app.send(post("/api/auth/revoke").bearer(&key).form(&form)).await.ok(200);
        app.send(post("/api/auth/logout").bearer(&assertion)).await.ok(200);
        let session = app.session(&tokens.access).await.ok(200);
        assert_eq!(text(&session, "session_id"), tokens.session, "nothing of that ended it");
    }
}

#[tokio::test]
async fn one_by_a_revoked_key_is_told_no_more() {
    let app = app().await;
    let admin = app.admin().await;
    let tokens = app.signup(ADA).await;
    let first = jwt_header(&tokens.access)["kid"].as_str().expect("a key").to_owned();
    app.pass(11 * MINUTE);
    app.tick().await;
    let admin = {
        drop(admin);
        app.login(crate::support::ROOT).await
    };
    // Another key signs now; the token's is good still.
    app.send(post("/api/admin/keys/rotate").bearer(&admin.access).json(json!({}))).await.ok(201);
    app.tick().await;
    let reply = app.send(ask("GET").bearer(&tokens.access)).await;
    let second = jwt_header(told(&reply, "x-auth-assertion"))["kid"].as_str().expect("a key").to_owned();
    assert_ne!(first, second);
    let client = keyward::Client::operator();
    app.keyward.revoke_key(&second, &client).await.expect("revoked");
    app.tick().await;
    let reply = app.send(ask("GET").bearer(&tokens.access)).await;
    passes(&reply);
    assert_ne!(jwt_header(told(&reply, "x-auth-assertion"))["kid"], second.as_str());
}
