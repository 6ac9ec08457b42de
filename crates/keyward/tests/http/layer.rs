//! An application's own routes behind [`keyward::Layer`]: who gets in, how the rest is told, and
//! what counts as activity.

use axum::Router;
use axum::routing::{any, get as route};
use http::Method;
use keyward::{Client, Keyward, PersonalClaims, Session, Settings};
use serde_json::json;

use crate::support::{
    ADA, App, Ask, BOB, Browser, HOUR, MINUTE, PASSWORD, Reply, START, get, moment, post, settings, text,
};

const US: &str = "http://127.0.0.1:8080";

async fn who(session: Session) -> String {
    format!("{} {}", session.user_id(), session.email())
}

async fn perhaps(session: Option<Session>) -> String {
    session.map_or("nobody".to_owned(), |session| session.email().to_owned())
}

/// An application with a route of each kind.
fn application(keyward: &Keyward) -> Router {
    let demanding = Router::new()
        .route("/app/signed-in", any(|| async { "in" }))
        .route_layer(keyward.layer().session())
        .merge(
            Router::new()
                .route("/app/editors", any(|| async { "in" }))
                .route_layer(keyward.layer().role("editor")),
        )
        .merge(
            Router::new()
                .route("/app/publish", any(|| async { "in" }))
                .route_layer(keyward.layer().permission("posts:publish").role("editor")),
        )
        .merge(
            Router::new()
                .route("/app/grave", any(|| async { "in" }))
                .route_layer(keyward.layer().recent_login()),
        );
    Router::new()
        .route("/app/who", any(who))
        .route("/app/perhaps", any(perhaps))
        .route("/app/open", any(|| async { "open" }))
        .route(
            "/app/cached",
            route(|_: Session| async { ([("cache-control", "private, max-age=60")], "cached") }),
        )
        .nest("/app/below", Router::new().route("/page", route(who)).layer(keyward.layer()))
        .merge(demanding)
        .layer(keyward.layer())
        .merge(keyward.router())
}

async fn app() -> App {
    App::new().await.within(application)
}

/// That the application answered this.
#[track_caller]
fn said(reply: &Reply, text: &str) {
    assert_eq!((reply.status, reply.text().as_str()), (200, text), "{:?}", reply.headers);
    assert_eq!(reply.all("x-request-id").len(), 1);
}

fn as_ada(user: &str) -> String {
    format!("{user} {ADA}")
}

#[tokio::test]
async fn a_route_of_the_application_knows_who_asks_on_both_transports() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    said(&app.send(get("/app/who").bearer(&tokens.access)).await, &as_ada(&tokens.user));
    let mut browser = Browser::signed_in(&app, ADA).await;
    said(&browser.get(&app, "/app/who").await, &as_ada(&tokens.user));
    said(&browser.post(&app, "/app/who", json!({})).await, &as_ada(&tokens.user));
    said(&app.send(get("/app/perhaps").bearer(&tokens.access)).await, ADA);
    said(&app.send(get("/app/perhaps")).await, "nobody");
    said(&app.send(get("/app/open")).await, "open");
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_so_as_at_keywards_own_routes() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    app.send(get("/app/who")).await.refused(401, "missing_token");
    app.send(get("/app/who").bearer("x.y.z")).await.refused(401, "invalid_token");
    // The first bits of the signature: the last character may be any of several that mean the same.
    let (signed, signature) = tokens.access.rsplit_once('.').expect("a signature");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{first}{}", &signature[1..]);
    app.send(get("/app/who").bearer(&forged)).await.refused(401, "invalid_token");
    app.send(get("/app/who").bearer(&tokens.refresh)).await.refused(401, "invalid_token");
    let twice = get("/app/who").bearer(&tokens.access).bearer(&tokens.access);
    app.send(twice).await.refused(400, "ambiguous_credentials");
    let named = get("/app/who").header("x-request-id", "mine.1");
    let problem = app.send(named).await.refused(401, "missing_token");
    assert_eq!(problem["request_id"], "mine.1");
    app.pass(15 * MINUTE);
    app.send(get("/app/who").bearer(&tokens.access)).await.refused(401, "token_expired");
}

