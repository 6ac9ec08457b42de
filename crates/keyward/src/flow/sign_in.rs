//! How does somebody sign in?

use keyward_core::account::Account;
use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::{Event, EventType};
use keyward_core::id::{SessionId, UserId};
use keyward_core::password::Password;
use keyward_core::session::{End, EndReason, Progress, Session, Transport};
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;

use super::{ATTEMPTS, EVERY, Grant, RefreshPart, crowded, unreadable};
use crate::Keyward;
use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::Error;
use crate::metrics::LoginMethod;
use crate::store::{Loaded, Name};

/// How many failures a minute, from one network to one account, are rows of their own.
const FAILURES: u32 = 10;

/// What somebody signs in with.
#[derive(Debug)]
pub(crate) struct SignIn {
    /// The e-mail address or phone number, as it was typed.
    pub(crate) name: String,
    /// Whether that is a phone number.
    pub(crate) by_phone: bool,
    /// The password.
    pub(crate) password: Password,
    /// How the session's tokens are to travel.
    pub(crate) transport: Transport,
    /// What this browser held until now; it ends.
    pub(crate) replaces: Former,
}

/// What a browser held until somebody signed in anew.
#[derive(Debug, Default)]
pub(crate) struct Former {
    /// The session that its tokens carry.
    pub(crate) session: Option<SessionId>,
    /// The tag of the session that its hint names. No token came with a form after the access token's
    /// end: the refresh cookie is for another path. A tag is no secret, so it speaks of a session of
    /// the one who signs in alone.
    pub(crate) tag: Option<String>,
}

impl SignIn {
    fn name(&self) -> Option<Name> {
        if self.by_phone {
            self.name.parse().ok().map(Name::Phone)
        } else {
            self.name.parse().ok().map(Name::Email)
        }
    }
}

impl Keyward {
    /// Opens a session, with bearer tokens, for who knows the password of the account of this e-mail
    /// address, or of this phone number where it begins with `+`. A browser signs in at
    /// `POST /api/auth/login`, which sets cookies.
    ///
    /// # Errors
    /// `invalid_credentials`, the same for a wrong password and an unknown name, at the same cost;
    /// `account_inactive` and `email_not_verified`, told only to who knows the password;
    /// `rate_limited` by the client's address and by the account; `overloaded`.
    pub async fn sign_in(&self, name: &str, password: Password, client: &Client) -> Result<Grant, Error> {
        let by_phone = name.trim_start().starts_with('+');
        let (name, transport) = (name.to_owned(), Transport::Bearer);
        self.engine
            .sign_in(SignIn { name, by_phone, password, transport, replaces: Former::default() }, client)
            .await
    }
}

impl Engine {
    /// Opens a session for who knows the password.
    ///
    /// # Errors
    /// `invalid_credentials`, the same for a wrong password and an unknown name, at the same cost;
    /// `account_inactive` and `email_not_verified`, told only to who knows the password;
    /// `rate_limited`; `overloaded`.
    pub(crate) async fn sign_in(&self, sign_in: SignIn, client: &Client) -> Result<Grant, Error> {
        let result = self.prove_and_open(&sign_in, client).await;
        self.metrics.signed_in(LoginMethod::Password, &result);
        result
    }

    async fn prove_and_open(&self, sign_in: &SignIn, client: &Client) -> Result<Grant, Error> {
        self.limit(Throttle::Login, &client.network(), client, None).await?;
        let mut account = self.prove(sign_in, client).await?;
        for _ in 0..ATTEMPTS {
            let version = account.version;
            if let Some(grant) = self.try_sign_in(sign_in, account, client).await? {
                return Ok(grant);
            }
            let name = sign_in.name().ok_or(Denial::InvalidCredentials)?;
            account = match self.store.account(&name).await? {
                Some(unchanged) if unchanged.version == version && unchanged.is_active => unchanged,
                _ => self.prove(sign_in, client).await?,
            };
        }
        Err(crowded())
    }

