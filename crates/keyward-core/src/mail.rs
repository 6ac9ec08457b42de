//! What does a link in a mail carry, how long is it good for, and when is a mail tried again?
//!
//! The secret of a link is random and stands in the mail alone: a store keeps its hash, so that a
//! copy of a database opens no account. It is good once. A newer one for the same purpose takes its
//! place, a change of the password ends all of an account, and a link that was sent to a former
//! address is good for nothing.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::email::Email;
use crate::id::{MailId, UserId};
use crate::time::Timestamp;

/// How the secret of a link begins, so that scanners for secrets find one that got lost.
const PREFIX: &str = "kwm_";
/// 192 bits: nobody guesses them, and they end without padding.
const RANDOM: usize = 24;
const HASH: usize = 32;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// How long after a first failure a mail is tried again; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// How often a mail is tried at most: about 17 hours with the waits in between.
const ATTEMPTS: u32 = 24;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// To confirm an e-mail address.
    Verification,
    /// To choose a new password.
    Reset,
    /// To choose the first password of an account that an administrator made.
    Invitation,
}

impl Purpose {
    /// Every purpose there is.
    pub const ALL: [Self; 3] = [Self::Verification, Self::Reset, Self::Invitation];

    /// Its name in a store and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Reset => "reset",
            Self::Invitation => "invitation",
        }
    }

    /// The purpose of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }

    /// How long a link is good for: an hour where its reader has just asked for it, a week where
    /// an invitation waits for somebody to read it.
    pub const fn life(self) -> Duration {
        match self {
            Self::Verification | Self::Reset => HOUR,
            Self::Invitation => Duration::from_secs(7 * 24 * 60 * 60),
        }
    }

    /// Whether the link lets its reader choose a password.
    pub const fn sets_password(self) -> bool {
        matches!(self, Self::Reset | Self::Invitation)
    }
}

/// The secret of a link. It never shows itself and is wiped when it is dropped.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret of fresh random bytes.
    pub fn new(random: [u8; RANDOM]) -> Self {
        let random = Zeroizing::new(random);
        Self(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&random[..]))))
    }

    /// The secret as a link carries it: `kwm_` and characters that an URL needs not encode.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a store keeps of the secret of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; HASH]);

impl SecretHash {
    /// What is kept of this secret; `None` for a text that is none.
    pub fn of(text: &str) -> Option<Self> {
        let random = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?);
        // Nobody can try them out: a fast hash of 192 random bits is as good as a slow one.
        let mut hash = [0; HASH];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        (random.len() == RANDOM).then_some(Self(hash))
    }

    /// The hash of these bytes, as a store holds them.
    pub const fn from_bytes(bytes: [u8; HASH]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH] {
        &self.0
    }
}

/// A link as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose.
    pub user: UserId,
    /// What for.
    pub purpose: Purpose,
    /// What is kept of its secret.
    pub hash: SecretHash,
    /// The address that it was sent to.
    pub email: Email,
    /// Until when it is good.
    pub until: Timestamp,
}

/// A mail that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its name.
    pub id: MailId,
    /// What it is about, for the log.
    pub kind: String,
    /// The mail, sealed under the master key: it may hold the secret of a link.
    pub sealed: Vec<u8>,
    /// When it was written.
    pub made_at: Timestamp,
    /// From when on it is of no use to anybody.
    pub until: Timestamp,
    /// When to try; `None`: it was given up.
    pub due_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it could not be sent the last time.
    pub failure: Option<String>,
}

impl Mail {
    /// When to try again what failed just now, for the `attempts`th time; `None`: give it up. The
    /// wait doubles up to an hour, and `jitter` (any 32 random bits) moves it by a quarter at
    /// most, so that mails that failed together don't come back together.
    pub fn next_attempt(&self, attempts: u32, jitter: u32, now: Timestamp) -> Option<Timestamp> {
        let doubled = FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        let wait = doubled.min(HOUR);
        let part = f64::from(jitter) / f64::from(u32::MAX);
        let again = now.after(wait.mul_f64(0.75 + part / 2.0));
        (attempts < ATTEMPTS && again < self.until).then_some(again)
    }

    /// How long somebody who sends it has it for themselves: longer than any server takes to answer.
    pub const CLAIM: Duration = Duration::from_secs(10 * 60);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new([byte; RANDOM])
    }

    #[test]
    fn a_secret_is_recognised_and_fits_an_url() {
        let text = secret(0xfb).as_str().to_owned();
        assert_eq!(text, "kwm_-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7");
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        assert!(SecretHash::of(&text).is_some());
        assert_ne!(SecretHash::of(&text), SecretHash::of(secret(0xfa).as_str()));
        assert_eq!(format!("{:?}", secret(1)), "Secret");
    }

    #[test]
    fn what_is_no_secret_is_known_without_asking_a_store() {
        let good = secret(1).as_str().to_owned();
        for bad in [
            String::new(),
            "kwm_".to_owned(),
            good[4..].to_owned(),
            format!("kwr_{}", &good[4..]),
            format!("{good}A"),
            format!(" {good}"),
            good[..good.len() - 1].to_owned(),
            format!("{good}="),
            good.to_uppercase(),
        ] {
            assert_eq!(SecretHash::of(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_purpose_has_one_name_and_a_short_life() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::Reset.life(), Duration::from_secs(3_600));
        assert_eq!(Purpose::Verification.life(), Duration::from_secs(3_600));
        assert_eq!(Purpose::Invitation.life(), Duration::from_secs(7 * 86_400));
    }

    #[test]
    fn a_mail_is_tried_at_doubling_intervals_and_not_for_ever() {
        let at = Timestamp::from_seconds;
        let mail = Mail {
            id: MailId::from_bytes([1; 16]),
            kind: "notice".into(),
            sealed: Vec::new(),
            made_at: at(0),
            until: at(1_000_000),
            due_at: Some(at(0)),
            attempts: 0,
            failure: None,
        };
        let waits = |jitter| {
            (1..=ATTEMPTS)
                .map(|n| mail.next_attempt(n, jitter, at(0)).map(|again| again.since(at(0)).as_secs()))
                .collect::<Vec<_>>()
        };
        let (least, most) = (waits(0), waits(u32::MAX));
        assert_eq!(least[..4], [Some(22), Some(45), Some(90), Some(180)]);
        assert_eq!(most[..4], [Some(37), Some(75), Some(150), Some(300)]);
        assert_eq!((least[10], most[10]), (Some(2_700), Some(4_500)), "an hour at most, moved by a quarter");
        assert_eq!((least[23], most[23]), (None, None), "the last one was the last");
        assert_eq!(mail.next_attempt(u32::MAX, 0, at(0)), None);
        // What nobody can use any more is not sent.
        let dead_soon = Mail { until: at(20), ..mail };
        assert_eq!(dead_soon.next_attempt(1, 0, at(0)), None);
    }
}
