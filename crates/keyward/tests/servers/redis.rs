//! A real Redis for tests: started by the first that needs it, on a free port of this machine, and
//! gone with the process, however that ends.
//!
//! Shared by path between the tests of the crates; it needs nothing but Debian's `redis-server`
//! (`need_redis` in scripts/lib.sh).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Its shell outlives this process by as long as it takes to end it: its standard input ends with
/// this process.
const RUN: &str = r#"
redis-server --port "$1" --bind 127.0.0.1 --save '' --appendonly no --databases 2000 \
    --maxmemory-policy noeviction </dev/null &
read -r _
kill -9 $!
wait $!
"#;

/// A server.
pub(crate) struct Server {
    pub(crate) port: u16,
    shell: Child,
    lifeline: Option<ChildStdin>,
}

/// The server of this process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// Starts one more, for a test that ends it.
    pub(crate) fn start() -> Self {
        for _ in 0..5 {
            // Somebody else may take the port before Redis does; then it ends.
            let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
            if let Some(server) = Self::on(port) {
                return server;
            }
        }
        panic!("Redis does not start: see need_redis in scripts/lib.sh");
    }

    fn on(port: u16) -> Option<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", RUN, "redis", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let lifeline = shell.stdin.take();
        let mut lines = BufReader::new(shell.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line.contains("Ready to accept connections"));
        // What it says further has to go somewhere, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Self { port, shell, lifeline };
        is_ready.then_some(server)
    }

    /// The address of a database that nobody else of this process has.
    pub(crate) fn database(&self) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        format!("redis://127.0.0.1:{}/{}", self.port, NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    /// What it says to this, as it says it.
    pub(crate) fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it answers");
        write!(stream, "{command}\r\nQUIT\r\n").expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Ends it as a power cut would, and with it all that it knew.
    pub(crate) fn kill(&mut self) {
        drop(self.lifeline.take());
        // That it has ended by itself is just as well.
        let _ = self.shell.wait();
    }

    /// Starts it anew where it was.
    pub(crate) fn start_again(&mut self) {
        *self = Self::on(self.port).expect("its port is free again");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
