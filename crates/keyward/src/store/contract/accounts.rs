//! Accounts: their names, and what is replaced at which version.

use keyward_core::account::Account;
use keyward_core::change::{Change, Conflict, Write};
use keyward_core::password::PasswordHash;
use keyward_core::phone::Phone;

use super::{World, account, at, everybody, open, password, user_id};
use crate::store::{Key, Name, Search};

fn phone(n: u8) -> Phone {
    format!("+4915100000{n:03}").parse().expect("a number")
}

fn create(account: Account) -> Write {
    Write::CreateAccount(Box::new(account))
}

fn set_roles(user: u8, version: u64, roles: &[&str]) -> Write {
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    Write::SetRoles { user: user_id(user), version, roles }
}

fn set_active(user: u8, version: u64, is_active: bool) -> Write {
    Write::SetActive { user: user_id(user), version, is_active }
}

async fn with_roles(world: &World, names: &[&str]) {
    for (version, name) in (0..).zip(names) {
        world.write([Write::SetRole { version, name: (*name).to_owned(), permissions: Vec::new() }]).await;
    }
}

pub(crate) async fn an_account_is_found_by_each_of_its_names(world: World) {
    with_roles(&world, &["jobs:write"]).await;
    let ada = Account {
        email_verified: true,
        phone_number: Some(phone(1)),
        phone_number_verified: true,
        roles: vec!["admin".into(), "jobs:write".into(), "user".into()],
        is_active: false,
        roles_version: 7,
        version: 9,
        last_login_at: Some(at(5)),
        ..account(1)
    };
    let bare = Account { roles: Vec::new(), email: "o'neil+%_@example.com".parse().unwrap(), ..account(2) };
    world.write([create(ada.clone()), create(bare.clone())]).await;
    for (name, found) in [
        (Name::Id(ada.id), Some(&ada)),
        (Name::Email(ada.email.clone()), Some(&ada)),
        (Name::Phone(phone(1)), Some(&ada)),
        (Name::Id(bare.id), Some(&bare)),
        (Name::Email(bare.email.clone()), Some(&bare)),
        (Name::Id(user_id(3)), None),
        (Name::Email("o'neil+%%@example.com".parse().unwrap()), None),
        (Name::Phone(phone(2)), None),
    ] {
        let account = world.store.account(&name).await.expect("readable");
        assert_eq!(account.as_ref(), found, "{name:?}");
    }
}

pub(crate) async fn accounts_come_by_id(world: World) {
    for n in [3, 1, 4, 2] {
        world.write([create(account(n))]).await;
    }
    let page = async |from, limit| {
        let page = world.found(Search { from: Key::Id(user_id(from)), limit, ..everybody() }).await;
        page.into_iter().map(|account| account.id).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 3).await, [1, 2, 3].map(user_id));
    assert_eq!(page(4, 3).await, [4].map(user_id));
    assert_eq!(page(5, 3).await, []);
    assert_eq!(page(0, 0).await, []);
}

pub(crate) async fn names_are_unique(world: World) {
    let ada = Account { phone_number: Some(phone(1)), ..account(1) };
    world.write([create(ada.clone()), create(account(2))]).await;
    let same_email = Account { email: ada.email.clone(), ..account(3) };
    let same_phone = Account { phone_number: Some(phone(1)), ..account(3) };
    let same_id = Account { id: ada.id, ..account(3) };
    world.refuses(create(same_email), Conflict::EmailTaken).await;
    world.refuses(create(same_phone), Conflict::PhoneTaken).await;
    world.refuses(create(same_id), Conflict::Changed).await;
    // Any number of accounts have none.
    world.write([create(account(3)), create(account(4))]).await;
}

