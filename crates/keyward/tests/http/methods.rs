//! Do the use cases do by method what they do over HTTP: results, refusals and events?
//!
//! What HTTP and the methods share is tested at the routes; here is what a caller of the methods
//! has in hand.

use std::time::Duration;

use keyward::{
    AccountChange, Client, Denial, Error, FieldError, Grant, Password, Session, Settings, SignedUp, Timestamp,
};

use crate::support::{ADA, App, BOB, MINUTE, OTHER_PASSWORD, PASSWORD, START, WINDOW, claims, settings};

fn password(text: &str) -> Password {
    Password::try_from(text.to_owned()).expect("short")
}

fn client() -> Client {
    Client::new([203, 0, 113, 7].into(), "a job")
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(START).after(Duration::from_secs(seconds))
}

async fn sign_up(app: &App) -> Grant {
    match app.keyward.sign_up(ADA, None, password(PASSWORD), &client()).await.expect("signs up") {
        SignedUp::In(grant) => *grant,
        SignedUp::Unconfirmed(account) => panic!("{} is to confirm", account.email),
    }
}

async fn sign_in(app: &App, with: &str) -> Result<Grant, Error> {
    app.keyward.sign_in(ADA, password(with), &client()).await
}

async fn session(app: &App, grant: &Grant) -> Result<Session, Error> {
    app.keyward.verify(grant.access_token(), &client()).await
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, denial: Denial) -> Error {
    let error = answer.expect_err("refused");
    assert!(error.is(denial), "{error:?}");
    error
}

#[track_caller]
fn fields<T: std::fmt::Debug>(answer: Result<T, Error>) -> Vec<String> {
    let error = refused(answer, Denial::ValidationFailed);
    error.denied().fields().iter().map(|FieldError { field, .. }| field.clone()).collect()
}

#[tokio::test]
async fn refresh_hands_out_a_token_keeps_one_or_says_why_not() {
    let app = App::new().await;
    let first = sign_up(&app).await;
    app.events();
    let parent = first.refresh_token().expect("one").to_owned();
    app.pass(10 * MINUTE);
    let second = app.keyward.refresh(&parent, &client()).await.expect("rotates");
    assert_eq!((second.session_id(), second.user_id()), (first.session_id(), first.user_id()));
    assert_eq!((second.expires_at(), second.refresh_at()), (at(25 * MINUTE), Some(at(20 * MINUTE))));
    assert_eq!(second.refresh_expires_at(), at(10 * MINUTE + 7 * 24 * 60 * MINUTE));
    assert_ne!(second.refresh_token().expect("another"), parent);
    // Whoever has the answer still keeps what it has.
    let kept = app.keyward.refresh(&parent, &client()).await.expect("kept");
    assert_eq!(kept.refresh_token(), None);
    assert_eq!(claims(kept.access_token())["gen"], 0);
    app.pass(WINDOW);
    app.keyward.refresh(&parent, &client()).await.expect("forgiven");
    let pending = refused(app.keyward.refresh(&parent, &client()).await, Denial::RefreshPending);
    assert_eq!(pending.denied().retry_after(), Some(Duration::from_secs(WINDOW)));
    for none in ["", "kwr_", first.access_token(), &parent[..parent.len() - 1]] {
        refused(app.keyward.refresh(none, &client()).await, Denial::InvalidRefreshToken);
    }
    // What a browser has in its cookie is no bearer's.
    assert_eq!(app.events(), ["refresh_forgiven"]);
    refused(
        app.keyward.refresh(second.refresh_token().expect("lost"), &client()).await,
        Denial::RefreshTokenReused,
    );
    refused(session(&app, &kept).await, Denial::SessionRevoked);
    assert_eq!(app.events(), ["refresh_reused: a copied refresh token was presented"]);
}

