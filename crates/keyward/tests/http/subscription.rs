//! Does whoever subscribes hear what is committed: everything, once, in order, and nothing else?

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use keyward::clock::Clock;
use keyward::core::throttle::Limits;
use keyward::{
    AccountChange, Client, Denial, EventType, EventView, Grant, Keyward, MasterKey, Missed, Password,
    SignedUp, Subscription, Timestamp,
};

use crate::support::{
    ADA, App, BOB, DAY, Mail, OTHER_PASSWORD, PASSWORD, START, WINDOW, limit, login, settings,
};

/// How many events are kept for a slow subscriber.
const KEPT: u64 = 1_024;

/// What has been told until now.
async fn heard(events: &mut Subscription) -> Vec<Result<EventView, Missed>> {
    tokio::task::unconstrained(std::future::poll_fn(|context| {
        let mut all = Vec::new();
        while let std::task::Poll::Ready(Some(event)) = pin!(events.next()).poll(context) {
            all.push(event);
        }
        std::task::Poll::Ready(all)
    }))
    .await
}

/// The same in words: `login`, `login_failed: invalid_credentials`.
async fn told(events: &mut Subscription) -> Vec<String> {
    let words = |event: Result<EventView, Missed>| match event {
        Ok(EventView { event_type, failure_reason: Some(reason), .. }) => format!("{event_type}: {reason}"),
        Ok(event) => event.event_type.to_owned(),
        Err(missed) => missed.to_string(),
    };
    heard(events).await.into_iter().map(words).collect()
}

fn password(text: &str) -> Password {
    Password::try_from(text.to_owned()).expect("short")
}

fn client() -> Client {
    Client::new([203, 0, 113, 7].into(), "a test")
}

async fn sign_up(keyward: &Keyward, email: &str) -> Grant {
    match keyward.sign_up(email, None, password(PASSWORD), &client()).await.expect("signs up") {
        SignedUp::In(grant) => *grant,
        SignedUp::Unconfirmed(account) => panic!("{} is to confirm", account.email),
    }
}

/// Makes so many events: a role whose permissions change each time.
async fn happen(keyward: &Keyward, count: u64) {
    for n in 0..count {
        let permissions = vec![format!("do:{n}")];
        keyward.set_role("editor", permissions, &Client::operator()).await.expect("set");
    }
}

/// The newest mail in the folder, of these.
fn token_of_mail(folder: &std::path::Path, subject: &str) -> String {
    let files = std::fs::read_dir(folder.join("outbox")).expect("a folder");
    let mails = files.map(|file| {
        let path = file.expect("a file").path();
        let mail = Mail::of(&std::fs::read_to_string(&path).expect("a mail"));
        std::fs::remove_file(path).expect("removed");
        mail
    });
    let mails: Vec<Mail> = mails.filter(|mail| mail.subject == subject).collect();
    let [mail] = mails.as_slice() else { panic!("one {subject:?}: {mails:?}") };
    mail.token()
}

