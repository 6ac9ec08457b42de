//! Whoever does something stays signed in, whatever Redis loses of it, and whoever doesn't is idle on
//! the second.

use crate::servers::redis::Server;
use crate::support::{ADA, App, Browser, MINUTE, post, settings};

/// Somebody at work over a Redis of their own.
async fn at_work(server: &Server) -> (App, Browser) {
    let app = App::over_redis(server.database(), settings()).await;
    let browser = Browser::signed_up(&app, ADA).await;
    app.tick().await;
    (app, browser)
}

/// Lets so many minutes pass, in which a page of theirs refreshes.
async fn poll(app: &App, browser: &mut Browser, minutes: u64) {
    for minute in 1..=minutes {
        app.pass(MINUTE);
        if minute % 5 == 0 {
            browser.refresh(app).await.ok(200);
        }
    }
}

/// Redis comes back with what it had saved, and another node answers from then on.
async fn elsewhere_after(server: &mut Server, app: App) -> App {
    server.kill();
    server.start_again();
    app.killed().await
}

/// So many minutes pass on that node, and then the session is idle.
async fn is_idle_after(app: &App, browser: &mut Browser, minutes: u64) {
    app.pass(minutes * MINUTE - 1);
    browser.clone().refresh(app).await.ok(200);
    app.pass(1);
    browser.refresh(app).await.refused(401, "session_idle");
}

#[tokio::test]
async fn a_click_that_redis_lost_counts() {
    let mut server = Server::start(&[]);
    let (app, mut browser) = at_work(&server).await;
    poll(&app, &mut browser, 55).await;
    server.say("SAVE");
    browser.navigate(&app, "/api/auth/session").await.ok(200);
    app.tick().await;
    let app = elsewhere_after(&mut server, app).await;
    poll(&app, &mut browser, 10).await;
    is_idle_after(&app, &mut browser, 50).await;
}

#[tokio::test]
async fn what_is_called_activity_counts_though_redis_lost_it() {
    let mut server = Server::start(&[]);
    let (app, mut browser) = at_work(&server).await;
    poll(&app, &mut browser, 55).await;
    server.say("SAVE");
    browser.send(&app, post("/api/auth/activity")).await.ok(200);
    app.tick().await;
    let app = elsewhere_after(&mut server, app).await;
    poll(&app, &mut browser, 10).await;
    is_idle_after(&app, &mut browser, 50).await;
}

/// The last thing that somebody did, of many, is not the one that was written at rest at once.
#[tokio::test]
async fn the_last_of_several_clicks_counts_though_redis_lost_all_of_them() {
    let mut server = Server::start(&[]);
    let (app, mut browser) = at_work(&server).await;
    poll(&app, &mut browser, 30).await;
    server.say("SAVE");
    for _ in 0..10 {
        browser.navigate(&app, "/api/auth/session").await.ok(200);
        app.tick().await;
        app.pass(MINUTE);
    }
    // At minute 40, the last one at 39.
    for _ in 0..5 {
        app.tick().await;
        app.pass(MINUTE);
    }
    app.tick().await;
    let app = elsewhere_after(&mut server, app).await;
    poll(&app, &mut browser, 45).await;
    is_idle_after(&app, &mut browser, 9).await;
}

#[tokio::test]
async fn what_a_node_can_not_tell_redis_counts_on_another_that_can() {
    let mut server = Server::start(&[]);
    let (app, mut browser) = at_work(&server).await;
    poll(&app, &mut browser, 55).await;
    server.say("SAVE");
    // Of this node alone it is away: the other one has what is saved.
    server.kill();
    assert_eq!(browser.navigate(&app, "/api/auth/session").await.status, 503);
    app.keyward.tick().await.expect_err("it is away");
    server.start_again();
    let app = app.killed().await;
    poll(&app, &mut browser, 10).await;
    is_idle_after(&app, &mut browser, 50).await;
}
