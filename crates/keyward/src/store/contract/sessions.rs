//! Sessions: opened on what was loaded, moved on from the newest, noted without a condition.

use keyward_core::change::{Change, Conflict, Write};
use keyward_core::event::{Event, EventType};
use keyward_core::session::{MadeBy, Progress, Session};
use keyward_core::time::Timestamp;

use super::{World, account, at, end, event, open, password, session, session_id, user_id};
use crate::store::trail::EventQuery;

fn open_if(n: u8, user: u8, account_version: u64, limit: u32) -> Write {
    Write::OpenSession { session: Box::new(session(n, user)), account_version, limit }
}

fn advance(n: u8, newest: Option<u64>, unseen: bool, after: Progress) -> Write {
    Write::Advance { session: session_id(n), newest, unseen, after, resting: None }
}

fn note(n: u8, seen: Option<u64>, active_at: Option<Timestamp>) -> Write {
    Write::Note { session: session_id(n), seen, active_at }
}

fn note_at_rest(n: u8, active_at: Timestamp) -> Write {
    Write::NoteAtRest { session: session_id(n), active_at }
}

fn rotated(newest: u64) -> Progress {
    Progress {
        newest,
        parent: newest.checked_sub(1),
        made_by: MadeBy::Rotation,
        made_at: at(3_000),
        seen: false,
        last_active_at: at(1_002),
    }
}

pub(crate) async fn a_session_comes_with_its_account_and_the_version_of_the_roles(world: World) {
    world.signed_up(1, 1).await;
    let loaded = world.loaded(2).await;
    assert_eq!(loaded.session, session(2, 1));
    let signed_in = keyward_core::account::Account { last_login_at: Some(at(1_002)), ..account(1) };
    assert_eq!(loaded.account, signed_in, "it was signed in to when the session was opened");
    assert_eq!(loaded.role_table_version, world.store.roles().await.expect("readable").version);
    assert_eq!(world.store.session(session_id(9)).await.expect("readable"), None);
    let roles = world.store.roles().await.expect("readable");
    assert_eq!(roles.permissions.keys().collect::<Vec<_>>(), ["admin", "user"], "those built in");
}

pub(crate) async fn a_session_opens_for_the_account_as_it_was_loaded(world: World) {
    world.signed_up(1, 1).await;
    world.refuses(open_if(3, 1, 1, 200), Conflict::Changed).await;
    world.refuses(open_if(3, 9, 0, 200), Conflict::Changed).await;
    // The number of one that is there.
    world.refuses(open_if(2, 1, 0, 200), Conflict::Changed).await;
    world.write([Write::SetPassword { user: user_id(1), version: 0, password: password(1) }]).await;
    world.refuses(open_if(3, 1, 0, 200), Conflict::Changed).await;
    world.write([open_if(3, 1, 1, 200)]).await;
    let deactivate = Write::SetActive { user: user_id(1), version: 1, is_active: false };
    world.write([deactivate]).await;
    // At the right version, but not active.
    world.refuses(open_if(4, 1, 2, 200), Conflict::Changed).await;
}

pub(crate) async fn no_user_has_more_than_the_limit(world: World) {
    world.signed_up(1, 3).await;
    world.signed_up(10, 1).await;
    world.refuses(open_if(5, 1, 0, 3), Conflict::Changed).await;
    world.refuses(open_if(5, 1, 0, 0), Conflict::Changed).await;
    // Another user's sessions don't count, nor those that have ended.
    world.write([open_if(12, 10, 0, 2)]).await;
    world.write([end(2), open_if(5, 1, 0, 3)]).await;
    world.refuses(open_if(6, 1, 0, 3), Conflict::Changed).await;
    world.write([open_if(6, 1, 0, u32::MAX)]).await;
}

