//! `GET /api/admin/events/suspicious`

use keyward::core::password::Password;
use serde_json::{Value, json};

use crate::support::{
    ADA, App, BOB, OTHER_PASSWORD, PASSWORD, ROOT, Reply, Tokens, WINDOW, get, login, moment,
};

/// An administrator, from an address of their own.
async fn administrator(app: &App) -> Tokens {
    let password = Password::try_from(PASSWORD.to_owned()).expect("short");
    app.keyward.upsert_admin(ROOT, password, &keyward::Client::operator()).await.expect("made");
    Tokens::of(&app.send(login(ROOT, PASSWORD).from("192.0.2.200")).await.ok(200))
}

async fn ask(app: &App, admin: &Tokens, query: &str) -> Reply {
    app.send(get(&format!("/api/admin/events/suspicious{query}")).bearer(&admin.access)).await
}

async fn findings(app: &App, admin: &Tokens, query: &str) -> Vec<Value> {
    ask(app, admin, query).await.ok(200)["findings"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn the_four_kinds_are_found_and_their_counts_are_true() {
    let app = App::new().await;
    let (ada, bob) = (app.signup(ADA).await, app.signup(BOB).await);
    app.pass(3_600);
    let first = app.now();
    for n in 0..30 {
        let reply = app.send(login(ADA, OTHER_PASSWORD).from("198.51.100.7")).await;
        reply.refused(401, "invalid_credentials");
        if n % 10 == 0 {
            app.pass(1);
        }
    }
    let last = app.now();
    for n in 0..4 {
        let name = format!("nobody{n}@example.com");
        app.send(login(&name, OTHER_PASSWORD).from("2001:db8:1:2::7"))
            .await
            .refused(401, "invalid_credentials");
    }
    // A copy of Bob's token.
    let bobs = app.refresh(&bob.refresh).await.ok(200);
    app.session(bobs["token"].as_str().expect("a token")).await.ok(200);
    app.pass(WINDOW);
    app.refresh(&bob.refresh).await.refused(401, "refresh_token_reused");
    let reused = app.now();
    app.tick().await;
    let admin = administrator(&app).await;

    let finding = |kind: &str, subject: &str, count: u64, first: i64, last: i64| {
        json!({"kind": kind, "subject": subject, "count": count,
            "first_at": moment(first), "last_at": moment(last)})
    };
    let ip = finding("failed_logins_by_ip", "198.51.100.7", 30, first, last);
    let account = finding("failed_logins_by_account", &ada.user, 30, first, last);
    let reuse = finding("refresh_reuse", &bob.user, 1, reused, reused);
    assert_eq!(findings(&app, &admin, "").await, [ip.clone(), account.clone(), reuse.clone()]);
    let network = |kind: &str| finding(kind, "2001:db8:1:2::/64", 4, last, last);
    assert_eq!(
        findings(&app, &admin, "?window=10m&threshold=4").await,
        [ip, network("failed_logins_by_ip"), account, network("accounts_per_ip"), reuse.clone()]
    );
    assert_eq!(findings(&app, &admin, "?window=86400&threshold=31").await, [reuse]);
    // From a name without an account nobody learns the name.
    let told = findings(&app, &admin, "?threshold=1").await;
    let accounts = told.iter().filter(|finding| finding["kind"] == "failed_logins_by_account");
    assert_eq!(accounts.count(), 5);
    assert!(!json!(told).to_string().contains("nobody"));
    app.pass(3_601);
    let admin = administrator(&app).await;
    let told = findings(&app, &admin, "?window=1h&threshold=1").await;
    assert_eq!(told.len(), 1, "but the administrator's own address: {told:?}");
    app.events();
}

#[tokio::test]
async fn many_accounts_of_one_address_are_found_be_they_made_or_tried() {
    let app = App::new().await;
    let first = app.now();
    for n in 0..3 {
        app.signup(&format!("new{n}@example.com")).await;
        app.login(&format!("new{n}@example.com")).await;
    }
    app.pass(60);
    let admin = administrator(&app).await;
    let found = findings(&app, &admin, "?threshold=3&window=30m").await;
    assert_eq!(
        found,
        [json!({"kind": "accounts_per_ip", "subject": "203.0.113.1", "count": 3,
            "first_at": moment(first), "last_at": moment(first)})]
    );
    app.events();
}

#[tokio::test]
async fn a_window_and_a_threshold_have_bounds() {
    let app = App::new().await;
    let admin = app.admin().await;
    for (query, field) in [
        ("window=59", "window"),
        ("window=91d", "window"),
        ("window=99999999999999999999", "window"),
        ("window=1.5h", "window"),
        ("window=-1h", "window"),
        ("threshold=0", "threshold"),
        ("threshold=1000001", "threshold"),
        ("threshold=many", "threshold"),
    ] {
        assert_eq!(ask(&app, &admin, &format!("?{query}")).await.invalid_fields(), [field], "{query}");
    }
    let told = ask(&app, &admin, "?window=60&threshold=1000000").await.ok(200);
    assert_eq!(told, json!({"findings": [], "since": moment(app.now() - 60)}));
    ask(&app, &admin, "?window=90d&threshold=1").await.ok(200);
}
