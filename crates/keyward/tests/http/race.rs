//! Many at once: whatever the order, what must hold holds.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;

use crate::support::{
    ADA, App, Ask, Kept, MINUTE, OTHER_PASSWORD, PASSWORD, Reply, Tokens, WINDOW, claims, delete, get, login,
    post, settings, text,
};

/// What these answer when they are asked at once.
async fn all_at_once<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::with_capacity(running.len());
    for task in running {
        answers.push(task.await.expect("no panic"));
    }
    answers
}

/// How often a race is run: sixty times, or as often as `KEYWARD_TEST_ROUNDS` says (a thousand in
/// scripts/stores).
fn rounds() -> u64 {
    std::env::var("KEYWARD_TEST_ROUNDS").map_or(60, |rounds| rounds.parse().expect("a number"))
}

/// Fifty tabs, each with a connection of its own: one new refresh token, an access token for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_refreshes_of_one_token_make_one_successor_and_sign_nobody_out() {
    let app = App::new().await;
    let server = app.serve().await;
    let mut tabs = Vec::new();
    for _ in 0..50 {
        tabs.push(server.keep().await);
    }
    let mut tokens = app.signup(ADA).await;
    let mut handed_out = HashSet::from([tokens.refresh.clone()]);
    for round in 0..rounds() {
        app.pass(WINDOW);
        let refresh = post("/api/auth/refresh").json(json!({"refresh_token": tokens.refresh}));
        let replies = each(&mut tabs, |_| refresh.clone()).await;
        let mut successors = Vec::new();
        let mut access = Vec::new();
        for reply in &replies {
            assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
            let body = reply.json();
            access.push(text(&body, "token").to_owned());
            assert_eq!(body["rotated"], body.get("refresh_token").is_some());
            if body["rotated"] == true {
                successors.push(Tokens::of(&body));
            }
        }
        let [successor] = successors.as_slice() else {
            panic!("round {round}: {} successors", successors.len())
        };
        assert!(handed_out.insert(successor.refresh.clone()), "each is handed out once");
        tokens = successor.clone();
        for reply in each(&mut tabs, |tab| get("/api/auth/session").bearer(&access[tab])).await {
            assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
        }
    }
    assert_eq!(claims(&tokens.access)["gen"], rounds());
    assert_eq!((app.count("session"), app.open_sessions()), (1, 1));
    assert_eq!(app.events(), ["signup"]);
    drop(tabs);
    server.stop().await;
}

