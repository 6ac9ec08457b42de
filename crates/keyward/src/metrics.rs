//! What is counted, and how is it told to Prometheus?
//!
//! One set for each Keyward, nothing global. Every label has few values, all of them known
//! beforehand; none names a person, a session or an address. What a request counts is an atomic
//! addition or one short lock, without an allocation.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyward_core::change::{Change, Committed, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::figure::Figure;
use keyward_core::key::KeyState;
use keyward_core::session::EndReason;
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::Keyward;
use crate::error::Error;
use crate::store::NotCommitted;

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Times<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;
type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

impl Keyward {
    /// The media type of [`Keyward::metrics`].
    pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// What was counted and how things stand, as OpenMetrics text: what `server.metrics_listen`
    /// serves. Its media type is [`Keyward::METRICS_TYPE`].
    pub fn metrics(&self) -> String {
        let engine = &self.engine;
        let metrics = &engine.metrics;
        metrics.feed_listeners.set(i64::try_from(engine.feed.listeners.count()).unwrap_or(i64::MAX));
        metrics.feed_age.set(engine.feed.age(engine.clock.monotonic()).as_secs_f64());
        let now = engine.clock.now();
        let ring = engine.ring();
        let active = ring.records().find(|key| key.state == KeyState::Active);
        let age = active.and_then(|key| key.active_from).map_or(Duration::ZERO, |from| now.since(from));
        metrics.signing_key_age.set(age.as_secs_f64());
        // Counted elsewhere, and never less than before.
        metrics.store_reads.inner().store(engine.store.reads(), Ordering::Relaxed);
        metrics.log_drops.inner().store(engine.log_drops.load(Ordering::Relaxed), Ordering::Relaxed);
        let mut text = String::with_capacity(16 << 10);
        // Writing to a String does not fail.
        let _ = encode(&mut text, &metrics.registry);
        text
    }
}

/// What a presented refresh token came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refreshed {
    Rotated,
    /// Kept: two tabs, or a retry.
    Replayed,
    Forgiven,
    Adopted,
    Pending,
    /// A copy: the session was ended.
    Reuse,
    Expired,
    Idle,
    Revoked,
    Inactive,
    /// None of ours, or in the other transport's place.
    Forged,
    Limited,
    /// The question could not be asked, or its answer not be given.
    Error,
}

impl Refreshed {
    const ALL: [Self; 13] = [
        Self::Rotated,
        Self::Replayed,
        Self::Forgiven,
        Self::Adopted,
        Self::Pending,
        Self::Reuse,
        Self::Expired,
        Self::Idle,
        Self::Revoked,
        Self::Inactive,
        Self::Forged,
        Self::Limited,
        Self::Error,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Rotated => "rotated",
            Self::Replayed => "replayed",
            Self::Forgiven => "forgiven",
            Self::Adopted => "adopted",
            Self::Pending => "pending",
            Self::Reuse => "reuse",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
            Self::Inactive => "inactive",
            Self::Forged => "forged",
            Self::Limited => "limited",
            Self::Error => "error",
        }
    }

    /// What a refusal came to.
    pub(crate) fn refused(error: &Error) -> Self {
        match error {
            Error::Fault(_) => Self::Error,
            Error::Denied(denied) => match denied.denial() {
                Denial::RefreshPending => Self::Pending,
                Denial::RefreshTokenReused => Self::Reuse,
                Denial::RefreshTokenExpired => Self::Expired,
                Denial::SessionIdle => Self::Idle,
                Denial::SessionRevoked => Self::Revoked,
                Denial::AccountInactive => Self::Inactive,
                Denial::InvalidRefreshToken => Self::Forged,
                Denial::RateLimited => Self::Limited,
                _ => Self::Error,
            },
        }
    }
}

/// What a proxy was told of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    /// Nobody is signed in: 401.
    Unauthenticated,
    /// The same, and sent to renew.
    Redirected,
    /// A role or a permission is missing.
    Forbidden,
    /// Another site made the browser send it.
    CrossSite,
    /// The node can't know.
    Unavailable,
}

