//! `keyward event`: what happened, what of it is suspicious, and is the account of it whole?

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand, value_parser};
use keyward::clock::Clock;
use keyward::core::chain::SealName;
use keyward::core::duration;
use keyward::core::event::EventType;
use keyward::core::id::{EventId, SessionId};
use keyward::core::time::Timestamp;
use keyward::{
    Client, Cursor, EventFilter, EventView, Keyward, MOST_EVENTS, MOST_THRESHOLD, Place, THRESHOLD, WINDOWS,
};
use serde_json::json;

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::{print, user};

/// How often `--follow` looks for more.
const FOLLOW: Duration = Duration::from_secs(1);

/// What can be done about events.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List what happened, the newest first
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Go on where a list stopped
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<Cursor>,
        /// Print JSON; with --follow one event a line
        #[arg(long)]
        json: bool,
        /// Go on with what happens from now on, until stopped
        #[arg(long, conflicts_with_all = ["cursor", "until"])]
        follow: bool,
    },
    /// Tell what looks like an attack
    Suspicious {
        /// How far back to look
        #[arg(long, default_value = "1h", value_parser = window)]
        window: Duration,
        /// From how many on it is told; a copied refresh token always is
        #[arg(long, default_value_t = THRESHOLD, value_parser = value_parser!(u64).range(1..=MOST_THRESHOLD))]
        threshold: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Find events that were changed, removed or added by anybody but Keyward
    ///
    /// Fails where there are any. With a seal that the log of the server names, also where the end of
    /// the trail was cut off, or an older copy of the database took its place.
    Verify {
        /// A seal as the log names it, the last one for choice
        #[arg(long, value_name = "NUMBER:MAC")]
        seal: Option<SealName>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(crate) struct Which {
    /// Only those of the user of this e-mail address or id
    #[arg(long)]
    user: Option<String>,
    /// Only those of this session
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Only those of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kind: Option<EventType>,
    /// Only what succeeded (true) or failed (false)
    #[arg(long, value_name = "true|false")]
    success: Option<bool>,
    /// Only those from this address, or from this IPv6 network of /64
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<Place>,
    /// Only those since this moment, such as 2026-11-20T23:17:51Z, or since so long ago, such as 24h
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only those before this moment, or before so long ago
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Timestamp>,
}

impl Verb {
    pub(crate) async fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let (keyward, _) = open::beside(file, Missing::Refuse).await?;
        match self {
            Self::List { which, limit, cursor, json, follow } => {
                let filter = which.filter(&keyward).await?;
                if follow {
                    return followed(&keyward, &filter, limit, json).await;
                }
                list(&keyward, &filter, limit, cursor, json).await
            }
            Self::Suspicious { window, threshold, json } => {
                suspicious(&keyward, window, threshold, json).await
            }
            Self::Verify { seal, json } => verify(&keyward, seal, json).await,
        }
    }
}

impl Which {
    async fn filter(self, keyward: &Keyward) -> Result<EventFilter, Failure> {
        let user = match &self.user {
            // An account that is gone has left events.
            Some(name) => match name.parse() {
                Ok(id) => Some(id),
                Err(_) => Some(user::find(keyward, name).await?.id),
            },
            None => None,
        };
        let Self { session, kind, success, ip: from, since, until, .. } = self;
        Ok(EventFilter { user, session, kind, success, from, since, until })
    }
}

/// So many events, from as many pages as that takes.
async fn some(
    keyward: &Keyward,
    filter: &EventFilter,
    limit: u32,
    mut cursor: Option<Cursor>,
) -> Result<(Vec<EventView>, Option<Cursor>), Failure> {
    let mut events = Vec::new();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    loop {
        let left = u32::try_from(limit - events.len()).unwrap_or(MOST_EVENTS);
        let page = keyward.events(filter.clone(), left.min(MOST_EVENTS), cursor).await?;
        events.extend(page.events);
        cursor = page.next_cursor;
        if cursor.is_none() || events.len() >= limit {
            return Ok((events, cursor));
        }
    }
}

async fn list(
    keyward: &Keyward,
    filter: &EventFilter,
    limit: u32,
    cursor: Option<Cursor>,
    json: bool,
) -> Result<(), Failure> {
    let (events, next) = some(keyward, filter, limit, cursor).await?;
    if json {
        return print::json(&json!({ "events": events, "next_cursor": next }));
    }
    let rows: Vec<_> = events.iter().map(row).collect();
    print::table(["AT", "EVENT", "RESULT", "USER", "SESSION", "ADDRESS", "DEVICE"], &rows)?;
    if let Some(next) = next {
        print::more(&format!("the same with --cursor {next}"));
    }
    Ok(())
}

/// The newest, then whatever comes, the oldest first.
async fn followed(keyward: &Keyward, filter: &EventFilter, limit: u32, json: bool) -> Result<(), Failure> {
    let (mut events, _) = some(keyward, filter, limit, None).await?;
    let mut last: Option<EventId> = None;
    let mut turns = tokio::time::interval(FOLLOW);
    loop {
        events.retain(|event| last.is_none_or(|last| event.id > last));
        for event in events.iter().rev() {
            if json {
                let line = serde_json::to_string(event);
                print::line(&line.map_err(|e| Failure::new(format!("this can't be written as JSON: {e}")))?)?;
            } else {
                print::line(row(event).join("  ").trim_end())?;
            }
        }
        last = events.first().map(|event| event.id).or(last);
        turns.tick().await;
        let since = last.map(|last| last.made_at()).or(filter.since);
        (events, _) = some(keyward, &EventFilter { since, ..filter.clone() }, 10_000, None).await?;
    }
}

fn row(event: &EventView) -> [String; 7] {
    let result = match (event.success, &event.failure_reason) {
        (true, _) => "ok".to_owned(),
        (false, reason) => reason.clone().unwrap_or_else(|| "failed".to_owned()),
    };
    let times = event.details.get("count").and_then(serde_json::Value::as_u64).filter(|count| *count > 1);
    let device = event.user_agent.as_ref().map(|user_agent| {
        let mut client = Client::default();
        client.user_agent.clone_from(user_agent);
        client.device()
    });
    [
        event.created_at.to_string(),
        times.map_or(event.event_type.to_owned(), |times| format!("{} x{times}", event.event_type)),
        result,
        event.user_id.map(|id| id.to_string()).unwrap_or_default(),
        event.session_id.map(|id| id.to_string()).unwrap_or_default(),
        event.ip_address.clone().unwrap_or_default(),
        device.unwrap_or_default(),
    ]
}

async fn suspicious(keyward: &Keyward, window: Duration, threshold: u64, json: bool) -> Result<(), Failure> {
    let found = keyward.suspicious(window, threshold).await?;
    if json {
        return print::json(&found);
    }
    let rows: Vec<_> = found
        .findings
        .iter()
        .map(|finding| {
            [
                finding.kind.as_str().to_owned(),
                finding.subject.clone(),
                finding.count.to_string(),
                finding.first_at.to_string(),
                finding.last_at.to_string(),
            ]
        })
        .collect();
    print::table(["KIND", "SUBJECT", "COUNT", "FIRST", "LAST"], &rows)
}

async fn verify(keyward: &Keyward, seal: Option<SealName>, json: bool) -> Result<(), Failure> {
    let found = keyward.verify_events(seal).await?;
    let findings: Vec<String> = found.findings.iter().map(ToString::to_string).collect();
    let last = found.last.map(|seal| seal.to_string());
    if json {
        print::json(&json!({
            "seals": found.seals,
            "events": found.events,
            "unsealed": found.unsealed,
            "last_seal": last,
            "findings": findings,
        }))?;
    } else {
        findings.iter().try_for_each(|finding| print::line(finding))?;
    }
    if !findings.is_empty() {
        return Err(Failure::new(format!(
            "the audit trail is not as Keyward wrote it ({} findings); compare it with a backup",
            findings.len()
        )));
    }
    if json {
        return Ok(());
    }
    print::line(&format!(
        "The audit trail is whole: {} events in {} batches, {} not sealed yet.",
        found.events, found.seals, found.unsealed
    ))?;
    last.map_or(Ok(()), |last| print::line(&format!("Last seal: {last}")))
}

fn kind(text: &str) -> Result<EventType, String> {
    EventType::parse(text).ok_or_else(|| {
        let names: Vec<&str> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("the types are: {}", names.join(", "))
    })
}

fn window(text: &str) -> Result<Duration, String> {
    let window = duration::parse(text).ok().filter(|window| WINDOWS.contains(window));
    window.ok_or_else(|| {
        let (least, most) = (duration::display(*WINDOWS.start()), duration::display(*WINDOWS.end()));
        format!("a length of time from {least} to {most}, such as 15m or 24h")
    })
}

fn moment(text: &str) -> Result<Timestamp, String> {
    match (text.parse::<Timestamp>(), duration::parse(text)) {
        (Ok(at), _) => Ok(at),
        (_, Ok(ago)) => Ok(Clock::system().now().before(ago)),
        _ => Err("a moment such as 2026-11-20T23:17:51Z, or how long ago, such as 24h".to_owned()),
    }
}
