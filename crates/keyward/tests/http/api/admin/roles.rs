//! `GET /api/admin/roles`, `PUT|DELETE /api/admin/roles/{name}`

use keyward::Settings;
use keyward::core::key::Algorithm;
use serde_json::{Value, json};

use crate::support::{
    ADA, App, BOB, Browser, MINUTE, Tokens, claims, delete, get, patch, put, settings, text,
};

fn set(admin: &str, name: &str, permissions: &[&str]) -> crate::support::Ask {
    put(&format!("/api/admin/roles/{name}")).bearer(admin).json(json!({ "permissions": permissions }))
}

async fn give(app: &App, admin: &str, user: &str, roles: &[&str]) {
    let ask = patch(&format!("/api/admin/users/{user}")).bearer(admin).json(json!({ "roles": roles }));
    app.send(ask).await.ok(200);
}

#[tokio::test]
async fn roles_are_made_listed_and_changed_with_their_events() {
    let app = App::new().await;
    let admin = app.admin().await;
    app.events();
    let list = || app.send(get("/api/admin/roles").bearer(&admin.access));
    let built_in = |name: &str| json!({ "name": name, "permissions": [], "built_in": true });
    assert_eq!(list().await.ok(200), json!({ "roles": [built_in("admin"), built_in("user")] }));
    let tas = json!({ "name": "tas", "permissions": ["jobs:read", "jobs:write"], "built_in": false });
    let made = app.send(set(&admin.access, "tas", &["jobs:write", "jobs:read", "jobs:write"])).await.ok(200);
    assert_eq!(made, tas, "sorted, each once");
    assert_eq!(app.events(), ["role_changed"]);
    assert_eq!(list().await.ok(200)["roles"][1], tas);
    let before = app.dump();
    assert_eq!(app.send(set(&admin.access, "tas", &["jobs:read", "jobs:write"])).await.ok(200), tas);
    assert_eq!(app.dump(), before, "it is so already");
    // Nobody has it yet: no token says anything of it, and nobody has to refresh.
    app.session(&admin.access).await.ok(200);
    app.pass(1);
    app.send(set(&admin.access, "tas", &[])).await.ok(200);
    app.session(&admin.access).await.refused(401, "token_stale");
    let by = json!({ "user_id": admin.user, "session_id": admin.session });
    assert_eq!(
        app.details("role_changed"),
        [
            json!({ "role": "tas", "before": null, "after": ["jobs:read", "jobs:write"], "by": by }),
            json!({ "role": "tas", "before": ["jobs:read", "jobs:write"], "after": [], "by": by }),
        ]
    );
}

