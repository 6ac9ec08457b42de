//! What can happen to a session? Its store, its owner's jar, a thief, and the network between them.
//!
//! A state holds real records ([`Progress`]) and is moved by the real rule; only what lies around
//! the rule is modelled. Time stands still and the past recedes: a tick moves every recorded
//! moment one tick back, and what is settled recedes no further.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyward_core::policy::Policy;
use keyward_core::revocation::{CutOff, Subject};
use keyward_core::session::{End, EndReason, Generation, MadeBy, Presented, Progress, Session, Transport};
use keyward_core::time::Timestamp;
use stateright::{Model, Property};

use crate::rule::{Decision, Kind, Rule};
use crate::state::{Backup, Copied, Invariant, Jar, Message, SESSION, State, USER, Who, take};

pub(crate) const TICK: Duration = Duration::from_secs(10);
const NOW: Timestamp = Timestamp::from_seconds(2_000_000_000);
pub(crate) const LONG_AGO: Timestamp = Timestamp::from_seconds(1_900_000_000);

/// When a note that something was seen reaches the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    /// With the presentation: one node.
    AtOnce,
    /// Later, or never: several nodes, crashes.
    AtWill,
}

/// What a store may lose, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Nothing,
    /// All of the progress, at any moment: an emptied Redis.
    Wiped,
    /// The same, over a store that is told of the progress now and then.
    WipedOverRest,
    /// The newest writes, while nothing is under way, for the store was gone for longer than that:
    /// of everything (a restored backup), or of the progress alone (a Redis that failed over).
    /// Whether a forgiveness may be among the latter: its dead generation is remembered.
    Restored {
        forgiveness: bool,
    },
    /// The newest progress alone, a forgiveness maybe, over a store that is told of it now and then.
    RestoredOverRest,
}

impl Loss {
    /// Whether there is a store beneath that loses nothing.
    fn is_over_rest(self) -> bool {
        matches!(self, Self::WipedOverRest | Self::RestoredOverRest)
    }
}

/// The bounds of a search.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) rule: Rule,
    /// All deadlines lie ahead; `W` is a few ticks.
    pub(crate) policy: Policy,
    /// How many ticks an owner's message may be under way: a request from its sending to the load
    /// on which it is decided, an answer from that load to the jar. `None`: for ever.
    pub(crate) life: Option<u32>,
    /// Whether an answer's life counts from the commit instead.
    pub(crate) from_commit: bool,
    /// How many messages may be under way at once, those in a handler among them.
    pub(crate) in_flight: usize,
    pub(crate) thief: bool,
    pub(crate) notes: Notes,
    pub(crate) loss: Loss,
    /// How many generations are made after the first; `None`: any number.
    pub(crate) generations: Option<u32>,
    /// Whether states that nothing to come can tell apart are made one.
    pub(crate) normalised: bool,
    /// The one invariant that is asked about; `None`: all.
    pub(crate) asked: Option<Invariant>,
    pub(crate) tally: Arc<Tally>,
}

/// How often each verdict was given, so that a search that never meets one is noticed.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicUsize; Kind::ALL.len()]);

