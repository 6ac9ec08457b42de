//! `/forgot`: where somebody asks for a mail to choose a new password.

use super::{document, problems};
use crate::mail::escaped;

/// The form, with the address that was typed.
pub(crate) fn form(email: &str, wrong: &[String]) -> String {
    let email = escaped(email);
    let content = format!(
        "<p>We send a link to your e-mail address.</p>\n{}<form method=\"post\" action=\"/forgot\">\n\
         <p><label>E-mail address <input type=\"email\" name=\"email\" value=\"{email}\" autocomplete=\"username\" \
         required></label></p>\n<p><button>Send the link</button></p>\n</form>\n",
        problems(wrong)
    );
    document("Forgotten password", &content)
}

/// What is told to who asked, whatever the address.
pub(crate) fn done() -> String {
    document(
        "Look into your mailbox",
        "<p>If there is an account with this address, a mail with a link is on its way. The link is good for \
         one hour.</p>\n<p>Nothing there? Look among the junk, or <a href=\"/forgot\">ask again</a>.</p>\n",
    )
}
