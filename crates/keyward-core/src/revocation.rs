//! What is cut off, and for how long must that be remembered?
//!
//! A verifier asks this set, in memory, for every access token: signature and claims say what was
//! true when the token was made, the set says what has ended since. An entry lives as long as an
//! access token from before it can; the set's size is bounded by the revocations of that time.

use std::collections::{BTreeMap, HashMap};

use crate::id::{SessionId, UserId};
use crate::session::Generation;
use crate::time::Timestamp;

/// Something that is cut off.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Revocation {
    /// Every token signed by this key.
    Key(String),
    /// Every token of this session.
    Session(SessionId),
    /// Every token of this generation of this session, which was given up for lost. Presenting
    /// one ends the session.
    Generation(SessionId, Generation),
    /// Every token of this user with a lesser `uv`: it says roles that are no longer theirs.
    User(UserId, u64),
    /// Every token with a lesser `rv`: a role means something else now.
    Roles(u64),
}

/// A revocation, its place in the order in which they were committed, and until when it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The place in commit order, from 1.
    pub position: u64,
    /// What is cut off.
    pub revocation: Revocation,
    /// From when on no token can be alive that it concerns.
    pub until: Timestamp,
}

/// What an access token says of itself, as far as the set asks.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The key that signed it.
    pub kid: &'a str,
    /// Its session.
    pub session: SessionId,
    /// The generation it was issued beside.
    pub generation: Generation,
    /// Its user.
    pub user: UserId,
    /// `uv`: the version of the user's roles.
    pub roles_version: u64,
    /// `rv`: the version of the table of roles.
    pub role_table_version: u64,
}

/// Why a token that is good in itself is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CutOff {
    /// Its key was revoked; a refresh brings another.
    Key,
    /// Its session has ended.
    Session,
    /// Its generation was given up for lost: the session has to end.
    Generation,
    /// Its user has other roles now; a refresh brings them.
    User,
    /// A role means something else now; a refresh brings it.
    Roles,
}

/// The set, in memory.
#[derive(Debug, Default)]
pub struct RevocationSet {
    keys: HashMap<String, Timestamp>,
    sessions: HashMap<SessionId, Timestamp>,
    generations: HashMap<SessionId, BTreeMap<Generation, Timestamp>>,
    users: HashMap<UserId, (u64, Timestamp)>,
    roles: Option<(u64, Timestamp)>,
}

impl RevocationSet {
    /// Takes in an entry; taking it in again, or late, changes nothing.
    pub fn insert(&mut self, entry: &Entry) {
        let until = entry.until;
        let later = |known: &mut Timestamp| *known = (*known).max(until);
        match &entry.revocation {
            Revocation::Key(kid) => {
                self.keys.entry(kid.clone()).and_modify(later).or_insert(until);
            }
            Revocation::Session(session) => {
                self.sessions.entry(*session).and_modify(later).or_insert(until);
            }
            Revocation::Generation(session, generation) => {
                self.generations
                    .entry(*session)
                    .or_default()
                    .entry(*generation)
                    .and_modify(later)
                    .or_insert(until);
            }
            Revocation::User(user, least) => {
                let known = self.users.entry(*user).or_insert((*least, until));
                *known = (known.0.max(*least), known.1.max(until));
            }
            Revocation::Roles(least) => {
                let known = self.roles.get_or_insert((*least, until));
                *known = (known.0.max(*least), known.1.max(until));
            }
        }
    }

    /// Whether a token is cut off, and by what: the first that holds, in this order.
    pub fn check(&self, token: Subject<'_>) -> Option<CutOff> {
        if self.keys.contains_key(token.kid) {
            Some(CutOff::Key)
        } else if self.has_ended(token.session) {
            Some(CutOff::Session)
        } else if self.is_dead(token.session, token.generation) {
            Some(CutOff::Generation)
        } else if self.users.get(&token.user).is_some_and(|(least, _)| token.roles_version < *least) {
            Some(CutOff::User)
        } else if self.roles.is_some_and(|(least, _)| token.role_table_version < least) {
            Some(CutOff::Roles)
        } else {
            None
        }
    }

