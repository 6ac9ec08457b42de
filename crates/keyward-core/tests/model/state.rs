//! What is there at one moment, and which moments are alike?
//!
//! Where no store loses writes, a state says neither how long ago the session began nor how many
//! refreshes lie behind it: [`State::normalise`] leaves out what nothing to come can tell apart.

use keyward_core::id::{SessionId, UserId};
use keyward_core::revocation::{Entry, Revocation, RevocationSet};
use keyward_core::session::{Generation, Progress};
use keyward_core::time::Timestamp;

use crate::rule::Decision;
use crate::world::{LONG_AGO, Loss, World};

const FAR_AHEAD: Timestamp = Timestamp::from_seconds(2_100_000_000);
pub(crate) const SESSION: SessionId = SessionId::from_bytes([1; 16]);
pub(crate) const USER: UserId = UserId::from_bytes([2; 16]);

/// The five invariants of the design, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invariant {
    NobodySignedOut = 1,
    CopyWorthNothing = 2,
    NoFork = 3,
    OverIsOver = 4,
}

impl Invariant {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NobodySignedOut => "1 nobody is signed out by the network",
            Self::CopyWorthNothing => "2 a copy is worth nothing",
            Self::NoFork => "3 no fork",
            Self::OverIsOver => "4 over is over",
        }
    }
}

/// Who holds tokens. Before the copy there is the owner alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    Owner,
    Thief,
}

impl Who {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Owner => Self::Thief,
            Self::Thief => Self::Owner,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The store's record of the moving part; `None` where that was lost.
    pub(crate) record: Option<Progress>,
    /// What the store beneath knows of it, where there is one.
    pub(crate) resting: Option<Progress>,
    /// What it is about to be told, on condition that it knows of this newest one still.
    pub(crate) to_rest: Option<(Generation, Progress)>,
    pub(crate) ended: bool,
    /// The dead generations of the revocation set.
    pub(crate) dead: Vec<Generation>,
    /// The highest generation that was ever handed out.
    pub(crate) highest: Generation,
    pub(crate) made: u32,
    pub(crate) jar: Jar,
    pub(crate) messages: Vec<Message>,
    /// Notes that have not reached the record.
    pub(crate) notes: Vec<(Generation, Who)>,
    pub(crate) backup: Backup,
    pub(crate) copy: Copied,
    pub(crate) faults: u8,
}

