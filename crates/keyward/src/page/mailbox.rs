//! `/dev/mailbox`: what would have been sent, in development.

use super::document;
use crate::mail::deliver::Shown;
use crate::mail::escaped;

/// The mails, each with its links to click on.
pub(crate) fn list(mails: &[Shown], site: &str) -> String {
    let about = "<p>No server takes mails (<code>email.smtp_url</code>), so they are kept here, the newest \
        first.</p>\n";
    let mails: String = mails.iter().map(|mail| article(mail, site)).collect();
    let none = if mails.is_empty() { "<p>There are none yet.</p>\n" } else { "" };
    document("Mailbox", &format!("{about}{none}{mails}"))
}

fn article(mail: &Shown, site: &str) -> String {
    let Shown { to, subject, date, text } = mail;
    let paragraphs: String = text.split("\n\n").map(|paragraph| linked(paragraph, site)).collect();
    format!(
        "<article>\n<h2>{}</h2>\n<p>To {}, {}</p>\n{paragraphs}</article>\n",
        escaped(subject),
        escaped(to),
        escaped(date)
    )
}

/// A paragraph; one that is nothing but an address of ours is a link.
fn linked(paragraph: &str, site: &str) -> String {
    let text = escaped(paragraph);
    let is_link = paragraph.starts_with(&format!("{site}/")) && !paragraph.contains([' ', '\n']);
    if is_link { format!("<p><a href=\"{text}\">{text}</a></p>\n") } else { format!("<p>{text}</p>\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_ours_can_be_clicked_on_and_nothing_else() {
        let site = "http://127.0.0.1:8080";
        let shown = |text: &str| {
            let field = || "<b>".to_owned();
            let mail = Shown { to: field(), subject: field(), date: field(), text: text.to_owned() };
            list(&[mail], site)
        };
        let page = shown("Go on:\n\nhttp://127.0.0.1:8080/reset?token=a&b\n\njavascript:alert(1)");
        assert!(page.contains("<a href=\"http://127.0.0.1:8080/reset?token=a&amp;b\">"), "{page}");
        assert_eq!(page.matches("<a ").count(), 1);
        assert!(!page.contains("<b>"));
        assert!(!shown("http://127.0.0.1:8080.evil.example/").contains("<a "));
        assert!(list(&[], site).contains("none yet"));
    }
}