impl Decision {
    const ALL: [Self; 6] = [
        Self::Allowed,
        Self::Unauthenticated,
        Self::Redirected,
        Self::Forbidden,
        Self::CrossSite,
        Self::Unavailable,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Unauthenticated => "unauthenticated",
            Self::Redirected => "redirected",
            Self::Forbidden => "forbidden",
            Self::CrossSite => "cross_site",
            Self::Unavailable => "unavailable",
        }
    }
}

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LoginMethod {
    Password,
    /// The password again, within a session.
    Reauthentication,
}

impl LoginMethod {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Reauthentication => "reauthentication",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    refreshes: Counters<1>,
    logins: Counters<2>,
    events: Counters<2>,
    ends: Counters<1>,
    limited: Counters<1>,
    authz: Counters<1>,
    commits: Counters<1>,
    commit_seconds: Histogram,
    /// How long hashing one password took, without the wait for a thread.
    pub(crate) hash_seconds: Histogram,
    requests: Times<3>,
    job_turns: Counters<2>,
    job_seconds: Times<1>,
    job_success: Family<Labels<1>, Seconds>,
    /// The open sessions, as they were counted last.
    pub(crate) sessions_active: Gauge,
    feed_age: Seconds,
    feed_listeners: Gauge,
    signing_key_age: Seconds,
    store_reads: Counter,
    log_drops: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("keyward");
        let requests: Times<3> = Family::new_with_constructor(request_times);
        let job_seconds: Times<1> = Family::new_with_constructor(job_times);
        let metrics = Self {
            refreshes: Family::default(),
            logins: Family::default(),
            events: Family::default(),
            ends: Family::default(),
            limited: Family::default(),
            authz: Family::default(),
            commits: Family::default(),
            commit_seconds: job_times(),
            hash_seconds: Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
            requests,
            job_turns: Family::default(),
            job_seconds,
            job_success: Family::default(),
            sessions_active: Gauge::default(),
            feed_age: Gauge::default(),
            feed_listeners: Gauge::default(),
            signing_key_age: Gauge::default(),
            store_reads: Counter::default(),
            log_drops: Counter::default(),
            registry: Registry::default(),
        };
        metrics.begin_at_zero();
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The release that runs", version);
        metrics.register(&mut registry);
        Self { registry, ..metrics }
    }

    fn register(&self, registry: &mut Registry) {
        let r = registry;
        r.register("refresh", "Refresh tokens presented, by what they came to", self.refreshes.clone());
        r.register("login", "Attempts to sign in", self.logins.clone());
        r.register("events", "Events written to the audit trail", self.events.clone());
        r.register("session_end", "Sessions that ended, by reason", self.ends.clone());
        r.register("rate_limited", "Requests over a limit", self.limited.clone());
        r.register("authz", "Requests that a proxy asked about, by what it was told", self.authz.clone());
        r.register("store_commits", "Changes given to the store", self.commits.clone());
        r.register("store_reads", "Reads of the store", self.store_reads.clone());
        r.register("log_lines_dropped", "Lines the log could not take", self.log_drops.clone());
        r.register("job_turns", "Turns of what runs in the background", self.job_turns.clone());
        r.register(
            "sessions_active",
            "Open sessions, as counted within the last minute",
            self.sessions_active.clone(),
        );
        r.register("feed_listeners", "Services that listen to what is revoked", self.feed_listeners.clone());
        let seconds = || Unit::Seconds;
        let help = "Time from request to answer";
        r.register_with_unit("http_request_duration", help, seconds(), self.requests.clone());
        let help = "Time to hash one password, without the wait for a thread";
        r.register_with_unit("password_hash", help, seconds(), self.hash_seconds.clone());
        let help = "Time until a change is durable";
        r.register_with_unit("store_commit", help, seconds(), self.commit_seconds.clone());
        let help = "Time a turn in the background took";
        r.register_with_unit("job_duration", help, seconds(), self.job_seconds.clone());
        let help = "When a job last did what it has to, since 1970";
        r.register_with_unit("job_last_success_timestamp", help, seconds(), self.job_success.clone());
        let help = "How old what this node knows of revocations is; past 1 s it asks the store";
        r.register_with_unit("feed_age", help, seconds(), self.feed_age.clone());
        let help = "How long the present key has signed";
        r.register_with_unit("signing_key_age", help, seconds(), self.signing_key_age.clone());
    }

    /// What can be counted stands at 0 from the start, so that the first of a kind is an increase.
    fn begin_at_zero(&self) {
        for outcome in Refreshed::ALL {
            drop(self.refreshes.get_or_create(&[("outcome", outcome.as_str())]));
        }
        for reason in EndReason::ALL {
            drop(self.ends.get_or_create(&[("reason", reason.as_str())]));
        }
        for throttle in Throttle::ALL {
            drop(self.limited.get_or_create(&[("limit", throttle.as_str())]));
        }
        for decision in Decision::ALL {
            drop(self.authz.get_or_create(&[("decision", decision.as_str())]));
        }
        for outcome in [COMMITTED, CONFLICT, UNAVAILABLE] {
            drop(self.commits.get_or_create(&[("outcome", outcome)]));
        }
        for outcome in [SUCCESS, Denial::InvalidCredentials.code()] {
            let method = ("method", LoginMethod::Password.as_str());
            drop(self.logins.get_or_create(&[method, ("outcome", outcome)]));
        }
    }

    pub(crate) fn refreshed(&self, outcome: Refreshed) {
        self.refreshes.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }

    pub(crate) fn signed_in<T>(&self, method: LoginMethod, result: &Result<T, Error>) {
        let labels = [("method", method.as_str()), ("outcome", outcome(result))];
        self.logins.get_or_create(&labels).inc();
    }

    pub(crate) fn limited(&self, throttle: Throttle) {
        self.limited.get_or_create(&[("limit", throttle.as_str())]).inc();
    }

    pub(crate) fn authorized(&self, decision: Decision) {
        self.authz.get_or_create(&[("decision", decision.as_str())]).inc();
    }

    /// A change was given to the store, which answered after so long.
    pub(crate) fn committed(
        &self,
        writes: &Written,
        answer: Result<&Committed, &NotCommitted>,
        took: Duration,
    ) {
        let outcome = match answer {
            Ok(_) => COMMITTED,
            Err(NotCommitted::Conflict(_)) => CONFLICT,
            Err(NotCommitted::Fault(_)) => UNAVAILABLE,
        };
        self.commits.get_or_create(&[("outcome", outcome)]).inc();
        self.commit_seconds.observe(took.as_secs_f64());
        if let Ok(committed) = answer {
            for (kind, success) in &writes.events {
                let labels = [("type", kind.as_str()), ("success", if *success { "true" } else { "false" })];
                self.events.get_or_create(&labels).inc();
            }
            for (reason, count) in writes.ended(committed) {
                self.ends.get_or_create(&[("reason", reason.as_str())]).inc_by(count);
            }
        }
    }

    /// What plots show, since the start, in the order of [`Figure::ALL`].
    pub(crate) fn figures(&self) -> [u64; Figure::ALL.len()] {
        let login = |outcome| {
            let labels = [("method", LoginMethod::Password.as_str()), ("outcome", outcome)];
            self.logins.get(&labels).map_or(0, |counter| counter.get())
        };
        let refresh = |outcome: Refreshed| {
            self.refreshes.get(&[("outcome", outcome.as_str())]).map_or(0, |counter| counter.get())
        };
        let limit = |throttle: &Throttle| {
            self.limited.get(&[("limit", throttle.as_str())]).map_or(0, |counter| counter.get())
        };
        let signup = [("type", EventType::Signup.as_str()), ("success", "true")];
        let theft = [("reason", EndReason::Theft.as_str())];
        Figure::ALL.map(|figure| match figure {
            Figure::Logins => login(SUCCESS),
            Figure::FailedLogins => FAILED.into_iter().map(|denial| login(denial.code())).sum(),
            Figure::Signups => self.events.get(&signup).map_or(0, |counter| counter.get()),
            Figure::Refreshes => REFRESHED.into_iter().map(refresh).sum(),
            Figure::Reuse => self.ends.get(&theft).map_or(0, |counter| counter.get()),
            Figure::RateLimited => Throttle::ALL.iter().map(limit).sum(),
        })
    }

    /// Where the times of one route go.
    pub(crate) fn route(&self, method: &'static str, route: &'static str) -> RouteTimes {
        RouteTimes { requests: self.requests.clone(), method, route, classes: Default::default() }
    }

    /// Where the turns of one job go.
    pub(crate) fn job(&self, job: &'static str) -> JobMetrics {
        let turns = |outcome| self.job_turns.get_or_create_owned(&[("job", job), ("outcome", outcome)]);
        JobMetrics {
            done: turns("done"),
            failed: turns("failed"),
            panicked: turns("panicked"),
            too_long: turns("too_long"),
            seconds: self.job_seconds.get_or_create_owned(&[("job", job)]),
            last_success: self.job_success.get_or_create_owned(&[("job", job)]),
        }
    }
}

