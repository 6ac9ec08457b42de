//! `GET /api/auth/revocations`: is everything told that was revoked, once it was, and nothing else?

use std::time::Duration;

use keyward::{Client, Keyward};
use serde_json::{Value, json};

use crate::support::{
    ADA, App, BOB, Ears, MINUTE, Tokens, WINDOW, claims, delete, get, jwt_header, login, moment, patch, post,
    put,
};

async fn logout(app: &App, tokens: &Tokens) {
    app.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200);
}

async fn listening(app: &App) -> (String, Ears) {
    let key = app.service_key(&["revocations"]).await;
    let mut ears = Ears::open(app, &key, None).await;
    ears.until_ready().await;
    ears.now().await;
    (key, ears)
}

/// The only event that can be heard, as its id and its data.
async fn one(ears: &mut Ears) -> (u64, Value) {
    let mut heard: Vec<_> = ears.now().await.into_iter().filter(|(name, ..)| name != "heartbeat").collect();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let (name, id, data) = heard.remove(0);
    assert_eq!(name, "revocation");
    (id.expect("its position"), data)
}

#[tokio::test]
async fn first_the_whole_set_and_then_each_change_as_it_is_committed() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    let key = app.service_key(&["revocations"]).await;
    logout(&app, &ada).await;
    let change = patch(&format!("/api/admin/users/{}", bob.user)).bearer(&admin.access);
    app.send(change.json(json!({"roles": ["user", "admin"]}))).await.ok(200);
    let role = put("/api/admin/roles/editor").bearer(&admin.access);
    app.send(role.clone().json(json!({"permissions": []}))).await.ok(200);
    // A new one is nobody's; one that is changed makes tokens stale.
    app.send(role.json(json!({"permissions": ["jobs:read"]}))).await.ok(200);
    let lost = Tokens::of(&app.refresh(&app.login(ADA).await.refresh).await.ok(200));
    app.tick().await;

    let mut ears = Ears::open(&app, &key, None).await;
    let (mut set, ready) = ears.until_ready().await;
    let until = moment(app.now() + 15 * 60 + 1 + 60);
    assert!(set.iter().all(|(name, id, _)| name == "revocation" && id.is_none()), "{set:?}");
    set.sort_by_key(|(.., data)| data["kind"].to_string());
    let told: Vec<Value> = set.into_iter().map(|(.., data)| data).collect();
    let rv = told[0]["rv"].as_u64().expect("a version");
    assert_eq!(
        told,
        [
            json!({"kind": "roles", "rv": rv, "until": until}),
            json!({"kind": "session", "sid": ada.session, "until": until}),
            json!({"kind": "user", "sub": bob.user, "uv": claims(&bob.access)["uv"].as_u64().expect("uv") + 1,
                "until": until}),
        ]
    );
    let position = ready.1.expect("a position");
    assert_eq!(ready.2, json!({"position": position, "resumed": false}));

    // Each kind of change, the moment it is committed.
    logout(&app, &lost).await;
    let (id, data) = one(&mut ears).await;
    assert_eq!((id, data), (position + 1, json!({"kind": "session", "sid": lost.session, "until": until})));
    let kid = jwt_header(&bob.access)["kid"].as_str().expect("a key").to_owned();
    app.keyward.revoke_key(&kid, &Client::operator()).await.expect("revoked");
    let (id, data) = one(&mut ears).await;
    // Who holds it makes tokens of any age.
    let day = moment(app.now() + 24 * 60 * 60);
    assert_eq!((id, data), (position + 2, json!({"kind": "key", "kid": kid, "until": day})));
    let admin = app.login(crate::support::ROOT).await;
    app.send(delete("/api/admin/roles/editor").bearer(&admin.access)).await.ok(204);
    let (id, data) = one(&mut ears).await;
    assert_eq!((id, data["kind"].as_str(), data["rv"].as_u64()), (position + 3, Some("roles"), Some(rv + 1)));
}

#[tokio::test]
async fn a_generation_given_up_for_lost_is_told() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let lost = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.pass(WINDOW);
    app.tick().await;
    let (_, mut ears) = listening(&app).await;
    app.refresh(&tokens.refresh).await.ok(200);
    let (_, data) = one(&mut ears).await;
    assert_eq!((&data["kind"], &data["sid"]), (&json!("generation"), &json!(tokens.session)));
    assert_eq!(data["gen"], claims(&lost.access)["gen"]);
}

