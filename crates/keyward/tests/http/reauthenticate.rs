//! `GET /reauthenticate`, `POST /reauthenticate`

use keyward::Settings;
use keyward::core::throttle::Limits;

use crate::support::{ADA, App, Browser, MINUTE, PASSWORD, limit, settings};

#[tokio::test]
async fn who_knows_the_password_goes_on_with_a_login_of_now() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    app.pass(11 * MINUTE);
    app.events();
    let page = ada.navigate(&app, "/reauthenticate?next=/admin/keys").await.text();
    assert!(page.contains(ADA) && page.contains("name=\"next\" value=\"/admin/keys\""), "{page}");
    assert!(page.contains("autocomplete=\"current-password\"") && page.contains("autocomplete=\"username\""));
    let reply = ada.submit(&app, "/reauthenticate", &[("password", PASSWORD), ("next", "/admin/keys")]).await;
    assert_eq!((reply.status, reply.one("location")), (303, Some("/admin/keys")));
    assert_eq!(reply.cookies().len(), 1, "the access cookie alone");
    assert_eq!(app.events(), ["login"]);
    let claims = crate::support::claims(ada.jar.value("keyward_access").expect("a token"));
    assert_eq!(claims["auth_time"], app.now());
    let evil = [("password", PASSWORD), ("next", "//evil.example")];
    assert_eq!(ada.submit(&app, "/reauthenticate", &evil).await.one("location"), Some("/"));
}

#[tokio::test]
async fn who_does_not_stays_there() {
    let limits = Limits { password: limit("2/1m"), ..Limits::OFF };
    let app = App::with(Settings { limits, ..settings() }).await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    for (password, status, code) in [
        ("", 422, "validation_failed"),
        ("Wr0ng-password", 401, "invalid_credentials"),
        ("Wr0ng-password", 401, "invalid_credentials"),
        (PASSWORD, 429, "rate_limited"),
    ] {
        let reply = ada.submit(&app, "/reauthenticate", &[("password", password), ("next", "/x")]).await;
        assert_eq!((reply.status, reply.one("x-keyward-error")), (status, Some(code)), "{}", reply.text());
        assert!(reply.text().contains("role=\"alert\"") && reply.text().contains("value=\"/x\""));
        assert!(!reply.text().contains("Wr0ng"), "{}", reply.text());
        assert_eq!(reply.cookies(), Vec::<&str>::new());
    }
}