/// What is counted of a change once it is written: which sessions it ends and why, and its events.
#[derive(Debug)]
pub(crate) struct Written {
    single: Vec<EndReason>,
    all: Option<EndReason>,
    events: Vec<(EventType, bool)>,
}

impl Written {
    pub(crate) fn of(change: &Change) -> Self {
        let events = change.events.iter().map(|event| (event.kind, event.success)).collect();
        let mut written = Self { single: Vec::new(), all: None, events };
        for write in &change.writes {
            match write {
                Write::EndSession { end, .. } => written.single.push(end.why),
                Write::EndSessionsOf { end, .. } => written.all = Some(end.why),
                _ => {}
            }
        }
        written
    }

    /// How many ended for which reason, now that it is written.
    fn ended(&self, committed: &Committed) -> impl Iterator<Item = (EndReason, u64)> {
        let single = self.single.iter().map(|why| (*why, 1));
        let rest = committed.sessions_ended().saturating_sub(self.single.len());
        single.chain(self.all.map(|why| (why, rest as u64)))
    }
}

/// The times of one route, by the class of the status.
#[derive(Debug)]
pub(crate) struct RouteTimes {
    requests: Times<3>,
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    /// Those that occurred; what never does takes no room.
    classes: [OnceLock<Histogram>; 5],
}

