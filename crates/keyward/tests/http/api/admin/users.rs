//! `GET|POST /api/admin/users`, `GET|PATCH|DELETE /api/admin/users/{id}`

mod deactivation;
mod last_admin;
mod list;
mod sessions;

use serde_json::{Value, json};

use crate::support::{
    ADA, App, Ask, BOB, MINUTE, PASSWORD, START, Tokens, claims, delete, get, login, moment, patch, post,
    text,
};

const NUMBER: &str = "+4915112345678";
const NOBODY: &str = "0195f6a0-0000-7000-8000-000000000000";

/// Changes an account.
fn change(by: &str, user: &str, to: Value) -> Ask {
    patch(&format!("/api/admin/users/{user}")).bearer(by).json(to)
}

fn remove(by: &str, user: &str) -> Ask {
    delete(&format!("/api/admin/users/{user}")).bearer(by)
}

#[tokio::test]
async fn an_account_is_made_for_somebody_else() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.pass(1);
    app.events();
    let make = |body: Value| app.send(post("/api/admin/users").bearer(&admin.access).json(body));
    let made = make(json!({
        "email": " Ada@Example.com ", "phone_number": NUMBER, "password": PASSWORD, "roles": ["user", "admin", "user"],
    }))
    .await
    .ok(201);
    let id = text(&made, "id").to_owned();
    assert_eq!(
        made,
        json!({
            "id": id, "email": ADA, "phone_number": NUMBER, "is_active": true, "email_verified": false,
            "roles": ["admin", "user"], "created_at": moment(START + 1), "last_login_at": null, "session_count": 0,
        })
    );
    assert_eq!(app.events(), ["signup"]);
    let by = json!({ "user_id": admin.user, "session_id": admin.session });
    assert_eq!(app.details("signup").pop().expect("one")["by"], by);
    app.pass(5);
    app.send(login(ADA, PASSWORD)).await.ok(200);
    let shown = app.send(get(&format!("/api/admin/users/{id}")).bearer(&admin.access)).await.ok(200);
    assert_eq!((&shown["last_login_at"], &shown["session_count"]), (&json!(moment(START + 6)), &json!(1)));

    // Without a password nobody can sign in, and roles are those of a signup.
    app.events();
    let made = make(json!({ "email": BOB, "phone_number": null, "password": null })).await.ok(201);
    assert_eq!((&made["roles"], &made["phone_number"]), (&json!(["user"]), &json!(null)));
    assert_eq!(app.events(), ["signup"]);
    for password in ["", PASSWORD, "null"] {
        app.send(login(BOB, password)).await.refused(401, "invalid_credentials");
    }
    let bare = make(json!({ "email": "c@example.com", "password": PASSWORD, "roles": [] })).await.ok(201);
    assert_eq!(bare["roles"], json!([]));
    assert_eq!(claims(&app.login("c@example.com").await.access)["roles"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_with_a_new_account_is_named_and_nothing_is_made() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    app.send(change(&admin.access, &ada.user, json!({ "phone_number": NUMBER }))).await.ok(200);
    app.tick().await;
    let before = app.dump();
    let make = |body: Value| app.send(post("/api/admin/users").bearer(&admin.access).json(body));
    for (body, fields) in [
        (json!({}), vec!["email"]),
        (
            json!({"email": 1, "phone_number": 2, "password": 3, "roles": 4}),
            vec!["email", "phone_number", "password", "roles"],
        ),
        (
            json!({"email": "x", "phone_number": "y", "password": "z"}),
            vec!["email", "phone_number", "password", "password", "password"],
        ),
        (json!({"email": BOB, "roles": ["user", 1]}), vec!["roles"]),
        (json!({"email": BOB, "roles": ["user", "gone", "Admin"]}), vec!["roles", "roles"]),
        (json!({"email": BOB, "roles": (0..17).map(|n| format!("r{n}")).collect::<Vec<_>>()}), vec!["roles"]),
    ] {
        assert_eq!(make(body.clone()).await.invalid_fields(), fields, "{body}");
    }
    make(json!({ "email": "ADA@example.com" })).await.refused(409, "email_taken");
    make(json!({ "email": BOB, "phone_number": NUMBER })).await.refused(409, "phone_taken");
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn what_is_nowhere_is_not_found() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.tick().await;
    let before = app.dump();
    for id in [NOBODY, "x", "%00", "..%2F", &admin.session, &admin.user.to_uppercase()] {
        app.send(get(&format!("/api/admin/users/{id}")).bearer(&admin.access))
            .await
            .refused(404, "not_found");
        for to in [json!({}), json!({ "is_active": false }), json!({ "roles": ["user"] })] {
            app.send(change(&admin.access, id, to)).await.refused(404, "not_found");
        }
        app.send(remove(&admin.access, id)).await.refused(404, "not_found");
    }
    assert_eq!(app.dump(), before);
}

#[tokio::test]
async fn an_address_and_a_number_are_changed_and_have_to_be_confirmed_again() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.signup(ADA).await;
    app.signup(BOB).await;
    app.write("UPDATE account SET email_verified = TRUE");
    app.session(&ada.access).await.ok(200);
    app.events();
    let to = json!({ "email": " New@Example.com", "phone_number": NUMBER });
    let shown = app.send(change(&admin.access, &ada.user, to)).await.ok(200);
    assert_eq!(
        (&shown["email"], &shown["email_verified"], &shown["phone_number"]),
        (&json!("new@example.com"), &json!(false), &json!(NUMBER))
    );
    assert_eq!(app.events(), ["user_changed"]);
    let details = app.details("user_changed").pop().expect("one");
    assert_eq!(details["email"], json!({ "before": ADA, "after": "new@example.com" }));
    assert_eq!(details["phone_number"], json!({ "before": null, "after": NUMBER }));
    assert_eq!(details["by"]["user_id"], admin.user);
    // No token says the former address for longer, and the session goes on.
    app.session(&ada.access).await.refused(401, "token_stale");
    let fresh = Tokens::of(&app.refresh(&ada.refresh).await.ok(200));
    assert_eq!(claims(&fresh.access)["email"], "new@example.com");
    assert_eq!(claims(&fresh.access)["email_verified"], false);
    app.send(login(ADA, PASSWORD)).await.refused(401, "invalid_credentials");
    app.send(login("new@example.com", PASSWORD)).await.ok(200);
    // The former one is free, and whoever has it is somebody else.
    assert_ne!(app.signup(ADA).await.user, ada.user);

    app.tick().await;
    let before = app.dump();
    app.send(change(&admin.access, &ada.user, json!({ "email": BOB }))).await.refused(409, "email_taken");
    for to in [
        json!({}),
        json!({ "email": "NEW@example.com", "phone_number": NUMBER, "is_active": true, "roles": ["user"] }),
    ] {
        app.send(change(&admin.access, &ada.user, to)).await.ok(200);
        assert_eq!(app.dump(), before, "it is so already");
    }
    app.events();
    let shown = app.send(change(&admin.access, &ada.user, json!({ "phone_number": null }))).await.ok(200);
    assert_eq!(shown["phone_number"], json!(null));
    assert_eq!(app.events(), ["user_changed"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_named_and_nothing_changes() {
    let app = App::new().await;
    let admin = app.admin().await.access;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    app.send(change(&admin, &bob.user, json!({ "phone_number": NUMBER }))).await.ok(200);
    app.tick().await;
    let before = app.dump();
    for (to, fields) in [
        (
            json!({"is_active": "no", "roles": "user", "email": 1, "phone_number": 2}),
            vec!["phone_number", "is_active", "roles", "email"],
        ),
        (json!({"email": "x", "phone_number": "y", "is_active": false}), vec!["email", "phone_number"]),
        (json!({"roles": ["gone"], "is_active": false}), vec!["roles"]),
        (json!({"roles": [null]}), vec!["roles"]),
        (json!({"is_active": 0}), vec!["is_active"]),
    ] {
        assert_eq!(app.send(change(&admin, &ada.user, to.clone())).await.invalid_fields(), fields, "{to}");
    }
    // All of it or nothing.
    let to = json!({ "is_active": false, "roles": [], "phone_number": NUMBER });
    app.send(change(&admin, &ada.user, to)).await.refused(409, "phone_taken");
    assert_eq!(app.dump(), before);
    app.session(&ada.access).await.ok(200);
}

/// Somebody has to be thrown out quickly; what could be used to take over an account has to be
/// asked for by somebody who has just shown who they are.
#[tokio::test]
async fn a_recent_login_is_asked_for_what_is_grave_and_not_for_what_is_urgent() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    app.pass(10 * MINUTE + 1);
    app.tick().await;
    let before = app.dump();
    for to in [
        json!({ "roles": ["admin"] }),
        json!({ "roles": [] }),
        json!({ "email": "new@example.com" }),
        json!({ "is_active": false, "email": "new@example.com" }),
        json!({ "email": "x", "is_active": 1 }),
    ] {
        app.send(change(&admin.access, &ada.user, to.clone()))
            .await
            .refused(403, "reauthentication_required");
    }
    app.send(remove(&admin.access, &ada.user)).await.refused(403, "reauthentication_required");
    app.send(post("/api/admin/users").bearer(&admin.access).json(json!({ "email": "c@example.com" })))
        .await
        .refused(403, "reauthentication_required");
    assert_eq!(app.dump(), before);
    app.send(change(&admin.access, &ada.user, json!({ "is_active": false }))).await.ok(200);
    app.send(change(&admin.access, &ada.user, json!({ "is_active": true, "phone_number": NUMBER })))
        .await
        .ok(200);
    app.send(delete(&format!("/api/admin/users/{}/sessions", bob.user)).bearer(&admin.access)).await.ok(200);
    // Who proves again who they are may.
    let again = post("/api/auth/reauthenticate").bearer(&admin.access).json(json!({ "password": PASSWORD }));
    let fresh = app.send(again).await.ok(200);
    app.send(change(text(&fresh, "token"), &ada.user, json!({ "roles": [] }))).await.ok(200);
    // A service has no login; its key is what it shows.
    let key = app.service_key(&["admin"]).await;
    app.send(change(&key, &ada.user, json!({ "roles": ["user"] }))).await.ok(200);
    app.send(remove(&key, &ada.user)).await.ok(204);
}

#[tokio::test]
async fn a_deleted_account_is_gone_at_once_and_what_was_written_of_it_stays() {
    let app = App::new().await;
    let admin = app.admin().await;
    let (ada, too) = (app.signup(ADA).await, app.login(ADA).await);
    app.session(&ada.access).await.ok(200);
    let rows = app.count("event");
    app.events();
    app.send(remove(&admin.access, &ada.user)).await.ok(204);
    assert_eq!(app.events(), ["user_deleted"]);
    assert_eq!(app.count("event"), rows + 1, "audit rows stay");
    for tokens in [&ada, &too] {
        app.session(&tokens.access).await.refused(401, "session_revoked");
        app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
    }
    for table in ["session", "account_role"] {
        let of_ada = format!("{table} WHERE user_id NOT IN (SELECT id FROM account)");
        assert_eq!(app.count(&of_ada), 0, "{table}");
    }
    app.send(login(ADA, PASSWORD)).await.refused(401, "invalid_credentials");
    app.send(get(&format!("/api/admin/users/{}", ada.user)).bearer(&admin.access))
        .await
        .refused(404, "not_found");
    app.send(remove(&admin.access, &ada.user)).await.refused(404, "not_found");
    // Also after a restart, and whoever has the address later is somebody else.
    let app = app.killed().await;
    app.session(&ada.access).await.refused(401, "session_revoked");
    assert_ne!(app.signup(ADA).await.user, ada.user);
    app.session(&ada.access).await.refused(401, "session_revoked");
}
