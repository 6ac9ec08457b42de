//! Is Redis set up so that sessions are well kept there? What `doctor` tells of it.
//!
//! Whatever Redis loses signs nobody out. But of a session whose key is lost an old copy of its token
//! works until the owner's next request, so a Redis that loses keys in daily life is worth a word. Of a
//! cluster each primary is looked at, for each holds a part of the sessions, named in `redis.urls` or not.

use std::collections::HashSet;

use redis::{ConnectionAddr, ConnectionInfo, InfoDict, RedisResult};

use super::nodes::{self, Patience, RedisOpenError};
use crate::diagnosis::Finding;

/// What is too little room: in hundredths of what it may take, this is in use.
const NEARLY_FULL: u64 = 90;
/// The oldest release that this was tried with.
const OLDEST: u32 = 7;

/// What a node tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// Its name since its start, which no other node has.
    run: Option<String>,
    version: String,
    /// Whether every write goes to a file.
    appends: bool,
    /// Whether it is one that follows another.
    is_replica: bool,
    /// When what goes to the file is on the disk; `None` where that can't be read.
    on_disk: Option<String>,
    /// When it writes all of it to a file; `None` where it does not let that be read, as managed ones
    /// often don't.
    saves: Option<String>,
    /// What it does when its memory is full.
    policy: String,
    /// How much that is; 0: all there is.
    most: u64,
    /// How much of it is in use.
    used: u64,
    /// `ok` or not, where it is of a cluster.
    cluster: Option<String>,
}

/// What would bite, of each of the nodes that are named and each primary of their cluster.
pub async fn inspect(urls: &[String]) -> Vec<Finding> {
    let mut round = Round::default();
    if let Err(error) = reach(urls).await {
        let next = "see that redis.urls is right, and that Redis runs";
        round.findings.push(Finding::error("redis", error.to_string(), next));
    }
    // What is wrong with an address was just told.
    let named: Vec<_> = urls.iter().filter_map(|url| nodes::read(url).ok()).collect();
    let if_away = match named.len() {
        1 => "start it: what moves in sessions is there",
        _ => "start it, or take it out of redis.urls and leave the other nodes of its cluster there",
    };
    let mut primaries = Vec::new();
    for info in named {
        primaries.extend(round.look(info, if_away).await);
    }
    let if_away = "start it, or let this machine reach it at the address that its cluster tells \
                   (cluster-announce-ip): nodes ask it there for the sessions in its slots";
    for info in primaries {
        round.look(info, if_away).await;
    }
    round.findings
}

async fn reach(urls: &[String]) -> Result<(), RedisOpenError> {
    nodes::Nodes::at(urls, Patience::default())?.connect().await
}

/// A round through the nodes.
#[derive(Default)]
struct Round {
    asked: Vec<ConnectionAddr>,
    /// The names that nodes give themselves at their start: one may be asked by two addresses.
    known: HashSet<String>,
    findings: Vec<Finding>,
}

impl Round {
    /// Looks at this node, unless that was done; gives the primaries of its cluster.
    async fn look(&mut self, info: ConnectionInfo, if_away: &str) -> Vec<ConnectionInfo> {
        if self.asked.contains(info.addr()) {
            return Vec::new();
        }
        self.asked.push(info.addr().clone());
        let subject = format!("redis {}", info.addr());
        match ask(&info).await {
            Ok((told, primaries)) => {
                let is_new = told.run.clone().is_none_or(|run| self.known.insert(run));
                if is_new {
                    self.findings.extend(told.findings(&subject));
                }
                primaries
            }
            Err(error) => {
                let error = nodes::unreachable(&info, &error).to_string();
                let next = match error.to_ascii_uppercase().contains("NOPERM") {
                    true => "let its user do what docs/operations.md lists (ACL SETUSER)",
                    false => if_away,
                };
                self.findings.push(Finding::error(subject, error, next));
                Vec::new()
            }
        }
    }
}

