//! `GET|DELETE /api/admin/sessions`, `DELETE /api/admin/sessions/{id}`: everybody's sessions, found and ended.

use serde_json::{Value, json};

use crate::support::{ADA, App, BOB, Browser, HOUR, MINUTE, Tokens, delete, get, login, moment, post, text};

async fn page(app: &App, token: &str, query: &str) -> Value {
    app.send(get(&format!("/api/admin/sessions?{query}")).bearer(token)).await.ok(200)
}

fn ids(page: &Value) -> Vec<&str> {
    page["sessions"].as_array().expect("sessions").iter().map(|one| text(one, "id")).collect()
}

async fn login_from(app: &App, email: &str, ip: &str) -> Tokens {
    app.pass(1);
    Tokens::of(&app.send(login(email, crate::support::PASSWORD).from(ip)).await.ok(200))
}

#[tokio::test]
async fn sessions_of_everybody_are_found_by_person_transport_address_and_state() {
    let app = App::new().await;
    let reader = app.service_key(&["admin:read"]).await;
    let ada = app.signup(ADA).await;
    app.pass(1);
    let bob = app.signup(BOB).await;
    let far = login_from(&app, BOB, "198.51.100.7").await;
    let six = login_from(&app, BOB, "2001:DB8::0:7").await;
    app.pass(1);
    let mut browser = Browser::signed_in(&app, ADA).await;
    let cookie = text(&browser.session(&app).await.ok(200), "session_id").to_owned();
    app.pass(1);
    app.send(post("/api/auth/logout").bearer(&ada.access)).await.ok(200);
    let ended_at = moment(app.now());
    app.pass(1);
    app.send(post("/api/auth/logout").bearer(&far.access)).await.ok(200);

    let all = page(&app, &reader, "").await;
    assert_eq!(ids(&all), [&cookie, &six.session, &far.session, &bob.session, &ada.session]);
    assert_eq!(all["next_cursor"], Value::Null);
    let last = &all["sessions"][4];
    assert_eq!(
        (&last["email"], &last["state"], &last["end_reason"], &last["ended_at"], &last["expires_at"]),
        (&json!(ADA), &json!("ended"), &json!("logout"), &json!(ended_at), &Value::Null)
    );
    let first = &all["sessions"][0];
    assert_eq!(
        (&first["transport"], &first["state"], &first["end_reason"]),
        (&json!("cookie"), &json!("open"), &Value::Null)
    );
    let found = async |query: &str| {
        ids(&page(&app, &reader, query).await).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("state=ended").await, [&*far.session, &ada.session], "by when they ended");
    assert_eq!(found("state=open").await, [&*cookie, &six.session, &bob.session]);
    assert_eq!(found(&format!("user_id={}", bob.user)).await, [&*six.session, &far.session, &bob.session]);
    assert_eq!(found(&format!("user_id={}&state=open", bob.user)).await, [&*six.session, &bob.session]);
    assert_eq!(found("transport=cookie").await, [&*cookie]);
    assert_eq!(found("ip_address=198.51.100.7").await, [&*far.session]);
    assert_eq!(found("ip_address=2001:db8:0:0::7").await, [&*six.session], "in whatever spelling");
    assert_eq!(found("ip_address=198.51.100.7&state=open&transport=bearer").await, Vec::<String>::new());
    assert_eq!(found("user_id=&state=&ip_address=").await.len(), 5, "as a form sends what was left out");

    // What is over without a write is not open.
    app.pass(HOUR + MINUTE);
    assert_eq!(found("state=open").await, [&*six.session, &bob.session]);
    assert_eq!(page(&app, &reader, "").await["sessions"][0]["state"], "idle");
    let dump = app.dump();
    page(&app, &reader, "").await;
    assert_eq!(app.dump(), dump, "reading changes nothing");
}

