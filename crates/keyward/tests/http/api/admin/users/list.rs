//! `GET /api/admin/users`

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::change;
use crate::support::{ADA, App, BOB, ROOT, START, get, moment, post, text};

async fn page(app: &App, by: &str, query: &str) -> Value {
    app.send(get(&format!("/api/admin/users{query}")).bearer(by)).await.ok(200)
}

fn emails(page: &Value) -> Vec<&str> {
    page["users"].as_array().expect("a list").iter().map(|user| text(user, "email")).collect()
}

#[tokio::test]
async fn accounts_are_listed_and_searched() {
    let app = App::new().await;
    let admin = app.admin().await.access;
    app.pass(1);
    let ada = app.signup(ADA).await;
    app.login(ADA).await;
    app.pass(1);
    let bob = app.signup(BOB).await;
    let to = json!({ "phone_number": "+4915112345678", "is_active": false });
    app.send(change(&admin, &bob.user, to)).await.ok(200);
    let all = page(&app, &admin, "").await;
    assert_eq!(emails(&all), [ROOT, ADA, BOB], "the oldest first");
    assert_eq!(all["next_cursor"], Value::Null);
    assert_eq!(
        all["users"][1],
        json!({
            "id": ada.user, "email": ADA, "phone_number": null, "is_active": true, "email_verified": false,
            "roles": ["user"], "created_at": moment(START + 1), "last_login_at": moment(START + 1),
            "session_count": 2,
        })
    );
    assert_eq!(all["users"][2]["session_count"], 0);
    for (query, found) in [
        ("?query=ada", vec![ADA]),
        ("?query=%20ADA%40EXAMPLE.com%20", vec![ADA]),
        ("?query=example.com", vec![]),
        ("?query=%2B49", vec![BOB]),
        ("?query=+49151", vec![BOB]),
        ("?query=%2B50", vec![]),
        (&format!("?query={}", ada.user), vec![ADA]),
        (&format!("?query={}", ada.session), vec![]),
        ("?query=%25", vec![]),
        ("?query=%C3%BC", vec![]),
        ("?query='%20OR%201%3D1--", vec![]),
        ("?status=active", vec![ROOT, ADA]),
        ("?status=inactive", vec![BOB]),
        ("?role=admin", vec![ROOT]),
        ("?role=user", vec![ROOT, ADA, BOB]),
        ("?role=gone", vec![]),
        ("?role=user&status=active", vec![ROOT, ADA]),
        ("?role=user&status=inactive&query=b", vec![BOB]),
        ("?role=admin&query=b", vec![]),
        ("?query=&status=&role=&limit=&cursor=", vec![ROOT, ADA, BOB]),
        ("?limit=200&unknown=x", vec![ROOT, ADA, BOB]),
    ] {
        let page = page(&app, &admin, query).await;
        assert_eq!((emails(&page), &page["next_cursor"]), (found, &Value::Null), "{query}");
    }
    let key = app.service_key(&["admin:read"]).await;
    assert_eq!(page(&app, &key, "").await, all);
}

/// Each page goes on where the last one ended, while accounts are made and deleted: nobody is
/// missed and nobody told twice.
#[tokio::test]
async fn pages_stay_right_while_accounts_come_and_go() {
    let app = App::new().await;
    let admin = app.admin().await.access;
    let key = app.service_key(&["admin"]).await;
    let make = async |name: String| {
        let ask =
            post("/api/admin/users").bearer(&key).json(json!({ "email": format!("{name}@example.com") }));
        text(&app.send(ask).await.ok(201), "id").to_owned()
    };
    let mut ids = Vec::new();
    for n in 0..25 {
        ids.push(make(format!("u{n:02}")).await);
    }
    for (filter, limit) in [("", 3), ("&query=u", 4), ("&role=user", 1), ("&status=active", 7)] {
        let gone = ids.pop().expect("some");
        let mut told: Vec<String> = Vec::new();
        let mut cursor = String::new();
        for n in 0.. {
            let page = page(&app, &admin, &format!("?limit={limit}{filter}{cursor}")).await;
            assert!(page["users"].as_array().is_some_and(|users| users.len() <= limit));
            told.extend(emails(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            make(format!("u-new-{limit}-{n}")).await;
            if n == 1 {
                app.send(super::remove(&key, &gone)).await.ok(204);
            }
            assert!(n < 100, "it ends");
        }
        let once: BTreeSet<&String> = told.iter().collect();
        assert_eq!(once.len(), told.len(), "nobody twice: {told:?}");
        for n in 0..ids.len() {
            assert!(told.contains(&format!("u{n:02}@example.com")), "{filter}: {told:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_query_is_named() {
    let app = App::new().await;
    let admin = app.admin().await.access;
    app.pass(1);
    app.signup(ADA).await;
    let first = page(&app, &admin, "?limit=1").await;
    let cursor = text(&first, "next_cursor");
    for (query, fields) in [
        ("?limit=0".to_owned(), vec!["limit"]),
        ("?limit=201".to_owned(), vec!["limit"]),
        ("?limit=-1".to_owned(), vec!["limit"]),
        ("?limit=1.5".to_owned(), vec!["limit"]),
        ("?limit=99999999999999999999".to_owned(), vec!["limit"]),
        ("?limit=x&status=Active".to_owned(), vec!["limit", "status"]),
        ("?limit=1&limit=2".to_owned(), vec!["limit"]),
        ("?status=deleted".to_owned(), vec!["status"]),
        ("?role=Admin".to_owned(), vec!["role"]),
        ("?role=a,b".to_owned(), vec!["role"]),
        (format!("?query={}", "a".repeat(255)), vec!["query"]),
        ("?query=%00".to_owned(), vec!["query"]),
        ("?query=a%0D%0Ab".to_owned(), vec!["query"]),
        ("?cursor=x".to_owned(), vec!["cursor"]),
        (format!("?cursor={cursor}x"), vec!["cursor"]),
        (format!("?query=ada&cursor={cursor}"), vec!["cursor"]),
    ] {
        let reply = app.send(get(&format!("/api/admin/users{query}")).bearer(&admin)).await;
        assert_eq!(reply.invalid_fields(), fields, "{query}");
    }
    assert_eq!(emails(&page(&app, &admin, &format!("?cursor={cursor}")).await), [ADA]);
}
