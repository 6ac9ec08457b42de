//! How much of the suite is each store asked? As docs/stores.md says.

use std::collections::BTreeMap;
use std::process::Command;

/// The name of each store in the table, and where its cases are.
const STORES: [(&str, &str); 5] = [
    ("SQLite", "sqlite::tests"),
    ("Postgres", "postgres::tests"),
    ("Postgres through PgBouncer", "postgres::tests::pooler"),
    ("Redis", "redis::tests::over_one"),
    ("Redis Cluster", "redis::tests::over_a_cluster"),
];

/// The table of what there is to run: a row a group of cases, a column a store.
fn table() -> String {
    let program = std::env::current_exe().expect("this one");
    let listed = Command::new(program).arg("--list").output().expect("it lists");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let mut groups: BTreeMap<&str, [usize; STORES.len()]> = BTreeMap::new();
    for test in listed.lines().filter_map(|line| line.strip_suffix(": test")) {
        let Some((place, case)) = test.split_once("::contract::") else { continue };
        let (Some(place), Some((group, _))) = (place.strip_prefix("store::"), case.split_once("::")) else {
            continue;
        };
        let store = STORES.iter().position(|(_, of)| *of == place);
        groups.entry(group).or_default()[store.unwrap_or_else(|| panic!("{place} has no column"))] += 1;
    }
    let row = |name: &str, cells: [String; STORES.len()]| format!("| {name} | {} |\n", cells.join(" | "));
    let mut all = [0; STORES.len()];
    let mut table = row("cases", STORES.map(|(name, _)| name.to_owned()));
    table.push_str("| --- |");
    table.push_str(&" ---: |".repeat(STORES.len()));
    table.push('\n');
    for (group, counts) in groups {
        table.push_str(&row(&format!("`{group}`"), counts.map(cell)));
        all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    table + &row("all", all.map(cell))
}

fn cell(count: usize) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

#[test]
fn the_table_in_the_documentation_is_this_one() {
    let (told, table) = (include_str!("../../../../../docs/stores.md"), table());
    assert!(told.contains(&table), "docs/stores.md has to say:\n{table}");
}
