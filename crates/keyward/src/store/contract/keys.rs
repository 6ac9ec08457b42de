//! Keys: the table is replaced at its version, numbers are given once.

use std::time::Duration;

use keyward_core::change::{Change, Conflict, Sealed, Write};
use keyward_core::key::{Algorithm, KeyRecord, KeyState};

use super::{World, at};
use crate::store::StoredMacKey;

pub(super) fn key(n: u8, state: KeyState) -> KeyRecord {
    KeyRecord {
        kid: format!("key-{n}"),
        algorithm: Algorithm::Es256,
        state,
        created_at: at(i64::from(n)),
        active_from: None,
        retired_at: None,
        revoked_at: None,
        secret: vec![n, 0, 0xff, b'\''],
    }
}

fn mac_key(id: u16, byte: u8, made: u8) -> StoredMacKey {
    StoredMacKey { id, created_at: at(i64::from(made)), sealed: vec![byte; 60] }
}

pub(crate) async fn keys_are_replaced_at_their_version(world: World) {
    let none = world.store.keys().await.expect("readable");
    assert!(none.keys.is_empty());
    let four = vec![
        KeyRecord { algorithm: Algorithm::Rs256, revoked_at: Some(at(-1)), ..key(1, KeyState::Revoked) },
        KeyRecord {
            algorithm: Algorithm::EdDsa,
            active_from: Some(at(2)),
            retired_at: Some(at(3)),
            ..key(2, KeyState::Retiring)
        },
        KeyRecord { algorithm: Algorithm::Hs256, active_from: Some(at(3)), ..key(3, KeyState::Active) },
        KeyRecord { secret: (0..=255).cycle().take(2_000).collect(), ..key(4, KeyState::Next) },
    ];
    let set = |version, keys: &[KeyRecord]| Write::SetKeys { version, keys: keys.to_vec() };
    let backwards: Vec<KeyRecord> = four.iter().rev().cloned().collect();
    world.refuses(set(none.version + 1, &four), Conflict::Changed).await;
    world.write([set(none.version, &backwards)]).await;
    let stored = world.store.keys().await.expect("readable");
    assert_eq!((stored.version, &stored.keys), (none.version + 1, &four), "the oldest first");
    assert_eq!(world.store.news(0).await.expect("readable").keys_version, stored.version);
    world.refuses(set(none.version, &[]), Conflict::Changed).await;
    world.write([set(stored.version, &four[3..])]).await;
    let stored = world.store.keys().await.expect("readable");
    assert_eq!((stored.version, &stored.keys[..]), (none.version + 2, &four[3..]));
}

pub(crate) async fn a_key_for_refresh_tokens_has_a_free_number(world: World) {
    let add = |id, byte| Write::AddMacKey { id, sealed: vec![byte; 60], created_at: at(i64::from(byte)) };
    assert_eq!(world.store.mac_keys().await.expect("readable"), []);
    world.write([add(1, 1)]).await;
    world.refuses(add(1, 2), Conflict::Changed).await;
    world.write([add(0, 3), add(u16::MAX, 4), add(2, 5)]).await;
    let stored = world.store.mac_keys().await.expect("readable");
    let expected = [(u16::MAX, 4), (2, 5), (1, 1), (0, 3)];
    assert_eq!(stored, expected.map(|(id, byte)| mac_key(id, byte, byte)));
}

pub(crate) async fn a_key_for_refresh_tokens_is_forgotten_once(world: World) {
    let add = |id, byte| Write::AddMacKey { id, sealed: vec![byte; 60], created_at: at(i64::from(byte)) };
    world.write([add(1, 1), add(2, 2), add(3, 3)]).await;
    world.write([Write::ForgetMacKey { id: 2 }]).await;
    let stored = world.store.mac_keys().await.expect("readable");
    assert_eq!(stored, [mac_key(3, 3, 3), mac_key(1, 1, 1)]);
    world.refuses(Write::ForgetMacKey { id: 2 }, Conflict::Changed).await;
    world.refuses(Write::ForgetMacKey { id: 9 }, Conflict::Changed).await;
    assert_eq!(world.store.mac_keys().await.expect("readable"), stored);
}

pub(crate) async fn every_change_of_keys_raises_their_version(world: World) {
    let other = world.another().await;
    let version = async || {
        let stored = other.keys().await.expect("readable").version;
        assert_eq!(other.news(0).await.expect("readable").keys_version, stored);
        stored
    };
    let before = version().await;
    let add = Write::AddMacKey { id: 1, sealed: vec![1], created_at: at(1) };
    world.write([add.clone()]).await;
    assert_eq!(version().await, before + 1);
    world.refuses(add, Conflict::Changed).await;
    world.refuses(Write::ForgetMacKey { id: 2 }, Conflict::Changed).await;
    assert_eq!(version().await, before + 1, "nothing was changed");
    world.write([Write::ForgetMacKey { id: 1 }]).await;
    assert_eq!(version().await, before + 2);
    world.write([Write::SetKeys { version: before + 2, keys: Vec::new() }]).await;
    assert_eq!(version().await, before + 3);
}

pub(crate) async fn a_key_for_refresh_tokens_is_sealed_anew_as_it_was_loaded(world: World) {
    let add = |id, byte| Write::AddMacKey { id, sealed: vec![byte; 60], created_at: at(1) };
    world.write([add(1, 1), add(2, 1)]).await;
    let reseal = |id, former, sealed| Write::Reseal {
        secret: Sealed::MacKey(id),
        former: vec![former; 60],
        sealed: vec![sealed; 60],
    };
    world.refuses(reseal(1, 2, 3), Conflict::Changed).await;
    world.refuses(reseal(3, 1, 3), Conflict::Changed).await;
    world.write([reseal(1, 1, 2)]).await;
    world.refuses(reseal(1, 1, 3), Conflict::Changed).await;
    let stored = world.store.mac_keys().await.expect("readable");
    assert_eq!(stored, [(2, 1), (1, 2)].map(|(id, byte)| mac_key(id, byte, 1)));
}

pub(crate) async fn two_that_make_the_first_key_agree(world: World) {
    let other = world.another().await;
    let add = |byte| Change::of([Write::AddMacKey { id: 1, sealed: vec![byte], created_at: at(1) }]);
    let (one, two) = tokio::join!(super::commit(&*world.store, add(1)), super::commit(&*other, add(2)));
    let winner = if one.is_ok() { 1 } else { 2 };
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    for store in [&world.store, &other] {
        let stored = store.mac_keys().await.expect("readable");
        assert_eq!(stored, [StoredMacKey { id: 1, created_at: at(1), sealed: vec![winner] }]);
    }
}

pub(crate) async fn a_length_in_force_is_noted_once(world: World) {
    let note = |seconds, moment| Write::NoteAccessTtl { ttl: Duration::from_secs(seconds), at: at(moment) };
    world.write([note(900, 10), note(60, 20)]).await;
    world.write([note(900, 30)]).await;
    let mut lengths = world.store.access_ttls().await.expect("readable");
    lengths.sort_unstable();
    assert_eq!(lengths, [(60, at(20)), (900, at(30))]);
}
