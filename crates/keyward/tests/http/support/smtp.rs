//! An SMTP server that a test starts: `tests/smtp/server.py`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use keyward::{Secret, Smtp};
use serde_json::Value;

/// Debian's own, for which it packages aiosmtpd.
const PYTHON: &str = "/usr/bin/python3";

/// A server, until it is dropped.
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    process: Child,
    // Closed, it ends.
    _input: ChildStdin,
    said: Receiver<Value>,
}

impl SmtpServer {
    /// One that speaks `plain`, `starttls` or `smtps`, on a free port.
    pub(crate) fn start(mode: &str) -> Self {
        Self::start_on(mode, 0)
    }

    pub(crate) fn start_on(mode: &str, port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp/server.py");
        let mut process = Command::new(PYTHON)
            .arg(script)
            .args([mode, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there: scripts/test installs what the tests need");
        let input = process.stdin.take().expect("piped");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = say.send(serde_json::from_str(&line).expect("JSON"));
            }
        });
        let mut server = Self { port, process, _input: input, said };
        let first = server.says();
        server.port = first["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        server
    }

    /// What it says next: a message that it took.
    pub(crate) fn says(&self) -> Value {
        let said = self.said.recv_timeout(Duration::from_secs(60));
        said.expect("it says something; is python3-aiosmtpd installed? scripts/test does that")
    }

    /// That it took nothing more. It answers after it has said what it took.
    #[track_caller]
    pub(crate) fn took_nothing_more(&self) {
        assert_eq!(self.said.try_recv().ok(), None);
    }

    /// The settings to send by way of it.
    pub(crate) fn smtp(&self, host: &str, implicit_tls: bool) -> Smtp {
        let credentials = ("ada".to_owned(), Secret::from(b"p:s/w@rd".to_vec()));
        Smtp { implicit_tls, host: host.to_owned(), port: self.port, credentials: Some(credentials) }
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