/// Demoted or promoted, by a role or by what it means, it is in force on the next request, and a
/// refresh brings what is so now.
#[tokio::test]
async fn a_change_reaches_every_live_token_at_once() {
    let app = App::new().await;
    let admin = app.admin().await;
    let key = app.service_key(&["admin"]).await;
    app.send(set(&key, "tas", &["jobs:write"])).await.ok(200);
    let mut ada = app.signup(ADA).await;
    let mut browser = Browser::signed_in(&app, ADA).await;
    let bob = app.signup(BOB).await;
    app.session(&ada.access).await.ok(200);
    app.events();
    let steps: [(&str, Value, Value); 5] = [
        ("give", json!(["tas", "user"]), json!(["jobs:write"])),
        ("set", json!(["tas", "user"]), json!(["jobs:read", "jobs:write"])),
        ("restart", json!(["tas", "user"]), json!(["jobs:read", "jobs:write"])),
        ("take", json!(["user"]), json!([])),
        ("bare", json!([]), json!([])),
    ];
    let mut app = app;
    for (step, roles, permissions) in steps {
        let dead = match step {
            "give" => {
                give(&app, &key, &ada.user, &["user", "tas", "user"]).await;
                assert_eq!(app.events(), ["roles_changed"]);
                true
            }
            "set" => {
                app.send(set(&key, "tas", &["jobs:write", "jobs:read"])).await.ok(200);
                assert_eq!(app.events(), ["role_changed"]);
                true
            }
            "restart" => {
                app = app.killed().await;
                false
            }
            _ => {
                give(&app, &key, &ada.user, if step == "take" { &["user"] } else { &[] }).await;
                assert_eq!(app.events(), ["roles_changed"]);
                true
            }
        };
        if dead {
            app.session(&ada.access).await.refused(401, "token_stale");
            browser.session(&app).await.refused(401, "token_stale");
            let body = app.refresh(&ada.refresh).await.ok(200);
            ada.access = text(&body, "token").to_owned();
            if let Some(refresh) = body["refresh_token"].as_str() {
                ada.refresh = refresh.to_owned();
            }
            assert_eq!((&body["roles"], &body["permissions"]), (&roles, &permissions), "{step}");
            browser.refresh(&app).await.ok(200);
            app.pass(MINUTE);
        }
        let said = claims(&ada.access);
        assert_eq!((&said["roles"], &said["permissions"]), (&roles, &permissions), "{step}");
        let shown = app.session(&ada.access).await.ok(200);
        assert_eq!((&shown["roles"], &shown["permissions"]), (&roles, &permissions), "{step}");
        assert_eq!(browser.session(&app).await.ok(200)["roles"], roles, "{step}");
    }
    let by: Vec<Value> = app.details("roles_changed").into_iter().map(|d| d["before"].clone()).collect();
    assert_eq!(by, [json!(["user"]), json!(["tas", "user"]), json!(["user"])]);
    // What one person's roles are is no other's business: only the change of a role was.
    let fresh = Tokens::of(&app.refresh(&bob.refresh).await.ok(200));
    give(&app, &key, &ada.user, &["tas"]).await;
    app.session(&fresh.access).await.ok(200);
    app.session(&admin.access).await.refused(401, "token_stale");
}

#[tokio::test]
async fn a_deleted_role_is_nobodys_and_one_made_anew_is_not_theirs_either() {
    let app = App::new().await;
    let admin = app.admin().await;
    let key = app.service_key(&["admin"]).await;
    for name in ["tas", "tas2"] {
        app.send(set(&key, name, &["jobs:write"])).await.ok(200);
    }
    let ada = app.signup(ADA).await;
    give(&app, &key, &ada.user, &["tas", "tas2", "user"]).await;
    let ada = Tokens::of(&app.refresh(&ada.refresh).await.ok(200));
    app.pass(1);
    app.events();
    let remove = |name: &str| delete(&format!("/api/admin/roles/{name}")).bearer(&key);
    app.send(remove("tas")).await.ok(204);
    assert_eq!(app.events(), ["role_changed"]);
    let last = app.details("role_changed").pop().expect("one");
    assert_eq!((&last["before"], &last["after"]), (&json!(["jobs:write"]), &Value::Null));
    app.session(&ada.access).await.refused(401, "token_stale");
    app.pass(MINUTE);
    let body = app.refresh(&ada.refresh).await.ok(200);
    assert_eq!(body["roles"], json!(["tas2", "user"]));
    let shown = app.send(get(&format!("/api/admin/users/{}", ada.user)).bearer(&key)).await.ok(200);
    assert_eq!(shown["roles"], json!(["tas2", "user"]));
    assert_eq!(app.count("account_role WHERE role = 'tas'"), 0);
    app.send(remove("tas")).await.refused(404, "not_found");

    // Deleted, and then the power went off before it was taken from anybody.
    app.write("UPDATE account SET roles = 'tas,user' WHERE email = 'ada@example.com'");
    app.write("INSERT INTO account_role (user_id, role) SELECT id, 'tas' FROM account WHERE email = 'ada@example.com'");
    app.pass(MINUTE);
    let body = app.refresh(text(&body, "refresh_token")).await.ok(200);
    assert_eq!((&body["roles"], &body["permissions"]), (&json!(["user"]), &json!([])), "it means nothing");
    let session = app.session(text(&body, "token")).await.ok(200);
    assert_eq!(session["roles"], json!(["user"]));
    let shown = app.send(get(&format!("/api/admin/users/{}", ada.user)).bearer(&key)).await.ok(200);
    assert_eq!(shown["roles"], json!(["user"]));
    app.send(set(&key, "tas", &["jobs:delete"])).await.ok(200);
    assert_eq!(app.count("account_role WHERE role = 'tas'"), 0);
    assert_eq!(app.login(ADA).await.user, ada.user);
    assert_eq!(claims(&app.login(ADA).await.access)["permissions"], json!([]));
    assert_ne!(admin.user, ada.user);
}

