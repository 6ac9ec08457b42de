//! Cookies: their attributes to the letter, and which of those that come count.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward::Settings;
use keyward::core::id::SessionId;

use crate::support::{ADA, App, BOB, Browser, Reply, START, WINDOW, get, post, settings, text};

/// What a hint calls a session: 96 bits of the SHA-256 of its id, as a page or a proxy would
/// work it out.
pub(crate) fn tag(session: &str) -> String {
    let id: SessionId = session.parse().expect("an id");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, id.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..12])
}

async fn over_https() -> App {
    App::with(Settings { public_url: "https://app.example.com".parse().expect("an origin"), ..settings() })
        .await
}

#[tokio::test]
async fn over_https_they_are_bound_to_it_and_to_the_host() {
    let app = over_https().await;
    let mut browser = Browser::default();
    let body = serde_json::json!({"email": ADA, "password": crate::support::PASSWORD});
    let reply = browser.post(&app, "/api/auth/signup", body).await;
    let session = text(&reply.ok(201), "session_id").to_owned();
    let (access, refresh) = (
        browser.jar.value("__Host-keyward_access").expect("set"),
        browser.jar.value("__Secure-keyward_refresh").expect("set"),
    );
    let (week, tag) = (7 * 86_400, tag(&session));
    let hint = format!("v1.{tag}.{}.{}", START + week, START + 900);
    assert_eq!(
        reply.cookies(),
        [
            format!("__Host-keyward_access={access}; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=900"),
            format!(
                "__Secure-keyward_refresh={refresh}; HttpOnly; Secure; SameSite=Lax; Path=/api/auth; Max-Age={week}"
            ),
            format!("__Host-keyward_hint={hint}; Secure; SameSite=Lax; Path=/; Max-Age={week}"),
        ]
    );
    browser.session(&app).await.ok(200);
    app.pass(100);
    let reply = browser.refresh(&app).await;
    reply.ok(200);
    assert_eq!(
        reply.cookie("__Host-keyward_hint"),
        Some(format!("v1.{tag}.{}.{}", START + 100 + week, START + 1_000).as_str())
    );
    let reply = browser.send(&app, post("/api/auth/logout")).await;
    assert_eq!(
        reply.cookies(),
        [
            "__Host-keyward_access=; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age=0",
            "__Secure-keyward_refresh=; HttpOnly; Secure; SameSite=Lax; Path=/api/auth; Max-Age=0",
            "__Host-keyward_hint=; Secure; SameSite=Lax; Path=/; Max-Age=0",
        ]
    );
}

#[tokio::test]
async fn on_plain_loopback_they_have_plain_names() {
    let app = App::new().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let reply = browser.refresh(&app).await;
    assert_eq!(browser.jar.names(), ["keyward_access", "keyward_hint", "keyward_refresh"]);
    for line in reply.cookies() {
        assert!(!line.contains("Secure") && !line.contains("Domain"), "{line}");
        assert!(line.contains("; SameSite=Lax; Path=/"), "{line}");
        assert_eq!(line.contains("HttpOnly"), !line.starts_with("keyward_hint"), "{line}");
        assert!(line.len() < 4_096);
    }
    // The names of the one are nothing to the other.
    let https = over_https().await;
    let line = browser.jar.line("/api/auth/refresh", app.now()).expect("cookies");
    https.send(get("/api/auth/session").header("cookie", line)).await.refused(401, "missing_token");
}

#[tokio::test]
async fn no_cookie_outlives_its_session() {
    let mut settings = settings();
    settings.policy.absolute_ttl = std::time::Duration::from_secs(3 * 86_400);
    let app = App::with(settings).await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    let end = START + 3 * 86_400;
    assert!(browser.jar.value("keyward_hint").expect("set").ends_with(&format!(".{end}.{}", START + 900)));
    app.pass(3_599);
    let reply = browser.refresh(&app).await;
    reply.ok(200);
    let ages: Vec<i64> = reply
        .cookies()
        .iter()
        .map(|line| line.rsplit("Max-Age=").next().and_then(|age| age.parse().ok()).expect("Max-Age"))
        .collect();
    assert_eq!(ages, [1, end - app.now(), end - app.now()]);
}

/// A request to read the session with exactly this `Cookie` line.
async fn shown(app: &App, line: &str) -> Reply {
    app.send(get("/api/auth/session").header("cookie", line)).await
}

/// What a browser in which somebody just signed up has, by name.
async fn parts(app: &App, email: &str) -> [String; 3] {
    let browser = Browser::signed_up(app, email).await;
    ["keyward_access", "keyward_refresh", "keyward_hint"]
        .map(|name| format!("{name}={}", browser.jar.value(name).expect("set")))
}