#[tokio::test]
async fn a_session_that_ended_is_refused_on_the_very_next_request() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    said(&browser.get(&app, "/app/who").await, &as_ada(&tokens.user));
    let kept = browser.clone();
    app.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200);
    app.send(get("/app/who").bearer(&tokens.access)).await.refused(401, "session_revoked");
    browser.send(&app, post("/api/auth/logout")).await.ok(200);
    kept.clone().get(&app, "/app/who").await.refused(401, "session_revoked");
    browser.get(&app, "/app/who").await.refused(401, "missing_token");
    let again = app.login(ADA).await;
    let user = again.user.parse().expect("an id");
    app.keyward.revoke_sessions_of(user, &Client::operator()).await.expect("ended");
    app.send(get("/app/who").bearer(&again.access)).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn a_credential_that_is_no_good_is_refused_even_where_anybody_may_come() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    app.send(get("/app/perhaps").bearer("x.y.z")).await.refused(401, "invalid_token");
    let mut browser = Browser::signed_in(&app, ADA).await;
    app.pass(15 * MINUTE);
    app.send(get("/app/perhaps").bearer(&tokens.access)).await.refused(401, "token_expired");
    // What does not ask who it is is told nothing.
    said(&app.send(get("/app/open").bearer(&tokens.access)).await, "open");
    // Somebody who looks at a page of the application sees it, as nobody.
    browser.refresh(&app).await.ok(200);
    let left = browser.clone();
    browser.send(&app, post("/api/auth/logout")).await.ok(200);
    left.clone().get(&app, "/app/perhaps").await.refused(401, "session_revoked");
    said(&left.clone().navigate(&app, "/app/perhaps").await, "nobody");
}

#[tokio::test]
async fn a_request_that_changes_something_by_cookie_has_to_come_from_us() {
    let app = app().await;
    let browser = Browser::signed_up(&app, ADA).await;
    let tokens = app.login(ADA).await;
    for path in ["/app/who", "/app/open", "/app/signed-in"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let ask = || Ask::new(method.clone(), path);
            for foreign in [
                ask(),
                ask().header("origin", "https://evil.example"),
                ask().header("sec-fetch-site", "cross-site").header("origin", US),
                ask().header("sec-fetch-site", "same-site"),
                ask().header("origin", "null"),
            ] {
                let mut browser = browser.clone();
                browser.bare(&app, foreign).await.refused(403, "cross_site_request");
            }
            for ours in [ask().header("origin", US), ask().header("sec-fetch-site", "same-origin")] {
                assert_eq!(browser.clone().bare(&app, ours).await.status, 200, "{method} {path}");
            }
            // No browser adds a header by itself.
            let reply = app.send(ask().bearer(&tokens.access).header("origin", "https://evil.example")).await;
            assert_eq!(reply.status, 200);
        }
        let socket = get(path).header("connection", "upgrade").header("upgrade", "websocket");
        let foreign = socket.clone().header("origin", "https://evil.example");
        browser.clone().bare(&app, foreign).await.refused(403, "cross_site_request");
        assert_eq!(browser.clone().bare(&app, socket.header("origin", US)).await.status, 200);
    }
    // Without a cookie there is nothing to steal.
    said(&app.send(post("/app/open").header("origin", "https://evil.example")).await, "open");
}

