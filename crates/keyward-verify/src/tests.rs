//! What can go wrong between a service and Keyward, and what is said then?

mod guarded;
mod played;

use std::sync::Arc;
use std::time::Duration;

use played::{FEED, INTROSPECT, JWKS, LIVE, Played, SERVICE_KEY, feed, token, vectors, whole};

use crate::clock::Clock;
use crate::keys::Keys;
use crate::web;
use crate::{BuildError, Builder, Verifier};

const ISSUER: &str = "https://id.example.com";

fn builder(played: &Played) -> Builder {
    Verifier::access_tokens(ISSUER).server(&played.url()).service_key(SERVICE_KEY)
}

/// A verifier that hears the feed, and its clock.
async fn listening(played: &Played) -> (Verifier, Clock) {
    let builder = builder(played);
    let clock = builder.clock.clone();
    let verifier = builder.build().expect("built");
    until(|| verifier.is_fresh()).await;
    (verifier, clock)
}

/// A verifier that knows of no revocation, and its clock.
fn blind(played: &Played) -> (Verifier, Clock) {
    let builder = Verifier::access_tokens(ISSUER).server(&played.url()).without_revocations();
    let clock = builder.clock.clone();
    (builder.build().expect("built"), clock)
}

/// Waits for what has to come. That it does not is found by whoever runs the tests.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

async fn verdict(verifier: &Verifier, token: &str) -> &'static str {
    match verifier.verify(token).await {
        Ok(_) => "ok",
        Err(refused) => refused.code(),
    }
}

/// A token that names a key.
fn named(good: &str, kid: &str) -> String {
    let header = format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{kid}"}}"#);
    format!("{}.{}", base64_of(&header), good.split_once('.').expect("segments").1)
}

fn base64_of(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |bits: u32| char::from(DIGITS[bits as usize & 63]);
    let chunks = text.as_bytes().chunks(3).flat_map(|chunk| {
        let bits =
            chunk.iter().enumerate().fold(0, |bits, (i, byte)| bits | u32::from(*byte) << (16 - 8 * i));
        (0..=chunk.len()).map(move |i| digit(bits >> (18 - 6 * i)))
    });
    chunks.collect()
}

#[tokio::test]
async fn the_verdicts_are_those_of_the_vectors() {
    let played = Played::start().await;
    let vectors = vectors();
    let entries = vectors["revocations"].as_array().expect("a list");
    let told: String = entries.iter().map(|entry| format!("event: revocation\ndata: {entry}\n\n")).collect();
    played.answers(FEED, &feed(&format!("{told}{LIVE}")));
    let (verifier, _) = listening(&played).await;
    for vector in vectors["vectors"].as_array().expect("a list") {
        let (name, token) = (&vector["name"], vector["token"].as_str().expect("a text"));
        assert_eq!(verdict(&verifier, token).await, vector["verdict"], "{name}");
    }
    let asked = played.asked(INTROSPECT).len();
    assert_eq!(asked, 1, "about the dead generation alone: that ends its session");
}

#[tokio::test]
async fn an_assertion_is_taken_where_it_is_asked_for_and_nowhere_else() {
    let played = Played::start().await;
    let assertion = token("typ_of_an_assertion");
    let verifier = Verifier::assertions(ISSUER, "keyward").server(&played.url()).build().expect("built");
    assert_eq!(verdict(&verifier, &assertion).await, "ok");
    assert_eq!(verdict(&verifier, &token("valid")).await, "invalid_token");
    let other = Verifier::assertions(ISSUER, "https://other.example").server(&played.url()).build();
    assert_eq!(verdict(&other.expect("built"), &assertion).await, "invalid_token");
    assert!(played.asked(FEED).is_empty(), "it was checked when it was made");
}

