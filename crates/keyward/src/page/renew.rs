//! `/api/auth/renew`: what is shown where it can't lead on at once.

use super::assets::Assets;
use super::told::Told;

/// While an answer is under way.
pub(crate) fn waiting(assets: &Assets) -> Told<'_> {
    Told::new(
        assets,
        "One moment",
        &[
            "Your session is being renewed. This page goes on by itself.",
            "Sign in anew if it takes too long.",
        ],
    )
    .on_to("/login", "Sign in anew")
}

/// Sent back and forth too often.
pub(crate) fn in_circles(assets: &Assets) -> Told<'_> {
    Told::new(
        assets,
        "Your session can\u{2019}t be kept",
        &[
            "Your browser was sent back and forth three times: the cookies that keep you signed in do not reach \
             this site.",
            "Either cookies are blocked in this browser, or a proxy in front of this site drops them.",
        ],
    )
    .on_to("/login", "Sign in anew")
}
