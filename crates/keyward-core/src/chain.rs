//! What shows that the audit trail was changed?
//!
//! Each row carries a mark from the moment it is written: an HMAC of all that it says but its
//! count, so a row that somebody else put there is known as such, whatever its date. A while later
//! rows are sealed in batches. A [`Seal`] names every row of its batch with an HMAC of the whole row
//! as it then was, and its own MAC takes in that of the seal before it:
//!
//! ```text
//! mac(n) = HMAC(key, n | sealed_at | newest | rows | SHA-256(id, tag, id, tag, …) | mac(n - 1))
//! ```
//!
//! so a sealed row can't be changed, removed or added to, and no seal left out, by anybody who does
//! not hold the key. When the rows of a batch are past their time its seal stays, with a MAC that
//! shows that Keyward removed them.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use serde_json::Value;

use crate::event::{Event, Recorded};
use crate::id::EventId;
use crate::time::Timestamp;

/// How many bytes an HMAC of a row keeps: 128 bits.
const TAG: usize = 16;
/// How many bytes a row takes in a seal.
const ENTRY: usize = 16 + TAG;

/// The key that marks and seals rows. It never shows its bytes.
pub struct ChainKey {
    key: hmac::Key,
    since: Timestamp,
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainKey").field("since", &self.since).finish_non_exhaustive()
    }
}

/// One row in a seal: its id, and what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Which row.
    pub id: EventId,
    /// An HMAC of all that it says.
    pub tag: [u8; TAG],
}

/// The seal of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Its place in the chain; the first is 1.
    pub number: u64,
    /// When it was made.
    pub sealed_at: Timestamp,
    /// When the newest row of the batch was made: all of it may go once that is past its time.
    pub newest: Timestamp,
    /// How many rows the batch has.
    pub rows: u64,
    /// SHA-256 of the entries.
    pub digest: [u8; 32],
    /// The rows, by id; `None` since they were removed.
    pub entries: Option<Vec<Entry>>,
    /// The MAC over all that, and over the MAC of the seal before.
    pub mac: [u8; 32],
    /// When the rows were removed, and the MAC that shows by whom.
    pub removed: Option<Removal>,
}

/// That the rows of a batch were removed because their time was past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// When.
    pub at: Timestamp,
    /// The MAC.
    pub mac: [u8; 32],
}

/// Something that nobody but Keyward may do to the audit trail, and somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A seal is not there.
    SealMissing(u64),
    /// A seal is not as it was made, or the one before it is not.
    SealChanged(u64),
    /// The rows of a batch are gone, and Keyward did not remove them.
    BatchRemoved(u64),
    /// A row is gone.
    RowMissing(u64, EventId),
    /// A row says something else than it did when it was sealed.
    RowChanged(u64, EventId),
    /// A row claims to be of a batch that it is not of.
    RowAdded(i64, EventId),
    /// A row was not written by Keyward, or changed since.
    RowForeign(EventId),
    /// The chain does not hold the seal that it is known to have had: its end was cut off, or all
    /// of it was replaced.
    Cut(SealName),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SealMissing(number) => write!(f, "seal {number} is missing"),
            Self::SealChanged(number) => write!(f, "seal {number} was changed"),
            Self::BatchRemoved(number) => {
                write!(f, "batch {number} was removed, and not because its time was past")
            }
            Self::RowMissing(batch, id) => write!(f, "batch {batch}: event {id} is missing"),
            Self::RowChanged(batch, id) => write!(f, "batch {batch}: event {id} was changed"),
            Self::RowAdded(batch, id) => write!(f, "batch {batch}: event {id} was added"),
            Self::RowForeign(id) => write!(f, "event {id} was not written by Keyward, or was changed"),
            Self::Cut(name) => {
                write!(f, "seal {name} is not in the chain: its end was cut off, or it was replaced")
            }
        }
    }
}

/// What a seal is called in the log: its number and its MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealName {
    /// The number.
    pub number: u64,
    /// The MAC.
    pub mac: [u8; 32],
}

impl fmt::Display for SealName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.number)?;
        self.mac.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that names no seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSealName;

impl fmt::Display for InvalidSealName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a seal as the log names it: a number, a colon and 64 hexadecimal digits")
    }
}

