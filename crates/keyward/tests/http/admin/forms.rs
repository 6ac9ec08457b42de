//! What the forms of the console do, with their events, and what they say where they can't.

use super::{administrator, page};
use crate::support::{ADA, App, BOB, Browser, PASSWORD, ROOT, form, login};

async fn send(
    app: &App,
    browser: &mut Browser,
    path: &str,
    fields: &[(&str, &str)],
) -> crate::support::Reply {
    browser.bare(app, form(path, fields)).await
}

#[tokio::test]
async fn an_account_is_made_changed_deactivated_and_deleted() {
    let app = App::new().await;
    let mut root = administrator(&app).await;
    app.events();
    let made = send(
        &app,
        &mut root,
        "/admin/users/new",
        &[("email", ADA), ("phone_number", ""), ("role:user", "1")],
    )
    .await;
    assert_eq!((made.status, app.events()), (303, vec!["signup".to_owned()]), "{}", made.text());
    let user = made.one("location").and_then(|to| to.strip_suffix("?done=1")).expect("a page").to_owned();
    let text = page(&root.navigate(&app, &format!("{user}?done=1")).await);
    assert!(text.contains("Done.") && text.contains("unconfirmed"), "{text}");
    let taken = send(&app, &mut root, "/admin/users/new", &[("email", ADA), ("role:user", "1")]).await;
    assert_eq!(taken.status, 409);
    assert!(taken.text().contains("email-error") && taken.text().contains("already"), "{}", taken.text());
    let wrong = send(&app, &mut root, "/admin/users/new", &[("email", "x"), ("phone_number", "7")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("email-error") && wrong.text().contains("phone-number-error"));
    let edit = format!("{user}/edit");
    let done = send(
        &app,
        &mut root,
        &edit,
        &[("email", BOB), ("phone_number", "+4915112345678"), ("role:admin", "1")],
    )
    .await;
    assert_eq!(
        (done.status, app.events()),
        (303, vec!["roles_changed".to_owned(), "user_changed".to_owned()])
    );
    let active = format!("{user}/active");
    assert_eq!(send(&app, &mut root, &active, &[("is_active", "maybe")]).await.status, 422);
    assert_eq!(send(&app, &mut root, &active, &[("is_active", "false")]).await.status, 303);
    assert_eq!(app.events(), ["user_deactivated"]);
    assert_eq!(send(&app, &mut root, &active, &[("is_active", "true")]).await.status, 303);
    assert_eq!(app.events(), ["user_activated"]);
    let delete = format!("{user}/delete");
    let refused = send(&app, &mut root, &delete, &[("confirm", ADA)]).await;
    assert_eq!((refused.status, app.events()), (422, Vec::new()));
    assert!(refused.text().contains("confirm-error"), "{}", refused.text());
    assert_eq!(send(&app, &mut root, &delete, &[("confirm", " BOB@example.com ")]).await.status, 303);
    assert_eq!(app.events(), ["user_deleted"]);
}

#[tokio::test]
async fn the_last_administrator_stays_and_is_told_why() {
    let app = App::new().await;
    let mut root = administrator(&app).await;
    let id = app.keyward.account(ROOT).await.expect("asked").expect("there").id;
    let user = format!("/admin/users/{id}");
    for (path, fields) in [
        ("active", vec![("is_active", "false")]),
        ("edit", vec![("email", ROOT), ("role:user", "1")]),
        ("delete", vec![("confirm", ROOT)]),
    ] {
        app.events();
        let refused = send(&app, &mut root, &format!("{user}/{path}"), &fields).await;
        assert_eq!((refused.status, app.events()), (409, Vec::new()), "{path}");
        assert!(
            refused.text().contains("admin") && refused.text().contains("role=\"alert\""),
            "{}",
            refused.text()
        );
    }
}

#[tokio::test]
async fn sessions_end_by_one_by_person_and_by_address() {
    let app = App::new().await;
    let mut root = administrator(&app).await;
    let one = app.signup(ADA).await;
    let two = crate::support::Tokens::of(&app.send(login(ADA, PASSWORD).from("192.0.2.9")).await.ok(200));
    let three = app.login(ADA).await;
    app.events();
    assert_eq!(send(&app, &mut root, &format!("/admin/sessions/{}/end", one.session), &[]).await.status, 303);
    app.session(&one.access).await.refused(401, "session_revoked");
    assert_eq!(send(&app, &mut root, "/admin/sessions/end", &[("ip_address", "x")]).await.status, 422);
    assert_eq!(
        send(&app, &mut root, "/admin/sessions/end", &[("ip_address", "192.0.2.9")]).await.status,
        303
    );
    app.session(&two.access).await.refused(401, "session_revoked");
    app.session(&three.access).await.ok(200);
    assert_eq!(app.events(), ["session_revoked", "session_revoked"]);
    assert_eq!(send(&app, &mut root, &format!("/admin/users/{}/sessions", one.user), &[]).await.status, 303);
    app.session(&three.access).await.refused(401, "session_revoked");
    assert_eq!(app.events(), ["session_revoked"]);
}

#[tokio::test]
async fn roles_keys_and_service_keys_are_made_and_taken_away() {
    let app = App::new().await;
    let mut root = administrator(&app).await;
    app.pass(400);
    root.refresh(&app).await.ok(200);
    app.events();
    let role = [("name", "support"), ("permissions", "jobs:read\r\njobs:write, jobs:read")];
    assert_eq!(send(&app, &mut root, "/admin/roles/edit", &role).await.status, 303);
    assert_eq!(app.events(), ["role_changed"]);
    root.refresh(&app).await.ok(200);
    assert!(page(&root.navigate(&app, "/admin/roles").await).contains("jobs:read, jobs:write"));
    let wrong =
        send(&app, &mut root, "/admin/roles/edit", &[("name", "No role"), ("permissions", "x")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("-error"), "{}", wrong.text());
    assert_eq!(send(&app, &mut root, "/admin/roles/delete", &[("name", "support")]).await.status, 303);
    assert_eq!(app.events(), ["role_changed"]);
    root.refresh(&app).await.ok(200);
    let made =
        send(&app, &mut root, "/admin/service-keys/new", &[("name", "billing"), ("scope:introspect", "1")])
            .await;
    let text = page(&made);
    let key =
        text.split("<pre tabindex=\"0\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    assert!(key.starts_with("kws_"), "{key}");
    assert_eq!(app.events(), ["service_key_created"]);
    assert!(!page(&root.navigate(&app, "/admin/service-keys").await).contains(key), "shown once");
    let again = send(&app, &mut root, "/admin/service-keys/new", &[("name", "billing")]).await;
    assert_eq!(again.status, 422);
    assert!(again.text().contains("name-error"), "{}", again.text());
    let id = app.keyward.service_keys().await.expect("keys")[0].id;
    assert_eq!(send(&app, &mut root, &format!("/admin/service-keys/{id}/revoke"), &[]).await.status, 303);
    assert_eq!(app.events(), ["service_key_revoked"]);
    assert_eq!(send(&app, &mut root, "/admin/keys/rotate", &[]).await.status, 303);
    assert_eq!(app.events(), ["key_rotated"]);
    let soon = send(&app, &mut root, "/admin/keys/rotate", &[]).await;
    assert_eq!(soon.status, 503, "{}", soon.text());
}

#[tokio::test]
async fn a_form_from_another_site_does_nothing() {
    let app = App::new().await;
    let mut root = administrator(&app).await;
    let ada = app.signup(ADA).await;
    app.tick().await;
    let before = app.dump();
    for path in ["keys/rotate".to_owned(), format!("users/{}/active", ada.user), "roles/edit".to_owned()] {
        let ask = form(&format!("/admin/{path}"), &[("is_active", "false"), ("name", "x")])
            .without("origin")
            .without("sec-fetch-site")
            .header("sec-fetch-site", "cross-site")
            .header("origin", "https://evil.example");
        assert_eq!(root.bare(&app, ask).await.status, 403);
        assert_eq!(app.dump(), before, "{path}");
    }
}