impl Tally {
    fn count(&self, kind: Kind) {
        self.0[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, kind: Kind) -> usize {
        self.0[kind as usize].load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Tick,
    /// A tab of the owner refreshes with what the jar holds.
    Send,
    /// A tab of the owner makes a request with the access token that the jar holds.
    Use,
    /// A message arrives: at a node, which loads and decides, or at the jar.
    Arrive(usize),
    /// A handler commits, and asks again if it lost the race.
    Commit(usize),
    /// A message is lost, or the process that handles it dies.
    Lose(usize),
    /// A message arrives twice.
    Double(usize),
    Flush(usize),
    Forget(usize),
    Copy,
    ThiefRefresh(Generation),
    ThiefAccess(Generation),
    LogOut,
    /// This is the record that the store will come back with.
    Back,
    /// The progress comes back as it was.
    Restore,
    /// All comes back as it was.
    RestoreAll,
    Wipe,
    /// A handler that committed tells the store beneath how far the session had come.
    Rest,
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            record: Some(Progress::opened(self.long_settled())),
            resting: self.loss.is_over_rest().then(|| Progress::opened(self.long_settled())),
            to_rest: None,
            ended: false,
            dead: Vec::new(),
            highest: 0,
            made: 0,
            jar: Jar { refresh: 0, access: 0 },
            messages: Vec::new(),
            notes: Vec::new(),
            backup: Backup::None,
            copy: Copied::Before { used: None },
            faults: 0,
        }]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        if s.faults != 0 {
            return;
        }
        actions.push(Action::Tick);
        for (i, message) in s.messages.iter().enumerate() {
            if matches!(message, Message::Deciding { .. }) {
                actions.push(Action::Commit(i));
            } else {
                actions.push(Action::Arrive(i));
            }
            actions.push(Action::Lose(i));
        }
        if s.ended {
            return;
        }
        if s.to_rest.is_some() {
            actions.push(Action::Rest);
        }
        for i in 0..s.notes.len() {
            actions.push(Action::Flush(i));
            actions.push(Action::Forget(i));
        }
        if s.messages.len() < self.in_flight {
            actions.push(Action::Send);
            if self.matters(s, s.jar.access, Who::Owner) {
                actions.push(Action::Use);
            }
            for (i, message) in s.messages.iter().enumerate() {
                if matches!(message, Message::Refresh { .. } | Message::Answer { .. }) {
                    actions.push(Action::Double(i));
                }
            }
        }
        if self.thief {
            actions.push(Action::LogOut);
        }
        match &s.copy {
            Copied::Before { .. } if self.thief => actions.push(Action::Copy),
            Copied::Before { .. } => {}
            Copied::Made { refresh, access, .. } => {
                if s.messages.len() < self.in_flight {
                    actions.extend(refresh.iter().map(|token| Action::ThiefRefresh(*token)));
                }
                let mattering = access.iter().filter(|token| self.matters(s, **token, Who::Thief));
                actions.extend(mattering.map(|token| Action::ThiefAccess(*token)));
            }
        }
        match (self.loss, &s.backup) {
            (Loss::Wiped | Loss::WipedOverRest, Backup::None) => actions.push(Action::Wipe),
            (Loss::Restored { .. } | Loss::RestoredOverRest, Backup::None) => actions.push(Action::Back),
            (Loss::RestoredOverRest, Backup::Taken(..)) if s.messages.is_empty() => {
                actions.push(Action::Restore);
            }
            (Loss::Restored { forgiveness }, Backup::Taken(back, _)) if s.messages.is_empty() => {
                actions.push(Action::RestoreAll);
                if forgiveness || s.dead.iter().all(|dead| *dead <= back.newest) {
                    actions.push(Action::Restore);
                }
            }
            _ => {}
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Tick => self.tick(&mut s),
            Action::Send => s.messages.push(Message::Refresh { token: s.jar.refresh, age: 0 }),
            Action::Use => s.messages.push(Message::Access { token: s.jar.access, age: 0 }),
            Action::Double(i) => s.messages.push(s.messages[i].clone()),
            Action::Lose(i) => {
                s.messages.remove(i);
            }
            Action::Arrive(i) => match s.messages.remove(i) {
                Message::Refresh { token, age } => self.refresh(&mut s, Who::Owner, token, age),
                Message::Access { token, .. } => self.access(&mut s, Who::Owner, token),
                Message::Answer { refresh, access, .. } => {
                    s.jar.access = access;
                    s.jar.refresh = refresh.unwrap_or(s.jar.refresh);
                }
                Message::Deciding { .. } => return None,
            },
            Action::Commit(i) => self.commit(&mut s, i),
            Action::Flush(i) => {
                let (token, who) = s.notes.remove(i);
                self.take_note(&mut s, who, token);
            }
            Action::Forget(i) => {
                s.notes.remove(i);
            }
            Action::Copy => {
                let Copied::Before { used } = s.copy else { return None };
                let of = s.jar.refresh.max(s.jar.access);
                s.copy = Copied::Made {
                    of,
                    refresh: vec![s.jar.refresh],
                    access: vec![s.jar.access],
                    later: [used > Some(of), false],
                    given: [false; 2],
                };
            }
            Action::ThiefRefresh(token) => self.refresh(&mut s, Who::Thief, token, 0),
            Action::ThiefAccess(token) => self.access(&mut s, Who::Thief, token),
            Action::LogOut => s.ended = true,
            Action::Back => s.backup = Backup::Taken(s.record?, s.dead.clone()),
            Action::Wipe => {
                s.record = None;
                s.backup = Backup::Used;
            }
            Action::Rest => {
                let (found, after) = s.to_rest.take()?;
                if s.resting.map(|resting| resting.newest) == Some(found) {
                    s.resting = Some(after);
                }
            }
            Action::Restore | Action::RestoreAll => {
                let Backup::Taken(record, dead) = std::mem::replace(&mut s.backup, Backup::Used) else {
                    return None;
                };
                s.record = Some(record);
                if action == Action::RestoreAll {
                    s.dead = dead;
                }
            }
        }
        if self.generations.is_some_and(|most| s.made > most) {
            return None;
        }
        self.inspect(&mut s);
        s.faults &= self.asked.map_or(u8::MAX, |asked| 1 << asked as u8);
        s.normalise(self);
        (s != *last).then_some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(Invariant::NobodySignedOut.name(), |_, s: &State| {
                s.keeps(Invariant::NobodySignedOut)
            }),
            Property::always(Invariant::CopyWorthNothing.name(), |_, s: &State| {
                s.keeps(Invariant::CopyWorthNothing)
            }),
            Property::always(Invariant::NoFork.name(), |_, s: &State| s.keeps(Invariant::NoFork)),
            Property::always(Invariant::OverIsOver.name(), |_, s: &State| s.keeps(Invariant::OverIsOver)),
        ]
    }
}

