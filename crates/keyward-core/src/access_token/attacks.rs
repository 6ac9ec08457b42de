//! What do people try? Each of these is refused, for the reason named, by a token that is good but
//! for the one thing; whatever follows the header is signed by the real key unless said otherwise.

mod on_claims;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::tests::{ALL, NOW, claims, payload, realm, ring, ring_of};
use super::*;
use crate::key::{Algorithm, KeyState, fixture};

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn header(key: &Key) -> String {
    format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#, key.algorithm().as_str(), key.kid())
}

/// Any header and payload, signed by the key.
pub(super) fn forge(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, key: &Key) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = key.sign(signed.as_bytes()).expect("signed");
    format!("{signed}.{}", encode(signature))
}

fn judge(token: &str, algorithm: Algorithm) -> Result<Claims, Invalid> {
    verify(token, &ring_of(algorithm), &realm(), NOW).map(|verified| verified.claims)
}

#[track_caller]
fn refused(token: &str, algorithm: Algorithm, defect: Defect) {
    assert_eq!(judge(token, algorithm), Err(Invalid::NotOurs(defect)), "{}", &token[..token.len().min(300)]);
}

/// A header of other members, as JSON text, is refused.
#[track_caller]
fn header_refused(header: impl AsRef<[u8]>, algorithm: Algorithm, defect: Defect) {
    refused(&forge(header, payload().to_string(), &fixture::key(algorithm)), algorithm, defect);
}

/// A payload of other bytes, truly signed, is refused.
#[track_caller]
fn payload_refused(payload: impl AsRef<[u8]>, defect: Defect) {
    let key = fixture::key(Algorithm::EdDsa);
    refused(&forge(header(&key), payload, &key), Algorithm::EdDsa, defect);
}

/// The good claims with one of them set to this JSON text, or taken out.
fn with(name: &str, value: Option<&str>) -> String {
    let mut all = payload();
    let object = all.as_object_mut().expect("object");
    object.remove(name);
    let text = all.to_string();
    match value {
        Some(value) => format!(r#"{{"{name}":{value},{}"#, &text[1..]),
        None => text,
    }
}

#[test]
fn the_forger_makes_good_tokens_when_nothing_is_wrong() {
    for algorithm in ALL {
        let key = fixture::key(algorithm);
        let token = forge(header(&key), payload().to_string(), &key);
        assert_eq!(judge(&token, algorithm), Ok(claims()));
    }
    let key = fixture::key(Algorithm::EdDsa);
    let token = forge(header(&key), with("gen", Some("7")), &key);
    assert_eq!(judge(&token, Algorithm::EdDsa), Ok(claims()));
}

#[test]
fn no_spelling_of_none_is_an_algorithm() {
    for algorithm in ALL {
        let key = fixture::key(algorithm);
        let kid = key.kid();
        for alg in
            ["none", "None", "NONE", "nOnE", "none ", " none", "", "RS512", "PS256", "ES384", "Ed25519"]
        {
            let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
            header_refused(&header, algorithm, Defect::Algorithm);
            let unsigned = format!("{}.{}", encode(&header), encode(payload().to_string()));
            refused(&format!("{unsigned}."), algorithm, Defect::Framing);
            refused(&format!("{unsigned}.AAAA"), algorithm, Defect::Algorithm);
            refused(&unsigned, algorithm, Defect::Framing);
        }
        for alg in ["null", "[]", r#"["none"]"#, "0", "{}", "true"] {
            let header = format!(r#"{{"alg":{alg},"typ":"at+jwt","kid":"{kid}"}}"#);
            header_refused(&header, algorithm, Defect::Header);
        }
        header_refused(format!(r#"{{"typ":"at+jwt","kid":"{kid}"}}"#), algorithm, Defect::Header);
        let lower = algorithm.as_str().to_lowercase();
        header_refused(
            format!(r#"{{"alg":"{lower}","typ":"at+jwt","kid":"{kid}"}}"#),
            algorithm,
            Defect::Algorithm,
        );
    }
}

#[test]
fn the_key_chooses_the_algorithm_and_a_public_key_is_no_secret() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let key = fixture::key(algorithm);
        let jwk = key.jwk().expect("public");
        let member =
            |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).expect("base64");
        let point = [vec![4], member("x"), member("y")].concat();
        let der = [member("n"), member("e")].concat();
        let pem =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&point));
        for secret in
            [jwk.to_string().into_bytes(), member("x"), member("n"), point, der, pem.into_bytes(), vec![]]
        {
            let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
            for (alg, defect) in [("HS256", Defect::Algorithm), (algorithm.as_str(), Defect::Signature)] {
                let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{}"}}"#, key.kid());
                let signed = format!("{}.{}", encode(header), encode(payload().to_string()));
                let mac = aws_lc_rs::hmac::sign(&hmac, signed.as_bytes());
                refused(&format!("{signed}.{}", encode(mac)), algorithm, defect);
            }
        }
    }
    // Every key of ours under the name of every other.
    for ours in ALL {
        for theirs in ALL.into_iter().filter(|theirs| *theirs != ours) {
            let (key, other) = (fixture::key(ours), fixture::key(theirs));
            let text = payload().to_string();
            let renamed = header(&other).replace(other.kid(), key.kid());
            refused(&forge(renamed, &text, &other), ours, Defect::Algorithm);
            refused(&forge(header(&key), &text, &other), ours, Defect::Signature);
        }
        let stranger = fixture::other(ours);
        let renamed = header(&stranger).replace(stranger.kid(), fixture::key(ours).kid());
        refused(&forge(renamed, payload().to_string(), &stranger), ours, Defect::Signature);
    }
}

