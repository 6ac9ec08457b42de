//! Which service keys are there, and how is one made or revoked?

use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::id::ServiceKeyId;
use keyward_core::service_key::{self, LIMIT, Scope, ServiceKey};
use keyward_core::time::Timestamp;
use zeroize::Zeroizing;

use super::{ATTEMPTS, crowded};
use crate::Keyward;
use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error, FieldError};
use crate::schema::{Id, Moment};
use crate::store::StoredServiceKeys;

/// What is told of a service key: never what one could ask with.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[schema(as = ServiceKey)]
pub struct ServiceKeyView {
    /// Its name for programs.
    #[schema(value_type = Id)]
    pub id: ServiceKeyId,
    /// Its name for people.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<&'static str>,
    /// When it was made.
    #[schema(value_type = Moment)]
    pub created_at: Timestamp,
    /// When it was used last, to the minute; `None` where it never was.
    #[schema(value_type = Option<Moment>, required)]
    pub last_used_at: Option<Timestamp>,
}

/// A service key that was made just now.
#[derive(Clone, serde::Serialize, utoipa::ToSchema)]
pub struct NewServiceKey {
    /// What is told of it from now on.
    #[serde(flatten)]
    pub view: ServiceKeyView,
    /// Its text, `kws_…`, which nobody can be told again.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub key: Zeroizing<String>,
}

impl Keyward {
    /// The service keys, the most recently used first, then those never used, the newest first.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn service_keys(&self) -> Result<Vec<ServiceKeyView>, Error> {
        self.engine.service_keys().await
    }

    /// Makes a service key of this name, good for these scopes: none where there are none.
    ///
    /// # Errors
    /// `validation_failed` for a name that is taken or can't be one, for an unknown scope, and
    /// where there are as many keys as there can be.
    pub async fn create_service_key(
        &self,
        name: &str,
        scopes: &[String],
        client: &Client,
    ) -> Result<NewServiceKey, Error> {
        self.engine.create_service_key(name, scopes, client).await
    }

    /// Revokes a service key: no node accepts it any more, this one from now on, others within a
    /// second.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn revoke_service_key(&self, id: ServiceKeyId, client: &Client) -> Result<(), Error> {
        self.engine.revoke_service_key(id, client).await
    }
}

impl Engine {
    pub(crate) async fn service_keys(&self) -> Result<Vec<ServiceKeyView>, Error> {
        let mut views: Vec<_> =
            self.store.service_keys().await?.keys.into_iter().map(|key| self.view_of(key)).collect();
        views.sort_by_key(|view| std::cmp::Reverse((view.last_used_at, view.created_at, view.id)));
        Ok(views)
    }

    pub(crate) async fn create_service_key(
        &self,
        name: &str,
        scopes: &[String],
        client: &Client,
    ) -> Result<NewServiceKey, Error> {
        let mut wrong = Vec::new();
        if !service_key::is_name(name) {
            let allowed = "this has to be 1 to 64 letters, digits, spaces and . _ : @ / ( ) + -";
            wrong.push(FieldError::new("name", allowed));
        }
        let scopes = scopes_of(scopes, &mut wrong);
        for _ in 0..ATTEMPTS {
            let StoredServiceKeys { version, keys } = self.store.service_keys().await?;
            if keys.iter().any(|key| key.name == name) {
                wrong.push(FieldError::new("name", "another service key has this name"));
            } else if keys.len() >= LIMIT {
                let full = format!("there are {LIMIT} service keys, and no more can be: revoke one");
                wrong.push(FieldError::new("name", full));
            }
            if !wrong.is_empty() {
                return Err(Denied::invalid(wrong).into());
            }
            let now = self.clock.now();
            let text = service_key::text(&Zeroizing::new(clock::random()));
            let key = ServiceKey {
                id: ServiceKeyId::new(now, clock::random()),
                name: name.to_owned(),
                hash: service_key::hash(&text).ok_or(Denial::Internal)?,
                scopes: scopes.clone(),
                created_at: now,
                last_used_at: None,
            };
            let event = self.event(EventType::ServiceKeyCreated, client, now);
            let event = about(event, &key).saying("scopes", words(&key.scopes));
            let change = Change::of([Write::AddServiceKey { version, key: Box::new(key.clone()) }]);
            if self.decided(change.with(event)).await?.is_some() {
                self.service_keys.exists(version + 1);
                return Ok(NewServiceKey { view: self.view_of(key), key: text });
            }
        }
        Err(crowded())
    }

    pub(crate) async fn revoke_service_key(&self, id: ServiceKeyId, client: &Client) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let StoredServiceKeys { version, keys } = self.store.service_keys().await?;
            let key = keys.into_iter().find(|key| key.id == id).ok_or(Denial::NotFound)?;
            let event = self.event(EventType::ServiceKeyRevoked, client, self.clock.now());
            let change = Change::of([Write::RemoveServiceKey { version, id }]).with(about(event, &key));
            if self.decided(change).await?.is_some() {
                self.service_keys.exists(version + 1);
                return Ok(());
            }
        }
        Err(crowded())
    }

    fn view_of(&self, key: ServiceKey) -> ServiceKeyView {
        ServiceKeyView {
            id: key.id,
            last_used_at: self.service_keys.last_used(&key),
            name: key.name,
            scopes: words(&key.scopes),
            created_at: key.created_at,
        }
    }
}

/// The scopes of these names, sorted, each once; what is none is told.
fn scopes_of(names: &[String], wrong: &mut Vec<FieldError>) -> Vec<Scope> {
    let mut scopes: Vec<Scope> = names.iter().filter_map(|name| Scope::parse(name)).collect();
    if names.iter().any(|name| Scope::parse(name).is_none()) {
        let known = words(Scope::ALL).join(", ");
        wrong.push(FieldError::new("scopes", format!("each of these has to be one of: {known}")));
    }
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

fn words(scopes: &[Scope]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.as_str()).collect()
}

fn about(event: keyward_core::event::Event, key: &ServiceKey) -> keyward_core::event::Event {
    event.saying("service_key_id", key.id.to_string()).saying("service_key", key.name.as_str())
}

fn as_text<S: serde::Serializer>(text: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
