//! What becomes of a session when one of its refresh tokens is presented?
//!
//! A session is one record and one life. Each of its refresh tokens has a generation, a number
//! that only rises, and was handed out in exactly one answer. [`Session::present`] is the whole
//! rule: a pure function of the record, the presented token, the time and the policy. It says one
//! of eight things, and what must be written before it is said aloud.
//!
//! | presented | condition | verdict |
//! |---|---|---|
//! | any | account inactive, session ended, past a deadline | [`Verdict::Refuse`] |
//! | newest | settled | [`Verdict::Rotate`] |
//! | newest | not settled | [`Verdict::Keep`] |
//! | parent | not settled, newest made by rotation | [`Verdict::Keep`] |
//! | parent after a forgiveness, older after an adoption | not settled | [`Verdict::Wait`] |
//! | parent | settled, newest not seen | [`Verdict::Forgive`] |
//! | ahead of newest, or the progress is lost; not dead | | [`Verdict::Adopt`] |
//! | anything else | | [`Verdict::Theft`] |
//!
//! Where the progress is lost, what rests of it elsewhere ([`Session::resting`]) is not what the
//! session has come to, but the least: what lies below that and is not its parent is judged by it
//! and not adopted. Progress that is behind what rests is lost, too.
//!
//! It does not check the token's MAC ([`crate::refresh_token`] does) and it writes nothing.

use std::time::Duration;

use serde::Serialize;

use crate::id::{SessionId, UserId};
use crate::policy::Policy;
use crate::time::Timestamp;

/// The number of a refresh token within its session. It only rises.
pub type Generation = u64;

/// How far the number leaps after an adoption: above anything that the store which lost its
/// newest writes can have handed out since.
pub const LEAP: Generation = 1 << 16;

/// By how much what rests of a session's progress may be behind in a store that keeps what moves
/// apart from the rest: for how much longer nothing that rests is taken for past.
pub const LAG: Duration = Duration::from_secs(6 * 60 * 60);

/// How the tokens of a session travel, fixed when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// In `HttpOnly` cookies alone: browsers.
    Cookie,
    /// In bodies and the `Authorization` header alone: mobile, command line, services.
    Bearer,
}

impl Transport {
    /// The word of the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Bearer => "bearer",
        }
    }

    /// The transport of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Cookie, Self::Bearer].into_iter().find(|t| t.as_str() == text)
    }
}

/// Why a session ended. Kept with the record, so that the reason can be told as long as any of
/// its refresh tokens could be presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The person signed out here.
    Logout,
    /// The person signed out everywhere.
    LogoutAll,
    /// The person or an operator ended this one from a list of sessions.
    Revoked,
    /// Another login in the same browser took its place.
    Replaced,
    /// The account had more sessions than it may, and this was the least recently active.
    TooMany,
    /// The account's password was changed or reset.
    PasswordChanged,
    /// The account was deactivated.
    Deactivated,
    /// A copied refresh token, or anything of a generation given up for lost, was presented.
    Theft,
    /// Nobody did anything with it for the idle timeout.
    Idle,
}

impl EndReason {
    /// Every reason there is.
    pub const ALL: [Self; 9] = [
        Self::Logout,
        Self::LogoutAll,
        Self::Revoked,
        Self::Replaced,
        Self::TooMany,
        Self::PasswordChanged,
        Self::Deactivated,
        Self::Theft,
        Self::Idle,
    ];

    /// The word that stores and answers use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::Revoked => "revoked",
            Self::Replaced => "replaced",
            Self::TooMany => "too_many",
            Self::PasswordChanged => "password_changed",
            Self::Deactivated => "deactivated",
            Self::Theft => "theft",
            Self::Idle => "idle",
        }
    }

    /// The reason of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

/// When and why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct End {
    /// The moment.
    pub at: Timestamp,
    /// The reason.
    pub why: EndReason,
}

/// One session: opened once, ended at most once, of one size for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name, `sid` in access tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// How its tokens travel.
    pub transport: Transport,
    /// When it was opened: the absolute deadline counts from here.
    pub opened_at: Timestamp,
    /// When the person last proved who they are (RFC 9068 §2.2.1).
    pub auth_time: Timestamp,
    /// How they proved it (RFC 8176), the values separated by spaces.
    pub amr: String,
    /// The address it was opened from.
    pub ip: String,
    /// The user agent it was opened by.
    pub user_agent: String,
    /// When and why it ended; `None` while it is open.
    pub ended: Option<End>,
    /// How far it has come; `None` where the store that held this lost it.
    pub progress: Option<Progress>,
    /// How far it had come when that was last written beside the rest of it, in a store that keeps
    /// its progress apart: it has come at least as far, and no [`LAG`] later than that.
    pub resting: Option<Progress>,
}