/// The owner's cookies, shared by all tabs: what an answer brings overwrites what was there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Jar {
    pub(crate) refresh: Generation,
    pub(crate) access: Generation,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Backup {
    None,
    Taken(Progress, Vec<Generation>),
    Used,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Copied {
    /// Not yet. The highest generation that the owner was noted to use.
    Before { used: Option<Generation> },
    Made {
        /// The newest generation in the jar when it was copied.
        of: Generation,
        /// What the thief holds. He forgets nothing.
        refresh: Vec<Generation>,
        access: Vec<Generation>,
        /// Who was noted to use anything of a later generation: the owner, the thief.
        later: [bool; 2],
        /// Who was given an access token since the latest forgiveness, if nothing was made since.
        given: [bool; 2],
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Message {
    /// The owner's request with a refresh token, on its way.
    Refresh { token: Generation, age: u32 },
    /// The owner's request with an access token, on its way.
    Access { token: Generation, age: u32 },
    /// A handler that loaded, decided, and has yet to commit.
    Deciding {
        who: Who,
        token: Generation,
        age: u32,
        loaded: u32,
        found: Option<Generation>,
        decision: Decision,
    },
    /// An answer on its way to the owner's jar.
    Answer { refresh: Option<Generation>, access: Generation, age: u32 },
}

impl State {
    pub(crate) fn keeps(&self, invariant: Invariant) -> bool {
        self.faults & (1 << invariant as u8) == 0
    }

    pub(crate) fn fault(&mut self, invariant: Invariant) {
        self.faults |= 1 << invariant as u8;
    }

    /// `who` used something of that generation, and the record shows it.
    pub(crate) fn count(&mut self, who: Who, token: Generation) {
        match &mut self.copy {
            Copied::Before { used } => *used = (*used).max(Some(token)),
            Copied::Made { of, later, .. } => later[who as usize] |= token > *of,
        }
    }

    pub(crate) fn revocations(&self) -> RevocationSet {
        let mut set = RevocationSet::default();
        let dead = self.dead.iter().map(|generation| Revocation::Generation(SESSION, *generation));
        let ended = self.ended.then_some(Revocation::Session(SESSION));
        for (position, revocation) in (1..).zip(dead.chain(ended)) {
            set.insert(&Entry { position, revocation, until: FAR_AHEAD });
        }
        set
    }

    /// Every generation that anybody could present.
    pub(crate) fn generations(&mut self) -> Vec<Generation> {
        let mut found = Vec::with_capacity(32);
        self.each_generation(&mut |g| found.push(*g));
        found.sort_unstable();
        found.dedup();
        found
    }

    fn each_generation(&mut self, f: &mut impl FnMut(&mut Generation)) {
        fn progress(p: &mut Progress, f: &mut impl FnMut(&mut Generation)) {
            f(&mut p.newest);
            p.parent.iter_mut().for_each(&mut *f);
        }
        self.record.iter_mut().chain(&mut self.resting).for_each(|p| progress(p, f));
        if let Some((found, after)) = &mut self.to_rest {
            f(found);
            progress(after, f);
        }
        self.dead.iter_mut().for_each(&mut *f);
        f(&mut self.highest);
        f(&mut self.jar.refresh);
        f(&mut self.jar.access);
        for message in &mut self.messages {
            match message {
                Message::Refresh { token, .. } | Message::Access { token, .. } => f(token),
                Message::Answer { refresh, access, .. } => {
                    refresh.iter_mut().for_each(&mut *f);
                    f(access);
                }
                Message::Deciding { token, found, decision, .. } => {
                    f(token);
                    found.iter_mut().for_each(&mut *f);
                    decision.after.iter_mut().for_each(|p| progress(p, f));
                    let named = [&mut decision.dead, &mut decision.refresh, &mut decision.access];
                    named.into_iter().flatten().for_each(&mut *f);
                }
            }
        }
        self.notes.iter_mut().for_each(|(token, _)| f(token));
        if let Backup::Taken(p, dead) = &mut self.backup {
            progress(p, f);
            dead.iter_mut().for_each(&mut *f);
        }
        match &mut self.copy {
            Copied::Before { used } => used.iter_mut().for_each(f),
            Copied::Made { of, refresh, access, .. } => {
                f(of);
                refresh.iter_mut().chain(access).for_each(&mut *f);
            }
        }
    }

    /// Makes states alike that nothing to come can tell apart.
    pub(crate) fn normalise(&mut self, world: &World) {
        let resting = self.resting.iter_mut().chain(self.to_rest.iter_mut().map(|(_, after)| after));
        for progress in self.record.iter_mut().chain(resting) {
            progress.last_active_at = LONG_AGO;
        }
        for message in &mut self.messages {
            if let Message::Deciding { decision, .. } = message {
                for progress in decision.after.iter_mut() {
                    progress.last_active_at = LONG_AGO;
                }
            }
        }
        if self.ended {
            // What is left to try is a handler that loaded before the end.
            self.messages.retain(|m| matches!(m, Message::Deciding { .. }));
            self.notes.clear();
            self.dead.clear();
            self.jar = Jar { refresh: 0, access: 0 };
            self.copy = Copied::Before { used: None };
        }
        if world.loss == Loss::Nothing && world.normalised {
            self.drop_what_is_past(world);
            self.rename();
        }
        self.dead.sort_unstable();
        self.notes.sort_unstable();
        self.messages.sort_by_key(Message::key);
        if let Copied::Made { refresh, access, .. } = &mut self.copy {
            refresh.sort_unstable();
            access.sort_unstable();
        }
    }

    /// Where no store loses anything the record never goes back. A handler that will lose its
    /// race is a request that has yet to be decided, a note of what is no longer the newest never
    /// counts, of the tokens that are past one stands for all, and a dead generation that nobody
    /// holds matters to nobody.
    fn drop_what_is_past(&mut self, world: &World) {
        let Some(record) = self.record else { return };
        let on = world.rule.condition;
        self.messages.retain_mut(|message| {
            let Message::Deciding { who, token, age, found, decision, .. } = message else { return true };
            let lost =
                on.newest && *found != Some(record.newest) || on.seen && decision.on_seen && record.seen;
            if !lost {
                return true;
            }
            let asks_again = *who == Who::Owner && world.life.is_none_or(|life| *age <= life);
            *message = Message::Refresh { token: *token, age: *age };
            asks_again
        });
        self.notes.retain(|(token, _)| *token >= record.newest);
        let dead = std::mem::take(&mut self.dead);
        if let Copied::Before { used } = &mut self.copy {
            let carried = self.messages.iter().filter_map(|message| match message {
                Message::Answer { refresh, .. } => *refresh,
                _ => None,
            });
            if !world.thief || *used <= Some(carried.fold(self.jar.refresh, Generation::min)) {
                *used = None;
            }
        }
        let past = |g| g < record.newest && Some(g) != record.parent && !dead.contains(&g);
        match self.copy {
            Copied::Before { used } => {
                self.unite(|g| past(g) && Some(g) < used);
                self.unite(|g| dead.contains(&g) && Some(g) < used);
            }
            Copied::Made { of, .. } => {
                self.unite(|g| past(g) && g <= of);
                self.unite(|g| past(g) && g > of);
                self.unite(|g| dead.contains(&g) && g <= of);
                self.unite(|g| dead.contains(&g) && g > of);
            }
        }
        if let Copied::Made { of, refresh, access, later, .. } = &mut self.copy {
            refresh.dedup();
            access.dedup();
            keep_one(refresh, |g| *g < record.newest && Some(*g) != record.parent);
            let counts = |g: &Generation| *g > *of && !later[Who::Thief as usize];
            access.retain(|g| *g >= record.newest || dead.contains(g) || counts(g));
        }
        let held = self.generations();
        self.dead = dead;
        self.dead.retain(|g| held.contains(g));
    }

    /// Makes one of all generations of a kind that nothing to come can tell apart.
    fn unite(&mut self, alike: impl Fn(Generation) -> bool) {
        let mut highest = None;
        self.each_generation(&mut |g| {
            if alike(*g) {
                highest = highest.max(Some(*g));
            }
        });
        let Some(highest) = highest else { return };
        self.each_generation(&mut |g| {
            if alike(*g) {
                *g = highest;
            }
        });
    }

    /// Numbers the generations by rank. The rule compares them and adds one to the newest, which
    /// is the highest there is or the one below that a handler is about to make: both are kept.
    fn rename(&mut self) {
        let known = self.generations();
        self.each_generation(&mut |g| {
            *g = known.binary_search(g).map_or(*g, |rank| rank as Generation);
        });
    }
}

impl Message {
    /// Messages are a bag: their order says nothing.
    fn key(&self) -> [u64; 8] {
        let some = |g: Option<Generation>| g.map_or(0, |g| g + 1);
        match self {
            Self::Refresh { token, age } => [0, *token, u64::from(*age), 0, 0, 0, 0, 0],
            Self::Access { token, age } => [1, *token, u64::from(*age), 0, 0, 0, 0, 0],
            Self::Answer { refresh, access, age } => {
                [2, some(*refresh), *access, u64::from(*age), 0, 0, 0, 0]
            }
            Self::Deciding { who, token, age, loaded, found, decision } => {
                let made_at = decision.after.map_or(0, |p| p.made_at.micros() as u64);
                let ages = u64::from(*age) << 8 | u64::from(*loaded);
                let newest = some(decision.after.map(|p| p.newest));
                [3, *who as u64, *token, ages, some(*found), decision.kind as u64, made_at, newest]
            }
        }
    }
}

pub(crate) fn take(held: &mut Vec<Generation>, token: Generation) {
    if !held.contains(&token) {
        held.push(token);
    }
}

/// Of those alike, the highest stands for all.
fn keep_one(held: &mut Vec<Generation>, alike: impl Fn(&Generation) -> bool) {
    let highest = held.iter().copied().filter(|token| alike(token)).max();
    held.retain(|token| !alike(token) || Some(*token) == highest);
}
