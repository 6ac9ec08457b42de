//! `GET /.well-known/oauth-authorization-server`: who issues tokens, and where the keys are (RFC 8414 §2).

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde_json::json;

use crate::http::{Answer, Call, json};

pub(crate) async fn get(call: Call) -> Answer {
    let settings = &call.engine.settings;
    let url = settings.public_url.as_str();
    let mut response = json(
        StatusCode::OK,
        &json!({
            "issuer": settings.issuer(),
            "jwks_uri": format!("{url}/.well-known/jwks.json"),
            // There is no token endpoint of OAuth: people sign in at /api/auth/login.
            "response_types_supported": [],
            "grant_types_supported": [],
            "access_token_signing_alg_values_supported": [settings.algorithm.as_str()],
        }),
    );
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
