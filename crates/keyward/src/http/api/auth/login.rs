//! `POST /api/auth/login` `{email | phone_number, password, transport?}`

use http::StatusCode;

use super::{Told, granted, replaced, transport};
use crate::flow::sign_in::SignIn;
use crate::http::body::Fields;
use crate::http::{Answer, Call};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let by_phone = fields.has("phone_number") && !fields.has("email");
    if fields.has("phone_number") && fields.has("email") {
        fields.refuse("phone_number", "give either an e-mail address or a phone number");
    }
    let name = fields.text(if by_phone { "phone_number" } else { "email" });
    let password = fields.password("password");
    let named = fields.transport();
    fields.finish()?;
    let transport = transport(&call, named)?;
    let replaces = replaced(&call).await?;
    let sign_in = SignIn { name, by_phone, password, transport, replaces };
    let grant = call.engine.sign_in(sign_in, &call.client()).await?;
    Ok(granted(StatusCode::OK, &grant, call.names, Told::Deadline))
}