impl World {
    pub(crate) fn policy(window: u32) -> Policy {
        Policy {
            rotation_window: TICK * window,
            refresh_ttl: Duration::from_secs(1 << 40),
            absolute_ttl: Duration::from_secs(1 << 40),
            ..Policy::default()
        }
    }

    fn long_settled(&self) -> Timestamp {
        NOW.before(self.policy.rotation_window)
    }

    /// The session as a handler loads it.
    fn session(&self, s: &State) -> Session {
        Session {
            id: SESSION,
            user: USER,
            transport: Transport::Bearer,
            opened_at: LONG_AGO,
            auth_time: LONG_AGO,
            amr: String::new(),
            ip: String::new(),
            user_agent: String::new(),
            ended: s.ended.then_some(End { at: NOW, why: EndReason::Theft }),
            progress: s.record,
            resting: s.resting,
        }
    }

    fn decide(&self, s: &State, token: Generation, now: Timestamp) -> Decision {
        let revoked = s.revocations();
        let dead = revoked.is_dead(SESSION, token);
        let last_dead = revoked.last_dead(SESSION);
        let presented = Presented { generation: token, made_at: LONG_AGO, dead, last_dead };
        (self.rule.decide)(&self.session(s), presented, now, &self.policy)
    }

    fn tick(&self, s: &mut State) {
        let earliest = self.long_settled();
        let recede = |at: &mut Timestamp| *at = at.before(TICK).max(earliest);
        let resting = s.resting.iter_mut().chain(s.to_rest.iter_mut().map(|(_, after)| after));
        for progress in s.record.iter_mut().chain(resting) {
            recede(&mut progress.made_at);
        }
        if let Backup::Taken(progress, _) = &mut s.backup {
            recede(&mut progress.made_at);
        }
        for message in &mut s.messages {
            if let Message::Deciding { decision, .. } = message {
                for progress in decision.after.iter_mut() {
                    recede(&mut progress.made_at);
                }
            }
        }
        let Some(life) = self.life else { return };
        s.messages.retain_mut(|message| match message {
            Message::Refresh { age, .. } | Message::Access { age, .. } | Message::Answer { age, .. } => {
                *age += 1;
                *age <= life
            }
            Message::Deciding { who: Who::Thief, .. } => true,
            Message::Deciding { age, loaded, .. } => {
                *age = (*age + 1).min(life + 1);
                *loaded += 1;
                *loaded <= life
            }
        });
    }