#[tokio::test]
async fn an_access_or_refresh_cookie_without_its_hint_is_not_there() {
    let app = App::new().await;
    let [access, refresh, hint] = parts(&app, ADA).await;
    let [_, _, other_hint] = parts(&app, BOB).await;
    shown(&app, &format!("{access}; {hint}")).await.ok(200);
    shown(&app, &access).await.refused(401, "missing_token");
    shown(&app, &format!("{access}; {other_hint}")).await.refused(401, "missing_token");
    shown(&app, &hint).await.refused(401, "missing_token");
    for bad in ["keyward_hint=v1", "keyward_hint=", "keyward_hint=v2.AAAAAAAAAAAAAAAA.1.1", "keyward_hint=x"]
    {
        shown(&app, &format!("{access}; {bad}")).await.refused(401, "missing_token");
    }
    // Of the hint only the session counts; its deadlines are for the page.
    let tag = hint.split('.').nth(1).expect("a tag").to_owned();
    shown(&app, &format!("{access}; keyward_hint=v1.{tag}.0.0")).await.ok(200);
    let refresh_by = |line: String| {
        app.send(post("/api/auth/refresh").header("cookie", line).header("sec-fetch-site", "same-origin"))
    };
    let before = app.dump();
    refresh_by(refresh.clone()).await.refused(401, "missing_token");
    refresh_by(format!("{refresh}; {other_hint}")).await.refused(401, "missing_token");
    refresh_by(hint.clone()).await.refused(401, "missing_token");
    refresh_by(format!("keyward_refresh=rubbish; {hint}")).await.refused(401, "invalid_refresh_token");
    assert_eq!(app.dump(), before);
    refresh_by(format!("{refresh}; {hint}")).await.ok(200);
}

#[tokio::test]
async fn a_planted_twin_neither_signs_in_nor_locks_out() {
    let app = App::new().await;
    let [access, refresh, hint] = parts(&app, ADA).await;
    let [planted_access, planted_refresh, _] = parts(&app, BOB).await;
    for line in [
        format!("{planted_access}; {access}; {hint}"),
        format!("{access}; {planted_access}; {hint}"),
        format!("keyward_access=rubbish; {access}; {hint}; keyward_access=e.y.J"),
    ] {
        assert_eq!(shown(&app, &line).await.ok(200)["email"], ADA, "{line}");
    }
    for line in [
        format!("{planted_refresh}; {refresh}; {hint}"),
        format!("{refresh}; {planted_refresh}; {hint}"),
        format!("keyward_refresh=kwr_x; {refresh}; {hint}"),
    ] {
        let ask = post("/api/auth/refresh").header("cookie", &line).header("sec-fetch-site", "same-origin");
        assert_eq!(app.send(ask).await.ok(200)["email"], ADA);
    }
}

#[tokio::test]
async fn cookies_of_two_sessions_with_both_hints_are_ambiguous() {
    let app = App::new().await;
    let [ada, ada_refresh, ada_hint] = parts(&app, ADA).await;
    let [bob, bob_refresh, bob_hint] = parts(&app, BOB).await;
    let before = app.dump();
    shown(&app, &format!("{ada}; {bob}; {ada_hint}; {bob_hint}")).await.refused(400, "ambiguous_credentials");
    let ask = post("/api/auth/refresh")
        .header("cookie", format!("{ada_refresh}; {bob_refresh}; {ada_hint}; {bob_hint}"))
        .header("sec-fetch-site", "same-origin");
    app.send(ask).await.refused(400, "ambiguous_credentials");
    // In two lines it is the same.
    let ask = get("/api/auth/session")
        .header("cookie", format!("{ada}; {ada_hint}"))
        .header("cookie", format!("{bob}; {bob_hint}"));
    app.send(ask).await.refused(400, "ambiguous_credentials");
    assert_eq!(app.dump(), before);
    // One of them ended: the other one remains.
    let ended = post("/api/auth/logout")
        .header("cookie", format!("{bob}; {bob_hint}"))
        .header("sec-fetch-site", "same-origin");
    app.send(ended).await.ok(200);
    assert_eq!(shown(&app, &format!("{bob}; {ada}; {ada_hint}; {bob_hint}")).await.ok(200)["email"], ADA);
}

