//! What happens to a request on its way, and to its answer on the way back?
//!
//! One origin for two servers: pages of an application, which it serves itself, and Keyward, to
//! which it passes everything else. It counts what passes, and does to a path what it is told to.
//! Each connection carries one request: so the order of answers is the order of events.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustls::ServerConfig;

use super::app::{self, App};
use super::message::{Request, field, without_cookies};
use super::{now, tls};

/// What is done to requests of a path.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The connection breaks before Keyward hears of the request.
    Unplugged,
    /// Keyward answers, and the answer is lost.
    Lost,
    /// Keyward hears of the request this much later.
    Late(Duration),
    /// Keyward answers, and the answer stays here until the fault is lifted.
    Held,
    /// Nobody answers until the fault is lifted; then the connection breaks.
    Hang,
    /// Another server's answer: a status, a content type, further header lines and a body.
    Answer(u16, &'static str, &'static str, &'static str),
    /// Every `Set-Cookie` is taken off the answer.
    NoCookies,
    /// Another server's stream of events, without an end.
    Stream,
}

impl Fault {
    /// A proxy that has its own trouble.
    pub(crate) const fn status(status: u16) -> Self {
        Self::Answer(status, "text/html", "", "<h1>Something is wrong</h1>")
    }

    /// The Wi-Fi of a hotel.
    pub(crate) const fn captive_portal() -> Self {
        Self::Answer(200, "text/html", "", "<h1>Welcome to the hotel. Accept our terms.</h1>")
    }