/// The moving part of a session: all that a refresh reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Progress {
    /// The generation that can rotate.
    pub newest: Generation,
    /// The generation it was made from, which a lost answer may leave a client with.
    pub parent: Option<Generation>,
    /// How the newest generation came to be.
    pub made_by: MadeBy,
    /// When.
    pub made_at: Timestamp,
    /// Whether anything of the newest generation (its refresh token, or an access token that
    /// names it) was presented since.
    pub seen: bool,
    /// When the person last did something.
    pub last_active_at: Timestamp,
}

/// How the newest generation of a session came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MadeBy {
    /// The login that opened the session.
    Opening,
    /// [`Verdict::Rotate`].
    Rotation,
    /// [`Verdict::Forgive`].
    Forgiveness,
    /// [`Verdict::Adopt`].
    Adoption,
}

impl MadeBy {
    const ALL: [Self; 4] = [Self::Opening, Self::Rotation, Self::Forgiveness, Self::Adoption];

    /// The word that stores use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Rotation => "rotation",
            Self::Forgiveness => "forgiveness",
            Self::Adoption => "adoption",
        }
    }

    /// The origin of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str() == text)
    }
}

/// A genuine refresh token, as the rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Presented {
    /// Its generation.
    pub generation: Generation,
    /// When it was made.
    pub made_at: Timestamp,
    /// Whether its generation was given up for lost: it stands in the revocation set.
    pub dead: bool,
    /// The highest generation of its session that stands there.
    pub last_dead: Option<Generation>,
}

/// What the rule says of a presented refresh token. `after` is what must be written, on condition
/// that nobody wrote before; `names` is the generation that the answer's access token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing is given and nothing of the session changes.
    Refuse(Refusal),
    /// A new refresh token, the newest, and an access token beside it.
    Rotate {
        /// The progress to write.
        after: Progress,
    },
    /// An access token; the caller keeps the refresh token that it has. Nothing is written.
    Keep {
        /// The generation presented.
        names: Generation,
    },
    /// Nothing: ask again at that moment. Nothing is written.
    Wait {
        /// When the newest generation settles.
        until: Timestamp,
    },
    /// As [`Verdict::Rotate`]; the answer before was lost. The generation never seen is dead and
    /// enters the revocation set before the new one is handed out.
    Forgive {
        /// The progress to write, on condition that the former newest is still not seen.
        after: Progress,
        /// The generation given up for lost.
        dead: Generation,
    },
    /// The store lost its newest writes. An access token; the caller keeps its refresh token,
    /// which is now the newest.
    Adopt {
        /// The progress to write.
        after: Progress,
    },
    /// Two hold what only one was given. The session ends.
    Theft,
}

/// Why a genuine refresh token brings nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The account is deactivated.
    Inactive,
    /// The session has ended.
    Ended(EndReason),
    /// The session is past its absolute deadline, or was not refreshed for too long.
    Expired,
    /// Nobody did anything with the session for too long.
    Idle,
}

impl Session {
    /// What becomes of this session when `token` is presented at `now`.
    ///
    /// `active` tells whether the account may sign in at all.
    pub fn present(&self, token: Presented, active: bool, now: Timestamp, policy: &Policy) -> Verdict {
        let whole = self.whole();
        let past = self.resting.filter(|p| whole.is_none() && p.is_past(token.generation));
        let known = whole.filter(|p| token.generation <= p.newest).or(past);
        let progress = known.unwrap_or_else(|| self.lost_progress(token, now, policy));
        // Of a session whose token is past, and whose progress is lost, the deadlines are unknown.
        let latest = past.and_then(|_| self.latest(policy)).unwrap_or(progress);
        if let Some(refusal) = self.refusal(&latest, active, now, policy) {
            return Verdict::Refuse(refusal);
        }
        // Before anything is adopted or rotated: a store that lost its newest writes may hold for
        // the newest what was given up for lost since.
        if token.dead {
            return Verdict::Theft;
        }
        if known.is_none() {
            return Verdict::Adopt { after: Progress { made_at: now, ..progress } };
        }
        let settled = progress.settled(now, policy);
        if token.generation == progress.newest {
            return if settled {
                Verdict::Rotate { after: progress.rotated(token.last_dead, now) }
            } else {
                Verdict::Keep { names: progress.newest }
            };
        }
        let is_parent = progress.parent == Some(token.generation);
        if !settled {
            let until = progress.made_at.after(policy.rotation_window);
            return match progress.made_by {
                MadeBy::Rotation if is_parent => Verdict::Keep { names: token.generation },
                MadeBy::Forgiveness if is_parent => Verdict::Wait { until },
                MadeBy::Adoption => Verdict::Wait { until },
                _ => Verdict::Theft,
            };
        }
        if is_parent && !progress.seen {
            return Verdict::Forgive {
                after: progress.forgiven(token.last_dead, now),
                dead: progress.newest,
            };
        }
        Verdict::Theft
    }

