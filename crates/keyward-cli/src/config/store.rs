//! Which database?

use std::path::PathBuf;

use serde_json::json;

use super::rule::{Refusal, Rule, nothing};
use super::secret::Secret;

const SQLITE_ALONE: &str = "this build has only SQLite; Postgres and Redis come in a later release";

/// The database that `database.url` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// SQLite in this file. Its folder is the data folder.
    Sqlite(PathBuf),
}

/// The database.
pub(super) fn database_url() -> Rule<DatabaseUrl> {
    let read = |text: &str| match text.split_once("://") {
        Some(("sqlite", path)) => sqlite(path),
        Some(("postgres" | "postgresql", _)) => Err(Refusal::because(SQLITE_ALONE)),
        _ => Err(Refusal::default()),
    };
    Rule::text(
        "sqlite://folder/file.db, or sqlite:///folder/file.db from the root",
        read,
        |DatabaseUrl::Sqlite(path)| format!("sqlite://{}", path.display()),
    )
    .described(json!({ "type": "string", "pattern": "^sqlite://." }))
    .secret()
}

/// The way past a transaction pooler, which SQLite has no use for.
pub(super) fn direct_url() -> Rule<Option<Secret<String>>> {
    nothing(json!(""), SQLITE_ALONE)
}

/// The nodes of Redis.
pub(super) fn redis_urls() -> Rule<Vec<Secret<String>>> {
    nothing(json!([]), SQLITE_ALONE)
}

fn sqlite(path: &str) -> Result<DatabaseUrl, Refusal> {
    if path.starts_with(':') {
        return Err(Refusal::because("what is in memory alone would be lost with the process"));
    }
    if path.contains(['?', '#', '\0']) {
        return Err(Refusal::because("there are no options behind the file"));
    }
    if path.is_empty() || path.ends_with(['/', '\\']) {
        return Err(Refusal::because("it names no file"));
    }
    Ok(DatabaseUrl::Sqlite(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::Raw;

    #[test]
    fn a_sqlite_url_names_a_file() {
        let read = |text: &str| database_url().read(&Raw::Word(text.into()));
        for (text, path) in [
            ("sqlite://keyward-data/keyward.db", "keyward-data/keyward.db"),
            ("sqlite:///var/lib/keyward/keyward.db", "/var/lib/keyward/keyward.db"),
            ("sqlite://./a b%20c.db", "./a b%20c.db"),
        ] {
            assert_eq!(read(text), Ok(DatabaseUrl::Sqlite(path.into())));
            let rule = database_url();
            assert_eq!(rule.show(&rule.read(&Raw::Word(text.into())).expect(text)), json!(text));
        }
        for text in [
            "",
            "sqlite://",
            "sqlite:///",
            "sqlite://data/",
            "sqlite://:memory:",
            "sqlite::memory:",
            "sqlite://a.db?mode=ro",
            "keyward.db",
            "mysql://localhost/keyward",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
