//! How do values go into Postgres, and come out of it?

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

use crate::store::Fault;
use crate::store::sql::{Row, Value};

impl Value {
    /// The type that it has where nothing else says one; of none, the database finds it out.
    pub(super) fn type_of(&self) -> Type {
        match self {
            Self::Null => Type::UNKNOWN,
            Self::Bool(_) => Type::BOOL,
            Self::Int(_) => Type::INT8,
            Self::Id(_) => Type::UUID,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
            Self::List(all) => {
                all.iter().find(|one| **one != Self::Null).map_or(Type::UNKNOWN, |one| match one {
                    Self::Bool(_) => Type::BOOL_ARRAY,
                    Self::Int(_) => Type::INT8_ARRAY,
                    Self::Id(_) => Type::UUID_ARRAY,
                    Self::Text(_) => Type::TEXT_ARRAY,
                    Self::Bytes(_) => Type::BYTEA_ARRAY,
                    Self::Null | Self::List(_) => Type::UNKNOWN,
                })
            }
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let known = self.type_of();
        if *ty != known && known != Type::UNKNOWN {
            return Err(format!("{ty} was asked for, and {known} is there").into());
        }
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Bool(yes) => out.put_u8(u8::from(*yes)),
            Self::Int(n) => out.put_i64(*n),
            Self::Id(id) => out.put_slice(id),
            Self::Text(text) => out.put_slice(text.as_bytes()),
            Self::Bytes(bytes) => out.put_slice(bytes),
            // Of nothing but NULLs, it is as good as none.
            Self::List(_) if known == Type::UNKNOWN => return Ok(IsNull::Yes),
            Self::List(all) => return all.to_sql(ty, out),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

/// The bytes of an id or of bytes; a NULL that has no type of its own comes as text.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(ty: &Type) -> bool {
        [Type::UUID, Type::BYTEA, Type::TEXT].contains(ty)
    }
}

impl Row for tokio_postgres::Row {
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
        get(self, column).map(|Raw(bytes)| bytes.to_vec())
    }

    fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Fault> {
        get(self, column).map(|raw: Option<Raw<'_>>| raw.map(|Raw(bytes)| bytes.to_vec()))
    }
}

fn get<'a, T: FromSql<'a>>(row: &'a tokio_postgres::Row, column: usize) -> Result<T, Fault> {
    row.try_get(column).map_err(|e| Fault::Corrupt(super::error::told(&e)))
}
