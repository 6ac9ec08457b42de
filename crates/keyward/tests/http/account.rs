//! `GET /account` and its forms

use keyward::Settings;
use keyward::core::throttle::Limits;

use crate::support::{
    ADA, App, BOB, Browser, MINUTE, OTHER_PASSWORD, PASSWORD, Reply, get, limit, login, settings,
};

fn location(reply: &Reply) -> &str {
    assert_eq!(reply.status, 303, "{}", reply.text());
    reply.one("location").expect("a location")
}

#[tokio::test]
async fn it_shows_who_one_is_where_one_is_signed_in_and_until_when() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    app.send(login(ADA, PASSWORD).header("user-agent", agent).from("203.0.113.77")).await.ok(200);
    app.pass(5 * MINUTE);
    let page = ada.navigate(&app, "/account").await.text();
    for part in [
        ADA,
        "Not confirmed",
        "action=\"/account/verify-email\"",
        "Firefox on Linux",
        "203.0.113.77",
        "This device",
        // Idle and absolute deadline of the browser's session, in which something was just done.
        "Ends <time datetime=\"2027-01-15T09:05:00Z\">15 Jan 2027, 09:05 UTC</time> unless it is used, and at the \
         latest <time datetime=\"2027-02-14T08:00:00Z\">",
        // An app has no idle deadline.
        "Ends at the latest <time datetime=\"2027-02-14T08:00:00Z\">",
        "Account made",
        "Signed in",
        "action=\"/api/auth/logout-all\"",
        "src=\"/client/private.js\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("href=\"/admin\""), "no way to what is not for them");
    app.admin().await;
    let mut root = Browser::signed_in(&app, crate::support::ROOT).await;
    assert!(root.navigate(&app, "/account").await.text().contains("href=\"/admin\""));
}

#[tokio::test]
async fn what_a_client_called_itself_can_not_become_part_of_the_page() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    let evil = "<script>alert(1)</script> \"><img src=x onerror=alert(1)>";
    app.send(login(ADA, PASSWORD).header("user-agent", evil)).await.ok(200);
    for path in ["/account", "/account/events", "/account?done=%3Cscript%3E"] {
        let page = ada.navigate(&app, path).await.text();
        assert!(page.contains("Unknown device"), "it is called by words of ours: {page}");
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{page}");
    }
}

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_renewal_and_back() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    app.pass(20 * MINUTE);
    let reply = ada.navigate(&app, "/account?done=x").await;
    assert_eq!(location(&reply), "/api/auth/renew?next=/account%3Fdone%3Dx");
    let reply = ada.navigate(&app, "/api/auth/renew?next=/account").await;
    assert_eq!(location(&reply), "http://127.0.0.1:8080/account");
    assert_eq!(ada.navigate(&app, "/account").await.status, 200);
    // What a form sent is not kept: its page says that it has to be sent again.
    app.pass(20 * MINUTE);
    let fields = [("current_password", PASSWORD), ("new_password", OTHER_PASSWORD)];
    app.tick().await;
    let before = app.dump();
    let reply = ada.submit(&app, "/account/password", &fields).await;
    assert_eq!(location(&reply), "/api/auth/renew?next=/account%3Fagain%3D1");
    let reply = ada.submit(&app, "/account/devices/0195f6a0-0000-7000-8000-000000000000", &[]).await;
    assert_eq!(location(&reply), "/api/auth/renew?next=/account%3Fagain%3D1");
    let reply = ada.submit(&app, "/api/auth/logout-all", &[]).await;
    assert_eq!(location(&reply), "/api/auth/renew?next=/account%3Fagain%3D1");
    assert_eq!(app.dump(), before);
    let mut signed_in = Browser::signed_in(&app, ADA).await;
    assert!(signed_in.navigate(&app, "/account?again=1").await.text().contains("do it once more"));
    // Nobody goes round in circles: the renewal itself leads to the login.
    let mut nobody = Browser::default();
    assert_eq!(location(&nobody.navigate(&app, "/account").await), "/api/auth/renew?next=/account");
    // A script is told, not led.
    app.send(get("/account")).await.refused(401, "missing_token");
    nobody.get(&app, "/account").await.refused(401, "missing_token");
}

#[tokio::test]
async fn a_page_of_a_session_that_ended_is_shown_to_nobody() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    let mut copy = ada.clone();
    let reply = ada.submit(&app, "/api/auth/logout-all", &[]).await;
    assert_eq!(location(&reply), "/login?out=all");
    assert_eq!(ada.jar.names(), Vec::<&str>::new());
    let reply = copy.navigate(&app, "/account").await;
    assert_eq!((location(&reply), reply.text().as_str()), ("/api/auth/renew?next=/account", ""));
    let reply = copy.navigate(&app, "/api/auth/renew?next=/account").await;
    assert_eq!(location(&reply), "http://127.0.0.1:8080/login?next=/account");
}

