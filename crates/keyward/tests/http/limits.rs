//! Budgets: how much may be asked, by whom, and what happens over it.

use keyward::Settings;
use keyward::core::throttle::Limits;
use serde_json::json;

use crate::support::{
    ADA, App, Ask, BOB, Browser, MINUTE, OTHER_PASSWORD, PASSWORD, Reply, limit, login, post, settings,
};

async fn with(limits: Limits) -> App {
    App::with(Settings { limits, ..settings() }).await
}

/// The same for what comes back as the clock goes on that a test moves: budgets in Redis go by its own.
async fn by_the_clock(limits: Limits) -> App {
    App::without_redis(Settings { limits, ..settings() }).await
}

/// That a budget is used up, told to the letter; in how many seconds there is one more.
fn over(reply: &Reply, name: &str, count: u32, window: u64) -> u64 {
    reply.refused(429, "rate_limited");
    let wait = reply.retry_after();
    assert_eq!(reply.one("ratelimit-policy"), Some(format!("\"{name}\";q={count};w={window}").as_str()));
    assert_eq!(reply.one("ratelimit"), Some(format!("\"{name}\";r=0;t={wait}").as_str()));
    wait
}

#[tokio::test]
async fn the_sixth_login_of_an_address_is_not_even_looked_at() {
    let app = by_the_clock(Limits { login: limit("5/1m"), ..Limits::OFF }).await;
    app.signup(ADA).await;
    app.events();
    let hashes = app.keyward.password_hashes();
    for _ in 0..5 {
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
    let before = app.dump_without(&["event", "budget"]);
    let refused = async || assert_eq!(over(&app.send(login(ADA, PASSWORD)).await, "login", 5, 60), 12);
    refused().await;
    // Where nodes share a budget, that it is used up is written once.
    let written = app.writers_of("budget");
    for _ in 0..6 {
        refused().await;
    }
    assert_eq!(app.writers_of("budget"), written);
    assert_eq!(app.keyward.password_hashes(), hashes + 5);
    assert_eq!(app.dump_without(&["event", "budget"]), before);
    let mut expected = vec!["login_failed: invalid_credentials"; 5];
    expected.push("rate_limited: rate_limited");
    assert_eq!(app.events(), expected);
    app.tick().await;
    assert_eq!(app.events(), ["rate_limited: rate_limited x7"], "one row a minute");
    // Another address is another budget.
    app.send(login(ADA, PASSWORD).from("203.0.113.2")).await.ok(200);
    // Who waits as long as told is let in, once.
    app.pass(12);
    app.send(login(ADA, PASSWORD)).await.ok(200);
    over(&app.send(login(ADA, PASSWORD)).await, "login", 5, 60);
    app.events();
    app.pass(MINUTE);
    for _ in 0..5 {
        app.send(login(ADA, PASSWORD)).await.ok(200);
    }
    over(&app.send(login(ADA, PASSWORD)).await, "login", 5, 60);
    assert_eq!(
        app.events(),
        ["login", "login", "login", "login", "login", "rate_limited: rate_limited"],
        "a minute later a row of its own"
    );
}

#[tokio::test]
async fn of_many_at_once_as_many_are_looked_at_as_the_limit_says() {
    let app = std::sync::Arc::new(with(Limits { login: limit("5/1h"), ..Limits::OFF }).await);
    app.signup(ADA).await;
    let hashes = app.keyward.password_hashes();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let app = std::sync::Arc::clone(&app);
            tokio::spawn(async move { app.send(login(ADA, OTHER_PASSWORD)).await.status })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        refused += u32::from(task.await.expect("no panic") == 429);
    }
    assert_eq!((refused, app.keyward.password_hashes() - hashes), (195, 5));
}

