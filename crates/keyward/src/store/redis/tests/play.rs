//! A client with its refresh token, and the rule between it and a store.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use keyward_core::policy::Policy;
use keyward_core::revocation::RevocationSet;
use keyward_core::session::{End, EndReason, Presented, Verdict};
use tokio::sync::Notify;

use super::super::*;
use crate::store::contract;

/// What is in force in these tests: only refreshing counts, but for who says otherwise.
pub(super) fn policy() -> Policy {
    Policy { idle_timeout: None, absolute_ttl: Duration::from_secs(1 << 40), ..Policy::default() }
}

/// Someone who holds a refresh token of a session.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) session: SessionId,
    pub(super) generation: Generation,
    pub(super) made_at: Timestamp,
    /// For how long the session lives without activity, where it ends of the lack of it.
    pub(super) idle: Option<Duration>,
}

impl Client {
    /// Signs somebody up, who is signed in since then.
    pub(super) async fn sign_up(store: &dyn Store) -> Self {
        // Above what tests name by a single byte.
        static NUMBER: AtomicU32 = AtomicU32::new(1 << 8);
        let number = u128::from(NUMBER.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
        let session = SessionId::from_bytes(number);
        contract::sign_up(store, UserId::from_bytes(number), session).await;
        let opened = store.session(session).await.expect("readable").expect("there").session;
        let Progress { newest, made_at, .. } = opened.progress.expect("known");
        Self { session, generation: newest, made_at, idle: None }
    }

    /// Presents the token, and takes the new one where it gets one. Who loses a race asks again.
    pub(super) async fn present(&mut self, store: &dyn Store, now: Timestamp) -> Result<Verdict, Fault> {
        loop {
            let (loaded, verdict) = self.ask(store, now).await?;
            match store.commit(self.change(&verdict, &loaded, now)).await {
                Ok(_) => {
                    if let Verdict::Rotate { after } | Verdict::Forgive { after, .. } = verdict {
                        (self.generation, self.made_at) = (after.newest, after.made_at);
                    }
                    return Ok(verdict);
                }
                Err(NotCommitted::Conflict(Conflict::Changed)) => {}
                Err(NotCommitted::Conflict(conflict)) => panic!("{conflict:?}"),
                Err(NotCommitted::Fault(fault)) => return Err(fault),
            }
        }
    }

    /// What the rule says, with nothing written.
    pub(super) async fn ask(&self, store: &dyn Store, now: Timestamp) -> Result<(Loaded, Verdict), Fault> {
        let mut revoked = RevocationSet::default();
        store.news(0).await?.revocations.iter().for_each(|entry| revoked.insert(entry));
        let loaded = store.session(self.session).await?.expect("its record is there");
        let presented = Presented {
            generation: self.generation,
            made_at: self.made_at,
            dead: revoked.is_dead(self.session, self.generation),
            last_dead: revoked.last_dead(self.session),
        };
        let policy = Policy { idle_timeout: self.idle, ..policy() };
        let verdict = loaded.session.present(presented, true, now, &policy);
        Ok((loaded, verdict))
    }

    /// What is to be written of a verdict.
    pub(super) fn change(&self, verdict: &Verdict, loaded: &Loaded, now: Timestamp) -> Change {
        let session = self.session;
        let newest = loaded.session.progress.map(|progress| progress.newest);
        let advance = |after: &Progress, unseen| {
            let (after, resting) = (*after, loaded.session.resting);
            Write::Advance { session, newest, unseen, after, resting }
        };
        let until = now.after(Duration::from_secs(3_600));
        Change::of(match verdict {
            Verdict::Rotate { after } | Verdict::Adopt { after } => vec![advance(after, false)],
            Verdict::Forgive { after, dead } => {
                let revocation = Revocation::Generation(session, *dead);
                vec![advance(after, true), Write::Revoke { revocation, until }]
            }
            Verdict::Theft => {
                vec![Write::EndSession { session, end: End { at: now, why: EndReason::Theft }, until }]
            }
            Verdict::Keep { .. } | Verdict::Wait { .. } | Verdict::Refuse(_) => Vec::new(),
        })
    }
}

/// A store whose commits do what a test says.
pub(super) struct Staged {
    pub(super) durable: Arc<dyn Store>,
    /// How the next commits go.
    pub(super) act: Mutex<Act>,
    /// How many there were.
    pub(super) commits: AtomicUsize,
    /// Somebody waits in one.
    pub(super) entered: Notify,
}

/// How a commit goes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Act {
    Well,
    /// It is refused as unavailable.
    Fails,
    /// It never comes back, and wrote nothing.
    Hangs,
}

impl Staged {
    pub(super) fn over(durable: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            durable,
            act: Mutex::new(Act::Well),
            commits: Default::default(),
            entered: Default::default(),
        })
    }

    pub(super) fn will(&self, act: Act) {
        *self.act.lock().expect("no panic") = act;
    }
}

impl Store for Staged {
    rest_of_store!();
    passed_on! { 'a
        session(id: SessionId) -> Option<Loaded>;
        sessions_of(user: UserId, limit: u32) -> Vec<Session>;
        sessions(after: SessionId, limit: u32) -> Vec<Session>;
        all_sessions(search: &'a SessionSearch) -> SessionPage;
        sweep(sweep: Sweep) -> Swept;
    }

    fn commit(&self, change: Change) -> Answer<'_, Committed, NotCommitted> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let act = *self.act.lock().expect("no panic");
        Box::pin(async move {
            match act {
                Act::Well => self.durable.commit(change).await,
                Act::Fails => Err(Fault::Unavailable("as the test says".into()).into()),
                Act::Hangs => {
                    self.entered.notify_one();
                    std::future::pending().await
                }
            }
        })
    }

    fn reads(&self) -> u64 {
        self.durable.reads()
    }
}

impl Trail for Staged {
    whole_trail!();
}