#[tokio::test]
async fn the_phone_number_is_changed_and_taken_away() {
    let limits = Limits { password: limit("4/1m"), ..Limits::OFF };
    let app = App::with(Settings { limits, ..settings() }).await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    let mut bob = Browser::signed_up(&app, BOB).await;
    app.events();
    let reply = ada.submit(&app, "/account/profile", &[("phone_number", "+49 1511-2345678")]).await;
    assert_eq!(location(&reply), "/account?done=profile#profile");
    assert_eq!(app.events(), ["user_changed"]);
    assert!(ada.navigate(&app, "/account?done=profile").await.text().contains("value=\"+4915112345678\""));
    for (number, status, code) in [
        ("0151", 422, "validation_failed"),
        ("\"><script>", 422, "validation_failed"),
        ("+4915112345678", 409, "phone_taken"),
    ] {
        let reply = bob.submit(&app, "/account/profile", &[("phone_number", number)]).await;
        assert_eq!((reply.status, reply.one("x-keyward-error")), (status, Some(code)));
        let page = reply.text();
        assert!(page.contains("id=\"phone-number-error\"") && page.contains("role=\"alert\""), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }
    let reply = ada.submit(&app, "/account/profile", &[("phone_number", "")]).await;
    assert_eq!(location(&reply), "/account?done=profile#profile");
    assert!(!ada.navigate(&app, "/account").await.text().contains("value=\"+49"));
    for _ in 0..4 {
        ada.submit(&app, "/account/profile", &[("phone_number", "+4915112345678")]).await;
    }
    let reply = ada.submit(&app, "/account/profile", &[("phone_number", "+4915112345679")]).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (429, Some("rate_limited")));
}

#[tokio::test]
async fn the_password_is_changed_by_who_knows_it() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    let mut elsewhere = Browser::signed_in(&app, ADA).await;
    let send =
        |current: &'static str, new: &'static str| [("current_password", current), ("new_password", new)];
    for (fields, status, field) in [
        (send("Wr0ng-password", OTHER_PASSWORD), 401, "current-password-error"),
        (send(PASSWORD, "short"), 422, "new-password-error"),
        (send("", ""), 422, "current-password-error"),
    ] {
        let reply = ada.submit(&app, "/account/password", &fields).await;
        assert_eq!(reply.status, status);
        let page = reply.text();
        assert!(page.contains(&format!("id=\"{field}\"")) && !page.contains("=\"short\""), "{page}");
        assert!(!page.contains("Wr0ng"), "{page}");
    }
    app.events();
    let reply = ada.submit(&app, "/account/password", &send(PASSWORD, OTHER_PASSWORD)).await;
    assert_eq!(location(&reply), "/account?done=password#password");
    assert_eq!(app.events(), ["password_changed"]);
    elsewhere.session(&app).await.refused(401, "session_revoked");
    assert!(ada.navigate(&app, "/account?done=password").await.text().contains("Your password is changed"));
    app.send(login(ADA, OTHER_PASSWORD)).await.ok(200);
}

#[tokio::test]
async fn a_device_is_signed_out_and_all_others_are() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    let other = app.login(ADA).await;
    let third = app.login(ADA).await;
    let strange = app.signup(BOB).await;
    app.events();
    let end = |session: &str| format!("/account/devices/{session}");
    let reply = ada.submit(&app, &end(&other.session), &[]).await;
    assert_eq!(
        (location(&reply), app.events()),
        ("/account?done=device#devices", vec!["session_revoked".into()])
    );
    app.session(&other.access).await.refused(401, "session_revoked");
    for wrong in [strange.session.as_str(), "x", &other.session] {
        ada.submit(&app, &end(wrong), &[]).await.refused_by_page(404, "not_found");
    }
    app.session(&strange.access).await.ok(200);
    let reply = ada.submit(&app, "/account/devices", &[]).await;
    assert_eq!(
        (location(&reply), app.events()),
        ("/account?done=devices#devices", vec!["logout_all".into()])
    );
    app.session(&third.access).await.refused(401, "session_revoked");
    ada.session(&app).await.ok(200);
    app.session(&strange.access).await.ok(200);
    let page = ada.navigate(&app, "/account").await.text();
    assert!(page.contains("Signed out on every other device"), "{page}");
    assert!(!page.contains("action=\"/account/devices\""), "there is no other one");
}

#[tokio::test]
async fn the_mail_to_confirm_the_address_is_sent_again() {
    let limits = Limits { password_forgot: limit("1/1h"), ..Limits::OFF };
    let app = App::with(Settings { limits, ..settings() }).await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    app.mails().await;
    let reply = ada.submit(&app, "/account/verify-email", &[]).await;
    assert_eq!(location(&reply), "/account?done=mail#profile");
    let token = app.mail().await.token();
    let reply = ada.submit(&app, "/account/verify-email", &[]).await;
    assert_eq!((reply.status, reply.one("x-keyward-error")), (429, Some("rate_limited")));
    ada.submit(&app, "/verify-email", &[("token", &token)]).await;
    app.pass(2);
    assert!(ada.navigate(&app, "/account").await.text().contains("Confirmed"));
}

#[tokio::test]
async fn what_happened_is_read_page_by_page() {
    let app = App::new().await;
    let mut ada = Browser::signed_up(&app, ADA).await;
    app.pass(1);
    for _ in 0..40 {
        app.login(ADA).await;
    }
    app.signup(BOB).await;
    let page = ada.navigate(&app, "/account").await.text();
    assert!(page.contains("href=\"/account/events\">Everything"), "{page}");
    let first = ada.navigate(&app, "/account/events").await.text();
    assert_eq!(first.matches("<td>Signed in").count(), 30);
    assert!(!first.contains("The latest") && !first.contains("Account made"));
    let cursor = first.split("/account/events?cursor=").nth(1).and_then(|rest| rest.split('"').next());
    let second =
        ada.navigate(&app, &format!("/account/events?cursor={}", cursor.expect("more"))).await.text();
    assert_eq!((second.matches("<td>Signed in").count(), second.matches("Account made").count()), (10, 1));
    assert!(second.contains("The latest") && !second.contains("Earlier"), "{second}");
    ada.navigate(&app, "/account/events?cursor=%3Cx%3E").await.refused_by_page(422, "validation_failed");
}
