//! Which roles are there, and what may people of each do?

use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::id::UserId;
use keyward_core::revocation::Revocation;
use keyward_core::role::{self, InvalidRole, Roles};

use super::{ATTEMPTS, crowded};
use crate::Keyward;
use crate::client::Client;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error, FieldError};
use crate::store::{Key, Search};

/// From how many accounts a role is taken at once: short enough that nobody waits for it.
const STEP: u32 = 500;

/// A role, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Role)]
pub struct RoleView {
    /// Its name.
    pub name: String,
    /// What people of it may do, sorted.
    pub permissions: Vec<String>,
    /// Whether it can't be deleted.
    pub built_in: bool,
}

impl Keyward {
    /// The roles, by name.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn roles(&self) -> Result<Vec<RoleView>, Error> {
        self.engine.list_roles().await
    }

    /// Makes a role, or replaces what people of it may do; in force on the next request of each of
    /// them.
    ///
    /// # Errors
    /// `validation_failed` for a name or permissions that can't be.
    pub async fn set_role(
        &self,
        name: &str,
        permissions: Vec<String>,
        client: &Client,
    ) -> Result<RoleView, Error> {
        self.engine.set_role(name, permissions, client).await
    }

    /// Deletes a role, and takes it from whoever has it; in force on the next request of each of
    /// them.
    ///
    /// # Errors
    /// `not_found`; `forbidden` for one that is built in.
    pub async fn delete_role(&self, name: &str, client: &Client) -> Result<(), Error> {
        self.engine.delete_role(name, client).await
    }
}

impl Engine {
    /// The roles, by name.
    pub(crate) async fn list_roles(&self) -> Result<Vec<RoleView>, Error> {
        let roles = self.load_roles().await?;
        Ok(roles.permissions.iter().map(|(name, permissions)| RoleView::new(name, permissions)).collect())
    }

    /// Makes a role, or replaces its permissions.
    ///
    /// # Errors
    /// `validation_failed`; `overloaded`.
    pub(crate) async fn set_role(
        &self,
        name: &str,
        mut permissions: Vec<String>,
        client: &Client,
    ) -> Result<RoleView, Error> {
        permissions.sort_unstable();
        permissions.dedup();
        for _ in 0..ATTEMPTS {
            let roles = self.load_roles().await?;
            roles.check(name, &permissions).map_err(|invalid| refused(&invalid))?;
            let before = roles.permissions.get(name);
            if before == Some(&permissions) {
                return Ok(RoleView::new(name, &permissions));
            }
            if before.is_none() {
                // Whoever still has one of that name that was deleted must not get this one.
                self.take_role(name).await?;
            }
            let set = Write::SetRole {
                version: roles.version,
                name: name.to_owned(),
                permissions: permissions.clone(),
            };
            let change = self.role_change(&roles, name, set, Some(&permissions), client);
            if self.decided(change).await?.is_some() {
                return Ok(RoleView::new(name, &permissions));
            }
        }
        Err(crowded())
    }

    /// Deletes a role and takes it from every account. One that was deleted when the taking broke
    /// off is taken from the rest.
    ///
    /// # Errors
    /// `forbidden` for one that is built in; `not_found`; `overloaded`.
    pub(crate) async fn delete_role(&self, name: &str, client: &Client) -> Result<(), Error> {
        if role::is_built_in(name) {
            let why = format!("the role {name:?} is built in and can't be deleted");
            return Err(Denied::from(Denial::Forbidden).with_detail(why).into());
        }
        for _ in 0..ATTEMPTS {
            let roles = self.load_roles().await?;
            if !roles.permissions.contains_key(name) {
                return if self.take_role(name).await? { Ok(()) } else { Err(Denial::NotFound.into()) };
            }
            let delete = Write::DeleteRole { version: roles.version, name: name.to_owned() };
            let change = self.role_change(&roles, name, delete, None, client);
            if self.decided(change).await?.is_some() {
                self.take_role(name).await?;
                return Ok(());
            }
        }
        Err(crowded())
    }

    /// Whether there are all of these roles, and not too many.
    ///
    /// # Errors
    /// `validation_failed`, which says which ones there are.
    pub(crate) async fn are_there(&self, roles: &[String]) -> Result<(), Error> {
        if roles.len() > role::MOST_OF_ACCOUNT {
            let message = format!("an account can have {} roles at most", role::MOST_OF_ACCOUNT);
            return Err(Denied::invalid(vec![FieldError::new("roles", message)]).into());
        }
        let known = self.load_roles().await?;
        let unknown = roles.iter().filter(|role| !known.permissions.contains_key(*role));
        let names = known.permissions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let wrong: Vec<_> = unknown
            .map(|role| FieldError::new("roles", format!("{role:?} is no role; the roles are: {names}")))
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(Denied::invalid(wrong).into()) }
    }

    /// The change of a role with its event. What a role meant until now is said by every token from
    /// before: they are out of date. A new one is nobody's, so that no token says anything of it.
    fn role_change(
        &self,
        roles: &Roles,
        name: &str,
        write: Write,
        after: Option<&[String]>,
        client: &Client,
    ) -> Change {
        let now = self.clock.now();
        let before = roles.permissions.get(name);
        let event = self
            .event(EventType::RoleChanged, client, now)
            .saying("role", name)
            .saying("before", before.cloned())
            .saying("after", after.map(<[String]>::to_vec));
        let mut change = Change::of([write]).with(event);
        if before.is_some() {
            let revocation = Revocation::Roles(roles.version + 1);
            change.writes.push(Write::Revoke { revocation, until: self.matters_until(now) });
        }
        change
    }

    /// Takes a role that there is not from everybody who has it, some at a time; gives whether
    /// anybody had. It is part of what deleted the role, and no event of its own.
    async fn take_role(&self, name: &str) -> Result<bool, Error> {
        let holders = Search {
            from: Key::Id(UserId::from_bytes([0; 16])),
            to: Key::Id(UserId::from_bytes([0xff; 16])),
            role: Some(name.to_owned()),
            is_active: None,
            limit: 1,
            scan: 1,
        };
        let mut any = false;
        while !self.store.accounts(&holders).await?.accounts.is_empty() {
            // Made anew meanwhile, it is theirs who were given it.
            if self.load_roles().await?.permissions.contains_key(name) {
                break;
            }
            any = true;
            self.commit(Change::of([Write::TakeRole { name: name.to_owned(), limit: STEP }])).await?;
        }
        Ok(any)
    }
}

impl RoleView {
    fn new(name: &str, permissions: &[String]) -> Self {
        Self { name: name.to_owned(), permissions: permissions.to_vec(), built_in: role::is_built_in(name) }
    }
}

fn refused(invalid: &InvalidRole) -> Error {
    let field = match invalid {
        InvalidRole::Name | InvalidRole::TooMany => "name",
        InvalidRole::Permission(_) | InvalidRole::TooLong(_) => "permissions",
    };
    Denied::invalid(vec![FieldError::new(field, invalid.to_string())]).into()
}