/// Every kind of event is made to happen, by methods alone, in an installation whose master key is
/// being replaced.
#[tokio::test]
async fn each_kind_of_event_arrives_once_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::manual(Timestamp::from_seconds(START));
    let mut settings = settings();
    settings.log_refresh = true;
    settings.limits = Limits { signup: limit("2/1h"), ..Limits::OFF };
    settings.policy.idle_timeout_bearer = Some(Duration::from_secs(2 * DAY));
    let builder =
        || Keyward::builder(settings.clone()).sqlite(folder.path().join("keyward.db")).clock(clock.clone());
    let (former, present) = (|| MasterKey::from_bytes(&[7; 32]), MasterKey::from_bytes(&[8; 32]));
    drop(builder().master_key(former()).open().await.expect("opens"));
    let keyward = builder().master_key(present).previous_master_key(former()).open().await.expect("opens");
    let pass = |seconds: u64| clock.advance(Duration::from_secs(seconds));
    let (client, operator) = (client(), Client::operator());
    let client = &client;
    let mut events = keyward.subscribe();
    let mut all = Vec::new();
    macro_rules! expect {
        ($($expected:expr),* $(,)?) => {{
            let new = heard(&mut events).await;
            let new: Vec<EventView> = new.into_iter().map(|event| event.expect("none is missed")).collect();
            let words: Vec<String> = new.iter().map(|event| match &event.failure_reason {
                Some(reason) => format!("{}: {reason}", event.event_type),
                None => event.event_type.to_owned(),
            }).collect();
            let expected: &[&str] = &[$($expected),*];
            assert_eq!(words, expected);
            all.extend(new);
        }};
    }
    let sign_in = async |email: &str, text: &str| keyward.sign_in(email, password(text), client).await;
    let verified = async |grant: &Grant| keyward.verify(grant.access_token(), client).await;

    assert!(keyward.rotate_master_key(&operator).await.expect("done") > 0);
    expect!["master_key_rotated"];
    pass(DAY);
    keyward.rotate_keys(&operator).await.expect("rotated");
    expect!["key_rotated"];
    let keys = keyward.keys().await.expect("keys");
    let retired = keys.iter().find(|key| key.state == "retiring").expect("one retires");
    keyward.revoke_key(&retired.kid, &operator).await.expect("revoked");
    expect!["key_revoked"];
    let key = keyward.create_service_key("a service", &[], &operator).await.expect("made");
    keyward.revoke_service_key(key.view.id, &operator).await.expect("revoked");
    expect!["service_key_created", "service_key_revoked"];

    let ada = sign_up(&keyward, ADA).await;
    expect!["signup"];
    keyward.tick().await.expect("a tick");
    let link = token_of_mail(folder.path(), "Confirm your e-mail address");
    keyward.verify_email(&link, client).await.expect("confirmed");
    expect!["email_verified"];
    keyward.resend_verification(ADA, client).await.expect("there is nothing to confirm");
    expect!["email_verification_requested: email_verified"];
    assert_eq!(sign_in(ADA, OTHER_PASSWORD).await.expect_err("wrong").code(), "invalid_credentials");
    expect!["login_failed: invalid_credentials"];
    let second = sign_in(ADA, PASSWORD).await.expect("signs in");
    expect!["login"];
    let session = verified(&second).await.expect("good");
    keyward
        .change_password(&session, password(PASSWORD), password(OTHER_PASSWORD), client)
        .await
        .expect("done");
    expect!["password_changed"];
    let over = ada.refresh_token().expect("one");
    assert!(keyward.refresh(over, client).await.expect_err("ended").is(Denial::SessionRevoked));
    expect!["refresh_failed: session_revoked"];
    let first = second.refresh_token().expect("one").to_owned();
    let rotated = keyward.refresh(&first, client).await.expect("rotates");
    expect!["refresh"];
    pass(WINDOW);
    keyward.refresh(&first, client).await.expect("the answer was lost");
    expect!["refresh_forgiven"];
    let lost = rotated.refresh_token().expect("one");
    assert!(keyward.refresh(lost, client).await.expect_err("copied").is(Denial::RefreshTokenReused));
    expect!["refresh_reused: a copied refresh token was presented"];
    keyward.forgot_password(ADA, client).await.expect("a mail");
    keyward.tick().await.expect("a tick");
    let link = token_of_mail(folder.path(), "Choose a new password");
    keyward.reset_password(&link, password(PASSWORD), client).await.expect("reset");
    expect!["password_reset_requested", "password_reset"];

    let one = sign_in(ADA, PASSWORD).await.expect("signs in");
    keyward.sign_out(&verified(&one).await.expect("good"), client).await.expect("out");
    expect!["login", "logout"];
    let one = sign_in(ADA, PASSWORD).await.expect("signs in");
    keyward.sign_out_everywhere(&verified(&one).await.expect("good"), client).await.expect("out");
    expect!["login", "logout_all"];
    let one = sign_in(ADA, PASSWORD).await.expect("signs in");
    keyward.revoke_session(one.session_id(), &operator).await.expect("open");
    expect!["login", "session_revoked"];
    let one = sign_in(ADA, PASSWORD).await.expect("signs in");
    pass(2 * DAY);
    let idle = one.refresh_token().expect("one");
    assert!(keyward.refresh(idle, client).await.expect_err("idle").is(Denial::SessionIdle));
    expect!["login", "session_idle: session_idle"];

    keyward.set_role("editor", vec!["articles:write".to_owned()], &operator).await.expect("made");
    expect!["role_changed"];
    let everything = AccountChange {
        roles: Some(vec!["editor".to_owned()]),
        phone_number: Some(Some("+4915112345678".to_owned())),
        is_active: Some(false),
        ..AccountChange::default()
    };
    keyward.change_account(ada.user_id(), everything, &operator).await.expect("changed");
    expect!["user_deactivated", "roles_changed", "user_changed"];
    let active = AccountChange { is_active: Some(true), ..AccountChange::default() };
    keyward.change_account(ada.user_id(), active, &operator).await.expect("changed");
    keyward.delete_account(ada.user_id(), &operator).await.expect("deleted");
    expect!["user_activated", "user_deleted"];
    sign_up(&keyward, BOB).await;
    sign_up(&keyward, "carol@example.com").await;
    let third = keyward.sign_up("dave@example.com", None, password(PASSWORD), client).await;
    assert!(third.expect_err("too many").is(Denial::RateLimited));
    expect!["signup", "signup", "rate_limited: rate_limited"];
    keyward.tick().await.expect("a tick");
    expect![];

    let mut kinds: Vec<&str> = all.iter().map(|event| event.event_type).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut every: Vec<&str> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    every.sort_unstable();
    assert_eq!(kinds, every, "no kind is left out");
    // What was told is what the trail says, to the word.
    let trail = keyward.events(keyward::EventFilter::default(), 200, None).await.expect("the trail");
    let mut trail: Vec<EventView> = trail.events;
    let by_id = |a: &EventView, b: &EventView| a.id.to_string().cmp(&b.id.to_string());
    for event in trail.iter_mut().chain(&mut all) {
        // One that is counted is told as the first of them.
        assert!(event.details.remove("count").is_none_or(|count| count == 1));
        event.details.remove("last_at");
    }
    trail.sort_by(by_id);
    all.sort_by(by_id);
    assert_eq!(all, trail);
}

