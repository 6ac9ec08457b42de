//! A service beside Keyward: everybody sees who they are; who may, posts a job.

use std::env;

use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use keyward_verify::{Session, Verifier};

async fn me(session: Session) -> String {
    format!("{{\"user_id\":\"{}\"}}", session.user_id())
}

async fn post_job(session: Session) -> (StatusCode, String) {
    (StatusCode::CREATED, format!("{{\"by\":\"{}\"}}", session.user_id()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = env::var("KEYWARD_ISSUER")?;
    let verifier = Verifier::access_tokens(&issuer)
        .server(&env::var("KEYWARD_URL").unwrap_or_else(|_| issuer.clone()))
        .audience(&env::var("KEYWARD_AUDIENCE").unwrap_or_else(|_| "keyward".to_owned()))
        .service_key(&env::var("KEYWARD_SERVICE_KEY")?)
        .build()?;
    let app = Router::new()
        .route("/me", get(me).layer(verifier.layer()))
        .route("/jobs", post(post_job).layer(verifier.layer().permission("jobs:write")));
    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    axum::serve(tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?, app).await?;
    Ok(())
}
