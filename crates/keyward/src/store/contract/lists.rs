//! Lists of events and what is suspicious among them.

use std::collections::BTreeSet;

use keyward_core::change::Change;
use keyward_core::event::{Event, EventType};
use keyward_core::id::EventId;
use keyward_core::time::Timestamp;
use serde_json::json;

use super::{World, at, event, session_id, user_id};
use crate::store::trail::{EXAMINED, EventPage, EventQuery, Suspect, Suspicion, SuspicionKind};

/// The event of that second, whose id says so.
fn dated(second: u32, kind: EventType) -> Event {
    let moment = at(10_000 + i64::from(second));
    Event { id: EventId::new(moment, [9; 10]), at: moment, ..event(1, kind) }
}

fn ask() -> EventQuery {
    EventQuery { limit: 1_000, ..EventQuery::default() }
}

impl World {
    async fn written(&self, events: impl IntoIterator<Item = Event>) {
        let events = events.into_iter().collect();
        self.change(Change { writes: Vec::new(), events }).await.expect("no condition");
    }

    async fn page(&self, query: EventQuery) -> EventPage {
        self.store.events(query).await.expect("readable")
    }

    async fn suspects(
        &self,
        kind: SuspicionKind,
        since: u32,
        threshold: u64,
    ) -> Vec<(String, u64, i64, i64)> {
        let since = at(10_000 + i64::from(since));
        let ask = Suspicion { kind, since, threshold, limit: 10, examined: 1_000 };
        let suspects = self.store.suspicious(ask).await.expect("readable");
        let second = |at: Timestamp| at.seconds() - 10_000;
        let told = |s: Suspect| {
            assert_eq!(s.kind, kind);
            (s.subject, s.count, second(s.first_at), second(s.last_at))
        };
        assert_eq!(suspects.since, since);
        suspects.found.into_iter().map(told).collect()
    }
}

pub(crate) async fn every_filter_alone_and_with_every_other(world: World) {
    let mut events = Vec::new();
    for n in 0..64u32 {
        let bit = |place: u32| n & (1 << place) != 0;
        let kind = if bit(2) { EventType::Login } else { EventType::LoginFailed };
        events.push(Event {
            user: bit(0).then(|| user_id(1)),
            session: bit(1).then(|| session_id(2)),
            success: bit(3),
            ip: Some(if bit(4) { "192.0.2.1" } else { "2001:db8:1:2::7" }.to_owned()),
            ..dated(n, kind)
        });
    }
    world.written(events.clone()).await;
    for chosen in 0..128u32 {
        let with = |place: u32| chosen & (1 << place) != 0;
        let query = EventQuery {
            user: with(0).then(|| user_id(1)),
            session: with(1).then(|| session_id(2)),
            kind: with(2).then_some(EventType::Login),
            success: with(3).then_some(false),
            network: with(4).then(|| "2001:db8:1:2::/64".to_owned()),
            ip: with(4).then(|| "2001:db8:1:2::7".to_owned()),
            since: with(5).then(|| at(10_010)),
            until: with(6).then(|| at(10_050)),
            ..ask()
        };
        let passes = |e: &&Event| {
            query.user.is_none_or(|user| e.user == Some(user))
                && query.session.is_none_or(|session| e.session == Some(session))
                && query.kind.is_none_or(|kind| e.kind == kind)
                && query.success.is_none_or(|success| e.success == success)
                && query.ip.as_ref().is_none_or(|ip| e.ip.as_ref() == Some(ip))
                && query.since.is_none_or(|since| e.at >= since)
                && query.until.is_none_or(|until| e.at < until)
        };
        let expected: Vec<EventId> = events.iter().rev().filter(passes).map(|event| event.id).collect();
        let page = world.page(query.clone()).await;
        let found: Vec<EventId> = page.events.iter().map(|row| row.event.id).collect();
        assert_eq!((found, page.next), (expected, None), "{query:?}");
    }
}

