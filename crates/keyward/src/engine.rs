//! What does a running Keyward hold in memory, and what keeps that up to date?

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keyward_core::access_token::Realm;
use keyward_core::account::Account;
use keyward_core::change::{Change, Committed, Write};
use keyward_core::denial::Denial;
use keyward_core::event::{Event, EventType};
use keyward_core::id::{EventId, SessionId};
use keyward_core::key::KeyRing;
use keyward_core::password::PasswordHash;
use keyward_core::policy::CLOCK_SKEW;
use keyward_core::refresh_token::MacKeys;
use keyward_core::role::Roles;
use keyward_core::seal::MasterKey;
use keyward_core::session::{LEAP, Session};
use keyward_core::time::Timestamp;
use tokio::sync::broadcast::Sender;

use crate::Keyward;
use crate::access::AccessCache;
use crate::bounce::Bounces;
use crate::client::Client;
use crate::clock::{self, Clock};
use crate::edge::Edge;
use crate::error::{Denied, Error};
use crate::feed::{Feed, Lost};
use crate::figures::Figures;
use crate::flow::audit::chain::Chain;
use crate::hashing::Hashing;
use crate::mail::deliver::Delivery;
use crate::metrics::{Metrics, Written};
use crate::notes::Notes;
use crate::pace::Pace;
use crate::page::assets::Assets;
use crate::service_keys::ServiceKeys;
use crate::settings::Settings;
use crate::signing::Signing;
use crate::store::{Fault, News, NotCommitted, Store};
use crate::subscription;
use crate::tally::Tallies;
use crate::throttle::Throttles;

/// How often what changes slowly is looked after: keys, lengths in force, the sweep.
pub(crate) const CARE: Duration = Duration::from_secs(10 * 60);

pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) master: MasterKey,
    /// Whether that was given, and not made beside the database.
    pub(crate) has_own_key: bool,
    pub(crate) realm: Arc<Realm>,
    pub(crate) chain: Chain,
    pub(crate) feed: Arc<Feed>,
    pub(crate) edge: Edge,
    pub(crate) notes: Notes,
    pub(crate) tallies: Tallies,
    pub(crate) figures: Figures,
    pub(crate) hashing: Hashing,
    pub(crate) signing: Signing,
    pub(crate) throttles: Throttles,
    pub(crate) verified: AccessCache,
    pub(crate) bounces: Bounces,
    /// What pages load.
    pub(crate) assets: Assets,
    pub(crate) service_keys: ServiceKeys,
    pub(crate) metrics: Metrics,
    /// How many lines the log could not take.
    pub(crate) log_drops: Arc<AtomicU64>,
    /// What a login for an unknown name is checked against, so that it costs the same.
    pub(crate) nobody: PasswordHash,
    /// How mails leave.
    pub(crate) delivery: Delivery,
    pub(crate) pace: Pace,
    /// Where what was committed is told to whoever listens.
    pub(crate) happened: Sender<Event>,
    ring: RwLock<Arc<KeyRing>>,
    mac_keys: RwLock<Arc<MacKeys>>,
    keys_version: AtomicU64,
    roles: RwLock<Arc<Roles>>,
    /// How long the longest access token in force may live, in seconds.
    longest_access: AtomicU64,
    /// The longest that any node ever noted: rises when one of them has a longer one than all before.
    longest_noted: AtomicU64,
}