#[tokio::test]
async fn nothing_of_what_was_refused_is_told() {
    let app = App::new().await;
    let root = app.admin().await;
    let ada = sign_up(&app.keyward, ADA).await;
    let (operator, client) = (Client::operator(), client());
    let mut events = app.keyward.subscribe();
    let keyward = &app.keyward;
    // Decided before anything is written.
    let weak = keyward.sign_up(BOB, None, password("short"), &client).await;
    assert_eq!(weak.expect_err("weak").code(), "validation_failed");
    let taken = keyward.sign_up(ADA, None, password(PASSWORD), &client).await;
    assert_eq!(taken.expect_err("taken").code(), "email_taken");
    assert_eq!(keyward.delete_role("admin", &operator).await.expect_err("built in").code(), "forbidden");
    // Refused by the store, with its events in hand.
    let user = root.user.parse().expect("an id");
    let demoted = AccountChange { roles: Some(vec!["user".to_owned()]), ..AccountChange::default() };
    assert_eq!(
        keyward.change_account(user, demoted, &operator).await.expect_err("the last").code(),
        "last_admin"
    );
    assert_eq!(keyward.delete_account(user, &operator).await.expect_err("the last").code(), "last_admin");
    // It can't be written at all.
    app.fill("event");
    let revoked = keyward.revoke_session(ada.session_id(), &operator).await;
    assert!(matches!(revoked.expect_err("not written"), keyward::Error::Fault(_)));
    app.make_room("event");
    // What changes nothing is nothing that happened.
    keyward.change_account(user, AccountChange::default(), &operator).await.expect("nothing to do");
    assert_eq!(told(&mut events).await, Vec::<String>::new());
    keyward.revoke_session(ada.session_id(), &operator).await.expect("open");
    assert_eq!(told(&mut events).await, ["session_revoked"]);
}

