//! What do monitors ask, on a listener of their own? Never the public one.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use super::{problem, text};
use crate::{Keyward, clock};

/// `/metrics`, `/healthz` and `/readyz`.
pub(crate) fn router(keyward: &Keyward) -> Router {
    let (metrics, ready) = (keyward.clone(), keyward.clone());
    Router::new()
        .route("/metrics", get(move || async move { told(metrics.metrics(), Keyward::METRICS_TYPE) }))
        .route("/healthz", get(async || told("ok\n", PLAIN)))
        .route(
            "/readyz",
            get(move || async move {
                match ready.engine.is_ready().await {
                    Ok(()) => told("ok\n", PLAIN),
                    Err(error) => problem::of(&error, &clock::request_id()),
                }
            }),
        )
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn told(body: impl Into<Body>, media: &'static str) -> Response<Body> {
    let mut response = text(http::StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
