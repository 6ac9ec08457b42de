//! `GET /.well-known/oauth-authorization-server`: who issues tokens, and where the keys are (RFC 8414 §2).

use std::collections::BTreeSet;

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use keyward_core::key::{KeyRecord, KeyState};
use serde_json::json;

use crate::http::{Answer, Call, json};

/// A service key as a bearer token: RFC 8414 §2 takes the type of an access token here. Left out,
/// it would mean HTTP Basic.
const AUTH: &str = "Bearer";

pub(crate) async fn get(call: Call) -> Answer {
    let settings = &call.engine.settings;
    let url = settings.public_url.as_str();
    // Those in use: while the configured one is being introduced, the former still signs.
    let ring = call.engine.ring();
    let in_use = |key: &&KeyRecord| matches!(key.state, KeyState::Active | KeyState::Next);
    let algorithms: BTreeSet<_> = ring.records().filter(in_use).map(|key| key.algorithm.as_str()).collect();
    let mut response = json(
        StatusCode::OK,
        &json!({
            "issuer": settings.issuer(),
            "introspection_endpoint": format!("{url}/api/auth/introspect"),
            "introspection_endpoint_auth_methods_supported": [AUTH],
            "revocation_endpoint": format!("{url}/api/auth/revoke"),
            "revocation_endpoint_auth_methods_supported": [AUTH],
            "jwks_uri": format!("{url}/.well-known/jwks.json"),
            // There is no token endpoint of OAuth: people sign in at /api/auth/login.
            "response_types_supported": [],
            "grant_types_supported": [],
            "access_token_signing_alg_values_supported": algorithms,
        }),
    );
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
