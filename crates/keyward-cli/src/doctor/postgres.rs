//! Is the Postgres one that many nodes can rely on?

use std::time::Duration;

use keyward::clock::Clock;
use keyward::core::time::Timestamp;
use keyward::diagnosis::Finding;
use keyward::{PostgresReport, inspect_postgres};

use super::data;
use crate::config::{Config, ServerUrl};
use crate::open;

const WHAT: &str = "postgres";
/// How far clocks may differ before it is worth a word: what goes by TLS, mails and other verifiers
/// has only the clock of its own machine.
const CLOCK: Duration = Duration::from_secs(2);
/// How long one question may take before every refresh is slow.
const FAR: Duration = Duration::from_millis(20);
/// How many nodes there should be room for, so that they can be replaced one by one.
const NODES: i64 = 3;

/// What is found of the Postgres at this address.
pub(super) async fn look(url: &ServerUrl, config: &Config) -> Vec<Finding> {
    let clock = Clock::system();
    let report = match inspect_postgres(&open::postgres(config, url), &clock).await {
        Ok(report) => report,
        Err(error) => {
            let next = "see that database.url names Keyward's database, and that this machine reaches it";
            return vec![
                Finding::error("database", error.to_string(), next),
                data::clock(None, None, clock.now()),
            ];
        }
    };
    let now = theirs(clock.now(), report.clock_offset);
    let mut findings = server(&report);
    findings.extend(moving(&report, !config.redis.urls.is_empty()));
    findings.extend(data::held(&report.data, config, now));
    findings.push(data::clock(None, report.data.newest_event, now));
    findings
}

fn theirs(now: Timestamp, offset: i64) -> Timestamp {
    Timestamp::from_micros(now.micros().saturating_add(offset))
}

fn server(report: &PostgresReport) -> Vec<Finding> {
    vec![
        version(report),
        place(report),
        durable(report),
        encrypted(report),
        pooled(report),
        connections(report),
        near(report),
        clock_offset(report),
    ]
}

fn version(report: &PostgresReport) -> Finding {
    let told = format!("answers, version {}", report.version);
    match report.is_tried {
        true => Finding::ok(WHAT, told),
        false => Finding::error(WHAT, told, "upgrade it to Postgres 13 or later"),
    }
}

fn place(report: &PostgresReport) -> Finding {
    match report.is_standby {
        false => Finding::ok(WHAT, "takes writes"),
        true => {
            Finding::error(WHAT, "is a standby, which takes no writes", "give the address of the primary")
        }
    }
}

fn durable(report: &PostgresReport) -> Finding {
    const WHAT: &str = "durability";
    if !report.is_durable {
        return Finding::error(
            WHAT,
            "fsync is off: a crash of its machine damages the database",
            "set fsync = on in postgresql.conf",
        );
    }
    match report.synchronous_commit.as_str() {
        "off" => Finding::warning(
            WHAT,
            "synchronous_commit is off: Keyward turns it on for itself, behind a pooler it can't",
            "ALTER ROLE … SET synchronous_commit = on",
        ),
        setting => Finding::ok(WHAT, format!("synchronous_commit is {setting}")),
    }
}

fn encrypted(report: &PostgresReport) -> Finding {
    const WHAT: &str = "encryption";
    match (report.is_encrypted, report.is_local) {
        (true, _) => Finding::ok(WHAT, "the way to Postgres is encrypted"),
        (false, true) => Finding::ok(WHAT, "Postgres is on this machine"),
        (false, false) => Finding::warning(
            WHAT,
            "the way to Postgres is not encrypted: whoever is on it reads password hashes and who signs in",
            "turn on ssl in postgresql.conf and take sslmode=disable out of database.url",
        ),
    }
}

fn pooled(report: &PostgresReport) -> Finding {
    const WHAT: &str = "pooler";
    match (report.is_pooled, report.has_direct_url) {
        (false, false) => Finding::ok(WHAT, "none is in between"),
        (_, true) => Finding::ok(WHAT, "database.direct_url is the way past it"),
        (true, false) => Finding::warning(
            WHAT,
            "one is between this machine and Postgres: nodes hear of logouts only when they ask, every 200 ms",
            "set database.direct_url to the address of Postgres itself",
        ),
    }
}

fn moving(report: &PostgresReport, is_redis_named: bool) -> Option<Finding> {
    (report.moves_in_redis && !is_redis_named).then(|| {
        Finding::error(
            "redis",
            "the sessions of this database move in Redis, and redis.urls names none",
            "set redis.urls as on every node, or run `keyward migrate --leave-redis` to do without it",
        )
    })
}

fn connections(report: &PostgresReport) -> Finding {
    const WHAT: &str = "connections";
    let room = report.connections / report.of_a_node.max(1);
    let told = format!("{} are allowed, a node makes up to {}", report.connections, report.of_a_node);
    let next = "lower database.connections of each node, raise max_connections in postgresql.conf, or put a pooler \
                in between";
    match room {
        _ if report.has_direct_url => Finding::ok(WHAT, told),
        ..1 => Finding::error(WHAT, told, next),
        1..NODES => Finding::warning(WHAT, told, next),
        _ => Finding::ok(WHAT, format!("{told}: room for {room} nodes")),
    }
}

