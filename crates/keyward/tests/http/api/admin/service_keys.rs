//! `GET|POST /api/admin/service-keys`, `DELETE /api/admin/service-keys/{id}`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward::Client;
use serde_json::{Value, json};

use crate::support::{App, Ask, HOUR, MINUTE, START, Tokens, delete, get, moment, post, text};

const PATH: &str = "/api/admin/service-keys";

fn make(admin: &Tokens, body: Value) -> Ask {
    post(PATH).bearer(&admin.access).json(body)
}

async fn list(app: &App, token: &str) -> Vec<Value> {
    let body = app.send(get(PATH).bearer(token)).await.ok(200);
    body["service_keys"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_key_is_told_once_and_rests_as_a_hash() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.events();
    let asked = json!({"name": "billing (eu)", "scopes": ["revoke", "introspect", "revoke"]});
    let made = app.send(make(&admin, asked)).await.ok(201);
    assert_eq!(app.events(), ["service_key_created"]);
    let (id, key) = (text(&made, "id"), text(&made, "key"));
    assert_eq!(
        app.last_details("service_key_created"),
        json!({"service_key_id": id, "service_key": "billing (eu)", "scopes": ["introspect", "revoke"],
            "by": {"user_id": admin.user, "session_id": admin.session}})
    );
    assert!(key.starts_with("kws_") && key.len() == 47, "32 random bytes");
    let told = json!({"id": id, "name": "billing (eu)", "scopes": ["introspect", "revoke"],
        "created_at": moment(START), "last_used_at": null});
    let mut once = told.clone();
    once["key"] = json!(key);
    assert_eq!(made, once);
    assert_eq!(list(&app, &admin.access).await, [told]);
    app.send(post("/api/auth/introspect").bearer(key).form("token=x")).await.ok(200);
    // No file holds it, as text or as bytes.
    app.tick().await;
    let bytes = URL_SAFE_NO_PAD.decode(&key[4..]).expect("base64url");
    for (place, file) in app.database_bytes() {
        for needle in [&key.as_bytes()[4..], &bytes] {
            assert!(!file.windows(needle.len()).any(|window| window == needle), "{}", place.display());
        }
    }
}

#[tokio::test]
async fn without_scopes_a_key_is_good_for_nothing() {
    let app = App::new().await;
    let admin = app.admin().await;
    for body in
        [json!({"name": "a", "scopes": []}), json!({"name": "b", "scopes": null}), json!({"name": "c"})]
    {
        let made = app.send(make(&admin, body)).await.ok(201);
        assert_eq!(made["scopes"], json!([]));
        let key = text(&made, "key");
        app.send(post("/api/auth/introspect").bearer(key).form("token=x")).await.refused(403, "forbidden");
        app.send(get("/api/admin/keys").bearer(key)).await.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn what_is_no_name_or_no_scope_is_told_and_nothing_is_made() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.send(make(&admin, json!({"name": "taken"}))).await.ok(201);
    app.tick().await;
    let before = app.dump();
    for (body, fields) in [
        (json!({}), vec!["name"]),
        (json!({"name": 1, "scopes": "admin"}), vec!["name", "scopes"]),
        (json!({"name": "a", "scopes": [1]}), vec!["scopes"]),
        (json!({"name": "a", "scopes": ["admin", "root"]}), vec!["scopes"]),
        (json!({"name": "a", "scopes": ["Admin"]}), vec!["scopes"]),
        (json!({"name": "a", "scopes": ["admin,revoke"]}), vec!["scopes"]),
        (json!({"name": "", "scopes": [""]}), vec!["name", "scopes"]),
        (json!({"name": " a"}), vec!["name"]),
        (json!({"name": "a\u{0}"}), vec!["name"]),
        (json!({"name": "a\nb"}), vec!["name"]),
        (json!({"name": "x".repeat(65)}), vec!["name"]),
        (json!({"name": "taken"}), vec!["name"]),
    ] {
        let reply = app.send(make(&admin, body.clone())).await;
        assert_eq!(reply.invalid_fields(), fields, "{body}");
    }
    app.send(post(PATH).bearer(&admin.access).form("name=a")).await.refused(415, "unsupported_media_type");
    app.send(post(PATH).bearer(&admin.access).raw("application/json", "{"))
        .await
        .refused(400, "malformed_json");
    assert_eq!(app.dump(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_want_one_name_one_gets_it() {
    let app = std::sync::Arc::new(App::new().await);
    let admin = app.admin().await;
    app.events();
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (app, ask) = (app.clone(), make(&admin, json!({"name": "one", "scopes": ["admin"]})));
        asks.spawn(async move { app.send(ask).await });
    }
    let mut made = 0;
    for reply in asks.join_all().await {
        match reply.status {
            201 => made += 1,
            _ => assert_eq!(reply.invalid_fields(), ["name"]),
        }
    }
    assert_eq!((made, app.events()), (1, vec!["service_key_created".to_owned()]));
}

#[tokio::test]
async fn a_revoked_key_is_refused_by_the_next_request() {
    let app = App::new().await;
    let admin = app.admin().await;
    let made = app.send(make(&admin, json!({"name": "one", "scopes": ["admin:read"]}))).await.ok(201);
    let (id, key) = (text(&made, "id"), text(&made, "key"));
    let other = app.service_key(&["admin:read"]).await;
    app.send(get(PATH).bearer(key)).await.ok(200);
    app.events();
    app.send(delete(&format!("{PATH}/{id}")).bearer(&admin.access)).await.ok(204);
    assert_eq!(app.events(), ["service_key_revoked"]);
    assert_eq!(
        app.last_details("service_key_revoked"),
        json!({"service_key_id": id, "service_key": "one",
            "by": {"user_id": admin.user, "session_id": admin.session}})
    );
    app.send(get(PATH).bearer(key)).await.refused(401, "invalid_token");
    assert_eq!(list(&app, &other).await.len(), 1);
    for gone in [id, "x", "0195f6a0-0000-7000-8000-000000000000"] {
        let ask = delete(&format!("{PATH}/{gone}")).bearer(&admin.access);
        app.send(ask).await.refused(404, "not_found");
    }
    assert_eq!(app.events(), Vec::<String>::new());
    // Its name is free again, and the new key is another one.
    let again = app.send(make(&admin, json!({"name": "one"}))).await.ok(201);
    assert_ne!(text(&again, "key"), key);
    let app = app.killed().await;
    app.send(get(PATH).bearer(key)).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn what_another_process_does_is_in_force_within_a_second() {
    let app = App::new().await;
    let known = app.service_key(&["admin:read"]).await;
    app.send(get(PATH).bearer(&known)).await.ok(200);
    let beside = app.beside().await;
    let scopes = ["admin:read".to_owned()];
    let made = beside.create_service_key("made beside", &scopes, &Client::operator()).await.expect("made");
    app.pass(2);
    app.send(get(PATH).bearer(&made.key)).await.ok(200);
    for key in beside.service_keys().await.expect("readable") {
        beside.revoke_service_key(key.id, &Client::operator()).await.expect("there");
    }
    app.pass(2);
    for key in [&known, &*made.key] {
        app.send(get(PATH).bearer(key)).await.refused(401, "invalid_token");
    }
}

#[tokio::test]
async fn a_key_is_used_without_a_read_or_a_write_of_its_own_and_a_forged_one_costs_none() {
    let app = App::new().await;
    let key = app.service_key(&["introspect"]).await;
    let ask = || post("/api/auth/introspect").form("token=x");
    app.send(ask().bearer(&key)).await.ok(200);
    app.tick().await;
    let (reads, before) = (app.keyward.store_reads(), app.dump());
    for n in 0..200u8 {
        app.send(ask().bearer(&key)).await.ok(200);
        let forged = keyward::core::service_key::text(&[n; 32]);
        app.send(ask().bearer(&forged)).await.refused(401, "invalid_token");
        app.send(ask().bearer("kws_x")).await.refused(401, "invalid_token");
    }
    assert_eq!((app.keyward.store_reads(), app.dump()), (reads, before));
}

#[tokio::test]
async fn the_last_use_is_told_at_once_and_written_once_a_minute() {
    let app = App::new().await;
    let admin = app.service_key(&["admin"]).await;
    let key = app.service_key(&["introspect"]).await;
    app.service_key(&["revoke"]).await;
    let uses = |keys: Vec<Value>| -> Vec<(String, Value)> {
        keys.iter().map(|key| (text(key, "name").to_owned(), key["last_used_at"].clone())).collect()
    };
    let at = |seconds| Value::from(moment(START + seconds));
    let written = |app: &App| app.count("service_key WHERE last_used_at IS NOT NULL");
    app.pass(MINUTE);
    app.send(post("/api/auth/introspect").bearer(&key).form("token=x")).await.ok(200);
    app.pass(1);
    let expected = [("key 0 admin", at(61)), ("key 1 introspect", at(60)), ("key 2 revoke", Value::Null)];
    let expected = expected.map(|(name, at)| (name.to_owned(), at));
    assert_eq!(uses(list(&app, &admin).await), expected, "the latest use first");
    assert_eq!(written(&app), 0, "a request writes nothing");
    app.tick().await;
    assert_eq!(written(&app), 2);
    // Within the minute it is only remembered; before the end it is written.
    app.pass(30);
    list(&app, &admin).await;
    let before = app.dump();
    app.tick().await;
    assert_eq!(app.dump().matches("service_key").count(), before.matches("service_key").count());
    let of_keys =
        |dump: &str| dump.lines().filter(|l| l.starts_with("service_key:")).map(str::to_owned).collect();
    let (then, now): (Vec<String>, Vec<String>) = (of_keys(&before), of_keys(&app.dump()));
    assert_eq!(then, now);
    let app = app.restarted().await;
    app.pass(HOUR);
    let reader = app.service_key(&["admin:read"]).await;
    let told = uses(list(&app, &reader).await);
    assert_eq!(told[1..3], [("key 0 admin".to_owned(), at(91)), ("key 1 introspect".to_owned(), at(60))]);
}

#[tokio::test]
async fn there_are_only_so_many() {
    let app = App::new().await;
    let admin = app.admin().await;
    let row = |n: u16| {
        let [high, low] = n.to_be_bytes();
        let (mut id, mut hash) = ([0; 16], [0; 32]);
        (id[0], id[1], hash[0], hash[1]) = (high, low, high, low);
        format!("({}, 'key {n}', {}, '', 0)", app.literal(&id), app.literal(&hash))
    };
    let rows: Vec<String> = (0..1_000).map(row).collect();
    app.write(&format!(
        "INSERT INTO service_key (id, name, hash, scopes, created_at) VALUES {}",
        rows.join(", ")
    ));
    let reply = app.send(make(&admin, json!({"name": "one too many"}))).await;
    assert_eq!(reply.invalid_fields(), ["name"]);
    assert_eq!(list(&app, &admin.access).await.len(), 1_000);
}