#[tokio::test]
async fn a_demand_of_the_layer_stands_before_every_route_in_it() {
    let app = app().await;
    let operator = Client::operator();
    app.keyward.set_role("editor", vec!["posts:publish".to_owned()], &operator).await.expect("set");
    let bob = app.signup(BOB).await;
    let ada = app.signup(ADA).await;
    let change = keyward::AccountChange {
        roles: Some(vec!["user".to_owned(), "editor".to_owned()]),
        ..keyward::AccountChange::default()
    };
    app.keyward.change_account(ada.user.parse().expect("an id"), change, &operator).await.expect("changed");
    app.send(get("/app/editors").bearer(&ada.access)).await.refused(401, "token_stale");
    let ada = app.login(ADA).await;
    for path in ["/app/signed-in", "/app/editors", "/app/publish", "/app/grave"] {
        app.send(get(path)).await.refused(401, "missing_token");
        said(&app.send(get(path).bearer(&ada.access)).await, "in");
    }
    said(&app.send(get("/app/signed-in").bearer(&bob.access)).await, "in");
    app.send(get("/app/editors").bearer(&bob.access)).await.refused(403, "forbidden");
    app.send(get("/app/publish").bearer(&bob.access)).await.refused(403, "forbidden");
    app.keyward.set_role("editor", Vec::new(), &operator).await.expect("set");
    let ada = app.login(ADA).await;
    said(&app.send(get("/app/editors").bearer(&ada.access)).await, "in");
    app.send(get("/app/publish").bearer(&ada.access)).await.refused(403, "forbidden");
    app.pass(10 * MINUTE + 1);
    app.send(get("/app/grave").bearer(&ada.access)).await.refused(403, "reauthentication_required");
    let again = post("/api/auth/reauthenticate").bearer(&ada.access).json(json!({"password": PASSWORD}));
    let fresh = app.send(again).await.ok(200);
    said(&app.send(get("/app/grave").bearer(text(&fresh, "token"))).await, "in");
}

#[tokio::test]
async fn what_a_person_does_at_the_application_keeps_the_session_alive() {
    let page = |ask: Ask| ask.header("sec-fetch-site", "same-origin").header("sec-fetch-mode", "cors");
    let cases = [
        ("a poll", page(get("/app/who")), false),
        ("a poll of what asks nobody's name", page(get("/app/open")), false),
        ("an unsafe method", page(post("/app/who")), true),
        ("an unsafe method of what asks nobody's name", page(post("/app/open")), true),
        ("one that is refused", page(post("/app/editors")), true),
        ("one that is not there", page(post("/app/nothing")), true),
        ("a client without Fetch Metadata", get("/app/who"), true),
        ("what Keyward says is none: a refresh", page(post("/api/auth/refresh")), false),
    ];
    let click = get("/app/who").header("sec-fetch-site", "none").header("sec-fetch-mode", "navigate");
    let click = ("a click", click.header("sec-fetch-user", "?1"), true);
    for (what, ask, counts) in cases.into_iter().chain([click]) {
        // Around Keyward's own routes, too.
        let around = |keyward: &Keyward| application(keyward).layer(keyward.layer());
        let app = App::new().await.within(around);
        let mut browser = Browser::signed_up(&app, ADA).await;
        app.pass(10 * MINUTE);
        browser.bare(&app, ask).await;
        let expected = START + 3_600 + if counts { 600 } else { 0 };
        let shown = browser.session(&app).await.ok(200);
        assert_eq!(text(&shown, "idle_expires_at"), moment(expected), "{what}");
    }
    let app = self::app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for _ in 0..5 {
        app.pass(50 * MINUTE);
        browser.refresh(&app).await.ok(200);
        assert_eq!(browser.post(&app, "/app/who", json!({})).await.status, 200);
    }
    app.pass(HOUR);
    browser.refresh(&app).await.refused(401, "session_idle");
}