pub(crate) async fn a_password_is_replaced_at_its_version(world: World) {
    world.signed_up(1, 0).await;
    let set = |user, version, n| Write::SetPassword { user: user_id(user), version, password: password(n) };
    world.write([set(1, 0, 1)]).await;
    assert_eq!(world.account(1).await, Account { password: password(1).into(), version: 1, ..account(1) });
    world.refuses(set(1, 0, 2), Conflict::Changed).await;
    world.refuses(set(1, 2, 2), Conflict::Changed).await;
    world.refuses(set(1, u64::MAX, 2), Conflict::Changed).await;
    world.refuses(set(2, 0, 2), Conflict::Changed).await;
    // The second is decided on what the first brings about.
    world.write([set(1, 1, 2), set(1, 2, 3)]).await;
    assert_eq!(world.account(1).await, Account { password: password(3).into(), version: 3, ..account(1) });
}

pub(crate) async fn a_rehash_keeps_the_version(world: World) {
    world.signed_up(1, 0).await;
    let set = |user, version| Write::Rehash { user: user_id(user), version, password: password(1) };
    world.write([set(1, 0)]).await;
    assert_eq!(world.account(1).await, Account { password: password(1).into(), ..account(1) });
    world.refuses(set(1, 1), Conflict::Changed).await;
    world.refuses(set(2, 0), Conflict::Changed).await;
}

pub(crate) async fn a_phone_number_is_replaced_at_the_version(world: World) {
    let ada = Account { phone_number: Some(phone(1)), phone_number_verified: true, ..account(1) };
    world.write([create(ada.clone()), create(account(2))]).await;
    let set = |user, version, phone_number| Write::SetPhone { user: user_id(user), version, phone_number };
    world.refuses(set(2, 0, Some(phone(1))), Conflict::PhoneTaken).await;
    world.refuses(set(1, 1, Some(phone(2))), Conflict::Changed).await;
    world.refuses(set(3, 0, None), Conflict::Changed).await;
    world.write([set(1, 0, Some(phone(1)))]).await;
    let unverified = Account { phone_number_verified: false, version: 1, ..ada.clone() };
    assert_eq!(world.account(1).await, unverified);
    world.write([set(1, 1, None), set(2, 0, Some(phone(1)))]).await;
    assert_eq!(world.account(1).await, Account { phone_number: None, version: 2, ..unverified });
    let found = world.store.account(&Name::Phone(phone(1))).await.expect("readable");
    assert_eq!(found.map(|account| account.id), Some(user_id(2)));
}

pub(crate) async fn roles_are_replaced_at_the_version(world: World) {
    world.signed_up(1, 1).await;
    world.write([set_roles(1, 0, &["admin", "user"])]).await;
    let promoted = Account {
        roles: vec!["admin".into(), "user".into()],
        roles_version: 1,
        version: 1,
        last_login_at: Some(at(1_002)),
        ..account(1)
    };
    assert_eq!(world.account(1).await, promoted);
    assert_eq!(world.loaded(2).await.account, promoted, "a session is loaded with it");
    world.refuses(set_roles(1, 0, &["admin"]), Conflict::Changed).await;
    world.refuses(set_active(1, 0, true), Conflict::Changed).await;
    world.refuses(set_roles(9, 0, &[]), Conflict::Changed).await;
    world.refuses(set_active(9, 0, true), Conflict::Changed).await;
    world.write([create(Account { roles: vec!["admin".into()], ..account(9) })]).await;
    world.write([set_active(1, 1, false), set_roles(1, 2, &[])]).await;
    let bare = Account { roles: Vec::new(), is_active: false, roles_version: 2, version: 3, ..promoted };
    assert_eq!(world.account(1).await, bare);
    world.write([set_active(1, 3, true)]).await;
    assert_eq!(world.account(1).await, Account { is_active: true, version: 4, ..bare });
}

pub(crate) async fn a_role_is_asked_for_by_its_whole_name(world: World) {
    with_roles(&world, &["admins", "b_c", "jobs-write", "z"]).await;
    world.signed_up(1, 0).await;
    world.write([set_roles(1, 0, &["admins", "b_c", "jobs-write", "z"])]).await;
    let has = async |role| world.store.has_role(role).await.expect("readable");
    for role in ["admins", "b_c", "jobs-write", "z"] {
        assert!(has(role).await, "{role}");
    }
    for role in ["admin", "dmins", "user", "b", "c", "bxc", "b%c", "%", "_", "jobs", "Z", "'"] {
        assert!(!has(role).await, "{role}");
    }
    world.write([set_active(1, 1, false)]).await;
    assert!(!has("admins").await, "an account that is not active counts for nothing");
}

