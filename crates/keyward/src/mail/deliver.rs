//! How does a mail leave? By SMTP, or into a folder where there is no server for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyward_core::id::MailId;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::Envelope;
use crate::settings::{Origin, Smtp};

/// How long the server may take for one answer, and for a whole mail.
const ANSWER: Duration = Duration::from_secs(20);
const MAIL: Duration = Duration::from_secs(60);
/// How many mails a folder shows.
const SHOWN: usize = 50;
/// What a server says of who signs in, not of the mail (RFC 4954 §6): an operator can mend that.
const OF_THE_LOGIN: [&str; 4] = ["530", "534", "535", "538"];

/// How mails leave.
pub(crate) enum Delivery {
    /// By way of this server.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// Each as a file in this folder.
    Folder(PathBuf),
}

/// Where a mail went.
#[derive(Debug)]
pub(crate) enum Delivered {
    Sent,
    Written(PathBuf),
}

/// Why a mail did not leave.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// The server can't be reached, or takes no mail of ours: no other would fare better now.
    Unreachable(String),
    /// This one was not taken; later it may be.
    Later(String),
    /// This one will never be.
    Never(String),
}

impl Delivery {
    /// By way of that server.
    ///
    /// # Errors
    /// Where its host is none that a certificate could be for.
    pub(crate) fn smtp(server: &Smtp, public_url: &Origin) -> Result<Self, SmtpError> {
        let is_own = is_own(server, public_url);
        // In brackets it is no address to connect to.
        let host = server.host.trim_matches(['[', ']']).to_owned();
        let tls = TlsParameters::builder(host.clone()).dangerous_accept_invalid_certs(is_own).build()?;
        let tls = match (server.implicit_tls, is_own) {
            (true, _) => Tls::Wrapper(tls),
            (false, false) => Tls::Required(tls),
            (false, true) => Tls::Opportunistic(tls),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(server.port)
            .timeout(Some(ANSWER))
            .tls(tls);
        // A name that can be looked up, where there is one (RFC 5321 §4.1.4).
        if !public_url.is_loopback() && public_url.host().contains(|c: char| c.is_ascii_alphabetic()) {
            builder = builder.hello_name(ClientId::Domain(public_url.host().to_owned()));
        }
        if let Some((user, password)) = &server.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.text().to_string()));
        }
        Ok(Self::Smtp(builder.build()))
    }

    /// Sends a mail. What was answered with success has left, or is on the disk.
    pub(crate) async fn deliver(&self, id: MailId, mail: Envelope) -> Result<Delivered, Undelivered> {
        match self {
            Self::Smtp(server) => {
                let never = |e: &dyn std::fmt::Display| Undelivered::Never(e.to_string());
                let from: Address = mail.from.parse().map_err(|e| never(&e))?;
                let to: Address = mail.to.parse().map_err(|e| never(&e))?;
                let envelope = lettre::address::Envelope::new(Some(from), vec![to]).map_err(|e| never(&e))?;
                match tokio::time::timeout(MAIL, server.send_raw(&envelope, mail.message.as_bytes())).await {
                    Ok(Ok(_)) => Ok(Delivered::Sent),
                    Ok(Err(error)) => Err(judged(&error)),
                    Err(_) => Err(Undelivered::Unreachable("the server took too long".to_owned())),
                }
            }
            Self::Folder(folder) => {
                let folder = folder.clone();
                let written = tokio::task::spawn_blocking(move || write(&folder, id, &mail.message)).await;
                match written {
                    Ok(Ok(path)) => Ok(Delivered::Written(path)),
                    Ok(Err(error)) => Err(Undelivered::Unreachable(error.to_string())),
                    Err(panic) => Err(Undelivered::Unreachable(panic.to_string())),
                }
            }
        }
    }

    /// The folder that mails are written into, where that is so.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Smtp(_) => None,
        }
    }
}

/// Whether nobody stands between us and the server, or nothing of worth is at stake: it runs on this
/// machine, or Keyward itself is for development on it and shows the server no password. Anywhere else a mail goes through TLS with
/// a certificate that is good, or not at all (RFC 8314 §3): it holds the secret of a link.
fn is_own(server: &Smtp, public_url: &Origin) -> bool {
    let host = format!("https://{}", server.host).parse::<Origin>();
    let is_trial = public_url.is_loopback() && server.credentials.is_none();
    is_trial || host.is_ok_and(|host| host.is_loopback())
}

