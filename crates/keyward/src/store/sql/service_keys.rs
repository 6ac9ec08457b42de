//! What is asked of and written to the service keys in SQL?

use keyward_core::change::Conflict;
use keyward_core::id::ServiceKeyId;
use keyward_core::service_key::{Scope, ServiceKey};
use keyward_core::time::Timestamp;

use super::{Expect, Plan, Row, Value, corrupt, id, list, number, text, time};
use crate::store::Fault;

pub(in crate::store) const SERVICE_KEYS: &str =
    "SELECT id, name, hash, scopes, created_at, last_used_at FROM service_key ORDER BY id";

impl Plan {
    pub(super) fn add_service_key(&mut self, version: u64, key: ServiceKey) {
        self.raise_service_keys(version);
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        self.push(
            "INSERT INTO service_key (id, name, hash, scopes, created_at, last_used_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            Expect::OneRow(Conflict::Changed),
            [
                id(key.id),
                text(key.name),
                Value::Bytes(key.hash.to_vec()),
                text(scopes.join(",")),
                time(key.created_at),
                key.last_used_at.map_or(Value::Null, time),
            ],
        );
    }

    pub(super) fn remove_service_key(&mut self, version: u64, key: ServiceKeyId) {
        self.raise_service_keys(version);
        let sql = "DELETE FROM service_key WHERE id = ?1";
        self.push(sql, Expect::OneRow(Conflict::Changed), [id(key)]);
    }

    pub(super) fn note_service_key(&mut self, key: ServiceKeyId, used_at: Timestamp) {
        self.push(
            "UPDATE service_key SET last_used_at = ?2 \
             WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
            Expect::Anything,
            [id(key), time(used_at)],
        );
    }

    fn raise_service_keys(&mut self, version: u64) {
        self.push(
            "UPDATE counter SET value = value + 1 WHERE name = 'service_keys_version' AND value = ?1",
            Expect::OneRow(Conflict::Changed),
            [number(version)],
        );
    }
}

pub(in crate::store) fn service_key(row: &impl Row) -> Result<ServiceKey, Fault> {
    let scope = |name: String| Scope::parse(&name).ok_or_else(|| corrupt("service_key.scopes"));
    Ok(ServiceKey {
        id: ServiceKeyId::from_bytes(row.id(0)?),
        name: row.text(1)?,
        hash: row.bytes(2)?.try_into().map_err(|_| corrupt("service_key.hash"))?,
        scopes: list(&row.text(3)?).into_iter().map(scope).collect::<Result<_, _>>()?,
        created_at: Timestamp::from_micros(row.int(4)?),
        last_used_at: row.optional_int(5)?.map(Timestamp::from_micros),
    })
}
