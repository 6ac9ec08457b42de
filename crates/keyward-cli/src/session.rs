//! `keyward session`: who is signed in, and how is that ended?

use std::path::Path;

use clap::{Args, Subcommand, value_parser};
use keyward::clock::Clock;
use keyward::core::denial::Denial;
use keyward::core::id::SessionId;
use keyward::core::policy::Policy;
use keyward::core::session::{Refusal, Session};
use keyward::core::time::Timestamp;
use keyward::{Client, Error, Keyward};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::settings::settings;
use crate::{print, user};

/// What can be done about sessions.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List open sessions, the oldest first; of one user, the most recently active first
    List {
        /// Only those of the user of this e-mail address or id
        user: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Only those after the session of this id
        #[arg(long, value_name = "ID", conflicts_with = "user")]
        after: Option<SessionId>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell what happened to a session, and why it ended
    Explain {
        /// The session
        id: SessionId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End sessions; none of their tokens is accepted again
    Revoke {
        #[command(flatten)]
        which: Which,
        /// Don't ask whether --all is meant
        #[arg(long, requires = "all")]
        yes: bool,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// The session
    id: Option<SessionId>,
    /// Every session of the user of this e-mail address or id
    #[arg(long)]
    user: Option<String>,
    /// Every session of everybody, after a leak or with a restored backup
    #[arg(long)]
    all: bool,
}

impl Verb {
    pub(crate) async fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        match self {
            Self::List { user, limit, after, json } => {
                let (keyward, config) = open::beside(file, Missing::Refuse).await?;
                let policy = settings(&config).map_err(|e| Failure::usage(e.to_string()))?.policy;
                match user {
                    Some(user) => list_of(&keyward, &user, limit, json, &policy).await,
                    None => list(&keyward, after, limit, json, &policy).await,
                }
            }
            Self::Explain { id, json } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                explain(&keyward, id, json).await
            }
            Self::Revoke { which, yes } => {
                if which.all && !yes {
                    print::ask("Everybody will have to sign in again.")?;
                }
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                revoke(&keyward, &which).await
            }
        }
    }
}

async fn list(
    keyward: &Keyward,
    after: Option<SessionId>,
    limit: u32,
    json: bool,
    policy: &Policy,
) -> Result<(), Failure> {
    let after = after.unwrap_or(SessionId::from_bytes([0; 16]));
    // One more tells whether there are more.
    let mut sessions = keyward.sessions(after, limit + 1).await?;
    let more = sessions.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    sessions.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = sessions.last().map(|session| session.id).filter(|_| more);
    told(sessions, next, json, policy)?;
    if let Some(next) = next.filter(|_| !json) {
        print::more(&format!("keyward session list --limit {limit} --after {next}"));
    }
    Ok(())
}

async fn list_of(
    keyward: &Keyward,
    user: &str,
    limit: u32,
    json: bool,
    policy: &Policy,
) -> Result<(), Failure> {
    let account = user::find(keyward, user).await?;
    told(keyward.sessions_of(account.id, limit).await?, None, json, policy)
}

fn told(sessions: Vec<Session>, next: Option<SessionId>, json: bool, policy: &Policy) -> Result<(), Failure> {
    let now = Clock::system().now();
    // What is past its deadline is open only until it is swept. Not so what seems idle: that
    // somebody does something with it may be known to the server alone for a while.
    let lives = |session: &Session| {
        session.over(true, now, policy).is_none_or(|refusal| matches!(refusal, Refusal::Idle))
    };
    let sessions: Vec<Session> = sessions.into_iter().filter(lives).collect();
    if json {
        let sessions: Vec<Value> = sessions.iter().map(|session| described(session, policy)).collect();
        return print::json(&json!({ "sessions": sessions, "next_cursor": next }));
    }
    let rows: Vec<_> = sessions.iter().map(row).collect();
    print::table(["ID", "USER", "DEVICE", "ADDRESS", "OPENED", "LAST ACTIVE"], &rows)
}

/// The session as the HTTP API names its parts.
fn described(session: &Session, policy: &Policy) -> Value {
    let expires_at = session
        .progress
        .map(|progress| session.end_of_access(&progress, policy).min(progress.refresh_deadline(policy)));
    json!({
        "id": session.id,
        "user_id": session.user,
        "transport": session.transport.as_str(),
        "device": device(session),
        "ip_address": session.ip,
        "user_agent": session.user_agent,
        "created_at": session.opened_at,
        "last_active_at": last_active_at(session),
        "expires_at": expires_at,
    })
}

fn row(session: &Session) -> [String; 6] {
    [
        session.id.to_string(),
        session.user.to_string(),
        device(session),
        session.ip.clone(),
        session.opened_at.to_string(),
        last_active_at(session).map(|at| at.to_string()).unwrap_or_default(),
    ]
}

fn device(session: &Session) -> String {
    let mut client = Client::default();
    client.user_agent.clone_from(&session.user_agent);
    client.device()
}

fn last_active_at(session: &Session) -> Option<Timestamp> {
    session.progress.map(|progress| progress.last_active_at)
}

async fn explain(keyward: &Keyward, id: SessionId, json: bool) -> Result<(), Failure> {
    let story = keyward.explain_session(id).await.map_err(|error| match &error {
        Error::Denied(denied) if denied.denial() == Denial::NotFound => Failure::new(format!(
            "nothing is known of session {id}: there is none, or it is so long ago that its events are gone"
        )),
        _ => error.into(),
    })?;
    if json {
        return print::json(&story);
    }
    story.explanation.iter().try_for_each(|sentence| print::line(sentence))?;
    print::line("\nWhat happened to it:")?;
    story.history.iter().try_for_each(|happening| print::line(&happening.text))
}

async fn revoke(keyward: &Keyward, which: &Which) -> Result<(), Failure> {
    let operator = Client::operator();
    if let Some(id) = which.id {
        keyward.revoke_session(id, &operator).await.map_err(|error| not_revoked(error, id))?;
        return print::line(&format!("Session {id} is over."));
    }
    if let Some(user) = &which.user {
        return user::logout(keyward, user).await;
    }
    keyward.revoke_every_session(&operator).await?;
    print::line("Every session of everybody is over.")
}

fn not_revoked(error: Error, id: SessionId) -> Failure {
    match &error {
        Error::Denied(denied) if denied.denial() == Denial::NotFound => {
            Failure::new(format!("there is no open session {id}; `keyward session list` shows them"))
        }
        _ => error.into(),
    }
}
