//! What must a store be able to do? A few reads and one write.
//!
//! A use case loads, decides with the rules of `keyward-core`, and commits one [`Change`]: all of
//! it or nothing, durable before it is answered. Nothing here assumes that one process alone
//! works on the store; who else writes is told apart by the conditions that each write carries.

pub(crate) mod budget;
pub(crate) mod postgres;
pub(crate) mod redis;
mod sql;
pub(crate) mod sqlite;
pub(crate) mod trail;

#[cfg(test)]
mod contract;
// What only other test binaries use is not missed here.
#[cfg(test)]
#[allow(dead_code)]
#[path = "../tests/servers/mod.rs"]
mod servers;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use keyward_core::account::Account;
use keyward_core::change::{Change, Committed, Conflict};
use keyward_core::email::Email;
use keyward_core::figure::Figure;
use keyward_core::id::{SessionId, UserId};
use keyward_core::key::KeyRecord;
use keyward_core::mail::{Link, Mail, SecretHash};
use keyward_core::phone::Phone;
use keyward_core::revocation::Entry;
use keyward_core::role::Roles;
use keyward_core::service_key::ServiceKey;
use keyward_core::session::{Session, Transport};
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;

/// The store could not be asked, or what it holds can't be. Nothing was written, unless the
/// connection to it was lost with the answer on its way: then nobody knows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// It does not answer, has no room, or is busy.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It holds a record that no Keyward can have written.
    #[error("the store holds an impossible record: {0}")]
    Corrupt(String),
    /// Its sessions move elsewhere than this process was started for, so that what it would read of
    /// them is past. Says what happened, and what to do.
    #[error("{0}")]
    Elsewhere(&'static str),
}

/// Why a change was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NotCommitted {
    /// A condition did not hold.
    #[error("a condition did not hold: {0:?}")]
    Conflict(Conflict),
    /// The store could not be asked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl NotCommitted {
    /// What it is where no condition was asked.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Conflict(conflict) => Fault::Unavailable(format!("a write met a conflict: {conflict:?}")),
        }
    }
}

/// An answer that a store gives later.
pub(crate) type Answer<'a, T, E = Fault> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// By what an account is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Name {
    Id(UserId),
    Email(Email),
    Phone(Phone),
}

/// Which accounts are asked for: those whose key lies in a range, in the order of that key.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// Where the range begins; of the same kind as its end.
    pub(crate) from: Key,
    /// What lies just past it.
    pub(crate) to: Key,
    /// Only those with this role.
    pub(crate) role: Option<String>,
    /// Only those that are active, or only those that are not.
    pub(crate) is_active: Option<bool>,
    /// How many at most.
    pub(crate) limit: u32,
    /// How many are looked at for them.
    pub(crate) scan: u32,
}

/// What accounts are ordered by in a search.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Their id: the oldest first.
    Id(UserId),
    /// Their e-mail address, byte by byte.
    Email(String),
    /// Their phone number; those that have none are not found.
    Phone(String),
}

impl Search {
    /// The account of that id.
    pub(crate) fn only(user: UserId) -> Self {
        let after = u128::from_be_bytes(user.into()).saturating_add(1).to_be_bytes();
        let to = Key::Id(UserId::from_bytes(after));
        Self { from: Key::Id(user), to, role: None, is_active: None, limit: 1, scan: 1 }
    }

    fn key_of(&self, account: &Account) -> Option<Key> {
        match self.from {
            Key::Id(_) => Some(Key::Id(account.id)),
            Key::Email(_) => Some(Key::Email(account.email.as_str().to_owned())),
            Key::Phone(_) => account.phone_number.as_ref().map(|phone| Key::Phone(phone.as_str().to_owned())),
        }
    }

    /// Whether it goes through all who have its role.
    fn by_role(&self) -> bool {
        self.role.is_some() && matches!(self.from, Key::Id(_))
    }

    /// Whether it goes through all who are not active.
    fn by_inactivity(&self) -> bool {
        self.is_active == Some(false) && self.role.is_none() && matches!(self.from, Key::Id(_))
    }
}

/// An account that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) account: Account,
    /// How many open sessions it has.
    pub(crate) sessions: u64,
}

/// A page of a search.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    /// What was found; fewer than asked for where many were looked at in vain.
    pub(crate) accounts: Vec<Found>,
    /// Where the next page begins; `None` where this one was the last.
    pub(crate) next: Option<Key>,
}

