//! Is each question about the audit trail answered from an index, however many events there are?

use std::fmt::Write as _;

use keyward_core::change::{Change, Write};
use keyward_core::event::EventType;
use keyward_core::id::{EventId, SessionId, UserId};
use keyward_core::session::Progress;
use keyward_core::time::Timestamp;
use rusqlite::Connection;

use super::Folder;
use crate::store::sql::{Statement, explorer, figures, plan as statements, trail as sql};
use crate::store::sqlite::Sqlite;
use crate::store::trail::{EventQuery, SuspicionKind};

/// How SQLite goes about a query, a step a line.
fn plan(connection: &Connection, query: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).expect("a statement");
    let mut rows = statement.raw_query();
    let mut plan = String::new();
    while let Some(row) = rows.next().expect("a step") {
        writeln!(plan, "{}", row.get::<_, String>(3).expect("a text")).expect("written");
    }
    plan
}

fn file() -> (Folder, Connection) {
    let folder = Folder::new();
    drop(Sqlite::open(&folder.file(), true, Timestamp::default()).expect("new"));
    let connection = folder.raw();
    (folder, connection)
}

#[test]
fn a_list_is_a_range_of_one_index_in_order() {
    let (_folder, connection) = file();
    for chosen in 0..256u32 {
        let with = |place: u32| chosen & (1 << place) != 0;
        let query = EventQuery {
            session: with(0).then(|| SessionId::from_bytes([1; 16])),
            user: with(1).then(|| UserId::from_bytes([1; 16])),
            network: with(2).then(|| "192.0.2.1".to_owned()),
            ip: with(2).then(|| "192.0.2.1".to_owned()),
            kind: with(3).then_some(EventType::Login),
            success: with(4).then_some(true),
            since: with(5).then(Timestamp::default),
            until: with(6).then(Timestamp::default),
            before: with(7).then(|| EventId::from_bytes([1; 16])),
            limit: 50,
        };
        let index = match &query {
            EventQuery { session: Some(_), .. } => {
                "event_by_session ((session_id,id)>(?,?) AND (session_id,id)<(?,?))"
            }
            EventQuery { user: Some(_), .. } => "event_by_user ((user_id,id)>(?,?) AND (user_id,id)<(?,?))",
            EventQuery { network: Some(_), .. } => {
                "event_by_network ((network,id)>(?,?) AND (network,id)<(?,?))"
            }
            EventQuery { kind: Some(_), .. } => "event_by_type ((type,id)>(?,?) AND (type,id)<(?,?))",
            EventQuery { success: Some(_), .. } => {
                "event_by_success ((success,id)>(?,?) AND (success,id)<(?,?))"
            }
            _ => "PRIMARY KEY (id>? AND id<?)",
        };
        let list = sql::event_list(&query, Some(EventId::from_bytes([2; 16])));
        // Of two bounds on one side the plan shows one, and does not say that it is the looser.
        assert_eq!((list.sql.matches(">=").count(), list.sql.matches('<').count()), (1, 1));
        let mut plans = vec![plan(&connection, &list.sql)];
        plans.extend(sql::event_horizon(&query).map(|horizon| plan(&connection, &horizon.sql)));
        for plan in plans {
            assert!(plan.contains(index), "{query:?}: {plan}");
            assert!(plan.lines().count() == 1, "nothing is sorted: {plan}");
        }
    }
}

#[test]
fn findings_are_counted_from_an_index_that_holds_all_of_it() {
    let (_folder, connection) = file();
    for (kind, index) in [
        (SuspicionKind::FailedLoginsByIp, "USING COVERING INDEX event_login_failed (type=? AND id>?)"),
        (SuspicionKind::FailedLoginsByAccount, "USING COVERING INDEX event_login_failed (type=? AND id>?)"),
        (SuspicionKind::AccountsPerIp, "USING COVERING INDEX event_account_tried (id>?)"),
        (SuspicionKind::RefreshReuse, "USING INDEX event_by_type (type=? AND id>?)"),
    ] {
        let counted = plan(&connection, sql::suspicious(kind));
        assert!(counted.contains(&format!("SEARCH event {index}")), "{kind:?}: {counted}");
        assert!(!counted.contains("SCAN event"), "{kind:?}: {counted}");
        let horizon = plan(&connection, sql::suspicion_horizon(kind));
        assert!(horizon.contains("SEARCH event USING COVERING INDEX"), "{kind:?}: {horizon}");
        assert_eq!(horizon.lines().count(), 1, "nothing is sorted: {horizon}");
    }
}

#[test]
fn a_list_of_sessions_is_a_range_of_one_index_in_order() {
    let (_folder, connection) = file();
    for (by, page, cut) in explorer::STATEMENTS {
        let index = match by {
            "all" => "SEARCH s USING PRIMARY KEY (id",
            "user" => "SEARCH s USING INDEX session_of_user (user_id=? AND id",
            "address" => "SEARCH s USING INDEX session_by_ip (ip=? AND id",
            _ => "SEARCH s USING INDEX session_by_end (",
        };
        for query in [page, cut] {
            let plan = plan(&connection, query).replace("COVERING ", "");
            assert!(plan.contains(index), "{by}: {plan}");
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{by}: {plan}");
        }
    }
}

#[test]
fn what_was_counted_is_read_by_its_time() {
    let (_folder, connection) = file();
    let read = plan(&connection, figures::FIGURES);
    assert!(read.contains("SEARCH figure USING PRIMARY KEY (at>? AND at<?)"), "{read}");
    let sweep = plan(&connection, figures::SWEEP_FIGURES);
    assert!(!sweep.contains("SCAN figure") && sweep.contains("(at<?)"), "{sweep}");
}

#[test]
fn the_chain_is_found_by_its_indexes() {
    let (_folder, connection) = file();
    for (query, index) in [
        (sql::LAST_SEAL, "SCAN s"),
        (sql::SEAL_AFTER, "SEARCH s USING INTEGER PRIMARY KEY"),
        (sql::BATCH, "SEARCH e USING INDEX event_by_batch (batch=?)"),
        (sql::PAST_SEAL, "SEARCH s USING INDEX event_seal_kept (newest<?)"),
        (sql::UNSEALED, "SEARCH e USING INDEX event_by_batch (batch=? AND id>? AND id<?)"),
        (sql::STRAYS, "event_by_batch (batch>?)"),
    ] {
        let plan = plan(&connection, query);
        assert!(plan.contains(index), "{query}: {plan}");
        assert!(!plan.contains("SCAN e") && !plan.contains("TEMP B-TREE"), "{query}: {plan}");
    }
}

#[test]
fn a_refresh_makes_no_temporary_table() {
    let (_folder, connection) = file();
    let session = SessionId::from_bytes([1; 16]);
    let after = Progress::opened(Timestamp::default());
    let advance = Write::Advance { session, newest: Some(0), unseen: true, after, resting: None };
    for Statement { sql, .. } in statements(Change::of([advance])) {
        let mut statement = connection.prepare(&format!("EXPLAIN {sql}")).expect("a statement");
        let mut rows = statement.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().expect("a step") {
            steps.push(row.get::<_, String>(1).expect("a text"));
        }
        assert!(steps.contains(&"IdxInsert".to_owned()), "the row is written: {steps:?}");
        assert!(!steps.contains(&"OpenEphemeral".to_owned()), "{steps:?}");
    }
}
