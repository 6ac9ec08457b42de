//! `/reset`: where somebody who followed a link of a mail chooses a password.

use super::{document, problems};
use crate::mail::escaped;

/// The form, which holds the secret of the link.
pub(crate) fn form(token: &str, wrong: &[String]) -> String {
    let token = escaped(token);
    let content = format!(
        "{}<form method=\"post\" action=\"/reset\">\n<input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
         <p><label>New password <input type=\"password\" name=\"new_password\" autocomplete=\"new-password\" \
         required></label></p>\n<p><button>Set the password</button></p>\n</form>\n",
        problems(wrong)
    );
    document("Choose a password", &content)
}

/// That the password is set.
pub(crate) fn done() -> String {
    document(
        "Your password is set",
        "<p>You are signed out everywhere. Sign in with your new password to go on.</p>\n",
    )
}

/// That the link is good for nothing, and what to do.
pub(crate) fn invalid() -> String {
    document(
        "This link is no longer valid",
        "<p>A link works once, for one hour, and until a newer one is sent.</p>\n\
         <p><a href=\"/forgot\">Ask for another one</a></p>\n",
    )
}
