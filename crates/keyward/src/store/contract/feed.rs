//! News: what was revoked, in commit order, to every process.

use keyward_core::change::{Change, Write};
use keyward_core::revocation::Revocation;

use super::{World, at, end, session_id, user_id};
use crate::store::NEWS_LIMIT;

fn revoke(revocation: Revocation) -> Write {
    Write::Revoke { revocation, until: at(100) }
}

pub(crate) async fn every_kind_of_revocation_comes_back(world: World) {
    let most = u64::try_from(i64::MAX).expect("not negative");
    let all = [
        Revocation::Key("kid-'\"-\u{1f510}".into()),
        Revocation::Session(session_id(1)),
        Revocation::Generation(session_id(2), most),
        Revocation::Generation(session_id(0), 0),
        Revocation::User(user_id(3), 5),
        Revocation::Roles(9),
    ];
    let committed = world.write(all.clone().map(revoke)).await;
    let told: Vec<_> = committed.revocations.iter().map(|entry| entry.revocation.clone()).collect();
    assert_eq!(told, all);
    assert_eq!(committed.sessions_ended(), 1);
    assert_eq!(world.revocations().await, committed.revocations);
}

pub(crate) async fn news_come_in_pages(world: World) {
    let count = 2 * NEWS_LIMIT + 7;
    let writes = (0..count).map(|n| revoke(Revocation::Key(n.to_string())));
    let committed = world.write(writes).await.revocations;
    let first = world.store.news(0).await.expect("readable").revocations;
    assert_eq!(first, committed[..NEWS_LIMIT]);
    let second = world.store.news(first[NEWS_LIMIT - 1].position).await.expect("readable").revocations;
    assert_eq!(second, committed[NEWS_LIMIT..2 * NEWS_LIMIT]);
    let third = world.store.news(second[NEWS_LIMIT - 1].position).await.expect("readable").revocations;
    assert_eq!(third, committed[2 * NEWS_LIMIT..]);
    let last = committed[count - 1].position;
    assert_eq!(world.store.news(last).await.expect("readable").revocations, []);
    assert_eq!(world.store.news(u64::MAX).await.expect("readable").revocations, []);
}

pub(crate) async fn each_process_sees_what_another_wrote(world: World) {
    let other = world.another().await;
    world.signed_up(1, 2).await;
    let loaded = other.session(session_id(2)).await.expect("readable");
    assert_eq!(loaded, world.store.session(session_id(2)).await.expect("readable"));
    super::commit(&*other, Change::of([end(2)])).await.expect("open");
    assert!(world.loaded(2).await.session.ended.is_some());
    assert_eq!(world.revocations().await, other.news(0).await.expect("readable").revocations);
    super::commit(&*other, Change::of([Write::SetKeys { version: 0, keys: Vec::new() }]))
        .await
        .expect("fresh");
    assert_eq!(world.store.news(0).await.expect("readable").keys_version, 1);
    other.ping().await.expect("it answers");
    let before = other.reads();
    other.ping().await.expect("it answers");
    assert!(other.reads() > before, "reads are counted");
}