/// Which sessions are asked for: the newest first, or where only those that ended are asked for and
/// nothing else names a range, by when they did.
#[derive(Debug, Clone)]
pub(crate) struct SessionSearch {
    pub(crate) user: Option<UserId>,
    /// Opened from exactly this address.
    pub(crate) ip: Option<String>,
    pub(crate) transport: Option<Transport>,
    /// Only those that have not ended, or only those that have.
    pub(crate) is_open: Option<bool>,
    /// Where a list goes on: before this one.
    pub(crate) before: Option<Place>,
    /// How many at most.
    pub(crate) limit: u32,
    /// How many are looked at for them where no index answers the whole question.
    pub(crate) scan: u32,
}

impl SessionSearch {
    /// Whether it goes by when sessions ended.
    fn by_end(&self) -> bool {
        self.is_open == Some(false) && self.user.is_none() && self.ip.is_none()
    }
}

/// A place in a list of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) session: SessionId,
    /// When that ended, in a list that goes by it.
    pub(crate) ended_at: Option<Timestamp>,
}

/// Some sessions, each with the address of its account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionPage {
    pub(crate) sessions: Vec<(Session, String)>,
    /// Where the list goes on. There may be nothing left.
    pub(crate) next: Option<Place>,
}

/// A session as it was loaded, with its account and the version that the table of roles had.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) session: Session,
    pub(crate) account: Account,
    pub(crate) role_table_version: u64,
}

/// The keys that sign access tokens, as they rest in the store.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StoredKeys {
    /// Rises with every change of the table, and of the keys for refresh tokens.
    pub(crate) version: u64,
    pub(crate) keys: Vec<KeyRecord>,
}

/// The service keys, as they rest in the store.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct StoredServiceKeys {
    /// Rises with every key that is made or taken away.
    pub(crate) version: u64,
    pub(crate) keys: Vec<ServiceKey>,
}

/// A key for refresh tokens, as it rests in the store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredMacKey {
    pub(crate) id: u16,
    pub(crate) created_at: Timestamp,
    pub(crate) sealed: Vec<u8>,
}

/// The key of the audit trail's chain, as it rests in the store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredChainKey {
    pub(crate) since: Timestamp,
    pub(crate) sealed: Vec<u8>,
}

/// What happened since the last poll.
#[derive(Debug, Clone, Default)]
pub(crate) struct News {
    /// The revocations past the position asked for, in commit order, at most [`NEWS_LIMIT`].
    pub(crate) revocations: Vec<Entry>,
    /// The version of the signing keys and of those for refresh tokens.
    pub(crate) keys_version: u64,
    /// The version of the table of service keys.
    pub(crate) service_keys_version: u64,
    /// What time it is by the clock of the store, where that has one of its own.
    pub(crate) at: Option<Timestamp>,
    /// The longest life of access tokens that was ever noted, in seconds.
    pub(crate) longest_access_ttl: u64,
    /// The last position that was given out, where the store can tell: where it failed over to one
    /// that had not heard of everything, it is lower than it was.
    pub(crate) last: Option<u64>,
}

/// How many revocations one poll brings at most; where it brings that many, ask again.
pub(crate) const NEWS_LIMIT: usize = 1_000;
/// How long news are worth anything, from the moment they were asked for.
pub(crate) const WORTH: Duration = Duration::from_secs(1);

/// How many classes of hashes are told apart at most: more than anybody has.
pub(crate) const CLASSES: usize = 64;

/// What a sweep may take away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sweep {
    /// The present moment: revocations that no longer matter and links that are past go.
    pub(crate) now: Timestamp,
    /// Sessions whose newest refresh token was made before this go.
    pub(crate) sessions_before: Timestamp,
    /// Mails that were given up and are from before this go.
    pub(crate) mails_before: Timestamp,
    /// What was counted before this goes.
    pub(crate) figures_before: Timestamp,
    /// Where among the sessions this batch begins: after this one.
    pub(crate) after: SessionId,
    /// How many sessions, and how many revocations, one batch looks at.
    pub(crate) limit: u32,
}

/// What a sweep came across.
#[derive(Debug, Clone, Default)]
pub(crate) struct Swept {
    /// How many sessions went.
    pub(crate) sessions: usize,
    /// The open sessions among those that were looked at, for whoever wants to see if they are idle.
    pub(crate) open: Vec<Session>,
    /// Those of them that have ended.
    pub(crate) ended: Vec<SessionId>,
    /// Where the next batch begins; `None` where this one was the last.
    pub(crate) next: Option<SessionId>,
}

/// How many there were of something in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) figure: Figure,
    /// When the span began.
    pub(crate) at: Timestamp,
    pub(crate) count: u64,
}

