//! How do the mails leave that wait, and what becomes of one that can't?
//!
//! A mail is taken in hand, sent, and forgotten. Who stops in between leaves it to whoever looks
//! next once the claim is over: it may be sent twice, and is never lost. What fails is tried again
//! at growing intervals, until nobody could use it any more or it failed too often; then it is kept
//! for a week, and the log says why.

use std::path::Path;
use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::mail::Mail;

use super::links::NOTHING;
use crate::Keyward;
use crate::clock;
use crate::engine::Engine;
use crate::error::Error;
use crate::mail::deliver::{Delivered, Shown, Undelivered, read};
use crate::mail::{Envelope, Unreadable};
use crate::store::Fault;

/// How many mails are looked at in one turn.
const TURN: u32 = 50;
/// How long after the beginning of a turn another mail is begun. It may take a minute, and the whole
/// turn two.
const WHILE: Duration = Duration::from_secs(50);

/// What became of an attempt.
enum Attempt {
    /// It is over with, one way or the other.
    Done,
    /// No other mail would fare better now.
    Unreachable,
}

impl Keyward {
    /// The folder that mails are written into, where no server takes them.
    pub fn mail_folder(&self) -> Option<&Path> {
        self.engine.delivery.folder()
    }
}

impl Engine {
    /// Sends what mails are due, for a while: none is begun that would have to be broken off.
    pub(crate) async fn send_mails(&self) -> Result<(), Error> {
        let began = self.clock.monotonic();
        for mail in self.store.due_mails(self.clock.now(), TURN).await? {
            let is_late = self.clock.monotonic().saturating_sub(began) > WHILE;
            if is_late || matches!(self.send_mail(mail).await?, Attempt::Unreachable) {
                break;
            }
        }
        Ok(())
    }

    /// The mails that were written into a folder, the newest first; `None` where they are not.
    pub(crate) async fn mailbox(&self) -> Result<Option<Vec<Shown>>, Error> {
        let Some(folder) = self.delivery.folder().map(ToOwned::to_owned) else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || read(&folder)).await;
        let mails = read.map_err(|e| e.to_string()).and_then(|mails| mails.map_err(|e| e.to_string()));
        Ok(Some(mails.map_err(Fault::Unavailable)?))
    }

    async fn send_mail(&self, mail: Mail) -> Result<Attempt, Error> {
        let now = self.clock.now();
        if mail.kind == NOTHING {
            self.commit(Change::of([Write::ForgetMail { id: mail.id }])).await?;
            return Ok(Attempt::Done);
        }
        let claim = Write::ClaimMail { id: mail.id, attempts: mail.attempts, until: now.after(Mail::CLAIM) };
        if self.decided(Change::of([claim])).await?.is_none() {
            // Another one has it in hand.
            return Ok(Attempt::Done);
        }
        let envelope = match Envelope::open(&mail, &self.master) {
            Ok(_) if now >= mail.until => Err(Undelivered::Never("it came too late to be of use".to_owned())),
            Ok(envelope) => self.delivery.deliver(mail.id, envelope).await,
            // With the right key it can be read.
            Err(error @ Unreadable::WrongMasterKey) => Err(Undelivered::Later(error.to_string())),
            Err(error) => Err(Undelivered::Never(error.to_string())),
        };
        let (again, failure, attempt) = match envelope {
            Ok(delivered) => {
                match delivered {
                    Delivered::Sent => tracing::debug!(mail = %mail.id, kind = mail.kind, "a mail was sent"),
                    Delivered::Written(path) => tracing::info!(
                        kind = mail.kind,
                        "no server takes mails (email.smtp_url): one was written to {}",
                        path.display()
                    ),
                }
                self.commit(Change::of([Write::ForgetMail { id: mail.id }])).await?;
                return Ok(Attempt::Done);
            }
            Err(Undelivered::Unreachable(why)) => (true, why, Attempt::Unreachable),
            Err(Undelivered::Later(why)) => (true, why, Attempt::Done),
            Err(Undelivered::Never(why)) => (false, why, Attempt::Done),
        };
        let attempts = mail.attempts.saturating_add(1);
        let jitter = u32::from_be_bytes(clock::random());
        let due_at = mail.next_attempt(attempts, jitter, self.clock.now()).filter(|_| again);
        let (id, kind) = (mail.id, &mail.kind);
        match due_at {
            // Once for each mail: a server that is away for hours does not fill the log.
            Some(due_at) if attempts == 1 => {
                tracing::warn!(mail = %id, kind, "a mail could not be sent: {failure}; again at {due_at}");
            }
            Some(due_at) => {
                tracing::debug!(mail = %id, kind, attempts, "a mail could not be sent: {failure}; again at {due_at}");
            }
            None => {
                tracing::error!(mail = %id, kind, attempts, "a mail could not be sent and is given up: {failure}");
            }
        }
        // Whoever took it in hand meanwhile says what becomes of it.
        self.decided(Change::of([Write::PostponeMail { id, attempts, due_at, failure }])).await?;
        Ok(attempt)
    }
}