pub(crate) async fn open_sessions_of_a_user_come_latest_first(world: World) {
    world.signed_up(1, 5).await;
    world.signed_up(10, 1).await;
    world.write([end(3), note(2, None, Some(at(1_500))), note(5, None, Some(at(1_500)))]).await;
    let of = async |user, limit| {
        let sessions = world.store.sessions_of(user_id(user), limit).await.expect("readable");
        sessions.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    // Those that are alike come the later one first.
    assert_eq!(of(1, 10).await, [5, 2, 6, 4].map(session_id));
    assert_eq!(of(1, 2).await, [5, 2].map(session_id));
    assert_eq!(of(10, 10).await, [11].map(session_id));
    assert_eq!(of(99, 10).await, []);
}

pub(crate) async fn open_sessions_come_by_id(world: World) {
    world.signed_up(1, 3).await;
    world.signed_up(10, 2).await;
    world.write([end(3)]).await;
    let page = async |after, limit| {
        let sessions = world.store.sessions(session_id(after), limit).await.expect("readable");
        sessions.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 10).await, [2, 4, 11, 12].map(session_id));
    assert_eq!(page(0, 2).await, [2, 4].map(session_id));
    assert_eq!(page(4, 10).await, [11, 12].map(session_id));
    assert_eq!(page(12, 10).await, []);
}

pub(crate) async fn open_sessions_are_counted_in_slices_of_whole_users(world: World) {
    world.signed_up(1, 3).await;
    world.signed_up(10, 2).await;
    world.signed_up(20, 0).await;
    world.signed_up(30, 1).await;
    world.write([end(3)]).await;
    let count = async |after, limit| world.store.count_open(user_id(after), limit).await.expect("readable");
    assert_eq!(count(0, 100).await, (5, Some(user_id(30))));
    assert_eq!(count(0, 1).await, (2, Some(user_id(1))), "all of a user, even past the limit");
    assert_eq!(count(1, 3).await, (3, Some(user_id(30))));
    assert_eq!(count(30, 100).await, (0, None));
}

pub(crate) async fn any_text_comes_back_as_it_was(world: World) {
    world.signed_up(1, 0).await;
    for (n, text) in (2..).zip([
        "",
        "'; DROP TABLE session; --",
        "\"quoted\" \\back\\slash\\ %s %_ ?1 $1 :a @b",
        "Ünïcödé \u{1f510} \u{202e}rtl\u{202c} \u{feff}bom e\u{301}",
        "line\nbreak\ttab\r",
        &"\u{1f510}".repeat(128),
        &"x".repeat(512),
        " spaces around ",
        "NULL",
        "0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "\u{1}\u{2}",
    ]) {
        let extreme = Session {
            ip: text.to_owned(),
            user_agent: text.to_owned(),
            amr: text.to_owned(),
            ..session(n, 1)
        };
        let write = Write::OpenSession { session: Box::new(extreme.clone()), account_version: 0, limit: 200 };
        world.write([write]).await;
        assert_eq!(world.loaded(n).await.session, extreme);
    }
    assert_eq!(world.store.sessions(session_id(0), 100).await.expect("readable").len(), 12);
}

/// U+0000 has no room everywhere: it is told by another character, and none of it is an error.
pub(crate) async fn a_text_holds_no_zero(world: World) {
    world.signed_up(1, 0).await;
    let odd = Session { ip: "a\0b".into(), user_agent: "\0".into(), amr: "\0\0".into(), ..session(2, 1) };
    let write = Write::OpenSession { session: Box::new(odd.clone()), account_version: 0, limit: 200 };
    world.write([write]).await;
    let [ip, user_agent, amr] = ["a\u{fffd}b", "\u{fffd}", "\u{fffd}\u{fffd}"].map(str::to_owned);
    assert_eq!(world.loaded(2).await.session, Session { ip, user_agent, amr, ..odd });
    assert!(!world.store.has_role("\0").await.expect("an answer"));
    assert!(!world.store.signed_in_from(user_id(1), "\0", at(0)).await.expect("an answer"));
    let role = crate::store::Search { role: Some("\0".into()), ..super::everybody() };
    assert!(world.found(role).await.is_empty());
    let event = Event { ip: Some("\0".into()), user_agent: Some("\0".into()), ..event(1, EventType::Login) };
    world.change(Change::default().with(event)).await.expect("no condition");
    let query =
        EventQuery { ip: Some("\0".into()), network: Some("\0".into()), limit: 1, ..EventQuery::default() };
    world.store.events(query).await.expect("an answer");
}