    /// Whether presenting an access token of that generation can change anything but the time.
    fn matters(&self, s: &State, token: Generation, who: Who) -> bool {
        let newest = s.record.map(|p| p.newest);
        let is_later = match s.copy {
            Copied::Before { used } => who == Who::Owner && self.thief && Some(token) > used,
            Copied::Made { of, later, .. } => token > of && !later[who as usize],
        };
        s.dead.contains(&token)
            || newest.is_none_or(|newest| token > newest)
            || s.record.is_some_and(|p| p.newest == token && !p.seen)
            || is_later
            || self.loss != Loss::Nothing
            || !self.normalised
    }

    /// A node loads, decides, and answers where there is nothing to commit.
    fn refresh(&self, s: &mut State, who: Who, token: Generation, age: u32) {
        let decision = self.decide(s, token, NOW);
        self.tally.count(decision.kind);
        self.judge(s, who, token, &decision);
        if decision.access.is_some() {
            self.note(s, who, token);
        }
        if decision.after.is_some() || decision.ends {
            let found = s.record.map(|p| p.newest);
            s.messages.push(Message::Deciding { who, token, age, loaded: 0, found, decision });
        } else {
            self.answer(s, who, &decision, 0);
        }
    }

    fn commit(&self, s: &mut State, i: usize) {
        let Message::Deciding { who, token, age, loaded, found, decision } = s.messages.remove(i) else {
            return;
        };
        let on = self.rule.condition;
        let stale = on.newest && s.record.map(|p| p.newest) != found
            || on.ended && s.ended
            || on.seen && decision.on_seen && s.record.is_some_and(|p| p.seen);
        if stale {
            if self.life.is_none_or(|life| age <= life) {
                self.refresh(s, who, token, age);
            }
            return;
        }
        if s.ended && !decision.ends {
            s.fault(Invariant::OverIsOver);
        }
        s.ended = decision.ends;
        if let Some(dead) = decision.dead
            && self.rule.buries
            && !s.dead.contains(&dead)
        {
            s.dead.push(dead);
        }
        if let Some(after) = decision.after {
            s.record = Some(after);
            // Of several that could tell it, the last one does so, as late as it likes, or never.
            s.to_rest = s.resting.map(|resting| (resting.newest, after));
            s.made += u32::from(decision.refresh.is_some() && self.generations.is_some());
            if let Copied::Made { given, .. } = &mut s.copy {
                *given = [false; 2];
            }
            s.count(who, token);
        }
        self.answer(s, who, &decision, if self.from_commit { 0 } else { loaded });
    }

    /// What the answer carries goes on its way to the owner; the thief has it at once.
    fn answer(&self, s: &mut State, who: Who, decision: &Decision, age: u32) {
        if let Some(refresh) = decision.refresh {
            if refresh <= s.highest && self.loss == Loss::Nothing {
                s.fault(Invariant::NoFork);
            }
            s.highest = s.highest.max(refresh);
        }
        let Some(access) = decision.access else { return };
        if let Copied::Made { of, given, refresh: his_refresh, access: his_access, .. } = &mut s.copy {
            if s.record.is_some_and(|p| p.made_by == MadeBy::Forgiveness && p.newest > *of) {
                given[who as usize] = true;
            }
            if who == Who::Thief {
                take(his_access, access);
                if let Some(refresh) = decision.refresh {
                    take(his_refresh, refresh);
                }
            }
        }
        if who == Who::Owner {
            s.messages.push(Message::Answer { refresh: decision.refresh, access, age });
        }
    }

