//! How does a test run the binary, and talk to it?

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "support/waiting.rs"]
mod waiting;

pub(crate) use self::waiting::*;

pub(crate) const EMAIL: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "Correct1horse";

/// A folder of its own to run in, and variables.
pub(crate) struct Home {
    folder: TempDir,
    variables: BTreeMap<String, String>,
    /// The program that runs the binary, with its arguments; none where it is run directly.
    through: Vec<&'static str>,
}

impl Home {
    /// An empty one: a free port, keys and hashes that cost little, no limits.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let home = Self { folder, variables: BTreeMap::new(), through: Vec::new() };
        home.with("SERVER__LISTEN", "127.0.0.1:0")
            .with("TOKENS__ALGORITHM", "ES256")
            .with("PASSWORDS__ARGON2_MEMORY_KIB", "8")
            .with("PASSWORDS__ARGON2_ITERATIONS", "1")
            .with("RATE_LIMITS__LOGIN", "off")
    }

    /// The same with `KEYWARD_<name>`.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.with_variable(&format!("KEYWARD_{name}"), value)
    }

    /// The same with a variable that is not Keyward's.
    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with a clock that is as far off as this file says: `+1d`, `-2h` (faketime(1)), read again
    /// each time it looks. What it measures durations with stays right.
    pub(crate) fn with_clock(self, offset: &Path) -> Self {
        // Debian puts it into the folder of the machine's architecture.
        let folders = std::fs::read_dir("/usr/lib").expect("a folder").flatten();
        let mut candidates = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
        let library = candidates.find(|path| path.exists()).expect("apt-get install faketime");
        self.with_variable("LD_PRELOAD", &library.display().to_string())
            .with_variable("FAKETIME_TIMESTAMP_FILE", &offset.display().to_string())
            .with_variable("FAKETIME_NO_CACHE", "1")
            .with_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// The same, held by the modes of files as everybody is: root is not, until it gives up that right.
    pub(crate) fn held_by_modes(mut self) -> Self {
        if is_root() {
            self.through = vec!["setpriv", "--bounding-set=-all"];
        }
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let words = [&self.through[..], &[env!("CARGO_BIN_EXE_keyward")], arguments].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).env_clear().envs(&self.variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().expect("it runs"))
    }

    /// Runs it to its end with this on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("it runs");
        let mut stdin = child.stdin.take().expect("piped");
        // It may have refused before it read anything.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ran::of(child.wait_with_output().expect("it ends"))
    }

    /// Runs it to its end, which must be a good one; gives what it printed.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{arguments:?}");
        ran.out
    }

    /// The same as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(arguments)).expect("JSON")
    }

    /// Makes an account of this address, with [`PASSWORD`].
    pub(crate) fn user(&self, email: &str) {
        let ran = self.run_with(&["user", "create", email, "--password-stdin"], PASSWORD);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }

    /// Everything in the folder: modes and contents.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut all = BTreeMap::new();
        gather(self.folder.path(), &mut all);
        all
    }
}

fn gather(folder: &Path, all: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let metadata = std::fs::symlink_metadata(&path).expect("it is there");
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            gather(&path, all);
            all.insert(path, (mode, Vec::new()));
        } else {
            let bytes = std::fs::read(&path).expect("readable");
            all.insert(path, (mode, bytes));
        }
    }
}

/// Whether these tests are run by root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("an exit code, not a signal"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// It failed with this code and one line; gives that.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32) -> &str {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.starts_with("keyward: ") && self.err.ends_with('\n'), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        &self.err
    }
}

/// A `keyward serve` that runs. Dropped, it is killed.
pub(crate) struct Server {
    pid: u32,
    address: String,
    lines: Receiver<String>,
    printed: Vec<String>,
    exited: Receiver<(ExitStatus, String)>,
    gone: bool,
}

impl Server {
    pub(crate) fn start(home: &Home) -> Self {
        Self::of(home.command(&["serve"]).spawn().expect("it runs"))
    }

