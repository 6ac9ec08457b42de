//! `/verify-email`: where somebody who followed a link of a mail confirms their address.

use askama::Template;

use super::Frame;
use super::assets::Assets;
use super::notice::{Notice, Wrong};
use super::told::Told;

/// The form, which holds the secret of the link. It asks for a click because programs that look
/// through mails follow links, and must not confirm anything.
#[derive(Debug, Template)]
#[template(path = "verify-email.html")]
pub(crate) struct Form<'a> {
    frame: Frame<'a>,
    summary: Notice,
    token: String,
}

impl<'a> Form<'a> {
    pub(crate) fn new(assets: &'a Assets, token: &str, wrong: &Wrong) -> Self {
        Self {
            frame: Frame::new("Confirm your e-mail address", assets).wrong_if(!wrong.is_empty()),
            summary: wrong.summary(),
            token: token.to_owned(),
        }
    }
}

/// That the address is confirmed.
pub(crate) fn done(assets: &Assets) -> Told<'_> {
    Told::new(assets, "Your address is confirmed", &["Thank you. You can close this page."])
        .on_to("/login", "Sign in")
}

/// What is told to who asked for another mail, whatever the address.
pub(crate) fn sent(assets: &Assets) -> Told<'_> {
    let text =
        "If this address has to be confirmed, a mail with a link is on its way. Open it, then sign in.";
    Told::new(assets, "Look into your mailbox", &[text]).on_to("/login", "Sign in")
}

/// That the link is good for nothing, and what to do.
pub(crate) fn invalid(assets: &Assets) -> Told<'_> {
    let text = "A link works once, for one hour, and until a newer one is sent. If your address is not \
        confirmed yet, ask for another mail where you signed in.";
    Told::new(assets, "This link is no longer valid", &[text]).on_to("/login", "Sign in")
}
