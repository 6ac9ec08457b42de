//! `keyward user`: which accounts are there, and what may they do?

mod import;

use std::path::Path;

use clap::{Subcommand, ValueEnum, value_parser};
use keyward::core::account::Account;
use keyward::core::denial::Denial;
use keyward::core::role;
use keyward::{AccountChange, AccountQuery, AccountView, Client, Error, Keyward, LONGEST_PAGE};

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::{password, print};

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
    /// List accounts, the oldest first; those that are searched for, by the name they are found by
    List {
        /// Only those whose e-mail address, or phone number with a leading +, begins like this; or
        /// the one of this id
        #[arg(default_value = "")]
        query: String,
        /// Only those that may sign in, or only those that may not
        #[arg(long)]
        status: Option<Status>,
        /// Only those with this role
        #[arg(long)]
        role: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=i64::from(LONGEST_PAGE)))]
        limit: u32,
        /// Go on where the list before ended
        #[arg(long, value_name = "CURSOR")]
        after: Option<String>,
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
    /// Let an account sign in again
    ///
    /// Sessions that ended when it was deactivated don't come back.
    Activate {
        /// Its e-mail address or id
        user: String,
    },
    /// Let an account sign in no more, and end its sessions at once
    Deactivate {
        /// Its e-mail address or id
        user: String,
    },
    /// Give an account these roles, and no others; in force at once. Without any, show those it has
    Roles {
        /// Its e-mail address or id
        user: String,
        /// All its roles
        roles: Vec<String>,
        /// Add this role to those it has; may be given several times
        #[arg(long, value_name = "ROLE", conflicts_with = "roles")]
        add: Vec<String>,
        /// Take this role from those it has; may be given several times
        #[arg(long, value_name = "ROLE", conflicts_with = "roles")]
        remove: Vec<String>,
    },
    /// End every session of an account; it can sign in again
    Logout {
        /// Its e-mail address or id
        user: String,
    },
    /// Delete an account with its sessions
    ///
    /// What the audit trail says of it stays.
    Delete {
        /// Its e-mail address or id
        user: String,
        /// Don't ask whether it is meant
        #[arg(long)]
        yes: bool,
    },
    /// Make accounts of those of another system, with the hashes of their passwords
    ///
    /// A line is {email, phone_number?, password_hash, roles?, is_active?, email_verified?,
    /// created_at?}. Hashes may be by argon2, bcrypt and scrypt (PHC), and Django's pbkdf2_sha256,
    /// argon2, bcrypt_sha256 and scrypt; each is made anew at the next login. A line that is refused
    /// is told by its number and skipped. What was imported before is passed over.
    Import(import::Import),
}

/// Whether an account may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Status {
    Active,
    Inactive,
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
                    config.data()
                ))
            }
            Self::List { query, status, role, limit, after, json } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                let is_active = status.map(|status| status == Status::Active);
                let asked = AccountQuery { query, is_active, role, limit, cursor: after };
                list(&keyward, asked, json).await
            }
            Self::Show { user, json } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                show(&keyward, &user, json).await
            }
            Self::Activate { user } => set_active(file, &user, true).await,
            Self::Deactivate { user } => set_active(file, &user, false).await,
            Self::Roles { user, roles, add, remove } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                set_roles(&keyward, &user, roles, add, &remove).await
            }
            Self::Logout { user } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                logout(&keyward, &user).await
            }
            Self::Delete { user, yes } => {
                if !yes {
                    print::ask(&format!("The account {user} will be gone for ever."))?;
                }
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                let account = find(&keyward, &user).await?;
                let deleted = keyward.delete_account(account.id, &Client::operator()).await;
                deleted.map_err(|error| not_changed(error, &user))?;
                print::line(&format!("{} ({}) is deleted.", account.email, account.id))
            }
            Self::Import(import) => import.run(file).await,
        }
    }
}

/// The account of that e-mail address or id.
pub(crate) async fn find(keyward: &Keyward, user: &str) -> Result<Account, Failure> {
    keyward.account(user).await?.ok_or_else(|| unknown(user))
}

/// Ends every session of an account.
pub(crate) async fn logout(keyward: &Keyward, user: &str) -> Result<(), Failure> {
    let account = find(keyward, user).await?;
    let ended = keyward.revoke_sessions_of(account.id, &Client::operator()).await?;
    print::line(&format!("{} is signed out; sessions that were open: {ended}.", account.email))
}

