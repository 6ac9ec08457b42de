//! Bad input: answered with what is wrong, never with a fault, and nothing changes.

use serde_json::json;

use crate::support::{ADA, App, Ask, PASSWORD, Tokens, post};

/// Every route that reads a body.
fn readers(tokens: &Tokens) -> Vec<Ask> {
    ["signup", "login", "refresh", "logout", "password/change", "reauthenticate"]
        .map(|path| post(&format!("/api/auth/{path}")).bearer(&tokens.access))
        .to_vec()
}

#[tokio::test]
async fn what_is_no_json_is_said_to_be_none() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let before = app.dump();
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let bodies: Vec<Vec<u8>> = vec![
        b"{".to_vec(),
        b"{}x".to_vec(),
        b"{\"email\":}".to_vec(),
        b"{'email':1}".to_vec(),
        b"{\"email\":\"a\",}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{\"email\":\"\xff\"}".to_vec(),
        b"{\"email\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"email\":\"\\ud800\"}".to_vec(),
        b"{\"email\":\"\\udc00\\ud800\"}".to_vec(),
        b"{\"email\":\"\x00\"}".to_vec(),
        b"{\"email\":\"a\nb\"}".to_vec(),
        "{\"email\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        b"NaN".to_vec(),
        b"{\"a\":1e999999}".to_vec(),
        b"{\"email\":1,\"email\":2}".to_vec(),
        b"{\"x\":{\"a\":1,\"\\u0061\":2}}".to_vec(),
        b" ".to_vec(),
        b"\x00".to_vec(),
        deep.into_bytes(),
        deep_objects.into_bytes(),
    ];
    for ask in readers(&tokens) {
        for body in &bodies {
            let reply = app.send(ask.clone().raw("application/json", body.clone())).await;
            assert_eq!(
                reply.status,
                400,
                "{ask:?} {}: {}",
                String::from_utf8_lossy(&body[..body.len().min(40)]),
                reply.text()
            );
            reply.refused(400, "malformed_json");
        }
        for body in ["[]", "1", "null", "\"a\"", "true"] {
            app.send(ask.clone().raw("application/json", body)).await.refused(422, "validation_failed");
        }
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn a_body_is_json_and_says_so() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let before = app.dump();
    let body = json!({"email": ADA, "password": PASSWORD, "refresh_token": tokens.refresh}).to_string();
    for ask in readers(&tokens) {
        for media in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/problem+json",
            "application/jsonp",
            "*/*",
            "",
            "text/plain; application/json",
            "application/json, text/plain",
        ] {
            app.send(ask.clone().raw(media, body.clone())).await.refused(415, "unsupported_media_type");
        }
        app.send(ask.clone().body(body.clone())).await.refused(415, "unsupported_media_type");
        app.send(ask.clone().raw("application/json", body.clone()).header("content-type", "text/plain"))
            .await
            .refused(415, "unsupported_media_type");
        // Nothing is unpacked.
        for coding in ["gzip", "deflate", "br", "zstd", "x-gzip", "identity, gzip"] {
            let packed = ask
                .clone()
                .raw("application/json", b"\x1f\x8b\x08\x00".to_vec())
                .header("content-encoding", coding);
            app.send(packed).await.refused(415, "unsupported_media_type");
        }
    }
    // What a form on another site can send.
    let smuggled = post("/api/auth/login")
        .raw("text/plain", format!("{{\"email\":\"{ADA}\",\"password\":\"{PASSWORD}\",\"x\":\"=\"}}"));
    app.send(smuggled).await.refused(415, "unsupported_media_type");
    assert_eq!(app.dump(), before);
    for media in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
    {
        app.send(post("/api/auth/login").raw(media, body.clone())).await.ok(200);
    }
}

