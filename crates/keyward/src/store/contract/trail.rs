//! The audit trail: every event once, those alike counted.

use keyward_core::change::Change;
use keyward_core::event::{Event, EventType};
use keyward_core::id::EventId;
use keyward_core::time::Timestamp;
use serde_json::json;

use super::{Row, World, at, event, session_id, user_id};
use crate::store::NotCommitted;

fn full(n: u8, kind: EventType, ip: &str) -> Event {
    let details = json!({"why": "'quoted' \u{1f510}", "n": [1, 2.5, null], "list": {}});
    Event {
        user: Some(user_id(1)),
        session: Some(session_id(2)),
        ip: Some(ip.to_owned()),
        user_agent: Some("\"; --".into()),
        success: false,
        reason: Some("because".into()),
        details: details.as_object().expect("an object").clone(),
        ..event(n, kind)
    }
}

pub(crate) async fn an_event_comes_back(world: World) {
    let mut expected = Vec::new();
    for (n, kind) in (1..).zip(EventType::ALL) {
        let bare = event(n, *kind);
        let full = full(n + 100, *kind, "2001:db8:1:2:3::4");
        world.change(Change::default().with(bare.clone()).with(full.clone())).await.expect("no condition");
        expected.push(Row { event: bare, network: None, count: 1 });
        expected.push(Row { event: full, network: Some("2001:db8:1:2::/64".into()), count: 1 });
    }
    expected.sort_by_key(|row| row.event.id);
    assert_eq!(world.place.trail().await, expected);
}

pub(crate) async fn events_alike_are_counted_into_one_row(world: World) {
    let alike = |n, tally: &str, count: Option<i64>| {
        let mut event = Event { tally: Some(tally.into()), ..full(n, EventType::LoginFailed, "192.0.2.1") };
        event.details = count.map(|count| ("count".to_owned(), json!(count))).into_iter().collect();
        event
    };
    let change = Change::default().with(alike(1, "a", None)).with(alike(2, "b", Some(3)));
    world.change(change).await.expect("no condition");
    // In one change, and in several.
    let change = Change::default().with(alike(3, "a", Some(40))).with(alike(4, "a", Some(2)));
    world.change(change).await.expect("no condition");
    world.change(Change::default().with(alike(5, "b", None))).await.expect("no condition");
    world.change(Change::default().with(event(6, EventType::LoginFailed))).await.expect("no condition");
    world.change(Change::default().with(event(7, EventType::LoginFailed))).await.expect("no condition");
    let rows = world.place.trail().await;
    let counts: Vec<_> =
        rows.iter().map(|row| (row.event.id, row.event.tally.as_deref(), row.count)).collect();
    let id = |n| event(n, EventType::Login).id;
    assert_eq!(
        counts,
        [(id(1), Some("a"), 43), (id(2), Some("b"), 4), (id(6), None, 1), (id(7), None, 1)],
        "the first row of each is kept, and nothing else is counted together"
    );
    assert!(rows.iter().all(|row| row.event.details.is_empty()), "the count stands in the row");
}

pub(crate) async fn a_login_is_known_by_its_network(world: World) {
    let at_ten = |n, kind, ip: &str| Event { at: at(10), ..full(n, kind, ip) };
    let change = Change::default()
        .with(at_ten(1, EventType::Login, "192.0.2.1"))
        .with(at_ten(2, EventType::Signup, "2001:db8:1:2:3::4"))
        .with(at_ten(3, EventType::LoginFailed, "192.0.2.3"))
        .with(at_ten(4, EventType::Refresh, "192.0.2.4"))
        .with(Event { user: Some(user_id(2)), ..at_ten(5, EventType::Login, "192.0.2.5") })
        .with(Event { ip: None, ..at_ten(6, EventType::Login, "") })
        // An account that an administrator made, say: nobody has signed in.
        .with(Event { session: None, ..at_ten(7, EventType::Signup, "192.0.2.7") });
    world.change(change).await.expect("no condition");
    for (user, network, since, known) in [
        (1, "192.0.2.1", at(0), true),
        (1, "192.0.2.1", at(10), true),
        (1, "192.0.2.1", Timestamp::from_micros(10_000_001), false),
        (1, "2001:db8:1:2::/64", at(0), true),
        (1, "2001:db8:1:2:3::4", at(0), false),
        (1, "192.0.2.3", at(0), false),
        (1, "192.0.2.4", at(0), false),
        (1, "192.0.2.5", at(0), false),
        (1, "192.0.2.7", at(0), false),
        (2, "192.0.2.5", at(0), true),
        (3, "192.0.2.1", at(0), false),
        (1, "", at(0), false),
    ] {
        let found = world.store.signed_in_from(user_id(user), network, since).await.expect("readable");
        assert_eq!(found, known, "{user} {network} {since}");
    }
}

pub(crate) async fn an_event_is_written_once(world: World) {
    world.signed_up(1, 1).await;
    world.change(Change::default().with(event(1, EventType::Login))).await.expect("no condition");
    let before = world.dump().await;
    // An id given twice is no condition that anybody decides on: it is a fault, and nothing is written.
    let twice = Change::of([super::end(2)])
        .with(Event { id: EventId::from_bytes(super::bytes(1)), ..event(9, EventType::Logout) });
    let refused = world.store.commit(twice).await;
    assert!(matches!(refused, Err(NotCommitted::Fault(_))), "{refused:?}");
    assert_eq!(world.dump().await, before);
}