    /// The account of which somebody knows the name and the password.
    async fn prove(&self, sign_in: &SignIn, client: &Client) -> Result<Account, Error> {
        let account = match sign_in.name() {
            Some(name) => self.store.account(&name).await?,
            None => None,
        };
        let budget = self.failure_budget(account.as_ref(), &sign_in.name, client).await?;
        let purse = self.limit(Throttle::LoginFailures, &budget, client, None).await?;
        let hash = match &account {
            Some(account) => account.password.read().map_err(unreadable)?,
            None => self.nobody.clone(),
        };
        let class = hash.cost_class();
        let verified = match self.hashing.verify(sign_in.password.clone(), hash).await {
            Ok(verified) => verified,
            Err(busy) => {
                self.give_back(Throttle::LoginFailures, &budget, purse).await;
                return Err(busy.into());
            }
        };
        self.pace.learn(&class, verified.took);
        let failed = |denial: Denial| {
            self.event(EventType::LoginFailed, client, self.clock.now()).failed(denial.code())
        };
        // A name is what a stranger typed: of any length, and perhaps a password in the wrong field.
        let name = || self.keyed_hash(&format!("name {}", sign_in.name.trim().to_lowercase()));
        let (event, denial) = match account {
            Some(account) if verified.right => {
                self.give_back(Throttle::LoginFailures, &budget, purse).await;
                match self.may_sign_in(&account) {
                    Ok(()) => return Ok(account),
                    Err(denial) => (failed(denial).about(&account), denial),
                }
            }
            Some(account) => (failed(Denial::InvalidCredentials).about(&account), Denial::InvalidCredentials),
            None => (failed(Denial::InvalidCredentials).saying("name", name()), Denial::InvalidCredentials),
        };
        // Written before it waits: who goes away meanwhile has failed all the same.
        self.write_failure(event, client).await?;
        let longest = self.longest_verification().await?;
        self.clock.wait_until(verified.began + longest).await;
        Err(denial.into())
    }

    /// Whether who knows the password of this account may sign in to it.
    fn may_sign_in(&self, account: &Account) -> Result<(), Denial> {
        if !account.is_active {
            Err(Denial::LoginInactive)
        } else if self.settings.require_verified_email && !account.email_verified {
            Err(Denial::EmailNotVerified)
        } else {
            Ok(())
        }
    }

    /// Writes that somebody gave a wrong password. From one network to one account the first of a
    /// minute are rows of their own, and the rest is counted in one: a flood of them is no flood of
    /// rows, be there limits or not.
    pub(super) async fn write_failure(&self, event: Event, client: &Client) -> Result<(), Error> {
        let whose = match (event.user, event.name()) {
            (Some(user), _) => user.to_string(),
            (None, Some(name)) => name.to_owned(),
            (None, None) => String::new(),
        };
        let reason = event.reason.clone().unwrap_or_default();
        let what = format!("{whose} {reason} {}", client.network());
        self.tally_after(FAILURES, event, &what).await
    }

    /// `None` where something changed meanwhile that the session must not outlive.
    async fn try_sign_in(
        &self,
        sign_in: &SignIn,
        account: Account,
        client: &Client,
    ) -> Result<Option<Grant>, Error> {
        let mut change = Change::default();
        if account.password.needs_rehash(&self.settings.cost) {
            let password =
                self.hashing.hash(sign_in.password.clone(), clock::random(), self.settings.cost).await?;
            change.writes.push(Write::Rehash { user: account.id, version: account.version, password });
        }
        let now = self.clock.now();
        let former = self.former(&sign_in.replaces, account.id).await?;
        self.replace(former, &mut change, client, now).await?;
        let event = self.event(EventType::Login, client, now).saying("transport", sign_in.transport.as_str());
        self.open_session(account, sign_in.transport, change, event, client, now).await
    }