    /// A node is shown an access token: its revocation set decides, in memory.
    fn access(&self, s: &mut State, who: Who, token: Generation) {
        let subject = Subject {
            kid: "k",
            session: SESSION,
            generation: token,
            user: USER,
            roles_version: 0,
            role_table_version: 0,
        };
        match s.revocations().check(subject) {
            None => self.note(s, who, token),
            Some(CutOff::Generation) => {
                if !self.thief {
                    s.fault(Invariant::NobodySignedOut);
                }
                if !self.rule.dead_access_ends {
                    s.fault(Invariant::CopyWorthNothing);
                }
                s.ended = true;
            }
            Some(_) => {}
        }
    }

    /// Something of that generation was accepted from `who`.
    fn note(&self, s: &mut State, who: Who, token: Generation) {
        if s.record.is_some_and(|p| token < p.newest) {
            s.count(who, token);
        }
        match self.notes {
            Notes::AtOnce => self.take_note(s, who, token),
            Notes::AtWill if !s.notes.contains(&(token, who)) => s.notes.push((token, who)),
            Notes::AtWill => {}
        }
    }

    fn take_note(&self, s: &mut State, who: Who, token: Generation) {
        s.record = s.record.map(|p| (self.rule.noted)(p, token));
        if s.record.is_some_and(|p| p.newest == token && p.seen) {
            s.count(who, token);
        }
    }

    /// Whether the rule may say that of what is presented.
    fn judge(&self, s: &mut State, who: Who, token: Generation, decision: &Decision) {
        if s.ended {
            return;
        }
        let refused = decision.kind == Kind::Refuse;
        if !self.thief && (refused || decision.kind == Kind::Theft) {
            s.fault(Invariant::NobodySignedOut);
        }
        if s.dead.contains(&token) && !refused && !decision.ends {
            s.fault(Invariant::CopyWorthNothing);
        }
        let rests_beyond = s.resting.is_some_and(|resting| {
            let is_held = token >= resting.newest || resting.parent == Some(token);
            let is_told = |p: Progress| p.newest >= resting.newest || p.made_by == MadeBy::Adoption;
            !is_held && !s.record.is_some_and(is_told) && resting.settled(NOW, &self.policy)
        });
        if rests_beyond && !refused && !decision.ends {
            s.fault(Invariant::CopyWorthNothing);
        }
        let Copied::Made { of, later, .. } = s.copy else { return };
        if self.loss != Loss::Nothing || token > of || !later[who.other() as usize] {
            return;
        }
        let settled = s.record.is_some_and(|p| p.settled(NOW, &self.policy));
        let harmless = decision.after.is_none() && decision.access.is_none_or(|names| names <= of);
        if !refused && !decision.ends && (settled || !harmless) {
            s.fault(Invariant::CopyWorthNothing);
        }
    }

    /// What must hold of every state by itself.
    fn inspect(&self, s: &mut State) {
        if s.ended {
            for generation in s.generations() {
                if self.decide(s, generation, NOW).kind != Kind::Refuse {
                    s.fault(Invariant::OverIsOver);
                }
            }
            return;
        }
        let settled = NOW.after(self.policy.rotation_window);
        if !self.thief {
            let decision = self.decide(s, s.jar.refresh, NOW);
            if matches!(decision.kind, Kind::Refuse | Kind::Theft) {
                s.fault(Invariant::NobodySignedOut);
            }
            // Whatever was lost: once everything under way is gone, the client can go on.
            let decision = self.decide(s, s.jar.refresh, settled);
            if decision.access.is_none() || s.dead.contains(&s.jar.access) {
                s.fault(Invariant::NobodySignedOut);
            }
        }
        if let Copied::Made { later, given, .. } = s.copy
            && self.loss == Loss::Nothing
            && (later == [true; 2] || given == [true; 2])
        {
            s.fault(Invariant::CopyWorthNothing);
        }
        let generations = s.generations();
        let rotating = generations.into_iter().filter(|g| self.decide(s, *g, settled).kind == Kind::Rotate);
        if rotating.count() > 1 {
            s.fault(Invariant::NoFork);
        }
    }
}
