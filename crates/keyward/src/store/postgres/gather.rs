//! How do many at once load their sessions, and move them on, in one go?
//!
//! Who asks while others' questions are under way waits for the next turn, and goes together with all
//! who wait by then; while few ask, each goes alone and at once. So the database is asked less often
//! the more there is to do. Nobody joins what has been sent already: an answer is never from before
//! its question. And nobody waits for what another has locked but who wants it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward_core::change::Committed;
use keyward_core::id::SessionId;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::pool::{Pool, crowded, no_answer};
use crate::store::sql::{self, Row as _, Statement, Value};
use crate::store::{Fault, Loaded, NotCommitted};

/// How many questions are under way at once: while one is answered the next one is gathered.
const TURNS: usize = 2;
/// How many go together at most.
const CROWD: usize = 128;

/// Those who ask the same kind of question.
pub(super) struct Gather<Ask, Answer>(Arc<Inner<Ask, Answer>>);

struct Inner<Ask, Answer> {
    waiting: Mutex<Waiting<Ask, Answer>>,
    /// How many may wait.
    room: usize,
    /// How long each waits at most.
    patience: Duration,
    go: Go<Ask, Answer>,
}

/// What is asked, and who is told.
type Asked<Ask, Answer> = (Ask, oneshot::Sender<Answer>);
/// Asks all of these and tells each. That nobody waits for an answer any more is just as well.
type Go<Ask, Answer> = Box<dyn Fn(Vec<Asked<Ask, Answer>>) -> Later + Send + Sync>;
type Later = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Waiting<Ask, Answer> {
    asks: VecDeque<Asked<Ask, Answer>>,
    under_way: usize,
}

impl<Ask, Answer> Waiting<Ask, Answer> {
    /// How many wait who have not given up.
    fn count(&mut self) -> usize {
        self.asks.retain(|(_, told)| !told.is_closed());
        self.asks.len()
    }
}

impl<Ask: Send + 'static, Answer: Send + 'static> Gather<Ask, Answer> {
    fn new<F>(pool: &Pool, go: impl Fn(Pool, Vec<Asked<Ask, Answer>>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (room, patience) = pool.room_and_patience();
        let pool = pool.clone();
        Self(Arc::new(Inner {
            waiting: Mutex::new(Waiting { asks: VecDeque::new(), under_way: 0 }),
            room,
            patience,
            go: Box::new(move |asks| Box::pin(go(pool.clone(), asks))),
        }))
    }

    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, Fault> {
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.0.waiting();
            if waiting.asks.len() >= self.0.room && waiting.count() >= self.0.room {
                return Err(crowded());
            }
            waiting.asks.push_back((ask, answer));
            if waiting.under_way < TURNS {
                waiting.under_way += 1;
                tokio::spawn(Inner::take_turns(Arc::clone(&self.0)));
            }
        }
        timeout(self.0.patience, answered).await.ok().and_then(Result::ok).ok_or_else(no_answer)
    }

    /// How many turns are under way, and how many wait for the next one.
    #[cfg(test)]
    pub(super) fn state(&self) -> (usize, usize) {
        let waiting = self.0.waiting();
        (waiting.under_way, waiting.asks.len())
    }
}

impl<Ask: Send + 'static, Answer: Send + 'static> Inner<Ask, Answer> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<Ask, Answer>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One turn after the other, for as long as somebody waits.
    async fn take_turns(self: Arc<Self>) {
        while let Some(asks) = self.next() {
            // Of its own: those who wait later are asked for, whatever becomes of these.
            let _ = tokio::spawn((self.go)(asks)).await;
        }
    }

    /// Those whose turn it is. Without any, this one is over.
    fn next(&self) -> Option<Vec<Asked<Ask, Answer>>> {
        let mut waiting = self.waiting();
        let crowd = waiting.count().min(CROWD);
        if crowd == 0 {
            waiting.under_way -= 1;
            return None;
        }
        Some(waiting.asks.drain(..crowd).collect())
    }
}

/// Those who load a session.
pub(super) type Loads = Gather<SessionId, Result<Option<Loaded>, Fault>>;

impl Loads {
    pub(super) fn by(pool: &Pool) -> Self {
        Self::new(pool, load)
    }
}

async fn load(pool: Pool, asks: Vec<Asked<SessionId, Result<Option<Loaded>, Fault>>>) {
    let read = match asks.as_slice() {
        [(only, _)] => pool.read(sql::SESSION, &[sql::id(*only)]).await,
        all => {
            let ids = all.iter().map(|(session, _)| sql::id(*session)).collect();
            pool.read(sql::EACH_SESSION, &[Value::List(ids)]).await
        }
    };
    let found = read.and_then(|rows| {
        rows.iter().map(|row| Ok((row.bytes(0)?, sql::loaded(row)))).collect::<Result<HashMap<_, _>, _>>()
    });
    for (session, told) in asks {
        let _ = told.send(match &found {
            Ok(found) => found.get(<[u8; 16]>::from(session).as_slice()).cloned().transpose(),
            Err(fault) => Err(fault.clone()),
        });
    }
}

/// Those who write how far a session has come, and nothing else: of which session, and by which
/// statement.
pub(super) type Advances = Gather<(SessionId, Statement), Result<Committed, NotCommitted>>;

impl Advances {
    /// None behind a pooler, where only a transaction of its own can be told how long it may take.
    pub(super) fn to(pool: &Pool) -> Option<Self> {
        (!pool.is_pooled()).then(|| Self::new(pool, advance))
    }
}

/// In one statement, which waits for nobody: whom it did not move, be it that another has locked that
/// session or that a condition did not hold, and who comes second with a session, goes alone.
async fn advance(pool: Pool, asks: Vec<Asked<(SessionId, Statement), Result<Committed, NotCommitted>>>) {
    let mut sessions = HashSet::new();
    let (crowd, mut alone): (Vec<_>, Vec<_>) =
        asks.into_iter().partition(|((session, _), _)| sessions.insert(*session));
    let lists = sql::lists(crowd.iter().map(|((_, statement), _)| statement));
    let moved = pool
        .once(sql::ADVANCE_EACH, &lists)
        .await
        .and_then(|rows| rows.iter().map(|row| row.bytes(0)).collect::<Result<HashSet<_>, _>>());
    for ((session, statement), told) in crowd {
        match &moved {
            Ok(moved) if moved.contains(<[u8; 16]>::from(session).as_slice()) => {
                let _ = told.send(Ok(Committed::default()));
            }
            Ok(_) => alone.push(((session, statement), told)),
            Err(fault) => {
                let _ = told.send(Err(fault.clone().into()));
            }
        }
    }
    for ((_, statement), told) in alone {
        let pool = pool.clone();
        tokio::spawn(async move { told.send(pool.write(vec![statement]).await) });
    }
}
