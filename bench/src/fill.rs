//! How is a database filled with as many sessions as a large installation has?

use std::path::Path;

use keyward::core::id::{SessionId, UserId};
use keyward::core::time::Timestamp;
use rusqlite::Connection;

/// Adds so many accounts with one session each, straight into the file.
pub(crate) fn sessions(folder: &Path, count: u64) {
    let mut connection = Connection::open(folder.join("keyward.db")).expect("a database");
    connection.execute_batch("PRAGMA synchronous = OFF").expect("set");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    let now = Timestamp::default().after(now);
    let transaction = connection.transaction().expect("a transaction");
    for i in 0..count {
        let mut random = [0; 10];
        // Ids as they would be: in order of time, otherwise scattered.
        random[..8].copy_from_slice(&i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let opened = now.before(std::time::Duration::from_millis((count - i) / 2));
        let user = UserId::new(opened, random);
        let session = SessionId::new(opened, random);
        transaction
            .prepare_cached(
                "INSERT INTO account (id, email, email_verified, phone_number_verified, password, cost_class, \
                 roles, is_active, roles_version, version, created_at, last_login_at) \
                 VALUES (?1, ?2, 0, 0, '$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', \
                 '$argon2id$v=19$m=8,t=1,p=1', 'user', 1, 0, 0, ?3, ?3)",
            )
            .and_then(|mut insert| insert.execute((user.as_bytes(), format!("user{i}@example.com"), opened.micros())))
            .expect("an account");
        transaction
            .prepare_cached(
                "INSERT INTO session VALUES (?1, ?2, 'bearer', ?3, ?3, 'pwd', '203.0.113.7', \
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', NULL, NULL, 0, NULL, 'opening', ?3, 0, ?3)",
            )
            .and_then(|mut insert| insert.execute((session.as_bytes(), user.as_bytes(), opened.micros())))
            .expect("a session");
        transaction
            .prepare_cached("INSERT INTO account_role (user_id, role) VALUES (?1, 'user')")
            .and_then(|mut insert| insert.execute((user.as_bytes(),)))
            .expect("a role");
    }
    transaction.commit().expect("committed");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
}

/// How many bytes of the file are in use.
pub(crate) fn used_bytes(folder: &Path) -> i64 {
    let connection = Connection::open(folder.join("keyward.db")).expect("a database");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    let pragma = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).expect("a figure")
    };
    (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
}
