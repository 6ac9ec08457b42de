//! There is always somebody left to administer.

use std::sync::Arc;

use serde_json::json;

use super::{change, remove};
use crate::support::{ADA, App, BOB, Reply, Tokens};

#[tokio::test]
async fn the_last_active_administrator_can_not_go() {
    let app = App::new().await;
    let admin = app.admin().await;
    let key = app.service_key(&["admin"]).await;
    let ada = app.signup(ADA).await;
    // One that can't sign in is no help.
    app.send(change(&key, &ada.user, json!({ "roles": ["admin"], "is_active": false }))).await.ok(200);
    app.tick().await;
    let before = app.dump();
    for by in [&admin.access, &key] {
        for to in [
            json!({ "is_active": false }),
            json!({ "roles": [] }),
            json!({ "roles": ["user"] }),
            json!({ "roles": ["user"], "is_active": true }),
            json!({ "roles": ["admin"], "is_active": false }),
            json!({ "roles": ["user"], "email": "new@example.com", "phone_number": "+4915112345678" }),
        ] {
            app.send(change(by, &admin.user, to)).await.refused(409, "last_admin");
        }
        app.send(remove(by, &admin.user)).await.refused(409, "last_admin");
    }
    assert_eq!(app.dump_without_use_of_keys(), without_use_of_keys(&before));
    app.session(&admin.access).await.ok(200);
    // As soon as there is another one, it can.
    app.send(change(&key, &ada.user, json!({ "is_active": true }))).await.ok(200);
    app.send(change(&key, &admin.user, json!({ "roles": ["user"] }))).await.ok(200);
    app.session(&admin.access).await.refused(401, "token_stale");
    let demoted = Tokens::of(&app.refresh(&admin.refresh).await.ok(200));
    app.send(crate::support::get("/api/admin/users").bearer(&demoted.access)).await.refused(403, "forbidden");
    app.send(remove(&key, &ada.user)).await.refused(409, "last_admin");
    app.send(change(&key, &admin.user, json!({ "roles": ["admin"] }))).await.ok(200);
    app.send(remove(&key, &ada.user)).await.ok(204);
}

/// Two that demote, deactivate or delete each other at once, in twenty ways: one of them stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_remove_each_other_at_once_one_stays() {
    let app = Arc::new(App::new().await);
    app.admin_called(ADA).await;
    for round in 0..20 {
        let mut both: Vec<Tokens> = Vec::new();
        for email in [ADA, BOB] {
            both.push(app.admin_called(email).await);
        }
        let removal = |by: &Tokens, whom: &Tokens, n: u32| {
            let (app, by, whom) = (Arc::clone(&app), by.access.clone(), whom.user.clone());
            tokio::spawn(async move {
                let ask = match n % 3 {
                    0 => change(&by, &whom, json!({ "roles": ["user"] })),
                    1 => change(&by, &whom, json!({ "is_active": false })),
                    _ => remove(&by, &whom),
                };
                app.send(ask).await
            })
        };
        // Each many times over, so that somebody is always under way.
        let mut running = Vec::new();
        for n in 0..6 {
            running.push(removal(&both[0], &both[1], round + n));
            running.push(removal(&both[1], &both[0], round / 3 + n));
        }
        let mut answers: Vec<Reply> = Vec::new();
        for task in running {
            answers.push(task.await.expect("no panic"));
        }
        for reply in &answers {
            // Done, too late, or no administrator any more.
            assert!([200, 204, 401, 403, 404, 409].contains(&reply.status), "{}", reply.text());
        }
        let left = app.count(
            "account a JOIN account_role r ON r.user_id = a.id WHERE r.role = 'admin' AND a.is_active = TRUE",
        );
        assert_eq!(left, 1, "round {round}");
    }
}

fn without_use_of_keys(dump: &str) -> Vec<String> {
    dump.lines().filter(|line| !line.starts_with("service_key")).map(str::to_owned).collect()
}

impl App {
    fn dump_without_use_of_keys(&self) -> Vec<String> {
        without_use_of_keys(&self.dump())
    }
}
