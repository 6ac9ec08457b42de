//! What if the real key signed it, and yet it is not what we write?

use super::super::tests::SECONDS;
use super::*;

#[test]
fn numbers_are_whole_and_times_are_times() {
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for value in [
            "\"9999999999\"",
            "true",
            "null",
            "1e400",
            "1e9",
            "1795216671.0",
            "1795216671.5",
            "-1",
            "-0",
            "01795216671",
            "0x6b000000",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "253402300800",
            "[1795216671]",
            "{}",
            "NaN",
            "Infinity",
            "",
        ] {
            payload_refused(with(name, Some(value)), Defect::Claims);
        }
    }
    for name in ["gen", "uv", "rv"] {
        for value in ["\"1\"", "true", "null", "1.0", "1e2", "-1", "18446744073709551616", "[1]"] {
            payload_refused(with(name, Some(value)), Defect::Claims);
        }
    }
    let key = fixture::key(Algorithm::EdDsa);
    let last = forge(header(&key), with("exp", Some("253402300799")), &key);
    assert!(judge(&last, Algorithm::EdDsa).is_ok());
    let first = forge(header(&key), with("exp", Some("0")), &key);
    assert!(matches!(judge(&first, Algorithm::EdDsa), Err(Invalid::Expired(_))));
    let at = |name, seconds: i64| forge(header(&key), with(name, Some(&seconds.to_string())), &key);
    for name in ["iat", "nbf"] {
        assert!(judge(&at(name, SECONDS + 60), Algorithm::EdDsa).is_ok(), "{name}");
        refused(&at(name, SECONDS + 61), Algorithm::EdDsa, Defect::NotYet);
    }
}

#[test]
fn every_claim_is_there_once_and_of_its_type() {
    let all = payload();
    let key = fixture::key(Algorithm::EdDsa);
    for (name, value) in all.as_object().expect("object") {
        match name.as_str() {
            // The personal ones, of which two go together, may be left out.
            "roles" | "permissions" => {
                let token = forge(header(&key), with(name, None), &key);
                assert!(judge(&token, Algorithm::EdDsa).is_ok(), "{name}");
            }
            _ => payload_refused(with(name, None), Defect::Claims),
        }
        let wrong = if value.is_string() { "0" } else { "\"x\"" };
        let wrong = if name == "phone_number" { "0" } else { wrong };
        payload_refused(with(name, Some(wrong)), Defect::Claims);
        payload_refused(with(name, Some("{}")), Defect::Claims);
        if name != "phone_number" {
            payload_refused(with(name, Some("null")), Defect::Claims);
        }
        let text = all.to_string();
        payload_refused(format!(r#"{{"{name}":{value},{}"#, &text[1..]), Defect::Claims);
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        payload_refused(format!(r#"{},"{escaped}":{value}}}"#, &text[..text.len() - 1]), Defect::Claims);
    }
    for (name, value) in [
        ("amr", r#"["pwd",1]"#),
        ("roles", r#"["user",null]"#),
        ("roles", r#"{"0":"admin"}"#),
        ("roles", r#""admin""#),
        ("permissions", "[[]]"),
        ("email_verified", "\"true\""),
        ("email_verified", "1"),
        ("jti", "\"\""),
    ] {
        payload_refused(with(name, Some(value)), Defect::Claims);
    }
}

#[test]
fn unknown_claims_are_ignored_but_never_doubled() {
    let key = fixture::key(Algorithm::EdDsa);
    for value in ["1", "null", r#"{"a":{"b":[1,{"a":1}]},"b":{"b":1}}"#, "1.5e300", r#""\ud83d\ude00""#] {
        let token = forge(header(&key), with("x", Some(value)), &key);
        assert_eq!(judge(&token, Algorithm::EdDsa), Ok(claims()), "{value}");
    }
    for value in [
        r#"1,"x":1"#,
        r#"1,"\u0078":1"#,
        r#"{"a":1,"a":1}"#,
        r#"[0,{"a":{"b":1,"c":2,"b":3}}]"#,
        r#"{"":1,"":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#""\ud83d""#,
        r#"{"\ud83d":1}"#,
        "1e400",
    ] {
        payload_refused(with("x", Some(value)), Defect::Claims);
    }
}

#[test]
fn a_user_and_a_session_have_one_spelling() {
    const USER: &str = "02020202-0202-0202-0202-02020202020a";
    let renamed = payload().to_string().replace(&claims().user.to_string(), USER);
    let key = fixture::key(Algorithm::EdDsa);
    assert!(judge(&forge(header(&key), &renamed, &key), Algorithm::EdDsa).is_ok());
    for other in [
        USER.to_uppercase(),
        USER.replace('-', ""),
        format!("{{{USER}}}"),
        format!("urn:uuid:{USER}"),
        format!(" {USER}"),
        format!("{USER}\\n"),
        String::new(),
    ] {
        payload_refused(renamed.replace(USER, &other), Defect::Claims);
        payload_refused(with("sid", Some(&format!("\"{other}\""))), Defect::Claims);
    }
    payload_refused(with("user_id", Some(&format!("\"{USER}\""))), Defect::Claims);
    payload_refused(with("sub", Some(&format!("\"{USER}\""))), Defect::Claims);
}

#[test]
fn an_issuer_is_compared_to_the_letter() {
    for issuer in [
        "",
        "https://id.example.com/",
        "http://id.example.com",
        "https://ID.example.com",
        "https://id.example.com:443",
        "https://id.example.com.",
        "https://id.example.co",
        "https://id.example.com@evil.example",
        "https://\u{456}d.example.com",
        " https://id.example.com",
        "https://id.example.com\\u0000",
    ] {
        payload_refused(with("iss", Some(&format!("\"{issuer}\""))), Defect::Issuer);
    }
    payload_refused(with("iss", Some(r#"["https://id.example.com"]"#)), Defect::Claims);
    let key = fixture::key(Algorithm::EdDsa);
    let escaped = forge(header(&key), with("iss", Some(r#""https:\/\/id.example.com""#)), &key);
    assert_eq!(judge(&escaped, Algorithm::EdDsa), Ok(claims()));
}

#[test]
fn an_audience_is_named_alone_or_among_others() {
    let key = fixture::key(Algorithm::EdDsa);
    for aud in [r#""keyward""#, r#"["keyward"]"#, r#"["x","keyward"]"#, r#"["keyward","keyward"]"#] {
        let token = forge(header(&key), with("aud", Some(aud)), &key);
        assert_eq!(judge(&token, Algorithm::EdDsa), Ok(claims()), "{aud}");
    }
    for aud in
        [r#""""#, "[]", r#""key""#, r#""keyward2""#, r#""Keyward""#, r#""x keyward""#, r#"["x","keywar"]"#]
    {
        payload_refused(with("aud", Some(aud)), Defect::Audience);
    }
    for aud in ["5", "null", "true", r#"{"keyward":1}"#, r#"["keyward",5]"#, r#"[["keyward"]]"#, "[null]"] {
        payload_refused(with("aud", Some(aud)), Defect::Claims);
    }
}