pub(crate) async fn an_address_is_replaced_at_the_version(world: World) {
    let ada = Account { email_verified: true, ..account(1) };
    world.write([create(ada.clone()), create(account(2))]).await;
    let set = |user, version, name: &str| {
        let email = format!("{name}@example.com").parse().expect("an address");
        Write::SetEmail { user: user_id(user), version, email }
    };
    world.refuses(set(1, 0, "user2"), Conflict::EmailTaken).await;
    world.refuses(set(1, 1, "new"), Conflict::Changed).await;
    world.refuses(set(9, 0, "new"), Conflict::Changed).await;
    world.write([set(1, 0, "new"), set(2, 0, "user1")]).await;
    let email = "new@example.com".parse().expect("an address");
    let renamed = Account { email, email_verified: false, roles_version: 1, version: 1, ..ada };
    assert_eq!(world.account(1).await, renamed);
    let found = world.store.account(&Name::Email(account(1).email)).await.expect("readable");
    assert_eq!(found.map(|account| account.id), Some(user_id(2)), "the former one is free");
}

pub(crate) async fn an_account_goes_with_its_sessions(world: World) {
    world.signed_up(1, 2).await;
    world.signed_up(10, 1).await;
    let delete = |user, version| Write::DeleteAccount { user: user_id(user), version };
    world.refuses(delete(1, 1), Conflict::Changed).await;
    world.refuses(delete(9, 0), Conflict::Changed).await;
    world.write([delete(1, 0)]).await;
    let dump = world.dump().await;
    assert_eq!(dump.accounts, [world.account(10).await]);
    assert_eq!(dump.sessions, [world.loaded(11).await]);
    assert_eq!(dump.of_role, [("user".to_owned(), user_id(10))].into());
    world.refuses(open(2, 1), Conflict::Changed).await;
    world.write([create(account(1))]).await;
}

pub(crate) async fn somebody_is_left_to_administer(world: World) {
    let admin = |n| create(Account { roles: vec!["admin".into()], ..account(n) });
    let delete = |user, version| Write::DeleteAccount { user: user_id(user), version };
    // Where nobody administers, nothing is lost.
    world.write([create(account(9)), set_active(9, 0, false), set_roles(9, 1, &[]), delete(9, 2)]).await;
    world.write([admin(1), create(account(3))]).await;
    for _ in 0..2 {
        for write in [set_roles(1, 0, &["user"]), set_active(1, 0, false), delete(1, 0)] {
            world.refuses(write, Conflict::LastAdmin).await;
        }
        // Nor does one count that can't sign in.
        world.write([create(Account { is_active: false, roles: vec!["admin".into()], ..account(2) })]).await;
        for write in [set_roles(1, 0, &[]), set_active(1, 0, false), delete(1, 0)] {
            world.refuses(write, Conflict::LastAdmin).await;
        }
        world.write([delete(2, 0)]).await;
    }
    world.write([set_roles(1, 0, &["admin", "user"]), set_active(3, 0, false), delete(3, 1)]).await;
    // Of two, each may go, and not both.
    world.write([admin(2)]).await;
    for (one, other) in [(set_roles(1, 1, &[]), delete(2, 0)), (delete(2, 0), set_active(1, 1, false))] {
        let change = Change::of([one, other]);
        assert_eq!(world.change(change).await, Err(Conflict::LastAdmin));
    }
    world.write([set_active(2, 0, false)]).await;
    world.refuses(delete(1, 1), Conflict::LastAdmin).await;
    world.write([set_active(2, 1, true), delete(1, 1)]).await;
}