#[tokio::test]
async fn a_list_goes_on_and_none_is_told_twice() {
    let app = App::new().await;
    let reader = app.service_key(&["admin:read"]).await;
    app.signup(ADA).await;
    for _ in 0..6 {
        login_from(&app, ADA, "192.0.2.1").await;
    }
    for filter in ["", "&ip_address=192.0.2.1", "&state=open"] {
        let whole = page(&app, &reader, filter).await;
        let (mut told, mut cursor) = (Vec::new(), String::new());
        loop {
            let part = page(&app, &reader, &format!("limit=2{filter}&cursor={cursor}")).await;
            told.extend(ids(&part).into_iter().map(str::to_owned));
            let Some(next) = part["next_cursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert_eq!(told, ids(&whole), "{filter}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("state=idle", "state"),
        ("transport=carrier", "transport"),
        ("ip_address=example.com", "ip_address"),
        ("ip_address=192.0.2.0/24", "ip_address"),
        ("user_id=7", "user_id"),
    ] {
        let ask = get(&format!("/api/admin/sessions?{query}")).bearer(&reader);
        assert_eq!(app.send(ask).await.invalid_fields(), [field], "{query}");
    }
}

#[tokio::test]
async fn those_of_an_address_end_at_once_and_each_can_tell_why() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    app.signup(BOB).await;
    let (one, two) = (login_from(&app, ADA, "192.0.2.66").await, login_from(&app, BOB, "192.0.2.66").await);
    let root = login_from(&app, crate::support::ROOT, "192.0.2.66").await;
    app.events();
    let ask = |query: &str, token: &str| delete(&format!("/api/admin/sessions{query}")).bearer(token);
    let reader = app.service_key(&["admin:read"]).await;
    app.events();
    let before = app.dump();
    for query in ["", "?transport=bearer", "?ip_address=", "?cursor=x"] {
        assert_eq!(app.send(ask(query, &root.access)).await.invalid_fields(), ["ip_address"], "{query:?}");
    }
    app.send(ask("?ip_address=192.0.2.66", &reader)).await.refused(403, "forbidden");
    app.send(ask("?ip_address=192.0.2.66", &ada.access)).await.refused(403, "forbidden");
    assert_eq!(app.dump(), before);
    let done = app.send(ask("?ip_address=192.0.2.66", &root.access)).await.ok(200);
    assert_eq!(done, json!({"revoked": 2, "more": false}), "all but the one that asks");
    assert_eq!(app.events(), ["session_revoked", "session_revoked"]);
    assert_eq!(app.last_details("session_revoked")["by"]["user_id"], admin.user);
    for tokens in [&one, &two] {
        app.session(&tokens.access).await.refused(401, "session_revoked");
        let story = app.send(get(&format!("/api/admin/sessions/{}", tokens.session)).bearer(&root.access));
        let said = story.await.ok(200)["explanation"].to_string();
        assert!(said.contains("the administrator"), "{said}");
    }
    app.session(&ada.access).await.ok(200);
    let again = app.send(ask("?ip_address=192.0.2.66", &root.access)).await.ok(200);
    assert_eq!((again, app.events()), (json!({"revoked": 0, "more": false}), Vec::new()));
    let done = app.send(ask(&format!("?user_id={}", ada.user), &root.access)).await.ok(200);
    assert_eq!(done["revoked"], 1);
}

#[tokio::test]
async fn one_is_ended_by_its_id_alone() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    app.events();
    let ask = |id: &str| delete(&format!("/api/admin/sessions/{id}")).bearer(&admin.access);
    for nowhere in ["x", "0195f6a0-0000-7000-8000-000000000000"] {
        app.send(ask(nowhere)).await.refused(404, "not_found");
    }
    app.send(ask(&ada.session)).await.ok(204);
    assert_eq!(app.events(), ["session_revoked"]);
    app.session(&ada.access).await.refused(401, "session_revoked");
    app.send(ask(&ada.session)).await.refused(404, "not_found");
}
