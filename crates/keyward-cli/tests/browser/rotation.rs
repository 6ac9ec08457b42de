//! Do tabs that know nothing of each other, and lost answers, leave a session whole?

use serde_json::Value;

use crate::support::{Browser, Fault, Site, pass, seconds};

/// R1: twenty tabs of a page without the client, without a lock, refresh at the same moment.
#[tokio::test]
async fn twenty_tabs_refresh_at_once() {
    let site = Site::with(|home| home.with("SESSIONS__IDLE_TIMEOUT", "1h")).await;
    let script = "window.results = [];
        new BroadcastChannel('go').onmessage = async () => {
          window.results.push((await fetch('/api/auth/refresh', { method: 'POST' })).status);
        };";
    site.proxy.app().script("/app/go.js", script);
    site.proxy.app().page("/app/", &["/app/go.js"], "");
    let browser = Browser::start(&site).await;
    let first = browser.tab();
    first.goto("/app/").await;
    first.sign_in().await;
    let mut tabs = Vec::new();
    for _ in 0..20 {
        let tab = browser.new_tab().await;
        tab.goto("/app/").await;
        tabs.push(tab);
    }
    for round in 1..=2 {
        first.run("new BroadcastChannel('go').postMessage('')").await;
        // The one that says so hears it, too: by another channel.
        for tab in tabs.iter().chain([&first]) {
            tab.until(seconds(60), &format!("window.results.length === {round}")).await;
            assert_eq!(tab.run("return window.results.every((status) => status === 200)").await, true);
        }
    }
    let seen = site.proxy.seen("/api/auth/refresh");
    assert_eq!(seen.iter().map(|seen| seen.status).collect::<Vec<_>>(), vec![200; 42]);
    assert_eq!(site.open_sessions(), 1);
    assert_eq!(first.fetch("POST", "/api/auth/refresh", None).await["status"], 200);
    assert_eq!(first.fetch("GET", "/app/data", None).await["status"], 200);
}

/// R2: the server committed a rotation, and its answer never came. The next refresh is answered; and
/// once the window is over, the token that was never seen is replaced.
#[tokio::test]
async fn an_answer_lost_after_the_commit_is_made_up_for() {
    let site =
        Site::with(|home| home.with("SESSIONS__IDLE_TIMEOUT", "1h").with("SESSIONS__ROTATION_WINDOW", "10s"))
            .await;
    site.serve_app();
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/plain").await;
    tab.sign_in().await;
    let kept = refresh_token(&tab.cookies().await);
    site.proxy.fault_once("/api/auth/refresh", Fault::Lost);
    let refresh = || tab.fetch("POST", "/api/auth/refresh", None);
    assert!(refresh().await["thrown"].is_string());
    assert_eq!(refresh_token(&tab.cookies().await), kept, "the browser never saw another");

    let again = refresh().await;
    assert_eq!((&again["status"], &again["body"]["rotated"]), (&200.into(), &false.into()), "{again}");
    pass(seconds(10)).await;
    let later = refresh().await;
    assert_eq!((&later["status"], &later["body"]["rotated"]), (&200.into(), &true.into()), "{later}");
    assert_ne!(refresh_token(&tab.cookies().await), kept);
    assert_eq!(tab.fetch("GET", "/app/data", None).await["status"], 200);
    assert_eq!(site.open_sessions(), 1);
}

fn refresh_token(cookies: &[Value]) -> String {
    let cookie = cookies.iter().find(|cookie| cookie["name"] == "keyward_refresh").expect("a refresh token");
    cookie["value"].as_str().expect("text").to_owned()
}
