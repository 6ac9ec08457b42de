//! How does somebody change their password, or prove again that they know it?

use keyward_core::change::{Change, Write};
use keyward_core::denial::Denial;
use keyward_core::event::EventType;
use keyward_core::password::Password;
use keyward_core::session::{End, EndReason};
use keyward_core::throttle::Throttle;

use super::{ATTEMPTS, Grant, RefreshPart, crowded};
use crate::access::Access;
use crate::client::Client;
use crate::clock;
use crate::engine::{About as _, Engine};
use crate::error::{Denied, Error};
use crate::metrics::LoginMethod;
use crate::store::Loaded;

impl Engine {
    /// Replaces the password of a session's person. Every other session of theirs ends, this one
    /// and its tokens go on.
    ///
    /// # Errors
    /// `validation_failed` for the new one; `invalid_credentials` for the present one;
    /// `rate_limited`; `overloaded`.
    pub(crate) async fn change_password(
        &self,
        access: &Access,
        current: Password,
        new: Password,
        client: &Client,
    ) -> Result<(), Error> {
        let broken = self.broken_rules("new_password", &new);
        if !broken.is_empty() {
            return Err(Denied::invalid(broken).into());
        }
        let Loaded { session, account, .. } = self.prove_again(access, "change", &current, client).await?;
        let password = self.hashing.hash(new, clock::random(), self.settings.cost).await?;
        let now = self.clock.now();
        let end = End { at: now, why: EndReason::PasswordChanged };
        let change = Change::of([
            Write::SetPassword { user: account.id, version: account.version, password },
            Write::EndSessionsOf {
                user: account.id,
                except: Some(session.id),
                end,
                until: self.matters_until(now),
            },
        ])
        .with(self.event(EventType::PasswordChanged, client, now).about(&account).in_session(session.id));
        // The account changed since the present password was proven: it has to be proven anew.
        self.decided(change).await?.map(drop).ok_or_else(crowded)
    }

    /// A fresh access token whose `auth_time` is now, for who proves again who they are.
    ///
    /// # Errors
    /// `invalid_credentials`; `rate_limited`; `overloaded`; `session_revoked`.
    pub(crate) async fn reauthenticate(
        &self,
        access: &Access,
        password: Password,
        client: &Client,
    ) -> Result<Grant, Error> {
        let proven = self.prove_again(access, "reauthenticate", &password, client).await;
        self.metrics.signed_in(LoginMethod::Reauthentication, &proven);
        proven?;
        for _ in 0..ATTEMPTS {
            let mut loaded = self.live(access).await?;
            let now = self.clock.now();
            let Loaded { session, account, .. } = &mut loaded;
            session.auth_time = now;
            "pwd".clone_into(&mut session.amr);
            let change = Change::of([
                Write::Reauthenticate { session: session.id, auth_time: now, amr: session.amr.clone() },
                Write::Note { session: session.id, seen: None, active_at: Some(now) },
            ])
            .with(
                self.event(EventType::Login, client, now)
                    .about(account)
                    .in_session(session.id)
                    .saying("again", true),
            );
            if self.decided(change).await?.is_none() {
                continue;
            }
            self.notes.active(session.id, now);
            loaded.session = self.with_notes(loaded.session);
            let progress = loaded.session.progress.ok_or(Denial::SessionRevoked)?;
            let roles = self.roles(loaded.role_table_version).await?;
            let names = access.token.claims.generation;
            return self.grant(loaded, &roles, &progress, names, RefreshPart::Kept, now);
        }
        Err(crowded())
    }

    async fn prove_again(
        &self,
        access: &Access,
        what: &str,
        password: &Password,
        client: &Client,
    ) -> Result<Loaded, Error> {
        let session = access.session();
        self.limit(Throttle::Password, &format!("{what} {session}"), client, Some(session)).await?;
        let loaded = self.live(access).await?;
        let hash = loaded.account.password.clone();
        if self.hashing.verify(password.clone(), hash).await?.right {
            return Ok(loaded);
        }
        let denial = Denial::InvalidCredentials;
        let event = self
            .event(EventType::LoginFailed, client, self.clock.now())
            .about(&loaded.account)
            .in_session(session)
            .failed(denial.code())
            .saying("at", what);
        self.write_failure(event, client).await?;
        Err(denial.into())
    }
}
