//! The chain of the audit trail: sealed once, in order, and removed whole.

use keyward_core::chain::{ChainKey, Entry, Removal, Seal};
use keyward_core::change::{Change, Conflict, Sealed, Write};
use keyward_core::event::{Event, EventType, Recorded};
use keyward_core::id::EventId;
use serde_json::json;

use super::{World, at, event};

const FIRST: EventId = EventId::from_bytes([0; 16]);
const LAST: EventId = EventId::from_bytes([0xff; 16]);

/// A key from later than all rows here: they carry no mark.
fn key() -> ChainKey {
    ChainKey::new(&[3; 32], at(i64::MAX / 2_000_000))
}

impl World {
    async fn events_of(&self, numbers: impl IntoIterator<Item = u8>) {
        for n in numbers {
            self.change(Change::default().with(event(n, EventType::Login))).await.expect("no condition");
        }
    }

    async fn unsealed(&self) -> Vec<Recorded> {
        self.store.unsealed(FIRST, LAST, 100).await.expect("readable")
    }

    async fn last(&self) -> Option<Seal> {
        self.store.last_seal().await.expect("readable")
    }
}

fn sealing(before: Option<&Seal>, rows: &[Recorded]) -> Write {
    let counts = rows.iter().map(|row| (row.event.id, row.count)).collect();
    Write::SealEvents { seal: Box::new(key().seal(before, rows, at(500))), counts }
}

fn counted(n: u8, count: i64) -> Event {
    let details = json!({ "count": count });
    Event {
        tally: Some("t".into()),
        details: details.as_object().expect("an object").clone(),
        ..event(n, EventType::RateLimited)
    }
}

pub(crate) async fn a_batch_is_sealed_once_and_in_order(world: World) {
    world.events_of([3, 1, 2, 4]).await;
    let rows = world.unsealed().await;
    let ids: Vec<_> = rows.iter().map(|row| row.event.id).collect();
    assert_eq!(ids, [1, 2, 3, 4].map(|n| event(n, EventType::Login).id), "by id");
    assert_eq!(world.store.unsealed(ids[0], ids[3], 100).await.expect("readable"), rows[1..3]);
    assert_eq!(world.store.unsealed(FIRST, LAST, 2).await.expect("readable"), rows[..2]);
    assert_eq!(world.last().await, None);

    world.write([sealing(None, &rows[..2])]).await;
    let one = world.last().await.expect("one");
    assert_eq!((one.number, one.rows, one.sealed_at), (1, 2, at(500)));
    world.refuses(sealing(None, &rows[2..]), Conflict::Changed).await;
    let second = Seal { number: 2, ..one.clone() };
    world.refuses(sealing(Some(&second), &rows[2..]), Conflict::Changed).await;
    world.refuses(sealing(Some(&one), &rows[..2]), Conflict::Changed).await;
    world.refuses(sealing(Some(&one), &rows), Conflict::Changed).await;
    assert_eq!(world.unsealed().await, rows[2..]);
    world.write([sealing(Some(&one), &rows[2..])]).await;
    assert_eq!(world.unsealed().await, []);

    let mut before: Option<Seal> = None;
    for (number, rows) in [(1, &rows[..2]), (2, &rows[2..])] {
        let sealed = world.store.sealed_after(number - 1).await.expect("readable").expect("there");
        assert_eq!(sealed.seal, key().seal(before.as_ref(), rows, at(500)), "as it was made");
        assert_eq!(sealed.rows.iter().map(|row| row.batch).collect::<Vec<_>>(), [Some(number), Some(number)]);
        assert_eq!(key().check(before.as_ref(), &sealed.seal, &sealed.rows), []);
        before = Some(sealed.seal);
    }
    assert_eq!(world.store.sealed_after(2).await.expect("readable"), None);
}

pub(crate) async fn a_row_that_changed_meanwhile_is_not_sealed(world: World) {
    world.change(Change::default().with(counted(1, 3))).await.expect("no condition");
    world.events_of([2]).await;
    let rows = world.unsealed().await;
    assert_eq!((rows[0].count, rows[0].last_at), (3, Some(at(1))));
    world.change(Change::default().with(counted(5, 4))).await.expect("no condition");
    world.refuses(sealing(None, &rows), Conflict::Changed).await;
    let now = world.unsealed().await;
    assert_eq!((now[0].count, now[0].last_at), (7, Some(at(5))), "the last of them is remembered");
    // One that comes late is not later.
    world.change(Change::default().with(counted(4, 1))).await.expect("no condition");
    assert_eq!(world.unsealed().await[0].last_at, Some(at(5)));
    let gone = Recorded { event: event(77, EventType::Login), ..now[1].clone() };
    world.refuses(sealing(None, &[gone]), Conflict::Changed).await;
}