#[tokio::test]
async fn failures_count_for_an_account_over_all_addresses_and_for_nobody_alike() {
    let app = by_the_clock(Limits { login_failures: limit("20/1h"), ..Limits::OFF }).await;
    app.signup(ADA).await;
    app.signup(BOB).await;
    for who in [ADA, "nobody@example.com", "no address"] {
        for n in 0..20 {
            let ask = login(who, OTHER_PASSWORD).from(&format!("198.51.100.{n}"));
            app.send(ask).await.refused(401, "invalid_credentials");
        }
        let hashes = app.keyward.password_hashes();
        let wait =
            over(&app.send(login(who, PASSWORD).from("198.51.100.99")).await, "login_failures", 20, 3_600);
        assert_eq!(wait, 180);
        assert_eq!(app.keyward.password_hashes(), hashes, "a correct password is not looked at");
    }
    // Strangers can't lock the owner out of an address where she signed in before.
    app.send(login(ADA, PASSWORD)).await.ok(200);
    // Which has a budget of its own.
    for _ in 0..20 {
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
    over(&app.send(login(ADA, PASSWORD)).await, "login_failures", 20, 3_600);
    // Nobody else is concerned.
    app.send(login(BOB, PASSWORD).from("198.51.100.99")).await.ok(200);
}

#[tokio::test]
async fn success_costs_nothing_of_the_budget_of_failures() {
    let app = with(Limits { login_failures: limit("2/1h"), ..Limits::OFF }).await;
    app.signup(ADA).await;
    for _ in 0..10 {
        app.login(ADA).await;
    }
    app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    app.login(ADA).await;
}

#[tokio::test]
async fn address_and_phone_number_of_an_account_are_one_budget() {
    let app = with(Limits { login_failures: limit("4/1h"), ..Limits::OFF }).await;
    let body = json!({"email": ADA, "password": PASSWORD, "phone_number": "+4915112345678"});
    app.send(post("/api/auth/signup").json(body).from("192.0.2.1")).await.ok(201);
    let by_phone = || {
        post("/api/auth/login").json(json!({"phone_number": "+4915112345678", "password": OTHER_PASSWORD}))
    };
    for _ in 0..2 {
        app.send(by_phone()).await.refused(401, "invalid_credentials");
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
    over(&app.send(by_phone()).await, "login_failures", 4, 3_600);
    over(&app.send(login(ADA, PASSWORD)).await, "login_failures", 4, 3_600);
}

#[tokio::test]
async fn no_spelling_is_a_way_around() {
    let spellings = |name: &str| {
        let (local, domain) = name.split_once('@').expect("an address");
        vec![
            name.to_owned(),
            name.to_uppercase(),
            format!(" {name}"),
            format!("{name}\t"),
            format!("{name}\n"),
            format!("{}@{}", local.to_uppercase(), domain),
            format!("{local}@{}", domain.to_uppercase()),
        ]
    };
    for who in [ADA, "nobody@example.com"] {
        let app = with(Limits { login_failures: limit("3/1h"), ..Limits::OFF }).await;
        app.send(
            post("/api/auth/signup").json(json!({"email": ADA, "password": PASSWORD})).from("192.0.2.1"),
        )
        .await
        .ok(201);
        let mut answers = Vec::new();
        for (n, spelling) in spellings(who).into_iter().enumerate() {
            answers.push(
                app.send(login(&spelling, OTHER_PASSWORD).from(&format!("198.51.100.{n}"))).await.status,
            );
        }
        assert_eq!(answers, [401, 401, 401, 429, 429, 429, 429], "{who}");
    }
    let app = with(Limits { login: limit("1/1h"), ..Limits::OFF }).await;
    app.signup(ADA).await;
    app.login(ADA).await;
    let hashes = app.keyward.password_hashes();
    for path in [
        "//api/auth/login",
        "/api/auth/login/",
        "/api/auth/%6cogin",
        "/api/auth/./login",
        "/api/auth/login;x",
        "/API/auth/login",
        "/api/auth/login%2f",
    ] {
        let body = json!({"email": ADA, "password": PASSWORD});
        app.send(post(path).json(body)).await.refused(404, "not_found");
    }
    let body = json!({"email": ADA, "password": PASSWORD});
    over(&app.send(post("/api/auth/login?x=y").json(body)).await, "login", 1, 3_600);
    let twice = format!(r#"{{"email":"x","email":"{ADA}","password":"{PASSWORD}"}}"#);
    app.send(post("/api/auth/login").raw("application/json", twice)).await.refused(400, "malformed_json");
    assert_eq!(app.keyward.password_hashes(), hashes);
}

#[tokio::test]
async fn signing_up_has_a_budget_of_each_address() {
    let app = by_the_clock(Limits { signup: limit("5/1m"), ..Limits::OFF }).await;
    let ask = |n: u32| {
        post("/api/auth/signup").json(json!({"email": format!("u{n}@example.com"), "password": PASSWORD}))
    };
    // What is no valid signup costs nothing.
    for _ in 0..10 {
        app.send(post("/api/auth/signup").json(json!({"email": "x", "password": "y"})))
            .await
            .refused(422, "validation_failed");
    }
    for n in 0..5 {
        app.send(ask(n)).await.ok(201);
    }
    let hashes = app.keyward.password_hashes();
    assert_eq!(over(&app.send(ask(5)).await, "signup", 5, 60), 12);
    over(&app.send(ask(0)).await, "signup", 5, 60);
    assert_eq!((app.keyward.password_hashes(), app.count("account")), (hashes, 5));
    app.send(ask(5).from("203.0.113.2")).await.ok(201);
}

#[tokio::test]
async fn change_and_reauthentication_have_one_each_for_every_session() {
    let app = by_the_clock(Limits { password: limit("5/1m"), ..Limits::OFF }).await;
    let tokens = app.signup(ADA).await;
    let other = app.login(ADA).await;
    app.events();
    let again =
        |token: &str| post("/api/auth/reauthenticate").bearer(token).json(json!({"password": PASSWORD}));
    let change = |token: &str, current: &str| {
        post("/api/auth/password/change")
            .bearer(token)
            .json(json!({"current_password": current, "new_password": OTHER_PASSWORD}))
    };
    for _ in 0..5 {
        app.send(again(&tokens.access)).await.ok(200);
        app.send(change(&tokens.access, "wrong")).await.refused(401, "invalid_credentials");
    }
    let hashes = app.keyward.password_hashes();
    for _ in 0..3 {
        assert_eq!(over(&app.send(again(&tokens.access)).await, "password", 5, 60), 12);
        over(&app.send(change(&tokens.access, PASSWORD)).await, "password", 5, 60);
    }
    // Another address is no way around.
    over(&app.send(change(&tokens.access, PASSWORD).from("198.51.100.1")).await, "password", 5, 60);
    assert_eq!(app.keyward.password_hashes(), hashes);
    let events = app.events();
    assert_eq!(events.iter().filter(|event| *event == "rate_limited: rate_limited").count(), 2, "{events:?}");
    app.send(again(&other.access)).await.ok(200);
    app.session(&tokens.access).await.ok(200);
    app.pass(12);
    app.send(change(&tokens.access, PASSWORD)).await.ok(204);
}

#[tokio::test]
async fn refreshing_has_one_for_every_session_and_none_is_lost_by_it() {
    let app = by_the_clock(Limits { refresh: limit("60/1m"), ..Limits::OFF }).await;
    let tokens = app.signup(ADA).await;
    let other = app.login(ADA).await;
    app.events();
    for _ in 0..60 {
        app.refresh(&tokens.refresh).await.ok(200);
    }
    let before = app.dump_without_events();
    let reads = app.keyward.store_reads();
    for _ in 0..5 {
        assert_eq!(over(&app.refresh(&tokens.refresh).await, "refresh", 60, 60), 1);
    }
    assert_eq!((app.dump_without_events(), app.keyward.store_reads()), (before, reads));
    assert_eq!(app.events(), ["rate_limited: rate_limited"]);
    app.refresh(&other.refresh).await.ok(200);
    // A forged token spends nothing of anybody's.
    for _ in 0..100 {
        app.refresh(&format!("{}x", other.refresh)).await.refused(401, "invalid_refresh_token");
    }
    app.refresh(&other.refresh).await.ok(200);
    app.pass(1);
    app.refresh(&tokens.refresh).await.ok(200);
}

#[tokio::test]
async fn a_page_that_polls_is_never_over_its_budget() {
    let app = with(Limits::default()).await;
    let mut browser = Browser::signed_up(&app, ADA).await;
    for _ in 0..200 {
        browser.session(&app).await.ok(200);
    }
}

fn forwarded(ask: Ask, list: &str) -> Ask {
    ask.header("x-forwarded-for", list)
}

#[tokio::test]
async fn a_forwarding_header_is_believed_from_a_trusted_proxy_alone() {
    let limits = Limits { login: limit("5/1h"), ..Limits::OFF };
    let app = with(limits).await;
    app.signup(ADA).await;
    let statuses = |replies: &[u16]| replies.iter().filter(|status| **status == 429).count();
    let mut seen = Vec::new();
    for n in 0..20 {
        let ask = forwarded(login(ADA, OTHER_PASSWORD), &format!("198.51.100.{n}"))
            .header("forwarded", format!("for=198.51.100.{n}"))
            .header("x-real-ip", format!("198.51.100.{n}"))
            .header("true-client-ip", format!("198.51.100.{n}"))
            .header("cf-connecting-ip", format!("198.51.100.{n}"));
        seen.push(app.send(ask).await.status);
    }
    assert_eq!(statuses(&seen), 15, "rotating it directly is no way around");

    let trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
    let app = App::with(Settings { limits, trusted_proxies, ..settings() }).await;
    app.signup(ADA).await;
    let mut seen = Vec::new();
    for n in 0..20 {
        // The proxy appends the address that it saw to what the client had made up.
        let ask =
            forwarded(login(ADA, OTHER_PASSWORD).from("10.0.0.1"), &format!("198.51.100.{n}, 203.0.113.9"));
        seen.push(app.send(ask).await.status);
    }
    assert_eq!(statuses(&seen), 15);
    let mut seen = Vec::new();
    for n in 0..20 {
        let ask = forwarded(login(ADA, OTHER_PASSWORD).from("10.0.0.1"), &format!("198.51.100.{n}"));
        seen.push(app.send(ask).await.status);
    }
    assert_eq!(statuses(&seen), 0, "behind the proxy each client has its own");
}

#[tokio::test]
async fn an_ipv6_address_counts_by_its_64() {
    let app = with(Limits { login: limit("5/1h"), ..Limits::OFF }).await;
    app.signup(ADA).await;
    let from = |address: String| app.send(login(ADA, OTHER_PASSWORD).from(&address));
    let mut limited = 0;
    for n in 0..100 {
        limited += u32::from(from(format!("2001:db8:0:7:{n:x}::{n:x}")).await.status == 429);
    }
    assert_eq!(limited, 95);
    from("2001:db8:0:8::1".to_owned()).await.refused(401, "invalid_credentials");
    // One that is IPv4 in truth is that.
    for n in 0..5 {
        let address = if n % 2 == 0 { "192.0.2.5" } else { "::ffff:192.0.2.5" };
        from(address.to_owned()).await.refused(401, "invalid_credentials");
    }
    from("::ffff:192.0.2.5".to_owned()).await.refused(429, "rate_limited");
    from("::ffff:192.0.2.6".to_owned()).await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn a_budget_can_be_off() {
    let app = with(Limits::OFF).await;
    app.signup(ADA).await;
    for _ in 0..100 {
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
}