#[tokio::test]
async fn keys_that_are_none_are_not_taken_and_the_last_good_ones_stay() {
    let played = Played::start().await;
    let elsewhere = Played::start().await;
    let url: reqwest::Url = format!("{}{JWKS}", played.url()).parse().expect("a URL");
    let web = web::client(&url).expect("a client");
    let keys = Keys::new(url, web, Clock::default());
    let rsa = vectors()["jwks"]["keys"][0].clone();
    let mut other_alg = rsa.clone();
    other_alg["alg"] = "HS256".into();
    let redirect =
        format!("HTTP/1.1 302 Found\r\nLocation: {}{JWKS}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
    let endless = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned() + &" ".repeat(10 << 20);
    let bad = [
        (redirect, "302"),
        (endless, "longer than"),
        (whole(200, &"x".repeat(10 << 20)), "longer than"),
        (whole(200, "<html>"), "no JWKS"),
        (whole(200, r#"{"keys":[]}"#), "HS256"),
        (whole(200, &format!(r#"{{"keys":[{other_alg}]}}"#)), "no key for"),
        (
            whole(200, r#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256","use":"sig","k":"AAAA"}]}"#),
            "no key for",
        ),
        (whole(200, &format!(r#"{{"keys":[{rsa},{rsa}]}}"#)), "two keys of one name"),
        (whole(500, "{}"), "500"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned(), "no answer"),
        ("nonsense\r\n\r\n".to_owned(), "no answer"),
        (String::new(), "no answer"),
    ];
    for round in 0..2 {
        for (answer, reason) in &bad {
            played.answers(JWKS, answer);
            let error = keys.fetch().await.expect_err("refused").to_string();
            assert!(error.contains(reason), "{error}, not {reason}");
            assert_eq!(keys.known(), round == 1, "{reason}");
        }
        played.answers(JWKS, &whole(200, &vectors()["jwks"].to_string()));
        assert_eq!(keys.fetch().await.expect("good"), Duration::from_secs(300));
    }
    assert!(elsewhere.asked(JWKS).is_empty());
}

#[tokio::test]
async fn names_that_nobody_knows_bring_one_fetch_in_half_a_minute() {
    let played = Played::start().await;
    let (verifier, clock) = blind(&played);
    assert_eq!(verdict(&verifier, &token("valid")).await, "ok");
    let good = token("valid");
    let flood = async || {
        let asking: Vec<_> = (0..2_000)
            .map(|n| {
                let (verifier, token) = (verifier.clone(), named(&good, &format!("nobody-{n}")));
                tokio::spawn(async move { verdict(&verifier, &token).await })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.expect("no panic"), "invalid_token");
        }
    };
    flood().await;
    assert_eq!(played.asked(JWKS).len(), 2);
    clock.advance(Duration::from_secs(15));
    flood().await;
    assert_eq!(played.asked(JWKS).len(), 2);
    clock.advance(Duration::from_secs(31));
    flood().await;
    assert_eq!(played.asked(JWKS).len(), 3);
}

#[tokio::test]
async fn a_key_that_is_new_is_fetched_when_a_token_names_it() {
    let played = Played::start().await;
    let without = vectors()["jwks"]["keys"][1].clone();
    played.answers(JWKS, &whole(200, &format!(r#"{{"keys":[{without}]}}"#)));
    let (verifier, clock) = blind(&played);
    assert_eq!(verdict(&verifier, &token("valid")).await, "invalid_token");
    played.answers(JWKS, &whole(200, &vectors()["jwks"].to_string()));
    clock.advance(Duration::from_secs(31));
    assert_eq!(verdict(&verifier, &token("valid")).await, "ok");
}

#[tokio::test]
async fn what_the_feed_says_is_in_force_at_once() {
    let played = Played::start().await;
    let (verifier, clock) = listening(&played).await;
    let good = token("revoked_session");
    assert_eq!(verdict(&verifier, &good).await, "ok");
    let entry =
        r#"{"kind":"session","sid":"0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b","until":"2099-01-01T00:00:00Z"}"#;
    played.tells(&format!("id: 9f-7\nevent: revocation\ndata: {entry}\n\n"));
    while verdict(&verifier, &good).await == "ok" {
        tokio::task::yield_now().await;
    }
    assert_eq!(verdict(&verifier, &good).await, "session_revoked");
    // Whatever comes: what is known to be revoked stays so.
    clock.advance(Duration::from_secs(10));
    played.answers(FEED, "");
    assert_eq!(verdict(&verifier, &good).await, "session_revoked");
    // It goes on where it was.
    until(|| played.asked(FEED).len() > 1).await;
    assert!(played.asked(FEED)[1].to_ascii_lowercase().contains("\r\nlast-event-id: 9f-7\r\n"));
    assert!(!played.asked(FEED)[0].to_ascii_lowercase().contains("last-event-id"));
}

#[tokio::test]
async fn two_seconds_without_a_heartbeat_and_keyward_itself_is_asked() {
    let played = Played::start().await;
    let (verifier, clock) = listening(&played).await;
    let good = token("valid");
    clock.advance(Duration::from_millis(1_500));
    assert_eq!(verdict(&verifier, &good).await, "ok");
    clock.advance(Duration::from_millis(501));
    assert_eq!(verdict(&verifier, &good).await, "store_unavailable", "introspection fails, too");
    for (said, expected) in [
        (whole(200, r#"{"active":true}"#), "ok"),
        (whole(200, r#"{"active":false}"#), "invalid_token"),
        (whole(200, r#"{"active":"true"}"#), "store_unavailable"),
        (whole(200, "{}"), "store_unavailable"),
        (whole(200, "active"), "store_unavailable"),
        (whole(200, &" ".repeat(1 << 20)), "store_unavailable"),
        (whole(401, r#"{"active":true}"#), "store_unavailable"),
        (whole(302, r#"{"active":true}"#), "store_unavailable"),
        (String::new(), "store_unavailable"),
    ] {
        played.answers(INTROSPECT, &said);
        assert_eq!(verdict(&verifier, &good).await, expected, "{said}");
    }
    let asked = played.asked(INTROSPECT).len();
    assert_eq!(verdict(&verifier, &token("expired")).await, "token_expired");
    assert_eq!(verdict(&verifier, "abc").await, "invalid_token");
    assert_eq!(played.asked(INTROSPECT).len(), asked, "nobody is asked about what is no good anyway");
    assert!(played.asked(INTROSPECT)[0].contains(&format!("Bearer {SERVICE_KEY}")));
    played.tells("event: heartbeat\ndata: {}\n\n");
    until(|| verifier.is_fresh()).await;
    assert_eq!(verdict(&verifier, &good).await, "ok");
}

#[tokio::test]
async fn heartbeats_alone_say_that_nothing_was_left_out() {
    let played = Played::start().await;
    let (verifier, clock) = listening(&played).await;
    let revoked = token("revoked_session");
    clock.advance(Duration::from_secs(3));
    let entry =
        r#"{"kind":"session","sid":"0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b","until":"2099-01-01T00:00:00Z"}"#;
    played.tells(&format!("event: revocation\ndata: {entry}\n\nevent: ready\ndata: {{}}\n\n"));
    while verdict(&verifier, &revoked).await != "session_revoked" {
        tokio::task::yield_now().await;
    }
    assert!(!verifier.is_fresh());
    played.tells("event: heartbeat\ndata: {}\n\n");
    until(|| verifier.is_fresh()).await;
}

#[tokio::test]
async fn where_the_clock_was_set_everything_is_told_again() {
    let played = Played::start().await;
    let (verifier, clock) = listening(&played).await;
    clock.set_by(-30);
    assert!(verifier.is_fresh(), "clocks are corrected");
    clock.set_by(-31);
    assert!(!verifier.is_fresh(), "who knows what was forgotten");
    played.tells("event: heartbeat\ndata: {}\n\n");
    until(|| verifier.is_fresh()).await;
    let asked = played.asked(FEED);
    assert_eq!(asked.len(), 2);
    assert!(!asked[1].to_ascii_lowercase().contains("last-event-id"), "{}", asked[1]);
}

#[tokio::test]
async fn a_revoked_key_never_comes_back() {
    let played = Played::start().await;
    let kid = vectors()["jwks"]["keys"][0]["kid"].clone();
    let entry = format!(r#"{{"kind":"key","kid":{kid},"until":"2000-01-01T00:00:00Z"}}"#);
    played.answers(FEED, &feed(&format!("event: revocation\ndata: {entry}\n\n{LIVE}")));
    let (verifier, clock) = listening(&played).await;
    let of_the_key = token("valid");
    assert_eq!(verdict(&verifier, &of_the_key).await, "token_stale");
    clock.advance(Duration::from_secs(61));
    played.tells("event: heartbeat\ndata: {}\n\n");
    until(|| verifier.is_fresh()).await;
    assert_eq!(verdict(&verifier, &of_the_key).await, "token_stale", "for as long as the JWKS may have it");
}

#[tokio::test]
async fn keys_that_can_not_be_fetched_again_count_for_an_hour() {
    let played = Played::start().await;
    let url: reqwest::Url = format!("{}{JWKS}", played.url()).parse().expect("a URL");
    let clock = Clock::default();
    let keys = Keys::new(url.clone(), web::client(&url).expect("a client"), clock.clone());
    keys.fetch().await.expect("keys");
    clock.advance(Duration::from_secs(3_599));
    assert!(keys.current().await.is_some());
    clock.advance(Duration::from_secs(2));
    assert!(keys.current().await.is_none());
    keys.fetch().await.expect("keys");
    assert!(keys.current().await.is_some());
}

#[tokio::test]
async fn a_feed_that_makes_no_sense_is_not_believed() {
    let entry = |entry: &str| format!("event: revocation\ndata: {entry}\n\n{LIVE}");
    for answer in [
        // Heartbeats before it is known what they speak of.
        feed("event: heartbeat\ndata: {}\n\nevent: heartbeat\ndata: {}\n\n"),
        feed(&entry(r#"{"kind":"planet","name":"Mars","until":"2099-01-01T00:00:00Z"}"#)),
        feed(&entry(r#"{"kind":"session","sid":"x","until":"2099-01-01T00:00:00Z"}"#)),
        feed(&entry(r#"{"kind":"roles","rv":5,"until":"tomorrow"}"#)),
        feed(&entry(r#"{"kind":"roles","rv":-5,"until":"2099-01-01T00:00:00Z"}"#)),
        feed(&entry("revoked")),
        feed(&LIVE.replace("id: 1", "id: \u{1}")),
        // Ready, and then nothing: what was missed may still be to come.
        feed("id: 1\nevent: ready\ndata: {}\n\n"),
        feed("id: 1\nevent: ready\ndata: {}\n\nevent: other\ndata: {}\n\n"),
        feed(&format!("data: {}", "x".repeat(1 << 20))),
        feed("\u{1}\u{2}\u{3}"),
        whole(200, LIVE),
        whole(401, "{}"),
        whole(302, "{}"),
        String::new(),
    ] {
        let played = Played::start().await;
        played.answers(FEED, &answer);
        let verifier = builder(&played).build().expect("built");
        until(|| !played.asked(FEED).is_empty()).await;
        // The keys come over another connection; when a verdict needs them, the feed has long been read.
        let shown = &answer[..answer.len().min(300)];
        assert_eq!(verdict(&verifier, &token("valid")).await, "store_unavailable", "{shown}");
        assert!(!verifier.is_fresh(), "{shown}");
        assert_eq!(played.asked(INTROSPECT).len(), 1, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_keys_nobody_is_let_in() {
    let verifier =
        Verifier::access_tokens(ISSUER).server("http://127.0.0.1:1").service_key(SERVICE_KEY).build();
    assert_eq!(verdict(&verifier.expect("built"), &token("valid")).await, "store_unavailable");
}

#[tokio::test]
async fn a_clock_that_is_off_is_borne_for_a_minute() {
    let played = Played::start().await;
    let future = 4_070_908_800;
    for (before_end, leeway, expected) in
        [(30, 0, "ok"), (-1, 0, "token_expired"), (-30, 60, "ok"), (-61, 60, "token_expired")]
    {
        let clock = Clock::default();
        let now = clock.now().seconds();
        clock.advance(Duration::from_secs(
            u64::try_from(future - before_end - now).expect("it is not 2099 yet"),
        ));
        let mut builder = Verifier::access_tokens(ISSUER).server(&played.url()).without_revocations();
        builder.clock = clock;
        let verifier = builder.leeway(Duration::from_secs(leeway)).build().expect("built");
        assert_eq!(verdict(&verifier, &token("valid")).await, expected, "{before_end} {leeway}");
    }
}

#[tokio::test]
async fn what_can_not_be_safe_is_not_built() {
    let of = |server: &str| Verifier::access_tokens(ISSUER).server(server).service_key(SERVICE_KEY);
    let refused = |builder: Builder| builder.build().expect_err("refused");
    assert!(matches!(refused(of("http://keyward:8080")), BuildError::PlainHttp(_)));
    assert!(matches!(refused(of("http://127.0.0.1.evil.example")), BuildError::PlainHttp(_)));
    for here in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"] {
        assert!(of(here).build().is_ok(), "{here}");
    }
    assert!(of("http://keyward:8080").plain_http().build().is_ok());
    for none in ["ftp://id.example.com", "id.example.com", "", "file:///etc/passwd"] {
        assert!(matches!(refused(of(none)), BuildError::Url(_)), "{none}");
    }
    let without = refused(Verifier::access_tokens(ISSUER));
    assert!(without.to_string().contains("keyward service-key create"), "{without}");
    assert!(Verifier::access_tokens(ISSUER).without_revocations().build().is_ok());
    for key in ["", "AAAA", "kws_\n"] {
        assert!(matches!(refused(of(ISSUER).service_key(key)), BuildError::ServiceKey), "{key:?}");
    }
    assert!(matches!(refused(of(ISSUER).leeway(Duration::from_secs(61))), BuildError::Leeway));
    let shown = format!("{:?}", of(ISSUER));
    assert!(!shown.contains("kws_"), "{shown}");
    let outside = std::thread::spawn(move || Verifier::access_tokens(ISSUER).without_revocations().build());
    assert!(matches!(outside.join().expect("no panic"), Err(BuildError::NoRuntime)));
}

#[tokio::test]
async fn who_is_dropped_stops_asking() {
    let played = Played::start().await;
    let (verifier, _) = listening(&played).await;
    let listener = verifier.listener();
    drop(verifier.clone());
    assert_eq!(Arc::strong_count(&listener), 4, "the verifier, its two tasks and this");
    drop(verifier);
    until(|| Arc::strong_count(&listener) == 1).await;
}
