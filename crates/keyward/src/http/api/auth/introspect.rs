//! `POST /api/auth/introspect`: is this token good, and what does it stand for (RFC 7662)?

use http::StatusCode;
use keyward_core::access_token::{self, Claims, Realm};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::flow::introspect::Introspected;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call, form, json};
use crate::schema::Id;

/// What a token stands for (RFC 7662 §2.2): of one that is not good, `active` alone. An access token's
/// claims stand beside these.
#[derive(Serialize, ToSchema)]
struct Introspection {
    active: bool,
    #[schema(required = false)]
    token_type: String,
    #[schema(required = false)]
    iss: String,
    #[schema(required = false, value_type = Id)]
    sub: String,
    #[schema(required = false, value_type = Id)]
    sid: String,
    #[schema(required = false)]
    iat: i64,
    #[schema(required = false)]
    exp: i64,
    #[schema(required = false)]
    scope: String,
    #[schema(required = false)]
    username: String,
    #[serde(flatten)]
    claims: std::collections::HashMap<String, Value>,
}

pub(crate) const POST: Operation = Operation {
    summary: "Is this token good, and what does it stand for?",
    about: "RFC 7662. Introspecting an access token counts as presenting it; of a refresh token it changes nothing.",
    form: true,
    takes: &[Field::text("token", "An access or refresh token", "kwr_AQEBkg…")],
    answers: &[Told::json::<Introspection>(200, "What it stands for")],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let token = form::token(&call.headers, &call.body)?;
    let realm = &call.engine.realm;
    let said = match call.engine.introspect(&token, &|| call.client()).await? {
        // Nothing is told of why (RFC 7662 §2.2).
        None => json!({ "active": false }),
        Some(Introspected::Access(access)) => of_access(&access.token.claims, realm),
        Some(Introspected::Refresh { user, session, issued_at, expires_at }) => json!({
            "active": true,
            // No type that lets anybody in (RFC 6749 §7.1), for who looks at `active` and this alone.
            "token_type": "refresh_token",
            "iss": realm.issuer,
            "sub": user,
            "sid": session,
            "iat": issued_at.seconds(),
            "exp": expires_at.seconds(),
        }),
    };
    Ok(json(StatusCode::OK, &said))
}

/// What the token says, and what RFC 7662 §2.2 calls some of it.
fn of_access(claims: &Claims, realm: &Realm) -> Value {
    let mut said = access_token::members(claims, realm);
    said.insert("active".to_owned(), true.into());
    said.insert("token_type".to_owned(), "Bearer".into());
    if let Some(permissions) = &claims.permissions {
        said.insert("scope".to_owned(), permissions.join(" ").into());
    }
    if let Some(email) = &claims.email {
        said.insert("username".to_owned(), email.address.as_str().into());
    }
    Value::Object(said)
}
