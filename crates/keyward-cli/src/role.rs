//! `keyward role`: which roles are there, and what may people of each do?

use std::path::Path;

use clap::Subcommand;
use keyward::core::denial::Denial;
use keyward::{Client, Error, Keyward, RoleView};
use serde_json::json;

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::print;

/// What can be done about roles.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List the roles with their permissions
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a role, or replace its permissions by these; in force at once
    Set {
        /// The role, such as editor
        name: String,
        /// All its permissions, such as jobs:write
        permissions: Vec<String>,
    },
    /// Delete a role, and take it from everybody who has it; in force at once
    Delete {
        /// The role
        name: String,
    },
}

impl Verb {
    pub(crate) async fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        match self {
            Self::List { json } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                list(&keyward, json).await
            }
            Self::Set { name, permissions } => {
                let (keyward, _) = open::beside(file, Missing::Make).await?;
                let role = keyward.set_role(&name, permissions, &Client::operator()).await?;
                print::line(&match role.permissions.as_slice() {
                    [] => format!("People of the role {name} have no permission."),
                    all => format!("People of the role {name} may: {}", all.join(", ")),
                })
            }
            Self::Delete { name } => {
                let (keyward, _) = open::beside(file, Missing::Refuse).await?;
                let deleted = keyward.delete_role(&name, &Client::operator()).await;
                deleted.map_err(|error| not_deleted(error, &name))?;
                print::line(&format!("{name} is no role any more."))
            }
        }
    }
}

async fn list(keyward: &Keyward, json: bool) -> Result<(), Failure> {
    let roles = keyward.roles().await?;
    if json {
        return print::json(&json!({ "roles": roles }));
    }
    let row = |role: &RoleView| [role.name.clone(), role.permissions.join(",")];
    let rows: Vec<_> = roles.iter().map(row).collect();
    print::table(["ROLE", "PERMISSIONS"], &rows)
}

fn not_deleted(error: Error, name: &str) -> Failure {
    match &error {
        Error::Denied(denied) if denied.denial() == Denial::NotFound => {
            Failure::new(format!("there is no role {name:?}; `keyward role list` shows them"))
        }
        _ => error.into(),
    }
}
