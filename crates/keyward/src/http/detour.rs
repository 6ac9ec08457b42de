//! Where does a page lead instead of refusing?
//!
//! Without a good access token to `/api/auth/renew`, which brings one and leads back, or to the
//! login; for what is grave, after a login long ago, to where one signs in again. What was sent by a
//! form is not kept meanwhile: the page that the form stands on says that it has to be sent again.

use http::{Method, Uri};
use keyward_core::denial::Denial;

use super::guard::Guard;
use super::{Answer, ROUTES, Route, html, next};
use crate::error::Error;

/// The way that a person is led who navigated to this route and is refused so; `None`: they are told.
pub(super) fn instead(route: &Route, uri: &Uri, error: &Error) -> Option<Answer> {
    let by_form = route.method != Some(Method::GET);
    // The form by which one signs out everywhere goes to the API, where the refresh cookie is sent.
    let answers_pages = route.operation.answers.iter().any(|told| told.status == 303);
    if !(route.guard.is_of_a_page() || (route.guard == Guard::Session && answers_pages)) {
        return None;
    }
    let denial = error.denied().denial();
    let by_way_of = match denial {
        Denial::ReauthenticationRequired => "/reauthenticate",
        denial if renewing_may_mend(denial) => "/api/auth/renew",
        _ => return None,
    };
    let mut back = if by_form { page_of(route, uri) } else { next::back_to(uri) };
    if by_form && denial != Denial::ReauthenticationRequired {
        back.push_str("?again=1");
    }
    Some(html::go_on(&next::with_next(by_way_of, &back)))
}

/// Whether who is refused so is led to `/api/auth/renew`, which brings another token, or takes cookies
/// of several sessions to the login.
pub(super) fn renewing_may_mend(denial: Denial) -> bool {
    match denial {
        Denial::InvalidCredentials => false,
        Denial::AmbiguousCredentials => true,
        denial => denial.status() == 401,
    }
}

/// The page that a form of this route stands on: the nearest one above it that can be shown.
fn page_of(route: &Route, uri: &Uri) -> String {
    let (mut known, mut asked) = (route.path, uri.path());
    loop {
        let shown = |other: &&Route| {
            other.method == Some(Method::GET) && other.path == known && other.guard.is_of_a_page()
        };
        if ROUTES.iter().any(|other| shown(&other)) {
            return next::of_text(asked).unwrap_or_else(|| "/account".to_owned());
        }
        match (known.rsplit_once('/'), asked.rsplit_once('/')) {
            (Some((above, _)), Some((path, _))) if !above.is_empty() => (known, asked) = (above, path),
            _ => return "/account".to_owned(),
        }
    }
}