pub(crate) async fn progress_comes_back_whatever_it_is(world: World) {
    world.signed_up(1, 1).await;
    let most = u64::try_from(i64::MAX).expect("not negative");
    let mut newest = 0;
    for after in [
        rotated(1),
        Progress { made_by: MadeBy::Forgiveness, parent: Some(0), seen: true, ..rotated(2) },
        Progress { made_by: MadeBy::Adoption, parent: None, ..rotated(1 << 40) },
        Progress { made_by: MadeBy::Opening, parent: None, seen: true, ..rotated(0) },
        Progress { parent: Some(most - 1), made_at: Timestamp::from_micros(i64::MAX), ..rotated(most) },
        Progress { made_at: Timestamp::from_micros(i64::MIN), ..rotated(7) },
        Progress { last_active_at: Timestamp::from_micros(i64::MAX), ..rotated(8) },
    ] {
        world.write([advance(2, Some(newest), false, after)]).await;
        assert_eq!(world.progress(2).await, after);
        newest = after.newest;
    }
    let opened = session(3, 1);
    let extreme = Session {
        opened_at: Timestamp::from_micros(i64::MIN),
        auth_time: Timestamp::from_micros(-1),
        progress: Some(rotated(most)),
        ..opened
    };
    let write = Write::OpenSession { session: Box::new(extreme.clone()), account_version: 0, limit: 200 };
    world.write([write]).await;
    assert_eq!(world.loaded(3).await.session, extreme);
}

pub(crate) async fn an_advance_holds_for_the_newest_of_an_open_session(world: World) {
    world.signed_up(1, 2).await;
    world.refuses(advance(2, Some(1), false, rotated(2)), Conflict::Changed).await;
    // Its progress is known: what was decided without it does not hold.
    world.refuses(advance(2, None, false, rotated(1)), Conflict::Changed).await;
    world.refuses(advance(9, Some(0), false, rotated(1)), Conflict::Changed).await;
    world.write([advance(2, Some(0), false, rotated(1))]).await;
    world.refuses(advance(2, Some(0), false, rotated(1)), Conflict::Changed).await;
    assert_eq!(world.progress(3).await, session(3, 1).progress.expect("known"), "another one's is untouched");
    world.write([end(2)]).await;
    world.refuses(advance(2, Some(1), false, rotated(2)), Conflict::Changed).await;
}

pub(crate) async fn what_is_forgiven_must_not_have_been_seen(world: World) {
    world.signed_up(1, 2).await;
    let forgiven = Progress { made_by: MadeBy::Forgiveness, parent: Some(0), ..rotated(2) };
    world.write([advance(2, Some(0), false, rotated(1)), note(2, Some(1), None)]).await;
    world.refuses(advance(2, Some(1), true, forgiven), Conflict::Changed).await;
    // Where that is no condition it is none.
    world.write([advance(2, Some(1), false, rotated(2))]).await;
    world.write([advance(3, Some(0), false, rotated(1)), advance(3, Some(1), true, forgiven)]).await;
    assert_eq!(world.progress(3).await, Progress { last_active_at: at(1_003), ..forgiven });
}

