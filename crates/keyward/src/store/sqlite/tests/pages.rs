//! Does SQLite go by the index that a search is about, however large the tables are?

use keyward_core::id::UserId;

use super::Folder;
use crate::store::sql::{Statement, search};
use crate::store::sqlite::Sqlite;
use crate::store::sqlite::writer::bind;
use crate::store::{Key, Search};

/// What SQLite says it will do.
fn plan(connection: &rusqlite::Connection, statement: &Statement) -> Vec<String> {
    let mut prepared =
        connection.prepare_cached(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).expect("valid");
    bind(&mut prepared, &statement.params).expect("its parameters");
    let mut rows = prepared.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        plan.push(row.get(3).expect("a text"));
    }
    plan
}

#[tokio::test]
async fn every_page_of_accounts_goes_by_its_index_in_its_order() {
    let folder = Folder::new();
    drop(Sqlite::open(&folder.file(), false, keyward_core::time::Timestamp::default()).expect("new"));
    let connection = folder.raw();
    let ids = (Key::Id(UserId::from_bytes([0; 16])), Key::Id(UserId::from_bytes([0xff; 16])));
    let texts = |kind: fn(String) -> Key| (kind("a".into()), kind("b".into()));
    for ((from, to), column) in
        [(ids, "id"), (texts(Key::Email), "email"), (texts(Key::Phone), "phone_number")]
    {
        for role in [None, Some("admin".to_owned())] {
            for is_active in [None, Some(true), Some(false)] {
                let (from, to, role) = (from.clone(), to.clone(), role.clone());
                let search = Search { from, to, role, is_active, limit: 50, scan: 1_000 };
                let first = match (column, &search.role, is_active) {
                    ("id", Some(_), _) => {
                        "SEARCH r USING COVERING INDEX account_of_role (role=? AND user_id>? AND user_id<?)"
                    }
                    ("id", None, Some(false)) => "SEARCH a USING INDEX account_inactive (id>? AND id<?)",
                    ("id", ..) => "SEARCH a USING PRIMARY KEY (id>? AND id<?)",
                    ("email", ..) => "SEARCH a USING INDEX sqlite_autoindex_account_2 (email>? AND email<?)",
                    _ => {
                        "SEARCH a USING INDEX sqlite_autoindex_account_3 (phone_number>? AND phone_number<?)"
                    }
                };
                let page = plan(&connection, &search::page(&search, None));
                assert_eq!(page[0], first, "{search:?}");
                let cut =
                    search::cut(&search).map(|statement| plan(&connection, &statement)).unwrap_or_default();
                for step in cut.iter().chain(&page) {
                    assert!(!step.contains("SCAN") && !step.contains("B-TREE"), "{search:?}: {step}");
                }
            }
        }
    }
}
