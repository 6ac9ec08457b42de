//! Do framing and signatures agree with Project Wycheproof and the cookbook of the RFCs?
//!
//! The files are not part of the repository: they are looked for where `KEYWARD_VECTORS` says, or
//! in `shared/vectors` beside it; without them these tests say so and pass. The counts are exact,
//! so that a case which is skipped by mistake fails.
//!
//! None of the vectors is an access token: they have no `typ`, so [`verify`] refuses even the
//! valid ones for their header. What is asked here is what lies beneath: framing, no member that
//! is not ours, the algorithm and name of the key, the signature.

mod conformance;

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Defect;
use super::jws::Jws;
use crate::key::{Algorithm, TokenType, Verifier, pkcs1};

fn vectors(path: &str) -> Option<Value> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("KEYWARD_VECTORS").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        #[expect(clippy::print_stderr, reason = "whoever runs the tests should know what was not tested")]
        {
            eprintln!("no test vectors: set KEYWARD_VECTORS to their folder to test against {path}");
        }
        return None;
    }
    let text = fs::read_to_string(folder.join(path)).expect("a file of vectors");
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn base64url(value: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text(value, name)).expect("base64url")
}

fn hex(value: &Value, name: &str) -> Vec<u8> {
    let text = text(value, name);
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex")).collect()
}

/// The key of a JWK, unless it is for something else. [`crate::key::PublicKeys`] takes no JWK that is as loose as these.
fn key(jwk: &Value) -> Option<(Algorithm, Verifier)> {
    let forbidden = !matches!(text(jwk, "use"), "" | "sig")
        || jwk["key_ops"].as_array().is_some_and(|ops| !ops.contains(&"verify".into()));
    if forbidden {
        return None;
    }
    let (algorithm, public) = match text(jwk, "kty") {
        "RSA" => (Algorithm::Rs256, pkcs1(&base64url(jwk, "n"), &base64url(jwk, "e")).expect("numbers")),
        "EC" => (Algorithm::Es256, [vec![4], base64url(jwk, "x"), base64url(jwk, "y")].concat()),
        "OKP" => (Algorithm::EdDsa, base64url(jwk, "x")),
        _ => (Algorithm::Hs256, base64url(jwk, "k")),
    };
    Some((algorithm, Verifier::new(algorithm, &public).expect("a key")))
}

/// Framing, header but for `typ`, algorithm, name and signature.
fn holds(compact: &str, jwk: &Value) -> bool {
    let (Ok(jws), Some((algorithm, verifier))) = (Jws::parse(compact), key(jwk)) else { return false };
    let Some(members) = jws.members() else { return false };
    assert!(members.typ.is_none() && jws.header(TokenType::Access).err() == Some(Defect::Header));
    let alg = members.alg.is_some_and(|alg| alg.0 == algorithm.as_str());
    let kid = members.kid.is_none_or(|kid| kid.0 == text(jwk, "kid"));
    alg && kid && jws.is_signed_by(&verifier)
}

#[test]
fn wycheproof_json_web_signature() {
    let Some(file) = vectors("wycheproof/json_web_signature_test.json") else { return };
    let (mut skipped, mut accepted, mut refused) = (0, 0, 0);
    for group in file["testGroups"].as_array().expect("groups") {
        let jwk = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        for case in group["tests"].as_array().expect("tests") {
            let id = case["tcId"].as_u64().expect("an id");
            // Algorithms that Keyward has not; and 367 and 370, which lost what made them invalid.
            if !matches!(text(jwk, "alg"), "" | "RS256" | "ES256" | "HS256") || matches!(id, 367 | 370) {
                skipped += 1;
                continue;
            }
            let expected = match id {
                // A question mark within base64url, which RFC 7515 §2 does not know.
                372 | 373 => false,
                // An empty payload is a valid JWS, but no claims: its framing is refused here.
                259 => false,
                _ => text(case, "result") == "valid",
            };
            assert_eq!(holds(text(case, "jws"), jwk), expected, "{id}");
            *(if expected { &mut accepted } else { &mut refused }) += 1;
        }
    }
    assert_eq!((skipped, accepted, refused), (87, 17, 297));
}

/// The primitive as Keyward calls it, on raw signatures.
fn primitive(path: &str, algorithm: Algorithm, public: fn(&Value) -> Vec<u8>) -> Option<(usize, usize)> {
    let (mut accepted, mut refused) = (0, 0);
    for group in vectors(path)?["testGroups"].as_array().expect("groups") {
        let verifier = Verifier::new(algorithm, &public(&group["publicKey"])).expect("a key");
        for case in group["tests"].as_array().expect("tests") {
            let expected = text(case, "result") == "valid";
            assert_eq!(verifier.verifies(&hex(case, "msg"), &hex(case, "sig")), expected, "{}", case["tcId"]);
            *(if expected { &mut accepted } else { &mut refused }) += 1;
        }
    }
    Some((accepted, refused))
}

#[test]
fn wycheproof_ed25519() {
    let counts = primitive("wycheproof/ed25519_test.json", Algorithm::EdDsa, |key| hex(key, "pk"));
    assert!(counts.is_none_or(|counts| counts == (88, 63)), "{counts:?}");
}

#[test]
fn wycheproof_ecdsa_p256() {
    let path = "wycheproof/ecdsa_secp256r1_sha256_p1363_test.json";
    let counts = primitive(path, Algorithm::Es256, |key| hex(key, "uncompressed"));
    assert!(counts.is_none_or(|counts| counts == (173, 89)), "{counts:?}");
}

#[test]
fn the_cookbook_of_rfc_7520_and_rfc_8037() {
    for name in ["jws_4_1.rsa_v15_signature", "jws_4_4.hmac-sha2_integrity_protection", "curve25519_jws"] {
        let Some(file) = vectors(&format!("rfc7520/{name}.json")) else { return };
        let (jwk, compact) = (&file["input"]["key"], text(&file["output"], "compact"));
        assert!(holds(compact, jwk), "{name}");
        // With the last character of the header, the payload or the signature changed.
        for (at, _) in compact.match_indices('.').chain([(compact.len(), "")]) {
            for other in ["A", "B"].into_iter().filter(|other| !compact[..at].ends_with(other)) {
                let changed = format!("{}{other}{}", &compact[..at - 1], &compact[at..]);
                assert!(!holds(&changed, jwk), "{changed}");
            }
        }
    }
}

#[test]
fn detached_unprotected_and_unencoded_content_is_refused() {
    let Some(detached) = vectors("rfc7520/jws_4_5.signature_with_detached_content.json") else { return };
    assert!(!holds(text(&detached["output"], "compact"), &detached["input"]["key"]));
    // RFC 7797 §4.1 as a token: `b64` and `crit` are members that are not ours, whatever follows.
    let file = vectors("rfc7520/rfc7797_hmac-sha2_b64_false.json").expect("it is there with the rest");
    let (jwk, compact) = (&file["input"]["key"], text(&file["output"], "compact"));
    assert!(!holds(compact, jwk));
    let header = compact.split('.').next().expect("a header");
    let encoded = format!("{header}.JC4wMg.AAAA");
    assert!(Jws::parse(&encoded).expect("framed").members().is_none());
    for name in ["jws_4_6.protecting_specific_header_fields", "jws_4_7.protecting_content_only"] {
        let file = vectors(&format!("rfc7520/{name}.json")).expect("it is there with the rest");
        for form in ["json", "json_flat"] {
            assert!(!holds(&file["output"][form].to_string(), &file["input"]["key"]), "{name}");
        }
    }
}