impl RouteTimes {
    pub(crate) fn answered(&self, status: u16, took: Duration) {
        const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        let times = self.classes[class].get_or_init(|| {
            let labels = [("method", self.method), ("route", self.route), ("status", CLASSES[class])];
            self.requests.get_or_create_owned(&labels)
        });
        times.observe(took.as_secs_f64());
    }
}

/// How the turns of one job went.
#[derive(Debug, Clone)]
pub(crate) struct JobMetrics {
    pub(crate) done: Counter,
    pub(crate) failed: Counter,
    pub(crate) panicked: Counter,
    pub(crate) too_long: Counter,
    seconds: Histogram,
    last_success: Seconds,
}

impl JobMetrics {
    /// A turn ended well, after so long.
    pub(crate) fn succeeded(&self, took: Duration, now: Timestamp) {
        self.done.inc();
        self.seconds.observe(took.as_secs_f64());
        self.last_success.set(now.since(Timestamp::default()).as_secs_f64());
    }

    #[cfg(test)]
    pub(crate) fn last_success(&self) -> f64 {
        self.last_success.get()
    }
}

/// The refusals that say something about who tried to sign in.
const FAILED: [Denial; 3] = [Denial::InvalidCredentials, Denial::AccountInactive, Denial::EmailNotVerified];
/// What brings a token to who refreshes.
const REFRESHED: [Refreshed; 4] =
    [Refreshed::Rotated, Refreshed::Replayed, Refreshed::Forgiven, Refreshed::Adopted];
const SUCCESS: &str = "success";
const COMMITTED: &str = "committed";
const CONFLICT: &str = "conflict";
const UNAVAILABLE: &str = "unavailable";

fn outcome<T>(result: &Result<T, Error>) -> &'static str {
    result.as_ref().map_or_else(Error::code, |_| SUCCESS)
}

fn request_times() -> Histogram {
    Histogram::new([0.000_1, 0.000_25, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0])
}

fn job_times() -> Histogram {
    Histogram::new([0.000_25, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0])
}
