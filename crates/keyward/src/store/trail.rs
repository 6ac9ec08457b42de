//! What must a store be able to do for the audit trail? Lists, findings, and the chain of seals.

use keyward_core::chain::Seal;
use keyward_core::event::{EventType, Recorded};
use keyward_core::id::{EventId, SessionId, UserId};
use keyward_core::time::Timestamp;

use super::{Answer, StoredChainKey};
use crate::schema::Moment;

/// Which events are asked for. They come newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventQuery {
    pub(crate) session: Option<SessionId>,
    pub(crate) user: Option<UserId>,
    /// From this network: an IPv4 address, or an IPv6 /64.
    pub(crate) network: Option<String>,
    /// From exactly this address of that network.
    pub(crate) ip: Option<String>,
    pub(crate) kind: Option<EventType>,
    pub(crate) success: Option<bool>,
    /// Of this moment or later.
    pub(crate) since: Option<Timestamp>,
    /// Of before this moment.
    pub(crate) until: Option<Timestamp>,
    /// Before this one, where a list goes on.
    pub(crate) before: Option<EventId>,
    /// How many come at most.
    pub(crate) limit: u32,
}

/// How many events one answer looks at where no index serves all the filters together.
pub(crate) const EXAMINED: u32 = 5_000;

/// Some events.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<Recorded>,
    /// Where the list goes on: before this one. There may be nothing left.
    pub(crate) next: Option<EventId>,
}

/// What findings are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suspicion {
    pub(crate) kind: SuspicionKind,
    /// Among the events since then.
    pub(crate) since: Timestamp,
    /// From how many on it is a finding.
    pub(crate) threshold: u64,
    /// How many findings come at most, the largest first.
    pub(crate) limit: u32,
    /// How many events are looked at, the newest first.
    pub(crate) examined: u32,
}

/// What is suspicious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspicionKind {
    /// Many failed logins from one address.
    FailedLoginsByIp,
    /// Many failed logins to one account, or to one name that has none.
    FailedLoginsByAccount,
    /// Many accounts signed in to, tried or made from one address.
    AccountsPerIp,
    /// A copied refresh token was presented.
    RefreshReuse,
}

impl SuspicionKind {
    /// All there are.
    pub const ALL: [Self; 4] =
        [Self::FailedLoginsByIp, Self::FailedLoginsByAccount, Self::AccountsPerIp, Self::RefreshReuse];

    /// The word of the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailedLoginsByIp => "failed_logins_by_ip",
            Self::FailedLoginsByAccount => "failed_logins_by_account",
            Self::AccountsPerIp => "accounts_per_ip",
            Self::RefreshReuse => "refresh_reuse",
        }
    }
}

/// Something suspicious.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Suspect {
    /// What is suspicious.
    pub kind: SuspicionKind,
    /// Of which address (IPv6 by its /64), user, or keyed hash of a name without an account.
    pub subject: String,
    /// How many times, or how many accounts.
    pub count: u64,
    /// When first.
    #[schema(value_type = Moment)]
    pub first_at: Timestamp,
    /// When last.
    #[schema(value_type = Moment)]
    pub last_at: Timestamp,
}

/// What is suspicious, the largest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspects {
    pub(crate) found: Vec<Suspect>,
    /// From when on every event was looked at: later than asked for where there are too many.
    pub(crate) since: Timestamp,
}

/// A seal with the rows that claim to be of its batch, by id, as they were at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sealed {
    pub(crate) seal: Seal,
    pub(crate) rows: Vec<Recorded>,
}

/// The part of a store that holds the audit trail.
pub(crate) trait Trail {
    /// Some of the events that are asked for, newest first.
    fn events(&self, query: EventQuery) -> Answer<'_, EventPage>;

    /// What is suspicious.
    fn suspicious(&self, suspicion: Suspicion) -> Answer<'_, Suspects>;

    /// The key of the chain.
    fn chain_key(&self) -> Answer<'_, Option<StoredChainKey>>;

    /// The last seal, without its entries.
    fn last_seal(&self) -> Answer<'_, Option<Seal>>;

    /// The next seal after that number, with its batch.
    fn sealed_after(&self, number: u64) -> Answer<'_, Option<Sealed>>;

    /// The seal of the batch that may go first, where all of it is from before that moment.
    fn past_seal(&self, before: Timestamp) -> Answer<'_, Option<Seal>>;

    /// Events that are in no batch, by id, after that one and before the other; at most `limit`.
    fn unsealed(&self, after: EventId, before: EventId, limit: u32) -> Answer<'_, Vec<Recorded>>;

    /// Events that claim to be of a batch that has no seal, at most `limit`.
    fn strays(&self, limit: u32) -> Answer<'_, Vec<(i64, EventId)>>;
}