pub(crate) async fn of_two_first_administrators_there_is_one(world: World) {
    let first = |write| Change::of([Write::NobodyAdministers, write]);
    let admin = |n| create(Account { roles: vec!["admin".into()], ..account(n) });
    let inactive = Account { is_active: false, roles: vec!["admin".into()], ..account(9) };
    world.write([create(account(1)), create(inactive)]).await;
    let results = tokio::join!(
        world.store.commit(first(set_roles(1, 0, &["admin"]))),
        world.store.commit(first(admin(2))),
        world.store.commit(first(admin(3))),
    );
    let made = [results.0, results.1, results.2].map(|result| result.is_ok());
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    assert_eq!(world.change(first(create(account(4)))).await, Err(Conflict::Changed));
    world.refuses(Write::NobodyAdministers, Conflict::Changed).await;
}

pub(crate) async fn nobody_gets_a_role_that_there_is_not(world: World) {
    world.signed_up(1, 0).await;
    world.refuses(set_roles(1, 0, &["gone"]), Conflict::Changed).await;
    world.refuses(set_roles(1, 0, &["gone", "user"]), Conflict::Changed).await;
    let with = |role: &str| create(Account { roles: vec![role.into()], ..account(2) });
    world.refuses(with("gone"), Conflict::Changed).await;
    world.refuses(with("User"), Conflict::Changed).await;
    world.write([with("user")]).await;
}

pub(crate) async fn the_largest_numbers_come_back(world: World) {
    let most = u64::try_from(i64::MAX).expect("not negative");
    let extreme = Account {
        version: most,
        roles_version: most - 1,
        created_at: keyward_core::time::Timestamp::from_micros(i64::MIN),
        last_login_at: Some(keyward_core::time::Timestamp::from_micros(i64::MAX)),
        ..account(1)
    };
    world.write([create(extreme.clone())]).await;
    assert_eq!(world.account(1).await, extreme);
    let rehash = |version| Write::Rehash { user: user_id(1), version, password: password(1) };
    world.refuses(rehash(most - 1), Conflict::Changed).await;
    world.write([rehash(most)]).await;
}

pub(crate) async fn every_class_of_stored_hashes_is_known(world: World) {
    let classes = async || world.store.cost_classes().await.expect("readable");
    assert_eq!(classes().await, [""; 0]);
    let with = |n: u8, class: &str| {
        let password = PasswordHash::dummy_of(class).expect(class);
        create(Account { password: password.into(), ..account(n) })
    };
    let old = "$argon2id$v=19$m=8,t=1,p=1";
    world.write([with(1, "$2b$04"), with(2, "pbkdf2_sha256$7"), with(3, "$2b$04"), with(4, old)]).await;
    assert_eq!(classes().await, ["$2b$04", old, "pbkdf2_sha256$7"]);
    // Made anew, replaced: a class that nobody has any more is none.
    let set = |user, n| Write::SetPassword { user: user_id(user), version: 0, password: password(n) };
    let rehash = |user, n| Write::Rehash { user: user_id(user), version: 0, password: password(n) };
    world.write([rehash(1, 1), set(2, 1)]).await;
    let new = password(1).cost_class();
    assert_eq!(classes().await, ["$2b$04", new.as_str(), old]);
    world.write([rehash(3, 1), set(4, 1)]).await;
    assert_eq!(classes().await, [new]);
    // Told apart up to a bound.
    for n in 0..100_u8 {
        world.write([with(100 + n, &format!("pbkdf2_sha256${}", 1_000 + u32::from(n)))]).await;
    }
    assert_eq!(classes().await.len(), 64);
}

pub(crate) async fn an_import_is_noted_once(world: World) {
    world.signed_up(1, 0).await;
    let note = |user, n| Write::NoteImport { user: user_id(user), digest: [n; 16] };
    let noted = async |user| world.store.imported(user_id(user)).await.expect("readable");
    assert_eq!(noted(1).await, None);
    world.write([create(account(2)), note(2, 7), note(1, 8)]).await;
    assert_eq!((noted(1).await, noted(2).await, noted(3).await), (Some([8; 16]), Some([7; 16]), None));
    world.refuses(note(1, 9), Conflict::Changed).await;
}
