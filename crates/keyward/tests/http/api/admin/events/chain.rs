//! The chain of the audit trail: whoever changes the database is found out.

use std::time::Duration;

use keyward::Verified;
use keyward::core::chain::SealName;
use keyward::core::event::EventType;
use keyward::core::id::{EventId, SessionId};
use keyward::core::time::Timestamp;

use crate::support::{ADA, App, DAY, MINUTE, OTHER_PASSWORD, login, post, settings};

async fn verified(app: &App) -> Verified {
    app.keyward.verify_events(None).await.expect("readable")
}

async fn findings(app: &App) -> Vec<String> {
    verified(app).await.findings.iter().map(ToString::to_string).collect()
}

/// Some events, and the batches of them: one each for three minutes.
async fn sealed() -> App {
    let app = App::new().await;
    app.signup(ADA).await;
    for _ in 0..3 {
        app.pass(MINUTE);
        app.login(ADA).await;
        app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
    }
    for _ in 0..3 {
        app.tick().await;
        app.pass(MINUTE);
    }
    app.tick().await;
    app
}

#[tokio::test]
async fn events_are_sealed_once_their_minute_is_a_minute_old() {
    let app = App::new().await;
    app.signup(ADA).await;
    let count = async || {
        app.tick().await;
        let found = verified(&app).await;
        (found.seals, found.events, found.unsealed)
    };
    app.pass(MINUTE);
    app.login(ADA).await;
    assert_eq!(count().await, (0, 0, 2));
    app.pass(MINUTE - 1);
    assert_eq!(count().await, (0, 0, 2), "a minute after its minute closed, not before");
    app.pass(1);
    assert_eq!(count().await, (1, 1, 1));
    assert_eq!(count().await, (1, 1, 1), "once");
    app.pass(MINUTE);
    assert_eq!(count().await, (2, 2, 0));
    assert_eq!(findings(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_a_missing_and_an_added_event_are_named() {
    let app = sealed().await;
    let whole = verified(&app).await;
    assert_eq!((whole.findings.len(), whole.events, whole.unsealed), (0, 7, 0));
    assert!(whole.seals >= 3, "{whole:?}");
    for (what, sql) in [
        ("was changed", "UPDATE event SET ip = '192.0.2.9' WHERE id = {first}"),
        ("was changed", "UPDATE event SET success = TRUE, reason = NULL WHERE type = 'login_failed'"),
        ("was changed", "UPDATE event SET at = at - 1 WHERE id = {last}"),
        ("was changed", "UPDATE event SET count = 100 WHERE type = 'login_failed'"),
        ("was changed", "UPDATE event SET details = '{}' WHERE type = 'login'"),
        ("is missing", "DELETE FROM event WHERE id = {first}"),
        ("is missing", "DELETE FROM event WHERE id = {last}"),
        ("is missing", "DELETE FROM event"),
        ("is missing", "UPDATE event SET batch = NULL WHERE id = {first}"),
        ("was added", "UPDATE event SET batch = 1 WHERE id = {last}"),
        ("was added", "UPDATE event SET batch = 99 WHERE id = {last}"),
        ("was added", "UPDATE event SET batch = -1 WHERE id = {last}"),
        ("was changed", "UPDATE event_seal SET mac = {zeros} WHERE number = 2"),
        ("was changed", "UPDATE event_seal SET sealed_at = 0 WHERE number = 2"),
        ("was changed", "UPDATE event_seal SET entries = {zeros} WHERE number = 2"),
        ("seal 2 is missing", "DELETE FROM event_seal WHERE number = 2"),
        ("was removed", "UPDATE event_seal SET entries = NULL WHERE number = 2"),
        (
            "was removed",
            "UPDATE event_seal SET entries = NULL, removed_at = 9, removed_mac = {zeros} WHERE number = 2",
        ),
    ] {
        let app = sealed().await;
        let written = sql
            .replace("{first}", "(SELECT id FROM event ORDER BY id LIMIT 1)")
            .replace("{last}", "(SELECT id FROM event ORDER BY id DESC LIMIT 1)")
            .replace("{zeros}", &app.literal(&[0; 32]));
        assert!(app.write(&written) > 0, "{sql}");
        let found = findings(&app).await;
        assert!(!found.is_empty() && found.iter().any(|finding| finding.contains(what)), "{sql}: {found:?}");
        // What runs on seals nothing over it.
        app.pass(3 * MINUTE);
        app.tick().await;
        let found = findings(&app).await;
        assert!(found.iter().any(|finding| finding.contains(what)), "{sql}, later: {found:?}");
    }
}

/// An event of that moment, put there by hand.
fn forge(app: &App, at: i64, batch: &str) -> EventId {
    let moment = Timestamp::from_seconds(at);
    let id = EventId::new(moment, [3; 10]);
    app.write(&format!(
        "INSERT INTO event (id, at, type, success, details, count, batch) \
         VALUES ({}, {}, 'logout', TRUE, '{{}}', 1, {batch})",
        app.literal(id.as_bytes()),
        moment.micros()
    ));
    id
}

#[tokio::test]
async fn a_backdated_event_is_found_before_and_after_it_is_sealed() {
    let app = sealed().await;
    let (old, new) = (app.now() - 4 * 60, app.now());
    let ids = [forge(&app, old, "NULL"), forge(&app, new, "NULL")];
    let expected: Vec<String> =
        ids.iter().map(|id| format!("event {id} was not written by Keyward, or was changed")).collect();
    assert_eq!(findings(&app).await, expected);
    app.pass(3 * MINUTE);
    app.tick().await;
    assert_eq!(verified(&app).await.unsealed, 0);
    assert_eq!(findings(&app).await, expected, "a seal makes nothing of it true");
    let id = forge(&app, old - 1, "1");
    assert!(findings(&app).await.contains(&format!("batch 1: event {id} was added")));
}

#[tokio::test]
async fn an_end_that_was_cut_off_is_found_by_a_seal_that_the_log_names() {
    let app = sealed().await;
    let last = verified(&app).await.last.expect("a seal");
    let known =
        async |seal: SealName| app.keyward.verify_events(Some(seal)).await.expect("readable").findings;
    assert_eq!(known(last).await, []);
    app.write("DELETE FROM event WHERE batch = (SELECT max(number) FROM event_seal)");
    app.write("DELETE FROM event_seal WHERE number = (SELECT max(number) FROM event_seal)");
    assert_eq!(findings(&app).await, Vec::<String>::new(), "by itself what is left is whole");
    let found: Vec<String> = known(last).await.iter().map(ToString::to_string).collect();
    assert_eq!(found, [format!("seal {last} is not in the chain: its end was cut off, or it was replaced")]);
    // What is sealed from then on does not become that seal.
    app.login(ADA).await;
    app.pass(3 * MINUTE);
    app.tick().await;
    assert_eq!(known(last).await.len(), 1);
}

#[tokio::test]
async fn what_comes_late_is_no_false_alarm() {
    let app = sealed().await;
    // A clock that is behind, such as that of another process.
    let clock = keyward::clock::Clock::manual(Timestamp::from_seconds(app.now() - 10 * 60));
    let behind = app.another().clock(clock).open().await.expect("opens");
    let user = behind.account(ADA).await.expect("readable").expect("there").id;
    behind.revoke_sessions_of(user, &keyward::Client::operator()).await.expect("done");
    assert_eq!((findings(&app).await, verified(&app).await.unsealed), (vec![], 1));
    app.pass(MINUTE);
    app.tick().await;
    assert_eq!((findings(&app).await, verified(&app).await.unsealed), (vec![], 0));
}

#[tokio::test]
async fn what_is_counted_late_makes_a_row_of_its_own() {
    let app = App::new().await;
    let ada = app.signup(ADA).await;
    app.send(post("/api/auth/logout").bearer(&ada.access)).await.ok(200);
    for _ in 0..5 {
        app.refresh(&ada.refresh).await.refused(401, "session_revoked");
    }
    // Somebody else seals before this process writes what it counted, as after a long pause.
    app.pass(10 * MINUTE);
    app.beside().await.tick().await.expect("a tick");
    assert_eq!(verified(&app).await.unsealed, 0);
    app.tick().await;
    assert_eq!(verified(&app).await.unsealed, 0, "sealed in its turn");
    assert_eq!(findings(&app).await, Vec::<String>::new());
    app.events();
    let counts = "event WHERE type = 'refresh_failed' AND count";
    assert_eq!((app.count(&format!("{counts} = 1")), app.count(&format!("{counts} = 4"))), (1, 1));
}

#[tokio::test]
async fn past_events_go_by_whole_batches_and_their_seals_stay() {
    let mut short = settings();
    short.events_retention = Duration::from_secs(2 * DAY);
    let app = App::with(short).await;
    app.signup(ADA).await;
    app.pass(DAY);
    app.tick().await;
    app.login(ADA).await;
    app.pass(DAY);
    app.tick().await;
    let before = verified(&app).await;
    assert_eq!((before.seals, before.events), (2, 2));
    app.pass(1);
    app.tick().await;
    let after = verified(&app).await;
    assert_eq!((after.seals, after.events, after.findings.len()), (2, 1, 0), "one is past");
    assert_eq!(after.last, before.last);
    app.pass(DAY);
    app.tick().await;
    assert_eq!((app.count("event"), app.count("event_seal")), (0, 2));
    assert_eq!(findings(&app).await, Vec::<String>::new());
    // A session's life is told from what is left; of this one nothing is.
    let unknown = app.keyward.explain_session(SessionId::from_bytes([1; 16])).await.expect_err("nothing");
    assert_eq!(unknown.code(), "not_found");
    assert!(EventType::parse("login").is_some());
}

#[tokio::test]
async fn several_that_seal_at_once_make_one_chain() {
    let app = App::new().await;
    for n in 0..20 {
        app.signup(&format!("user{n}@example.com")).await;
    }
    app.pass(3 * MINUTE);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(app.beside().await);
    }
    let turns: Vec<_> = nodes.iter().map(|node| node.tick()).collect();
    for turn in turns.into_iter().map(Box::pin) {
        turn.await.expect("a tick");
    }
    let found = verified(&app).await;
    assert_eq!((found.seals, found.events, found.unsealed), (1, 20, 0));
    assert_eq!(found.findings, []);
}