/// What a node tells of itself, and of the primaries of its cluster.
async fn ask(info: &ConnectionInfo) -> RedisResult<(Told, Vec<ConnectionInfo>)> {
    let (mut node, is_of_cluster) = nodes::single(info, Patience::default()).await?;
    let all: InfoDict = redis::cmd("INFO").query_async(&mut node).await?;
    let (mut cluster, mut primaries) = (None, Vec::new());
    if is_of_cluster {
        let told: InfoDict = redis::cmd("CLUSTER").arg("INFO").query_async(&mut node).await?;
        cluster = Some(told.get("cluster_state").unwrap_or_default());
        primaries = nodes::primaries(info, &mut node).await?;
    }
    let mut setting = async |name: &str| {
        let told = redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut node).await;
        told.ok().map(|(_, value): (String, String)| value)
    };
    let told = Told {
        is_replica: all.get::<String>("role").as_deref() == Some("slave"),
        on_disk: setting("appendfsync").await,
        run: all.get("run_id"),
        version: all.get("redis_version").unwrap_or_default(),
        appends: all.get::<u8>("aof_enabled") == Some(1),
        saves: setting("save").await,
        policy: all.get("maxmemory_policy").unwrap_or_default(),
        most: all.get("maxmemory").unwrap_or_default(),
        used: all.get("used_memory").unwrap_or_default(),
        cluster,
    };
    Ok((told, primaries))
}

impl Told {
    fn findings(&self, subject: &str) -> Vec<Finding> {
        let mut findings = vec![self.release(subject), self.persistence(subject), self.eviction(subject)];
        // Of a cluster any node says which ones take writes.
        if self.is_replica && self.cluster.is_none() {
            findings.push(Finding::error(
                subject,
                "is a replica, which takes no writes: nobody can sign in or refresh",
                "give the address of the primary in redis.urls",
            ));
        }
        let full = (self.used.saturating_mul(100)).checked_div(self.most).unwrap_or_default();
        if full >= NEARLY_FULL {
            findings.push(Finding::warning(
                subject,
                format!("{full} % of maxmemory ({} MB) are in use", self.most / 1_000_000),
                "raise maxmemory, or add primaries to its cluster, before it is full",
            ));
        }
        findings.extend(self.cluster.as_deref().map(|state| match state {
            "ok" => Finding::ok(subject, "its cluster is whole"),
            _ => Finding::error(
                subject,
                "its cluster is not whole: sessions in the slots that are missing can't be refreshed",
                "see `redis-cli --cluster check`",
            ),
        }));
        findings
    }

    fn release(&self, subject: &str) -> Finding {
        let number = self.version.split('.').next().and_then(|number| number.parse::<u32>().ok());
        if number.is_some_and(|number| number >= OLDEST) {
            return Finding::ok(subject, format!("release {}", self.version));
        }
        Finding::error(
            subject,
            format!("release {}, which Keyward was never tried with", self.version),
            format!("run Redis {OLDEST} or later"),
        )
    }

    fn persistence(&self, subject: &str) -> Finding {
        const NEXT: &str = "set appendonly yes, with appendfsync everysec";
        match (self.appends, self.saves.as_deref()) {
            (true, _) if self.on_disk.as_deref() == Some("no") => Finding::warning(
                subject,
                "writes every change to a file, and leaves it to the system when that is on the disk (appendfsync \
                 no): a crash of the machine takes half a minute of sessions back",
                "set appendfsync everysec",
            ),
            (true, _) => Finding::ok(subject, "writes every change to a file"),
            (false, Some("")) => Finding::warning(
                subject,
                "keeps nothing: after a restart every session is adopted anew, and an old copy of a token works \
                 until its owner's next request",
                NEXT,
            ),
            (false, Some(saves)) => Finding::warning(
                subject,
                format!(
                    "writes all of it now and then ({saves}): after a crash sessions are behind, and an old copy \
                     of a token works until its owner's next request"
                ),
                NEXT,
            ),
            (false, None) => Finding::warning(
                subject,
                "does not write every change to a file, and whether it ever writes can't be read from here",
                NEXT,
            ),
        }
    }

