//! Searching for accounts: each page what it says, none missed, none told twice, and bounded work.

use std::collections::BTreeSet;

use keyward_core::account::Account;
use keyward_core::change::Write;
use keyward_core::id::UserId;

use super::{World, account, everybody, open, user_id};
use crate::store::{Key, Search};

fn create(n: u8, roles: &[&str], is_active: bool) -> Write {
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    let phone_number = n.is_multiple_of(2).then(|| format!("+4915100000{n:03}").parse().expect("a number"));
    let email = format!("{}{n:03}@example.com", ["ada", "bob"][usize::from(n % 2)]);
    let email = email.parse().expect("an address");
    Write::CreateAccount(Box::new(Account { roles, is_active, phone_number, email, ..account(n) }))
}

/// A search, and whether it finds the account of that number.
type Matching = (Search, fn(&u8) -> bool);

const NOBODY: [u8; 0] = [];

/// Twenty: every third an administrator, every fifth not active.
async fn twenty(world: &World) {
    for n in 1..=20 {
        let roles = if n % 3 == 0 { ["admin", "user"].as_slice() } else { &["user"] };
        world.write([create(n, roles, n % 5 != 0)]).await;
    }
}

fn emails(prefix: &str) -> Search {
    let (from, to) = (Key::Email(prefix.to_owned()), Key::Email(format!("{prefix}\u{7f}")));
    Search { from, to, ..everybody() }
}

fn phones(prefix: &str) -> Search {
    let (from, to) = (Key::Phone(prefix.to_owned()), Key::Phone(format!("{prefix}\u{7f}")));
    Search { from, to, ..everybody() }
}

/// Every page of a search to its end: the numbers of the accounts, and how many pages it were.
async fn all(world: &World, mut search: Search) -> (Vec<u8>, usize) {
    let mut found = Vec::new();
    for pages in 1..1_000 {
        let page = world.store.accounts(&search).await.expect("readable");
        assert!(page.accounts.len() <= search.limit as usize);
        found.extend(page.accounts.iter().map(|found| number(&found.account)));
        match page.next {
            Some(next) => {
                assert!(next > search.from, "it goes on");
                search.from = next;
            }
            None => return (found, pages),
        }
    }
    panic!("it never ends: {search:?}")
}

fn number(account: &Account) -> u8 {
    account.id.as_bytes()[15]
}

pub(crate) async fn a_page_goes_by_id_by_address_or_by_number(world: World) {
    twenty(&world).await;
    let numbers = async |search: Search| all(&world, search).await.0;
    assert_eq!(numbers(everybody()).await, (1..=20).collect::<Vec<_>>());
    assert_eq!(numbers(Search { limit: 3, ..everybody() }).await, (1..=20).collect::<Vec<_>>());
    let (even, odd): (Vec<u8>, Vec<u8>) = (1..=20).partition(|n| n % 2 == 0);
    assert_eq!(numbers(emails("ada")).await, even);
    assert_eq!(numbers(Search { limit: 4, ..emails("bob") }).await, odd);
    assert_eq!(numbers(emails("ada01")).await, [10, 12, 14, 16, 18]);
    assert_eq!(numbers(emails("bob003@example.com")).await, [3]);
    assert_eq!(numbers(emails("c")).await, NOBODY);
    assert_eq!(numbers(emails("d_")).await, NOBODY);
    assert_eq!(numbers(emails("%")).await, NOBODY);
    assert_eq!(numbers(Search { limit: 4, ..phones("+") }).await, even);
    assert_eq!(numbers(phones("+491510000001")).await, [10, 12, 14, 16, 18]);
    for n in 1..=20 {
        assert_eq!(numbers(Search::only(user_id(n))).await, [n]);
    }
    assert_eq!(numbers(Search::only(user_id(21))).await, NOBODY);
    assert_eq!(numbers(Search::only(UserId::from_bytes([0xff; 16]))).await, NOBODY);
    // Each with its open sessions.
    world.write([open(30, 1), open(31, 1), open(32, 2)]).await;
    world.write([super::end(32)]).await;
    let page = world.store.accounts(&Search { limit: 3, ..everybody() }).await.expect("readable");
    assert_eq!(page.accounts.iter().map(|found| found.sessions).collect::<Vec<_>>(), [2, 0, 0]);
    assert_eq!(page.accounts[0].account, world.account(1).await);
    assert_eq!(page.next, Some(Key::Id(user_id(4))));
}

