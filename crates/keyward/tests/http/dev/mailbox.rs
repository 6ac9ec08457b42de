//! `GET /dev/mailbox`

use keyward::{Settings, Smtp};

use crate::support::{ADA, App, Ask, get, settings};

fn ask() -> Ask {
    get("/dev/mailbox").from("127.0.0.1").header("host", "127.0.0.1:8080")
}

async fn developing() -> App {
    App::with(Settings { mailbox_page: true, ..settings() }).await
}

#[tokio::test]
async fn it_shows_what_would_have_been_sent_with_its_links() {
    let app = developing().await;
    let reply = app.send(ask()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("none yet"));
    app.signup(ADA).await;
    let mail = app.mail().await;
    let reply = app.send(ask()).await;
    let page = reply.text();
    assert!(page.contains(ADA) && page.contains("Confirm your e-mail address"), "{page}");
    assert!(page.contains(&format!("<a href=\"{}\">", mail.link())), "{page}");
    assert_eq!(reply.one("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.all("cache-control"), ["no-store"]);
    assert_eq!(reply.one("referrer-policy"), Some("no-referrer"));
    for host in ["localhost", "localhost:3000", "app.localhost:8080", "[::1]:8080"] {
        let reply = app.send(get("/dev/mailbox").from("::1").header("host", host)).await;
        assert_eq!(reply.status, 200, "{host}");
    }
}

#[tokio::test]
async fn nobody_sees_it_from_elsewhere_or_through_a_proxy_or_under_another_name() {
    let app = developing().await;
    app.signup(ADA).await;
    app.tick().await;
    let bare = || get("/dev/mailbox").from("127.0.0.1");
    let asks = [
        bare(),
        bare().header("host", "evil.example"),
        bare().header("host", "localhost.evil.example:8080"),
        bare().header("host", "127.0.0.1.evil.example"),
        bare().header("host", "evil.example@127.0.0.1"),
        bare().header("host", ""),
        bare().header("host", "10.0.0.1"),
        bare().header("host", "localhost").header("host", "evil.example"),
        ask().from("203.0.113.1"),
        ask().header("x-forwarded-for", "127.0.0.1"),
        ask().header("x-forwarded-anything", "x"),
        ask().header("forwarded", "for=127.0.0.1"),
        ask().header("via", "1.1 proxy"),
        ask().header("x-real-ip", "127.0.0.1"),
        ask().header("cf-connecting-ip", "127.0.0.1"),
        ask().header("true-client-ip", "127.0.0.1"),
    ];
    for ask in asks {
        app.send(ask.clone()).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn it_is_there_in_development_alone() {
    let public = Settings {
        mailbox_page: true,
        public_url: "https://auth.example.com".parse().expect("an origin"),
        ..settings()
    };
    let smtp = Smtp { implicit_tls: false, host: "127.0.0.1".to_owned(), port: 1, credentials: None };
    let sends = Settings { mailbox_page: true, smtp: Some(smtp), ..settings() };
    for settings in [settings(), public, sends] {
        let app = App::with(settings).await;
        app.send(ask()).await.refused(404, "not_found");
    }
}
