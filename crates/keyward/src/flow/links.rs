//! How does somebody get a mail, with a link or without, and what is a link that comes back good for?
//!
//! What is written here goes into the change that the mail tells of: both are there, or neither.
//! Asking for a mail writes as much for an address that nobody has as for one that somebody has.

use keyward_core::account::Account;
use keyward_core::change::Write;
use keyward_core::email::Email;
use keyward_core::id::{MailId, UserId};
use keyward_core::mail::{Link, Mail, Purpose, Secret, SecretHash};
use keyward_core::throttle::Throttle;
use keyward_core::time::Timestamp;
use std::time::Duration;

use crate::client::Client;
use crate::clock;
use crate::engine::Engine;
use crate::error::Error;
use crate::mail::letters::{self, Asked, Letter};
use crate::mail::{Envelope, NotWritten};
use crate::store::Fault;

/// What a mail is called that is never sent.
pub(super) const NOTHING: &str = "nothing";
/// How long a mail without a link that ends is worth sending.
const NEWS: Duration = Duration::from_secs(24 * 60 * 60);

/// A link to be made: what for, for whom, and who brought it about.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) purpose: Purpose,
    pub(super) user: UserId,
    pub(super) to: &'a Email,
    pub(super) client: &'a Client,
    pub(super) now: Timestamp,
}

/// Whether what is written reaches anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Post {
    Sent,
    Withheld,
}

impl Engine {
    /// The writes that send a link. One that was sent before for the same purpose ends.
    pub(super) fn link(&self, new: New<'_>) -> Result<[Write; 2], Error> {
        let letter = |secret: &str, site: &str, asked: &Asked<'_>| match new.purpose {
            Purpose::Verification => letters::verification(site, secret, asked),
            Purpose::Reset => letters::reset(site, secret, asked),
            Purpose::Invitation => letters::invitation(site, secret),
        };
        self.link_in(new, Post::Sent, letter)
    }

    /// As many writes as for [`Self::link`], of the same size, that send nothing to anybody.
    pub(super) fn no_link(
        &self,
        purpose: Purpose,
        to: &Email,
        client: &Client,
        now: Timestamp,
    ) -> Result<[Write; 2], Error> {
        let new = New { purpose, user: UserId::new(now, clock::random()), to, client, now };
        let letter = |secret: &str, site: &str, asked: &Asked<'_>| match purpose {
            Purpose::Verification => letters::verification(site, secret, asked),
            Purpose::Reset | Purpose::Invitation => letters::reset(site, secret, asked),
        };
        self.link_in(new, Post::Withheld, letter)
    }

    /// The writes that tell an account at its present address, and at the one that it had before,
    /// that it changed; the present one gets a link to confirm it.
    pub(crate) fn email_changed(
        &self,
        account: &Account,
        former: &Email,
        client: &Client,
        now: Timestamp,
    ) -> Result<Vec<Write>, Error> {
        // Who never had a password was invited to the address before, and never took that up.
        let is_invited = account.password.read().is_ok_and(|hash| hash.is_nobodys());
        let purpose = if is_invited { Purpose::Invitation } else { Purpose::Verification };
        let new = New { purpose, user: account.id, to: &account.email, client, now };
        let mut writes = Vec::from(if is_invited {
            self.link(new)?
        } else {
            self.link_in(new, Post::Sent, |secret, site, asked| letters::email_given(site, secret, asked))?
        });
        let letter = letters::email_replaced(self.settings.public_url.as_str(), &Asked { client, at: now });
        writes.push(self.mail(&letter, former, now.after(NEWS), now, Post::Sent)?);
        Ok(writes)
    }

    /// The write that tells a person that their password is another one now.
    pub(super) fn password_notice(
        &self,
        account: &Account,
        client: &Client,
        now: Timestamp,
    ) -> Result<Write, Error> {
        let letter = letters::password_changed(self.settings.public_url.as_str(), &Asked { client, at: now });
        self.mail(&letter, &account.email, now.after(NEWS), now, Post::Sent)
    }

    fn link_in(
        &self,
        new: New<'_>,
        post: Post,
        letter: impl Fn(&str, &str, &Asked<'_>) -> Letter,
    ) -> Result<[Write; 2], Error> {
        let New { purpose, user, to, client, now } = new;
        let secret = Secret::new(clock::random());
        let hash = SecretHash::of(secret.as_str()).ok_or_else(|| fault("a secret that is none"))?;
        let until = now.after(purpose.life());
        // From the configuration alone: what a request says of the host is anybody's.
        let site = self.settings.public_url.as_str();
        let letter = letter(secret.as_str(), site, &Asked { client, at: now });
        let link = Link { user, purpose, hash, email: to.clone(), until };
        Ok([Write::IssueLink(Box::new(link)), self.mail(&letter, to, until, now, post)?])
    }

    fn mail(
        &self,
        letter: &Letter,
        to: &Email,
        until: Timestamp,
        now: Timestamp,
        post: Post,
    ) -> Result<Write, Error> {
        let id = MailId::new(now, clock::random());
        let envelope = Envelope::new(letter, to, &self.settings.mail_from, id, now)?;
        let (kind, sealed) = match post {
            Post::Sent => (letter.kind, envelope.seal(id, &self.master, clock::random())),
            Post::Withheld => (NOTHING, envelope.seal_nothing(id, &self.master, clock::random())),
        };
        Ok(Write::QueueMail(Box::new(Mail {
            id,
            kind: kind.to_owned(),
            sealed,
            made_at: now,
            until,
            due_at: Some(now),
            attempts: 0,
            failure: None,
        })))
    }

    /// Whether this address may get one more mail of this kind. Where not, the one who asks is told
    /// nothing of it; it is an event. It counts alike for an address that nobody has.
    pub(super) async fn may_get_mail(&self, what: &str, to: &Email, client: &Client) -> bool {
        self.limit(Throttle::PasswordForgot, &format!("{what} {to}"), client, None).await.is_ok()
    }

    /// The account that a link lets its holder into, if it is good: for one of these purposes, not
    /// past, sent to the address that the account still has, and the account active.
    pub(super) async fn account_of_link(
        &self,
        hash: SecretHash,
        purpose: impl Fn(Purpose) -> bool,
    ) -> Result<Option<(Link, Account)>, Error> {
        let now = self.clock.now();
        let found = self.store.link(hash).await?;
        Ok(found.filter(|(link, account)| {
            purpose(link.purpose) && now < link.until && link.email == account.email && account.is_active
        }))
    }
}

impl From<NotWritten> for Error {
    fn from(error: NotWritten) -> Self {
        fault(&error.to_string())
    }
}

fn fault(what: &str) -> Error {
    Fault::Unavailable(what.to_owned()).into()
}
