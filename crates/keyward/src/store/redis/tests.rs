//! Does Redis under the moving part of a session keep the rules, whatever becomes of it?

mod budget;
mod failover;
mod halves;
mod keys;
mod link;
mod lost;
mod play;
pub(super) mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyward_core::id::SessionId;
use keyward_core::mail::{Link, Mail};
use keyward_core::session::LAG;
use keyward_core::time::Timestamp;

use super::{Patience, Redis, Terms};
use crate::store::contract::{Later, Place, Row};
use crate::store::sqlite::tests::Folder;
use crate::store::{Store, Sweep};

mod over_one {
    crate::store::contract::contract!(super::super::super::over_one_node);
}

mod over_a_cluster {
    crate::store::contract::contract!(super::super::super::over_a_cluster_of_three, moving);
}

/// A sweep of all sessions that are a week past, and of nothing else.
fn sweep(now: Timestamp) -> Sweep {
    let never = Timestamp::from_seconds(0);
    Sweep {
        now: never,
        sessions_before: now.before(WEEK),
        mails_before: never,
        figures_before: never,
        after: SessionId::from_bytes([0; 16]),
        limit: 100,
    }
}

/// A file, and a place among the keys of Redis that nobody else has.
struct Apart {
    folder: Folder,
    urls: Vec<String>,
    terms: Terms,
}

impl Apart {
    fn new(urls: Vec<String>, refresh_ttl: Duration) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let terms = Terms { prefix: format!("test{number}"), refresh_ttl, patience: Patience::default() };
        Self { folder: Folder::new(), urls, terms }
    }

    /// The same on servers that nobody stops: a test there fails by nothing that is slow.
    fn patient(urls: Vec<String>, refresh_ttl: Duration) -> Self {
        let mut place = Self::new(urls, refresh_ttl);
        place.terms.patience = Patience::of(LONG);
        place
    }

    async fn over(&self, durable: Arc<dyn Store>) -> Redis {
        let redis = Redis::over(durable, &self.urls, self.terms.clone()).expect("addresses");
        redis.connect().await.expect("Redis answers");
        redis
    }
}

impl Place for Apart {
    fn open(&self) -> Later<'_, Arc<dyn Store>> {
        Box::pin(async move { Arc::new(self.over(self.folder.open().await).await) as Arc<dyn Store> })
    }

    fn trail(&self) -> Later<'_, Vec<Row>> {
        self.folder.trail()
    }

    fn mail(&self) -> Later<'_, (Vec<Link>, Vec<Mail>)> {
        self.folder.mail()
    }

    fn is_halved(&self) -> bool {
        true
    }

    fn spares(&self) -> Duration {
        LAG
    }
}

/// Longer than anything takes, on a machine that has much to do.
const LONG: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

async fn over_one_node() -> Box<dyn Place> {
    Box::new(Apart::patient(vec![server::one().url()], WEEK))
}

async fn over_a_cluster_of_three() -> Box<dyn Place> {
    Box::new(Apart::patient(server::cluster().urls(), WEEK))
}
