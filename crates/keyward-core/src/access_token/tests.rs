use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::key::{Algorithm, KeyRecord, KeyState, fixture};
use crate::seal::MasterKey;

pub(super) const ALL: [Algorithm; 4] =
    [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256];
pub(super) const SECONDS: i64 = 1_795_216_671;
pub(super) const NOW: Timestamp = Timestamp::from_seconds(SECONDS);

pub(super) fn realm() -> Realm {
    let (issuer, audience) = ("https://id.example.com".to_owned(), "keyward".to_owned());
    Realm { issuer, audience, leeway: Duration::ZERO }
}

pub(super) fn claims() -> Claims {
    Claims {
        session: SessionId::from_bytes([1; 16]),
        user: UserId::from_bytes([2; 16]),
        generation: 7,
        roles_version: 3,
        role_table_version: 5,
        jti: "a-token".into(),
        issued_at: NOW,
        expires_at: Timestamp::from_seconds(SECONDS + 900),
        auth_time: Timestamp::from_seconds(SECONDS - 3600),
        amr: vec!["pwd".into()],
        email: Some(ClaimedEmail { address: "ada@example.com".into(), verified: true }),
        phone_number: Some(ClaimedPhone { number: None, verified: false }),
        roles: Some(vec!["user".into()]),
        permissions: Some(vec!["jobs:read".into(), "jobs:write".into()]),
    }
}

pub(super) fn ring(keys: impl IntoIterator<Item = (Key, KeyState)>) -> KeyRing {
    let master = MasterKey::from_bytes(&[1; 32]);
    KeyRing::new(
        keys.into_iter()
            .map(|(key, state)| (KeyRecord::new(&key, b"", state, NOW, &master, [0; 12]), Arc::new(key))),
    )
}

pub(super) fn ring_of(algorithm: Algorithm) -> KeyRing {
    ring([
        (fixture::key(algorithm), KeyState::Active),
        (fixture::other(algorithm), KeyState::Next),
        (fixture::other(Algorithm::EdDsa), KeyState::Retiring),
    ])
}

pub(super) fn payload() -> Value {
    serde_json::from_slice(&payload::write(&claims(), &realm()).expect("written")).expect("JSON")
}

#[test]
fn what_is_signed_is_verified_by_the_active_key_of_every_algorithm() {
    for algorithm in ALL {
        let (ring, key) = (ring_of(algorithm), fixture::key(algorithm));
        let token = sign(&claims(), &realm(), &key).expect("signed");
        let verified = verify(&token, &ring, &realm(), NOW).expect("ours");
        assert_eq!((&*verified.kid, &verified.claims), (key.kid(), &claims()));
        let subject = verified.subject();
        assert_eq!((subject.kid, subject.session), (key.kid(), claims().session));
        assert_eq!((subject.generation, subject.user), (7, claims().user));
        assert_eq!((subject.roles_version, subject.role_table_version), (3, 5));
        // A node that was told of a rotation first signs with what is next here.
        let next = sign(&claims(), &realm(), &fixture::other(algorithm)).expect("signed");
        assert_eq!(verify(&next, &ring, &realm(), NOW).map(|v| v.claims), Ok(claims()));
    }
}

#[test]
fn the_claims_are_those_of_the_contract() {
    assert_eq!(
        payload(),
        json!({
            "iss": "https://id.example.com", "aud": "keyward",
            "sub": "02020202-0202-0202-0202-020202020202",
            "user_id": "02020202-0202-0202-0202-020202020202",
            "sid": "01010101-0101-0101-0101-010101010101",
            "gen": 7, "uv": 3, "rv": 5, "jti": "a-token",
            "iat": SECONDS, "nbf": SECONDS, "exp": SECONDS + 900, "auth_time": SECONDS - 3600,
            "amr": ["pwd"], "email": "ada@example.com", "email_verified": true,
            "phone_number": null, "phone_number_verified": false,
            "roles": ["user"], "permissions": ["jobs:read", "jobs:write"],
        })
    );
    let bare = Claims { email: None, phone_number: None, roles: None, permissions: None, ..claims() };
    let written = payload::write(&bare, &realm()).expect("written");
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    for name in ["email", "email_verified", "phone_number", "phone_number_verified", "roles", "permissions"] {
        assert_eq!(written.get(name), None, "{name}");
    }
    let key = fixture::key(Algorithm::EdDsa);
    let token = sign(&bare, &realm(), &key).expect("signed");
    let header = jws::Jws::parse(&token).expect("framed");
    let members = header.members().expect("a header");
    let text = |text: Option<super::json::Text<'_>>| text.map(|t| t.0.into_owned());
    assert_eq!(text(members.alg).as_deref(), Some("EdDSA"));
    assert_eq!(text(members.typ).as_deref(), Some("at+jwt"));
    assert_eq!(text(members.kid).as_deref(), Some(key.kid()));
    assert_eq!(verify(&token, &ring_of(Algorithm::EdDsa), &realm(), NOW).map(|v| v.claims), Ok(bare));
}

