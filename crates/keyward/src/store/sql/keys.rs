//! What is asked of and written to the keys in SQL: those that sign access tokens, and those for refresh
//! tokens?

use keyward_core::change::Conflict;
use keyward_core::key::{Algorithm, KeyRecord, KeyState};
use keyward_core::time::Timestamp;

use super::{Expect, Plan, Row, Value, corrupt, number, text, time};
use crate::store::{Fault, StoredMacKey};

pub(in crate::store) const KEYS: &str = "SELECT kid, algorithm, state, created_at, active_from, retired_at, revoked_at, sealed \
     FROM signing_key ORDER BY created_at, kid";
pub(in crate::store) const MAC_KEYS: &str = "SELECT id, created_at, sealed FROM mac_key ORDER BY id DESC";
/// The counter is there from the start; by it nodes learn that keys of either kind changed.
const NEXT_KEYS_VERSION: &str = "UPDATE counter SET value = value + 1 WHERE name = 'keys_version'";

impl Plan {
    pub(super) fn set_keys(&mut self, version: u64, keys: Vec<KeyRecord>) {
        self.push(
            "UPDATE counter SET value = value + 1 WHERE name = 'keys_version' AND value = ?1",
            Expect::OneRow(Conflict::Changed),
            [number(version)],
        );
        self.push("DELETE FROM signing_key", Expect::Anything, []);
        for key in keys {
            self.insert_key(key);
        }
    }

    fn insert_key(&mut self, key: KeyRecord) {
        self.push(
            "INSERT INTO signing_key (kid, algorithm, state, created_at, active_from, retired_at, revoked_at, \
             sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            Expect::OneRow(Conflict::Changed),
            [
                text(key.kid),
                text(key.algorithm.as_str()),
                text(key.state.as_str()),
                time(key.created_at),
                key.active_from.map_or(Value::Null, time),
                key.retired_at.map_or(Value::Null, time),
                key.revoked_at.map_or(Value::Null, time),
                Value::Bytes(key.secret),
            ],
        );
    }

    pub(super) fn add_mac_key(&mut self, id: u16, sealed: Vec<u8>, created_at: Timestamp) {
        let changed = Expect::OneRow(Conflict::Changed);
        self.push(NEXT_KEYS_VERSION, changed, []);
        self.push(
            "INSERT INTO mac_key (id, sealed, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            changed,
            [Value::Int(i64::from(id)), Value::Bytes(sealed), time(created_at)],
        );
    }

    pub(super) fn forget_mac_key(&mut self, id: u16) {
        let changed = Expect::OneRow(Conflict::Changed);
        self.push(NEXT_KEYS_VERSION, changed, []);
        self.push("DELETE FROM mac_key WHERE id = ?1", changed, [Value::Int(i64::from(id))]);
    }
}

pub(in crate::store) fn key(row: &impl Row) -> Result<KeyRecord, Fault> {
    let moment = |column| Ok::<_, Fault>(row.optional_int(column)?.map(Timestamp::from_micros));
    Ok(KeyRecord {
        kid: row.text(0)?,
        algorithm: Algorithm::parse(&row.text(1)?).ok_or_else(|| corrupt("signing_key.algorithm"))?,
        state: KeyState::parse(&row.text(2)?).ok_or_else(|| corrupt("signing_key.state"))?,
        created_at: Timestamp::from_micros(row.int(3)?),
        active_from: moment(4)?,
        retired_at: moment(5)?,
        revoked_at: moment(6)?,
        secret: row.bytes(7)?,
    })
}

pub(in crate::store) fn mac_key(row: &impl Row) -> Result<StoredMacKey, Fault> {
    let id = u16::try_from(row.int(0)?).map_err(|_| corrupt("mac_key.id"))?;
    Ok(StoredMacKey { id, created_at: Timestamp::from_micros(row.int(1)?), sealed: row.bytes(2)? })
}
