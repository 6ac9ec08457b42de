//! Does nothing grow in Redis, and does everything there end by itself?

use std::sync::Arc;
use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::id::UserId;
use keyward_core::session::{End, EndReason, MadeBy, Progress, Verdict};
use keyward_core::time::Timestamp;

use super::play::Client;
use super::{Apart, WEEK, server, sweep};
use crate::store::Store as _;
use crate::store::contract::Place as _;
use crate::store::redis::record;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

#[tokio::test]
async fn every_key_ends_and_is_as_large_as_at_first() {
    let server = server::Server::start(&[]);
    let place = Apart::patient(vec![server.url()], WEEK);
    let store = place.open().await;
    // One that was opened, one that went on for long, one that was noted, one that was forgiven and
    // one that was adopted.
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::sign_up(&*store).await);
    }
    let now = at(10_000);
    let key = record::key(&place.terms.prefix, clients[1].session);
    let mut later = now;
    let (mut after_ten, mut turns) = (0, 0);
    while turns < 1_000 {
        later = later.after(Duration::from_secs(60));
        assert!(matches!(clients[1].present(&*store, later).await, Ok(Verdict::Rotate { .. })));
        turns += 1;
        if turns == 10 {
            after_ten = server.memory(&key).await;
        }
    }
    let after_thousand = server.memory(&key).await;
    // Numbers have some digits more; nothing else does.
    assert!(after_thousand <= after_ten + 16, "{after_ten} grew to {after_thousand}");
    let most = Progress {
        newest: u64::MAX >> 1,
        parent: Some((u64::MAX >> 1) - 1),
        made_by: MadeBy::Forgiveness,
        made_at: at(9_999_999_999),
        seen: true,
        last_active_at: at(9_999_999_999),
    };
    let newest = Some(clients[1].generation);
    let write =
        Write::Advance { session: clients[1].session, newest, unseen: false, after: most, resting: None };
    store.commit(Change::of([write])).await.expect("writable");
    let note = Write::Note { session: clients[2].session, seen: Some(0), active_at: Some(now) };
    store.commit(Change::of([note])).await.expect("writable");
    let mut lost = clients[3].clone();
    clients[3].present(&*store, now).await.expect("writable");
    assert!(matches!(
        lost.present(&*store, now.after(Duration::from_secs(60))).await,
        Ok(Verdict::Forgive { .. })
    ));
    server.forget(&format!("{}:{{{}}}", place.terms.prefix, clients[4].session)).await;
    assert!(matches!(clients[4].present(&*store, now).await, Ok(Verdict::Adopt { .. })));

    let keys: Vec<String> = server.ask(redis::cmd("KEYS").arg("*")).await;
    assert_eq!(keys.len(), 5);
    for key in &keys {
        let left: i64 = server.ask(redis::cmd("PTTL").arg(key)).await;
        assert!((600_000_000..=608_400_000).contains(&left), "{key}: {left}");
        let bytes = server.memory(key).await;
        assert!(bytes <= 400, "{key}: {bytes}");
    }

    // What has ended is gone at once, whatever ended it.
    let end = End { at: now, why: EndReason::Logout };
    let until = now.after(Duration::from_secs(60));
    store
        .commit(Change::of([Write::EndSession { session: clients[0].session, end, until }]))
        .await
        .expect("writable");
    let user = store.session(clients[1].session).await.expect("readable").expect("there").account.id;
    store
        .commit(Change::of([Write::EndSessionsOf { user, except: None, end, until }]))
        .await
        .expect("writable");
    let left: Vec<String> = server.ask(redis::cmd("KEYS").arg("*")).await;
    assert_eq!(left.len(), 3);
    // With everybody's they go at the next sweep: nobody lists a million sessions to end them all.
    let everybody = (UserId::from_bytes([0; 16]), UserId::from_bytes([0xff; 16]));
    let end_all = Write::EndSessionsBetween { after: everybody.0, to: everybody.1, end };
    store.commit(Change::of([end_all])).await.expect("writable");
    store.sweep(sweep(now)).await.expect("writable");
    let left: Vec<String> = server.ask(redis::cmd("KEYS").arg("*")).await;
    assert_eq!(left.len(), 0);
}

#[tokio::test]
async fn what_no_keyward_can_have_written_is_a_fault() {
    let place = Apart::patient(vec![server::one().url()], WEEK);
    let store = place.over(place.folder.open().await).await;
    let client = Client::sign_up(&store).await;
    let key = store.key(client.session);
    let good: String = server::one().ask(&redis::Cmd::get(&key)).await;
    assert_eq!(good, "0 - opening 1002000000 0 1002000000 -");
    for bad in [
        "",
        "0",
        "0 - opening 1002000000 0 1002000000",
        "0 - opening 1002000000 0 1002000000 - -",
        "-1 - opening 1002000000 0 1002000000 -",
        "0 x opening 1002000000 0 1002000000 -",
        "0 - birth 1002000000 0 1002000000 -",
        "0 - opening soon 0 1002000000 -",
        "0 - opening 1002000000 2 1002000000 -",
        "0 - opening 1002000000 0 1002000000 5",
        "0 - opening 1002000000 0 1002000000 5@",
    ] {
        server::one().ask::<()>(&redis::Cmd::set(&key, bad)).await;
        assert!(
            matches!(store.session(client.session).await, Err(crate::store::Fault::Corrupt(_))),
            "{bad:?}"
        );
    }
    server::one().ask::<()>(&redis::Cmd::set(&key, good)).await;
    assert!(Arc::new(store).session(client.session).await.is_ok());
}