#[test]
fn each_personal_claim_is_there_or_not_by_itself() {
    let (key, ring) = (fixture::key(Algorithm::Hs256), ring_of(Algorithm::Hs256));
    for choice in 0..16u8 {
        let has = |bit: u8| choice & (1 << bit) != 0;
        let all = claims();
        let some = Claims {
            email: all.email.clone().filter(|_| has(0)),
            phone_number: has(1)
                .then(|| ClaimedPhone { number: Some("+4915112345678".into()), verified: true }),
            roles: all.roles.clone().filter(|_| has(2)),
            permissions: all.permissions.clone().filter(|_| has(3)),
            ..all
        };
        let token = sign(&some, &realm(), &key).expect("signed");
        assert_eq!(verify(&token, &ring, &realm(), NOW).map(|v| v.claims), Ok(some));
    }
}

#[test]
fn times_are_judged_to_the_second() {
    let (key, ring) = (fixture::key(Algorithm::EdDsa), ring_of(Algorithm::EdDsa));
    let token = sign(&claims(), &realm(), &key).expect("signed");
    let judge = |leeway: u64, offset: i64| {
        let realm = Realm { leeway: Duration::from_secs(leeway), ..realm() };
        match verify(&token, &ring, &realm, Timestamp::from_micros(NOW.micros() + offset)) {
            Ok(_) => "good",
            Err(Invalid::Expired(verified)) if verified.claims == claims() => "expired",
            Err(Invalid::NotOurs(Defect::NotYet)) => "not yet",
            Err(other) => panic!("{other:?}"),
        }
    };
    const S: i64 = 1_000_000;
    for (leeway, offset, expected) in [
        (0, 900 * S - 1, "good"),
        (0, 900 * S, "expired"),
        (30, 930 * S - 1, "good"),
        (30, 930 * S, "expired"),
        (u64::MAX, i64::MAX - NOW.micros() - 1, "good"),
        (0, -60 * S, "good"),
        (0, -60 * S - 1, "not yet"),
        (3600, -60 * S - 1, "not yet"),
        (0, i64::MAX - NOW.micros(), "expired"),
        (0, i64::MIN + NOW.micros(), "not yet"),
    ] {
        assert_eq!(judge(leeway, offset), expected, "{leeway} {offset}");
    }
}

#[test]
fn what_a_revoked_key_signed_is_worthless_for_ever_and_says_nothing() {
    let revoked = ring([
        (fixture::key(Algorithm::Es256), KeyState::Revoked),
        (fixture::other(Algorithm::Es256), KeyState::Active),
    ]);
    let token = sign(&claims(), &realm(), &fixture::key(Algorithm::Es256)).expect("signed");
    for seconds in [0, 899, 900, 100_000_000] {
        let now = NOW.after(Duration::from_secs(seconds));
        assert_eq!(verify(&token, &revoked, &realm(), now), Err(Invalid::KeyRevoked), "{seconds}");
    }
    // What it did not sign is no business of its.
    let foreign = Realm { issuer: "https://other.example.com".into(), ..realm() };
    assert_eq!(verify(&token, &revoked, &foreign, NOW), Err(Defect::Issuer.into()));
    let retiring = ring([(fixture::key(Algorithm::Es256), KeyState::Retiring)]);
    assert_eq!(verify(&token, &retiring, &realm(), NOW).map(|v| v.claims), Ok(claims()));
}