fn near(report: &PostgresReport) -> Finding {
    const WHAT: &str = "distance";
    let told = format!("Postgres answers within {:.1} ms", report.asked_in.as_secs_f64() * 1_000.0);
    match report.asked_in > FAR {
        false => Finding::ok(WHAT, told),
        true => Finding::warning(WHAT, told, "run nodes near the database: every refresh asks it twice"),
    }
}

fn clock_offset(report: &PostgresReport) -> Finding {
    const WHAT: &str = "clocks";
    let seconds = report.clock_offset as f64 / 1_000_000.0;
    let told = format!("that of Postgres is {seconds:+.3} s from this machine's");
    match Duration::from_micros(report.clock_offset.unsigned_abs()) > CLOCK {
        false => Finding::ok(WHAT, told),
        true => Finding::warning(
            WHAT,
            format!("{told}; sessions go by that of Postgres"),
            "keep both in time by NTP: TLS, mails and services that verify by themselves go by their own",
        ),
    }
}

#[cfg(test)]
mod tests {
    use keyward::DatabaseReport;
    use keyward::diagnosis::Level;

    use super::*;

    type Spoil = fn(&mut PostgresReport);

    fn good() -> PostgresReport {
        PostgresReport {
            data: DatabaseReport {
                schema: 8,
                known: 8,
                damage: None,
                has_admin: Some(true),
                signs_since: None,
                newest_event: None,
                mac_key: None,
            },
            version: "17.2".to_owned(),
            is_tried: true,
            clock_offset: 1_500,
            asked_in: Duration::from_millis(1),
            is_local: false,
            is_encrypted: true,
            is_pooled: false,
            has_direct_url: false,
            is_standby: false,
            synchronous_commit: "on".to_owned(),
            is_durable: true,
            moves_in_redis: false,
            connections: 97,
            of_a_node: 18,
        }
    }

    #[test]
    fn each_thing_that_would_bite_is_told() {
        assert!(server(&good()).iter().all(|finding| finding.level == Level::Ok));
        let spoilt: [(Spoil, &str, Level); 11] = [
            (|r| r.is_tried = false, "postgres", Level::Error),
            (|r| r.is_standby = true, "postgres", Level::Error),
            (|r| r.is_durable = false, "durability", Level::Error),
            (|r| r.synchronous_commit = "off".to_owned(), "durability", Level::Warning),
            (|r| r.is_encrypted = false, "encryption", Level::Warning),
            (|r| r.is_pooled = true, "pooler", Level::Warning),
            (|r| r.connections = 17, "connections", Level::Error),
            (|r| r.connections = 53, "connections", Level::Warning),
            (|r| r.asked_in = Duration::from_millis(21), "distance", Level::Warning),
            (|r| r.clock_offset = 2_000_001, "clocks", Level::Warning),
            (|r| r.clock_offset = -2_000_001, "clocks", Level::Warning),
        ];
        for (spoil, subject, level) in spoilt {
            let mut report = good();
            spoil(&mut report);
            let wrong: Vec<_> =
                server(&report).into_iter().filter(|finding| finding.level != Level::Ok).collect();
            let [finding] = wrong.as_slice() else { panic!("{subject}: {wrong:?}") };
            assert_eq!((finding.subject.as_str(), finding.level), (subject, level));
            assert!(finding.next.is_some());
        }
    }

    #[test]
    fn a_redis_that_is_not_named_is_missed() {
        let moving_there = PostgresReport { moves_in_redis: true, ..good() };
        let told = moving(&moving_there, false).map(|finding| finding.level);
        assert_eq!(told, Some(Level::Error));
        assert!(moving(&moving_there, true).is_none() && moving(&good(), false).is_none());
    }

    #[test]
    fn what_it_wrote_is_held_against_its_own_clock() {
        let now = Timestamp::from_seconds(1_000);
        assert_eq!(theirs(now, 2_500_000), Timestamp::from_micros(1_002_500_000));
        assert_eq!(theirs(now, -1_000_000), Timestamp::from_seconds(999));
    }

    #[test]
    fn what_is_right_where_it_is_is_no_finding() {
        let excused: [Spoil; 3] = [
            |r| (r.is_encrypted, r.is_local) = (false, true),
            |r| (r.is_pooled, r.has_direct_url) = (true, true),
            // A pooler shares them out.
            |r| (r.connections, r.is_pooled, r.has_direct_url) = (10, true, true),
        ];
        for excuse in excused {
            let mut report = good();
            excuse(&mut report);
            assert!(server(&report).iter().all(|finding| finding.level == Level::Ok), "{report:?}");
        }
    }
}
