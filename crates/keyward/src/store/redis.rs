//! How does Redis hold what moves in a session, over a store that holds everything else?
//!
//! Openings, ends and cut-offs are committed with their events in the store beneath, which also
//! says whether a session is there and open: what Redis loses signs nobody out and brings nobody
//! back. How far a session has come is one key in Redis, moved on by one script ([`record`]). A
//! change that touches both halves is written in such an order that a crash between them can't lose
//! what matters:
//! - an opening beneath first: without its key, the first refresh is adopted;
//! - an end beneath first: whoever loads the session from then on sees it;
//! - a forgiveness in Redis first, as who loses that race must not have written that a living
//!   generation is dead. Until it stands in the revocation set the key says that this is owed, and
//!   whoever loads the session pays before anything is decided on it.
//!
//! The store beneath sweeps by what rests there of the progress, which is written anew before it
//! falls behind by more than [`LAG`], whatever the configuration was and is; the sweep spares as much.

mod budget;
pub(crate) mod inspect;
mod nodes;
mod record;

use std::cmp::Reverse;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::account::Account;
use keyward_core::chain::Seal;
use keyward_core::change::{Change, Committed, Conflict, Write};
use keyward_core::event::Recorded;
use keyward_core::id::{EventId, SessionId, UserId};
use keyward_core::mail::{Link, Mail, SecretHash};
use keyward_core::revocation::Revocation;
use keyward_core::role::Roles;
use keyward_core::session::{Generation, LAG, Progress, Session};
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;
use tokio::task::JoinSet;

use self::nodes::Nodes;
pub(crate) use self::nodes::Patience;
pub use self::nodes::RedisOpenError;
use self::record::{Owed, Record};
use super::budget::Budgets;
use super::trail::{EventPage, EventQuery, Sealed, Suspects, Suspicion, Trail};
use super::{
    Answer, Counted, Fault, Loaded, Name, News, NotCommitted, Page, Search, SessionPage, SessionSearch,
    Store, StoredChainKey, StoredKeys, StoredMacKey, StoredServiceKeys, Sweep, Swept,
};

/// What the store beneath answers alone.
macro_rules! passed_on {
    ($life:lifetime $($name:ident($($given:ident: $of:ty),*) -> $answer:ty;)*) => {
        $(fn $name<$life>(&$life self, $($given: $of),*) -> Answer<$life, $answer> {
            self.durable.$name($($given),*)
        })*
    };
}