async fn list(keyward: &Keyward, asked: AccountQuery, json: bool) -> Result<(), Failure> {
    let page = keyward.accounts(&asked).await?;
    if json {
        return print::json(&page);
    }
    let rows: Vec<_> = page.users.iter().map(row).collect();
    print::table(["ID", "E-MAIL", "ROLES", "ACTIVE", "MADE", "LAST LOGIN"], &rows)?;
    if let Some(next) = page.next_cursor {
        let AccountQuery { query, is_active, role, limit, .. } = asked;
        let query = if query.is_empty() { query } else { format!(" {query}") };
        let status = is_active.map(|active| if active { " --status active" } else { " --status inactive" });
        let role = role.map(|role| format!(" --role {role}")).unwrap_or_default();
        let status = status.unwrap_or_default();
        print::more(&format!("keyward user list{query}{status}{role} --limit {limit} --after {next}"));
    }
    Ok(())
}

async fn show(keyward: &Keyward, user: &str, json: bool) -> Result<(), Failure> {
    let id = find(keyward, user).await?.id;
    let account = keyward.account_view(id).await?.ok_or_else(|| unknown(user))?;
    if json {
        return print::json(&account);
    }
    let row = |name: &str, value: String| [name.to_owned(), value];
    let rows = [
        row("e-mail", account.email),
        row("e-mail verified", yes(account.email_verified)),
        row("phone number", account.phone_number.as_ref().map(ToString::to_string).unwrap_or_default()),
        row("roles", account.roles.join(", ")),
        row("active", yes(account.is_active)),
        row("made", account.created_at.to_string()),
        row("last login", account.last_login_at.map(|at| at.to_string()).unwrap_or_default()),
        row("open sessions", account.session_count.to_string()),
    ];
    print::table(["id", &account.id.to_string()], &rows)
}

async fn set_active(file: Option<&Path>, user: &str, is_active: bool) -> Result<(), Failure> {
    let (keyward, _) = open::beside(file, Missing::Refuse).await?;
    let account = find(&keyward, user).await?;
    let change = AccountChange { is_active: Some(is_active), ..AccountChange::default() };
    let changed = keyward.change_account(account.id, change, &Client::operator()).await;
    changed.map_err(|error| not_changed(error, user))?;
    print::line(&match is_active {
        true => format!("{} may sign in.", account.email),
        false => format!("{} may not sign in any more, and is signed out everywhere.", account.email),
    })
}

async fn set_roles(
    keyward: &Keyward,
    user: &str,
    exactly: Vec<String>,
    add: Vec<String>,
    remove: &[String],
) -> Result<(), Failure> {
    let id = find(keyward, user).await?.id;
    let account = keyward.account_view(id).await?.ok_or_else(|| unknown(user))?;
    let told = |roles: &[String]| print::line(&format!("{}: {}", account.email, said(roles)));
    if exactly.is_empty() && add.is_empty() && remove.is_empty() {
        return told(&account.roles);
    }
    let mut roles = exactly;
    if roles.is_empty() {
        roles = account.roles.iter().filter(|role| !remove.contains(role)).cloned().chain(add).collect();
    }
    let change = AccountChange { roles: Some(roles), ..AccountChange::default() };
    let changed = keyward.change_account(account.id, change, &Client::operator()).await;
    told(&changed.map_err(|error| not_changed(error, user))?.roles)
}

fn said(roles: &[String]) -> String {
    if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") }
}

fn row(account: &AccountView) -> [String; 6] {
    [
        account.id.to_string(),
        account.email.clone(),
        account.roles.join(","),
        yes(account.is_active),
        account.created_at.to_string(),
        account.last_login_at.map(|at| at.to_string()).unwrap_or_default(),
    ]
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn unknown(user: &str) -> Failure {
    Failure::new(format!("no account has the e-mail address or id {user:?}; `keyward user list` shows them"))
}

fn not_changed(error: Error, user: &str) -> Failure {
    match &error {
        Error::Denied(denied) if denied.denial() == Denial::LastAdmin => Failure::new(format!(
            "{user} is the last active administrator; make another one first with `keyward user roles USER \
             --add admin`"
        )),
        Error::Denied(denied) if denied.denial() == Denial::NotFound => unknown(user),
        _ => error.into(),
    }
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