impl std::error::Error for InvalidSealName {}

impl std::str::FromStr for SealName {
    type Err = InvalidSealName;

    fn from_str(text: &str) -> Result<Self, InvalidSealName> {
        let (number, hex) = text.split_once(':').ok_or(InvalidSealName)?;
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(InvalidSealName);
        }
        let mut mac = [0; 32];
        for (byte, digits) in mac.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| InvalidSealName)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidSealName)?;
        }
        Ok(Self { number: number.parse().map_err(|_| InvalidSealName)?, mac })
    }
}

impl ChainKey {
    /// The key of these 32 random bytes, in use since then: rows from before carry no mark.
    pub fn new(secret: &[u8; 32], since: Timestamp) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), since }
    }

    /// What shows that Keyward wrote this event. It covers all but what is counted into it later.
    pub fn mark(&self, event: &Event) -> [u8; TAG] {
        short(&self.sign("keyward event v1", &[&said(event)]))
    }

    /// Whether Keyward wrote this row, as far as its mark can tell.
    pub fn knows(&self, row: &Recorded) -> bool {
        match row.event.mark {
            Some(mark) => mark == self.mark(&row.event),
            None => row.event.id.made_at() < self.since,
        }
    }

    /// Seals these rows, in order of their ids, after that seal.
    pub fn seal(&self, before: Option<&Seal>, rows: &[Recorded], now: Timestamp) -> Seal {
        let entries: Vec<Entry> =
            rows.iter().map(|row| Entry { id: row.event.id, tag: self.tag(row) }).collect();
        let mut seal = Seal {
            number: before.map_or(0, |seal| seal.number) + 1,
            sealed_at: now,
            newest: entries.iter().map(|entry| entry.id.made_at()).max().unwrap_or(now),
            rows: entries.len() as u64,
            digest: digest_of(&entries),
            entries: Some(entries),
            mac: [0; 32],
            removed: None,
        };
        seal.mac = self.mac(&seal, before);
        seal
    }

    /// That the rows of this seal are removed now.
    pub fn remove(&self, seal: &Seal, now: Timestamp) -> Removal {
        let parts: [&[u8]; 3] = [&seal.number.to_be_bytes(), &now.micros().to_be_bytes(), &seal.mac];
        Removal { at: now, mac: self.sign("keyward removal v1", &parts) }
    }

    /// What is wrong with a seal, of which `before` is the one that stands before it in the store,
    /// and with the rows that claim to be of its batch, by id.
    pub fn check(&self, before: Option<&Seal>, seal: &Seal, rows: &[Recorded]) -> Vec<Finding> {
        let number = seal.number;
        let follows = before.map_or(0, |seal| seal.number) + 1;
        let mut findings: Vec<Finding> = (follows..number).take(MANY).map(Finding::SealMissing).collect();
        let whole = seal
            .entries
            .as_ref()
            .is_none_or(|entries| digest_of(entries) == seal.digest && entries.len() as u64 == seal.rows);
        // Behind a gap nothing can be said of the link, only of the seal's own rows.
        if !whole || (follows == number && self.mac(seal, before) != seal.mac) {
            findings.push(Finding::SealChanged(number));
        }
        let removed = seal.removed.is_some_and(|removal| self.remove(seal, removal.at) == removal);
        let entries = match &seal.entries {
            Some(entries) => entries.as_slice(),
            None if removed => &[],
            None => {
                findings.push(Finding::BatchRemoved(number));
                &[]
            }
        };
        for entry in entries {
            match rows.binary_search_by_key(&entry.id, |row| row.event.id) {
                Err(_) => findings.push(Finding::RowMissing(number, entry.id)),
                Ok(at) if self.tag(&rows[at]) != entry.tag => {
                    findings.push(Finding::RowChanged(number, entry.id));
                }
                Ok(at) if !self.knows(&rows[at]) => findings.push(Finding::RowForeign(entry.id)),
                Ok(_) => {}
            }
        }
        let named = |id: &EventId| entries.binary_search_by_key(id, |entry| entry.id).is_ok();
        let place = i64::try_from(number).unwrap_or(i64::MAX);
        let added = rows.iter().map(|row| row.event.id).filter(|id| !named(id));
        findings.extend(added.map(|id| Finding::RowAdded(place, id)));
        findings
    }

    fn tag(&self, row: &Recorded) -> [u8; TAG] {
        let last_at = row.last_at.map_or(i64::MIN, Timestamp::micros);
        let mark = row.event.mark.unwrap_or_default();
        let parts: [&[u8]; 4] = [&said(&row.event), &row.count.to_be_bytes(), &last_at.to_be_bytes(), &mark];
        short(&self.sign("keyward row v1", &parts))
    }

    fn mac(&self, seal: &Seal, before: Option<&Seal>) -> [u8; 32] {
        let before = before.map_or([0; 32], |seal| seal.mac);
        let parts: [&[u8]; 6] = [
            &seal.number.to_be_bytes(),
            &seal.sealed_at.micros().to_be_bytes(),
            &seal.newest.micros().to_be_bytes(),
            &seal.rows.to_be_bytes(),
            &seal.digest,
            &before,
        ];
        self.sign("keyward seal v1", &parts)
    }

    fn sign(&self, what: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(what.as_bytes());
        parts.iter().for_each(|part| context.update(part));
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

/// How many missing seals in a row are named one by one.
const MANY: usize = 100;

impl Seal {
    /// What the log calls it.
    pub fn name(&self) -> SealName {
        SealName { number: self.number, mac: self.mac }
    }

    /// The entries as they rest, one after the other; `None` since they were removed.
    pub fn entries_to_bytes(&self) -> Option<Vec<u8>> {
        self.entries.as_deref().map(bytes_of)
    }
}

/// Reads entries as [`Seal::entries_to_bytes`] writes them; `None` where they are no such thing.
pub fn entries_from_bytes(bytes: &[u8]) -> Option<Vec<Entry>> {
    if !bytes.len().is_multiple_of(ENTRY) {
        return None;
    }
    let entries = bytes.chunks_exact(ENTRY).map(|chunk| {
        let (id, tag) = chunk.split_at(16);
        Some(Entry { id: EventId::from_bytes(id.try_into().ok()?), tag: tag.try_into().ok()? })
    });
    entries.collect()
}

fn bytes_of(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.id.as_bytes().iter().chain(&entry.tag).copied()).collect()
}

