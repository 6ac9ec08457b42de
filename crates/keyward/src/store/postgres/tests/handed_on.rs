//! Is a database that another test had as good as a new one?

use std::sync::Arc;

use keyward_core::change::{Change, Write};
use keyward_core::id::{SessionId, UserId};
use keyward_core::revocation::Revocation;
use keyward_core::time::Timestamp;

use super::{made, open, raw};
use crate::store::{Store, contract};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_holds_what_a_new_one_does_and_nobody_else_is_there() {
    let database = made();
    let store: Arc<dyn Store> = Arc::new(open(&database).await);
    contract::sign_up(&*store, UserId::from_bytes([1; 16]), SessionId::from_bytes([2; 16])).await;
    let revoke =
        Write::Revoke { revocation: Revocation::Key("a key".to_owned()), until: Timestamp::from_seconds(9) };
    store.commit(Change::of([revoke, Write::SetKeys { version: 0, keys: Vec::new() }])).await.expect("fresh");
    database.sql("DELETE FROM role WHERE name = 'user'; INSERT INTO schema VALUES (9, 8, 0)");
    assert_ne!(database.dump(), made().dump());
    let (held, url) = (raw(&database).await, database.url());
    held.batch_execute("BEGIN; LOCK TABLE account").await.expect("locked");

    let emptied = database.emptied().expect("nothing else was changed");
    assert_eq!(emptied.dump(), made().dump());
    assert!(held.batch_execute("COMMIT").await.is_err(), "who was there is cut off");
    assert!(tokio_postgres::connect(&url, tokio_postgres::NoTls).await.is_err(), "and finds it no more");
    assert!(store.ping().await.is_err());
}

#[tokio::test]
async fn one_that_is_made_of_something_else_is_not_handed_on() {
    for change in [
        "ALTER TABLE session DROP CONSTRAINT session_transport_check",
        "ALTER TABLE access_ttl ADD CONSTRAINT no_more CHECK (FALSE) NOT VALID",
        "ALTER TABLE account ADD COLUMN more BIGINT",
        "ALTER TABLE account ALTER COLUMN roles DROP NOT NULL",
        "ALTER TABLE counter DISABLE TRIGGER keys_told",
        "REVOKE INSERT ON account FROM keyward",
        "DROP INDEX session_by_ip",
        "CREATE TABLE more (mine int)",
        "CREATE SCHEMA keyward",
        "CREATE OR REPLACE FUNCTION tell() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
    ] {
        let database = made();
        database.sql(change);
        assert!(database.emptied().is_none(), "{change}");
    }
    assert!(made().emptied().is_some(), "one that nobody changed is");
}
