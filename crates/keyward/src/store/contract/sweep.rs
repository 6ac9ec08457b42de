//! The sweep: only what is past, in small batches.

use keyward_core::change::Write;
use keyward_core::id::SessionId;
use keyward_core::revocation::Revocation;
use keyward_core::session::Progress;

use super::{World, at, end, session, session_id, user_id};
use crate::store::{Sweep, Swept};

pub(super) fn sweep(now: i64) -> Sweep {
    Sweep {
        now: at(now),
        sessions_before: at(0),
        mails_before: at(0),
        figures_before: at(0),
        after: SessionId::from_bytes([0; 16]),
        limit: 100,
    }
}

impl World {
    pub(super) async fn swept(&self, sweep: Sweep) -> Swept {
        let sessions_before = sweep.sessions_before.after(self.place.spares());
        let mut swept = self.store.sweep(Sweep { sessions_before, ..sweep }).await.expect("writable");
        swept.open.iter_mut().for_each(|session| session.resting = None);
        swept
    }
}

pub(crate) async fn only_what_is_past_goes(world: World) {
    world.signed_up(1, 4).await;
    world.write([end(3)]).await;
    let key = |n: i64| Write::Revoke { revocation: Revocation::Key(n.to_string()), until: at(n) };
    world.write((10..15).map(key)).await;
    let before = world.dump().await;
    let swept = world.swept(sweep(0)).await;
    assert_eq!((swept.sessions, swept.next), (0, None));
    assert_eq!(swept.ended, [session_id(3)]);
    assert_eq!(swept.open, before.open, "the open ones are shown to whoever wants to see if they are idle");
    assert_eq!(world.dump().await, before, "nothing is past");
    // Made at 1002, 1003 (ended), 1004 and 1005: what was made before 1004 goes, ended or not.
    let swept = world.swept(Sweep { sessions_before: at(1_004), now: at(12), ..sweep(0) }).await;
    assert_eq!((swept.sessions, swept.next), (2, None));
    assert_eq!(swept.open, [session(4, 1), session(5, 1)]);
    let after = world.dump().await;
    assert_eq!(after.sessions.iter().map(|l| l.session.id).collect::<Vec<_>>(), [4, 5].map(session_id));
    let left: Vec<_> = after.revocations.iter().map(|entry| entry.until).collect();
    assert_eq!(left, [at(5_000), at(13), at(14)], "at its end an entry matters no more");
    assert_eq!(after.accounts, before.accounts);
    // Positions go on where they were, also from none.
    world.swept(sweep(9_000)).await;
    assert_eq!(world.revocations().await, []);
    let next = world.write([key(1)]).await.revocations[0].position;
    assert!(next > before.revocations.last().expect("some").position);
}

pub(crate) async fn sessions_go_in_batches(world: World) {
    world.signed_up(1, 10).await;
    world.write([end(2), end(5)]).await;
    let mut after = Some(SessionId::from_bytes([0; 16]));
    let (mut gone, mut open, mut rounds) = (0, Vec::new(), 0);
    while let Some(from) = after {
        let swept =
            world.swept(Sweep { sessions_before: at(1_004), after: from, limit: 3, ..sweep(0) }).await;
        gone += swept.sessions;
        assert!(swept.open.len() <= 3);
        open.extend(swept.open.into_iter().map(|session| session.id));
        after = swept.next;
        rounds += 1;
        assert!(rounds < 10, "it comes to an end");
    }
    assert_eq!((gone, rounds), (2, 4));
    assert_eq!(open, [4, 6, 7, 8, 9, 10, 11].map(session_id), "each once");
    // A batch that begins past the old ones leaves them.
    let from = Sweep { sessions_before: at(9_000), after: session_id(6), ..sweep(0) };
    assert_eq!(world.swept(from).await.sessions, 5);
    assert_eq!(world.dump().await.sessions.len(), 3);
}

pub(crate) async fn a_session_that_was_just_refreshed_stays(world: World) {
    world.signed_up(1, 2).await;
    let after = Progress { newest: 1, made_at: at(80_000), ..Progress::opened(at(1_002)) };
    let resting = world.store.session(session_id(2)).await.expect("readable").expect("there").session.resting;
    let advance = Write::Advance { session: session_id(2), newest: Some(0), unseen: false, after, resting };
    world.write([advance]).await;
    let swept = world.swept(Sweep { sessions_before: at(80_000), ..sweep(0) }).await;
    assert_eq!(swept.sessions, 1);
    assert_eq!(world.loaded(2).await.session.progress, Some(after));
    let left = world.store.sessions_of(user_id(1), 10).await.expect("readable");
    assert_eq!(left.len(), 1);
}
