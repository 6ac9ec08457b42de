//! `POST /api/auth/refresh` `{refresh_token?}`: what it brings is said in [`keyward_core::session`].

use http::StatusCode;
use keyward_core::session::Transport;

use super::{Told, granted};
use crate::http::body::Fields;
use crate::http::guard::refresh_cookie;
use crate::http::{Answer, Call};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let in_body = fields.optional_text("refresh_token");
    fields.finish()?;
    let grant = match in_body {
        Some(token) => call.engine.refresh(&token, Transport::Bearer, &call.client()).await?,
        None => {
            let cookies = call.names.read(&call.headers);
            let token = refresh_cookie(&call.engine, &cookies)?;
            call.engine.refresh(token, Transport::Cookie, &call.client()).await?
        }
    };
    Ok(granted(StatusCode::OK, &grant, call.names, Told::Rotation))
}