    fn eviction(&self, subject: &str) -> Finding {
        match self.policy.as_str() {
            "noeviction" if self.most == 0 => Finding::ok(subject, "evicts nothing"),
            "noeviction" => Finding::ok(
                subject,
                format!(
                    "evicts nothing; with {} MB full, refreshes are refused (503)",
                    self.most / 1_000_000
                ),
            ),
            policy => Finding::warning(
                subject,
                format!(
                    "evicts sessions when its memory is full ({policy}): nobody is signed out by that, but an old \
                     copy of a token works until its owner's next request"
                ),
                "set maxmemory-policy noeviction, and watch used_memory",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::server::{self, Server};
    use super::*;
    use crate::diagnosis::Level;

    async fn told_of(server: &Server) -> Vec<(Level, String)> {
        let findings = inspect(&[server.url()]).await;
        let subject = format!("redis 127.0.0.1:{}", server.port);
        assert!(findings.iter().all(|finding| finding.subject == subject), "{findings:?}");
        findings.into_iter().map(|finding| (finding.level, finding.message)).collect()
    }

    fn has(told: &[(Level, String)], level: Level, words: &str) -> bool {
        told.iter().any(|(of, message)| *of == level && message.contains(words))
    }

    #[tokio::test]
    async fn what_each_setting_means_is_told() {
        let bare = told_of(&Server::start(&["--maxmemory-policy", "allkeys-lru"])).await;
        assert!(has(&bare, Level::Warning, "keeps nothing"), "{bare:?}");
        assert!(has(&bare, Level::Warning, "evicts sessions when its memory is full (allkeys-lru)"));
        assert!(has(&bare, Level::Ok, "release "));
        let saving = told_of(&Server::start(&["--save", "900 1"])).await;
        assert!(has(&saving, Level::Warning, "now and then (900 1)"), "{saving:?}");
        let good = told_of(&Server::start(&["--appendonly", "yes", "--maxmemory", "100mb"])).await;
        assert!(good.iter().all(|(level, _)| *level == Level::Ok), "{good:?}");
        assert!(has(&good, Level::Ok, "refused (503)"));
        let lazy = told_of(&Server::start(&["--appendonly", "yes", "--appendfsync", "no"])).await;
        assert!(has(&lazy, Level::Warning, "appendfsync no"), "{lazy:?}");
        let full = told_of(&Server::start(&["--appendonly", "yes", "--maxmemory", "600kb"])).await;
        assert!(has(&full, Level::Warning, " % of maxmemory (0 MB) are in use"), "{full:?}");
        let managed = told_of(&Server::start(&["--rename-command", "CONFIG", ""])).await;
        assert!(has(&managed, Level::Warning, "can't be read from here"), "{managed:?}");
    }

    #[tokio::test]
    async fn a_replica_is_no_place_for_sessions() {
        let primary = Server::start(&[]);
        let port = primary.port.to_string();
        let replica = told_of(&Server::start(&["--replicaof", "127.0.0.1", &port])).await;
        assert!(has(&replica, Level::Error, "is a replica, which takes no writes"), "{replica:?}");
        assert!(!told_of(&primary).await.iter().any(|(level, _)| *level == Level::Error));
    }

    #[tokio::test]
    async fn a_user_who_may_not_is_told_what_it_needs() {
        let server = Server::start(&[]);
        let user = ["SETUSER", "poor", "on", ">pw", "~keyward:*", "+ping"];
        server.ask::<()>(redis::cmd("ACL").arg(&user)).await;
        let told = inspect(&[format!("redis://poor:pw@127.0.0.1:{}", server.port)]).await;
        let advised = |f: &Finding| f.next.as_deref().is_some_and(|next| next.contains("docs/operations.md"));
        assert!(told.iter().any(|f| f.level == Level::Error && advised(f)), "{told:?}");
    }

    #[tokio::test]
    async fn each_primary_of_a_cluster_is_looked_at() {
        let mut cluster = server::Cluster::start(3, 1);
        let subjects: Vec<_> =
            cluster.0.iter().map(|node| format!("redis 127.0.0.1:{}", node.port)).collect();
        // Those that something is found of, in order and each once.
        let looked_at = |told: &[Finding]| {
            let mut nodes: Vec<_> = told.iter().map(|finding| finding.subject.clone()).collect();
            nodes.dedup();
            nodes
        };
        let mut set = redis::cmd("CONFIG");
        cluster.0[2].ask::<()>(set.arg("SET").arg("maxmemory-policy").arg("allkeys-lru")).await;
        let one = [cluster.0[1].url()];
        let told = inspect(&one).await;
        assert_eq!(looked_at(&told), [1, 0, 2].map(|n| subjects[n].clone()), "{told:?}");
        let evicting: Vec<_> = told.iter().filter(|f| f.message.contains("allkeys-lru")).collect();
        assert!(evicting.len() == 1 && evicting[0].subject == subjects[2], "{told:?}");
        assert!(told.iter().all(|finding| finding.level != Level::Error), "{told:?}");
        // By whatever names.
        let all: Vec<_> =
            cluster.0[..3].iter().map(|node| node.url().replace("127.0.0.1", "localhost")).collect();
        let told = inspect(&all).await;
        assert_eq!(looked_at(&told).len(), 3, "{told:?}");
        // A replica that is named is looked at, too.
        let told = inspect(&[cluster.0[3].url()]).await;
        assert_eq!(looked_at(&told), [3, 0, 1, 2].map(|n| subjects[n].clone()), "{told:?}");
        // The one without a replica, so that nobody takes its place.
        cluster.0[5].kill();
        cluster.0[2].kill();
        let told = inspect(&one).await;
        let away: Vec<_> = told.iter().filter(|finding| finding.subject == subjects[2]).collect();
        let [away] = away.as_slice() else { panic!("{told:?}") };
        assert!(away.level == Level::Error && away.message.contains("can't be used"), "{away:?}");
        let twice = inspect(&[one[0].clone(), cluster.0[2].url()]).await;
        assert_eq!(twice.iter().filter(|finding| finding.subject == subjects[2]).count(), 1, "{twice:?}");
    }

    #[tokio::test]
    async fn a_cluster_is_whole_or_not() {
        let whole = inspect(&[server::cluster().0[0].url()]).await;
        let is_whole = |f: &&Finding| f.level == Level::Ok && f.message == "its cluster is whole";
        assert_eq!(whole.iter().filter(is_whole).count(), 3, "each says so: {whole:?}");
        let alone = Server::start(&["--cluster-enabled", "yes"]);
        let told: Vec<_> = inspect(&[alone.url()]).await;
        assert!(told.iter().any(|f| f.level == Level::Error && f.message.contains("not whole")), "{told:?}");
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_told() {
        let told = inspect(&["redis://:hidden@127.0.0.1:1".to_owned()]).await;
        assert!(told.iter().all(|finding| finding.level == Level::Error));
        assert!(!format!("{told:?}").contains("hidden"));
        // Without Redis, sessions would be ended by what rests beneath.
        assert!(!format!("{told:?}").contains("take it out"));
    }

    fn good() -> Told {
        Told {
            run: None,
            version: "7.0.15".into(),
            appends: true,
            is_replica: false,
            on_disk: None,
            saves: None,
            policy: "noeviction".into(),
            most: 0,
            used: 0,
            cluster: None,
        }
    }

    #[test]
    fn an_old_release_is_an_error() {
        let told = Told { version: "6.2.14".into(), ..good() };
        let levels: Vec<_> = told.findings("redis").iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Error, Level::Ok, Level::Ok]);
    }

    #[test]
    fn a_replica_may_be_named_of_a_cluster() {
        let told = Told { is_replica: true, cluster: Some("ok".into()), ..good() };
        assert!(told.findings("redis").iter().all(|finding| finding.level == Level::Ok));
    }
}
