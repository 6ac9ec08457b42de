//! Does every verifier, in whatever language, say the same of the same tokens?
//!
//! `examples/conformance/vectors.json` is made here, of fixed keys: tokens, the keys and revocations by
//! which to judge them, and the verdicts. They hold at any moment from February 2026 to 2099, so that a
//! verifier which reads the machine's clock can be asked, too. `KEYWARD_REGENERATE=1` writes it anew.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::access_token::attacks::{encode, forge};
use crate::access_token::{Invalid, Realm, TokenType, verify_published};
use crate::id::{SessionId, UserId};
use crate::key::{Algorithm, Key, PublicKeys, fixture, pkcs1};
use crate::revocation::{CutOff, Entry, Revocation, RevocationSet};
use crate::time::Timestamp;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "keyward";
/// 2026-01-01, 2026-02-01 and 2099-01-01.
const MADE: i64 = 1_767_225_600;
const PAST: i64 = 1_769_904_000;
const FUTURE: i64 = 4_070_908_800;
const NOW: i64 = 1_795_216_671;

fn realm() -> Realm {
    Realm { issuer: ISSUER.into(), audience: AUDIENCE.into(), leeway: std::time::Duration::ZERO }
}

fn session(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}

fn revocations() -> Vec<Revocation> {
    vec![
        Revocation::Session(session(11)),
        Revocation::Generation(session(12), 4),
        Revocation::User(user(13), 6),
        Revocation::Roles(5),
        Revocation::Key(fixture::other(Algorithm::Rs256).kid().to_owned()),
    ]
}

/// As the feed tells it.
fn told(revocation: &Revocation) -> Value {
    let mut told = match revocation {
        Revocation::Key(kid) => json!({"kind": "key", "kid": kid}),
        Revocation::Session(id) => json!({"kind": "session", "sid": id}),
        Revocation::Generation(id, n) => json!({"kind": "generation", "sid": id, "gen": n}),
        Revocation::User(id, least) => json!({"kind": "user", "sub": id, "uv": least}),
        Revocation::Roles(least) => json!({"kind": "roles", "rv": least}),
    };
    told["until"] = Timestamp::from_seconds(FUTURE).to_string().into();
    told
}

/// Its members by their names, whichever order this build of `serde_json` keeps.
fn text(mut value: Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": user(2), "user_id": user(2), "sid": session(1),
        "gen": 7, "uv": 3, "rv": 5, "jti": "a-token", "iat": MADE, "nbf": MADE, "exp": FUTURE,
        "auth_time": MADE, "amr": ["pwd"], "email": "ada@example.com", "email_verified": true,
        "phone_number": null, "phone_number_verified": false,
        "roles": ["user"], "permissions": ["jobs:read"],
    })
}

fn with(changes: &Value) -> String {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    text(claims)
}

fn without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    text(claims)
}

fn header(alg: &str, typ: &str, kid: &str) -> String {
    format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{kid}"}}"#)
}

/// A token with this header that is signed by HMAC with public bytes.
fn confused(kid: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", encode(header("HS256", "at+jwt", kid)), encode(text(claims())));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", encode(mac))
}