#[tokio::test]
async fn odd_characters_are_no_fault() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.tick().await;
    let before = app.dump_without_events();
    let odd = [
        "\u{0}",
        "a\u{0}b@example.com",
        "\u{202e}x@example.com",
        "\u{fffd}",
        "\u{10ffff}",
        "' OR 1=1 --",
        "%",
        "\\",
        "\u{1b}[31m",
        "\r\nX: y",
        "\u{560d}\u{560a}x",
        "${jndi:ldap://x}",
        "\u{feff}",
        "ada\u{ff20}example.com",
    ];
    let [signup, login, refresh, logout, change, again] =
        ["signup", "login", "refresh", "logout", "password/change", "reauthenticate"]
            .map(|path| post(&format!("/api/auth/{path}")));
    for text in odd {
        for (ask, body, expected) in [
            (&login, json!({"email": text, "password": text}), 401),
            (&login, json!({"phone_number": text, "password": text}), 401),
            (&login, json!({"email": text, "password": text, "transport": text}), 422),
            (&login, json!({text: text}), 422),
            (&refresh, json!({"refresh_token": text}), 401),
            (&logout, json!({"refresh_token": text}), 200),
            (&signup, json!({"email": text, "password": PASSWORD}), 422),
            (&signup, json!({"email": "eve@example.com", "password": PASSWORD, "phone_number": text}), 422),
            (&again.clone().bearer(&tokens.access), json!({"password": text}), 401),
            (
                &change.clone().bearer(&tokens.access),
                json!({"current_password": text, "new_password": text}),
                422,
            ),
        ] {
            let reply = app.send(ask.clone().json(body.clone())).await;
            assert_eq!(reply.status, expected, "{ask:?} {body}: {}", reply.text());
            assert!(reply.headers.values().all(|value| value.to_str().is_ok()), "{text:?}");
        }
    }
    assert_eq!(app.dump_without_events(), before);
}

/// Addresses that look alike are other addresses or none; never the account of somebody else.
#[tokio::test]
async fn no_other_spelling_in_unicode_is_the_same_account() {
    let app = App::new().await;
    app.signup("kira.strasse.i@example.com").await;
    for alike in [
        "\u{212a}ira.strasse.i@example.com",
        "kira.stra\u{df}e.i@example.com",
        "kira.strasse.\u{131}@example.com",
        "kira.strasse.\u{130}@example.com",
        "kira.strasse.i@ex\u{430}mple.com",
        "kira.strasse.i@example.com.",
        "\"kira.strasse.i\"@example.com",
        "kira.strasse.i\u{ad}@example.com",
        "kira.strasse.i@example\u{3002}com",
        "k\u{300}ira.strasse.i@example.com",
    ] {
        let login = json!({"email": alike, "password": PASSWORD});
        app.send(post("/api/auth/login").json(login.clone())).await.refused(401, "invalid_credentials");
        let reply = app.send(post("/api/auth/signup").json(login)).await;
        assert!(matches!(reply.status, 201 | 422), "{alike}: {}", reply.text());
    }
    assert_eq!(
        app.send(
            post("/api/auth/login")
                .json(json!({"email": "Kira.Strasse.I@EXAMPLE.com", "password": PASSWORD}))
        )
        .await
        .ok(200)["email"],
        "kira.strasse.i@example.com"
    );
}

#[tokio::test]
async fn a_password_of_a_megabyte_is_not_read_and_one_of_a_kilobyte_not_hashed() {
    let app = App::new().await;
    let hashes = app.keyward.password_hashes();
    for length in [1 << 20, 65_500] {
        let body = json!({"email": ADA, "password": "x".repeat(length)});
        for path in ["/api/auth/login", "/api/auth/signup"] {
            app.send(post(path).json(body.clone())).await.refused(413, "body_too_large");
        }
    }
    let body = json!({"email": ADA, "password": format!("Aa1{}", "x".repeat(60_000))});
    for path in ["/api/auth/login", "/api/auth/signup"] {
        assert_eq!(app.send(post(path).json(body.clone())).await.invalid_fields(), ["password"], "{path}");
    }
    assert_eq!(app.keyward.password_hashes(), hashes);
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_one_byte_more_is_not() {
    let app = App::new().await;
    app.signup(ADA).await;
    let start = format!("{{\"email\":\"{ADA}\",\"password\":\"{PASSWORD}\",\"pad\":\"");
    let padded = |length: usize| format!("{start}{}\"}}", "x".repeat(length - start.len() - 2));
    let ask = |body: String| app.send(post("/api/auth/login").raw("application/json", body));
    ask(padded(64 << 10)).await.ok(200);
    ask(padded((64 << 10) + 1)).await.refused(413, "body_too_large");
    // What is declared is believed before anything is read.
    let declared = post("/api/auth/login")
        .json(json!({}))
        .without("content-length")
        .header("content-length", "1000000000");
    app.send(declared).await.refused(413, "body_too_large");
}
