//! What does a mail look like, and how does it rest until it is sent?
//!
//! All that Keyward writes is ASCII, and so is every address: a message goes out as it stands here,
//! and can be read in its file. Nothing that a stranger typed gets into a header but an address
//! that was parsed, and nothing into the text but that and a network address.

pub(crate) mod deliver;
pub(crate) mod letters;
#[cfg(feature = "smtp")]
mod smtp;

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use keyward_core::email::Email;
use keyward_core::id::MailId;
use keyward_core::mail::Mail;
use keyward_core::seal::{self, MasterKey};
use keyward_core::time::Timestamp;
use lettre::message::header::{ContentTransferEncoding, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::letters::Letter;
use crate::settings::Sender;

/// How long a line of a message may be, in characters (RFC 5322 §2.1.1).
const LONGEST_LINE: usize = 998;

/// A message that can be handed to a server.
#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// The address that failures are sent to.
    pub(crate) from: String,
    /// The address that it is for.
    pub(crate) to: String,
    /// The message itself (RFC 5322).
    pub(crate) message: String,
}

/// Why a mail that waits can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Another master key sealed it.
    #[error("it is sealed under another master key")]
    WrongMasterKey,
    /// It is not what was written.
    #[error("what was written of it is damaged")]
    Damaged,
}

/// A letter could not be made into a message.
#[derive(Debug, thiserror::Error)]
#[error("a mail could not be written: {0}")]
pub(crate) struct NotWritten(String);

impl Envelope {
    /// The message that brings this letter to that address.
    pub(crate) fn new(
        letter: &Letter,
        to: &Email,
        from: &Sender,
        id: MailId,
        at: Timestamp,
    ) -> Result<Self, NotWritten> {
        let failed = |error: &dyn std::fmt::Display| NotWritten(error.to_string());
        let address: Address = to.as_str().parse().map_err(|e| failed(&e))?;
        let domain = from.address().rsplit('@').next().unwrap_or_default();
        let since = Duration::from_secs(u64::try_from(at.seconds()).unwrap_or_default());
        let message = Message::builder()
            .from(from.mailbox().clone())
            .to(Mailbox::new(None, address))
            .subject(letter.subject)
            .date(UNIX_EPOCH + since)
            // The same however often it is sent, so that who gets it twice can tell.
            .message_id(Some(format!("<{id}@{domain}>")))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(
                MultiPart::alternative()
                    .boundary(format!("keyward-{id}"))
                    .singlepart(SinglePart::plain(as_it_is(letter.text())))
                    .singlepart(SinglePart::html(as_it_is(letter.html()))),
            )
            .map_err(|e| failed(&e))?;
        let message = String::from_utf8(message.formatted()).map_err(|e| failed(&e))?;
        if !message.is_ascii() || message.split("\r\n").any(|line| line.len() > LONGEST_LINE) {
            return Err(NotWritten("a line of it is none that a server takes".to_owned()));
        }
        Ok(Self { from: from.address().to_owned(), to: to.to_string(), message })
    }

    /// The mail as it rests until it is sent. It is sealed under the master key: the message may
    /// hold the secret of a link, of which a copy of the database must not hold more than a hash.
    pub(crate) fn seal(&self, id: MailId, master: &MasterKey, nonce: [u8; 12]) -> Vec<u8> {
        // Texts alone: that they are written down does not fail.
        let text = Zeroizing::new(serde_json::to_vec(self).unwrap_or_default());
        master.seal(&purpose(id), &text, nonce)
    }

    /// As many bytes as [`Self::seal`] makes, which hold nothing.
    pub(crate) fn seal_nothing(&self, id: MailId, master: &MasterKey, nonce: [u8; 12]) -> Vec<u8> {
        let length = serde_json::to_vec(self).map(|text| text.len()).unwrap_or_default();
        master.seal(&purpose(id), &vec![0; length], nonce)
    }

    /// What was sealed.
    pub(crate) fn open(mail: &Mail, master: &MasterKey) -> Result<Self, Unreadable> {
        let text = master.open(&purpose(mail.id), &mail.sealed).map_err(|error| match error {
            seal::OpenError::WrongMasterKey => Unreadable::WrongMasterKey,
            seal::OpenError::Corrupt => Unreadable::Damaged,
        })?;
        serde_json::from_slice(&text).map_err(|_| Unreadable::Damaged)
    }
}

