//! `GET /api/admin/keys`, `POST /api/admin/keys/rotate`, `POST /api/admin/keys/{kid}/revoke`

use serde_json::{Value, json};

use crate::support::{ADA, App, MINUTE, delete, get, jwt_header, post, text};

async fn kids(app: &App, token: &str, state: &str) -> Vec<String> {
    let body = app.send(get("/api/admin/keys").bearer(token)).await.ok(200);
    let keys = body["keys"].as_array().expect("keys").iter();
    keys.filter(|key| key["state"] == state).map(|key| text(key, "kid").to_owned()).collect()
}

#[tokio::test]
async fn keys_are_told_without_what_is_private() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body = app.send(get("/api/admin/keys").bearer(&admin.access)).await.ok(200);
    let active = body["keys"].as_array().expect("keys").iter().find(|key| key["state"] == "active");
    let active = active.expect("one signs").as_object().expect("an object");
    let mut members: Vec<&str> = active.keys().map(String::as_str).collect();
    members.sort_unstable();
    let told = ["active_from", "algorithm", "created_at", "kid", "retired_at", "revoked_at", "state"];
    assert_eq!(members, told);
    assert_eq!(active["kid"], jwt_header(&admin.access)["kid"]);
    assert_eq!(active["algorithm"], "EdDSA");
}

#[tokio::test]
async fn a_rotation_is_told_with_who_did_it_and_old_tokens_stay_good() {
    let app = App::new().await;
    let admin = app.admin().await;
    // Verifiers elsewhere know the next key by then.
    app.pass(9 * MINUTE);
    let (active, next) = (kids(&app, &admin.access, "active").await, kids(&app, &admin.access, "next").await);
    app.events();
    let reply = app.send(post("/api/admin/keys/rotate").bearer(&admin.access)).await;
    let body = reply.ok(201);
    assert_eq!(body["keys"].as_array().expect("keys").len(), 3);
    assert_eq!(app.events(), ["key_rotated"]);
    let by = json!({"user_id": admin.user, "session_id": admin.session});
    assert_eq!(app.last_details("key_rotated"), json!({"kid": next[0], "by": by}));
    assert_eq!(kids(&app, &admin.access, "active").await, next);
    assert_eq!(kids(&app, &admin.access, "retiring").await, active);
    assert_eq!(jwt_header(&app.signup(ADA).await.access)["kid"], Value::from(next[0].as_str()));
    app.session(&admin.access).await.ok(200);
    // The one after that is too young.
    app.events();
    let before = app.dump();
    let reply = app.send(post("/api/admin/keys/rotate").bearer(&admin.access)).await;
    reply.refused(503, "overloaded");
    assert_eq!((app.events(), app.dump()), (vec![], before));
}

#[tokio::test]
async fn a_revoked_key_is_told_with_who_did_it_and_its_tokens_are_stale() {
    let app = App::new().await;
    let admin = app.admin().await;
    let key = app.service_key(&["admin"]).await;
    let kid = kids(&app, &key, "active").await.remove(0);
    app.events();
    let path = format!("/api/admin/keys/{kid}/revoke");
    assert_eq!(app.send(post(&path).bearer(&key)).await.ok(204), Value::Null);
    assert_eq!(app.events(), ["key_revoked", "key_rotated"]);
    for (kind, kid) in [("key_revoked", Some(&kid)), ("key_rotated", None)] {
        let details = app.last_details(kind);
        assert_eq!(details["by"]["service_key"], "key 0 admin", "{kind}");
        assert!(details["by"]["service_key_id"].is_string() && details["by"]["user_id"].is_null());
        assert!(kid.is_none_or(|kid| details["kid"] == **kid));
    }
    app.session(&admin.access).await.refused(401, "token_stale");
    app.refresh(&admin.refresh).await.ok(200);
    // Once is enough.
    let before = app.dump();
    app.send(post(&path).bearer(&key)).await.refused(404, "not_found");
    app.send(post("/api/admin/keys/x%2fy/revoke").bearer(&key)).await.refused(404, "not_found");
    app.send(post("/api/admin/keys/%ff/revoke").bearer(&key)).await.refused(404, "not_found");
    app.send(delete(&format!("/api/admin/keys/{kid}")).bearer(&key)).await.refused(404, "not_found");
    assert_eq!(app.dump(), before);
}