    /// Whether this session has ended.
    pub fn has_ended(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Whether this generation of this session was given up for lost.
    pub fn is_dead(&self, session: SessionId, generation: Generation) -> bool {
        self.generations.get(&session).is_some_and(|dead| dead.contains_key(&generation))
    }

    /// The least `rv` that a token has to say; 0 where any will do.
    pub fn least_rv(&self) -> u64 {
        self.roles.map_or(0, |(least, _)| least)
    }

    /// The highest generation of this session that was given up for lost.
    pub fn last_dead(&self, session: SessionId) -> Option<Generation> {
        self.generations.get(&session).and_then(|dead| dead.keys().next_back().copied())
    }

    /// Everything that is cut off, and until when each matters.
    pub fn entries(&self) -> impl Iterator<Item = (Revocation, Timestamp)> {
        let keys = self.keys.iter().map(|(kid, until)| (Revocation::Key(kid.clone()), *until));
        let sessions = self.sessions.iter().map(|(session, until)| (Revocation::Session(*session), *until));
        let generations = self.generations.iter().flat_map(|(session, dead)| {
            dead.iter().map(|(generation, until)| (Revocation::Generation(*session, *generation), *until))
        });
        let users = self.users.iter().map(|(user, (least, until))| (Revocation::User(*user, *least), *until));
        let roles = self.roles.iter().map(|(least, until)| (Revocation::Roles(*least), *until));
        keys.chain(sessions).chain(generations).chain(users).chain(roles)
    }

    /// Forgets what no living token can be concerned by.
    pub fn sweep(&mut self, now: Timestamp) {
        self.keys.retain(|_, until| *until > now);
        self.sessions.retain(|_, until| *until > now);
        self.generations.retain(|_, dead| {
            dead.retain(|_, until| *until > now);
            !dead.is_empty()
        });
        self.users.retain(|_, (_, until)| *until > now);
        self.roles = self.roles.filter(|(_, until)| *until > now);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.keys.len()
            + self.sessions.len()
            + self.generations.values().map(BTreeMap::len).sum::<usize>()
            + self.users.len()
            + usize::from(self.roles.is_some())
    }

    /// Whether nothing is cut off.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId::from_bytes([1; 16]);
    const USER: UserId = UserId::from_bytes([2; 16]);

    fn set(revocations: &[Revocation]) -> RevocationSet {
        let mut set = RevocationSet::default();
        for (i, revocation) in revocations.iter().enumerate() {
            let entry = Entry {
                position: i as u64 + 1,
                revocation: revocation.clone(),
                until: Timestamp::from_seconds(100),
            };
            set.insert(&entry);
        }
        set
    }

    fn token() -> Subject<'static> {
        Subject {
            kid: "k",
            session: SESSION,
            generation: 3,
            user: USER,
            roles_version: 5,
            role_table_version: 7,
        }
    }

    #[test]
    fn each_entry_cuts_off_what_it_names_and_nothing_else() {
        let other = SessionId::from_bytes([9; 16]);
        for (revocation, expected) in [
            (Revocation::Key("k".into()), Some(CutOff::Key)),
            (Revocation::Key("other".into()), None),
            (Revocation::Session(SESSION), Some(CutOff::Session)),
            (Revocation::Session(other), None),
            (Revocation::Generation(SESSION, 3), Some(CutOff::Generation)),
            (Revocation::Generation(SESSION, 2), None),
            (Revocation::User(USER, 6), Some(CutOff::User)),
            (Revocation::User(USER, 5), None),
            (Revocation::Roles(8), Some(CutOff::Roles)),
            (Revocation::Roles(7), None),
        ] {
            assert_eq!(set(std::slice::from_ref(&revocation)).check(token()), expected, "{revocation:?}");
        }
    }

    #[test]
    fn the_gravest_reason_is_told_first() {
        let all = [
            Revocation::Roles(8),
            Revocation::User(USER, 6),
            Revocation::Generation(SESSION, 3),
            Revocation::Session(SESSION),
            Revocation::Key("k".into()),
        ];
        let told = [CutOff::Roles, CutOff::User, CutOff::Generation, CutOff::Session, CutOff::Key];
        for n in 1..=all.len() {
            assert_eq!(set(&all[..n]).check(token()), Some(told[n - 1]));
        }
    }

    #[test]
    fn the_least_version_of_the_table_of_roles_is_told() {
        assert_eq!(set(&[]).least_rv(), 0);
        assert_eq!(set(&[Revocation::Roles(8), Revocation::Roles(5)]).least_rv(), 8);
    }

    #[test]
    fn an_older_entry_taken_in_late_weakens_nothing() {
        let mut set = set(&[Revocation::User(USER, 6)]);
        set.insert(&Entry {
            position: 1,
            revocation: Revocation::User(USER, 4),
            until: Timestamp::from_seconds(50),
        });
        assert_eq!(set.check(token()), Some(CutOff::User));
        set.sweep(Timestamp::from_seconds(99));
        assert_eq!(set.check(token()), Some(CutOff::User));
    }

    #[test]
    fn an_entry_is_forgotten_when_no_token_can_be_concerned() {
        let mut set = set(&[
            Revocation::Session(SESSION),
            Revocation::Roles(8),
            Revocation::User(USER, 6),
            Revocation::Key("k".into()),
            Revocation::Generation(SESSION, 3),
        ]);
        assert_eq!(set.len(), 5);
        let mut again = RevocationSet::default();
        for (position, (revocation, until)) in (1..).zip(set.entries()) {
            again.insert(&Entry { position, revocation, until });
        }
        assert_eq!((again.len(), again.check(token())), (5, Some(CutOff::Key)), "the whole of it is told");
        set.sweep(Timestamp::from_seconds(100));
        assert!(set.is_empty());
    }
}
