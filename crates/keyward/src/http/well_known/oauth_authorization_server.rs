//! `GET /.well-known/oauth-authorization-server`: who issues tokens, and where the keys are (RFC 8414 §2).

use std::collections::BTreeSet;

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use keyward_core::key::{KeyRecord, KeyState};

use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, json};
use serde::Serialize;
use utoipa::ToSchema;

/// Who issues tokens (RFC 8414 §2).
#[derive(Serialize, ToSchema)]
struct Metadata<'a> {
    issuer: &'a str,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    jwks_uri: String,
    // There is no token endpoint of OAuth: people sign in at /api/auth/login.
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 0],
    access_token_signing_alg_values_supported: BTreeSet<&'static str>,
}

pub(crate) const GET: Operation = Operation {
    summary: "Who issues tokens, and where the keys are",
    answers: &[Told::json::<Metadata>(200, "RFC 8414")],
    ..Operation::NONE
};

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
        &Metadata {
            issuer: settings.issuer(),
            introspection_endpoint: format!("{url}/api/auth/introspect"),
            introspection_endpoint_auth_methods_supported: [AUTH],
            revocation_endpoint: format!("{url}/api/auth/revoke"),
            revocation_endpoint_auth_methods_supported: [AUTH],
            jwks_uri: format!("{url}/.well-known/jwks.json"),
            response_types_supported: [],
            grant_types_supported: [],
            access_token_signing_alg_values_supported: algorithms,
        },
    );
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