/// What these tabs are answered when they ask at once: each what is said of its number.
async fn each(tabs: &mut Vec<Kept>, ask: impl Fn(usize) -> Ask) -> Vec<Reply> {
    let asked = tabs.drain(..).enumerate().map(|(number, mut tab)| {
        let ask = ask(number);
        async move {
            let reply = tab.send(ask).await;
            (tab, reply)
        }
    });
    let (kept, replies) = all_at_once(asked).await.into_iter().unzip();
    *tabs = kept;
    replies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thief_and_an_owner_at_once_end_the_session() {
    let app = Arc::new(App::new().await);
    for _ in 0..50 {
        let first = app.login_or_signup(ADA).await;
        let second = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
        app.session(&second.access).await.ok(200);
        app.pass(WINDOW);
        // The owner has the newest, the thief what was before it.
        let asks = [second.refresh.clone(), first.refresh.clone()].map(|token| {
            let app = Arc::clone(&app);
            async move { app.refresh(&token).await }
        });
        let replies = all_at_once(asks).await;
        replies[1].refused(401, "refresh_token_reused");
        if replies[0].status == 200 {
            // The owner was first; what they got ended with the session.
            let fresh = Tokens::of(&replies[0].json());
            app.session(&fresh.access).await.refused(401, "session_revoked");
            app.refresh(&fresh.refresh).await.refused(401, "session_revoked");
        } else {
            replies[0].refused(401, "session_revoked");
        }
        assert_eq!(app.open_sessions(), 0, "the session is over");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_lives_after_a_logout_that_raced_a_refresh() {
    let app = Arc::new(App::new().await);
    app.signup(ADA).await;
    app.send(post("/api/auth/logout-all").bearer(&app.login(ADA).await.access)).await.ok(200);
    for round in 0..rounds() {
        let tokens = app.login(ADA).await;
        let refresh = {
            let (app, tokens) = (Arc::clone(&app), tokens.clone());
            tokio::spawn(async move { app.refresh(&tokens.refresh).await })
        };
        let logout = {
            let (app, tokens) = (Arc::clone(&app), tokens.clone());
            tokio::spawn(async move {
                let ask = match round % 3 {
                    0 => post("/api/auth/logout").bearer(&tokens.access),
                    1 => post("/api/auth/logout-all").bearer(&tokens.access),
                    _ => delete(&format!("/api/auth/sessions/{}", tokens.session)).bearer(&tokens.access),
                };
                app.send(ask).await.status
            })
        };
        let (refreshed, logout) = (refresh.await.expect("no panic"), logout.await.expect("no panic"));
        assert!(matches!(logout, 200 | 204), "{logout}");
        let mut access = vec![tokens.access];
        let mut refresh = vec![tokens.refresh];
        match refreshed.status {
            200 => {
                let fresh = Tokens::of(&refreshed.json());
                access.push(fresh.access);
                refresh.push(fresh.refresh);
            }
            _ => drop(refreshed.refused(401, "session_revoked")),
        }
        for token in access {
            app.session(&token).await.refused(401, "session_revoked");
        }
        for token in refresh {
            app.refresh(&token).await.refused(401, "session_revoked");
        }
    }
    assert_eq!(app.open_sessions(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_login_with_an_old_password_outlives_its_change() {
    let app = Arc::new(App::new().await);
    let here = app.signup(ADA).await;
    let (mut old, mut new) = (PASSWORD, OTHER_PASSWORD);
    let mut opened = 0;
    for _ in 0..100 {
        let logins = (0..6).map(|_| {
            let app = Arc::clone(&app);
            async move { app.send(login(ADA, old)).await }
        });
        let change = {
            let (app, access) = (Arc::clone(&app), here.access.clone());
            let body = json!({"current_password": old, "new_password": new});
            tokio::spawn(async move {
                app.send(post("/api/auth/password/change").bearer(&access).json(body)).await
            })
        };
        let replies = all_at_once(logins).await;
        change.await.expect("no panic").ok(204);
        for reply in replies {
            if reply.status == 200 {
                opened += 1;
                let tokens = Tokens::of(&reply.json());
                app.session(&tokens.access).await.refused(401, "session_revoked");
                app.refresh(&tokens.refresh).await.refused(401, "session_revoked");
            } else {
                reply.refused(401, "invalid_credentials");
            }
        }
        assert_eq!(app.open_sessions(), 1, "that of who changed it");
        app.session(&here.access).await.ok(200);
        std::mem::swap(&mut old, &mut new);
    }
    assert!(opened > 0, "some logins were first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_never_has_more_sessions_than_the_cap() {
    let mut settings = settings();
    settings.policy.max_per_user = 10;
    let app = Arc::new(App::with(settings).await);
    app.signup(ADA).await;
    app.pass(1);
    let replies = all_at_once((0..50).map(|_| {
        let app = Arc::clone(&app);
        async move { app.send(login(ADA, PASSWORD)).await }
    }))
    .await;
    let tokens: Vec<Tokens> = replies.iter().map(|reply| Tokens::of(&reply.ok(200))).collect();
    assert_eq!(app.open_sessions(), 10);
    let mut live = 0;
    for tokens in &tokens {
        live += u32::from(app.session(&tokens.access).await.status == 200);
    }
    assert_eq!(live, 10);
    let events = app.events();
    let count = |name: &str| events.iter().filter(|event| *event == name).count();
    assert_eq!((count("signup"), count("login"), count("session_revoked")), (1, 50, 41));
}

#[tokio::test]
async fn the_least_recently_active_session_makes_room() {
    let mut settings = settings();
    settings.policy.max_per_user = 3;
    let app = App::with(settings).await;
    let a = app.signup(ADA).await;
    app.pass(1);
    let b = app.login(ADA).await;
    app.pass(1);
    let c = app.login(ADA).await;
    app.pass(1);
    app.send(post("/api/auth/activity").bearer(&a.access)).await.ok(200);
    app.pass(1);
    app.events();
    let d = app.login(ADA).await;
    assert_eq!(app.events(), ["login", "session_revoked"]);
    app.session(&b.access).await.refused(401, "session_revoked");
    for tokens in [a, c, d] {
        app.session(&tokens.access).await.ok(200);
    }
    // A browser that signs in anew takes its own place and nobody else's.
    app.pass(MINUTE);
    let mut browser = crate::support::Browser::signed_in(&app, ADA).await;
    assert_eq!(app.open_sessions(), 3);
    app.events();
    browser.login(&app, ADA).await.ok(200);
    assert_eq!(app.events(), ["login", "session_revoked"]);
    assert_eq!(app.open_sessions(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_address_is_signed_up_once() {
    let app = Arc::new(App::new().await);
    let replies =
        all_at_once((0..50).map(|n| {
            let app = Arc::clone(&app);
            let email = if n % 2 == 0 { ADA.to_owned() } else { ADA.to_uppercase() };
            async move {
                app.send(post("/api/auth/signup").json(json!({"email": email, "password": PASSWORD}))).await
            }
        }))
        .await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        reply.refused(409, "email_taken");
    }
    assert_eq!((made, app.count("account"), app.count("session")), (1, 1, 1));
    assert_eq!(app.events(), ["signup"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_theft_that_many_notice_is_one_event() {
    let app = Arc::new(App::new().await);
    let first = app.signup(ADA).await;
    let second = Tokens::of(&app.refresh(&first.refresh).await.ok(200));
    app.session(&second.access).await.ok(200);
    app.pass(WINDOW);
    app.events();
    let replies = all_at_once((0..20).map(|_| {
        let (app, token) = (Arc::clone(&app), first.refresh.clone());
        async move { app.refresh(&token).await }
    }))
    .await;
    let noticed = replies.iter().filter(|reply| reply.text().contains("refresh_token_reused")).count();
    assert!(replies.iter().all(|reply| reply.status == 401));
    assert_eq!(noticed, 1);
    app.tick().await;
    let events = app.events();
    assert_eq!(events.iter().filter(|event| event.starts_with("refresh_reused")).count(), 1, "{events:?}");
}
