//! What do the letters say that people get?
//!
//! Each has one link at most, and no other address that a reader, or a program, could take for it.

use keyward_core::time::Timestamp;

use super::escaped;
use crate::client::Client;

/// A letter, before it is addressed.
pub(crate) struct Letter {
    /// What it is about, for the log.
    pub(crate) kind: &'static str,
    /// Its subject.
    pub(crate) subject: &'static str,
    before: Vec<String>,
    /// What a link is called, and where it leads.
    link: Option<(&'static str, String)>,
    after: Vec<String>,
}

/// Who brought a letter about, and when.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) client: &'a Client,
    pub(crate) at: Timestamp,
}

impl Asked<'_> {
    /// `2027-01-15 08:00 UTC, from 203.0.113.9, Firefox on Linux`.
    fn told(&self) -> String {
        let time = self.at.to_string();
        let (day, clock) = time.split_once('T').unwrap_or((&time, ""));
        let clock = clock.get(..5).unwrap_or(clock);
        // Where who administers sits is nobody else's affair, as in the events that people see.
        let place = match self.client.ip.filter(|_| self.client.by.is_none()) {
            // Of a fixed list, whatever the client calls itself.
            Some(ip) => format!("from {ip}, {}", self.client.device()),
            None => "by an administrator".to_owned(),
        };
        format!("{day} {clock} UTC, {place}")
    }
}

/// To confirm an address.
pub(crate) fn verification(site: &str, secret: &str, asked: &Asked<'_>) -> Letter {
    Letter {
        kind: "verification",
        subject: "Confirm your e-mail address",
        before: vec![format!(
            "This address was given for an account at {}. Confirm that it is yours:",
            host(site)
        )],
        link: Some(("Confirm this address", format!("{site}/verify-email?token={secret}"))),
        after: vec![
            "The link is good for one hour and works once.".to_owned(),
            format!("Given: {}. If that was not you, there is nothing to do.", asked.told()),
        ],
    }
}

/// To choose a new password.
pub(crate) fn reset(site: &str, secret: &str, asked: &Asked<'_>) -> Letter {
    Letter {
        kind: "reset",
        subject: "Choose a new password",
        before: vec![format!(
            "Somebody asked to choose a new password for your account at {}. If that was you, go on here:",
            host(site)
        )],
        link: Some(("Choose a new password", format!("{site}/reset?token={secret}"))),
        after: vec![
            "The link is good for one hour and works once.".to_owned(),
            format!(
                "Asked for: {}. If that was not you, there is nothing to do: your password stays as it is.",
                asked.told()
            ),
        ],
    }
}

/// To take up an account that an administrator made.
pub(crate) fn invitation(site: &str, secret: &str) -> Letter {
    Letter {
        kind: "invitation",
        subject: "You are invited",
        before: vec![format!(
            "An account was made for you at {}. Choose your password to begin:",
            host(site)
        )],
        link: Some(("Choose a password", format!("{site}/reset?token={secret}"))),
        after: vec![
            "The link is good for seven days and works once. After that, the page offers another one."
                .to_owned(),
        ],
    }
}

/// That a password is another one now.
pub(crate) fn password_changed(site: &str, asked: &Asked<'_>) -> Letter {
    Letter {
        kind: "notice",
        subject: "Your password was changed",
        before: vec![
            format!("The password of your account at {} was changed: {}.", host(site), asked.told()),
            "If that was you, there is nothing to do. If not, choose a new one at once:".to_owned(),
        ],
        link: Some(("Choose a new password", format!("{site}/forgot"))),
        after: Vec::new(),
    }
}

/// To the former address: that another one stands in its place.
pub(crate) fn email_replaced(site: &str, asked: &Asked<'_>) -> Letter {
    Letter {
        kind: "notice",
        subject: "Your e-mail address was changed",
        before: vec![
            format!("Your account at {} has another e-mail address now: {}.", host(site), asked.told()),
            "No further mail will reach you here. If you did not expect this, tell the people who run the \
             site."
                .to_owned(),
        ],
        link: None,
        after: Vec::new(),
    }
}

/// To the new address: that it stands in the place of another one, and a link to confirm it.
pub(crate) fn email_given(site: &str, secret: &str, asked: &Asked<'_>) -> Letter {
    Letter {
        kind: "verification",
        subject: "Confirm your new e-mail address",
        before: vec![format!(
            "Your account at {} has this e-mail address now: {}. Confirm that it is yours:",
            host(site),
            asked.told()
        )],
        link: Some(("Confirm this address", format!("{site}/verify-email?token={secret}"))),
        after: vec!["The link is good for one hour and works once.".to_owned()],
    }
}

/// What a site is called in a sentence.
fn host(site: &str) -> &str {
    site.split_once("://").map_or(site, |(_, host)| host)
}

impl Letter {
    /// The letter as plain text in short lines; a link stands on one of its own.
    pub(crate) fn text(&self) -> String {
        let link = self.link.iter().map(|(_, url)| url);
        let parts: Vec<String> =
            self.before.iter().chain(link).chain(&self.after).map(|text| wrapped(text)).collect();
        parts.join("\n\n") + "\n"
    }

    /// The same as HTML, without anything that has to be fetched.
    pub(crate) fn html(&self) -> String {
        let paragraph = |text: &String| format!("<p>{}</p>\n", escaped(text));
        let before: String = self.before.iter().map(paragraph).collect();
        let after: String = self.after.iter().map(paragraph).collect();
        let link = self.link.as_ref().map(|(name, url)| {
            let url = escaped(url);
            format!("<p><a href=\"{url}\">{}</a></p>\n<p>{url}</p>\n", escaped(name))
        });
        format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n{before}{}{after}</html>\n",
            link.unwrap_or_default()
        )
    }
}

/// How long a line of text is where it can be broken, in characters.
const LINE: usize = 72;

fn wrapped(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    let mut length = 0;
    for word in text.split(' ') {
        if length > 0 && length + 1 + word.len() > LINE {
            lines.push('\n');
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += word.len();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_short_and_no_link_is_broken() {
        let long = format!("https://example.com/{}", "x".repeat(100));
        let text = wrapped(&format!("{} {long} end", "word ".repeat(30).trim()));
        assert!(text.lines().all(|line| line.len() <= LINE || line == long), "{text}");
        assert!(text.lines().any(|line| line == long), "{text}");
        assert_eq!(text.replace('\n', " ").split(' ').count(), 32);
    }
}