/// The public key as OpenSSL writes it, which old libraries took for a secret.
fn pem(key: &Key) -> String {
    let jwk = key.jwk().expect("public");
    let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("text")).expect("base64url");
    // SubjectPublicKeyInfo of rsaEncryption with 2048 bits.
    let head =
        b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00";
    let der = [head.as_slice(), &pkcs1(&number("n"), &number("e")).expect("numbers")].concat();
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// Name, token, verdict.
fn vectors() -> Vec<(&'static str, String, &'static str)> {
    let key = fixture::key(Algorithm::Rs256);
    let head = header("RS256", "at+jwt", key.kid());
    let signed = |payload: String| forge(&head, payload, &key);
    let headed = |header: String| forge(header, text(claims()), &key);
    let by = |algorithm: Algorithm| {
        let key = fixture::key(algorithm);
        forge(header(algorithm.as_str(), "at+jwt", key.kid()), text(claims()), &key)
    };
    let good = signed(text(claims()));
    let (rest, signature) = good.rsplit_once('.').expect("segments");
    let (first, second) = rest.split_once('.').expect("segments");
    let kid = key.kid();
    let ec = fixture::key(Algorithm::Es256);
    let revoked = fixture::other(Algorithm::Rs256);
    let stray = {
        // 342 characters carry 2052 bits, four more than a signature has: the last one has twins.
        let last = signature.chars().next_back().expect("a character");
        let twin = char::from(u8::try_from(u32::from(last)).expect("ASCII") + 1);
        format!("{rest}.{}{twin}", &signature[..signature.len() - 1])
    };
    let bad = "invalid_token";
    vec![
        ("valid", good.clone(), "ok"),
        ("valid_es256", by(Algorithm::Es256), "ok"),
        ("valid_eddsa", by(Algorithm::EdDsa), "ok"),
        ("valid_one_of_several_audiences", signed(with(&json!({"aud": ["other", AUDIENCE]}))), "ok"),
        ("valid_with_a_claim_of_a_later_release", signed(with(&json!({"later": {"a": [1]}}))), "ok"),
        ("valid_typ_with_application", headed(header("RS256", "application/at+jwt", kid)), "ok"),
        ("valid_without_personal_claims", signed(without("roles")), "ok"),
        ("expired", signed(with(&json!({"exp": PAST}))), "token_expired"),
        ("not_yet_valid", signed(with(&json!({"nbf": FUTURE}))), bad),
        ("issued_in_the_future", signed(with(&json!({"iat": FUTURE}))), bad),
        ("without_exp", signed(without("exp")), bad),
        ("exp_is_a_text", signed(with(&json!({"exp": "4070908800"}))), bad),
        ("wrong_audience", signed(with(&json!({"aud": "another"}))), bad),
        ("audience_that_contains_ours", signed(with(&json!({"aud": "keyward2"}))), bad),
        ("without_audience", signed(without("aud")), bad),
        ("wrong_issuer", signed(with(&json!({"iss": "https://evil.example.com"}))), bad),
        ("issuer_with_a_slash", signed(with(&json!({"iss": format!("{ISSUER}/")}))), bad),
        ("without_issuer", signed(without("iss")), bad),
        ("without_session", signed(without("sid")), bad),
        ("without_generation", signed(without("gen")), bad),
        ("without_roles_version", signed(without("uv")), bad),
        ("without_role_table_version", signed(without("rv")), bad),
        ("generation_is_a_text", signed(with(&json!({"gen": "7"}))), bad),
        ("alg_none", format!("{}.{second}.", encode(header("none", "at+jwt", kid))), bad),
        ("alg_none_with_a_signature", headed(header("none", "at+jwt", kid)), bad),
        ("hs256_by_the_public_key_as_pem", confused(kid, pem(&key).as_bytes()), bad),
        ("hs256_by_the_public_key_as_jwk", confused(kid, text(key.jwk().expect("public")).as_bytes()), bad),
        ("alg_of_another_key", headed(header("ES256", "at+jwt", kid)), bad),
        ("key_of_another_alg", headed(header("RS256", "at+jwt", ec.kid())), bad),
        ("unknown_kid", headed(header("RS256", "at+jwt", "nobody")), bad),
        ("without_kid", headed(r#"{"alg":"RS256","typ":"at+jwt"}"#.into()), bad),
        ("by_a_stranger", forge(&head, text(claims()), &revoked), bad),
        ("typ_of_an_id_token", headed(header("RS256", "JWT", kid)), bad),
        ("typ_of_an_assertion", headed(header("RS256", "kw-assertion+jwt", kid)), bad),
        ("without_typ", headed(format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#)), bad),
        (
            "crit",
            headed(format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{kid}","crit":["exp"],"exp":1}}"#)),
            bad,
        ),
        (
            "b64",
            headed(format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{kid}","b64":true,"crit":["b64"]}}"#)),
            bad,
        ),
        (
            "own_key",
            headed(format!(
                r#"{{"alg":"RS256","typ":"at+jwt","kid":"{kid}","jwk":{}}}"#,
                text(ec.jwk().expect("public"))
            )),
            bad,
        ),
        (
            "header_with_a_repeated_member",
            headed(format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"x","kid":"{kid}"}}"#)),
            bad,
        ),
        ("claims_with_a_repeated_member", signed(text(claims()).replacen('{', r#"{"sub":"x","#, 1)), bad),
        ("two_segments", rest.to_owned(), bad),
        ("four_segments", format!("{good}.AAAA"), bad),
        ("five_segments", format!("{good}.AAAA.AAAA"), bad),
        ("without_signature", format!("{rest}."), bad),
        ("padded", format!("{good}=="), bad),
        ("stray_bits", stray, bad),
        (
            "tampered_claims",
            format!("{first}.{}.{signature}", encode(with(&json!({"roles": ["admin"]})))),
            bad,
        ),
        (
            "tampered_signature",
            format!("{rest}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]),
            bad,
        ),
        ("longer_than_8_kib", signed(with(&json!({"permissions": ["x".repeat(8192)]}))), bad),
        ("claims_are_no_object", signed("[]".into()), bad),
        ("claims_are_no_json", signed("exp".into()), bad),
        ("no_token_at_all", "abc".into(), bad),
        ("revoked_session", signed(with(&json!({"sid": session(11)}))), "session_revoked"),
        (
            "revoked_session_and_expired",
            signed(with(&json!({"sid": session(11), "exp": PAST}))),
            "token_expired",
        ),
        ("dead_generation", signed(with(&json!({"sid": session(12), "gen": 4}))), "session_revoked"),
        ("generation_after_a_dead_one", signed(with(&json!({"sid": session(12), "gen": 5}))), "ok"),
        ("stale_roles", signed(with(&json!({"sub": user(13), "user_id": user(13), "uv": 5}))), "token_stale"),
        ("roles_of_today", signed(with(&json!({"sub": user(13), "user_id": user(13), "uv": 6}))), "ok"),
        ("stale_role_table", signed(with(&json!({"rv": 4}))), "token_stale"),
        (
            "revoked_key",
            forge(header("RS256", "at+jwt", revoked.kid()), text(claims()), &revoked),
            "token_stale",
        ),
        (
            "revoked_session_and_stale_role_table",
            signed(with(&json!({"sid": session(11), "rv": 4}))),
            "session_revoked",
        ),
    ]
}

fn keys() -> Vec<Value> {
    let ours = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].map(fixture::key);
    // The revoked key still stands in the set: a verifier may have fetched it before.
    ours.iter().chain([&fixture::other(Algorithm::Rs256)]).map(|key| key.jwk().expect("public")).collect()
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/conformance/vectors.json")
}

fn committed() -> Value {
    serde_json::from_str(&fs::read_to_string(path()).unwrap_or_default()).unwrap_or_default()
}

/// The file as it should be. An ECDSA signature is another each time: one that is there and holds stays.
fn file() -> String {
    let before = committed();
    let known: HashMap<&str, &str> = before["vectors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|vector| Some((vector["name"].as_str()?, vector["token"].as_str()?)))
        .collect();
    let ec = fixture::key(Algorithm::Es256);
    let holds = |token: &str| {
        token.rsplit_once('.').is_some_and(|(signed, signature)| {
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
            ec.verifying(false).verifier.verifies(signed.as_bytes(), &signature)
        })
    };
    let lines: Vec<String> = vectors()
        .into_iter()
        .map(|(name, token, verdict)| {
            let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
            let kept = known.get(name).filter(|k| signed(k) == signed(&token) && holds(k));
            let token = kept.map_or(token.as_str(), |kept| *kept);
            format!("    {}", text(json!({"name": name, "token": token, "verdict": verdict})))
        })
        .collect();
    let rows = |rows: Vec<Value>| {
        rows.into_iter().map(|row| format!("    {}", text(row))).collect::<Vec<_>>().join(",\n")
    };
    format!(
        "{{\n  \"about\": \"Tokens, the keys and revocations by which to judge them, and the verdicts: ok, or the code of \
         the refusal. They hold from 2026-02-01 to 2099.\",\n  \"issuer\": \"{ISSUER}\",\n  \"audience\": \"{AUDIENCE}\",\n  \
         \"now\": {NOW},\n  \"jwks\": {{\"keys\": [\n{}\n  ]}},\n  \"revocations\": [\n{}\n  ],\n  \"vectors\": [\n{}\n  ]\n}}\n",
        rows(keys()),
        rows(revocations().iter().map(told).collect()),
        lines.join(",\n"),
    )
}

#[test]
fn the_file_of_vectors_is_up_to_date() {
    let file = file();
    if std::env::var_os("KEYWARD_REGENERATE").is_some() {
        fs::write(path(), &file).expect("written");
    }
    let text = fs::read_to_string(path()).unwrap_or_default();
    assert!(
        text == file,
        "examples/conformance/vectors.json is out of date: run this with KEYWARD_REGENERATE=1"
    );
}

#[test]
fn the_rules_give_the_verdicts_of_the_file() {
    let keys = PublicKeys::from_jwks(json!({ "keys": keys() }).to_string().as_bytes()).expect("a set");
    let mut cut_off = RevocationSet::default();
    for (position, revocation) in (1..).zip(revocations()) {
        cut_off.insert(&Entry { position, revocation, until: Timestamp::from_seconds(FUTURE) });
    }
    let all = vectors();
    for now in [PAST, NOW, FUTURE - 61] {
        for (name, token, verdict) in &all {
            let now = Timestamp::from_seconds(now);
            let said = match verify_published(TokenType::Access, token, &keys, &realm(), now) {
                Err(Invalid::Expired(_)) => "token_expired",
                Err(Invalid::KeyRevoked) => "token_stale",
                Err(Invalid::NotOurs(_)) => "invalid_token",
                Ok(verified) => match cut_off.check(verified.subject()) {
                    None => "ok",
                    Some(CutOff::Session | CutOff::Generation) => "session_revoked",
                    Some(CutOff::Key | CutOff::User | CutOff::Roles) => "token_stale",
                },
            };
            assert_eq!(said, *verdict, "{name} at {now}");
        }
    }
    assert_eq!(all.len(), 61);
}