#[test]
fn an_assertion_is_no_access_token() {
    let (key, ring) = (fixture::key(Algorithm::Rs256), ring_of(Algorithm::Rs256));
    let assertion = sign_assertion(&claims(), &realm(), &key).expect("signed");
    assert_eq!(verify(&assertion, &ring, &realm(), NOW), Err(Defect::Type.into()));
    assert_eq!(peek_session(&assertion), None);
    let jws = jws::Jws::parse(&assertion).expect("framed");
    assert!(jws.header(TokenType::Assertion).is_ok() && jws.is_signed_by(key.verifying(false).verifier));
}

#[test]
fn a_peek_needs_the_framing_and_no_key() {
    for algorithm in ALL {
        let token = sign(&claims(), &realm(), &fixture::key(algorithm)).expect("signed");
        let expected = Some((claims().session, 7));
        assert_eq!(peek_session(&token), expected);
        let (rest, _) = token.rsplit_once('.').expect("three segments");
        assert_eq!(peek_session(&format!("{rest}.AAAA")), expected);
        for broken in [format!("{rest}."), rest.to_owned(), format!("{rest}.AAAA="), format!("{rest}.A")] {
            assert_eq!(peek_session(&broken), None, "{broken}");
        }
    }
    assert_eq!(peek_session(""), None);
}

#[test]
fn what_nobody_would_take_is_not_signed() {
    let key = fixture::key(Algorithm::Rs256);
    let with = |count: usize| Claims {
        permissions: Some((0..count).map(|i| format!("permission:{i:04}")).collect()),
        ..claims()
    };
    let (ring, longest) =
        (ring_of(Algorithm::Rs256), (0..400).find(|n| sign(&with(*n), &realm(), &key).is_err()));
    let longest = longest.expect("a limit");
    assert_eq!(sign(&with(longest), &realm(), &key).err(), Some(SignError::TooLong));
    let token = sign(&with(longest - 1), &realm(), &key).expect("signed");
    assert!(token.len() <= MAX_LENGTH && token.len() > MAX_LENGTH - 30, "{}", token.len());
    assert!(verify(&token, &ring, &realm(), NOW).is_ok());
}

fn oracle(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    algorithm.as_str().parse().expect("known")
}

#[test]
fn another_implementation_verifies_what_we_sign() {
    for algorithm in ALL {
        let key = fixture::key(algorithm);
        let decoding = match key.jwk() {
            Some(jwk) => {
                DecodingKey::from_jwk(&serde_json::from_value::<Jwk>(jwk).expect("a JWK")).expect("a key")
            }
            None => DecodingKey::from_secret(&fixture::private(algorithm)),
        };
        let mut validation = Validation::new(oracle(algorithm));
        validation.set_audience(&["keyward"]);
        validation.set_issuer(&["https://id.example.com"]);
        // It asks a clock, which no test here does.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        let token = sign(&claims(), &realm(), &key).expect("signed");
        let read = jsonwebtoken::decode::<Value>(&token[..], &decoding, &validation).expect("valid");
        assert_eq!(read.claims, payload());
        assert_eq!(
            (read.header.kid.as_deref(), read.header.typ.as_deref()),
            (Some(key.kid()), Some("at+jwt"))
        );
    }
}

#[test]
fn what_another_implementation_signs_we_verify() {
    for algorithm in ALL {
        let (key, private) = (fixture::key(algorithm), fixture::private(algorithm));
        let encoding = match algorithm {
            // It wants PKCS#1, which follows the 26 bytes of a PKCS#8 header.
            Algorithm::Rs256 => EncodingKey::from_rsa_der(&private[26..]),
            Algorithm::Es256 => EncodingKey::from_ec_der(&private),
            Algorithm::EdDsa => EncodingKey::from_ed_der(&private),
            Algorithm::Hs256 => EncodingKey::from_secret(&private),
        };
        let mut header = Header::new(oracle(algorithm));
        (header.typ, header.kid) = (Some("at+jwt".into()), Some(key.kid().into()));
        let token = jsonwebtoken::encode(&header, &payload(), &encoding).expect("signed");
        let verified = verify(&token, &ring_of(algorithm), &realm(), NOW);
        assert_eq!(verified.map(|v| v.claims), Ok(claims()), "{algorithm:?}");
        header.typ = Some("JWT".into());
        let token = jsonwebtoken::encode(&header, &payload(), &encoding).expect("signed");
        assert_eq!(verify(&token, &ring_of(algorithm), &realm(), NOW), Err(Defect::Type.into()));
    }
}