#[tokio::test]
async fn of_several_of_one_session_the_highest_generation_counts() {
    for newest_first in [true, false] {
        let app = App::new().await;
        let mut browser = Browser::signed_up(&app, ADA).await;
        let old = browser.clone();
        browser.refresh(&app).await.ok(200);
        let both = |name: &str| {
            let mut of = [&browser, &old].map(|b| format!("{name}={}", b.jar.value(name).expect("set")));
            if !newest_first {
                of.reverse();
            }
            of.join("; ")
        };
        let hint = format!("keyward_hint={}", browser.jar.value("keyward_hint").expect("set"));
        shown(&app, &format!("{}; {hint}", both("keyward_access"))).await.ok(200);
        app.pass(WINDOW);
        // The successor was used just now: had the older one been presented, this were theft.
        let line = format!("{}; {hint}", both("keyward_refresh"));
        let ask = post("/api/auth/refresh").header("cookie", line).header("sec-fetch-site", "same-origin");
        assert_eq!(app.send(ask).await.ok(200)["rotated"], true);
    }
}

#[tokio::test]
async fn beside_a_cookie_that_counts_the_header_is_ignored() {
    let app = App::new().await;
    let [access, _, hint] = parts(&app, ADA).await;
    let bob = app.signup(BOB).await;
    let with = |line: &str, authorization: &str| {
        app.send(get("/api/auth/session").header("cookie", line).header("authorization", authorization))
    };
    let counting = format!("{access}; {hint}");
    for ignored in ["Bearer stale", &format!("Bearer {}", bob.access), "Basic eDp5", "Bearer"] {
        assert_eq!(with(&counting, ignored).await.ok(200)["email"], ADA, "{ignored}");
    }
    // A cookie that does not count is not there: the header is.
    assert_eq!(with(&access, &format!("Bearer {}", bob.access)).await.ok(200)["email"], BOB);
    with(&access, "Basic eDp5").await.refused(401, "missing_token");
    // A cookie that counts and is bad is not made good by the header.
    app.pass(900);
    let fresh = app.login(BOB).await;
    with(&counting, &format!("Bearer {}", fresh.access)).await.refused(401, "token_expired");
}

#[tokio::test]
async fn of_the_header_one_bearer_token_is_taken() {
    let app = App::new().await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    let ask = get("/api/auth/session");
    let staging = ask.clone().header("authorization", "Basic eDp5").bearer(&ada.access);
    app.send(staging).await.ok(200);
    for (one, two) in [(&ada.access, &bob.access), (&ada.access, &ada.access), (&ada.access, &"x".to_owned())]
    {
        app.send(ask.clone().bearer(one).bearer(two)).await.refused(400, "ambiguous_credentials");
        app.send(ask.clone().bearer(two).bearer(one)).await.refused(400, "ambiguous_credentials");
    }
}

#[tokio::test]
async fn an_access_token_is_good_in_either_place() {
    let app = App::new().await;
    let [access, _, hint] = parts(&app, ADA).await;
    let token = access.strip_prefix("keyward_access=").expect("a name");
    app.session(token).await.ok(200);
    let bearer = app.login(ADA).await;
    let own = format!("keyward_hint=v1.{}.1.1", tag(&bearer.session));
    assert_eq!(
        shown(&app, &format!("keyward_access={}; {own}", bearer.access)).await.ok(200)["transport"],
        "bearer"
    );
    shown(&app, &format!("keyward_access={}; {hint}", bearer.access)).await.refused(401, "missing_token");
}

#[tokio::test]
async fn names_are_matched_byte_for_byte_over_split_lines() {
    let app = App::new().await;
    let [access, _, hint] = parts(&app, ADA).await;
    let value = access.strip_prefix("keyward_access=").expect("a name");
    let split =
        get("/api/auth/session").header("cookie", &hint).header("cookie", format!("a=b;{access} ; x"));
    app.send(split).await.ok(200);
    for name in [
        "KEYWARD_ACCESS",
        "\u{2000}keyward_access",
        "keyward_access\u{a0}",
        "%6beyward_access",
        "=keyward_access",
        "$Version=1,keyward_access",
        "\"keyward_access\"",
    ] {
        shown(&app, &format!("{name}={value}; {hint}")).await.refused(401, "missing_token");
    }
    shown(&app, &format!("keyward_access=\"{value}\"; {hint}")).await.refused(401, "missing_token");
}

#[tokio::test]
async fn a_flood_of_cookies_is_answered_and_forgotten() {
    let app = App::new().await;
    let [access, _, hint] = parts(&app, ADA).await;
    let junk = "keyward_access=x; ".repeat(1_000);
    shown(&app, &format!("{access}; {junk}{hint}")).await.ok(200);
    shown(&app, &format!("{junk}{access}; {hint}")).await.refused(401, "missing_token");
}
