//! Is the database whole, is it cared for, and is the clock right?

use std::fs;
use std::path::Path;
use std::time::Duration;

use keyward::core::policy::CLOCK_SKEW;
use keyward::core::seal::OpenError;
use keyward::core::time::Timestamp;
use keyward::{DatabaseReport, inspect_database};

use crate::config::Config;
use crate::open;
use keyward::diagnosis::Finding;

/// Before this was written no clock can have been right: 2026-11-01T00:00:00Z.
const WRITTEN: Timestamp = Timestamp::from_seconds(1_793_491_200);
/// How long a rotation may take beyond its time, in which a server may have been stopped.
const LATE: Duration = Duration::from_secs(24 * 60 * 60);

/// What is found of the database file.
pub(super) fn look(path: &Path, config: &Config, now: Timestamp) -> Vec<Finding> {
    if !fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        return vec![
            Finding::ok("database", format!("{} is made at the first start", path.display())),
            clock(Some(path), None, now),
        ];
    }
    let report = match inspect_database(path) {
        Ok(report) => report,
        Err(error) => {
            let next = match error {
                keyward::OpenError::Moved { .. } => {
                    "set database.url to where it was moved, or take the file back"
                }
                _ => "see that database.url names Keyward's database, or restore a backup",
            };
            return vec![Finding::error("database", error.to_string(), next), clock(Some(path), None, now)];
        }
    };
    let mut findings = vec![whole(&report)];
    findings.extend(held(&report, config, now));
    findings.push(clock(Some(path), report.newest_event, now));
    findings
}

/// What is found of what is in a database, whichever that is.
pub(super) fn held(report: &DatabaseReport, config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![schema(report)];
    findings.extend(report.has_admin.map(administrator));
    findings.push(signing_key(report, config.keys.rotation, now));
    findings.extend(master_key(report, config));
    findings
}

/// Whether the master key opens what is sealed here. Of one that can't be read others tell.
fn master_key(report: &DatabaseReport, config: &Config) -> Option<Finding> {
    const WHAT: &str = "master key";
    let key = open::master_key(config).ok().flatten()?;
    Some(match report.opens_with(&key)? {
        Ok(()) => Finding::ok(WHAT, "is the one of this database"),
        Err(OpenError::WrongMasterKey) => Finding::error(
            WHAT,
            "is not the one of this database: no node starts, and no backup is of use without the right one",
            "set keys.master_key to the one that this database was made with, or restore the database that goes \
             with this one",
        ),
        Err(OpenError::Corrupt) => Finding::error(
            WHAT,
            "what it sealed in this database is damaged",
            "stop the server, keep a copy of the data, and restore a backup",
        ),
    })
}

fn whole(report: &DatabaseReport) -> Finding {
    match &report.damage {
        None => Finding::ok("database", "whole"),
        Some(damage) => Finding::error(
            "database",
            format!("damaged: {}", damage.lines().next().unwrap_or_default()),
            "stop the server, keep a copy of the folder, and restore a backup",
        ),
    }
}

fn schema(report: &DatabaseReport) -> Finding {
    let DatabaseReport { schema, known, .. } = *report;
    if schema < known {
        Finding::warning(
            "schema",
            format!("{schema}, while this release has {known}"),
            "make a backup; the next start, or `keyward migrate`, brings it up to date",
        )
    } else {
        Finding::ok("schema", schema.to_string())
    }
}

fn administrator(there_is: bool) -> Finding {
    if there_is {
        return Finding::ok("administrator", "there is one");
    }
    Finding::warning(
        "administrator",
        "there is none: whoever reads the start of the server can become the first",
        "run `keyward admin upsert you@example.com`",
    )
}

fn signing_key(report: &DatabaseReport, rotation: Duration, now: Timestamp) -> Finding {
    const WHAT: &str = "signing key";
    match report.signs_since {
        None => Finding::ok(WHAT, "made at the first start"),
        Some(since) if since.after(rotation).after(LATE) < now => Finding::warning(
            WHAT,
            format!("the same since {since}, longer than keys.rotation"),
            "start the server, which rotates by itself, and look for errors in its log",
        ),
        Some(since) => Finding::ok(WHAT, format!("in use since {since}")),
    }
}

/// Whether the clock can be right, by all that was ever written.
pub(super) fn clock(database: Option<&Path>, newest_event: Option<Timestamp>, now: Timestamp) -> Finding {
    const WHAT: &str = "clock";
    let next = "set the clock, and keep it in time by NTP; sessions end by it";
    if now < WRITTEN {
        return Finding::error(WHAT, format!("{now} is before this release was made"), next);
    }
    let ahead = |at: &Timestamp| *at > now.after(CLOCK_SKEW);
    if let Some(event) = newest_event.filter(ahead) {
        return Finding::error(WHAT, format!("{now} is before the newest event, at {event}"), next);
    }
    let modified = database.and_then(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
    let modified = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    match modified.map(|since| Timestamp::default().after(since)).filter(ahead) {
        Some(at) => Finding::error(WHAT, format!("{now} is before the database was written, at {at}"), next),
        None => Finding::ok(WHAT, now.to_string()),
    }
}
