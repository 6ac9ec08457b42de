//! Verify Keyward's access tokens in any Rust service, and know of a revocation within a second.
//!
//! Signature and claims are verified in memory with the keys that Keyward publishes, as strictly as by
//! Keyward itself: it is the same code. What was revoked since is heard over a feed. Where that is silent
//! for two seconds Keyward is asked about each token (RFC 7662), and where it doesn't answer either the
//! service answers `503`: it never guesses.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use keyward_verify::{Session, Verifier};
//!
//! async fn me(session: Session) -> String {
//!     format!("You are {}, and have the roles {:?}", session.user_id(), session.roles())
//! }
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! // keyward service-key create reports --scope introspect,revocations
//! let verifier = Verifier::access_tokens("https://app.example.com")
//!     .service_key(&std::env::var("KEYWARD_SERVICE_KEY")?)
//!     .build()?;
//! let app = Router::new()
//!     .route("/report", get(|| async { "for few" }))
//!     .route_layer(verifier.layer().permission("reports:read"))
//!     .merge(Router::new().route("/me", get(me)).route_layer(verifier.layer()));
//! axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Refusals are those of Keyward's contract: `application/problem+json` with a `code`, `X-Keyward-Error`, and
//! on a 401 `WWW-Authenticate`. So Keyward's browser client and every app act on them as on Keyward's own.
//!
//! **Cookies are not read here.** A service on the same origin as Keyward gets its cookies, too; but which of
//! several cookies counts, and whether another site sent the request, is judged in one place: put the
//! service behind a proxy that asks `/api/auth/verify`, and take what that passes on, signed, with
//! [`Verifier::assertions`].
//!
//! **Clocks** may differ from Keyward's by a minute. **HS256** has no public key, so nobody but Keyward
//! verifies such tokens: the log says so, and every answer is a 503.

mod clock;
mod event_stream;
mod feed;
mod introspection;
mod keys;
mod layer;
mod refused;
mod session;
mod verifier;
mod web;

pub use keyward_core::access_token::{ClaimedEmail, ClaimedPhone, Claims};
pub use keyward_core::id::{SessionId, UserId};

pub use layer::{Guarded, Layer};
pub use refused::Refused;
pub use session::Session;
pub use verifier::{BuildError, Builder, Verifier};

#[cfg(test)]
mod tests;