#[tokio::test]
async fn sign_out_ends_this_session_and_everywhere_all_of_them() {
    let app = App::new().await;
    let grants = [sign_up(&app).await, sign_in(&app, PASSWORD).await.expect("in")];
    let third = sign_in(&app, PASSWORD).await.expect("in");
    app.events();
    let here = session(&app, &grants[0]).await.expect("good");
    app.keyward.sign_out(&here, &client()).await.expect("out");
    assert_eq!(app.events(), ["logout"]);
    refused(session(&app, &grants[0]).await, Denial::SessionRevoked);
    // That it has ended already is just as well, and nothing that happened.
    app.keyward.sign_out(&here, &client()).await.expect("out");
    assert_eq!(app.events(), Vec::<String>::new());
    let there = session(&app, &grants[1]).await.expect("not ended");
    assert_eq!(app.keyward.sign_out_everywhere(&there, &client()).await.expect("out"), 2);
    assert_eq!(app.events(), ["logout_all"]);
    for grant in [&grants[1], &third] {
        refused(session(&app, grant).await, Denial::SessionRevoked);
        let refresh = grant.refresh_token().expect("one");
        refused(app.keyward.refresh(refresh, &client()).await, Denial::SessionRevoked);
    }
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let app = App::new().await;
    let (other, own) = (sign_up(&app).await, sign_in(&app, PASSWORD).await.expect("in"));
    app.events();
    let present = session(&app, &own).await.expect("good");
    let change = async |from: &str, to: &str| {
        app.keyward.change_password(&present, password(from), password(to), &client()).await
    };
    assert_eq!(fields(change(PASSWORD, "short").await)[0], "new_password");
    assert_eq!(app.events(), Vec::<String>::new());
    refused(change(OTHER_PASSWORD, OTHER_PASSWORD).await, Denial::InvalidCredentials);
    assert_eq!(app.events(), ["login_failed: invalid_credentials"]);
    change(PASSWORD, OTHER_PASSWORD).await.expect("changed");
    assert_eq!(app.events(), ["password_changed"]);
    session(&app, &own).await.expect("this one goes on");
    refused(session(&app, &other).await, Denial::SessionRevoked);
    refused(sign_in(&app, PASSWORD).await, Denial::InvalidCredentials);
    sign_in(&app, OTHER_PASSWORD).await.expect("in");
}