fn second() -> impl Strategy<Value = Timestamp> {
    (0i64..=253_402_300_799).prop_map(Timestamp::from_seconds)
}

prop_compose! {
    fn any_claims()(
        ids: ([u8; 16], [u8; 16]),
        numbers: (u64, u64, u64),
        times in (second(), second()),
        jti in ".{1,20}",
        amr in proptest::collection::vec(".{0,5}", 0..3),
        email in proptest::option::of((".{0,20}", any::<bool>())),
        phone in proptest::option::of((proptest::option::of(".{0,20}"), any::<bool>())),
        lists in (
            proptest::option::of(proptest::collection::vec(".{0,9}", 0..4)),
            proptest::option::of(proptest::collection::vec(".{0,9}", 0..4)),
        ),
    ) -> Claims {
        Claims {
            session: SessionId::from_bytes(ids.0),
            user: UserId::from_bytes(ids.1),
            generation: numbers.0,
            roles_version: numbers.1,
            role_table_version: numbers.2,
            jti,
            issued_at: times.0,
            expires_at: Timestamp::from_seconds(times.0.seconds().saturating_add(1).min(253_402_300_799)),
            auth_time: times.1,
            amr,
            email: email.map(|(address, verified)| ClaimedEmail { address, verified }),
            phone_number: phone.map(|(number, verified)| ClaimedPhone { number, verified }),
            roles: lists.0,
            permissions: lists.1,
        }
    }
}

proptest! {
    #[test]
    fn every_claim_is_read_as_it_was_written(claims in any_claims(), issuer in ".{0,20}", audience in ".{0,20}") {
        let realm = Realm { issuer, audience, leeway: Duration::from_secs(1) };
        let key = fixture::key(Algorithm::Hs256);
        let token = sign(&claims, &realm, &key).expect("signed");
        let verified = verify(&token, &ring_of(Algorithm::Hs256), &realm, claims.issued_at);
        prop_assert_eq!(verified.map(|v| v.claims), Ok(claims));
    }

    #[test]
    fn no_text_makes_it_panic(text in r#"[A-Za-z0-9_.=-]{0,200}|(\PC{0,40}\.){0,5}\PC{0,40}"#) {
        prop_assert!(matches!(verify(&text, &ring_of(Algorithm::Es256), &realm(), NOW), Err(Invalid::NotOurs(_))));
        prop_assert_eq!(peek_session(&text), None);
    }

    #[test]
    fn no_signed_payload_makes_it_panic(bytes: Vec<u8>, text in r#"\{("[a-z]{1,3}":[0-9\[\]\{\}"a,.e-]{0,9},?){0,9}\}"#) {
        let (ring, key) = (ring_of(Algorithm::Hs256), fixture::key(Algorithm::Hs256));
        for payload in [bytes.as_slice(), text.as_bytes()] {
            let token = jws::sign(TokenType::Access, payload, &key).expect("signed");
            prop_assert!(matches!(verify(&token, &ring, &realm(), NOW), Err(Invalid::NotOurs(_))));
        }
    }

    #[test]
    fn no_changed_token_passes(
        which in 0usize..4,
        at: prop::sample::Index,
        to in r"[A-Za-z0-9_.=+/ -]",
        how in 0..3,
    ) {
        let ring = ring_of(ALL[which]);
        let token = sign(&claims(), &realm(), &fixture::key(ALL[which])).expect("signed");
        let at = at.index(token.len());
        let changed = match how {
            0 => format!("{}{to}{}", &token[..at], &token[at + 1..]),
            1 => format!("{}{to}{}", &token[..at], &token[at..]),
            _ => format!("{}{}", &token[..at], &token[at + 1..]),
        };
        prop_assume!(changed != *token);
        prop_assert!(matches!(verify(&changed, &ring, &realm(), NOW), Err(Invalid::NotOurs(_))), "{}", changed);
    }
}