#[tokio::test]
async fn who_comes_back_goes_on_where_they_were_or_hears_the_whole_set() {
    let app = App::new().await;
    let (key, mut ears) = listening(&app).await;
    let mut sessions = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let tokens = app.login_or_signup(ADA).await;
        logout(&app, &tokens).await;
        sessions.push(tokens.session);
        ids.push(one(&mut ears).await.0);
    }
    let names: Vec<_> = ids.iter().map(|id| ears.id(*id)).collect();
    let beyond = ears.id(99_999_999);
    drop(ears);
    let told = async |last: &str| {
        let mut ears = Ears::open(&app, &key, Some(last)).await;
        let mut all = ears.now().await;
        let at = all.iter().position(|(name, ..)| name == "ready").expect("ready");
        let (_, id, data) = all.remove(at);
        assert_eq!(id, data["position"].as_u64());
        let of = |(name, id, data): (String, Option<u64>, Value)| {
            (name == "revocation").then(|| (id, data["sid"].as_str().expect("a session").to_owned()))
        };
        (data["resumed"] == true, at, all.into_iter().filter_map(of).collect::<Vec<_>>())
    };
    let (resumed, at, rest) = told(&names[0]).await;
    assert!(resumed && at == 0, "ready, and then what was missed");
    assert_eq!(rest, [(Some(ids[1]), sessions[1].clone()), (Some(ids[2]), sessions[2].clone())]);
    assert_eq!(told(&names[2]).await, (true, 0, vec![]));
    // Of another installation, of one restored from a backup, or of nobody.
    for strange in [
        &beyond,
        "99999999",
        "3",
        &format!("0000000000000000-{}", ids[2]),
        "",
        "-1",
        "+1",
        "1 ",
        "x",
        "18446744073709551616",
    ] {
        let (resumed, at, set) = told(strange).await;
        assert!(!resumed && at == 3 && set.len() == 3 && set.iter().all(|(id, _)| id.is_none()), "{strange}");
    }
    // What no longer matters is told to nobody.
    app.pass(20 * MINUTE);
    app.tick().await;
    assert_eq!(told("x").await, (false, 0, vec![]));
}

#[tokio::test]
async fn after_a_restart_the_whole_set_is_told_as_a_position_may_be_another_by_then() {
    let app = App::new().await;
    let (key, mut ears) = listening(&app).await;
    let tokens = app.signup(ADA).await;
    logout(&app, &tokens).await;
    let position = one(&mut ears).await.0;
    let heard = ears.id(position);
    drop(ears);
    let app = app.restarted().await;
    app.tick().await;
    // From a backup, it could be anybody's.
    let mut ears = Ears::open(&app, &key, Some(&heard)).await;
    let (set, ready) = ears.until_ready().await;
    assert_eq!(set.iter().map(|(.., data)| data["sid"].clone()).collect::<Vec<_>>(), [json!(tokens.session)]);
    assert_eq!(ready.2, json!({"position": position, "resumed": false}));
    assert_ne!(ears.id(position), heard);
}

#[tokio::test]
async fn what_others_commit_is_told_at_the_poll_and_in_order() {
    let app = App::new().await;
    let tokens = [app.signup(ADA).await, app.login(ADA).await, app.login(ADA).await];
    let (_, mut ears) = listening(&app).await;
    let beside = app.beside().await;
    let end = async |keyward: &Keyward, tokens: &Tokens| {
        let session = tokens.session.parse().expect("an id");
        keyward.revoke_session(session, &Client::operator()).await.expect("ended");
    };
    end(&beside, &tokens[0]).await;
    assert_eq!(ears.now().await, []);
    app.tick().await;
    let (first, data) = one(&mut ears).await;
    assert_eq!(data["sid"], tokens[0].session);
    // Another's lies between: it is told first, and neither waits for a poll.
    end(&beside, &tokens[1]).await;
    end(&app.keyward, &tokens[2]).await;
    let heard = ears.now().await;
    let told: Vec<_> = heard.iter().map(|(_, id, data)| (*id, data["sid"].clone())).collect();
    assert_eq!(
        told,
        [(Some(first + 1), json!(tokens[1].session)), (Some(first + 2), json!(tokens[2].session))]
    );
    app.tick().await;
    assert_eq!(ears.now().await, [], "nothing is told twice");
}

#[tokio::test]
async fn a_heartbeat_says_that_the_node_knows_and_stops_where_it_does_not() {
    let app = App::new().await;
    let (_, mut ears) = listening(&app).await;
    let beats = async |ears: &mut Ears| {
        let heard = ears.now().await;
        assert!(heard.iter().all(|heard| *heard == ("heartbeat".to_owned(), None, json!({}))), "{heard:?}");
        heard.len()
    };
    let quarter = Duration::from_millis(250);
    for _ in 0..8 {
        app.clock.advance(quarter);
        app.tick().await;
        assert_eq!(beats(&mut ears).await, 1);
        assert_eq!(beats(&mut ears).await, 0);
    }
    // No poll is answered from now on: for a second the node trusts what it knows.
    let mut heard = Vec::new();
    for _ in 0..8 {
        app.clock.advance(quarter);
        heard.push(beats(&mut ears).await);
    }
    assert_eq!(heard, [1, 1, 1, 1, 0, 0, 0, 0]);
    app.tick().await;
    app.clock.advance(quarter);
    assert_eq!(beats(&mut ears).await, 1);
}