/// What an engine is made of besides what it starts empty with.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) master: MasterKey,
    pub(crate) has_own_key: bool,
    pub(crate) mac_keys: MacKeys,
    pub(crate) chain: Chain,
    pub(crate) hashing: Hashing,
    pub(crate) signing: Signing,
    pub(crate) nobody: PasswordHash,
    pub(crate) delivery: Delivery,
    pub(crate) metrics: Metrics,
    pub(crate) log_drops: Arc<AtomicU64>,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { store, clock, settings, master, mac_keys, chain, hashing, signing, nobody, .. } = parts;
        let (delivery, metrics, log_drops, has_own_key) =
            (parts.delivery, parts.metrics, parts.log_drops, parts.has_own_key);
        let idle =
            [settings.policy.idle_timeout, settings.policy.idle_timeout_bearer].into_iter().flatten().min();
        let notes = Notes::new(idle, store.ping_apart().is_some());
        Self {
            store,
            realm: Arc::new(Realm {
                issuer: settings.issuer().to_owned(),
                audience: settings.audience.clone(),
                leeway: settings.policy.leeway,
            }),
            feed: Arc::new(Feed::new(clock::random())),
            edge: Edge::new(&settings),
            notes,
            tallies: Tallies::default(),
            figures: Figures::default(),
            throttles: Throttles::new(&settings.limits),
            verified: AccessCache::default(),
            bounces: Bounces::default(),
            assets: Assets::new(&settings.branding),
            pace: Pace::default(),
            happened: subscription::sender(),
            service_keys: ServiceKeys::default(),
            ring: RwLock::new(Arc::new(KeyRing::default())),
            mac_keys: RwLock::new(Arc::new(mac_keys)),
            keys_version: AtomicU64::new(0),
            roles: RwLock::default(),
            longest_access: AtomicU64::new(settings.policy.access_ttl.as_secs()),
            longest_noted: AtomicU64::new(0),
            clock,
            settings,
            master,
            has_own_key,
            chain,
            hashing,
            signing,
            nobody,
            delivery,
            metrics,
            log_drops,
        }
    }

    /// The keys that verify, and the one that signs.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys that make and verify refresh tokens.
    pub(crate) fn mac_keys(&self) -> Arc<MacKeys> {
        Arc::clone(&self.mac_keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_keys(&self, version: u64, ring: KeyRing, mac_keys: MacKeys) {
        let mut present = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        // Two may take over at once: what was read later stays.
        if version < self.keys_version.load(Ordering::Acquire) {
            return;
        }
        *present = Arc::new(ring);
        *self.mac_keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(mac_keys);
        self.keys_version.store(version, Ordering::Release);
        drop(present);
        self.feed.touch();
    }

    /// Asks the store what was revoked, and takes over keys that another node or command made.
    pub(crate) async fn poll(&self) -> Result<(), Fault> {
        let Some(news) = self.feed.poll(&*self.store, &self.clock).await? else { return Ok(()) };
        let lost = self.feed.has_lost();
        if lost.is_some() {
            self.service_keys.forget();
            self.keys_version.store(0, Ordering::Release);
        }
        let News { keys_version, service_keys_version, longest_access_ttl, .. } = news;
        self.service_keys.exists(service_keys_version);
        if longest_access_ttl != self.longest_noted.load(Ordering::Relaxed) {
            self.learn_access_ttls(self.clock.now()).await?;
        }
        if lost.is_some() || keys_version != self.keys_version.load(Ordering::Acquire) {
            self.load_ring().await?;
        }
        if let Some(lost) = lost {
            self.leave_behind(lost).await?;
        }
        Ok(())
    }

    /// Makes every access token out of date that was made before the store lost something: it may say
    /// permissions by a version that means something else now, or be of a session that nobody knows any
    /// more. The first node that notices does it, and the others hear of it.
    async fn leave_behind(&self, lost: Lost) -> Result<(), Fault> {
        // A store from long before may be several leaps behind.
        while self.feed.set().least_rv() <= lost.least_rv + LEAP / 2 {
            tracing::warn!("every access token from before is out of date now");
            let until = self.matters_until(self.clock.now());
            let change = Change::of([Write::CutEverybodyOff { until }]);
            self.commit_and_tell(change).await.map_err(NotCommitted::fault)?;
        }
        self.feed.dealt_with(lost);
        Ok(())
    }

    /// Commits a change; what it revokes is in force here before this returns.
    pub(crate) async fn commit(&self, mut change: Change) -> Result<Committed, NotCommitted> {
        change.events.iter_mut().for_each(|event| self.chain.mark(event));
        let written = Written::of(&change);
        let began = self.clock.monotonic();
        let committed = self.commit_and_tell(change).await;
        let answer = committed.as_ref().map(|(committed, _)| committed);
        self.metrics.committed(&written, answer, self.clock.monotonic().saturating_sub(began));
        let (committed, in_turn) = committed?;
        if !in_turn && self.feed.listeners.count() > 0 {
            // Somebody else's lies between, which they have to hear first. It is done either way.
            if let Err(fault) = self.poll().await {
                tracing::debug!("those who listen hear of a change later: {fault}");
            }
        }
        Ok(committed)
    }

    /// Commits, puts what it revokes in force here, and tells the events to whoever listens; also
    /// gives whether the feed could tell the revocations in their turn.
    async fn commit_and_tell(&self, change: Change) -> Result<(Committed, bool), NotCommitted> {
        if self.happened.receiver_count() == 0 {
            let committed = self.store.commit(change).await?;
            let in_turn = self.feed.committed(&committed.revocations);
            return Ok((committed, in_turn));
        }
        let (store, feed, happened) =
            (Arc::clone(&self.store), Arc::clone(&self.feed), self.happened.clone());
        // Of its own: who asked may go away meanwhile, and what is committed is told all the same.
        let told = tokio::spawn(async move {
            let events = change.events.clone();
            let committed = store.commit(change).await?;
            let in_turn = feed.committed(&committed.revocations);
            for event in events {
                // That nobody listens any more is just as well.
                let _ = happened.send(event);
            }
            Ok((committed, in_turn))
        });
        told.await.unwrap_or_else(|error| Err(Fault::Unavailable(error.to_string()).into()))
    }

    /// Until when something that is cut off now must be remembered: the longest access token in
    /// force, and what clocks may differ by.
    pub(crate) fn matters_until(&self, now: Timestamp) -> Timestamp {
        now.after(self.outlives_tokens())
    }

    /// How long after its making no access token can be alive.
    pub(crate) fn outlives_tokens(&self) -> Duration {
        Duration::from_secs(self.longest_access.load(Ordering::Relaxed))
            + self.settings.policy.leeway
            + CLOCK_SKEW
    }

    /// Records the length of the access tokens made here, and learns which others may still be alive.
    /// Gives whether other nodes knew of lesser ones alone.
    pub(crate) async fn note_access_ttl(&self, now: Timestamp) -> Result<bool, Error> {
        self.learn_access_ttls(now).await?;
        // In force at least until it is recorded again, even if that comes late.
        let ttl = self.access_ttl();
        let note = Write::NoteAccessTtl { ttl, at: now.after(2 * CARE) };
        self.commit(Change::of([note])).await?;
        let former = self.longest_noted.fetch_max(ttl.as_secs(), Ordering::Relaxed);
        Ok((1..ttl.as_secs()).contains(&former))
    }

    /// Learns which lengths of access tokens may still be alive: those of any node.
    pub(crate) async fn learn_access_ttls(&self, now: Timestamp) -> Result<(), Fault> {
        let slack = self.settings.policy.leeway + CLOCK_SKEW;
        let noted = self.store.access_ttls().await?;
        let alive = noted.iter().filter(|(ttl, last)| last.after(Duration::from_secs(*ttl) + slack) >= now);
        let longest = alive.map(|(ttl, _)| *ttl).max().unwrap_or(0).max(self.access_ttl().as_secs());
        self.longest_access.store(longest, Ordering::Relaxed);
        self.longest_noted.store(noted.iter().map(|(ttl, _)| *ttl).max().unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }

    fn access_ttl(&self) -> Duration {
        Duration::from_secs(self.settings.policy.access_ttl.as_secs().saturating_add(1))
    }

    /// Whether this node can say who is signed in. A Redis that is away is away for every node: what
    /// it is needed for besides, no other one could do in place of this.
    pub(crate) async fn is_ready(&self) -> Result<(), Error> {
        self.store.ping().await.map_err(|fault| match fault {
            Fault::Elsewhere(why) => Denied::from(Denial::StoreUnavailable)
                .retry_in(Duration::from_secs(1))
                .with_detail(why)
                .into(),
            fault => Error::from(fault),
        })?;
        self.know_revocations().await
    }

    /// Asks what holds the moving part of sessions apart whether it takes writes: the metrics tell what
    /// became of that.
    pub(crate) async fn ask_redis(&self) -> Result<(), Error> {
        match self.store.ping_apart() {
            Some(answer) => Ok(answer.await?),
            None => Ok(()),
        }
    }

    /// The table of roles, at least as new as `version`.
    pub(crate) async fn roles(&self, version: u64) -> Result<Arc<Roles>, Fault> {
        let known = Arc::clone(&self.roles.read().unwrap_or_else(PoisonError::into_inner));
        if known.version == version && !known.permissions.is_empty() {
            return Ok(known);
        }
        self.load_roles().await
    }

    /// The table of roles as it is in the store.
    pub(crate) async fn load_roles(&self) -> Result<Arc<Roles>, Fault> {
        let roles = Arc::new(self.store.roles().await?);
        *self.roles.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&roles);
        Ok(roles)
    }

    /// A session's record with what is noted of it since it was written.
    pub(crate) fn with_notes(&self, mut session: Session) -> Session {
        let (seen, active_at) = self.notes.of(session.id);
        session.progress = session.progress.map(|progress| progress.noted(seen, active_at));
        session
    }

    /// The secret of the link by which the first administrator is made: any node says the same.
    pub(crate) fn setup_token(&self) -> String {
        self.master.derive("setup").iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A short name for a text that tells nobody what it was.
    pub(crate) fn keyed_hash(&self, text: &str) -> String {
        self.master.derive(text).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }

    /// An event of this type at this moment, by this client. Where the client acts as an
    /// administrator or a service, `details.by` says who that is.
    pub(crate) fn event(&self, kind: EventType, client: &Client, now: Timestamp) -> Event {
        Event {
            id: EventId::new(now, clock::random()),
            at: now,
            kind,
            user: None,
            session: None,
            ip: client.ip.map(|ip| ip.to_string()),
            user_agent: (!client.user_agent.is_empty()).then(|| client.user_agent.clone()),
            success: true,
            reason: None,
            details: client.by.iter().map(|by| ("by".to_owned(), by.to_json())).collect(),
            tally: None,
            mark: None,
        }
    }

    /// Writes an event that is counted with those alike, if it is the first of its minute.
    pub(crate) async fn tally(&self, event: Event, what: &str) -> Result<(), Error> {
        self.tally_after(0, event, what).await
    }

    /// The same, but the first `singly` of each minute are each a row of their own.
    pub(crate) async fn tally_after(&self, singly: u32, event: Event, what: &str) -> Result<(), Error> {
        match self.tallies.count(event, what, singly) {
            Some(first) => Ok(self.commit(Change::default().with(first)).await.map(drop)?),
            None => Ok(()),
        }
    }
}

impl Keyward {
    /// How often the store was read since it was opened.
    pub fn store_reads(&self) -> u64 {
        self.engine.store.reads()
    }

    /// How many passwords were hashed since the start.
    pub fn password_hashes(&self) -> u64 {
        self.engine.hashing.hashes()
    }
}

/// Words for an event about an account.
pub(crate) trait About {
    fn about(self, account: &Account) -> Self;
    fn in_session(self, session: SessionId) -> Self;
    fn failed(self, reason: &str) -> Self;
    fn saying(self, key: &str, value: impl Into<serde_json::Value>) -> Self;
}

impl About for Event {
    fn about(mut self, account: &Account) -> Self {
        self.user = Some(account.id);
        self
    }

    fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    fn failed(mut self, reason: &str) -> Self {
        self.success = false;
        self.reason = Some(reason.to_owned());
        self
    }

    fn saying(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }
}