    /// Waits until the process says where it listens.
    pub(crate) fn of(mut child: Child) -> Self {
        let stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take();
        let pid = child.id();
        let (say, lines) = channel();
        std::thread::spawn(move || {
            // Read to its end, whether anybody listens or not: it must not wait for a full pipe.
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(say.send(line)));
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            // Where it is not piped here, nobody reads it.
            stderr.map_or(Ok(0), |stderr| BufReader::new(stderr).read_to_string(&mut text)).map(|_| text)
        });
        let (end, exited) = channel();
        std::thread::spawn(move || {
            let status = child.wait().expect("it ends");
            let _ = end.send((status, errors.join().expect("read").expect("UTF-8")));
        });
        let mut server =
            Self { pid, address: String::new(), lines, printed: Vec::new(), exited, gone: false };
        let line = server.line_with("Listens on");
        server.address = line.split_whitespace().last().expect("an address").to_owned();
        server
    }

    /// The first line it prints that contains this.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        if let Some(line) = self.printed.iter().find(|line| line.contains(part)) {
            return line.clone();
        }
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("{part} is not printed: {:?}", self.printed),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended: {:?}, {:?}", self.printed, self.exited.recv_timeout(PATIENCE))
                }
            }
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid)]).output();
        assert!(sent.expect("a shell").status.success());
    }

    /// Stops all that it does, until it is told `CONT`.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
        // A thread that runs meanwhile goes on until it is told, too.
        until(PATIENCE, "to stop", || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid)).expect("a process");
            threads
                .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok())
                .all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
        });
    }

    /// Ends it as a power cut would, and waits until it is gone; gives what it logged.
    pub(crate) fn kill(mut self) -> String {
        self.signal("KILL");
        let (_, log) = self.exited.recv_timeout(PATIENCE).expect("it ends");
        self.gone = true;
        log
    }

    /// Waits for its end; gives its exit code, what it printed and what it logged.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let (status, log) = self.exited.recv_timeout(PATIENCE).expect("it ends");
        self.gone = true;
        self.printed.extend(self.lines.iter());
        (status.code().expect("an exit code"), self.printed.join("\n"), log)
    }

    /// Tells it to stop, and waits until it did so in good order; gives what it printed.
    pub(crate) fn stop(self) -> String {
        self.signal("TERM");
        let (code, printed, log) = self.end();
        assert_eq!(code, 0, "{log}");
        printed
    }

    pub(crate) fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        ask(&self.address, method, path, token, body).expect("an answer")
    }

    /// What the listener for monitors says.
    pub(crate) fn monitor(&mut self, path: &str) -> Answer {
        let line = self.line_with("Metrics");
        let address = line.rsplit("http://").next().and_then(|rest| rest.strip_suffix("/metrics"));
        let mut stream = TcpStream::connect(address.expect("an address")).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: monitor\r\nConnection: close\r\n\r\n").expect("written");
        Answer::read(&mut stream)
    }

    /// The value of this sample in the metrics.
    pub(crate) fn sample(&mut self, name: &str) -> f64 {
        let text = self.monitor("/metrics").text;
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.unwrap_or_else(|| panic!("{name} in {text}"))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None, None)
    }

    /// The answer to a login with [`PASSWORD`].
    pub(crate) fn login(&self, email: &str) -> Value {
        let answer = self.call(
            "POST",
            "/api/auth/login",
            None,
            Some(&json!({ "email": email, "password": PASSWORD })),
        );
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// What the server says to whoever shows this access token: 200, or the code of its refusal.
    pub(crate) fn verdict(&self, token: &str) -> String {
        let answer = self.call("GET", "/api/auth/session", Some(token), None);
        if answer.status == 200 { "200".to_owned() } else { text(&answer.json()["code"]) }
    }

    pub(crate) fn refresh(&self, token: &str) -> Answer {
        self.call("POST", "/api/auth/refresh", None, Some(&json!({ "refresh_token": token })))
    }

    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        connect(&self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.gone && self.exited.try_recv().is_err() {
            // That it has ended by itself meanwhile is just as well.
            let _ = Command::new("sh").args(["-c", &format!("kill -KILL {}", self.pid)]).output();
            let _ = self.exited.recv_timeout(PATIENCE);
        }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Asks on a connection of its own; an error is one that was refused, broke, or brought no whole answer.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> io::Result<Answer> {
    let mut stream = connect(address)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{token}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    stream.write_all(request.as_bytes())?;
    Answer::whole(&mut stream)
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    /// Reads to the end of the connection.
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        Self::whole(stream).expect("an answer")
    }

    fn whole(stream: &mut TcpStream) -> io::Result<Self> {
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.is_some_and(|length| length.parse() != Ok(body.len())) {
            return Err(cut());
        }
        Ok(Self { status, text: body.to_owned() })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }
}

/// Makes `certificate.pem` and `key.pem` in this folder, for names such as `DNS:*.keyward.test`;
/// nobody vouches for them.
pub(crate) fn self_made_certificate(folder: &Path, names: &str) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", "/CN=test", "-addext", "basicConstraints=critical,CA:FALSE", "-days", "2"])
        .args(["-addext", &format!("subjectAltName={names}")])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .output()
        .expect("apt-get install openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The number of the key that made a refresh token.
pub(crate) fn refresh_key_of(tokens: &Value) -> u16 {
    let token = text(&tokens["refresh_token"]);
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("kwr_").expect("a refresh token"));
    u16::from_be_bytes(bytes.expect("base64url")[1..3].try_into().expect("two bytes"))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