#[tokio::test]
async fn no_heartbeat_comes_before_all_that_is_known_was_told() {
    let app = App::new().await;
    let (_, mut ears) = listening(&app).await;
    let mut people = Vec::new();
    for n in 0..3 {
        let email = format!("ada{n}@example.com");
        people.push(app.signup(&email).await);
        for _ in 1..90 {
            app.login(&email).await;
        }
    }
    app.tick().await;
    ears.now().await;
    app.clock.advance(Duration::from_millis(250));
    for tokens in &people {
        app.send(post("/api/auth/logout-all").bearer(&tokens.access)).await.ok(200);
    }
    // More than is told at a time.
    let heard = ears.now().await;
    let (beat, told) = heard.split_last().expect("something");
    assert_eq!((beat.0.as_str(), told.len()), ("heartbeat", 3 * 90));
    assert!(
        told.iter().all(|heard| heard.0 == "revocation"),
        "who trusts what they know has heard all of it"
    );
}

#[tokio::test]
async fn it_ends_with_its_key_and_tells_nothing_after_that() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    let made = app.keyward.create_service_key("ears", &["revocations".to_owned()], &Client::operator()).await;
    let made = made.expect("made");
    let mut ears = Ears::open(&app, &made.key, None).await;
    let (_, mut other) = listening(&app).await;
    ears.until_ready().await;
    app.keyward.revoke_service_key(made.view.id, &Client::operator()).await.expect("revoked");
    logout(&app, &tokens).await;
    while let Some((name, ..)) = ears.next().await {
        assert_ne!(name, "revocation");
    }
    assert_eq!(one(&mut other).await.1["sid"], tokens.session, "the others go on");
    app.send(get("/api/auth/revocations").bearer(&made.key)).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn it_ends_at_a_stop_and_holds_nobody_up() {
    let app = App::new().await;
    let key = app.service_key(&["revocations"]).await;
    let served = app.serve().await;
    let mut stream = std::net::TcpStream::connect(served.address).expect("connects");
    let reader = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        let head =
            format!("GET /api/auth/revocations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        let (mut text, mut bytes) = (String::new(), [0; 4_096]);
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        while !text.contains("event: ready") {
            let read = stream.read(&mut bytes).expect("read");
            text.push_str(std::str::from_utf8(&bytes[..read]).expect("text"));
        }
        (stream, text)
    });
    let (mut stream, text) = reader.await.expect("ready");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("transfer-encoding: chunked"), "{text}");
    assert!(app.keyward.metrics().contains("keyward_feed_listeners 1\n"));
    served.stop().await;
    let rest = tokio::task::spawn_blocking(move || {
        use std::io::Read as _;
        let mut rest = String::new();
        stream.read_to_string(&mut rest).expect("its end");
        rest
    });
    assert!(rest.await.expect("ended").ends_with("0\r\n\r\n"), "the stream has its end");
    // Whoever serves by other means sends them away.
    let (_, mut ears) = listening(&app).await;
    app.keyward.send_away();
    assert_eq!(ears.next().await, None);
    // Whoever serves again serves this, too.
    let (_, mut ears) = listening(&app).await;
    app.keyward.close().await.expect("closed");
    assert_eq!(ears.next().await, None);
    assert!(app.keyward.metrics().contains("keyward_feed_listeners 0\n"));
}

#[tokio::test]
async fn nothing_secret_is_told_and_a_person_hears_nothing() {
    let app = App::new().await;
    let (_, mut ears) = listening(&app).await;
    let tokens = app.signup(ADA).await;
    logout(&app, &tokens).await;
    let heard = format!("{:?}", ears.now().await);
    for secret in [ADA, &tokens.access, &tokens.refresh, &tokens.user] {
        assert!(!heard.contains(secret), "{secret} in {heard}");
    }
    let tokens = app.login(ADA).await;
    let ask = get("/api/auth/revocations");
    app.send(ask.clone().bearer(&tokens.access)).await.refused(401, "invalid_token");
    app.send(ask).await.refused(401, "missing_token");
    app.send(login(ADA, crate::support::PASSWORD)).await.ok(200);
}
