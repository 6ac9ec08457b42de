//! What is to be written, on what condition, and what happened with it?
//!
//! A use case loads, decides and commits one [`Change`]: all of it or nothing, with its events in
//! the same transaction. Each write carries the condition under which it was decided; where that
//! no longer holds nothing is written, and the use case loads and decides again.

use std::time::Duration;

use crate::account::Account;
use crate::chain::{Removal, Seal};
use crate::email::Email;
use crate::event::Event;
use crate::figure::Figure;
use crate::id::{EventId, MailId, ServiceKeyId, SessionId, UserId};
use crate::key::KeyRecord;
use crate::mail::{Link, Mail, SecretHash};
use crate::password::PasswordHash;
use crate::revocation::{Entry, Revocation};
use crate::service_key::ServiceKey;
use crate::session::{End, Generation, Progress, Session};
use crate::time::Timestamp;

/// Everything that one use case writes.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The writes, in order.
    pub writes: Vec<Write>,
    /// What happened, for the audit trail.
    pub events: Vec<Event>,
}

impl Change {
    /// A change of these writes, with no event yet.
    pub fn of(writes: impl IntoIterator<Item = Write>) -> Self {
        Self { writes: writes.into_iter().collect(), events: Vec::new() }
    }

    /// The change with this event beside it.
    #[must_use]
    pub fn with(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.events.is_empty()
    }
}

