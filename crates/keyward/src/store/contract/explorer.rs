//! Sessions of everybody: every filter alone and with every other, in bounded work.

use keyward_core::change::Write;
use keyward_core::session::{End, EndReason, Session, Transport};

use super::{World, account, at, session, session_id, user_id};
use crate::store::SessionSearch;

const NOTHING: SessionSearch = SessionSearch {
    user: None,
    ip: None,
    transport: None,
    is_open: None,
    before: None,
    limit: 100,
    scan: 1_000,
};

/// Sixteen sessions of two users from two addresses; each fourth has ended, the later the earlier.
async fn sixteen(world: &World) -> Vec<Session> {
    world.write([1, 2].map(|n| Write::CreateAccount(Box::new(account(n))))).await;
    let mut all = Vec::new();
    for n in 10..26u8 {
        let ip = if n % 3 == 0 { "192.0.2.1" } else { "2001:db8::7" }.to_owned();
        let session = Session { ip, ..session(n, 1 + n % 5 / 4) };
        let open = Write::OpenSession { session: Box::new(session.clone()), account_version: 0, limit: 99 };
        world.write([open]).await;
        all.push(session);
    }
    for session in all.iter_mut().filter(|session| session.id.as_bytes()[15] % 4 == 0) {
        let end = End { at: at(9_000 - i64::from(session.id.as_bytes()[15])), why: EndReason::Revoked };
        world.write([Write::EndSession { session: session.id, end, until: at(9_999) }]).await;
        session.ended = Some(end);
    }
    all
}

/// Every page of a search to its end, and how many there were.
async fn all(world: &World, mut search: SessionSearch) -> (Vec<Session>, usize) {
    let mut found = Vec::new();
    for pages in 1..100 {
        let page = world.store.all_sessions(&search).await.expect("readable");
        assert!(page.sessions.len() <= search.limit as usize);
        for (session, email) in page.sessions {
            assert_eq!(email, format!("user{}@example.com", session.user.as_bytes()[15]));
            found.push(Session { resting: None, ..session });
        }
        search.before = page.next;
        if search.before.is_none() {
            return (found, pages);
        }
    }
    panic!("it never ends: {search:?}")
}

pub(crate) async fn sessions_pass_every_filter_alone_and_with_every_other(world: World) {
    let sessions = sixteen(&world).await;
    for user in [None, Some(user_id(1)), Some(user_id(2)), Some(user_id(9))] {
        for ip in [None, Some("192.0.2.1"), Some("2001:db8::7"), Some("192.0.2.9")] {
            for transport in [None, Some(Transport::Cookie), Some(Transport::Bearer)] {
                for is_open in [None, Some(true), Some(false)] {
                    let mut expected: Vec<Session> = sessions
                        .iter()
                        .rev()
                        .filter(|s| user.is_none_or(|user| s.user == user))
                        .filter(|s| ip.is_none_or(|ip| s.ip == ip))
                        .filter(|s| transport.is_none_or(|transport| s.transport == transport))
                        .filter(|s| is_open.is_none_or(|open| s.ended.is_none() == open))
                        .cloned()
                        .collect();
                    if user.is_none() && ip.is_none() && is_open == Some(false) {
                        expected.sort_by_key(|s| std::cmp::Reverse(s.ended.map(|end| end.at)));
                    }
                    for (limit, scan) in [(100, 1_000), (3, 4), (1, 1), (2, 1_000)] {
                        let ip = ip.map(str::to_owned);
                        let search =
                            SessionSearch { user, ip, transport, is_open, limit, scan, before: None };
                        assert_eq!(all(&world, search.clone()).await.0, expected, "{search:?}");
                    }
                }
            }
        }
    }
}

pub(crate) async fn a_page_of_sessions_looks_at_so_many(world: World) {
    sixteen(&world).await;
    let none = SessionSearch { is_open: Some(false), user: Some(user_id(1)), scan: 1, limit: 9, ..NOTHING };
    let page = world.store.all_sessions(&none).await.expect("readable");
    assert_eq!((page.sessions.len(), page.next.map(|at| at.session)), (0, Some(session_id(25))));
    // What an index answers alone is not looked for.
    for search in [
        SessionSearch { user: Some(user_id(1)), scan: 1, ..NOTHING },
        SessionSearch { ip: Some("192.0.2.1".into()), scan: 1, ..NOTHING },
        SessionSearch { is_open: Some(false), scan: 1, ..NOTHING },
        SessionSearch { scan: 1, ..NOTHING },
    ] {
        assert_eq!(all(&world, search.clone()).await.1, 1, "{search:?}");
    }
}