#[tokio::test]
async fn who_navigates_to_a_page_without_a_token_goes_to_renew_it() {
    let app = app().await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for (path, next) in [
        ("/app/who", "/app/who"),
        ("/app/who?page=2&x=%20", "/app/who%3Fpage%3D2%26x%3D%2520"),
        ("/app/signed-in", "/app/signed-in"),
        ("/app/below/page", "/app/below/page"),
    ] {
        let reply = Browser::default().navigate(&app, path).await;
        assert_eq!((reply.status, reply.text().as_str()), (303, ""));
        assert_eq!(reply.one("location"), Some(format!("/api/auth/renew?next={next}").as_str()));
        assert_eq!(reply.all("cache-control"), ["no-store"]);
    }
    // And comes back: the cookie of the access token is gone, that of the refresh token is not.
    app.pass(15 * MINUTE);
    let reply = browser.navigate(&app, "/app/who?page=2").await;
    let there = reply.one("location").expect("a location").to_owned();
    let reply = browser.navigate(&app, &there).await;
    assert_eq!(reply.one("location"), Some("http://127.0.0.1:8080/app/who?page=2"));
    assert_eq!(browser.navigate(&app, "/app/who?page=2").await.status, 200);
    // Nobody else is sent about.
    let navigation = |ask: Ask| ask.header("sec-fetch-mode", "navigate").header("accept", "text/html");
    app.send(get("/app/who").header("accept", "*/*")).await.refused(401, "missing_token");
    app.send(get("/app/who").header("sec-fetch-mode", "cors")).await.refused(401, "missing_token");
    // Two credentials: the way is the same, and leads on to the login.
    let twice = get("/app/who").header("authorization", "Bearer a").header("authorization", "Bearer b");
    let there = app.send(navigation(twice)).await;
    assert_eq!((there.status, there.one("location")), (303, Some("/api/auth/renew?next=/app/who")));
    app.send(navigation(post("/app/who"))).await.refused(401, "missing_token");
    let mut browser = Browser::signed_in(&app, ADA).await;
    browser.navigate(&app, "/app/editors").await.refused(403, "forbidden");
    browser.navigate(&app, "/api/auth/session").await.ok(200);
    Browser::default().navigate(&app, "/api/auth/session").await.refused(401, "missing_token");
    // Who signed in too long ago signs in again, and comes back.
    app.pass(10 * MINUTE + 1);
    let reply = browser.navigate(&app, "/app/grave").await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/reauthenticate?next=/app/grave")));
    browser.get(&app, "/app/grave").await.refused(403, "reauthentication_required");
}

#[tokio::test]
async fn what_depends_on_who_asks_is_kept_by_no_cache_unless_the_application_says_so() {
    let app = app().await;
    let tokens = app.signup(ADA).await;
    let asked = async |path: &str| app.send(get(path).bearer(&tokens.access)).await;
    assert_eq!(asked("/app/who").await.all("cache-control"), ["no-store"]);
    assert_eq!(asked("/app/perhaps").await.all("cache-control"), ["no-store"]);
    assert_eq!(asked("/app/editors").await.all("cache-control"), ["no-store"]);
    assert_eq!(asked("/app/cached").await.all("cache-control"), ["private, max-age=60"]);
    assert_eq!(asked("/app/open").await.all("cache-control"), Vec::<&str>::new());
}

#[tokio::test]
async fn a_request_behind_two_layers_is_authenticated_once_and_asks_no_store() {
    let around = |keyward: &Keyward| application(keyward).layer(keyward.layer());
    let app = App::new().await.within(around);
    let tokens = app.signup(ADA).await;
    said(&app.send(get("/app/signed-in").bearer(&tokens.access)).await, "in");
    let reads = app.keyward.store_reads();
    for _ in 0..20 {
        said(&app.send(get("/app/signed-in").bearer(&tokens.access)).await, "in");
        said(&app.send(get("/app/who").bearer(&tokens.access)).await, &as_ada(&tokens.user));
    }
    assert_eq!(app.keyward.store_reads(), reads);
}

#[tokio::test]
async fn what_a_token_leaves_out_is_known_all_the_same() {
    let claims = PersonalClaims { email: false, phone_number: false, roles: false, permissions: false };
    let app = App::with(Settings { claims, ..settings() }).await.within(|keyward| {
        let all = |session: Session| async move {
            format!("{} {:?} {:?}", session.email(), session.roles(), session.permissions())
        };
        Router::new().route("/app/all", route(all)).layer(keyward.layer())
    });
    let router = app.router();
    let signed_up = Client::new([127, 0, 0, 1].into(), "a test");
    let password = PASSWORD.to_owned().try_into().expect("short");
    let grant = match app.keyward.sign_up(ADA, None, password, &signed_up).await.expect("signed up") {
        keyward::SignedUp::In(grant) => grant,
        keyward::SignedUp::Unconfirmed(_) => panic!("a session"),
    };
    let reply = crate::support::ask_of(&router, get("/app/all").bearer(grant.access_token())).await;
    said(&reply, r#"ada@example.com ["user"] []"#);
}
