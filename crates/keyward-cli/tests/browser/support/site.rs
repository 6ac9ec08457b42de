//! What does a browser visit?

use std::sync::{Arc, LazyLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::proxy::Proxy;
use super::tls;
use crate::binary::{EMAIL, Home, Server};

/// Each test has a browser, or two; more than so many tests at once would only slow each other.
static PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(4)));

/// What of the machine a test takes for itself.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    Quarter = 1,
    /// For one that measures what is promised in seconds.
    Half = 2,
}

/// Waits until there is room for one more test with a browser.
pub(crate) async fn permit(share: Share) -> OwnedSemaphorePermit {
    Arc::clone(&PERMITS).acquire_many_owned(share as u32).await.expect("never closed")
}

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
        Self::sharing(Share::Quarter, settings).await
    }

    /// The same in a test that takes more of the machine.
    pub(crate) async fn sharing(share: Share, settings: impl FnOnce(Home) -> Home) -> Self {
        let permit = permit(share).await;
        let proxy = Proxy::start(None);
        let origin = format!("http://localhost:{}", proxy.port());
        Self::at(origin, proxy, settings, permit)
    }

    /// The same as people have it: by HTTPS, at `https://app.keyward.test:PORT`, and nothing ends by
    /// itself.
    pub(crate) async fn encrypted() -> Self {
        let permit = permit(Share::Quarter).await;
        let proxy = Proxy::start(Some(tls::certificate()));
        let origin = format!("https://app.keyward.test:{}", proxy.port());
        // Made for this; where it is not on this machine alone, Keyward makes none by itself.
        let master_key = "nR0vT1mX2q8yPzUuS3cHkWb7dJ5gFaEoLi6YxQ4tKNs=";
        let settings = |home: Home| {
            home.with("KEYS__MASTER_KEY", master_key)
                .with("TOKENS__ACCESS_TTL", "5m")
                .with("SESSIONS__IDLE_TIMEOUT", "1h")
        };
        Self::at(origin, proxy, settings, permit)
    }

    fn at(
        origin: String,
        proxy: Proxy,
        settings: impl FnOnce(Home) -> Home,
        permit: OwnedSemaphorePermit,
    ) -> Self {
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

    /// Ends it in good order, and starts it again on its data.
    pub(crate) fn restart_keyward(&mut self) {
        self.keyward.take().expect("it runs").stop();
        self.start_keyward();
    }

    /// Keyward without the proxy.
    pub(crate) fn keyward(&self) -> &Server {
        self.keyward.as_ref().expect("it runs")
    }

    /// Puts a private page with the client at `/app/`. It shows what the API gives it in `#data`;
    /// `window.kw` is the client, `window.load()` asks the API again and gives the status.
    pub(crate) fn serve_app(&self) {
        let script = "
            import { createKeyward } from '/client/keyward.js';
            const kw = window.kw = createKeyward({ private: true });
            window.load = async () => {
              const answer = await kw.fetch('/app/data');
              if (answer.ok) document.querySelector('#data').textContent = (await answer.json()).data;
              return answer.status;
            };
            kw.ready.then(() => window.load());
            if (location.search === '?poll') setInterval(() => window.load().catch(() => {}), 500);";
        self.proxy.app().script("/app/main.js", script);
        let body = "<h1>App</h1><p id=data></p><textarea></textarea>";
        self.proxy.app().page("/app/", &["/app/main.js"], body);
        self.proxy.app().page("/app/plain", &[], "<h1>Plain</h1>");
    }

    /// The number of sessions of [`EMAIL`] that are open.
    pub(crate) fn open_sessions(&self) -> usize {
        let listed = self.home.json(&["session", "list", EMAIL, "--json"]);
        listed["sessions"].as_array().map_or(0, Vec::len)
    }

    /// What went to Keyward's API and the application's, a line each, for the message of a failure.
    pub(crate) fn story(&self) -> String {
        let seen = self.proxy.seen("*").into_iter().filter(|seen| !seen.target.contains(".js"));
        let lines = seen.map(|seen| {
            format!("{:8.3} {} {} {}", seen.at.as_secs_f64(), seen.status, seen.method, seen.target)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// `http://localhost:PORT`: that of Keyward and of the application.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}
