//! What does an application get of Keyward over HTTP? Its routes, a layer for its own, a server.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use http::Method;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::signal::unix::{SignalKind, signal};

use super::layer::Layer;
use crate::Keyward;

/// How long what runs may take when [`Keyward::run`] is told to stop.
const GRACE: Duration = Duration::from_secs(10);

impl Keyward {
    /// Every route of Keyward, to merge into an application's own router, whatever the state of
    /// that. Behind anything but [`Keyward::run`] and [`Keyward::serve`] it has to be served with
    /// connect info (`into_make_service_with_connect_info::<SocketAddr>`), or every client has one
    /// address, and with it one rate limit; and a graceful shutdown begins with
    /// [`Keyward::send_away`], or it waits for those who listen for as long as they do.
    ///
    /// The paths are those of `docs/routes.md`: below `/api/auth`, `/api/admin` and `/.well-known`,
    /// and the pages. axum panics where an application has a route of the same path.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        super::router(&self.engine).with_state(())
    }

    /// What is put around the application's own routes, so that they know who asks: see [`Layer`].
    pub fn layer(&self) -> Layer {
        Layer::new(self.clone())
    }

    /// The same, which answers whatever else is asked with `not_found`: to serve alone.
    pub fn app(&self) -> Router {
        super::app(&self.engine)
    }

    /// What monitors ask, `/metrics`, `/healthz` and `/readyz`, for a listener of its own: the
    /// routers above don't have `/metrics`.
    pub fn monitor(&self) -> Router {
        super::monitor::router(self)
    }

    /// Serves `router` over HTTP/1.1, with limits on whatever a client could make large or slow,
    /// until `shutdown`; what runs then is finished within `grace`.
    pub async fn serve(
        &self,
        listener: TcpListener,
        router: Router,
        shutdown: impl Future<Output = ()>,
        grace: Duration,
    ) {
        let shutdown = async {
            shutdown.await;
            self.send_away();
        };
        super::serve::serve(listener, router, shutdown, grace).await;
    }

    /// Ends the answers that have no end, to those who listen to what is revoked
    /// (`GET /api/auth/revocations`): what a graceful shutdown begins with, as in
    /// [`Keyward::serve`]. They come again, here or at another node.
    pub fn send_away(&self) {
        self.engine.feed.listeners.send_away();
    }

    /// Serves `router` at this address, such as `127.0.0.1:8080`, until the process is told to stop
    /// (SIGINT or SIGTERM); what runs then is finished within ten seconds, and what is noted is
    /// written.
    ///
    /// # Errors
    /// Where the address can't be taken, or what is noted can't be written;
    /// [`io::ErrorKind::InvalidInput`] where others than this machine could reach it and the master
    /// key is the one that was made beside the database.
    pub async fn run(&self, address: impl ToSocketAddrs, router: Router) -> io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        may_listen(listener.local_addr()?, self.engine.has_own_key)?;
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = async {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        };
        self.serve(listener, router, told, GRACE).await;
        self.close().await.map_err(io::Error::other)
    }

    /// Every route there is: method, path, and what is demanded of who asks. For the test that each
    /// of them refuses somebody.
    #[doc(hidden)]
    pub fn routes() -> impl Iterator<Item = (Method, &'static str, String)> {
        super::ROUTES.iter().map(|route| {
            let any = || Method::from_bytes(b"ANY").unwrap_or_default();
            let method = route.method.clone().unwrap_or_else(any);
            (method, route.path, format!("{:?}", route.guard).to_lowercase())
        })
    }

    /// What can be asked over HTTP, how it is answered and how it is refused, as JSON: OpenAPI 3.1.
    pub fn openapi() -> &'static str {
        &super::openapi::DOCUMENT
    }
}

/// Whether this address may be served with this master key.
fn may_listen(address: SocketAddr, has_own_key: bool) -> io::Result<()> {
    if has_own_key || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    let message = format!(
        "no master key was given: {address} isn't loopback, and the one beside the database is for \
         development on this machine; give one (openssl rand -base64 32, then Builder::master_key) or \
         listen on 127.0.0.1"
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_beside_the_database_is_for_this_machine_alone() {
        let may = |address: &str, has_own_key| may_listen(address.parse().expect(address), has_own_key);
        for inside in ["127.0.0.1:8080", "127.8.0.1:80", "[::1]:8080", "[::ffff:127.0.0.1]:1"] {
            assert!(may(inside, false).is_ok() && may(inside, true).is_ok(), "{inside}");
        }
        for outside in ["0.0.0.0:8080", "[::]:8080", "192.0.2.7:80", "[::ffff:192.0.2.7]:80"] {
            let error = may(outside, false).expect_err(outside);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("Builder::master_key"), "{error}");
            assert!(may(outside, true).is_ok(), "{outside}");
        }
    }
}
