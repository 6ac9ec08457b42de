//! `keyward user`: which accounts are there?

use std::path::Path;

use clap::{Subcommand, value_parser};
use keyward::core::account::Account;
use keyward::core::denial::Denial;
use keyward::core::id::UserId;
use keyward::core::role;
use keyward::{Client, Error, Keyward};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::{password, print};

/// More sessions than anybody may have.
const SESSIONS: u32 = 10_001;

/// What can be done about accounts.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make an account
    Create {
        /// The e-mail address
        email: String,
        /// A phone number, such as +15551234567
        #[arg(long, value_name = "NUMBER")]
        phone: Option<String>,
        /// A role; may be given several times
        #[arg(long = "role", value_name = "ROLE", default_value = role::USER)]
        roles: Vec<String>,
        /// Send an invitation by mail to choose a password, instead of giving one
        #[arg(long, conflicts_with = "password_stdin")]
        invite: bool,
        #[command(flatten)]
        password: password::From,
    },
    /// List accounts, the oldest first
    List {
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only those after the account of this id
        #[arg(long, value_name = "ID")]
        after: Option<UserId>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an account
    Show {
        /// Its e-mail address or id
        user: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Verb {
    pub(crate) async fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        match self {
            Self::Create { email, phone, roles, invite, password } => {
                let (keyward, config) = open::beside(file, Missing::Make).await?;
                let password = if invite { None } else { Some(password.get()?) };
                let made = keyward
                    .create_account(&email, phone.as_deref(), password, roles, &Client::operator())
                    .await;
                let account = made.map_err(not_made)?;
                let invited = if invite { "; the server sends the invitation" } else { "" };
                print::line(&format!(
                    "{} ({}) has an account in {}{invited}.",
                    account.email,
                    account.id,
                    config.database().display()
                ))
            }
            Self::List { limit, after, json } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                list(&keyward, limit, after, json).await
            }
            Self::Show { user, json } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                show(&keyward, &user, json).await
            }
        }
    }
}

/// The account of that e-mail address or id.
pub(crate) async fn find(keyward: &Keyward, user: &str) -> Result<Account, Failure> {
    keyward.account(user).await?.ok_or_else(|| {
        Failure::new(format!(
            "no account has the e-mail address or id {user:?}; `keyward user list` shows them"
        ))
    })
}

async fn list(keyward: &Keyward, limit: u32, after: Option<UserId>, json: bool) -> Result<(), Failure> {
    let after = after.unwrap_or(UserId::from_bytes([0; 16]));
    // One more tells whether there are more.
    let mut accounts = keyward.accounts(after, limit + 1).await?;
    let more = accounts.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    accounts.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = accounts.last().map(|account| account.id).filter(|_| more);
    if json {
        let users: Vec<Value> = accounts.iter().map(described).collect();
        return print::json(&json!({ "users": users, "next_cursor": next }));
    }
    let rows: Vec<_> = accounts.iter().map(row).collect();
    print::table(["ID", "E-MAIL", "ROLES", "ACTIVE", "MADE", "LAST LOGIN"], &rows)?;
    if let Some(next) = next {
        print::more(&format!("keyward user list --limit {limit} --after {next}"));
    }
    Ok(())
}

async fn show(keyward: &Keyward, user: &str, json: bool) -> Result<(), Failure> {
    let account = find(keyward, user).await?;
    let sessions = keyward.sessions_of(account.id, SESSIONS).await?.len();
    let mut shown = described(&account);
    shown["session_count"] = json!(sessions);
    if json {
        return print::json(&shown);
    }
    let row = |name: &str, value: String| [name.to_owned(), value];
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let rows = [
        row("e-mail", account.email.to_string()),
        row("e-mail verified", yes(account.email_verified)),
        row("phone number", account.phone_number.as_ref().map(ToString::to_string).unwrap_or_default()),
        row("roles", account.roles.join(", ")),
        row("active", yes(account.is_active)),
        row("made", account.created_at.to_string()),
        row("last login", account.last_login_at.map(|at| at.to_string()).unwrap_or_default()),
        row("open sessions", sessions.to_string()),
    ];
    print::table(["id", &account.id.to_string()], &rows)
}

/// The account as the administration API names its parts.
fn described(account: &Account) -> Value {
    json!({
        "id": account.id,
        "email": account.email.as_str(),
        "phone_number": account.phone_number.as_ref().map(ToString::to_string),
        "is_active": account.is_active,
        "email_verified": account.email_verified,
        "roles": account.roles,
        "created_at": account.created_at,
        "last_login_at": account.last_login_at,
    })
}

fn row(account: &Account) -> [String; 6] {
    [
        account.id.to_string(),
        account.email.to_string(),
        account.roles.join(","),
        if account.is_active { "yes" } else { "no" }.to_owned(),
        account.created_at.to_string(),
        account.last_login_at.map(|at| at.to_string()).unwrap_or_default(),
    ]
}

fn not_made(error: Error) -> Failure {
    match &error {
        Error::Denied(denied) if denied.denial() == Denial::EmailTaken => {
            Failure::new("another account has this e-mail address; `keyward user show EMAIL` shows it")
        }
        Error::Denied(denied) if denied.denial() == Denial::PhoneTaken => {
            Failure::new("another account has this phone number; leave --phone out, or give another")
        }
        _ => error.into(),
    }
}
