//! `GET /api/auth/renew?next=/path`: a page navigation presents the refresh cookie and comes back
//! with fresh ones, so that pages without a line of script stay signed in.

use http::header::{HeaderValue, REFRESH, RETRY_AFTER};
use http::{Method, StatusCode};
use keyward_core::denial::Denial;
use keyward_core::session::Transport;

use crate::http::detour::renewing_may_mend;
use crate::http::guard::refresh_cookie;
use crate::http::html::{page, see_other};
use crate::http::next::{self, NEXT};
use crate::http::operation::{Operation, SETS_COOKIES, Told};
use crate::http::problem::MARK;
use crate::http::watch::Opened;
use crate::http::{Answer, Call, csrf};
use crate::page::renew;

pub(crate) const GET: Operation = Operation {
    summary: "Refresh by a page navigation",
    about: "Presents the refresh cookie, sets fresh cookies and goes on to `next`; without a live session it goes to \
        `/login`. Scripts use `POST /api/auth/refresh`: to them it says 401.",
    query: &[NEXT],
    answers: &[
        Told::media(200, "text/html", "Sent back and forth three times: a page that names the cause")
            .with(SETS_COOKIES),
        Told::media(503, "text/html", "`refresh_pending`: a page that tries again by itself"),
        Told::nothing(303, "On to `next`, or to the login")
            .with(&[("Location", "Where to, on the public origin"), ("Set-Cookie", "As with a refresh")]),
    ],
    refuses: &[
        Denial::MissingToken,
        Denial::RateLimited,
        Denial::RefreshPending,
        Denial::Overloaded,
        Denial::StoreUnavailable,
    ],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    // A script would read the answer; it has `refresh` for that. Nobody navigates by HEAD: what only
    // looks whether a link is good must not be handed the new token.
    if call.method != Method::GET || !csrf::wants_a_page(&call.headers) {
        return Err(Denial::MissingToken.into());
    }
    let engine = &call.engine;
    let settings = &engine.settings;
    let next = call.next();
    let cookies = call.names.read(&call.headers);
    let refreshed = match refresh_cookie(engine, &cookies).await {
        Ok(token) => engine.refresh(token, Transport::Cookie, &call.client()).await,
        Err(error) => Err(error),
    };
    match refreshed {
        Ok(grant) => {
            let in_circles = engine.bounces.again(grant.loaded.session.id, &next, grant.now);
            let mut response = if in_circles {
                page(StatusCode::OK, &renew::in_circles(&engine.assets), settings)?
            } else {
                see_other(&next, settings)?
            };
            // A new refresh token is handed out in this answer or never.
            call.names.set(&grant, response.headers_mut());
            response.extensions_mut().insert(Opened(grant.loaded.session.id));
            Ok(response)
        }
        Err(error) => match error.denied().denial() {
            Denial::RefreshPending => {
                let wait = error.denied().retry_after().map_or(1, |after| after.as_secs() + 1);
                let document = renew::waiting(&engine.assets);
                let mut waiting = page(StatusCode::SERVICE_UNAVAILABLE, &document, settings)?;
                waiting.headers_mut().insert(REFRESH, wait.min(5).into());
                waiting.headers_mut().insert(RETRY_AFTER, wait.into());
                waiting.headers_mut().insert(MARK, HeaderValue::from_static(Denial::RefreshPending.code()));
                Ok(waiting)
            }
            denial if renewing_may_mend(denial) => see_other(&next::with_next("/login", &next), settings),
            _ => Err(error),
        },
    }
}