/// One write, with its condition.
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes an account. Its e-mail address and phone number must be free.
    CreateAccount(Box<Account>),
    /// Notes what an account was imported with, on condition that nothing is noted of it yet.
    NoteImport {
        /// Whose.
        user: UserId,
        /// A digest of the hash that it came with.
        digest: [u8; 16],
    },
    /// Replaces a password, on condition that the account is at this version, and raises that. Every
    /// link that was sent to its person is good for nothing from then on.
    SetPassword {
        /// Whose.
        user: UserId,
        /// The version the account was loaded at.
        version: u64,
        /// The hash of the new password.
        password: PasswordHash,
    },
    /// Replaces the hash of the same password by one of today's cost, on the same condition. The
    /// version stays: no login has to be refused for it.
    Rehash {
        /// Whose.
        user: UserId,
        /// The version the account was loaded at.
        version: u64,
        /// The new hash.
        password: PasswordHash,
    },
    /// Replaces the phone number, on condition of the version. It must be free.
    SetPhone {
        /// Whose.
        user: UserId,
        /// The version the account was loaded at.
        version: u64,
        /// The number, or none.
        phone_number: Option<crate::phone::Phone>,
    },
    /// Replaces the e-mail address, on condition of the version, and raises that and the version of
    /// the roles: tokens say the address, too. It must be free, and nobody has shown yet that they
    /// receive mail there. Every link that was sent to its person is good for nothing from then on.
    SetEmail {
        /// Whose.
        user: UserId,
        /// The version the account was loaded at.
        version: u64,
        /// The new address.
        email: crate::email::Email,
    },
    /// Replaces the roles of an account, on condition of its version; raises that, and with the
    /// roles their version. There must be each of the roles, and somebody left to administer.
    SetRoles {
        /// Whose.
        user: UserId,
        /// The version the account was loaded at.
        version: u64,
        /// The roles, sorted, each once.
        roles: Vec<String>,
    },
    /// Says whether an account may sign in, on condition of its version, and raises that. Somebody
    /// must be left to administer.
    SetActive {
        /// Whose.
        user: UserId,
        /// The version the account was loaded at.
        version: u64,
        /// Whether it may sign in.
        is_active: bool,
    },
    /// Deletes an account with its sessions and links, on condition of its version. Somebody must be
    /// left to administer.
    DeleteAccount {
        /// Whose.
        user: UserId,
        /// The version the account was loaded at.
        version: u64,
    },
    /// Nothing, on condition that nobody administers: of two who are to be the first one, one is.
    NobodyAdministers,
    /// Makes a role or replaces its permissions, on condition that the table of roles is at this
    /// version, and raises that. A new one must be nobody's.
    SetRole {
        /// The version the table was loaded at.
        version: u64,
        /// The role.
        name: String,
        /// Its permissions, sorted, each once.
        permissions: Vec<String>,
    },
    /// Deletes a role, on condition that it is there and the table at this version; raises that.
    DeleteRole {
        /// The version the table was loaded at.
        version: u64,
        /// The role.
        name: String,
    },
    /// Takes a role that there is no longer from some of the accounts that still have it. Their
    /// versions stay: the role means nothing since it was deleted. No condition.
    TakeRole {
        /// The role.
        name: String,
        /// From how many accounts at most.
        limit: u32,
    },
    /// Opens a session, on condition that the account is active and at this version, and that it
    /// has fewer open sessions than `limit`.
    OpenSession {
        /// The session, with its progress.
        session: Box<Session>,
        /// The version the account was loaded at.
        account_version: u64,
        /// How many sessions a user may have at once, this one included.
        limit: u32,
    },
    /// Writes how far a session has come, on condition that it has not ended, that its newest
    /// generation is still `newest`, and, where `unseen`, that nothing of that was seen.
    Advance {
        /// Which session.
        session: SessionId,
        /// The newest generation it was loaded with; `None` where its progress was lost.
        newest: Option<Generation>,
        /// Whether the condition is also that the newest was not seen.
        unseen: bool,
        /// The progress to write.
        after: Progress,
        /// What rested beside the rest of the session when that was loaded, where progress is kept
        /// apart from it: before it falls too far behind, this one is written there, too.
        resting: Option<Progress>,
    },
    /// Notes on the way what was seen and done: the mark of a receipt counts only for the newest
    /// generation, activity only where it is later than what is known. No condition.
    Note {
        /// Which session.
        session: SessionId,
        /// Something of this generation was presented.
        seen: Option<Generation>,
        /// The person did something.
        active_at: Option<Timestamp>,
    },
    /// Notes where the rest of the session is kept, where progress is kept apart from it, that the
    /// person did something; else as any other note. No condition.
    NoteAtRest {
        /// Which session.
        session: SessionId,
        /// When.
        active_at: Timestamp,
    },
    /// Records that the person proved again who they are, on condition that the session is open.
    Reauthenticate {
        /// Which session.
        session: SessionId,
        /// When.
        auth_time: Timestamp,
        /// How (RFC 8176), the values separated by spaces.
        amr: String,
    },
    /// Ends a session, on condition that it is open. Its revocation matters until `until`.
    EndSession {
        /// Which session.
        session: SessionId,
        /// When and why.
        end: End,
        /// From when on none of its access tokens can be alive.
        until: Timestamp,
    },
    /// Ends every open session of a user but one. No condition.
    EndSessionsOf {
        /// Whose.
        user: UserId,
        /// The one that goes on.
        except: Option<SessionId>,
        /// When and why.
        end: End,
        /// From when on none of their access tokens can be alive.
        until: Timestamp,
    },
    /// Ends the open sessions of some users: all that were opened up to then. Their access tokens are
    /// cut off by [`Write::CutEverybodyOff`]. No condition.
    EndSessionsBetween {
        /// Of users after that one.
        after: UserId,
        /// Up to and with this one.
        to: UserId,
        /// When and why.
        end: End,
    },
    /// Makes every access token out of date. No condition.
    CutEverybodyOff {
        /// From when on no access token from before can be alive.
        until: Timestamp,
    },
    /// Cuts something off. No condition.
    Revoke {
        /// What.
        revocation: Revocation,
        /// From when on no token can be alive that it concerns.
        until: Timestamp,
    },
    /// Replaces the table of keys, on condition that it is at this version, and raises that.
    SetKeys {
        /// The version it was loaded at.
        version: u64,
        /// All keys.
        keys: Vec<KeyRecord>,
    },
    /// Adds a key for refresh tokens, on condition that its number is free, and raises the version of
    /// the keys, by which every node learns of it.
    AddMacKey {
        /// The number by which tokens name it.
        id: u16,
        /// The key, sealed under the master key.
        sealed: Vec<u8>,
        /// When it was made.
        created_at: Timestamp,
    },
    /// Forgets a key for refresh tokens, on condition that it is there, and raises the version of the
    /// keys: no token of it is ours any longer.
    ForgetMacKey {
        /// The number by which tokens name it.
        id: u16,
    },
    /// Seals a secret anew, on condition that it rests as it was loaded.
    Reseal {
        /// Which.
        secret: Sealed,
        /// The secret as it was loaded.
        former: Vec<u8>,
        /// The same secret, sealed under another master key.
        sealed: Vec<u8>,
    },
    /// Keeps what is needed to know a link by, in the place of one for the same purpose. No
    /// condition: the account may be nobody's, so that asking for a mail costs the same for every
    /// address.
    IssueLink(Box<Link>),
    /// Uses a link up, on condition that it is there and was good at this moment.
    SpendLink {
        /// What is kept of its secret.
        hash: SecretHash,
        /// The moment.
        at: Timestamp,
    },
    /// Records that a person receives mail at their address, on condition that it is still this one.
    /// The version stays: no login has to be refused for it.
    ConfirmEmail {
        /// Whose.
        user: UserId,
        /// The address.
        email: Email,
    },
    /// Adds a mail to those that wait to be sent. Its name must be free.
    QueueMail(Box<Mail>),
    /// Takes a mail in hand, on condition that it was tried this often and not given up; from
    /// `until` on another one may.
    ClaimMail {
        /// Which.
        id: MailId,
        /// How often it was tried before.
        attempts: u32,
        /// Until when nobody else does.
        until: Timestamp,
    },
    /// Forgets a mail that was sent. No condition: another one may have sent it, too.
    ForgetMail {
        /// Which.
        id: MailId,
    },
    /// Says when to try a mail again that could not be sent, or that it is given up, on condition
    /// that nobody else took it in hand meanwhile.
    PostponeMail {
        /// Which.
        id: MailId,
        /// How often it was tried, this time included.
        attempts: u32,
        /// When to try again; `None`: it is given up.
        due_at: Option<Timestamp>,
        /// Why it could not be sent.
        failure: String,
    },
    /// Adds the key of the audit trail's chain, on condition that there is none.
    AddChainKey {
        /// The key, sealed under the master key.
        sealed: Vec<u8>,
        /// From when on every event carries a mark.
        since: Timestamp,
    },
    /// Seals a batch of the audit trail, on condition that its seal is the next one of the chain,
    /// and that each of the rows is in no batch and still has this count. Nothing is counted into
    /// them any more.
    SealEvents {
        /// The seal.
        seal: Box<Seal>,
        /// The rows, and how much each of them counted when it was sealed.
        counts: Vec<(EventId, u64)>,
    },
    /// Removes the rows of a batch, on condition that nobody did, and keeps its seal.
    RemoveEvents {
        /// The batch.
        number: u64,
        /// What shows that this was Keyward.
        removal: Removal,
    },
    /// Adds a service key, on condition that the table of them is at this version, and raises that.
    AddServiceKey {
        /// The version it was loaded at.
        version: u64,
        /// The key.
        key: Box<ServiceKey>,
    },
    /// Takes a service key away, on condition of the version of the table, and raises that.
    RemoveServiceKey {
        /// The version it was loaded at.
        version: u64,
        /// Which.
        id: ServiceKeyId,
    },
    /// Notes on the way that a service key was used, where that is later than what is known. No
    /// condition.
    NoteServiceKey {
        /// Which.
        id: ServiceKeyId,
        /// When.
        used_at: Timestamp,
    },
    /// Adds to what was counted in the span of time that began at this moment. No condition.
    Count {
        /// What.
        figure: Figure,
        /// When the span began ([`crate::figure::span_of`]).
        at: Timestamp,
        /// How many there were.
        count: u64,
    },
    /// Records that access tokens of this length were given out at this moment.
    NoteAccessTtl {
        /// The length.
        ttl: Duration,
        /// The moment.
        at: Timestamp,
    },
}

/// A secret at rest, the signing keys aside: those are a table that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// The key for refresh tokens of that number.
    MacKey(u16),
    /// The key of the audit trail's chain.
    ChainKey,
    /// A mail that waits to be sent.
    Mail(MailId),
}

/// What a store answers when a change is committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The revocations that the change brought, with their positions.
    pub revocations: Vec<Entry>,
}

impl Committed {
    /// How many sessions the change ended.
    pub fn sessions_ended(&self) -> usize {
        self.revocations.iter().filter(|e| matches!(e.revocation, Revocation::Session(_))).count()
    }
}

/// Why a change was not written. Nothing of it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// What it was decided on is no longer so: load and decide again.
    Changed,
    /// Another account has the e-mail address.
    EmailTaken,
    /// Another account has the phone number.
    PhoneTaken,
    /// It is the last active administrator that there is.
    LastAdmin,
}