    /// Why the session gives nothing at `now`, in the order in which reasons are told.
    fn refusal(&self, progress: &Progress, active: bool, now: Timestamp, policy: &Policy) -> Option<Refusal> {
        // Deadlines are told in whole seconds, and so is `exp`: they hold on the second, or a
        // refresh in the last fraction of one would bring a token that has ended.
        let past = |deadline: Timestamp| now.seconds() >= deadline.seconds();
        if !active {
            Some(Refusal::Inactive)
        } else if let Some(end) = self.ended {
            Some(Refusal::Ended(end.why))
        } else if past(self.absolute_deadline(policy)) || past(progress.refresh_deadline(policy)) {
            Some(Refusal::Expired)
        } else if self.idle_deadline(progress, policy).is_some_and(past) {
            Some(Refusal::Idle)
        } else {
            None
        }
    }

    /// How far the session has come, where the store did not lose that. What rests elsewhere it has
    /// come to at least; only an adoption of what that was made from may leave it with less.
    fn whole(&self) -> Option<Progress> {
        let is_adopted =
            |p: &Progress, rests: Progress| p.made_by == MadeBy::Adoption && rests.parent == Some(p.newest);
        self.progress
            .filter(|p| self.resting.is_none_or(|rests| p.newest >= rests.newest || is_adopted(p, rests)))
    }

    /// What a token that is ahead of the record proves of the progress that the store lost. Its
    /// holder was active at most until the access token issued beside it ended.
    fn lost_progress(&self, token: Presented, now: Timestamp, policy: &Policy) -> Progress {
        let known = self.progress.into_iter().chain(self.resting).map(|p| p.last_active_at).max();
        let active_until = token.made_at.after(policy.rotation_window).after(policy.access_ttl).min(now);
        Progress {
            newest: token.generation,
            parent: None,
            made_by: MadeBy::Adoption,
            made_at: token.made_at,
            seen: true,
            last_active_at: known.map_or(active_until, |known| known.max(active_until)),
        }
    }

    /// How far the session has come, or where that is lost, what an access token proves of it that
    /// names this generation and was made then.
    pub fn known_or_proved(
        &self,
        generation: Generation,
        issued_at: Timestamp,
        now: Timestamp,
        policy: &Policy,
    ) -> Progress {
        let proof = Presented { generation, made_at: issued_at, dead: false, last_dead: None };
        self.whole().unwrap_or_else(|| self.lost_progress(proof, now, policy))
    }

    /// Why an access token of this session is worth nothing at `now` although its own `exp` is
    /// not reached; `None` where the session lives.
    pub fn over(&self, active: bool, now: Timestamp, policy: &Policy) -> Option<Refusal> {
        match self.whole().or_else(|| self.latest(policy)) {
            Some(progress) => self.refusal(&progress, active, now, policy),
            None if !active => Some(Refusal::Inactive),
            None => self.ended.map(|end| Refusal::Ended(end.why)),
        }
    }

    /// Whether nobody can have done anything with this open session for too long, whatever a store
    /// lost that keeps its progress apart. Such a store may come back with what was true long ago.
    pub fn is_surely_idle(&self, now: Timestamp, policy: &Policy) -> bool {
        let refusal = |latest: Progress| self.refusal(&latest, true, now, policy);
        self.latest(policy).and_then(refusal) == Some(Refusal::Idle)
    }