    /// Opens a session within `change`; `None` where the account changed meanwhile.
    pub(super) async fn open_session(
        &self,
        account: Account,
        transport: Transport,
        mut change: Change,
        event: Event,
        client: &Client,
        now: Timestamp,
    ) -> Result<Option<Grant>, Error> {
        let roles = self.load_roles().await?;
        let limit = self.settings.policy.max_per_user;
        let session = Session {
            id: SessionId::new(now, clock::random()),
            user: account.id,
            transport,
            opened_at: now,
            auth_time: now,
            amr: "pwd".to_owned(),
            ip: client.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            user_agent: client.user_agent.clone(),
            ended: None,
            progress: Some(Progress::opened(now)),
            resting: None,
        };
        // Room is made by ending the least recently active ones. One that is replaced ends anyway.
        let replaced = change.writes.iter().filter(|w| matches!(w, Write::EndSession { .. })).count();
        let open = self.store.sessions_of(account.id, EVERY).await?;
        let too_many = (open.len() + 1).saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        let ending = |id| {
            change.writes.iter().any(|w| matches!(w, Write::EndSession { session, .. } if *session == id))
        };
        let victims: Vec<SessionId> = open
            .iter()
            .rev()
            .map(|s| s.id)
            .filter(|id| !ending(*id))
            .take(too_many.saturating_sub(replaced))
            .collect();
        for victim in victims {
            let end = End { at: now, why: EndReason::TooMany };
            change.writes.push(self.end(victim, end));
            change.events.push(
                self.event(EventType::SessionRevoked, client, now)
                    .about(&account)
                    .in_session(victim)
                    .saying("why", end.why.as_str()),
            );
        }
        change.writes.push(Write::OpenSession {
            session: Box::new(session.clone()),
            account_version: account.version,
            limit,
        });
        change.events.push(event.about(&account).in_session(session.id));
        if self.decided(change).await?.is_none() {
            return Ok(None);
        }
        let progress = Progress::opened(now);
        let loaded = Loaded { session, account, role_table_version: roles.version };
        self.grant(loaded.into(), &roles, &progress, progress.newest, RefreshPart::New, now).await.map(Some)
    }

    /// The session which a browser held before this person signed in anew.
    async fn former(&self, former: &Former, user: UserId) -> Result<Option<SessionId>, Error> {
        let (None, Some(tag)) = (former.session, &former.tag) else { return Ok(former.session) };
        let open = self.store.sessions_of(user, EVERY).await?;
        let named = open.into_iter().find(|s| s.transport == Transport::Cookie && s.id.tag() == *tag);
        Ok(named.map(|session| session.id))
    }

    /// Ends the session which a browser held before it signed in anew.
    pub(super) async fn replace(
        &self,
        session: Option<SessionId>,
        change: &mut Change,
        client: &Client,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(session) = session else { return Ok(()) };
        let loaded = self.store.session_at_rest(session).await?;
        let Some(loaded) = loaded.filter(|loaded| loaded.session.ended.is_none()) else { return Ok(()) };
        let end = End { at: now, why: EndReason::Replaced };
        change.writes.push(self.end(session, end));
        change.events.push(
            self.event(EventType::SessionRevoked, client, now)
                .about(&loaded.account)
                .in_session(session)
                .saying("why", end.why.as_str()),
        );
        Ok(())
    }

    /// Whose failures these are: the account's, from an address where its owner has signed in
    /// before by themselves, so that strangers can't lock the owner out; for a name without an
    /// account the name's, alike.
    async fn failure_budget(
        &self,
        account: Option<&Account>,
        name: &str,
        client: &Client,
    ) -> Result<String, Error> {
        let network = client.network();
        let since = self.clock.now().before(self.settings.events_retention);
        let Some(account) = account else {
            // As much is read for nobody as for somebody.
            self.store.signed_in_from(UserId::from_bytes([0; 16]), &network, since).await?;
            return Ok(format!("name {}", name.trim().to_lowercase()));
        };
        Ok(if self.store.signed_in_from(account.id, &network, since).await? {
            format!("account {} {network}", account.id)
        } else {
            format!("account {}", account.id)
        })
    }
}
