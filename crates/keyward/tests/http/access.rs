//! Access tokens that are none: the whole table stands in `keyward_core::access_token`, here is
//! what comes of it over HTTP.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use axum::Router;
use axum::routing::get as route;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward::core::key::{Algorithm, Key};
use keyward::{Keyward, Session, Settings};
use serde_json::{Value, json};

use crate::support::{ADA, App, MINUTE, START, Tokens, claims, get, jwt_header, settings};

fn secret() -> Vec<u8> {
    digest(&SHA256, b"the secret of these tests").as_ref().to_vec()
}

async fn hs256() -> (App, Tokens) {
    let hs256_secret = Some(secret().into());
    let app = App::with(Settings { algorithm: Algorithm::Hs256, hs256_secret, ..settings() }).await;
    let tokens = app.signup(ADA).await;
    (app, tokens)
}

/// A token of these two parts to the letter, signed with HMAC-SHA-256.
fn signed(header: &str, payload: &str, key: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn changed(object: &Value, with: Value) -> String {
    let mut object = object.clone();
    for (name, value) in with.as_object().expect("an object") {
        if value == "gone" {
            object.as_object_mut().expect("an object").remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object.to_string()
}

/// That these are all refused alike, in the header and in the cookie, at no read of the store.
async fn all_refused(app: &App, session: &str, tokens: &[String]) {
    let hint = format!("keyward_hint=v1.{}.1.1", crate::cookie::tag(session));
    let reads = app.keyward.store_reads();
    let mut bodies = std::collections::HashSet::new();
    for token in tokens {
        let reply =
            app.send(get("/api/auth/session").header("authorization", format!("Bearer {token}"))).await;
        assert_eq!(reply.status, 401, "{token}");
        reply.refused(401, "invalid_token");
        bodies.insert(reply.text().replace(reply.one("x-request-id").expect("there"), ""));
        let ask = get("/api/auth/session").header("cookie", format!("keyward_access={token}; {hint}"));
        let reply = app.send(ask).await;
        assert_eq!(reply.status, 401, "{token}");
    }
    assert_eq!(bodies.len(), 1, "one answer, whatever the defect");
    assert_eq!(app.keyward.store_reads(), reads);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_one_answer() {
    let (app, tokens) = hs256().await;
    let (header, body) = (jwt_header(&tokens.access), claims(&tokens.access));
    let (h, b) = (header.to_string(), body.to_string());
    let key = secret();
    // The tools are good: the same again is taken.
    app.session(&signed(&h, &b, &key)).await.ok(200);
    let kid = header["kid"].as_str().expect("kid");
    let with_header = |with: Value| signed(&changed(&header, with), &b, &key);
    let with_claims = |with: Value| signed(&h, &changed(&body, with), &key);
    let mut bad = Vec::new();
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!("none "),
        json!(null),
        json!([]),
        json!("gone"),
        json!("HS384"),
        json!("RS256"),
        json!("hs256"),
        json!(""),
    ] {
        let token = with_header(json!({"alg": alg}));
        let unsigned = format!("{}.", &token[..token.rfind('.').expect("a dot")]);
        bad.extend([unsigned, token]);
    }
    bad.extend([
        with_header(json!({"typ": "JWT"})),
        with_header(json!({"typ": "gone"})),
        with_header(json!({"typ": "kw-assertion+jwt"})),
        with_header(json!({"typ": "dpop+jwt"})),
        with_header(json!({"typ": 1})),
        with_header(json!({"kid": "gone"})),
        with_header(json!({"kid": "x"})),
        with_header(json!({"kid": "../../dev/null"})),
        with_header(json!({"kid": "x' UNION SELECT 'k'--"})),
        with_header(json!({"kid": "\u{0}"})),
        with_header(json!({"kid": [kid]})),
        with_header(json!({"crit": []})),
        with_header(json!({"crit": ["exp"]})),
        with_header(json!({"b64": true})),
        with_header(json!({"zip": "DEF"})),
        with_header(json!({"jku": "http://127.0.0.1:1/jwks.json"})),
        with_header(json!({"x5u": "http://127.0.0.1:1/x"})),
        with_header(json!({"jwk": {"kty": "oct", "k": URL_SAFE_NO_PAD.encode(&key)}})),
        with_header(json!({"x5c": []})),
        with_claims(json!({"iss": "http://127.0.0.1:8080/"})),
        with_claims(json!({"iss": "https://127.0.0.1:8080"})),
        with_claims(json!({"iss": "gone"})),
        with_claims(json!({"aud": "other"})),
        with_claims(json!({"aud": []})),
        with_claims(json!({"aud": "keywar"})),
        with_claims(json!({"aud": "gone"})),
        with_claims(json!({"exp": "9999999999"})),
        with_claims(json!({"exp": true})),
        with_claims(json!({"exp": null})),
        with_claims(json!({"exp": "gone"})),
        with_claims(json!({"exp": -1})),
        with_claims(json!({"iat": START + 120})),
        with_claims(json!({"nbf": START + 120})),
        with_claims(json!({"nbf": "0"})),
        with_claims(json!({"sub": "gone"})),
        with_claims(json!({"sid": "x"})),
        signed(&h, &b, b"another secret of thirty-two bytes"),
        signed(&h, &b, b""),
        signed(&h, &b.replacen('{', "{\"sub\":\"0195f6a0-0000-7000-8000-000000000000\",", 1), &key),
        signed(&h.replacen('{', "{\"alg\":\"none\",", 1), &b, &key),
        signed(&h, "[]", &key),
        signed(&h, "", &key),
        signed("[]", &b, &key),
        format!("{}.x", tokens.access),
        format!("{}=", tokens.access),
        tokens.access.replacen('.', "..", 1),
        tokens.access[1..].to_owned(),
        tokens.access.split('.').take(2).collect::<Vec<_>>().join("."),
        format!("{}.x.y", tokens.access),
        "..".to_owned(),
        "{}".to_owned(),
        format!("{}A", tokens.access),
        "x".repeat(9_000),
        signed(&h, &changed(&body, json!({"pad": "x".repeat(8_192)})), &key),
    ]);
    all_refused(&app, &tokens.session, &bad).await;
    app.session(&tokens.access).await.ok(200);
    assert_eq!(app.events(), ["signup"]);
}

#[tokio::test]
async fn no_public_key_is_a_secret() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let app = App::with(Settings { algorithm, ..settings() }).await;
        let tokens = app.signup(ADA).await;
        let (header, body) = (jwt_header(&tokens.access), claims(&tokens.access));
        let kid = header["kid"].as_str().expect("kid");
        let set = app.send(get("/.well-known/jwks.json")).await.json();
        let jwk = set["keys"]
            .as_array()
            .expect("keys")
            .iter()
            .find(|key| key["kid"] == kid)
            .expect("published")
            .clone();
        let mut secrets = vec![jwk.to_string().into_bytes()];
        for part in ["n", "x", "y"] {
            if let Some(part) = jwk[part].as_str() {
                secrets.push(part.as_bytes().to_vec());
                secrets.push(URL_SAFE_NO_PAD.decode(part).expect("base64url"));
            }
        }
        let confused: Vec<String> = secrets
            .iter()
            .flat_map(|secret| {
                [json!("HS256"), header["alg"].clone()]
                    .map(|alg| signed(&changed(&header, json!({"alg": alg})), &body.to_string(), secret))
            })
            .collect();
        all_refused(&app, &tokens.session, &confused).await;
        // One bit of the signature less, and the last character's unused bits.
        let (rest, signature) = tokens.access.rsplit_once('.').expect("a dot");
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        bytes[10] ^= 1;
        let mut unused = tokens.access.clone().into_bytes();
        let last = unused.len() - 1;
        unused[last] = if unused[last] == b'B' { b'C' } else { b'B' };
        let bad = [
            format!("{rest}.{}", URL_SAFE_NO_PAD.encode(bytes)),
            String::from_utf8(unused).expect("ASCII"),
            format!("{rest}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        ];
        all_refused(&app, &tokens.session, &bad).await;
        app.session(&tokens.access).await.ok(200);
    }
}

/// Our own key, taken from the database, signs another kind of token.
#[tokio::test]
async fn another_kind_of_token_by_the_right_key_is_none() {
    use keyward::core::access_token::{Claims, Realm, sign, sign_assertion};
    use keyward::core::time::Timestamp;
    let (app, tokens) = hs256().await;
    let key = Key::from_private(Algorithm::Hs256, &secret()).expect("a key");
    let realm = |audience: &str| Realm {
        issuer: app.settings().issuer().to_owned(),
        audience: audience.to_owned(),
        leeway: Duration::ZERO,
    };
    let claims = Claims {
        session: tokens.session.parse().expect("an id"),
        user: tokens.user.parse().expect("an id"),
        generation: 0,
        roles_version: 0,
        role_table_version: 0,
        jti: "x".to_owned(),
        issued_at: Timestamp::from_seconds(START),
        expires_at: Timestamp::from_seconds(START + 60),
        auth_time: Timestamp::from_seconds(START),
        amr: vec!["pwd".to_owned()],
        email: None,
        phone_number: None,
        roles: None,
        permissions: None,
    };
    let good = sign(&claims, &realm("keyward"), &key).expect("signed");
    app.session(&good).await.ok(200);
    let assertion = sign_assertion(&claims, &realm("keyward"), &key).expect("signed");
    let elsewhere = sign(&claims, &realm("http://127.0.0.1:8080"), &key).expect("signed");
    all_refused(&app, &tokens.session, &[assertion.to_string(), elsewhere.to_string()]).await;
}

#[tokio::test]
async fn an_expired_token_is_told_apart_and_a_foreign_one_is_not() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let other = App::new().await;
    let foreign = other.signup(ADA).await;
    all_refused(&app, &foreign.session, std::slice::from_ref(&foreign.access)).await;
    app.pass(900);
    app.session(&tokens.access).await.refused(401, "token_expired");
    app.session(&foreign.access).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn leeway_is_as_long_as_it_is_set_to() {
    for (leeway, after, good) in [(0, 899, true), (0, 900, false), (30, 929, true), (30, 930, false)] {
        let mut settings = settings();
        settings.policy.leeway = Duration::from_secs(leeway);
        let app = App::with(settings).await;
        let tokens = app.signup(ADA).await;
        app.pass(after);
        assert_eq!(app.session(&tokens.access).await.status == 200, good, "{leeway} {after}");
    }
}

/// At a route of ours, at the edge, and at a route of the application.
#[tokio::test]
async fn within_the_leeway_nothing_brings_back_a_session_that_was_left_alone() {
    let mut settings = settings();
    settings.policy.leeway = Duration::from_secs(30);
    settings.policy.idle_timeout_bearer = Some(Duration::from_secs(5 * MINUTE));
    let application = |keyward: &Keyward| {
        let who = async |who: Session| who.email().to_owned();
        Router::new().route("/app/who", route(who)).layer(keyward.layer()).merge(keyward.router())
    };
    for path in ["/api/auth/session", "/api/auth/verify", "/app/who"] {
        for (asked_at, kept) in [(5 * MINUTE - 1, true), (5 * MINUTE, false)] {
            let app = App::with(settings.clone()).await.within(application);
            let tokens = app.signup(ADA).await;
            app.pass(asked_at);
            app.tick().await;
            app.send(get(path).bearer(&tokens.access)).await;
            app.pass(2);
            let refreshed = app.refresh(&tokens.refresh).await;
            if kept {
                refreshed.ok(200);
            } else {
                refreshed.refused(401, "session_idle");
            }
        }
    }
}

#[tokio::test]
async fn no_two_tokens_are_the_same() {
    let app = App::new().await;
    let mut tokens = app.signup(ADA).await;
    let mut jtis = std::collections::HashSet::new();
    let mut sids = std::collections::HashSet::new();
    for _ in 0..200 {
        assert!(jtis.insert(claims(&tokens.access)["jti"].to_string()));
        assert!(sids.insert(tokens.session.clone()));
        tokens = app.login(ADA).await;
    }
}
