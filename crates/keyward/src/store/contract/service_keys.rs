//! Service keys: added and taken away at the version of their table, noted when they are used.

use keyward_core::change::{Change, Conflict, Write};
use keyward_core::id::ServiceKeyId;
use keyward_core::service_key::{Scope, ServiceKey};

use super::{World, at, bytes};

pub(super) fn service_key(n: u8) -> ServiceKey {
    ServiceKey {
        id: ServiceKeyId::from_bytes(bytes(n)),
        name: format!("key {n} (\u{fc}ber)"),
        hash: [n; 32],
        scopes: Scope::ALL[..usize::from(n) % (Scope::ALL.len() + 1)].to_vec(),
        created_at: at(i64::from(n)),
        last_used_at: None,
    }
}

fn add(version: u64, n: u8) -> Write {
    Write::AddServiceKey { version, key: Box::new(service_key(n)) }
}

fn remove(version: u64, n: u8) -> Write {
    Write::RemoveServiceKey { version, id: service_key(n).id }
}

impl World {
    async fn service_keys(&self) -> (u64, Vec<ServiceKey>) {
        let stored = self.store.service_keys().await.expect("readable");
        assert_eq!(self.store.news(0).await.expect("readable").service_keys_version, stored.version);
        (stored.version, stored.keys)
    }
}

pub(crate) async fn a_service_key_comes_back(world: World) {
    assert_eq!(world.service_keys().await, (0, Vec::new()));
    let all: Vec<ServiceKey> = (0..=5).map(service_key).collect();
    let used = ServiceKey { last_used_at: Some(at(99)), ..service_key(6) };
    for (version, key) in (0..).zip(all.iter().chain([&used])) {
        world.write([Write::AddServiceKey { version, key: Box::new(key.clone()) }]).await;
    }
    assert_eq!(world.service_keys().await, (7, all.into_iter().chain([used]).collect()));
}

pub(crate) async fn service_keys_are_added_at_the_version_of_their_table(world: World) {
    world.write([add(0, 1)]).await;
    for stale in [0, 2] {
        world.refuses(add(stale, 2), Conflict::Changed).await;
    }
    for double in [
        ServiceKey { id: service_key(1).id, ..service_key(2) },
        ServiceKey { name: service_key(1).name, ..service_key(2) },
        ServiceKey { hash: service_key(1).hash, ..service_key(2) },
    ] {
        world.refuses(Write::AddServiceKey { version: 1, key: Box::new(double) }, Conflict::Changed).await;
    }
    world.write([add(1, 2), add(2, 3)]).await;
    assert_eq!(world.service_keys().await, (3, [1, 2, 3].map(service_key).to_vec()));
}

pub(crate) async fn a_service_key_is_taken_away_once(world: World) {
    world.write([add(0, 1), add(1, 2)]).await;
    world.refuses(remove(1, 1), Conflict::Changed).await;
    world.refuses(remove(2, 3), Conflict::Changed).await;
    world.write([remove(2, 1)]).await;
    world.refuses(remove(3, 1), Conflict::Changed).await;
    assert_eq!(world.service_keys().await, (3, vec![service_key(2)]));
    // Its name is free again.
    world.write([add(3, 1)]).await;
}

pub(crate) async fn a_use_is_noted_forward_alone(world: World) {
    world.write([add(0, 1), add(1, 2)]).await;
    let note = |n, moment| Write::NoteServiceKey { id: service_key(n).id, used_at: at(moment) };
    world.write([note(1, 50), note(1, 40), note(7, 50)]).await;
    let used = ServiceKey { last_used_at: Some(at(50)), ..service_key(1) };
    assert_eq!(world.service_keys().await, (2, vec![used, service_key(2)]), "the version stays");
}

pub(crate) async fn one_of_two_processes_takes_a_name(world: World) {
    let other = world.another().await;
    let double = ServiceKey { name: service_key(1).name, ..service_key(2) };
    let double = Change::of([Write::AddServiceKey { version: 0, key: Box::new(double) }]);
    let (one, two) =
        tokio::join!(super::commit(&*world.store, Change::of([add(0, 1)])), super::commit(&*other, double));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert_eq!(world.service_keys().await.1.len(), 1);
}
