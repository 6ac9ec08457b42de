//! `GET|DELETE /api/admin/users/{id}/sessions`, `DELETE /api/admin/users/{id}/sessions/{sid}`

use serde_json::json;

use crate::support::{ADA, App, BOB, Browser, PASSWORD, delete, get, login, text};

#[tokio::test]
async fn an_administrator_sees_and_ends_where_somebody_is_signed_in() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (ada, too) = (app.signup(ADA).await, app.login(ADA).await);
    app.signup(BOB).await;
    let path = format!("/api/admin/users/{}/sessions", ada.user);
    let body = app.send(get(&path).bearer(&admin.access)).await.ok(200);
    let sessions = body["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        let id = text(session, "id");
        assert!([&ada.session, &too.session].iter().any(|known| *known == id));
        assert_eq!(session["current"], false);
        let mut fields: Vec<&str> =
            session.as_object().expect("an object").keys().map(String::as_str).collect();
        fields.sort_unstable();
        let expected = [
            "absolute_expires_at",
            "created_at",
            "current",
            "device",
            "expires_at",
            "id",
            "idle_expires_at",
            "ip_address",
            "last_active_at",
            "transport",
            "user_agent",
        ];
        assert_eq!(fields, expected);
    }
    // Their own is told from the others.
    let own = format!("/api/admin/users/{}/sessions", admin.user);
    assert_eq!(app.send(get(&own).bearer(&admin.access)).await.ok(200)["sessions"][0]["current"], true);
    let key = app.service_key(&["admin:read"]).await;
    assert_eq!(app.send(get(&own).bearer(&key)).await.ok(200)["sessions"][0]["current"], false);

    app.session(&too.access).await.ok(200);
    app.events();
    app.send(delete(&format!("{path}/{}", too.session)).bearer(&admin.access)).await.ok(204);
    assert_eq!(app.events(), ["session_revoked"]);
    app.session(&too.access).await.refused(401, "session_revoked");
    app.refresh(&too.refresh).await.refused(401, "session_revoked");
    app.session(&ada.access).await.ok(200);
    app.send(delete(&format!("{path}/{}", too.session)).bearer(&admin.access))
        .await
        .refused(404, "not_found");
    let by = json!({ "user_id": admin.user, "session_id": admin.session });
    assert_eq!(app.details("session_revoked"), [json!({ "why": "revoked", "by": by })]);
}

#[tokio::test]
async fn every_session_of_somebody_ends_at_once_and_they_can_sign_in_again() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    let bob = app.signup(BOB).await;
    app.session(&ada.access).await.ok(200);
    app.events();
    let path = format!("/api/admin/users/{}/sessions", ada.user);
    let all = delete(&path).bearer(&admin.access);
    assert_eq!(app.send(all.clone()).await.ok(200), json!({ "revoked": 2 }));
    assert_eq!(app.events(), ["session_revoked"]);
    app.session(&ada.access).await.refused(401, "session_revoked");
    browser.session(&app).await.refused(401, "session_revoked");
    app.refresh(&ada.refresh).await.refused(401, "session_revoked");
    app.session(&bob.access).await.ok(200);
    assert_eq!(app.send(all).await.ok(200), json!({ "revoked": 0 }));
    app.send(login(ADA, PASSWORD)).await.ok(200);
}

#[tokio::test]
async fn what_is_not_there_or_not_theirs_is_not_found() {
    let app = App::new().await;
    let admin = app.admin().await.access;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    app.tick().await;
    let before = app.dump();
    let nobody = "0195f6a0-0000-7000-8000-000000000000";
    for user in [nobody, "x", "%00", &ada.session] {
        let path = format!("/api/admin/users/{user}/sessions");
        app.send(get(&path).bearer(&admin)).await.refused(404, "not_found");
        app.send(delete(&path).bearer(&admin)).await.refused(404, "not_found");
        app.send(delete(&format!("{path}/{}", ada.session)).bearer(&admin)).await.refused(404, "not_found");
    }
    for session in [bob.session.as_str(), nobody, "x", &ada.user] {
        let ask = delete(&format!("/api/admin/users/{}/sessions/{session}", ada.user)).bearer(&admin);
        app.send(ask).await.refused(404, "not_found");
    }
    assert_eq!(app.dump(), before);
    app.session(&bob.access).await.ok(200);
}