fn digest_of(entries: &[Entry]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &bytes_of(entries)).as_ref());
    out
}

fn short(mac: &[u8; 32]) -> [u8; TAG] {
    let mut tag = [0; TAG];
    tag.copy_from_slice(&mac[..TAG]);
    tag
}

/// All that an event says but its count: each part with its length, so that no two events spell
/// the same.
fn said(event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut part = |bytes: Option<&[u8]>| match bytes {
        None => out.extend_from_slice(&u32::MAX.to_be_bytes()),
        Some(bytes) => {
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1).to_be_bytes());
            out.extend_from_slice(bytes);
        }
    };
    let mut details = String::new();
    // The count stands in a column of its own.
    members(event.details.iter().filter(|(name, _)| *name != "count"), &mut details);
    part(Some(event.id.as_bytes()));
    part(Some(&event.at.micros().to_be_bytes()));
    part(Some(event.kind.as_str().as_bytes()));
    part(event.user.as_ref().map(|user| user.as_bytes().as_slice()));
    part(event.session.as_ref().map(|session| session.as_bytes().as_slice()));
    part(event.ip.as_deref().map(str::as_bytes));
    part(event.user_agent.as_deref().map(str::as_bytes));
    part(Some(&[u8::from(event.success)]));
    part(event.reason.as_deref().map(str::as_bytes));
    part(Some(details.as_bytes()));
    out
}

/// JSON with the members of each object sorted: what it says, however the store gives it back.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => members(object.iter(), out),
        Value::Array(list) => {
            out.push('[');
            for value in list {
                canonical(value, out);
                out.push(',');
            }
            out.push(']');
        }
        _ => out.push_str(&value.to_string()),
    }
}

fn members<'a>(object: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut String) {
    let mut members: Vec<_> = object.collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    out.push('{');
    for (name, value) in members {
        out.push_str(&Value::from(name.as_str()).to_string());
        out.push(':');
        canonical(value, out);
        out.push(',');
    }
    out.push('}');
}

#[cfg(test)]
mod tests;
