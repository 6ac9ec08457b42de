//! What stands between a node and its store, and can fail.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Passes on what comes, unless it is told otherwise. Nothing that it was given is lost while it
/// only waits: a network holds back, and goes on.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// How long everything takes on its way, in milliseconds; [`CUT`] for ever.
    delay: AtomicU64,
}

const CUT: u64 = u64::MAX;

impl Proxy {
    /// In front of what listens on this port.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Self { port: listener.local_addr().expect("an address").port(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let state = Arc::clone(&state);
                    thread::spawn(move || state.pass(from, to));
                }
            }
        });
        proxy
    }

    /// From now on nothing comes through, and nobody is told.
    pub(crate) fn cut(&self) {
        self.state.delay.store(CUT, Ordering::Relaxed);
    }

    /// From now on each piece takes so much longer, either way.
    pub(crate) fn slow(&self, delay: Duration) {
        self.state.delay.store(u64::try_from(delay.as_millis()).expect("short"), Ordering::Relaxed);
    }

    /// As if nothing had been.
    pub(crate) fn heal(&self) {
        self.state.delay.store(0, Ordering::Relaxed);
    }
}

impl State {
    #[expect(clippy::disallowed_methods, reason = "a way that takes its time")]
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut waited = 0;
            while waited < self.delay.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
                waited += 5;
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // Whoever ends it here ends it there.
        let _ = to.shutdown(std::net::Shutdown::Both);
    }
}