/// A store. Reads are of one record by its key, or of a bounded list.
pub(crate) trait Store: trail::Trail + Send + Sync + 'static {
    /// The account of that name.
    fn account<'a>(&'a self, name: &'a Name) -> Answer<'a, Option<Account>>;

    /// The session of that id with its account.
    fn session(&self, id: SessionId) -> Answer<'_, Option<Loaded>>;

    /// The same for who asks whose it is, and whether it is over: how far it has come may be what it
    /// was some days ago. So whoever wants to end it needs nothing but what the end is written to.
    fn session_at_rest(&self, id: SessionId) -> Answer<'_, Option<Loaded>> {
        self.session(id)
    }

    /// The open sessions of a user, the most recently active first; at most `limit`. Where it can't
    /// be known how far they have come, they are in the order of some days ago.
    fn sessions_of(&self, user: UserId, limit: u32) -> Answer<'_, Vec<Session>>;

    /// Open sessions of everybody, by id, after that one; at most `limit`.
    fn sessions(&self, after: SessionId, limit: u32) -> Answer<'_, Vec<Session>>;

    /// Some sessions of everybody, open or not.
    fn all_sessions<'a>(&'a self, search: &'a SessionSearch) -> Answer<'a, SessionPage>;

    /// How many open sessions some users have, by id after that one: as many users as have about
    /// `limit` sessions together. With the last of these users, after whom the next count begins;
    /// `None` where nobody is left.
    fn count_open(&self, after: UserId, limit: u32) -> Answer<'_, (u64, Option<UserId>)>;

    /// A page of accounts.
    fn accounts<'a>(&'a self, search: &'a Search) -> Answer<'a, Page>;

    /// What the work of verifying depends on ([`PasswordHash::cost_class`]), of every hash that is
    /// stored: each once, at most [`CLASSES`].
    ///
    /// [`PasswordHash::cost_class`]: keyward_core::password::PasswordHash::cost_class
    fn cost_classes(&self) -> Answer<'_, Vec<String>>;

    /// The digest of what this account was imported with.
    fn imported(&self, user: UserId) -> Answer<'_, Option<[u8; 16]>>;

    /// Whether somebody signed in to this account from this network since then.
    fn signed_in_from<'a>(&'a self, user: UserId, network: &'a str, since: Timestamp) -> Answer<'a, bool>;

    /// The link whose secret has this hash, with the account it is for.
    fn link(&self, hash: SecretHash) -> Answer<'_, Option<(Link, Account)>>;

    /// The mails that are due at this moment, the longest overdue first; at most `limit`.
    fn due_mails(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<Mail>>;

    /// Whether there is an active account with this role.
    fn has_role<'a>(&'a self, role: &'a str) -> Answer<'a, bool>;

    /// The table of roles.
    fn roles(&self) -> Answer<'_, Roles>;

    /// The signing keys.
    fn keys(&self) -> Answer<'_, StoredKeys>;

    /// The keys for refresh tokens, the newest first.
    fn mac_keys(&self) -> Answer<'_, Vec<StoredMacKey>>;

    /// The service keys, by id: as many as there can be.
    fn service_keys(&self) -> Answer<'_, StoredServiceKeys>;

    /// The lengths of access tokens that were in force, in seconds, and when last.
    fn access_ttls(&self) -> Answer<'_, Vec<(u64, Timestamp)>>;

    /// What was counted from that moment to before the other, in spans of that length, in order of
    /// time. Where there was nothing to count nothing is told.
    fn figures(&self, since: Timestamp, until: Timestamp, step: Duration) -> Answer<'_, Vec<Counted>>;

    /// What was revoked past that position, and the versions of the keys.
    fn news(&self, position: u64) -> Answer<'_, News>;

    /// Comes back when there may be news; where nobody would tell, never.
    fn may_have_news(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    /// Writes the change, all of it or nothing; durable when it is answered.
    fn commit(&self, change: Change) -> Answer<'_, Committed, NotCommitted>;

    /// Takes away one small batch of what is past its time.
    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept>;

    /// Whether the store answers, without what moves apart.
    fn ping(&self) -> Answer<'_, ()>;

    /// Whether that takes writes which holds the moving part of sessions; `None`: nothing holds it
    /// apart from the rest.
    fn ping_apart(&self) -> Option<Answer<'_, ()>> {
        None
    }

    /// How often the store was read since it was opened.
    fn reads(&self) -> u64;

    /// Where all nodes spend from the same budgets of this kind; `None`: each node has its own.
    fn budgets(&self, _: Throttle) -> Option<&dyn budget::Budgets> {
        None
    }
}