pub(crate) async fn nothing_is_counted_into_a_sealed_row(world: World) {
    world.change(Change::default().with(counted(1, 3))).await.expect("no condition");
    world.write([sealing(None, &world.unsealed().await)]).await;
    world.change(Change::default().with(counted(2, 4))).await.expect("no condition");
    world.change(Change::default().with(counted(3, 5))).await.expect("no condition");
    let late = world.unsealed().await;
    assert_eq!(late.iter().map(|row| (row.event.id, row.count)).collect::<Vec<_>>(), [(counted(2, 0).id, 9)]);
    let sealed = world.store.sealed_after(0).await.expect("readable").expect("there");
    assert_eq!(key().check(None, &sealed.seal, &sealed.rows), [], "it is as it was sealed");
}

pub(crate) async fn a_batch_goes_whole_and_its_seal_stays(world: World) {
    world.events_of([1, 2, 3]).await;
    let rows = world.unsealed().await;
    world.write([sealing(None, &rows[..2])]).await;
    let one = world.last().await.expect("one");
    world.write([sealing(Some(&one), &rows[2..])]).await;
    let newest = rows[1].event.id.made_at();
    assert_eq!(world.store.past_seal(newest).await.expect("readable"), None, "not past that very moment");
    let past = newest.after(std::time::Duration::from_millis(1));
    let seal = world.store.past_seal(past).await.expect("readable").expect("one is past");
    assert_eq!((seal.number, seal.entries.as_ref().map(Vec::len)), (1, Some(2)));

    let removal = key().remove(&seal, at(900));
    world.write([Write::RemoveEvents { number: 1, removal }]).await;
    let left: Vec<_> = world.place.trail().await.into_iter().map(|row| row.event.id).collect();
    assert_eq!(left, [rows[2].event.id]);
    let sealed = world.store.sealed_after(0).await.expect("readable").expect("it stays");
    assert_eq!(sealed.seal, Seal { entries: None, removed: Some(removal), ..seal });
    assert_eq!((sealed.rows.as_slice(), key().check(None, &sealed.seal, &[])), (&[][..], vec![]));
    world.refuses(Write::RemoveEvents { number: 1, removal }, Conflict::Changed).await;
    world.refuses(Write::RemoveEvents { number: 9, removal }, Conflict::Changed).await;
    let next = world.store.past_seal(at(i64::MAX / 2_000_000)).await.expect("readable");
    assert_eq!(next.map(|seal| seal.number), Some(2), "what is removed is not past again");
}

pub(crate) async fn the_key_of_the_chain_is_made_once(world: World) {
    assert_eq!(world.store.chain_key().await.expect("readable"), None);
    let add = |byte| Write::AddChainKey { sealed: vec![byte; 40], since: at(i64::from(byte)) };
    world.write([add(1)]).await;
    world.refuses(add(2), Conflict::Changed).await;
    let stored = world.another().await.chain_key().await.expect("readable").expect("there");
    assert_eq!((stored.sealed, stored.since), (vec![1; 40], at(1)));
    let reseal = |former, sealed| Write::Reseal {
        secret: Sealed::ChainKey,
        former: vec![former; 40],
        sealed: vec![sealed; 40],
    };
    world.refuses(reseal(2, 3), Conflict::Changed).await;
    world.write([reseal(1, 3)]).await;
    let stored = world.store.chain_key().await.expect("readable").expect("there");
    assert_eq!((stored.sealed, stored.since), (vec![3; 40], at(1)));
}

pub(crate) async fn what_claims_a_batch_without_a_seal_is_found(world: World) {
    world.events_of([1, 2]).await;
    let rows = world.unsealed().await;
    assert_eq!(world.store.strays(10).await.expect("readable"), []);
    // A seal that nobody made: its number alone counts here.
    world.write([sealing(None, &rows)]).await;
    assert_eq!(world.store.strays(10).await.expect("readable"), []);
    let nothing = Seal { entries: Some(Vec::<Entry>::new()), ..key().seal(None, &[], at(1)) };
    assert_eq!(nothing.rows, 0);
    let removal = Removal { at: at(1), mac: [0; 32] };
    world.write([Write::RemoveEvents { number: 1, removal }]).await;
    assert_eq!(world.store.strays(10).await.expect("readable"), []);
}
