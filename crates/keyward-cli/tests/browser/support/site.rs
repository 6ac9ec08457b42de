//! What does a browser visit?

use std::sync::{Arc, LazyLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::proxy::Proxy;
use crate::binary::{EMAIL, Home, Server};

/// Each test has a browser, or two; more than this many tests at once would only slow each other.
static PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(3)));

/// Keyward with an account, [`EMAIL`], and before it the proxy, on one origin. Lifetimes are short:
/// an access token lives 6 s and is refreshed 2 s before its end, idleness ends a session after 12 s.
pub(crate) struct Site {
    pub(crate) proxy: Proxy,
    pub(crate) home: Home,
    keyward: Option<Server>,
    origin: String,
    _permit: OwnedSemaphorePermit,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(|home| home).await
    }

    /// The same with other settings.
    pub(crate) async fn with(settings: impl FnOnce(Home) -> Home) -> Self {
        let permit = Arc::clone(&PERMITS).acquire_owned().await.expect("never closed");
        let proxy = Proxy::start();
        let origin = format!("http://localhost:{}", proxy.port());
        let home = Home::new()
            .with("SERVER__PUBLIC_URL", &origin)
            .with("TOKENS__ACCESS_TTL", "6s")
            .with("SESSIONS__REFRESH_BEFORE", "2s")
            .with("SESSIONS__IDLE_TIMEOUT", "12s");
        let home = settings(home);
        home.user(EMAIL);
        let mut site = Self { proxy, home, keyward: None, origin, _permit: permit };
        site.start_keyward();
        site
    }

    /// Starts it again on its data.
    pub(crate) fn start_keyward(&mut self) {
        let keyward = Server::start(&self.home);
        self.proxy.stands_before(keyward.address());
        self.keyward = Some(keyward);
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill_keyward(&mut self) {
        self.keyward.take().expect("it runs").kill();
    }

    /// Keyward without the proxy.
    pub(crate) fn keyward(&self) -> &Server {
        self.keyward.as_ref().expect("it runs")
    }

    /// `http://localhost:PORT`: that of Keyward and of the application.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}
