//! `GET /reset`, `POST /reset`

use keyward::Settings;
use keyward::core::throttle::Limits;

use crate::support::{ADA, App, OTHER_PASSWORD, PASSWORD, form, get, limit, login, settings};

async fn with(limits: Limits) -> (App, String, String) {
    // A budget comes back as the clock goes on that stands still here.
    let app = App::without_redis(Settings { limits, ..settings() }).await;
    app.signup(ADA).await;
    app.mails().await;
    app.forgot(ADA).await.ok(202);
    let mail = app.mail().await;
    app.events();
    let path = mail.link().strip_prefix("http://127.0.0.1:8080").expect("here").to_owned();
    (app, path, mail.token())
}

#[tokio::test]
async fn who_only_looks_uses_no_link_up() {
    let (app, path, token) = with(Limits::OFF).await;
    let before = app.dump();
    let reads = app.keyward.store_reads();
    for _ in 0..2 {
        let page = app.send(get(&path)).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(&format!("name=\"token\" value=\"{token}\"")), "{}", page.text());
        assert!(page.text().contains("autocomplete=\"new-password\""));
    }
    let head = app.send(crate::support::Ask::new(http::Method::HEAD, &path)).await;
    assert_eq!(head.status, 200);
    assert_eq!((app.dump(), app.keyward.store_reads()), (before, reads));
    let reply = app.send(form("/reset", &[("token", &token), ("new_password", OTHER_PASSWORD)])).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/reset?done=1")));
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(app.events(), ["email_verified", "password_reset"]);
    assert!(app.send(get("/reset?done=1")).await.text().contains("Your password is set"));
    app.send(login(ADA, OTHER_PASSWORD)).await.ok(200);
}

#[tokio::test]
async fn what_goes_wrong_is_told_on_a_page() {
    let (app, _, token) = with(Limits { password: limit("2/1m"), ..Limits::OFF }).await;
    let send = |token: &str, password: &str| {
        app.send(form("/reset", &[("token", token), ("new_password", password)]))
    };
    let reply = send(&token, "short").await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (422, Some("validation_failed")));
    let page = reply.text();
    assert_eq!(page.matches("<li>").count(), 2 * 3, "in the summary and beside the field: {page}");
    assert!(
        page.contains(&token) && !page.contains("=\"short\""),
        "the link is kept and the password is not"
    );
    let reply = send("\"><img src=x>", PASSWORD).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (400, Some("invalid_reset_token")));
    assert!(reply.text().contains("href=\"/forgot\"") && !reply.text().contains("<img src=x"));
    send("kwm_x", PASSWORD).await;
    let reply = send(&token, PASSWORD).await;
    assert_eq!((reply.status, reply.one("retry-after")), (429, Some("30")));
    assert!(reply.text().contains(&token), "it can be sent again");
    for query in ["", "?token=a&token=b", "?tokens=a"] {
        let reply = app.send(get(&format!("/reset{query}"))).await;
        assert_eq!((reply.status, reply.one("content-type")), (400, Some("text/html; charset=utf-8")));
    }
    let page = app.send(get("/reset?token=%22%3E%3Cscript%3E")).await.text();
    assert!(page.contains("value=\"&#34;&#62;&#60;script&#62;\"") && !page.contains("<script>"), "{page}");
}
