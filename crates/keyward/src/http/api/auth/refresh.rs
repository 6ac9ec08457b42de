//! `POST /api/auth/refresh` `{refresh_token?}`: what it brings is said in [`keyward_core::session`].

use http::StatusCode;
use keyward_core::session::Transport;

use super::{SessionBody, Tells, granted};
use crate::http::body::Fields;
use crate::http::guard::refresh_cookie;
use crate::http::operation::{Field, Operation, SETS_COOKIES, Told};
use crate::http::{Answer, Call};
use keyward_core::denial::Denial;

pub(crate) const POST: Operation = Operation {
    summary: "Get a fresh access token",
    about: "An app sends its refresh token in the body, a browser in its cookie. Where `rotated` is false no new \
        refresh token was made: keep the one you have (RFC 6749 §6). On `refresh_pending` ask again after `Retry-After`.",
    takes: &[Field::text("refresh_token", "The refresh token of an app", "kwr_AQEBkg…").optional()],
    answers: &[Told::json::<SessionBody>(200, "Refreshed").with(SETS_COOKIES)],
    refuses: &[
        Denial::AmbiguousCredentials,
        Denial::MissingToken,
        Denial::InvalidRefreshToken,
        Denial::RefreshTokenExpired,
        Denial::RefreshTokenReused,
        Denial::SessionRevoked,
        Denial::SessionIdle,
        Denial::AccountInactive,
        Denial::RateLimited,
        Denial::RefreshPending,
    ],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let in_body = fields.optional_text("refresh_token");
    fields.finish()?;
    let grant = match in_body {
        Some(token) => call.engine.refresh(&token, Transport::Bearer, &call.client()).await?,
        None => {
            let cookies = call.names.read(&call.headers);
            let token = refresh_cookie(&call.engine, &cookies).await?;
            call.engine.refresh(token, Transport::Cookie, &call.client()).await?
        }
    };
    Ok(granted(StatusCode::OK, &grant, call.names, Tells::Rotation))
}