pub(crate) async fn a_list_goes_on_where_it_stopped(world: World) {
    world.written((0..10).map(|n| dated(n, EventType::Login))).await;
    let mut seen = Vec::new();
    let mut before = None;
    for round in 10.. {
        let page = world.page(EventQuery { before, limit: 3, ..ask() }).await;
        seen.extend(page.events.iter().map(|row| row.event.id));
        // What comes meanwhile moves nothing.
        world.written([dated(round, EventType::Login)]).await;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<EventId> = (0..10).rev().map(|n| dated(n, EventType::Login).id).collect();
    assert_eq!(seen, expected);
}

pub(crate) async fn a_search_looks_at_a_bounded_number_of_events(world: World) {
    let others = (1..=EXAMINED + 5).map(|n| Event { user: Some(user_id(1)), ..dated(n, EventType::Login) });
    let wanted = Event { user: Some(user_id(1)), ..dated(0, EventType::Logout) };
    world.written(std::iter::once(wanted.clone()).chain(others)).await;
    let query = EventQuery { user: Some(user_id(1)), kind: Some(EventType::Logout), ..ask() };
    let page = world.page(query.clone()).await;
    assert_eq!((page.events.len(), page.next), (0, Some(dated(6, EventType::Login).id)));
    let page = world.page(EventQuery { before: page.next, ..query }).await;
    assert_eq!(page.events.iter().map(|row| row.event.id).collect::<Vec<_>>(), [wanted.id]);
    assert_eq!(page.next, None);
}

/// A failed login of that second.
fn failed(second: u32, ip: &str, user: Option<u8>, name: Option<&str>) -> Event {
    let details = name.map(|name| ("name".to_owned(), json!(name))).into_iter().collect();
    Event {
        ip: Some(ip.to_owned()),
        user: user.map(user_id),
        success: false,
        details,
        ..dated(second, EventType::LoginFailed)
    }
}

pub(crate) async fn each_kind_of_suspicion_is_counted(world: World) {
    use SuspicionKind::{AccountsPerIp, FailedLoginsByAccount, FailedLoginsByIp, RefreshReuse};
    let user = |n: u8| user_id(n).to_string();
    let tallied = |second, count: i64| {
        let mut event = Event { tally: Some("t".into()), ..failed(second, "192.0.2.1", Some(1), None) };
        event.details.insert("count".into(), json!(count));
        event
    };
    let login = |second, user: u8| Event {
        ip: Some("2001:db8:1:2::1".into()),
        user: Some(user_id(user)),
        ..dated(second, EventType::Login)
    };
    world
        .written([
            failed(1, "192.0.2.1", Some(1), None),
            tallied(2, 40),
            tallied(9, 2),
            failed(3, "2001:db8:1:2::1", Some(1), None),
            failed(4, "2001:db8:1:2::ffff", Some(2), None),
            login(5, 3),
            login(6, 3),
            Event { user: Some(user_id(4)), ..dated(7, EventType::RefreshReused) },
            Event { user: Some(user_id(4)), ..dated(8, EventType::RefreshReused) },
            Event { ip: None, ..failed(10, "192.0.2.9", None, None) },
        ])
        .await;
    let ips = world.suspects(FailedLoginsByIp, 0, 2).await;
    assert_eq!(ips, [("192.0.2.1".into(), 43, 1, 9), ("2001:db8:1:2::/64".into(), 2, 3, 4)]);
    assert_eq!(world.suspects(FailedLoginsByIp, 0, 3).await.len(), 1, "the threshold counts");
    assert_eq!(world.suspects(FailedLoginsByIp, 4, 1).await, [("2001:db8:1:2::/64".into(), 1, 4, 4)]);
    let accounts = world.suspects(FailedLoginsByAccount, 0, 2).await;
    assert_eq!(accounts, [(user(1), 44, 1, 9)]);
    assert_eq!(world.suspects(AccountsPerIp, 0, 2).await, [("2001:db8:1:2::/64".into(), 3, 3, 6)]);
    assert_eq!(world.suspects(RefreshReuse, 0, 1).await, [(user(4), 2, 7, 8)]);
    assert_eq!(world.suspects(RefreshReuse, 9, 1).await, []);
}

pub(crate) async fn names_without_an_account_are_told_apart(world: World) {
    let names = ["a", "b", "a", "c", "a"];
    world.written((1..).zip(names).map(|(n, name)| failed(n, "192.0.2.1", None, Some(name)))).await;
    let accounts = world.suspects(SuspicionKind::FailedLoginsByAccount, 0, 1).await;
    assert_eq!(accounts, [("a".into(), 3, 1, 5), ("b".into(), 1, 2, 2), ("c".into(), 1, 4, 4)]);
    let ips = world.suspects(SuspicionKind::AccountsPerIp, 0, 1).await;
    assert_eq!(ips, [("192.0.2.1".into(), 3, 1, 5)], "each name once");
}

pub(crate) async fn only_so_many_events_are_counted(world: World) {
    world.written((1..=20).map(|n| failed(n, "192.0.2.1", Some(1), None))).await;
    for kind in
        [SuspicionKind::FailedLoginsByIp, SuspicionKind::FailedLoginsByAccount, SuspicionKind::AccountsPerIp]
    {
        let ask = Suspicion { kind, since: at(0), threshold: 1, limit: 10, examined: 5 };
        let suspects = world.store.suspicious(ask).await.expect("readable");
        assert_eq!(suspects.found[0].first_at, at(10_016), "the newest five: {kind:?}");
        assert_eq!(suspects.since, at(10_015).after(std::time::Duration::from_millis(1)), "which is told");
    }
    let firsts: BTreeSet<_> =
        world.suspects(SuspicionKind::FailedLoginsByIp, 0, 1).await.into_iter().collect();
    assert_eq!(firsts, BTreeSet::from([("192.0.2.1".to_owned(), 20, 1, 20)]));
}