    /// A 401 that is not Keyward's.
    pub(crate) const fn unmarked_401() -> Self {
        Self::Answer(
            401,
            "application/json",
            "WWW-Authenticate: Bearer\r\n",
            r#"{"code":"session_revoked","status":401}"#,
        )
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With its query.
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// When it came, as [`now`] tells.
    pub(crate) at: Duration,
    /// The status of the answer as the browser got it; 0 as long as it got none.
    pub(crate) status: u16,
    /// When the browser hung up on a stream.
    pub(crate) hung_up: Option<Duration>,
}

impl Seen {
    /// The value of this header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// Dropped, it no longer listens.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    lifted: Condvar,
    over: AtomicBool,
    app: App,
}

#[derive(Default)]
struct State {
    keyward: String,
    faults: Vec<Rule>,
    seen: Vec<Seen>,
    /// How many came before those.
    forgotten: usize,
    /// Rises whenever faults are lifted.
    lifted: u64,
}

impl State {
    /// What this request was noted as; it may have been forgotten meanwhile.
    fn noted(&mut self, number: usize) -> Option<&mut Seen> {
        self.seen.get_mut(number.checked_sub(self.forgotten)?)
    }
}

/// A request that was noted.
struct Noted {
    number: usize,
    fault: Option<Fault>,
    /// How often faults had been lifted when this one was chosen.
    lifted: u64,
}

struct Rule {
    /// A path, or a beginning and `*`.
    path: String,
    fault: Fault,
    /// How many requests more it is for.
    times: usize,
}

/// What a request came by, encrypted or not.
trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl Proxy {
    /// Listens on a free port of this machine; with a certificate, for HTTPS.
    pub(crate) fn start(certificate: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            lifted: Condvar::new(),
            over: AtomicBool::new(false),
            app: App::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.over.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                let certificate = certificate.clone();
                // A browser may go away in the middle of anything.
                std::thread::spawn(move || match certificate {
                    None => shared.serve(stream),
                    Some(certificate) => shared.serve(tls::within(&certificate, stream)?),
                });
            }
        });
        Self { port, shared }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Where Keyward listens.
    pub(crate) fn stands_before(&self, keyward: &str) {
        keyward.clone_into(&mut self.shared.state().keyward);
    }

    /// What the application serves.
    pub(crate) fn app(&self) -> &App {
        &self.shared.app
    }

    /// Does this to every request of a path, or of all that begin with what stands before a `*`.
    /// What was told last counts.
    pub(crate) fn fault(&self, path: &str, fault: Fault) {
        self.fault_times(path, fault, usize::MAX);
    }

    /// The same to the next one alone.
    pub(crate) fn fault_once(&self, path: &str, fault: Fault) {
        self.fault_times(path, fault, 1);
    }

    pub(crate) fn fault_times(&self, path: &str, fault: Fault, times: usize) {
        self.shared.state().faults.push(Rule { path: path.to_owned(), fault, times });
    }

    /// Lifts all faults; what was held goes on.
    pub(crate) fn heal(&self) {
        let mut state = self.shared.state();
        state.faults.clear();
        state.lifted += 1;
        drop(state);
        self.shared.lifted.notify_all();
    }

    /// The requests of a path so far, in their order; all that begin so with a `*` at the end.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let state = self.shared.state();
        state.seen.iter().filter(|seen| matches(path, &seen.target)).cloned().collect()
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.shared.state().seen.iter().filter(|seen| matches(path, &seen.target)).count()
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        let mut state = self.shared.state();
        state.forgotten += state.seen.len();
        state.seen.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.heal();
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }

    fn serve(&self, mut stream: impl Stream) -> Option<()> {
        let request = Request::read(&mut stream)?;
        let Noted { number, fault, lifted } = self.note(&request);
        match fault {
            Some(Fault::Unplugged) => None,
            Some(Fault::Hang) => {
                self.wait(lifted, None);
                None
            }
            Some(Fault::Answer(status, kind, lines, body)) => {
                let answer = app::answer(status, kind, lines, body.as_bytes());
                self.send(number, &mut stream, &answer)
            }
            Some(Fault::Lost) => {
                self.answer(&request);
                None
            }
            Some(Fault::Held) => {
                let answer = self.answer(&request);
                self.wait(lifted, None);
                self.send(number, &mut stream, &answer)
            }
            Some(Fault::Late(delay)) => {
                self.wait(lifted, Some(delay));
                self.pass(number, &mut stream, &request)
            }
            Some(Fault::NoCookies) => {
                let answer = without_cookies(&self.answer(&request));
                self.send(number, &mut stream, &answer)
            }
            Some(Fault::Stream) => self.stream(number, &mut stream),
            None => self.pass(number, &mut stream, &request),
        }
    }

    /// Sends events until the browser hangs up.
    fn stream(&self, number: usize, stream: &mut impl Stream) -> Option<()> {
        let head = "HTTP/1.1 200 Answer\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        self.send(number, stream, head.as_bytes())?;
        while !self.over.load(Ordering::Relaxed) {
            let lifted = self.state().lifted;
            if stream.write_all(b"data: tick\n\n").and_then(|()| stream.flush()).is_err() {
                self.state().noted(number)?.hung_up = Some(now());
                break;
            }
            self.wait(lifted, Some(Duration::from_millis(50)));
        }
        None
    }

    /// Notes a request and chooses its fault at one moment: whoever saw it can lift that.
    fn note(&self, request: &Request) -> Noted {
        let mut state = self.state();
        let path = request.path();
        let rule = state.faults.iter_mut().rev().find(|rule| rule.times > 0 && matches(&rule.path, path));
        let fault = rule.map(|rule| {
            rule.times -= 1;
            rule.fault.clone()
        });
        state.seen.push(Seen {
            method: request.method.clone(),
            target: request.target.clone(),
            head: request.head.clone(),
            body: request.body.clone(),
            at: now(),
            status: 0,
            hung_up: None,
        });
        Noted { number: state.forgotten + state.seen.len() - 1, fault, lifted: state.lifted }
    }

    /// Until faults are lifted once more than so often, or for this long.
    fn wait(&self, lifted: u64, at_most: Option<Duration>) {
        let state = self.state();
        let unchanged = |state: &mut State| state.lifted == lifted;
        match at_most {
            None => drop(self.lifted.wait_while(state, unchanged)),
            Some(time) => drop(self.lifted.wait_timeout_while(state, time, unchanged)),
        }
    }

    /// The whole answer of the application or of Keyward.
    fn answer(&self, request: &Request) -> Vec<u8> {
        let mut answer = Vec::new();
        if let Some(page) = self.app.answer(request, &|bytes| self.ask(bytes)) {
            return page;
        }
        match self.keyward() {
            Some(mut keyward) => {
                let bytes = request.bytes(&request.method, &request.target, &request.body);
                let _ = keyward.write_all(&bytes).and_then(|()| keyward.read_to_end(&mut answer));
            }
            None => answer = app::answer(502, "text/html", "", b"<h1>Bad gateway</h1>"),
        }
        answer
    }

    /// The whole answer of Keyward to these bytes.
    fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        if let Some(mut keyward) = self.keyward() {
            let _ = keyward.write_all(bytes).and_then(|()| keyward.read_to_end(&mut answer));
        }
        answer
    }

    fn keyward(&self) -> Option<TcpStream> {
        let address = self.state().keyward.clone();
        TcpStream::connect(address).ok()
    }

    /// Hands the answer over piece by piece as it comes, so that streams stream.
    fn pass(&self, number: usize, stream: &mut impl Stream, request: &Request) -> Option<()> {
        if let Some(page) = self.app.answer(request, &|bytes| self.ask(bytes)) {
            return self.send(number, stream, &page);
        }
        let Some(mut keyward) = self.keyward() else {
            let answer = app::answer(502, "text/html", "", b"<h1>Bad gateway</h1>");
            return self.send(number, stream, &answer);
        };
        keyward.write_all(&request.bytes(&request.method, &request.target, &request.body)).ok()?;
        let mut piece = vec![0; 64 << 10];
        let mut first = true;
        loop {
            let length = keyward.read(&mut piece).ok().filter(|length| *length > 0)?;
            if std::mem::take(&mut first) {
                self.answered(number, &piece[..length]);
            }
            stream.write_all(&piece[..length]).and_then(|()| stream.flush()).ok()?;
        }
    }

    fn send(&self, number: usize, stream: &mut impl Stream, answer: &[u8]) -> Option<()> {
        self.answered(number, answer);
        stream.write_all(answer).and_then(|()| stream.flush()).ok()
    }

    fn answered(&self, number: usize, answer: &[u8]) {
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let Some(seen) = self.state().noted(number) {
            seen.status = status.unwrap_or(0);
        }
    }
}

fn matches(path: &str, target: &str) -> bool {
    let asked = target.split('?').next().unwrap_or_default();
    path.strip_suffix('*').map_or_else(|| asked == path, |beginning| asked.starts_with(beginning))
}