#[tokio::test]
async fn what_can_not_be_a_role_is_named_and_nothing_changes() {
    let app = App::new().await;
    let admin = app.admin().await.access;
    app.tick().await;
    app.events();
    let before = app.dump();
    let long = "a".repeat(33);
    for name in ["Tas", "9", "a,b", "a%2Cb", "a%20b", "%C3%BC", "jobs:write", long.as_str(), "a%0D%0AX:y"] {
        assert_eq!(app.send(set(&admin, name, &[])).await.invalid_fields(), ["name"], "{name}");
    }
    for permission in ["", "a,b", "A", "a b", "\u{fc}", "a\r\nx: y", "a\0", &"a".repeat(65)] {
        let fields = app.send(set(&admin, "tas", &["jobs:write", permission])).await.invalid_fields();
        assert_eq!(fields, ["permissions"], "{permission:?}");
    }
    for body in
        [json!({}), json!({"permissions": null}), json!({"permissions": "a"}), json!({"permissions": [1]})]
    {
        let ask = put("/api/admin/roles/tas").bearer(&admin).json(body.clone());
        assert_eq!(app.send(ask).await.invalid_fields(), ["permissions"], "{body}");
    }
    for name in ["admin", "user"] {
        let ask = delete(&format!("/api/admin/roles/{name}")).bearer(&admin);
        let problem = app.send(ask).await.refused(403, "forbidden");
        assert!(text(&problem, "detail").contains("built in"), "{problem}");
    }
    for name in ["gone", "Tas", "a%2Cb", "%00"] {
        let ask = delete(&format!("/api/admin/roles/{name}")).bearer(&admin);
        app.send(ask).await.refused(404, "not_found");
    }
    assert_eq!(app.dump(), before);
}

/// As many and as long as they may be, whoever has whichever: the token is taken, and a browser
/// keeps its cookie.
#[tokio::test]
async fn roles_and_permissions_never_outgrow_a_cookie() {
    let app = App::with(Settings {
        algorithm: Algorithm::Rs256,
        public_url: "https://accounts.a-name-of-some-length.example.com".parse().expect("an origin"),
        ..settings()
    })
    .await;
    let key = app.service_key(&["admin"]).await;
    let mut roles: Vec<String> = Vec::new();
    let mut permissions: Vec<String> = Vec::new();
    for n in 0.. {
        let name = format!("{:a<32}", format!("r{n}-"));
        permissions.push(format!("{:a<17}", format!("p{n}:")));
        let own: Vec<&str> = permissions.iter().map(String::as_str).collect();
        let reply = app.send(set(&key, &name, &own)).await;
        if reply.status == 422 {
            let fields = reply.invalid_fields();
            assert!(fields == ["name"] || fields == ["permissions"], "{fields:?}");
            break;
        }
        reply.ok(200);
        roles.push(name);
    }
    assert!(roles.len() >= 60, "{}", roles.len());
    let email = format!(
        "{}@{}.example.com",
        "a".repeat(64),
        ["b".repeat(57), "b".repeat(57), "b".repeat(57)].join(".")
    );
    let ada = app.signup(&email).await;
    let ask = |roles: &[String]| {
        patch(&format!("/api/admin/users/{}", ada.user))
            .bearer(&key)
            .json(json!({ "roles": roles, "phone_number": "+123456789012345" }))
    };
    assert_eq!(app.send(ask(&roles)).await.invalid_fields(), ["roles"], "so many nobody may have");
    // The last ones have the most permissions.
    app.send(ask(&roles[roles.len() - 16..])).await.ok(200);
    let token = app.login(&email).await.access;
    assert!(claims(&token)["permissions"].as_array().is_some_and(|all| all.len() > 50));
    app.session(&token).await.ok(200);
    let browser = Browser::signed_in(&app, &email).await;
    let cookie = browser.jar.value("__Host-keyward_access").expect("a cookie");
    assert!("__Host-keyward_access=".len() + cookie.len() <= 4096, "{}", cookie.len());
}