#[tokio::test]
async fn who_is_slow_is_told_how_many_it_missed_and_holds_nobody_up() {
    let app = App::new().await;
    let (mut slow, mut quick) = (app.keyward.subscribe(), app.keyward.subscribe());
    happen(&app.keyward, KEPT).await;
    assert_eq!(heard(&mut quick).await.len() as u64, KEPT);
    // Nobody reads what the slow one is told.
    happen(&app.keyward, 7).await;
    assert_eq!(heard(&mut quick).await.len(), 7);
    let late = heard(&mut slow).await;
    assert_eq!(late[0], Err(Missed(7)), "the oldest are gone");
    assert_eq!(late.len() as u64, 1 + KEPT);
    let first = late[1].as_ref().expect("an event");
    assert_eq!(first.details["after"][0], "do:7", "it goes on where the gap ends");
    let last = late.last().expect("one").as_ref().expect("an event");
    assert_eq!(last.details["after"][0], "do:6");
    happen(&app.keyward, 1).await;
    assert_eq!(told(&mut slow).await, ["role_changed"], "and hears everything from there");
}

#[tokio::test]
async fn each_hears_what_happened_since_it_listens() {
    let app = App::new().await;
    let mut early = app.keyward.subscribe();
    let ada = sign_up(&app.keyward, ADA).await;
    let (mut late, mut gone) = (app.keyward.clone().subscribe(), app.keyward.subscribe());
    // What comes over HTTP is told as well.
    app.send(login(ADA, PASSWORD)).await.ok(200);
    let at_http = heard(&mut gone).await;
    let [Ok(event)] = at_http.as_slice() else { panic!("{at_http:?}") };
    assert_eq!((event.user_id, event.event_type), (Some(ada.user_id()), "login"));
    assert_eq!(event.created_at, Timestamp::from_seconds(START));
    drop(gone);
    app.keyward.revoke_every_session(&Client::operator()).await.expect("done");
    assert_eq!(told(&mut early).await, ["signup", "login", "session_revoked"]);
    assert_eq!(told(&mut late).await, ["login", "session_revoked"]);
    drop(app);
    assert_eq!(early.next().await, None, "there is no Keyward any more");
}

#[tokio::test]
async fn events_that_are_counted_come_as_the_first_and_then_by_their_number() {
    let app = App::new().await;
    sign_up(&app.keyward, ADA).await;
    let mut events = app.keyward.subscribe();
    for _ in 0..25 {
        let wrong = app.keyward.sign_in(ADA, password(OTHER_PASSWORD), &client()).await;
        assert!(wrong.expect_err("wrong").is(Denial::InvalidCredentials));
    }
    let singly = heard(&mut events).await;
    app.pass(2 * 60);
    app.tick().await;
    let counted = heard(&mut events).await;
    let [Ok(rest)] = counted.as_slice() else { panic!("{counted:?}") };
    let more = rest.details["count"].as_u64().expect("a count");
    assert_eq!((singly.len() as u64 + more, rest.event_type), (25, "login_failed"));
}

/// A browser that goes away in the midst of its request does not take the news with it.
#[tokio::test]
async fn what_is_committed_is_told_though_who_asked_has_gone() {
    let app = App::in_a_file(settings()).await;
    let ada = sign_up(&app.keyward, ADA).await;
    let mut events = app.keyward.subscribe();
    // While another holds the file, the change waits to be written.
    let other = rusqlite::Connection::open(app.path()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    {
        let operator = Client::operator();
        let mut revoked = pin!(app.keyward.revoke_session(ada.session_id(), &operator));
        assert!(revoked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    other.execute_batch("COMMIT").expect("released");
    let event = tokio::time::timeout(Duration::from_secs(60), events.next()).await.expect("told");
    assert_eq!(event.expect("there is a Keyward").expect("none is missed").event_type, "session_revoked");
    let after = app.keyward.verify(ada.access_token(), &client()).await;
    assert!(after.expect_err("revoked").is(Denial::SessionRevoked), "it is in force, too");
}