#[test]
fn a_kid_is_a_name_and_nothing_else() {
    let key = fixture::key(Algorithm::EdDsa);
    let named = |kid: &str| format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":{kid}}}"#);
    let ours = key.kid();
    for kid in [
        "",
        "../../dev/null",
        "/dev/null",
        "x' UNION SELECT 'k'--",
        "\\u0000",
        "*",
        "%",
        &ours[..42],
        &format!("{ours} "),
        &format!("{ours}\\u0000"),
        &ours.to_uppercase(),
        &"k".repeat(65),
        &"k".repeat(3_000),
        "http://127.0.0.1/jwks.json",
    ] {
        header_refused(named(&format!("\"{kid}\"")), Algorithm::EdDsa, Defect::UnknownKey);
    }
    for kid in ["null", "0", "[]", "{}", &format!("[\"{ours}\"]")] {
        header_refused(named(kid), Algorithm::EdDsa, Defect::Header);
    }
    header_refused(r#"{"alg":"EdDSA","typ":"at+jwt"}"#, Algorithm::EdDsa, Defect::Header);
    header_refused(named(&format!("\"{}\"", "k".repeat(10_000))), Algorithm::EdDsa, Defect::TooLong);
    let empty = verify(&forge(header(&key), payload().to_string(), &key), &ring([]), &realm(), NOW);
    assert_eq!(empty, Err(Defect::UnknownKey.into()));
}

#[test]
fn no_header_asks_for_anything() {
    for algorithm in ALL {
        let key = fixture::key(algorithm);
        let plain = header(&key);
        for more in [
            r#""crit":[]"#,
            r#""crit":["exp"]"#,
            r#""crit":["b64"],"b64":false"#,
            r#""b64":true"#,
            r#""b64":false"#,
            r#""zip":"DEF""#,
            r#""enc":"A256GCM""#,
            r#""cty":"JWT""#,
            r#""jku":"http://127.0.0.1:9/jwks""#,
            r#""x5u":"http://127.0.0.1:9/cert""#,
            r#""x5c":["AAAA"]"#,
            r#""x5t":"AAAA""#,
            r#""x":null"#,
            r#""":"""#,
            r#""Alg":"none""#,
            &format!(r#""jwk":{}"#, key.jwk().unwrap_or(json!({"kty": "oct", "k": "AAAA"}))),
        ] {
            header_refused(format!("{},{more}}}", &plain[..plain.len() - 1]), algorithm, Defect::Header);
            header_refused(format!("{{{more},{}", &plain[1..]), algorithm, Defect::Header);
        }
    }
}

#[test]
fn no_member_of_the_header_is_there_twice() {
    let key = fixture::key(Algorithm::Es256);
    let plain = header(&key);
    for (name, value) in [("alg", "ES256"), ("typ", "at+jwt"), ("kid", key.kid())] {
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        for name in [name, &escaped] {
            header_refused(
                format!(r#"{{"{name}":"{value}",{}"#, &plain[1..]),
                Algorithm::Es256,
                Defect::Header,
            );
            header_refused(
                format!(r#"{},"{name}":"none"}}"#, &plain[..plain.len() - 1]),
                Algorithm::Es256,
                Defect::Header,
            );
        }
    }
}

#[test]
fn no_other_kind_of_jwt_passes() {
    let key = fixture::key(Algorithm::EdDsa);
    let typed = |typ: &str| header(&key).replace("at+jwt", typ);
    for typ in [
        "",
        "JWT",
        "jwt",
        "dpop+jwt",
        "dbsc+jwt",
        "kw-assertion+jwt",
        "id+jwt",
        "logout+jwt",
        "at+jwt ",
        " at+jwt",
        "at+jwt\\u0000",
        "at jwt",
        "text/at+jwt",
        "application/",
        "application/application/at+jwt",
        "applicati\u{f6}n/at+jwt",
        "applicatio\u{f6}/at+jwt",
        "a\u{163}+jwt",
        "application/at+jwt; charset=utf-8",
    ] {
        header_refused(typed(typ), Algorithm::EdDsa, Defect::Type);
    }
    header_refused(format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, key.kid()), Algorithm::EdDsa, Defect::Header);
    for typ in ["null", "[\"at+jwt\"]", "1"] {
        let header = header(&key).replace("\"at+jwt\"", typ);
        header_refused(header, Algorithm::EdDsa, Defect::Header);
    }
    for typ in ["AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT", "at\\u002bjwt"] {
        let token = forge(typed(typ), payload().to_string(), &key);
        assert_eq!(judge(&token, Algorithm::EdDsa), Ok(claims()), "{typ}");
    }
}

#[test]
fn header_and_claims_are_one_json_object_in_utf8() {
    let key = fixture::key(Algorithm::EdDsa);
    let (head, body) = (header(&key), payload().to_string());
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let mangled = |text: &str| -> Vec<Vec<u8>> {
        vec![
            utf16(text),
            [b"\xff\xfe".as_slice(), &utf16(text)].concat(),
            format!("\u{feff}{text}").into_bytes(),
            format!("{text}{text}").into_bytes(),
            format!("{text} x").into_bytes(),
            format!("{text}\0").into_bytes(),
            format!("[{text}]").into_bytes(),
            format!("{},}}", &text[..text.len() - 1]).into_bytes(),
            text.as_bytes()[..text.len() - 1].to_vec(),
            text.replace("\":", "\"=").into_bytes(),
            text.replace('"', "'").into_bytes(),
            format!("/**/{text}").into_bytes(),
            serde_json::to_vec(text).expect("a string"),
            b"null".to_vec(),
            b"{}".to_vec(),
            b"[]".to_vec(),
            b"\"\"".to_vec(),
            b" ".to_vec(),
            [text.replace('}', ",\"x\":\"").as_bytes(), b"\xff\"}"].concat(),
            [text.replace('}', ",\"x\":\"").as_bytes(), b"\xc0\x80\"}"].concat(),
            text.replace('}', r#","x":"\ud83d"}"#).into_bytes(),
            text.replace('}', r#","\udc00":0}"#).into_bytes(),
            text.replace('}', ",\"x\":\"\n\"}").into_bytes(),
        ]
    };
    for bytes in mangled(&head) {
        header_refused(bytes, Algorithm::EdDsa, Defect::Header);
    }
    for bytes in mangled(&body) {
        payload_refused(bytes, Defect::Claims);
    }
    // The members as an array, as a derived reader would take them.
    header_refused(format!(r#"["EdDSA","at+jwt","{}"]"#, key.kid()), Algorithm::EdDsa, Defect::Header);
    let values: Vec<Value> = payload().as_object().expect("object").values().cloned().collect();
    payload_refused(Value::Array(values).to_string(), Defect::Claims);
    let spaced = forge(format!(" {}\n", head.replace(':', " : ")), format!("\t{body}\r\n"), &key);
    assert_eq!(judge(&spaced, Algorithm::EdDsa), Ok(claims()));
}

#[test]
fn a_token_has_one_framing() {
    for algorithm in ALL {
        let key = fixture::key(algorithm);
        let token = sign(&claims(), &realm(), &key).expect("signed");
        let segments: Vec<&str> = token.split('.').collect();
        let [head, body, signature] = segments[..] else { panic!("three") };
        for broken in [
            String::new(),
            ".".into(),
            "..".into(),
            "...".into(),
            head.into(),
            format!("{head}.{body}"),
            format!("{head}.{body}."),
            format!("{head}..{signature}"),
            format!(".{body}.{signature}"),
            format!("{}.", &*token),
            format!(".{}", &*token),
            format!("{head}..{body}.{signature}"),
            format!("{}.{signature}", &*token),
            format!("{head}.{body}.{signature}.{signature}.{signature}"),
            format!("{head}.{signature}.{body}.{signature}.{signature}"),
            format!(" {}", &*token),
            format!("{} ", &*token),
            format!("{}\n", &*token),
            format!("Bearer {}", &*token),
            token.replace('.', ". "),
            token.replacen('.', "\u{3002}", 1),
            format!("{head}=.{body}.{signature}"),
            format!("{head}.{body}=.{signature}"),
            format!("{}=", &*token),
            format!("{}==", &*token),
            format!("{}%3D", &*token),
            format!("\"{}\"", &*token),
            format!(r#"{{"protected":"{head}","payload":"{body}","signature":"{signature}"}}"#),
            format!(
                r#"{{"payload":"{body}","signatures":[{{"protected":"{head}","signature":"{signature}"}}]}}"#
            ),
        ] {
            refused(&broken, algorithm, Defect::Framing);
        }
        // As base64 with its own alphabet, with padding, and with other low bits at each end.
        for (at, segment) in segments.iter().enumerate() {
            let bytes = URL_SAFE_NO_PAD.decode(segment).expect("base64url");
            let mut respelled = vec![STANDARD.encode(&bytes), URL_SAFE.encode(&bytes)];
            const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let last = DIGITS.iter().position(|d| segment.ends_with(char::from(*d))).expect("a digit");
            let unused = [0, 0, 16, 4][segment.len() % 4];
            for bits in 1..unused {
                respelled.push(format!(
                    "{}{}",
                    &segment[..segment.len() - 1],
                    char::from(DIGITS[last ^ bits])
                ));
            }
            for other in respelled.iter().filter(|other| other != segment) {
                let mut all = segments.clone();
                all[at] = other;
                refused(&all.join("."), algorithm, Defect::Framing);
            }
        }
    }
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let key = fixture::key(Algorithm::EdDsa);
    refused(&"a".repeat(1 << 20), Algorithm::EdDsa, Defect::TooLong);
    refused(&".".repeat(MAX_LENGTH + 1), Algorithm::EdDsa, Defect::TooLong);
    refused(&".".repeat(MAX_LENGTH), Algorithm::EdDsa, Defect::Framing);
    let padded = |spaces: usize| forge(header(&key), format!("{}{}", payload(), " ".repeat(spaces)), &key);
    let fits = (0..8192).rev().find(|n| padded(*n).len() <= MAX_LENGTH).expect("some");
    assert_eq!(judge(&padded(fits), Algorithm::EdDsa), Ok(claims()));
    refused(&padded(fits + 4), Algorithm::EdDsa, Defect::TooLong);
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for (depth, defect) in [(10_000, Defect::TooLong), (900, Defect::Claims), (130, Defect::Claims)] {
            payload_refused(
                with("x", Some(&format!("{}1{}", open.repeat(depth), close.repeat(depth)))),
                defect,
            );
            header_refused(
                open.repeat(depth),
                Algorithm::EdDsa,
                match defect {
                    Defect::TooLong => defect,
                    _ => Defect::Header,
                },
            );
        }
    }
    // Many members of unknown names, each compared with all others.
    let many: String = (0..600).map(|i| format!(r#""{i}":0,"#)).collect();
    let token = forge(header(&key), format!("{{{many}{}", &payload().to_string()[1..]), &key);
    assert_eq!(judge(&token, Algorithm::EdDsa), Ok(claims()));
}

/// Whoever has an ES256 signature (r, s) has a second one, (r, n − s). So nothing may be remembered
/// of a token's bytes that matters: what is cut off is cut off by what the token says.
#[test]
fn the_twin_of_a_signature_says_the_same() {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let token = sign(&claims(), &realm(), &fixture::key(Algorithm::Es256)).expect("signed");
    let (signed, signature) = token.rsplit_once('.').expect("three segments");
    let mut twin = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    assert_eq!(twin.len(), 64);
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i32::from(N[at]) - i32::from(twin[32 + at]) - borrow;
        borrow = i32::from(difference < 0);
        twin[32 + at] = difference.rem_euclid(256) as u8;
    }
    let twin = format!("{signed}.{}", encode(twin));
    assert_ne!(twin, *token);
    let ring = ring_of(Algorithm::Es256);
    let both = [&*token, &twin].map(|token| verify(token, &ring, &realm(), NOW).expect("ours"));
    assert_eq!(both[0], both[1]);
    let der = [0x30, 6, 2, 1, 1, 2, 1, 1];
    for signature in [&[0; 64][..], &[0; 63], &[0; 65], &der, &N, &[N, N].concat()] {
        refused(&format!("{signed}.{}", encode(signature)), Algorithm::Es256, Defect::Signature);
    }
}

#[test]
fn a_key_in_retirement_verifies_and_its_neighbour_does_not_help() {
    let ring = ring([
        (fixture::key(Algorithm::Rs256), KeyState::Active),
        (fixture::key(Algorithm::Es256), KeyState::Retiring),
    ]);
    let key = fixture::key(Algorithm::Es256);
    let token = forge(header(&key), payload().to_string(), &key);
    assert!(verify(&token, &ring, &realm(), NOW).is_ok());
    let renamed = header(&key).replace(key.kid(), fixture::key(Algorithm::Rs256).kid());
    let renamed = forge(renamed, payload().to_string(), &key);
    assert_eq!(verify(&renamed, &ring, &realm(), NOW), Err(Defect::Algorithm.into()));
}
