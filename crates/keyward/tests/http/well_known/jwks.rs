//! `GET /.well-known/jwks.json`

use jsonwebtoken::{DecodingKey, Validation, decode, jwk::JwkSet};
use keyward::Client;
use keyward::Settings;
use keyward::core::key::Algorithm;
use serde_json::Value;

use crate::support::{ADA, App, DAY, MINUTE, get, jwt_header, settings};

const PATH: &str = "/.well-known/jwks.json";

async fn with(algorithm: Algorithm) -> App {
    App::with(Settings { algorithm, ..settings() }).await
}

#[tokio::test]
async fn only_public_parts_are_published() {
    for (algorithm, kty, members) in [
        (Algorithm::Rs256, "RSA", vec!["alg", "e", "kid", "kty", "n", "use"]),
        (Algorithm::Es256, "EC", vec!["alg", "crv", "kid", "kty", "use", "x", "y"]),
        (Algorithm::EdDsa, "OKP", vec!["alg", "crv", "kid", "kty", "use", "x"]),
    ] {
        let app = with(algorithm).await;
        let set = app.send(get(PATH)).await.json();
        let keys = set["keys"].as_array().expect("keys");
        assert_eq!(keys.len(), 2, "the active one and the next");
        assert_ne!(keys[0]["kid"], keys[1]["kid"]);
        for key in keys {
            let mut names: Vec<&str> = key.as_object().expect("a key").keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, members);
            assert_eq!(
                (&key["kty"], &key["use"], &key["alg"]),
                (&kty.into(), &"sig".into(), &algorithm.as_str().into())
            );
        }
    }
    let app = with(Algorithm::Hs256).await;
    assert_eq!(app.send(get(PATH)).await.text(), r#"{"keys":[]}"#);
}

#[tokio::test]
async fn it_may_be_kept_for_five_minutes_and_is_asked_for_again_cheaply() {
    let app = App::new().await;
    let reply = app.send(get(PATH)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.all("cache-control"), ["public, max-age=300"]);
    assert_eq!(reply.all("content-type"), ["application/jwk-set+json"]);
    let etag = reply.one("etag").expect("ETag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    for same in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let again = app.send(get(PATH).header("if-none-match", &same)).await;
        assert_eq!(
            (again.status, again.body.len(), again.one("etag")),
            (304, 0, Some(etag.as_str())),
            "{same}"
        );
        assert_eq!(again.all("cache-control"), ["public, max-age=300"]);
    }
    assert_eq!(app.send(get(PATH).header("if-none-match", "\"x\"")).await.status, 200);
    app.pass(DAY);
    app.keyward.rotate_keys(&Client::operator()).await.expect("rotated");
    assert_eq!(app.events(), ["key_rotated"]);
    assert_eq!(app.send(get(PATH).header("if-none-match", &etag)).await.status, 200, "it changed");
}

/// That another implementation verifies our token by what we publish.
fn verified_elsewhere(token: &str, jwks: &Value) -> Value {
    let jwks: JwkSet = serde_json::from_value(jwks.clone()).expect("a JWK set");
    let header = jsonwebtoken::decode_header(token).expect("a header");
    let jwk = jwks.find(&header.kid.expect("kid")).expect("it is published");
    let key = DecodingKey::from_jwk(jwk).expect("a key");
    let mut validation = Validation::new(header.alg);
    // Time stands still in a test; the claims are looked at below.
    validation.validate_exp = false;
    validation.set_audience(&["keyward"]);
    validation.set_issuer(&["http://127.0.0.1:8080"]);
    decode::<Value>(token, &key, &validation).expect("it verifies").claims
}

#[tokio::test]
async fn others_verify_our_tokens_by_it() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let app = with(algorithm).await;
        let tokens = app.signup(ADA).await;
        assert_eq!(jwt_header(&tokens.access)["typ"], "at+jwt");
        assert_eq!(jwt_header(&tokens.access)["alg"], algorithm.as_str());
        let jwks = app.send(get(PATH)).await.json();
        let claims = verified_elsewhere(&tokens.access, &jwks);
        assert_eq!((&claims["sub"], &claims["email"]), (&tokens.user.into(), &ADA.into()));
        app.session(&tokens.access).await.ok(200);
    }
}

#[tokio::test]
async fn who_keeps_it_for_as_long_as_told_never_misses_a_key() {
    let app = App::new().await;
    let mut kept = app.send(get(PATH)).await.json();
    let mut kept_at = app.now();
    let mut kids = std::collections::HashSet::new();
    let tokens = app.signup(ADA).await;
    let mut refresh = tokens.refresh;
    let mut live = vec![(app.now(), tokens.access)];
    for minute in 0..600_u64 {
        app.pass(MINUTE);
        if minute % 97 == 0 {
            // Whenever an operator likes; where it comes too early it is refused with the wait.
            let _ = app.keyward.rotate_keys(&Client::operator()).await;
        }
        app.tick().await;
        if app.now() - kept_at >= 300 {
            kept = app.send(get(PATH)).await.json();
            kept_at = app.now();
        }
        let fresh = crate::support::Tokens::of(&app.refresh(&refresh).await.ok(200));
        refresh = fresh.refresh;
        live.push((app.now(), fresh.access));
        live.retain(|(made, _)| app.now() - made < 900);
        for (_, token) in [live.first(), live.last()].into_iter().flatten() {
            verified_elsewhere(token, &kept);
            kids.insert(jwt_header(token)["kid"].to_string());
        }
    }
    assert!(kids.len() >= 5, "keys were rotated: {}", kids.len());
}

#[tokio::test]
async fn a_revoked_key_is_published_no_more() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let kid = jwt_header(&tokens.access)["kid"].as_str().expect("kid").to_owned();
    app.keyward.revoke_key(&kid, &Client::operator()).await.expect("revoked");
    assert!(!app.send(get(PATH)).await.text().contains(&kid));
}

#[tokio::test]
async fn two_processes_agree_on_the_keys() {
    let app = App::new().await;
    let beside = app.beside().await;
    let kids = |keys: Vec<keyward::KeyView>| keys.into_iter().map(|key| key.kid).collect::<Vec<_>>();
    assert_eq!(kids(beside.keys().await.expect("keys")), kids(app.keyward.keys().await.expect("keys")));
}
