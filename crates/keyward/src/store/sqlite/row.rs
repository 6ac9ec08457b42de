//! How do values go into SQLite, and come out of it?

use rusqlite::types::{FromSql, ToSql, ToSqlOutput, ValueRef};

use crate::store::Fault;
use crate::store::sql::{Row, Value};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Bool(yes) => ValueRef::Integer(i64::from(*yes)),
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Id(id) => ValueRef::Blob(id),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::List(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure("SQLite has no lists".into()));
            }
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn int(&self, column: usize) -> Result<i64, Fault> {
        get(self, column)
    }

    fn optional_int(&self, column: usize) -> Result<Option<i64>, Fault> {
        get(self, column)
    }

    fn bool(&self, column: usize) -> Result<bool, Fault> {
        get(self, column)
    }

    fn text(&self, column: usize) -> Result<String, Fault> {
        get(self, column)
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, Fault> {
        get(self, column)
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, Fault> {
        get(self, column)
    }

    fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Fault> {
        get(self, column)
    }

    fn read<T>(&self, column: usize, read: impl FnOnce(&str) -> T) -> Result<T, Fault> {
        let text = self.get_ref(column).and_then(|value| Ok(value.as_str()?));
        text.map(read).map_err(|e| corrupt(&e))
    }

    fn id(&self, column: usize) -> Result<[u8; 16], Fault> {
        get(self, column)
    }
}

fn get<T: FromSql>(row: &rusqlite::Row<'_>, column: usize) -> Result<T, Fault> {
    row.get(column).map_err(|e| corrupt(&e))
}

fn corrupt(error: &rusqlite::Error) -> Fault {
    Fault::Corrupt(error.to_string())
}
