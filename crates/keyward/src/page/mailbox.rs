//! `/dev/mailbox`: what would have been sent, in development.

use askama::Template;

use super::Frame;
use super::assets::Assets;
use crate::mail::deliver::Shown;

/// The mails, each with its links to click on.
#[derive(Debug, Template)]
#[template(path = "mailbox.html")]
pub(crate) struct Mailbox<'a> {
    frame: Frame<'a>,
    mails: Vec<Mail<'a>>,
}

#[derive(Debug)]
struct Mail<'a> {
    to: &'a str,
    subject: &'a str,
    date: &'a str,
    paragraphs: Vec<Paragraph<'a>>,
}

#[derive(Debug)]
struct Paragraph<'a> {
    text: &'a str,
    /// Whether it is nothing but an address of ours.
    is_link: bool,
}

impl<'a> Mailbox<'a> {
    /// The mails of this site, the newest first.
    pub(crate) fn new(assets: &'a Assets, mails: &'a [Shown], site: &str) -> Self {
        let here = format!("{site}/");
        let paragraph = |text: &'a str| {
            let is_link = text.starts_with(&here) && !text.contains([' ', '\n']);
            Paragraph { text, is_link }
        };
        let mail = |mail: &'a Shown| Mail {
            to: &mail.to,
            subject: &mail.subject,
            date: &mail.date,
            paragraphs: mail.text.split("\n\n").map(paragraph).collect(),
        };
        Self { frame: Frame::new("Mailbox", assets), mails: mails.iter().map(mail).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::branding::Branding;

    #[test]
    fn links_of_ours_can_be_clicked_on_and_nothing_else() {
        let site = "http://127.0.0.1:8080";
        let assets = Assets::new(&Branding::default());
        let list = |mails: &[Shown]| Mailbox::new(&assets, mails, site).to_string();
        let shown = |text: &str| {
            let field = || "<b>".to_owned();
            list(&[Shown { to: field(), subject: field(), date: field(), text: text.to_owned() }])
        };
        let page = shown("Go on:\n\nhttp://127.0.0.1:8080/reset?token=a&b\n\njavascript:alert(1)");
        assert!(page.contains("<a href=\"http://127.0.0.1:8080/reset?token=a&#38;b\">"), "{page}");
        assert_eq!(page.matches("<a href=\"http").count(), 1);
        assert!(!page.contains("<b>") && !page.contains("href=\"javascript"));
        assert!(!shown("http://127.0.0.1:8080.evil.example/").contains("<a href=\"http"));
        assert!(list(&[]).contains("none yet"));
    }
}