/// A text of ASCII as the body of a part. Encoded, a link in it could neither be read in a file nor
/// be found by who looks for it.
fn as_it_is(text: String) -> Body {
    Body::dangerous_pre_encoded(text.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
}

/// What a mail is sealed for: nothing else opens as this one.
pub(crate) fn purpose(id: MailId) -> String {
    format!("mail:{id}")
}

/// Text as it can stand between the tags of HTML, and in a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => {
                // Writing to a String can't fail.
                let _ = write!(out, "&#xfffd;");
            }
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::letters::{self, Asked};
    use super::*;
    use crate::client::Client;

    fn letter() -> Letter {
        let client = Client::new([203, 0, 113, 9].into(), "Firefox <script> Linux\r\nBcc: x@example.com");
        let asked = Asked { client: &client, at: Timestamp::from_seconds(1_800_000_000) };
        letters::reset("https://auth.example.com", "kwm_secret", &asked)
    }

    fn envelope(from: &str) -> Envelope {
        let from: Sender = from.parse().expect("a sender");
        let to: Email = "ada@example.com".parse().expect("an address");
        let at = Timestamp::from_seconds(1_800_000_000);
        Envelope::new(&letter(), &to, &from, MailId::from_bytes([7; 16]), at).expect("written")
    }

    #[test]
    fn a_message_is_what_the_rfcs_ask_for() {
        let Envelope { from, to, message } = envelope("Keyward <no-reply@example.com>");
        assert_eq!((from.as_str(), to.as_str()), ("no-reply@example.com", "ada@example.com"));
        let (head, body) = message.split_once("\r\n\r\n").expect("a head");
        let mut names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(':').expect("a field").0)
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"]
        );
        assert!(head.contains("From: Keyward <no-reply@example.com>\r\n"), "{head}");
        assert!(head.contains("To: ada@example.com\r\n"), "{head}");
        assert!(head.contains("Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"), "{head}");
        assert!(
            message.is_ascii() && message.split("\r\n").all(|line| line.len() <= LONGEST_LINE),
            "{message}"
        );
        assert!(!message.replace("\r\n", "").contains(['\r', '\n']), "every line ends as it should");
        let link = "https://auth.example.com/reset?token=kwm_secret";
        assert!(body.contains(&format!("\r\n{link}\r\n")), "{body}");
        assert!(body.contains(&format!("<a href=\"{link}\">")), "{body}");
        assert!(body.contains("203.0.113.9"));
        assert!(!message.contains("<script>") && !message.contains("Bcc"));
    }

    #[test]
    fn no_name_writes_a_header_of_its_own() {
        for name in ["\"Ada, Inc.\"", "Caf\u{e9}", "\"a\\\"b\"", "\"x <y@example.com>\""] {
            let message = envelope(&format!("{name} <no-reply@example.com>")).message;
            let (head, _) = message.split_once("\r\n\r\n").expect("a head");
            assert!(head.is_ascii());
            assert_eq!(head.matches("\r\nTo: ").count(), 1, "{head}");
            assert!(!head.contains("\r\nBcc"), "{head}");
        }
        for name in ["A\r\nBcc: x@example.com", "A\nB", "A\0", "A\u{85}B"] {
            assert!(format!("{name} <a@example.com>").parse::<Sender>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_rests_tells_nothing_and_opens_for_its_own_mail_alone() {
        let master = MasterKey::from_bytes(&[1; 32]);
        let id = MailId::from_bytes([7; 16]);
        let sealed = envelope("a@example.com").seal(id, &master, [3; 12]);
        assert!(!sealed.windows(4).any(|bytes| bytes == b"kwm_" || bytes == b"ada@"));
        let mail = |id, sealed: &[u8]| Mail {
            id,
            kind: "reset".into(),
            sealed: sealed.to_vec(),
            made_at: Timestamp::default(),
            until: Timestamp::default(),
            due_at: None,
            attempts: 0,
            failure: None,
        };
        let opened = Envelope::open(&mail(id, &sealed), &master).expect("opens");
        assert_eq!(opened.message, envelope("a@example.com").message);
        let other = MailId::from_bytes([8; 16]);
        assert!(matches!(Envelope::open(&mail(other, &sealed), &master), Err(Unreadable::Damaged)));
        let wrong = MasterKey::from_bytes(&[2; 32]);
        assert!(matches!(Envelope::open(&mail(id, &sealed), &wrong), Err(Unreadable::WrongMasterKey)));
        let nothing = envelope("a@example.com").seal_nothing(id, &master, [3; 12]);
        assert_eq!(nothing.len(), sealed.len());
        assert!(matches!(Envelope::open(&mail(id, &nothing), &master), Err(Unreadable::Damaged)));
    }

    #[test]
    fn no_text_leaves_its_place_in_a_page() {
        assert_eq!(escaped("<a href=\"x\" id='y'>&"), "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;");
        assert_eq!(escaped("a\0b\nc"), "a&#xfffd;b\nc");
    }
}