    /// The latest moments that the session can have come to, whatever was lost.
    fn latest(&self, policy: &Policy) -> Option<Progress> {
        let rests = self.resting.map(|resting| {
            let made_at = resting.made_at.after(LAG);
            let in_use = policy.rotation_window + policy.access_ttl + policy.leeway;
            Progress { made_at, last_active_at: resting.last_active_at.max(made_at.after(in_use)), ..resting }
        });
        match (self.progress, rests) {
            (Some(progress), Some(rests)) => Some(Progress {
                made_at: progress.made_at.max(rests.made_at),
                last_active_at: progress.last_active_at.max(rests.last_active_at),
                ..progress
            }),
            (progress, rests) => progress.or(rests),
        }
    }

    /// When the session ends, whatever happens.
    pub fn absolute_deadline(&self, policy: &Policy) -> Timestamp {
        self.opened_at.after(policy.absolute_ttl)
    }

    /// When the session ends unless its person does something.
    pub fn idle_deadline(&self, progress: &Progress, policy: &Policy) -> Option<Timestamp> {
        policy.idle(self.transport).map(|idle| progress.last_active_at.after(idle))
    }

    /// When the session ends if nothing further happens but refreshing: the earlier of its idle
    /// and its absolute deadline. No access token is good past it.
    pub fn end_of_access(&self, progress: &Progress, policy: &Policy) -> Timestamp {
        let absolute = self.absolute_deadline(policy);
        self.idle_deadline(progress, policy).map_or(absolute, |idle| idle.min(absolute))
    }

    /// Until when any refresh token of this session could be presented and its reason told; the
    /// record can go once this is past.
    pub fn forgettable_at(&self, policy: &Policy) -> Timestamp {
        let made_at = self.progress.map_or(self.opened_at, |p| p.made_at);
        made_at.after(policy.refresh_ttl)
    }
}

impl Progress {
    /// The progress of a session opened at `now`.
    pub fn opened(now: Timestamp) -> Self {
        Self {
            newest: 0,
            parent: None,
            made_by: MadeBy::Opening,
            made_at: now,
            seen: false,
            last_active_at: now,
        }
    }

    /// Whether the answer that handed out the newest generation is under way no longer. That of
    /// the login is, at once: nobody can hold anything older. After an adoption somebody may,
    /// whatever its number.
    pub fn settled(&self, now: Timestamp, policy: &Policy) -> bool {
        self.made_by == MadeBy::Opening
            || policy.rotation_window == Duration::ZERO
            || now >= self.made_at.after(policy.rotation_window)
    }

    /// Whether nobody who is alone with the session can hold this generation any more.
    fn is_past(&self, generation: Generation) -> bool {
        generation < self.newest && self.parent != Some(generation)
    }

    /// When the newest refresh token can no longer be presented.
    pub fn refresh_deadline(&self, policy: &Policy) -> Timestamp {
        self.made_at.after(policy.refresh_ttl)
    }

    /// The progress with what was noted since it was written: that something of `seen` was
    /// presented, which counts only if that is the newest, and when the person did something.
    #[must_use]
    pub fn noted(self, seen: Option<Generation>, active_at: Option<Timestamp>) -> Self {
        Self {
            seen: self.seen || seen == Some(self.newest),
            last_active_at: active_at.map_or(self.last_active_at, |at| at.max(self.last_active_at)),
            ..self
        }
    }

    fn rotated(self, last_dead: Option<Generation>, now: Timestamp) -> Self {
        Self { parent: Some(self.newest), ..self.succeeded(last_dead, MadeBy::Rotation, now) }
    }

    fn forgiven(self, last_dead: Option<Generation>, now: Timestamp) -> Self {
        self.succeeded(last_dead, MadeBy::Forgiveness, now)
    }

    /// The next number is one more. It leaps where the store lost writes, which shows by an
    /// adoption, or by a generation given up for lost that is above what the store knows: no
    /// number is ever given out twice.
    fn succeeded(self, last_dead: Option<Generation>, made_by: MadeBy, now: Timestamp) -> Self {
        let lost = self.made_by == MadeBy::Adoption || last_dead > Some(self.newest);
        let highest = last_dead.map_or(self.newest, |dead| dead.max(self.newest));
        Self {
            newest: highest.saturating_add(if lost { LEAP } else { 1 }),
            parent: self.parent,
            made_by,
            made_at: now,
            seen: false,
            last_active_at: self.last_active_at,
        }
    }
}

#[cfg(test)]
mod tests;
