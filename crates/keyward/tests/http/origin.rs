//! From which address does a request come, as sessions and events have it?

use keyward::Settings;
use serde_json::json;

use crate::support::{ADA, App, PASSWORD, get, login, post, settings};

#[tokio::test]
async fn it_is_the_sockets_or_the_last_untrusted_hop() {
    let trusted = ["127.0.0.0/8", "10.0.0.0/8"].map(|net| net.parse().expect("a network")).to_vec();
    let app = App::with(Settings { trusted_proxies: trusted, ..settings() }).await;
    app.signup(ADA).await;
    for (peer, lines, expected) in [
        ("203.0.113.9", vec!["1.2.3.4"], "203.0.113.9"),
        ("127.0.0.1", vec!["1.2.3.4"], "1.2.3.4"),
        ("127.0.0.1", vec!["6.6.6.6, 1.2.3.4, 10.0.0.7"], "1.2.3.4"),
        ("127.0.0.1", vec!["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        ("127.0.0.1", vec!["1.2.3.4, rubbish"], "127.0.0.1"),
        ("127.0.0.1", vec!["fe80::1%eth0"], "127.0.0.1"),
        ("127.0.0.1", vec![""], "127.0.0.1"),
        ("127.0.0.1", vec!["[2001:db8::1]:443"], "2001:db8::1"),
        ("::ffff:127.0.0.1", vec!["::ffff:1.2.3.4"], "1.2.3.4"),
    ] {
        let ask = login(ADA, PASSWORD).from(peer);
        let ask = lines.iter().fold(ask, |ask, line| ask.header("x-forwarded-for", line));
        let body = app.send(ask).await.ok(200);
        let list = app
            .send(get("/api/auth/sessions").bearer(body["token"].as_str().expect("a token")))
            .await
            .ok(200);
        let current = list["sessions"].as_array().expect("a list").iter().find(|s| s["current"] == true);
        assert_eq!(current.expect("it is there")["ip_address"], expected, "{peer} {lines:?}");
    }
}

#[tokio::test]
async fn a_user_agent_is_kept_short_and_clean() {
    let app = App::new().await;
    let signup = post("/api/auth/signup").json(json!({"email": ADA, "password": PASSWORD}));
    let mut agent = b"evil\t\xff\xe2\x80\xa8".to_vec();
    agent.extend(vec![b'x'; 2_000]);
    let body = app.send(signup.header("user-agent", agent)).await.ok(201);
    let list =
        app.send(get("/api/auth/sessions").bearer(body["token"].as_str().expect("a token"))).await.ok(200);
    let kept = list["sessions"][0]["user_agent"].as_str().expect("a text");
    assert!(kept.len() <= 512 && kept.starts_with("evil\u{fffd}") && !kept.contains('\t'), "{kept}");
}