fn judged(error: &SmtpError) -> Undelivered {
    let told = told(error);
    let code = error.status().map(|code| code.to_string());
    match code {
        Some(code) if OF_THE_LOGIN.contains(&code.as_str()) => Undelivered::Unreachable(told),
        // The service itself is closing (RFC 5321 §4.2.1).
        Some(code) if code == "421" => Undelivered::Unreachable(told),
        Some(_) if error.is_permanent() => Undelivered::Never(told),
        Some(_) => Undelivered::Later(told),
        None => Undelivered::Unreachable(told),
    }
}

/// What a server or the way to it said, on one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    redacted(&told)
}

/// A server may repeat what it was given: no secret of a link gets from there into a log.
fn redacted(text: &str) -> String {
    let end = text.floor_char_boundary(500);
    let words = text[..end].split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if word.contains("kwm_") { "[link]" } else { word }).collect();
    words.join(" ")
}

/// Written aside and moved into place, so that nobody ever reads half of one. Written twice it is
/// the same file.
fn write(folder: &Path, id: MailId, message: &str) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(format!("{id}.eml"));
    let aside = folder.join(format!(".{id}.part"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(message.as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}

/// A mail in a folder, as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) date: String,
    pub(crate) text: String,
}

/// The mails in a folder, the newest first; not all of a great many.
pub(crate) fn read(folder: &Path) -> io::Result<Vec<Shown>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "eml")).collect();
    // Their names begin with the moment at which they were written.
    paths.sort_unstable_by(|a, b| b.cmp(a));
    Ok(paths.iter().take(SHOWN).filter_map(|path| shown(&fs::read_to_string(path).ok()?)).collect())
}

/// Only for what [`Envelope::new`] makes: its text stands in the message as it is.
fn shown(message: &str) -> Option<Shown> {
    let (head, body) = message.split_once("\r\n\r\n")?;
    let field = |name: &str| {
        let line = head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let (boundary, _) = body.trim_start().split_once("\r\n")?;
    let plain = body.split(boundary).find(|part| part.contains("text/plain"))?;
    let (_, text) = plain.split_once("\r\n\r\n")?;
    Some(Shown {
        to: field("To"),
        subject: field("Subject"),
        date: field("Date"),
        text: text.replace("\r\n", "\n").trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use std::os::unix::fs::PermissionsExt as _;

    const MESSAGE: &str = "From: a@example.com\r\nTo: ada@example.com\r\nSubject: Hello\r\nDate: today\r\n\
         Content-Type: multipart/alternative; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nOne\r\n\r\nTwo\r\n\
         --x\r\nContent-Type: text/html\r\n\r\n<p>\r\n--x--\r\n";

    #[test]
    fn a_file_is_its_owners_alone_and_there_once() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("outbox");
        assert_eq!(read(&folder).expect("nothing yet"), []);
        let id = MailId::from_bytes([1; 16]);
        write(&folder, id, "half").expect("written");
        let path = write(&folder, id, MESSAGE).expect("written again");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
        write(&folder, MailId::from_bytes([2; 16]), &MESSAGE.replace("Hello", "Later")).expect("written");
        fs::write(folder.join("other.eml"), "no mail").expect("written");
        let mails = read(&folder).expect("readable");
        let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
        assert_eq!(subjects, ["Later", "Hello"]);
        assert_eq!((mails[1].to.as_str(), mails[1].text.as_str()), ("ada@example.com", "One\n\nTwo"));
    }

    #[test]
    fn a_mail_for_others_goes_through_tls_or_not_at_all() {
        let server =
            |host: &str| Smtp { implicit_tls: false, host: host.to_owned(), port: 587, credentials: None };
        let public = |text: &str| text.parse::<Origin>().expect("an origin");
        for (host, url, own) in [
            ("mail.example.com", "https://auth.example.com", false),
            ("10.0.0.5", "https://auth.example.com", false),
            ("localhost.example.com", "https://auth.example.com", false),
            ("localhost", "https://auth.example.com", true),
            ("127.0.0.1", "https://auth.example.com", true),
            ("[::1]", "https://auth.example.com", true),
            ("mailpit", "http://127.0.0.1:8080", true),
        ] {
            assert_eq!(is_own(&server(host), &public(url)), own, "{host} {url}");
        }
        // A password is worth something wherever Keyward is tried out.
        let known =
            |host| Smtp { credentials: Some(("ada".into(), Secret::from(b"pw".to_vec()))), ..server(host) };
        let trial = public("http://127.0.0.1:8080");
        assert!(!is_own(&known("mail.example.com"), &trial) && is_own(&known("localhost"), &trial));
    }

    #[test]
    fn what_a_server_repeats_gives_no_link_away() {
        let said = "554 spam: https://a.example/reset?token=kwm_AQEBAQ\r\n refused";
        assert_eq!(redacted(said), "554 spam: [link] refused");
        assert!(redacted(&"x".repeat(10_000)).len() <= 500);
    }
}