/// All that the store beneath answers alone but the audit trail.
macro_rules! rest_of_store {
    () => {
        passed_on! { 'a
            account(name: &'a Name) -> Option<Account>;
            count_open(after: UserId, limit: u32) -> (u64, Option<UserId>);
            accounts(search: &'a Search) -> Page;
            cost_classes() -> Vec<String>;
            imported(user: UserId) -> Option<[u8; 16]>;
            signed_in_from(user: UserId, network: &'a str, since: Timestamp) -> bool;
            link(hash: SecretHash) -> Option<(Link, Account)>;
            due_mails(now: Timestamp, limit: u32) -> Vec<Mail>;
            has_role(role: &'a str) -> bool;
            roles() -> Roles;
            keys() -> StoredKeys;
            mac_keys() -> Vec<StoredMacKey>;
            service_keys() -> StoredServiceKeys;
            access_ttls() -> Vec<(u64, Timestamp)>;
            figures(since: Timestamp, until: Timestamp, step: Duration) -> Vec<Counted>;
            news(position: u64) -> News;
            ping() -> ();
        }
    };
}

macro_rules! whole_trail {
    () => {
        passed_on! { 'a
            events(query: EventQuery) -> EventPage;
            suspicious(suspicion: Suspicion) -> Suspects;
            chain_key() -> Option<StoredChainKey>;
            last_seal() -> Option<Seal>;
            sealed_after(number: u64) -> Option<Sealed>;
            past_seal(before: Timestamp) -> Option<Seal>;
            unsealed(after: EventId, before: EventId, limit: u32) -> Vec<Recorded>;
            strays(limit: u32) -> Vec<(i64, EventId)>;
        }
    };
}

#[cfg(test)]
mod tests;

/// For how much longer a key lives than any token of its session.
const SLACK: Duration = Duration::from_secs(60 * 60);
/// How many keys one question names at most.
const KEYS: usize = 500;

/// The two halves of a store.
pub(crate) struct Redis {
    durable: Arc<dyn Store>,
    nodes: Arc<Nodes>,
    terms: Terms,
}

/// What Redis is told of the sessions that it holds.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// What the names of all keys begin with.
    pub(crate) prefix: String,
    /// For how long a refresh token is good.
    pub(crate) refresh_ttl: Duration,
    /// How long it waits for Redis.
    pub(crate) patience: Patience,
}

/// How far a session has come, to be written on condition.
struct Advance {
    session: SessionId,
    newest: Option<Generation>,
    unseen: bool,
    after: Progress,
    resting: Option<Progress>,
}

/// A change, by halves.
#[derive(Default)]
struct Halves {
    advances: Vec<Advance>,
    notes: Vec<(SessionId, Option<Generation>, Option<Timestamp>)>,
    opened: Vec<(SessionId, Progress)>,
    beneath: Change,
}

impl Halves {
    fn of(change: Change) -> Self {
        let mut halves = Self::default();
        halves.beneath.events = change.events;
        for write in change.writes {
            match write {
                Write::Advance { session, newest, unseen, after, resting } => {
                    halves.advances.push(Advance { session, newest, unseen, after, resting });
                }
                Write::Note { session, seen, active_at } => halves.notes.push((session, seen, active_at)),
                other => {
                    if let Write::OpenSession { session, .. } = &other {
                        let progress = session.progress.unwrap_or(Progress::opened(session.opened_at));
                        halves.opened.push((session.id, progress));
                    }
                    halves.beneath.writes.push(other);
                }
            }
        }
        halves
    }

    /// What becomes owed for this session by its advance.
    fn owed(&self, session: SessionId) -> Option<Owed> {
        self.beneath.writes.iter().find_map(|write| match write {
            Write::Revoke { revocation: Revocation::Generation(of, dead), until } if *of == session => {
                Some(Owed { dead: *dead, until: *until })
            }
            _ => None,
        })
    }
}

impl Redis {
    /// Over this store, with the nodes at these addresses. The first question connects to them.
    ///
    /// # Errors
    /// [`RedisOpenError::Url`] for an address that is none.
    pub(crate) fn over(
        durable: Arc<dyn Store>,
        urls: &[String],
        terms: Terms,
    ) -> Result<Self, RedisOpenError> {
        Ok(Self { durable, nodes: Arc::new(Nodes::at(urls, terms.patience)?), terms })
    }

    /// Connects to the nodes.
    ///
    /// # Errors
    /// [`RedisOpenError`] where none of them answers.
    pub(crate) async fn connect(&self) -> Result<(), RedisOpenError> {
        self.nodes.connect().await
    }

    fn lives(&self) -> Duration {
        self.terms.refresh_ttl + SLACK
    }

    fn key(&self, session: SessionId) -> String {
        record::key(&self.terms.prefix, session)
    }

    async fn load(&self, id: SessionId) -> Result<Option<Loaded>, Fault> {
        let get = redis::Cmd::get(self.key(id));
        let (known, loaded) = tokio::join!(self.nodes.ask::<Option<String>>(&get), self.durable.session(id));
        let Some(mut loaded) = loaded? else { return Ok(None) };
        // Of what has ended the rest beneath is told. Nothing is decided by it any more.
        if loaded.session.ended.is_some() {
            return Ok(Some(loaded));
        }
        let known = known?.as_deref().map(Record::parse).transpose()?;
        if let Some(owed) = known.and_then(|record| record.owed) {
            self.pay(id, owed).await?;
        }
        moved(&mut loaded.session, known);
        Ok(Some(loaded))
    }

    /// Puts a dead generation into the revocation set for whoever could not any more. Twice does no
    /// harm.
    async fn pay(&self, session: SessionId, owed: Owed) -> Result<(), Fault> {
        let revocation = Revocation::Generation(session, owed.dead);
        let revoke = Change::of([Write::Revoke { revocation, until: owed.until }]);
        match self.durable.commit(revoke).await {
            Ok(_) => {}
            Err(NotCommitted::Fault(fault)) => return Err(fault),
            Err(NotCommitted::Conflict(_)) => {
                return Err(Fault::Unavailable("a revocation met a conflict".to_owned()));
            }
        }
        self.paid(session, owed).await;
        Ok(())
    }

    async fn paid(&self, session: SessionId, owed: Owed) {
        if let Err(fault) = self.nodes.run::<()>(&record::paid(&self.key(session), owed)).await {
            tracing::debug!("a generation given up for lost is revoked once more: {fault}");
        }
    }

    /// Puts in how far these sessions have come; what has ended keeps what rests beneath. A Redis that
    /// is away is here what an emptied one is: nobody needs it to see sessions, to end them or to open
    /// one more.
    async fn fill<'a>(&self, sessions: impl Iterator<Item = &'a mut Session>) -> Result<(), Fault> {
        let mut open: Vec<_> = sessions.filter(|session| session.ended.is_none()).collect();
        for some in open.chunks_mut(KEYS) {
            let keys: Vec<String> = some.iter().map(|session| self.key(session.id)).collect();
            let known: Vec<Option<String>> = match self.nodes.ask(redis::cmd("MGET").arg(keys)).await {
                Err(Fault::Unavailable(why)) => {
                    tracing::debug!("how far some sessions have come is not told: {why}");
                    vec![None; some.len()]
                }
                known => known?,
            };
            for (session, known) in some.iter_mut().zip(known) {
                moved(session, known.as_deref().map(Record::parse).transpose()?);
            }
        }
        Ok(())
    }

    async fn write(&self, change: Change) -> Result<Committed, NotCommitted> {
        let halves = Halves::of(change);
        let mut settled = Vec::new();
        for advance in &halves.advances {
            let owed = halves.owed(advance.session);
            self.advance(advance, owed).await?;
            settled.extend(owed.map(|owed| (advance.session, owed)));
        }
        let mut committed = Committed::default();
        let wrote = !halves.beneath.is_empty();
        if wrote {
            committed = self.durable.commit(halves.beneath).await?;
        }
        for (session, owed) in settled {
            self.paid(session, owed).await;
        }
        for advance in &halves.advances {
            self.rest(advance).await?;
        }
        let noted = self.note(halves.notes).await;
        if !wrote {
            noted?;
        }
        self.follow(&halves.opened, &committed).await;
        Ok(committed)
    }

    async fn advance(&self, advance: &Advance, owed: Option<Owed>) -> Result<(), NotCommitted> {
        let Advance { session, newest, unseen, after, .. } = advance;
        let key = self.key(*session);
        let script = record::advance(&key, *newest, *unseen, after, owed, self.lives());
        match self.nodes.run(&script).await? {
            true => Ok(()),
            false => Err(NotCommitted::Conflict(Conflict::Changed)),
        }
    }

    /// Writes beneath how far a session has come, where what rests there is about to be too old to
    /// tell it from one that is past.
    async fn rest(&self, advance: &Advance) -> Result<(), Fault> {
        let Some(resting) = advance.resting else { return Ok(()) };
        if advance.after.made_at <= resting.made_at.after(LAG) {
            return Ok(());
        }
        let write = Write::Advance {
            session: advance.session,
            newest: Some(resting.newest),
            unseen: false,
            after: advance.after,
            resting: None,
        };
        match self.durable.commit(Change::of([write])).await {
            // A conflict: somebody else did, or the session has ended.
            Ok(_) | Err(NotCommitted::Conflict(_)) => Ok(()),
            Err(NotCommitted::Fault(fault)) => Err(fault),
        }
    }

    /// All at once, each of its key.
    async fn note(
        &self,
        notes: Vec<(SessionId, Option<Generation>, Option<Timestamp>)>,
    ) -> Result<(), Fault> {
        let mut asked = JoinSet::new();
        for (session, seen, active_at) in notes {
            let (nodes, key) = (Arc::clone(&self.nodes), self.key(session));
            asked.spawn(async move { nodes.run::<()>(&record::note(&key, seen, active_at)).await });
        }
        asked.join_all().await.into_iter().collect()
    }

    /// What Redis is told after the fact. Where it can't be, nothing is wrong: a session without its
    /// key is adopted at its first refresh, and one that has ended is over with a key, too.
    async fn follow(&self, opened: &[(SessionId, Progress)], committed: &Committed) {
        let ended = committed.revocations.iter().filter_map(|entry| match entry.revocation {
            Revocation::Session(session) => Some(session),
            _ => None,
        });
        let mut told = Ok(());
        for (session, progress) in opened {
            let set = record::open(&self.key(*session), progress, self.lives());
            told = self.nodes.ask::<()>(&set).await.and(told);
        }
        if let Err(fault) = self.forget(ended).await.and(told) {
            tracing::warn!("Redis was not told what was committed, which does no harm: {fault}");
        }
    }

    /// Takes away the keys of sessions that have ended.
    async fn forget(&self, ended: impl Iterator<Item = SessionId>) -> Result<(), Fault> {
        let keys: Vec<String> = ended.map(|session| self.key(session)).collect();
        let mut told = Ok(());
        for some in keys.chunks(KEYS) {
            told = self.nodes.ask::<()>(&redis::Cmd::unlink(some)).await.and(told);
        }
        told
    }
}

/// Says of a session as it rests beneath what is known of its moving on. Of when its person last did
/// something each of the two may know more: what Redis lost is told beneath, if later ([`crate::notes`]).
fn moved(session: &mut Session, known: Option<Record>) {
    session.resting = session.progress;
    let active_at = session.resting.map(|resting| resting.last_active_at);
    session.progress = known.map(|record| record.progress.noted(None, active_at));
}

impl Store for Redis {
    rest_of_store!();

    fn session(&self, id: SessionId) -> Answer<'_, Option<Loaded>> {
        Box::pin(self.load(id))
    }

    fn session_at_rest(&self, id: SessionId) -> Answer<'_, Option<Loaded>> {
        self.durable.session(id)
    }

    fn sessions_of(&self, user: UserId, limit: u32) -> Answer<'_, Vec<Session>> {
        Box::pin(async move {
            // All of them: which are the most recently active ones is known only then.
            let mut sessions = self.durable.sessions_of(user, u32::MAX).await?;
            self.fill(sessions.iter_mut()).await?;
            sessions.sort_by_key(|session| {
                let active = session.progress.or(session.resting).map(|progress| progress.last_active_at);
                Reverse((active, session.id))
            });
            sessions.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(sessions)
        })
    }

    fn sessions(&self, after: SessionId, limit: u32) -> Answer<'_, Vec<Session>> {
        Box::pin(async move {
            let mut sessions = self.durable.sessions(after, limit).await?;
            self.fill(sessions.iter_mut()).await?;
            Ok(sessions)
        })
    }

    fn all_sessions<'a>(&'a self, search: &'a SessionSearch) -> Answer<'a, SessionPage> {
        Box::pin(async move {
            let mut page = self.durable.all_sessions(search).await?;
            self.fill(page.sessions.iter_mut().map(|(session, _)| session)).await?;
            Ok(page)
        })
    }

    fn may_have_news(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.durable.may_have_news()
    }

    fn commit(&self, change: Change) -> Answer<'_, Committed, NotCommitted> {
        Box::pin(self.write(change))
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            let sessions_before = sweep.sessions_before.before(LAG);
            let mut swept = self.durable.sweep(Sweep { sessions_before, ..sweep }).await?;
            // Of those that ended with everybody's, or while Redis was away, it was told nothing.
            if let Err(fault) = self.forget(swept.ended.iter().copied()).await {
                tracing::debug!("keys of sessions that have ended stay for a while: {fault}");
            }
            self.fill(swept.open.iter_mut()).await?;
            Ok(swept)
        })
    }

    fn ping_apart(&self) -> Option<Answer<'_, ()>> {
        Some(Box::pin(async move {
            // Each primary of a cluster is asked the one; the other is a write, which changes nothing: a
            // node that has become a replica refuses it.
            let (ping, write) =
                (redis::cmd("PING"), redis::Cmd::unlink(format!("{}:ping", self.terms.prefix)));
            let (answers, writes) = tokio::join!(self.nodes.ask::<()>(&ping), self.nodes.ask::<()>(&write));
            answers.and(writes)
        }))
    }

    fn reads(&self) -> u64 {
        self.durable.reads() + self.nodes.asked()
    }

    fn budgets(&self, _: Throttle) -> Option<&dyn Budgets> {
        Some(self)
    }
}

impl Trail for Redis {
    whole_trail!();
}
