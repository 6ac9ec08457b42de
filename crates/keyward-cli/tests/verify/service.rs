//! How does a test run the examples, each in its language?

use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::port::free_port;
use crate::support::{Answer, PATIENCE, until};

/// A language that is on this machine, and how its example is run there.
pub(crate) struct Language {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
}

/// All of them, but for those that whoever runs the tests says to do without: a language is missed aloud.
pub(crate) fn languages() -> &'static [Language] {
    static FOUND: LazyLock<Vec<Language>> = LazyLock::new(find);
    &FOUND
}

fn find() -> Vec<Language> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let axum = std::env::current_exe().expect("a path").with_file_name("../examples/axum-service");
    assert!(axum.exists(), "{}: `cargo build -p keyward-cli --examples` makes it", axum.display());
    let without = std::env::var("KEYWARD_TESTS_WITHOUT").unwrap_or_default();
    let here = std::env::temp_dir();
    let mut found = vec![Language { name: "axum", program: axum, arguments: Vec::new(), folder: here }];
    for (name, arguments) in [
        ("express", &["server.js"][..]),
        ("fastapi", &["-m", "uvicorn", "app_fastapi:app", "--port", "$PORT", "--log-level", "warning"]),
        ("django", &["app_django.py", "runserver", "--noreload", "127.0.0.1:$PORT"]),
        ("go", &[]),
    ] {
        if without.split(',').any(|left_out| left_out == name) {
            continue;
        }
        let made = Command::new(root.join("scripts/languages")).arg(name).output().expect("it runs");
        let lines = String::from_utf8(made.stdout).expect("UTF-8");
        match (made.status.success(), lines.lines().collect::<Vec<_>>().as_slice()) {
            (true, [program, folder]) => found.push(Language {
                name,
                program: program.into(),
                arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
                folder: folder.into(),
            }),
            _ => panic!(
                "{name}: {}; KEYWARD_TESTS_WITHOUT={name} leaves it out",
                String::from_utf8_lossy(&made.stderr).trim_end()
            ),
        }
    }
    found
}

/// An example that runs. Dropped, it is killed.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    address: String,
    child: Child,
}

impl Service {
    /// Starts it: which issuer it trusts, where it asks, and with which service key.
    pub(crate) fn start(language: &'static Language, issuer: &str, server: &str, key: &str) -> Self {
        let port = free_port().to_string();
        let arguments = language.arguments.iter().map(|argument| argument.replace("$PORT", &port));
        let mut command = Command::new(&language.program);
        command.args(arguments).current_dir(&language.folder).env("PORT", &port);
        command.env("KEYWARD_ISSUER", issuer).env("KEYWARD_URL", server).env("KEYWARD_SERVICE_KEY", key);
        // Nobody answers there: without TLS no proxy is shown the service key.
        for proxy in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env(proxy, "http://127.0.0.1:1");
        }
        command.env_remove("no_proxy").env_remove("NO_PROXY");
        command
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", language.name));
        let service = Self { name: language.name, address: format!("127.0.0.1:{port}"), child };
        until(PATIENCE, &format!("{} to listen", language.name), || {
            TcpStream::connect(&service.address).is_ok()
        });
        service
    }

    /// What it says to whoever shows this token: `ok`, or the code of its refusal.
    pub(crate) fn verdict(&self, token: &str) -> String {
        let answer = self.get("/me", Some(token));
        match answer.status {
            200 => "ok".to_owned(),
            401 | 503 => answer.json()["code"].as_str().expect("a code").to_owned(),
            status => panic!("{}: {status} {}", self.name, answer.text),
        }
    }

    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{token}\r\n", self.address);
        stream.write_all(head.as_bytes()).expect("written");
        Answer::read(&mut stream)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
