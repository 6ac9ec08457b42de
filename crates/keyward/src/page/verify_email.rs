//! `/verify-email`: where somebody who followed a link of a mail confirms their address.

use super::{document, problems};
use crate::mail::escaped;

/// The form, which holds the secret of the link. It asks for a click because programs that look
/// through mails follow links, and must not confirm anything.
pub(crate) fn form(token: &str, wrong: &[String]) -> String {
    let token = escaped(token);
    let content = format!(
        "<p>Is this your address? Then confirm it.</p>\n{}<form method=\"post\" action=\"/verify-email\">\n\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\n<p><button>Confirm</button></p>\n</form>\n",
        problems(wrong)
    );
    document("Confirm your e-mail address", &content)
}

/// That the address is confirmed.
pub(crate) fn done() -> String {
    document("Your address is confirmed", "<p>Thank you. You can close this page.</p>\n")
}

/// That the link is good for nothing, and what to do.
pub(crate) fn invalid() -> String {
    document(
        "This link is no longer valid",
        "<p>A link works once, for one hour, and until a newer one is sent. If your address is not confirmed \
         yet, ask for another mail where you signed up.</p>\n",
    )
}
