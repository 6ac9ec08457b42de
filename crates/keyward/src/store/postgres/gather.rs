//! How do many at once load their sessions, and move them on, in one go?
//!
//! Who asks while others' questions are under way waits for the next turn, and goes together with all
//! who wait by then; while few ask, each goes alone and at once. So the database is asked less often
//! the more there is to do. Nobody joins what has been sent already: an answer is never from before
//! its question.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyward_core::change::{Committed, Conflict};
use keyward_core::id::SessionId;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::pool::{Pool, no_answer, together};
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

/// Asks all of these; an answer for each, in their order.
type Go<Ask, Answer> = Box<dyn Fn(Vec<Ask>) -> Later<Vec<Answer>> + Send + Sync>;
type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Waiting<Ask, Answer> {
    asks: VecDeque<(Ask, oneshot::Sender<Answer>)>,
    under_way: usize,
}

impl<Ask: Send + 'static, Answer: Send + 'static> Gather<Ask, Answer> {
    fn new<F>(pool: &Pool, go: impl Fn(Pool, Vec<Ask>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<Answer>> + Send + 'static,
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
            if waiting.asks.len() >= self.0.room {
                return Err(Fault::Unavailable("too many requests wait for the database".to_owned()));
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
        while let Some((asks, answers)) = self.next() {
            // Of its own: those who wait later are asked for, whatever becomes of these.
            let told = tokio::spawn((self.go)(asks)).await.unwrap_or_default();
            for (answer, told) in answers.into_iter().zip(told) {
                // That nobody waits for it any more is just as well.
                let _ = answer.send(told);
            }
        }
    }

    /// Those whose turn it is. Without any, this one is over.
    fn next(&self) -> Option<(Vec<Ask>, Vec<oneshot::Sender<Answer>>)> {
        let mut waiting = self.waiting();
        // Nobody waits for the answers of those any more.
        waiting.asks.retain(|(_, answer)| !answer.is_closed());
        let crowd = waiting.asks.len().min(CROWD);
        if crowd == 0 {
            waiting.under_way -= 1;
            return None;
        }
        Some(waiting.asks.drain(..crowd).unzip())
    }
}

/// Those who load a session.
pub(super) type Loads = Gather<SessionId, Result<Option<Loaded>, Fault>>;

impl Loads {
    pub(super) fn by(pool: &Pool) -> Self {
        Self::new(pool, |pool, ids| async move { load(&pool, &ids).await })
    }
}

async fn load(pool: &Pool, ids: &[SessionId]) -> Vec<Result<Option<Loaded>, Fault>> {
    let read = match ids {
        [only] => pool.read(sql::SESSION, &[sql::id(*only)]).await,
        all => pool.read(sql::EACH_SESSION, &[Value::List(all.iter().copied().map(sql::id).collect())]).await,
    };
    let found = read.and_then(|rows| {
        rows.iter().map(|row| Ok((row.bytes(0)?, sql::loaded(row)))).collect::<Result<HashMap<_, _>, _>>()
    });
    let of = |id: &SessionId| match &found {
        Ok(found) => found.get(<[u8; 16]>::from(*id).as_slice()).cloned().transpose(),
        Err(fault) => Err(fault.clone()),
    };
    ids.iter().map(of).collect()
}

/// Those who write how far a session has come, and nothing else: of which session, and by which
/// statement.
pub(super) type Advances = Gather<(SessionId, Vec<Statement>), Result<Committed, NotCommitted>>;

impl Advances {
    pub(super) fn to(pool: &Pool) -> Self {
        Self::new(pool, |pool, advances| async move { advance(&pool, advances).await })
    }
}

/// All in one statement, but for those that meet another of the same session: that one is first.
async fn advance(
    pool: &Pool,
    advances: Vec<(SessionId, Vec<Statement>)>,
) -> Vec<Result<Committed, NotCommitted>> {
    let mut sessions = HashSet::new();
    let (mut first, mut alone): (Vec<_>, Vec<_>) =
        advances.into_iter().enumerate().partition(|(_, (session, _))| sessions.insert(*session));
    let mut answers = Vec::with_capacity(first.len() + alone.len());
    // In one order: another node's could wait for these, and these for that one's.
    first.sort_by_key(|(_, (session, _))| *session);
    let lists = match first.len() {
        0 | 1 => None,
        _ => Some(sql::lists(first.iter().flat_map(|(_, (_, statements))| statements))),
    };
    let moved = match lists {
        Some(lists) => pool.once(sql::ADVANCE_EACH, &lists).await.and_then(|rows| {
            Ok(Some(rows.iter().map(|row| row.bytes(0)).collect::<Result<HashSet<_>, _>>()?))
        }),
        None => Ok(None),
    };
    match moved {
        Ok(Some(moved)) => answers.extend(first.into_iter().map(|(at, (session, _))| {
            let is_moved = moved.contains(<[u8; 16]>::from(session).as_slice());
            (at, is_moved.then(Committed::default).ok_or(NotCommitted::Conflict(Conflict::Changed)))
        })),
        // Nothing of it is written: somebody locked these in another order.
        Ok(None) | Err(NotCommitted::Conflict(_)) => alone.extend(first),
        Err(fault) => answers.extend(first.into_iter().map(|(at, _)| (at, Err(fault.clone())))),
    }
    let writes =
        alone.into_iter().map(|(at, (_, statements))| async move { (at, pool.write(statements).await) });
    answers.extend(together(writes.map(|write| Box::pin(write) as _).collect()).await);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