pub(crate) async fn a_page_is_of_a_role_or_of_a_state(world: World) {
    twenty(&world).await;
    for from in [everybody(), emails(""), emails("ada"), phones("+")] {
        for role in [None, Some("admin"), Some("user"), Some("gone")] {
            for is_active in [None, Some(true), Some(false)] {
                let expected: Vec<u8> = (1..=20u8)
                    .filter(|n| match role {
                        Some("admin") => n % 3 == 0,
                        Some("gone") => false,
                        _ => true,
                    })
                    .filter(|n| is_active.is_none_or(|active| active == (n % 5 != 0)))
                    .filter(|n| {
                        matches!(&from.from, Key::Id(_))
                            || from.from == Key::Email(String::new())
                            || n % 2 == 0
                    })
                    .collect();
                for (limit, scan) in [(1_000, 1_000), (3, 4), (1, 1), (2, 1_000)] {
                    let search =
                        Search { role: role.map(str::to_owned), is_active, limit, scan, ..from.clone() };
                    let (mut found, _) = all(&world, search.clone()).await;
                    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "{search:?}");
                    found.sort_unstable();
                    assert_eq!(found, expected, "{search:?}");
                }
            }
        }
    }
}

pub(crate) async fn a_page_looks_at_so_many_and_says_where_to_go_on(world: World) {
    twenty(&world).await;
    let search = Search { is_active: Some(false), limit: 10, scan: 4, ..emails("") };
    let page = world.store.accounts(&search).await.expect("readable");
    assert_eq!(page.accounts, [], "ada002 to ada008 are active");
    assert_eq!(page.next, Some(Key::Email("ada010@example.com".into())));
    // What an index answers alone is not looked for.
    for search in [
        Search { is_active: Some(false), limit: 4, scan: 1, ..everybody() },
        Search { role: Some("admin".into()), limit: 6, scan: 1, ..everybody() },
    ] {
        let (found, pages) = all(&world, search.clone()).await;
        assert_eq!(pages, 1, "{search:?} found {found:?}");
    }
}

/// However accounts come and go between the pages, each that was there all along is told once, in
/// order.
pub(crate) async fn no_account_is_missed_or_told_twice_while_others_come_and_go(world: World) {
    world.write([Write::SetRole { version: 0, name: "tas".into(), permissions: Vec::new() }]).await;
    let mut random = 7u32;
    let mut draw = move |most: u8| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from((random >> 16) % u32::from(most)).expect("small")
    };
    let new = |n: u8| create(n, if n.is_multiple_of(2) { &["tas"] } else { &["user"] }, !n.is_multiple_of(3));
    let mut there = BTreeSet::new();
    for round in 0..40 {
        for _ in 0..20 {
            let n = 1 + draw(100);
            if there.insert(n) {
                world.write([new(n)]).await;
            }
        }
        let searches: [Matching; 4] = [
            (everybody(), |_| true),
            (emails("ada"), |n| n % 2 == 0),
            (Search { role: Some("tas".into()), ..everybody() }, |n| n % 2 == 0),
            (Search { is_active: Some(true), role: Some("user".into()), ..everybody() }, |n| {
                n % 2 == 1 && n % 3 != 0
            }),
        ];
        let (search, matches) = searches[round % 4].clone();
        let mut search = Search { limit: 1 + u32::from(draw(4)), scan: 1 + u32::from(draw(6)), ..search };
        let mut all_along: BTreeSet<u8> = there.iter().copied().filter(matches).collect();
        let mut told = Vec::new();
        loop {
            let page = world.store.accounts(&search).await.expect("readable");
            told.extend(page.accounts.iter().map(|found| number(&found.account)));
            let Some(next) = page.next else { break };
            search.from = next;
            for _ in 0..3 {
                let n = 1 + draw(100);
                if there.remove(&n) {
                    all_along.remove(&n);
                    world.write([Write::DeleteAccount { user: user_id(n), version: 0 }]).await;
                } else {
                    there.insert(n);
                    world.write([new(n)]).await;
                }
            }
        }
        let once: BTreeSet<u8> = told.iter().copied().collect();
        assert!(told.is_sorted() && once.len() == told.len(), "in order, none twice: {told:?}");
        assert!(once.is_superset(&all_along), "none missed: {told:?} of {all_along:?}");
        assert!(once.iter().all(matches), "{told:?}");
    }
}
