//! What does a store of SQL ask and write about links and mails?

use keyward_core::account::Account;
use keyward_core::change::Conflict;
use keyward_core::id::{MailId, UserId};
use keyward_core::mail::{Link, Mail, Purpose, SecretHash};
use keyward_core::time::Timestamp;

use super::{ACCOUNT_WIDTH, Expect, Plan, Row, Value, account_at, corrupt, id, number, text, time};
use crate::store::Fault;

pub(in crate::store) const LINK: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", l.purpose, l.hash, l.email, l.until FROM mail_link l JOIN account a ON a.id = l.user_id \
     WHERE l.hash = ?1"
);
pub(in crate::store) const DUE_MAILS: &str = "SELECT id, kind, sealed, made_at, until, due_at, attempts, failure \
     FROM outbox WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2";
pub(in crate::store) const SWEEP_LINKS: &str = "DELETE FROM mail_link WHERE hash IN \
     (SELECT hash FROM mail_link WHERE until <= ?1 ORDER BY until LIMIT ?2)";
pub(in crate::store) const SWEEP_MAILS: &str = "DELETE FROM outbox WHERE id IN \
     (SELECT id FROM outbox WHERE due_at IS NULL AND made_at < ?1 ORDER BY made_at LIMIT ?2)";

impl Plan {
    pub(super) fn issue_link(&mut self, link: Link) {
        self.push(
            "INSERT INTO mail_link (user_id, purpose, hash, email, until) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (user_id, purpose) DO UPDATE \
             SET hash = excluded.hash, email = excluded.email, until = excluded.until",
            Expect::OneRow(Conflict::Changed),
            [
                id(link.user),
                text(link.purpose.as_str()),
                Value::Bytes(link.hash.as_bytes().to_vec()),
                text(link.email.as_str()),
                time(link.until),
            ],
        );
    }

    pub(super) fn queue_mail(&mut self, mail: Mail) {
        self.push(
            "INSERT INTO outbox (id, kind, sealed, made_at, until, due_at, attempts, failure) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            Expect::OneRow(Conflict::Changed),
            [
                id(mail.id),
                text(mail.kind),
                Value::Bytes(mail.sealed),
                time(mail.made_at),
                time(mail.until),
                mail.due_at.map_or(Value::Null, time),
                number(mail.attempts.into()),
                mail.failure.map_or(Value::Null, text),
            ],
        );
    }

    pub(super) fn end_links_of(&mut self, user: UserId) {
        self.push("DELETE FROM mail_link WHERE user_id = ?1", Expect::Anything, [id(user)]);
    }

    pub(super) fn spend_link(&mut self, hash: SecretHash, at: Timestamp) {
        self.push(
            "DELETE FROM mail_link WHERE hash = ?1 AND until > ?2",
            Expect::OneRow(Conflict::Changed),
            [Value::Bytes(hash.as_bytes().to_vec()), time(at)],
        );
    }

    pub(super) fn claim_mail(&mut self, mail: MailId, attempts: u32, until: Timestamp) {
        self.push(
            "UPDATE outbox SET due_at = ?3, attempts = attempts + 1 \
             WHERE id = ?1 AND attempts = ?2 AND due_at IS NOT NULL",
            Expect::OneRow(Conflict::Changed),
            [id(mail), number(attempts.into()), time(until)],
        );
    }

    pub(super) fn forget_mail(&mut self, mail: MailId) {
        self.push("DELETE FROM outbox WHERE id = ?1", Expect::Anything, [id(mail)]);
    }

    pub(super) fn postpone_mail(
        &mut self,
        mail: MailId,
        attempts: u32,
        due_at: Option<Timestamp>,
        failure: String,
    ) {
        self.push(
            "UPDATE outbox SET due_at = ?3, failure = ?4 WHERE id = ?1 AND attempts = ?2",
            Expect::OneRow(Conflict::Changed),
            [id(mail), number(attempts.into()), due_at.map_or(Value::Null, time), text(failure)],
        );
    }
}

/// A link and the account it is for.
pub(in crate::store) fn link(row: &impl Row) -> Result<(Link, Account), Fault> {
    let account = account_at(row, 0)?;
    let link = Link {
        user: account.id,
        purpose: Purpose::parse(&row.text(ACCOUNT_WIDTH)?).ok_or_else(|| corrupt("mail_link.purpose"))?,
        hash: SecretHash::from_bytes(
            row.bytes(ACCOUNT_WIDTH + 1)?.try_into().map_err(|_| corrupt("mail_link.hash"))?,
        ),
        email: row.text(ACCOUNT_WIDTH + 2)?.parse().map_err(|_| corrupt("mail_link.email"))?,
        until: Timestamp::from_micros(row.int(ACCOUNT_WIDTH + 3)?),
    };
    Ok((link, account))
}

pub(in crate::store) fn mail(row: &impl Row) -> Result<Mail, Fault> {
    Ok(Mail {
        id: MailId::from_bytes(row.id(0)?),
        kind: row.text(1)?,
        sealed: row.bytes(2)?,
        made_at: Timestamp::from_micros(row.int(3)?),
        until: Timestamp::from_micros(row.int(4)?),
        due_at: row.optional_int(5)?.map(Timestamp::from_micros),
        attempts: u32::try_from(row.int(6)?).map_err(|_| corrupt("outbox.attempts"))?,
        failure: row.optional_text(7)?,
    })
}