pub(crate) async fn no_write_turns_activity_back(world: World) {
    world.signed_up(1, 1).await;
    world.write([note(2, None, Some(at(1_700)))]).await;
    let late = Progress { last_active_at: at(1_600), ..rotated(1) };
    // Decided before the note was written.
    world.write([advance(2, Some(0), false, late)]).await;
    assert_eq!(world.progress(2).await, Progress { last_active_at: at(1_700), ..late });
    world.write([note(2, None, Some(at(1_699))), note(2, None, None)]).await;
    assert_eq!(world.progress(2).await.last_active_at, at(1_700));
    let later = Progress { last_active_at: at(1_800), ..rotated(2) };
    world.write([advance(2, Some(1), false, later)]).await;
    assert_eq!(world.progress(2).await, later);
    world.write([note(2, None, Some(Timestamp::from_micros(1_800_000_001)))]).await;
    assert_eq!(world.progress(2).await.last_active_at, Timestamp::from_micros(1_800_000_001));
    // The later one counts, wherever it is written.
    for (moment, known) in [(at(1_800), Timestamp::from_micros(1_800_000_001)), (at(1_900), at(1_900))] {
        world.write([note_at_rest(2, moment)]).await;
        assert_eq!(world.progress(2).await, Progress { last_active_at: known, ..later });
    }
    world.write([note(2, None, Some(at(1_850)))]).await;
    assert_eq!(world.progress(2).await.last_active_at, at(1_900));
    // Before the epoch, and where a double can't tell one moment from the next.
    let first = Progress { last_active_at: Timestamp::from_micros(i64::MIN), ..Progress::opened(at(1_003)) };
    let opened = Session { progress: Some(first), ..session(3, 1) };
    world.write([Write::OpenSession { session: Box::new(opened), account_version: 0, limit: 200 }]).await;
    for micros in [i64::MIN + 1, -10, -9, 9, 10, i64::MAX - 2, i64::MAX - 1, i64::MAX] {
        let moment = Timestamp::from_micros(micros);
        world
            .write([note(3, None, Some(moment)), note(3, None, Some(Timestamp::from_micros(micros - 1)))])
            .await;
        assert_eq!(world.progress(3).await.last_active_at, moment);
    }
}

pub(crate) async fn a_receipt_counts_for_the_newest_alone(world: World) {
    world.signed_up(1, 1).await;
    world.write([advance(2, Some(0), false, rotated(1))]).await;
    world.write([note(2, Some(0), None), note(2, Some(2), None), note(2, None, Some(at(1_100)))]).await;
    assert!(!world.progress(2).await.seen);
    world.write([note(2, Some(1), Some(at(1_050)))]).await;
    let progress = world.progress(2).await;
    assert!(progress.seen);
    assert_eq!(progress, Progress { seen: true, last_active_at: at(1_100), ..rotated(1) });
    world.write([note(2, Some(0), None), note(2, None, None)]).await;
    assert!(world.progress(2).await.seen, "what was seen stays seen");
    world.write([advance(2, Some(1), false, rotated(2))]).await;
    assert!(!world.progress(2).await.seen, "until there is another newest");
}

pub(crate) async fn a_note_changes_nothing_of_what_has_ended(world: World) {
    world.signed_up(1, 1).await;
    world.write([end(2)]).await;
    let before = world.dump().await;
    world.write([note(2, Some(0), Some(at(9_000))), note(9, Some(0), Some(at(9_000)))]).await;
    world.write([note_at_rest(2, at(9_000)), note_at_rest(9, at(9_000))]).await;
    assert_eq!(world.dump().await, before);
}

pub(crate) async fn a_person_proves_again_who_they_are(world: World) {
    world.signed_up(1, 1).await;
    let again =
        |n| Write::Reauthenticate { session: session_id(n), auth_time: at(2_500), amr: "pwd otp mfa".into() };
    world.write([again(2)]).await;
    let proved = Session { auth_time: at(2_500), amr: "pwd otp mfa".into(), ..session(2, 1) };
    assert_eq!(world.loaded(2).await.session, proved);
    world.refuses(again(3), Conflict::Changed).await;
    world.write([end(2)]).await;
    world.refuses(again(2), Conflict::Changed).await;
    world.write([open(3, 1), again(3)]).await;
}
