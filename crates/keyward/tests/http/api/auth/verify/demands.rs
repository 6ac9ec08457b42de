//! `?role=` and `?permission=`: all must hold.

use serde_json::json;

use super::{VERIFY, app, at, envoy, passes};
use crate::support::{ADA, Tokens, patch, put};

async fn editor(app: &crate::support::App) -> Tokens {
    let admin = app.admin().await;
    let role = put("/api/admin/roles/editor").bearer(&admin.access);
    app.send(role.json(json!({"permissions": ["jobs:write", "jobs:read"]}))).await.ok(200);
    let user = app.signup(ADA).await.user;
    let change = patch(&format!("/api/admin/users/{user}")).bearer(&admin.access);
    app.send(change.json(json!({"roles": ["user", "editor"]}))).await.ok(200);
    app.login(ADA).await
}

#[tokio::test]
async fn all_that_are_named_have_to_hold() {
    let app = app().await;
    let tokens = editor(&app).await;
    let hundred = "role=user&".repeat(100);
    let wrong = format!("{hundred}role=admin");
    for (query, passes_by) in [
        ("role=user", true),
        ("role=user&role=editor&permission=jobs%3Awrite&permission=jobs:read", true),
        ("redirect=0&", true),
        // Misspelt, it would let everybody pass.
        ("roles=user", false),
        ("redirect=0&other=x", false),
        ("redirect=true", false),
        (&hundred, true),
        (&wrong, false),
        ("role=admin", false),
        ("role=user&role=admin", false),
        ("permission=jobs:delete", false),
        ("role=editor&permission=jobs:delete", false),
        // As a proxy sends it whose variable is not set: everybody would pass where it counted for nothing.
        ("role=", false),
        ("role", false),
        ("permission=", false),
        ("role=user,editor", false),
        ("role=User", false),
        ("role=%FF", false),
        ("role=user%00", false),
    ] {
        let reply = app.send(at(&format!("{VERIFY}?{query}"), "GET").bearer(&tokens.access)).await;
        match passes_by {
            true => passes(&reply),
            false => drop(reply.refused(403, "forbidden")),
        }
        let reply = app.send(at(&format!("{VERIFY}?{query}"), "GET")).await;
        reply.refused(401, "missing_token");
    }
}

#[tokio::test]
async fn what_stands_behind_path_is_the_clients_and_demands_nothing() {
    let app = app().await;
    let tokens = editor(&app).await;
    for (path, passes_by) in [
        ("/users?role=admin", false),
        // The client's own path= takes no demand away.
        ("/users?path=/x&role=admin", false),
        ("/users?page=2", true),
        ("?role=user&path=/users?role=admin&role=admin", true),
        ("?path=/users&role=admin", true),
        ("?role=admin&path=/users", false),
        ("?role=user&xpath=/users&role=admin", false),
    ] {
        let reply = app.send(envoy(http::Method::GET, path).bearer(&tokens.access)).await;
        match passes_by {
            true => passes(&reply),
            false => drop(reply.refused(403, "forbidden")),
        }
    }
}

#[tokio::test]
async fn a_change_of_roles_is_in_force_at_once() {
    let app = app().await;
    let tokens = editor(&app).await;
    let ask = at(&format!("{VERIFY}?role=editor"), "GET").bearer(&tokens.access);
    passes(&app.send(ask.clone()).await);
    let admin = app.login(crate::support::ROOT).await;
    let change = patch(&format!("/api/admin/users/{}", tokens.user)).bearer(&admin.access);
    app.send(change.json(json!({"roles": ["user"]}))).await.ok(200);
    let reads = app.keyward.store_reads();
    app.send(ask).await.refused(401, "token_stale");
    assert_eq!(app.keyward.store_reads(), reads, "told from memory");
    let fresh = Tokens::of(&app.refresh(&tokens.refresh).await.ok(200));
    app.send(at(&format!("{VERIFY}?role=editor"), "GET").bearer(&fresh.access))
        .await
        .refused(403, "forbidden");
}
