//! Whoever has an account is told of what changed in it.

use keyward::Client;
use keyward::core::password::Password;
use serde_json::json;

use crate::support::{ADA, App, OTHER_PASSWORD, PASSWORD, post};

#[tokio::test]
async fn a_new_password_is_told_to_its_owner() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.mails().await;
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let ask = post("/api/auth/password/change").bearer(&tokens.access).json(change);
    app.send(ask.header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")).await.ok(204);
    let mail = app.mail().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (ADA, "Your password was changed"));
    for said in ["203.0.113.1", "Firefox on Linux", "2027-01-15 08:00 UTC"] {
        assert!(mail.message.replace("\r\n", " ").contains(said), "{said} in {}", mail.message);
    }
    assert_eq!(mail.link(), "http://127.0.0.1:8080/forgot", "the way back, without a secret");
    let password = Password::try_from(PASSWORD.to_owned()).expect("short");
    app.keyward.upsert_admin(ADA, password, &Client::operator()).await.expect("made");
    assert!(app.mail().await.message.contains("by an administrator"));
}

#[tokio::test]
async fn a_change_that_is_refused_is_not_told() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.mails().await;
    let change = json!({"current_password": OTHER_PASSWORD, "new_password": "Brand-New-9"});
    app.send(post("/api/auth/password/change").bearer(&tokens.access).json(change))
        .await
        .refused(401, "invalid_credentials");
    assert_eq!(app.mailed().await, Vec::<String>::new());
    let taken = json!({"email": ADA, "password": PASSWORD});
    app.send(post("/api/auth/signup").json(taken)).await.refused(409, "email_taken");
    assert_eq!(app.mailed().await, Vec::<String>::new());
}
