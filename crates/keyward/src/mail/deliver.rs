//! How does a mail leave? By a server, or into a folder where there is none for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use keyward_core::id::MailId;

use super::Envelope;
#[cfg(feature = "smtp")]
use super::smtp;
use crate::settings::{Origin, Smtp};

/// How many mails a folder shows.
const SHOWN: usize = 50;

/// How mails leave.
pub(crate) enum Delivery {
    /// By way of this server.
    #[cfg(feature = "smtp")]
    Smtp(smtp::Server),
    /// Each as a file in this folder.
    Folder(PathBuf),
}

/// Where a mail went.
#[derive(Debug)]
pub(crate) enum Delivered {
    #[cfg_attr(not(feature = "smtp"), expect(dead_code, reason = "a server says it"))]
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
    #[cfg(feature = "smtp")]
    pub(crate) fn smtp(server: &Smtp, public_url: &Origin) -> Result<Self, smtp::Error> {
        smtp::Server::new(server, public_url).map(Self::Smtp)
    }

    /// # Errors
    /// Always: mails that nobody can send are better noticed at the start.
    #[cfg(not(feature = "smtp"))]
    pub(crate) fn smtp(_: &Smtp, _: &Origin) -> Result<Self, &'static str> {
        Err("this program was built without the feature `smtp` of the crate `keyward`")
    }

    /// Sends a mail. What was answered with success has left, or is on the disk.
    pub(crate) async fn deliver(&self, id: MailId, mail: Envelope) -> Result<Delivered, Undelivered> {
        match self {
            #[cfg(feature = "smtp")]
            Self::Smtp(server) => server.send(&mail).await.map(|()| Delivered::Sent),
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
            #[cfg(feature = "smtp")]
            Self::Smtp(_) => None,
        }
    }
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
}
