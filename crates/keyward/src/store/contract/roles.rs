//! The table of roles: what is written at which version, and what becomes of a role that goes.

use keyward_core::account::Account;
use keyward_core::change::{Conflict, Write};

use super::{World, account};

fn set(version: u64, name: &str, permissions: &[&str]) -> Write {
    let permissions = permissions.iter().map(|&permission| permission.to_owned()).collect();
    Write::SetRole { version, name: name.to_owned(), permissions }
}

fn delete(version: u64, name: &str) -> Write {
    Write::DeleteRole { version, name: name.to_owned() }
}

fn take(name: &str, limit: u32) -> Write {
    Write::TakeRole { name: name.to_owned(), limit }
}

fn with(n: u8, roles: &[&str]) -> Write {
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    Write::CreateAccount(Box::new(Account { roles, ..account(n) }))
}

pub(crate) async fn a_role_is_set_at_the_version_of_the_table(world: World) {
    world.refuses(set(1, "tas", &[]), Conflict::Changed).await;
    world.write([set(0, "tas", &["jobs:read", "jobs:write"])]).await;
    let roles = world.store.roles().await.expect("readable");
    assert_eq!((roles.version, roles.permissions["tas"].join(" ")), (1, "jobs:read jobs:write".to_owned()));
    assert_eq!(roles.permissions.len(), 3);
    world.write([with(1, &["tas"])]).await;
    world.refuses(set(0, "tas", &[]), Conflict::Changed).await;
    world.write([set(1, "tas", &[]), set(2, "admin", &["all"])]).await;
    let roles = world.store.roles().await.expect("readable");
    assert_eq!((roles.version, &roles.permissions["tas"]), (3, &Vec::new()));
    assert_eq!(roles.permissions["admin"], ["all"]);
    world.refuses(delete(2, "tas"), Conflict::Changed).await;
    world.refuses(delete(3, "gone"), Conflict::Changed).await;
}

pub(crate) async fn a_deleted_role_is_taken_from_everybody(world: World) {
    world.write([set(0, "tas", &[]), set(1, "tasks", &[])]).await;
    world.write([with(1, &["tas"]), with(2, &["admin", "tas", "tasks"]), with(3, &["tas", "user"])]).await;
    world.write([with(4, &["tasks"])]).await;
    let before = world.dump().await;
    world.write([take("tas", 10), take("gone", 10)]).await;
    assert_eq!(world.dump().await, before, "it is there, or nobody has it");
    world.write([delete(2, "tas")]).await;
    // Who made it anew now would give it to all who had the former one.
    world.refuses(set(3, "tas", &["jobs:delete"]), Conflict::Changed).await;
    world.write([take("tas", 2)]).await;
    world.refuses(set(3, "tas", &[]), Conflict::Changed).await;
    world.write([take("tas", 2)]).await;
    let roles = |accounts: Vec<Account>| accounts.into_iter().map(|a| a.roles.join(",")).collect::<Vec<_>>();
    let dump = world.dump().await;
    assert_eq!(dump.of_role.len(), 4, "{:?}", dump.of_role);
    assert_eq!(dump.accounts[1], Account { roles: vec!["admin".into(), "tasks".into()], ..account(2) });
    assert_eq!(roles(dump.accounts), ["", "admin,tasks", "user", "tasks"]);
    world.write([set(3, "tas", &[])]).await;
    assert_eq!(world.account(1).await, Account { roles: Vec::new(), ..account(1) });
}