#[tokio::test]
async fn who_proves_again_who_they_are_has_a_recent_login() {
    let app = App::new().await;
    let grant = sign_up(&app).await;
    app.pass(10 * MINUTE + 1);
    app.events();
    let before = session(&app, &grant).await.expect("good");
    refused(before.require_recent_login(), Denial::ReauthenticationRequired);
    let again = async |text: &str| app.keyward.reauthenticate(&before, password(text), &client()).await;
    refused(again(OTHER_PASSWORD).await, Denial::InvalidCredentials);
    let recent = again(PASSWORD).await.expect("proven");
    assert_eq!((recent.session_id(), recent.refresh_token()), (grant.session_id(), None));
    assert_eq!(app.events(), ["login", "login_failed: invalid_credentials"]);
    let after = session(&app, &recent).await.expect("good");
    assert_eq!(after.auth_time(), at(10 * MINUTE + 1));
    after.require_recent_login().expect("recent");
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_link_that_is_good_once() {
    let app = App::new().await;
    let grant = sign_up(&app).await;
    assert_eq!(app.mails().await.len(), 1);
    app.events();
    app.keyward.forgot_password("nobody@example.com", &client()).await.expect("not told");
    assert_eq!(app.events(), ["password_reset_requested: no_account"]);
    assert_eq!(app.mails().await.len(), 0);
    assert_eq!(fields(app.keyward.forgot_password("no address", &client()).await), ["email"]);
    app.keyward.forgot_password(ADA, &client()).await.expect("a mail");
    assert_eq!(app.events(), ["password_reset_requested"]);
    let token = app.mail().await.token();
    let reset =
        async |token: &str, text: &str| app.keyward.reset_password(token, password(text), &client()).await;
    assert_eq!(fields(reset(&token, "short").await)[0], "new_password");
    refused(reset("kwm_none", OTHER_PASSWORD).await, Denial::InvalidResetToken);
    refused(app.keyward.verify_email(&token, &client()).await, Denial::InvalidVerificationToken);
    assert_eq!(app.events(), Vec::<String>::new());
    reset(&token, OTHER_PASSWORD).await.expect("that leaves the link good");
    assert_eq!(app.events(), ["email_verified", "password_reset"]);
    refused(session(&app, &grant).await, Denial::SessionRevoked);
    refused(reset(&token, PASSWORD).await, Denial::InvalidResetToken);
    sign_in(&app, OTHER_PASSWORD).await.expect("in");
}

#[tokio::test]
async fn an_address_is_confirmed_by_its_link_alone() {
    let app = App::with(Settings { require_verified_email: true, ..settings() }).await;
    let signed_up = app.keyward.sign_up(ADA, None, password(PASSWORD), &client()).await.expect("an account");
    let SignedUp::Unconfirmed(account) = signed_up else { panic!("nobody is in") };
    assert_eq!((account.email.as_str(), account.email_verified), (ADA, false));
    refused(sign_in(&app, PASSWORD).await, Denial::EmailNotVerified);
    let first = app.mail().await.token();
    app.events();
    app.keyward.resend_verification(ADA, &client()).await.expect("a mail");
    app.keyward.resend_verification(BOB, &client()).await.expect("not told");
    assert_eq!(fields(app.keyward.resend_verification("no address", &client()).await), ["email"]);
    assert_eq!(app.events(), ["email_verification_requested", "email_verification_requested: no_account"]);
    let second = app.mail().await.token();
    refused(app.keyward.verify_email("kwm_none", &client()).await, Denial::InvalidVerificationToken);
    refused(
        app.keyward.reset_password(&second, password(OTHER_PASSWORD), &client()).await,
        Denial::InvalidResetToken,
    );
    app.keyward.verify_email(&second, &client()).await.expect("confirmed");
    assert_eq!(app.events(), ["email_verified"]);
    for used in [first, second] {
        refused(app.keyward.verify_email(&used, &client()).await, Denial::InvalidVerificationToken);
    }
    let grant = sign_in(&app, PASSWORD).await.expect("in");
    assert!(session(&app, &grant).await.expect("good").email_verified());
}

#[tokio::test]
async fn what_a_person_does_keeps_their_session_alive() {
    let mut settings = settings();
    settings.policy.idle_timeout_bearer = Some(Duration::from_secs(14 * MINUTE));
    let app = App::with(settings).await;
    let grant = sign_up(&app).await;
    assert_eq!(grant.idle_expires_at(), Some(at(14 * MINUTE)));
    app.events();
    app.pass(13 * MINUTE);
    let present = session(&app, &grant).await.expect("good");
    assert_eq!(app.keyward.note_activity(&present).await.expect("noted"), Some(at(27 * MINUTE)));
    // Written before it comes back: it does not depend on memory.
    drop(present);
    let app = app.killed().await;
    app.pass(MINUTE + 30);
    let refresh = grant.refresh_token().expect("one");
    let next = app.keyward.refresh(refresh, &client()).await.expect("alive");
    assert_eq!(next.idle_expires_at(), Some(at(27 * MINUTE)));
    app.pass(13 * MINUTE);
    let idle = next.refresh_token().expect("one");
    refused(app.keyward.refresh(idle, &client()).await, Denial::SessionIdle);
    assert_eq!(app.events(), ["session_idle: session_idle"]);
}

#[tokio::test]
async fn roles_are_in_force_on_the_next_request() {
    let app = App::new().await;
    let grant = sign_up(&app).await;
    let operator = Client::operator();
    app.events();
    let wanted = vec!["b:write".to_owned(), "a:read".to_owned(), "a:read".to_owned()];
    let made = app.keyward.set_role("editor", wanted.clone(), &operator).await.expect("made");
    assert_eq!((made.name.as_str(), made.built_in), ("editor", false));
    assert_eq!(made.permissions, ["a:read", "b:write"]);
    app.keyward.set_role("editor", wanted, &operator).await.expect("as it is");
    assert_eq!(app.events(), ["role_changed"], "what is so already is no event");
    let names: Vec<String> =
        app.keyward.roles().await.expect("roles").into_iter().map(|role| role.name).collect();
    assert_eq!(names, ["admin", "editor", "user"]);
    assert_eq!(fields(app.keyward.set_role("no name", vec![], &operator).await), ["name"]);
    let odd = app.keyward.set_role("odd", vec!["\n".to_owned()], &operator).await;
    assert_eq!(fields(odd), ["permissions"]);

    let give = AccountChange { roles: Some(vec!["editor".to_owned()]), ..AccountChange::default() };
    let nothing = AccountChange { roles: Some(vec!["nobody".to_owned()]), ..AccountChange::default() };
    assert_eq!(fields(app.keyward.change_account(grant.user_id(), nothing, &operator).await), ["roles"]);
    app.keyward.change_account(grant.user_id(), give, &operator).await.expect("given");
    assert_eq!(app.events(), ["roles_changed"]);
    refused(session(&app, &grant).await, Denial::TokenStale);
    let grant = app.keyward.refresh(grant.refresh_token().expect("one"), &client()).await.expect("fresh");
    let editor = session(&app, &grant).await.expect("good");
    assert!(editor.has_role("editor") && editor.has_permission("b:write") && !editor.has_role("user"));

    refused(app.keyward.delete_role("user", &operator).await, Denial::Forbidden);
    refused(app.keyward.delete_role("nobody", &operator).await, Denial::NotFound);
    app.keyward.delete_role("editor", &operator).await.expect("deleted");
    assert_eq!(app.events(), ["role_changed"]);
    refused(session(&app, &grant).await, Denial::TokenStale);
    let account = app.keyward.account(ADA).await.expect("asked").expect("one");
    assert_eq!(account.roles, Vec::<String>::new());
}
