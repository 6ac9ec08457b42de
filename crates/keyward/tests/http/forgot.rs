//! `GET /forgot`, `POST /forgot`

use crate::support::{ADA, App, form, get};

#[tokio::test]
async fn the_way_of_who_has_no_script() {
    let app = App::new().await;
    app.signup(ADA).await;
    app.mails().await;
    app.events();
    let page = app.send(get("/forgot")).await;
    assert!(page.text().contains("<form method=\"post\" action=\"/forgot\""), "{}", page.text());
    assert!(page.text().contains("autocomplete=\"username\""));
    let reply = app.send(form("/forgot", &[("email", ADA)])).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/forgot?done=1")));
    assert_eq!(reply.cookies(), Vec::<&str>::new());
    assert_eq!(app.events(), ["password_reset_requested"]);
    assert!(app.mail().await.link().contains("/reset?token=kwm_"));
    assert!(app.send(get("/forgot?done=1")).await.text().contains("Look into your mailbox"));
    // Nobody is told whether there is such an account.
    let nobody = app.send(form("/forgot", &[("email", "nobody@example.com")])).await;
    assert_eq!((nobody.status, nobody.one("location")), (reply.status, reply.one("location")));
}

#[tokio::test]
async fn what_is_no_address_comes_back_with_the_form_and_escaped() {
    let app = App::new().await;
    let before = app.dump();
    let reply = app.send(form("/forgot", &[("email", "\"><script>alert(1)</script>")])).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (422, Some("validation_failed")));
    let page = reply.text();
    assert!(!page.contains("<script>") && page.contains("&#34;&#62;&#60;script&#62;"), "{page}");
    assert!(page.contains("role=\"alert\"") && page.contains("ada@example.com"), "{page}");
    assert_eq!(app.dump(), before);
}
