//! Is the schema made once, by whoever comes first, and never in the way of others?

use tokio::task::JoinSet;

use super::{Postgres, PostgresError, PostgresOptions, clock, made};
use crate::store::Store as _;
use crate::store::postgres::migrate::{BUDGET, SCHEMA, TABLES};
use crate::store::servers::postgres::server;

async fn opened(url: String) -> Result<Postgres, PostgresError> {
    Postgres::open(&PostgresOptions::new(url).max_connections(2), false, &clock()).await
}

#[tokio::test]
async fn of_many_nodes_that_start_at_once_one_makes_the_schema() {
    let database = server().database();
    let mut nodes = JoinSet::new();
    for _ in 0..8 {
        nodes.spawn(opened(database.url()));
    }
    for node in nodes.join_all().await {
        node.expect("it opens").ping().await.expect("it answers");
    }
    assert_eq!(database.sql("SELECT count(*), max(version), max(oldest) FROM schema"), "1|8|8\n");
    let mut tables: Vec<String> = database
        .sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        .lines()
        .map(str::to_owned)
        .collect();
    tables.sort_unstable();
    let mut named: Vec<_> = TABLES.into_iter().chain([SCHEMA, BUDGET]).collect();
    named.sort_unstable();
    assert_eq!(tables, named, "each is moved, and looked for where it might be somebody else's");
    let other = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' \
                 AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'";
    assert_eq!(database.sql(other), "0\n", "all text is compared byte by byte");
}

#[tokio::test]
async fn a_newer_schema_is_used_as_long_as_it_allows() {
    let database = made();
    database.sql("INSERT INTO schema VALUES (9, 8, 0)");
    opened(database.url()).await.expect("the release before may");
    database.sql("INSERT INTO schema VALUES (10, 9, 0)");
    let error = opened(database.url()).await.err().expect("refused");
    assert!(matches!(error, PostgresError::TooNew { found: 10, known: 8, .. }), "{error}");
    assert!(error.to_string().contains("run that release or a later one"), "{error}");
}

#[tokio::test]
async fn tables_of_others_stay_as_they_are() {
    let database = server().database();
    database.sql("CREATE TABLE session (mine int); INSERT INTO session VALUES (7)");
    let error = opened(database.url()).await.err().expect("refused");
    assert!(matches!(&error, PostgresError::Foreign { table, .. } if table == "session"), "{error}");
    assert!(error.to_string().contains("CREATE SCHEMA"), "{error}");
    // Not even one that has the name, but not the mark.
    database.sql("CREATE TABLE schema (version int)");
    let error = opened(database.url()).await.err().expect("refused");
    assert!(matches!(&error, PostgresError::Foreign { table, .. } if table == "schema"), "{error}");
    assert_eq!(database.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "2\n");
    // A schema of its own, in the same database.
    let own = format!("{}?options=-csearch_path%3Dkeyward", database.url());
    let error = opened(own.clone()).await.err().expect("there is none");
    assert!(error.to_string().contains("CREATE SCHEMA"), "{error}");
    database.sql("CREATE SCHEMA keyward");
    opened(own.clone()).await.expect("it opens").ping().await.expect("it answers");
    opened(own).await.expect("and again");
    assert_eq!(database.sql("SELECT mine FROM public.session"), "7\n");
    assert_eq!(database.sql("SELECT count(*) FROM keyward.session"), "0\n");
}

#[tokio::test]
async fn what_cannot_be_used_is_told_in_one_line() {
    let database = made();
    let name = &database.name;
    database.sql(&format!("CREATE ROLE {name} LOGIN"));
    let at = |role: &str, database: &str| server().url(database).replace("keyward@", role);
    for (url, told) in [
        (at("keyward@", "nowhere"), "CREATE DATABASE"),
        (at("nobody@", name), "role \"nobody\" does not exist"),
        (at("locked:kanarienvogel@", name), "password authentication failed"),
        (at("locked:pw/kanarienvogel@", name), "write %2F"),
        (at("locked:kanarienvogel/x@", name), "write %2F"),
        (at("locked:pw@kanarienvogel@", name), "write %2F"),
        (at(&format!("{name}@"), name), "permission denied"),
        ("postgres://keyward@127.0.0.1:1/keyward".to_owned(), "is Postgres running there"),
        (format!("{}?sslmode=require", server().url(name)), "no encrypted connection"),
        ("mysql://127.0.0.1/keyward".to_owned(), "it has to begin with postgres://"),
        ("postgres:///keyward".to_owned(), "it names no host"),
        (format!("{}?sslmode=maybe", server().url(name)), "none of disable"),
        (format!("{}?sslrootcert=/nowhere", server().url(name)), "sslrootcert=/nowhere"),
        (format!("{}?kanarienvogel=1", server().url(name)), "can't be understood"),
    ] {
        let error = opened(url.clone()).await.err().unwrap_or_else(|| panic!("{url} opens")).to_string();
        assert!(error.contains(told), "{url}: {error}");
        assert!(!error.contains("kanarienvogel") || told.contains("understood"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    database.sql(&format!("DROP ROLE {name}"));
}
